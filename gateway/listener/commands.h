/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What commands do that are not in the file of their table: each answers, and
 * says false when it must wait and come again with the same line.
 */
#ifndef GATEWAY_LISTENER_COMMANDS_H
#define GATEWAY_LISTENER_COMMANDS_H

#include <stdbool.h>

#include "common/buf.h"

struct listener_session;

/* --- greetings.c --- */

bool listener_run_ehlo(struct listener_session *s, struct span args);
bool listener_run_helo(struct listener_session *s, struct span args);
bool listener_run_xclient(struct listener_session *s, struct span args);
bool listener_run_xforward(struct listener_session *s, struct span args);
bool listener_run_starttls(struct listener_session *s, struct span args);

/* --- envelope.c --- */

bool listener_run_mail(struct listener_session *s, struct span args);
bool listener_run_rcpt(struct listener_session *s, struct span args);

#endif
