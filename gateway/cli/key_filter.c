/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which keys `sealgate key list` is asked for.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"

enum { MEMORY = 64 * 1024, DAY_S = 24 * 3600 };

/* "30d", "4w", "12h", "1y" in seconds. */
static bool
read_time(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {
	    {'h', 3600}, {'d', DAY_S}, {'w', 7 * DAY_S}, {'y', 365 * DAY_S}};
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	n = strtoul(text, &end, 10);
	if (n > 100000 || end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == end[0]) {
			*out = (int64_t)n * units[i].seconds;
			return true;
		}
	return false;
}

static bool
read_kind(struct key_filter *f, const char *text)
{
	static const enum ks_kind all[] = {KS_SMIME, KS_OPENPGP};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(text, ks_kind_name(all[i])) == 0) {
			f->kind = all[i];
			f->by_kind = true;
		}
	return f->by_kind;
}

static bool
read_option(struct key_filter *f, int c)
{
	int64_t in;

	switch (c) {
	case 'D':
		f->deleted = true;
		return true;
	case 't':
		f->by_trust = true;
		return ks_trust_by_name(optarg, &f->trust) == ERR_OK;
	case 's':
		f->by_source = true;
		return ks_source_by_name(optarg, &f->source) == ERR_OK;
	case 'd':
		return key_domain(optarg, f->arena, &f->domain) == ERR_OK;
	case 'k':
		return read_kind(f, optarg);
	case 'e':
		if (!read_time(optarg, &in))
			return false;
		f->by_end = true;
		f->ends_before = (int64_t)time(NULL) + in;
		return true;
	}
	return false;
}

int
key_filter_read(struct key_filter *f, int argc, char **argv)
{
	static const struct option options[] = {
	    {"trust", required_argument, NULL, 't'},
	    {"source", required_argument, NULL, 's'},
	    {"domain", required_argument, NULL, 'd'},
	    {"kind", required_argument, NULL, 'k'},
	    {"expires-in", required_argument, NULL, 'e'},
	    {"deleted", no_argument, NULL, 'D'}, {NULL, 0, NULL, 0}};
	int c;

	f->arena = arena_new(MEMORY);
	if (f->arena == NULL)
		fatal("out of memory");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return -1;
		if (!read_option(f, c)) {
			cli_say("\"%s\" is not understood here", optarg);
			return -1;
		}
	}
	return optind;
}

void
key_filter_clear(struct key_filter *f)
{
	arena_free(f->arena);
	f->arena = NULL;
}

static bool
contains(struct span text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if (span_starts_caseeq(SPAN(text.data + i, text.len - i), word))
			return true;
	return false;
}

static bool
has_word(const struct ks_record *r, const char *word)
{
	char hex[2 * KS_FPR_MAX + 1];

	text_hex(r->fpr, hex);
	if (contains(span_str(hex), word) || contains(r->subject, word))
		return true;
	for (size_t i = 0; i < r->n_addrs; i++)
		if (contains(r->addrs[i], word))
			return true;
	return false;
}

static bool
is_of_domain(const struct ks_record *r, struct span domain)
{
	if (span_eq(r->domain, domain))
		return true;
	for (size_t i = 0; i < r->n_addrs; i++)
		if (span_eq(ks_addr_domain(r->addrs[i]), domain))
			return true;
	return false;
}

bool
key_filter_fits(const struct key_filter *f, const struct ks_record *r)
{
	if ((f->by_trust && r->trust != f->trust) ||
	    (f->by_kind && r->kind != f->kind) ||
	    (f->by_source && (r->sources & ks_source_bit(f->source)) == 0) ||
	    (f->by_end && (r->not_after == 0 || r->not_after > f->ends_before)))
		return false;
	if (f->domain.len > 0 && !is_of_domain(r, f->domain))
		return false;
	return f->word == NULL || has_word(r, f->word);
}
