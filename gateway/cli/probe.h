/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ports as those see them who connect: a greeting, EHLO, STARTTLS, the
 * certificate. Never more than a client says before its mail. RFC 5321,
 * RFC 3207, RFC 8314.
 */
#ifndef GATEWAY_CLI_PROBE_H
#define GATEWAY_CLI_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"
#include "net/tls_client.h"

struct conf_net;

enum { PROBE_REPLY = 4096, PROBE_ADDRS = 8, PROBE_PEER = 24 };

enum probe_kind {
	PROBE_OPEN, /* it takes connections, or TLS where that is tried */
	PROBE_SMTP,
	PROBE_LMTP,
};

/* How far it came. */
enum probe_step {
	PROBE_CONNECT,
	PROBE_GREETING,
	PROBE_EHLO,
	PROBE_STARTTLS,
	PROBE_HANDSHAKE,
	PROBE_INSIDE, /* the greeting inside TLS */
	PROBE_DONE,
};

/* One port. What is borrowed must be there until probe_all() has returned. */
struct probe {
	/* Tried in turn until one connects; each has an equal share of what is
	   left of the time. */
	struct sockaddr_storage addr[PROBE_ADDRS];
	socklen_t addr_len[PROBE_ADDRS];
	size_t n_addr;
	enum probe_kind kind;
	bool implicit_tls;
	const struct conf_net *proxies; /* of whom a PROXY header is wanted */
	size_t n_proxies;
	const char *ehlo;
	struct net_tls_clients *tls; /* NULL: TLS is not tried */
	const char *host;	     /* whom TLS asks for; or an address */
	const char *const *names;    /* what the certificate may be for */
	size_t n_names;

	/* What came of it: PROBE_DONE, or the step that it ended in. */
	enum probe_step step;
	bool hung;		 /* no answer within the time */
	int no;			 /* errno, of PROBE_CONNECT */
	struct err_why why;	 /* of PROBE_HANDSHAKE */
	char reply[PROBE_REPLY]; /* the last one, or its beginning */
	bool starttls;		 /* was offered */
	bool tls_up;		 /* from here on: there was a handshake */
	char protocol[12];
	struct net_tls_shown shown;

	/* probe.c's own */
	int fd;
	short events;
	size_t at, len;
	uint64_t next_ms, end_ms; /* when the next address has its turn */
	bool over;
	char peer[PROBE_PEER];
	struct net_tls_client *client;
};

/* Try all of them at the same time, which takes at most ms. */
void probe_all(struct probe *list, size_t n, unsigned ms);
/* The first line of the last reply, without its end. */
struct span probe_line(const struct probe *p);

#endif
