/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which entries an administrator means: by sender, recipient, domain, age,
 * reason, state and size. Every part that is given must fit.
 */
#ifndef GATEWAY_STORE_FILTER_H
#define GATEWAY_STORE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct json_t;
struct store_item;
struct store_status;

/* Strings are borrowed from the request. */
struct store_filter {
	const char *from;   /* ADDRESS, @DOMAIN or <>; NULL: any */
	const char *to;	    /* ADDRESS or @DOMAIN of an open recipient */
	const char *domain; /* of one, without the @ */
	const char *reason; /* in the last result, reason, rule or why */
	const char *state;
	uint64_t older_ms, newer_ms; /* 0: any */
	uint64_t larger, smaller;    /* octets; 0: any */
};

/* The member "filter" of a request; false when it is not understood. Without
   one the filter lets all through. */
bool store_filter_read(const struct json_t *request, struct store_filter *out);
bool store_is_state_word(const char *word);
/* The word for what an entry does, as `sealgate queue list` shows it. */
const char *store_state_word(
    const struct store_status *st, const struct store_item *item);
bool store_filter_fits(const struct store_filter *f, const struct entry *e,
    const struct store_status *st, const struct store_item *item,
    uint64_t age_ms);

#endif
