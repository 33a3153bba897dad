/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLS towards servers, OpenSSL directly on a socket that does not block. TLS
 * 1.2 or better. Who the server is, is looked at in the handshake and told
 * after it; a server nobody knows is no error here: what it may be sent is
 * decided by who asked (RFC 7672, RFC 6125).
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "net/io.h"

struct net_tls_clients;
struct net_tls_client;
struct net_tlsa;

enum {
	/* "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified resumed sha256:…" */
	NET_TLS_TEXT_MAX = 320,
	NET_TLS_NAMES_MAX = 8, /* names a server may be known by */
	NET_TLS_NAME_MAX = 256,
	/* "3 1 1 " and the data in hex, at most 64 octets of it */
	NET_TLS_RECORD_MAX = 6 + 2 * 64 + 1,
};

/* Who the server is. The zero value is the one that proves nothing. */
enum net_tls_proof {
	NET_TLS_UNVERIFIED = 0,
	NET_TLS_NAME, /* a chain to an anchor, and one of the names */
	NET_TLS_DANE, /* what its TLSA records say */
};

/* Whom to expect. Everything is borrowed for the call. */
struct net_tls_expect {
	const char *sni; /* NULL: an address */
	/* The server for resumption: the same string, the same server. What
	   else is expected is part of it by itself. */
	const char *peer;
	/* One of these must be in the certificate, with a chain to one of the
	   anchors; A-labels, no wildcards. */
	const char *names[NET_TLS_NAMES_MAX];
	size_t n_names;
	/* Records proven by DNSSEC; NULL if there are none. With them nothing
	   else is looked at: base is the name they were found at. */
	const struct net_tlsa *tlsa;
	const char *base;
	/* Only ciphers with forward secrecy and AEAD (RFC 9325 4.2); else
	   what is better than none will do. */
	bool strict;
};

/* What all connections of a process share: settings, anchors, and sessions to
   resume. Loads what OpenSSL wants from files: the system's anchors, or those
   of anchors_file (PEM) alone. ERR_TLS with the reason. */
enum err net_tls_clients_new(const char *anchors_file,
    struct net_tls_clients **out, struct err_why *why) MUST_CHECK;
/* All clients must have been freed. NULL is fine. */
void net_tls_clients_free(struct net_tls_clients *all);

/* Begin on a connected socket, which stays the caller's. NULL when out of
   memory. */
struct net_tls_client *net_tls_client_new(
    struct net_tls_clients *all, int fd, const struct net_tls_expect *expect);
void net_tls_client_free(struct net_tls_client *t);

/* The steps. why is filled on NET_IO_FAILED. A connection cut without a
   close_notify is NET_IO_FAILED, never a proper end. */
enum net_io net_tls_client_handshake(
    struct net_tls_client *t, struct err_why *why) MUST_CHECK;
enum net_io net_tls_client_read(struct net_tls_client *t, uint8_t *out,
    size_t size, size_t *n, struct err_why *why) MUST_CHECK;
/* May take a part. After NET_IO_WANT_… call again with the same octets. */
enum net_io net_tls_client_write(struct net_tls_client *t, struct span s,
    size_t *n, struct err_why *why) MUST_CHECK;
/* Tell the peer that it is over, if that can be done at once. */
void net_tls_client_bye(struct net_tls_client *t);

/* After the handshake: who the server was proven to be. Unless it was, why
   says what is missing. */
enum net_tls_proof net_tls_client_proof(
    const struct net_tls_client *t, struct err_why *why);

/* What is wrong with a server's certificate. */
enum net_tls_fault {
	NET_TLS_FAULT_NONE = 0,
	NET_TLS_FAULT_NAME,    /* it is another's */
	NET_TLS_FAULT_EXPIRED, /* it is not valid now */
	NET_TLS_FAULT_TRUST,   /* no anchor vouches for it */
	NET_TLS_FAULT_DANE,    /* no TLSA record matches */
};

/* A session that stands, for records. What is not known is "". */
struct net_tls_facts {
	enum net_tls_proof proof;
	enum net_tls_fault fault; /* under what was expected */
	bool resumed;
	char protocol[12];
	char cipher[64];
	char cert[2 * DIGEST_SIZE + 1]; /* SHA-256 of the certificate, in hex */
	/* The name that was found in the certificate, and the record that
	   matched: those of the first handshake if it was resumed. */
	char name[NET_TLS_NAME_MAX];
	char record[NET_TLS_RECORD_MAX];
};

/* After the handshake. */
void net_tls_client_facts(
    const struct net_tls_client *t, struct net_tls_facts *out);
/* What would be wrong with it for a server of this name, by the anchors alone
   (a policy that is only tested): whatever was expected. */
enum net_tls_fault net_tls_client_fault(
    const struct net_tls_client *t, const char *name);

/* What a server's certificate says of itself, whoever vouches for it. */
struct net_tls_shown {
	bool named; /* it is for one of the names that were asked about */
	/* Of its chain by the anchors, NET_TLS_FAULT_EXPIRED too: of a
	   certificate in it. In words, "" without a fault. */
	enum net_tls_fault chain;
	char reason[96];
	int64_t begin_s, end_s; /* Unix seconds */
	/* The hosts that it is for, with blanks between; as many as there is
	   room for. */
	char names[NET_TLS_NAME_MAX];
};
/* After a handshake for which neither names nor records were expected. names
   may be addresses. All zero and "no certificate" if it showed none. */
void net_tls_client_shown(const struct net_tls_client *t,
    const char *const *names, size_t n_names, struct net_tls_shown *out);
/* Believe the anchors in file (PEM), too. ERR_TLS with the reason. */
enum err net_tls_clients_believe(struct net_tls_clients *all, const char *file,
    struct err_why *why) MUST_CHECK;
/* The facts in one line for people and logs: "TLSv1.3 TLS_AES_256_GCM_SHA384
   dane 3 1 1 resumed sha256:…". */
void net_tls_client_text(
    const struct net_tls_client *t, char out[NET_TLS_TEXT_MAX]);

#endif
