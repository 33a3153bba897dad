/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate doctor`, in three parts: doctor.c runs the checks and looks at this
 * machine, doctor_net.c at ports and servers, doctor_dns.c at names and at the
 * portal as others see it.
 */
#ifndef GATEWAY_CLI_DOCTOR_H
#define GATEWAY_CLI_DOCTOR_H

#include "gateway/cli/cli.h"
#include "gateway/cli/running.h"

enum doctor_level {
	DOCTOR_BAD, /* it does not work, or not as promised */
	DOCTOR_WARN,
	DOCTOR_OK,
};

struct doctor {
	struct cli *cli;
	const struct conf *conf; /* NULL: there is none that is right */
	struct running running;
	struct json_t *lines; /* with --json: what was said */
	unsigned n_bad;
};

/* Say how one thing is. remedy: what to do about it, NULL for DOCTOR_OK. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *what,
    const char *remedy, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* doctor_net.c */
void doctor_ports(struct doctor *d);
void doctor_next_hops(struct doctor *d);
/* doctor_dns.c */
void doctor_names(struct doctor *d);

#endif
