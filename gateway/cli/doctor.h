/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate doctor`, in parts: doctor.c runs the checks and looks at this
 * machine, doctor_net.c at ports and servers, doctor_tls.c at what they show
 * as a certificate, doctor_dns.c at names and at the portal as others see it,
 * doctor_dmz.c at a machine that is a portal and nothing else. What talks to
 * others runs in a process that is not root, doctor_child.c.
 */
#ifndef GATEWAY_CLI_DOCTOR_H
#define GATEWAY_CLI_DOCTOR_H

#include "gateway/cli/cli.h"
#include "gateway/cli/running.h"

struct loop;
struct net_dns;
struct net_guard;
struct probe;

enum doctor_level {
	DOCTOR_BAD, /* it does not work, or not as promised */
	DOCTOR_WARN,
	DOCTOR_OK,
};

enum { DOCTOR_TEXT = 1024, DOCTOR_END = DOCTOR_OK + 1 };

struct doctor {
	struct cli *cli;
	const struct conf *conf; /* NULL: there is none that is right */
	struct running running;
	struct json_t *lines; /* with --json: what was said */
	unsigned n_bad;
	int up; /* where lines go from the child; -1: we are not the child */
};

/* Say how one thing is. remedy: what to do about it, NULL for DOCTOR_OK. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *what,
    const char *remedy, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* --- doctor_child.c --- */

/* As it comes from the child; level is DOCTOR_END behind the last. */
struct doctor_line {
	int level;
	char what[32], remedy[512];
	char text[DOCTOR_TEXT];
};

/* doctor_net() and doctor_names() in a child that has given up root for good.
   That it was not heard to the end is said, too. */
void doctor_strangers(struct doctor *d);
/* Of the child: hand a line to its parent; ends the process when nobody takes
   it. */
void doctor_pass(
    int fd, int level, const char *what, const char *remedy, const char *text);
/* Say what comes from the child. False: what is no line came, or no end within
   ms. */
bool doctor_hear(struct doctor *d, int fd, unsigned ms);

/* doctor_net.c */
void doctor_net(struct doctor *d);

/* doctor_tls.c: say what a handshake with one of our own ports has shown.
   doubt: how bad it is that others do not know its issuer, or that it is for
   another host than p->names[0]. */
void doctor_certificate(struct doctor *d, const char *where,
    const struct probe *p, enum doctor_level doubt);
/* Is a certificate what a next hop must have to be known? "" if it is, else
   what is wrong with it. */
const char *doctor_not_known(const struct probe *p, char *out, size_t size);

/* doctor_dns.c */
void doctor_names(struct doctor *d);
/* Any address, those of this machine, too. */
extern const struct net_guard doctor_anywhere;
/* The caller frees *out. ERR_CONFIG, ERR_NOMEM with the reason. */
enum err doctor_dns(const struct conf *c, struct loop *loop,
    struct net_dns **out, struct err_why *why) MUST_CHECK;
/* The host that a URL names, without port and brackets. False: none. */
bool doctor_url_host(const char *url, char *out, size_t size);

/* doctor_dmz.c: what only a portal in a DMZ has, to be asked before its ports
   are tried. */
void doctor_dmz(struct doctor *d);
/* The lines of /proc/net/tcp (or tcp6) that are connections made to this
   address and established: proc(5). Pure. */
size_t doctor_count_connections(
    struct span table, const struct sockaddr_storage *at);
/* The same of this machine's table, now. *known: could it be read? */
size_t doctor_connections_to(const struct sockaddr_storage *at, bool *known);

#endif
