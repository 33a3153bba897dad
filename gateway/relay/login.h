/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * As whom the relay logs in at a next hop that asks for it (RFC 4954, PLAIN of
 * RFC 4616). A password goes only to the host it was written for, and only
 * over TLS that has proven who that is.
 */
#ifndef GATEWAY_RELAY_LOGIN_H
#define GATEWAY_RELAY_LOGIN_H

#include "common/err.h"
#include "common/secret.h"

struct conf;
struct relay_logins;
struct relay_target;

/* Read what the configuration names. take gives the descriptor of a password
   file by the number state_each_file() gave it, or -1; it is closed here. NULL
   for take: there are no files. ERR_CONFIG with the reason when one is missing,
   empty or longer than 255 octets. The caller frees. */
enum err relay_logins_new(const struct conf *c,
    int (*take)(void *arg, unsigned which), void *arg,
    struct relay_logins **out, struct err_why *why) MUST_CHECK;
/* NULL is fine. */
void relay_logins_free(struct relay_logins *l);

/* The line that logs in at the target, without its CRLF, for the caller to
   free; NULL when there is none for this user at this host and port. */
struct secret *relay_login_line(
    const struct relay_logins *l, const struct relay_target *t);

#endif
