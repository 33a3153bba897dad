/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is wrong with the gateway and what to do about it, the worst first: made
 * of what its processes say of themselves. For `sealgate status` and `doctor`.
 */
#ifndef GATEWAY_CLI_TROUBLE_H
#define GATEWAY_CLI_TROUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct conf_findings;
struct json_t;

enum trouble_level {
	TROUBLE_BAD,  /* mail is refused, or stands still */
	TROUBLE_WARN, /* it will be, or somebody should look */
};

enum { TROUBLES_MAX = 24, TROUBLE_TEXT = 320, TROUBLE_REMEDY = 160 };

struct troubles {
	struct trouble {
		enum trouble_level level;
		bool of_file; /* the configuration in the file */
		char text[TROUBLE_TEXT];
		char remedy[TROUBLE_REMEDY];
	} list[TROUBLES_MAX]; /* bad ones first */
	size_t n;
	size_t n_bad;
};

/* What is looked at. Any of the pointers may be NULL: it is not known. */
struct trouble_facts {
	enum err asked; /* how asking ended, if status is NULL */
	const struct json_t
	    *status; /* of the supervisor; NULL: nobody answers */
	const struct json_t *store; /* of store; NULL: it does not answer */
	/* of the configuration in the file */
	const struct conf_findings *findings;
	const char *digest; /* in hexadecimal */
	uint64_t reserve;   /* octets below which no mail is taken */
	int64_t now_s;
};

/* Find everything. A gateway that does not run is one trouble; what is wrong
   with its configuration comes before, for that is why. */
void trouble_find(const struct trouble_facts *f, struct troubles *out);
/* {"level", "text", "remedy"} of each; the caller's to release. */
struct json_t *trouble_json(const struct troubles *t);

#endif
