/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The first configuration, of a gateway or of its portal in a DMZ: setup.c
 * takes options and writes files, setup_ask.c asks, setup_find.c looks for the
 * mail server of this machine, setup_keys.c makes keys where they are wanted,
 * setup_link.c what gateway and portal know each other by, setup_text.c writes
 * the text and setup_next.c says what to do next.
 */
#ifndef GATEWAY_CLI_SETUP_H
#define GATEWAY_CLI_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

struct cli;
struct conf;

enum {
	SETUP_DOMAINS = 16,
	SETUP_VALUE = 256,
	SETUP_TEXT_MAX = 64 * 1024,
	SETUP_FPR = 65, /* a fingerprint in hexadecimal, and its end */
};

/* Where the units of systemd look, and what they use. */
#define SETUP_DIR	   SYSCONFDIR "/sealgate/"
#define SETUP_CONF	   SETUP_DIR "sealgate.conf"
#define SETUP_PORTAL_CONF  "portal.conf"
#define SETUP_PORTAL_STATE "/var/lib/sealgate-portal"
#define SETUP_USERS	   "sealgate"

/* The certificate of a CA that was made, beside the configuration. */
#define SETUP_CA_FILE "ca.pem"
/* What gateway and portal know each other by, and where the portal's is left
   that is to be brought to its machine. */
#define SETUP_LINK_CERT "link.pem"
#define SETUP_LINK_KEY	"link.key"
#define SETUP_DMZ_DIR	"dmz"

enum setup_server {
	SETUP_OTHER,
	SETUP_POSTFIX,
	SETUP_EXIM,
	SETUP_OPENSMTPD,
};

/* Every value is printable ASCII without quotes and backslashes. */
struct setup {
	bool alone; /* this is the portal of a gateway elsewhere */
	enum setup_server server;   /* of this machine */
	char hostname[SETUP_VALUE]; /* "" while it is not known, as below */
	char domain[SETUP_DOMAINS][SETUP_VALUE];
	size_t n_domain;
	char mail_server[SETUP_VALUE]; /* HOST:PORT that gets incoming mail */
	char listen[SETUP_VALUE];      /* where it hands in: ADDRESS:PORT */
	char next_hop[SETUP_VALUE];    /* "mx" or HOST:PORT */
	char inbound[SETUP_VALUE];     /* ADDRESS:PORT; "": not from outside */
	char tls_cert[SETUP_VALUE], tls_key[SETUP_VALUE]; /* of inbound */
	char portal[SETUP_VALUE];			  /* URL; "": none */
	char portal_address[SETUP_VALUE];
	char portal_cert[SETUP_VALUE], portal_key[SETUP_VALUE];
	/* where a portal in a DMZ waits for its gateway; "": it is here */
	char dmz[SETUP_VALUE];
	char peer[SETUP_VALUE]; /* fingerprint of the other of the two */
	char link_cert[SETUP_VALUE], link_key[SETUP_VALUE];
	char state[SETUP_VALUE];
	char runtime[SETUP_VALUE]; /* "": that of the system */
	char users[SETUP_VALUE];   /* "": none, run by an ordinary user */
	bool sign;		   /* with certificates of a CA of our own */
	bool domain_keys;	   /* a certificate and a key for each domain */
};

/* setup_find.c: fill in what the files below etc (/etc) tell; what is set
   already stays. */
void setup_find(struct setup *s, const char *etc);
const char *setup_server_name(enum setup_server server);

/* setup_ask.c: ask for all that options have not said. ERR_CLOSED. */
enum err setup_ask(struct setup *s, bool no_portal) MUST_CHECK;
/* Take a value; false when it cannot stand in quotes, as one word. */
bool setup_set(char *to, const char *value);

/* setup.c: remove from the directory what writes that were interrupted left. */
void setup_sweep(int dir);

/* A certificate and its key, PEM; empty: it is in its file already. */
struct setup_pair {
	struct buf key, cert;
	char fpr[SETUP_FPR];
};

struct setup_link {
	bool present; /* gateway and portal are two machines */
	bool bundle;  /* the portal's files are made here, too */
	struct setup_pair ours, theirs;
	struct buf conf; /* the portal's */
};

/* setup_link.c: init, find, write, clear. Find or make, in memory, what the two
   know each other by; the bundle's fingerprint becomes s->peer. dir_path is the
   directory of the configuration. What is wrong is said. */
void setup_link_init(struct setup_link *l);
void setup_link_clear(struct setup_link *l);
enum err setup_link_find(
    struct setup *s, const char *dir_path, struct setup_link *l) MUST_CHECK;
/* Put what was made into the directory, and the bundle below it. */
enum err setup_link_write(int dir, const struct setup_link *l,
    const struct conf *conf, struct err_why *why) MUST_CHECK;
/* Create dir/name with this text. ERR_EXISTS: it is there with another one. */
enum err setup_leave(
    int dir, const char *name, struct span text, mode_t mode) MUST_CHECK;

/* setup_keys.c: make what of these is not there yet: the keys of the purposes,
   a CA, and where the wish says so the keys of each domain; and put the
   certificate of the CA into the directory dir. conf is that of cli and not on
   disk yet, master its master key, open. What is wrong is said. */
enum err setup_keys(struct cli *cli, const struct setup *wish,
    const struct conf *conf, int master, int dir) MUST_CHECK;

/* setup_text.c: append the configuration. ERR_TOO_BIG, ERR_NOMEM. */
enum err setup_text(const struct setup *s, struct buf *out) MUST_CHECK;
/* The host in the URL of the portal, or at most what fits. */
void setup_url_host(const char *url, char out[SETUP_VALUE]);
/* The same as the name of a machine: readers are sent to an address only where
   it is their own. */
void setup_url_name(const char *url, char out[SETUP_VALUE]);

/* setup_next.c: what to do now, for people; conf is the path of the
   configuration. */
void setup_next_steps(const struct setup *s, const struct setup_link *l,
    const char *conf, FILE *out);

#endif
