/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of config_check(): each function adds what some sections do
 * not fulfil together.
 */
#ifndef GATEWAY_CONFIG_CHECK_PRIVATE_H
#define GATEWAY_CONFIG_CHECK_PRIVATE_H

#include "gateway/config_private.h"

/* What is checked, and where findings go; all borrowed. */
struct config_check {
	struct conf *conf;
	const struct config_file *file;
	struct conf_findings *f;
};

/* One of tls-cert and tls-key without the other. */
void config_check_tls_pair(const struct config_check *b, unsigned line,
    const char *cert, const char *key);

/* --- config_check_mail.c */

/* The sections listen; each gets its message-size where none is written. */
void config_check_listen(const struct config_check *b);
/* What comes in from outside goes on to the internal server, and nowhere else;
   without a way in there are no openers. */
void config_check_inbound(const struct config_check *b);
/* The sections relay and route, with dkim and tls-reports; sets their ports. */
void config_check_relay(const struct config_check *b);

/* --- config_check_portal.c */

/* The section portal, with the words and colours of escrow. */
void config_check_portal(const struct config_check *b);
/* The sections portal dmz and portal gateway: the other machine needs the
   options of section portal, or this one does. */
void config_check_dmz(const struct config_check *b);
/* A portal alone has no use for what is for mail: who writes it there has
   taken the machine for another. */
void config_check_alone(const struct config_check *b);
/* The section metrics: nobody signs in there. */
void config_check_metrics(const struct config_check *b);

#endif
