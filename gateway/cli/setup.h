/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The first configuration, in four parts: setup.c asks and writes files,
 * setup_find.c looks for the mail server of this machine, setup_keys.c makes
 * keys where they are wanted, setup_text.c writes the text and says what to do
 * next.
 */
#ifndef GATEWAY_CLI_SETUP_H
#define GATEWAY_CLI_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"

struct cli;
struct conf;

enum { SETUP_DOMAINS = 16, SETUP_VALUE = 256 };

/* The certificate of a CA that was made, beside the configuration. */
#define SETUP_CA_FILE "ca.pem"

enum setup_server {
	SETUP_OTHER,
	SETUP_POSTFIX,
	SETUP_EXIM,
	SETUP_OPENSMTPD,
};

/* Every value is printable ASCII without quotes and backslashes. */
struct setup {
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

/* setup_keys.c: make what of these is not there yet: the keys of the purposes,
   a CA, and where the wish says so the keys of each domain; and put the
   certificate of the CA into the directory dir. conf is that of cli and not on
   disk yet, master its master key, open. What is wrong is said. */
enum err setup_keys(struct cli *cli, const struct setup *wish,
    const struct conf *conf, int master, int dir) MUST_CHECK;

/* setup_text.c: append the configuration. ERR_TOO_BIG, ERR_NOMEM. */
enum err setup_text(const struct setup *s, struct buf *out) MUST_CHECK;
/* What to do now, for people; conf is the path of the configuration. */
void setup_next_steps(const struct setup *s, const char *conf, FILE *out);

#endif
