/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A short list: few domains announce what they do not have.
 */
#include "gateway/store/sts_never.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "net/dns.h"

enum {
	TIMES = 3,
	SPAN_MS = 3600 * 1000,
	DOMAINS_MAX = 1024, /* of more the newest is not counted: it waits */
};

struct sts_never {
	struct sts_never *next;
	char domain[NET_DNS_NAME_MAX];
	uint64_t first_ms;
	unsigned n;
};

static struct sts_never **
find(struct sts_never **list, const char *domain, unsigned *n_out)
{
	unsigned n = 0;

	for (; *list != NULL && strcmp((*list)->domain, domain) != 0;
	     list = &(*list)->next)
		n++;
	*n_out = n;
	return list;
}

bool
sts_never_failed(struct sts_never **list, const char *domain, uint64_t now_ms)
{
	unsigned n;
	struct sts_never **at = find(list, domain, &n), *s = *at;

	if (s == NULL) {
		if (n >= DOMAINS_MAX || strlen(domain) >= sizeof(s->domain))
			return false;
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			fatal("out of memory");
		snprintf(s->domain, sizeof(s->domain), "%s", domain);
		s->first_ms = now_ms;
		*at = s;
	}
	if (s->n < TIMES)
		s->n++;
	return s->n >= TIMES && now_ms - s->first_ms >= SPAN_MS;
}

void
sts_never_answered(struct sts_never **list, const char *domain)
{
	unsigned n;
	struct sts_never **at = find(list, domain, &n), *s = *at;

	if (s == NULL)
		return;
	*at = s->next;
	free(s);
}

void
sts_never_free(struct sts_never **list)
{
	struct sts_never *s;

	while ((s = *list) != NULL) {
		*list = s->next;
		free(s);
	}
}
