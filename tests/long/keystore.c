/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A keystore that grows to a million records (or to as many as the argument
 * says): how fast it fills and how long the search for an address takes at each
 * size. The directory of the second argument must be empty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "keystore/store.h"

enum {
	BATCH = 10000,	  /* records a commit */
	LOOKUPS = 20000,  /* at each size */
	KEY_OCTETS = 1100 /* a certificate with an RSA key of 2048 bits */
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
must(enum err e, const char *what)
{
	if (e != ERR_OK)
		fatal("%s: %s", what, err_text(e));
}

static void
addr_of(uint64_t n, char out[64])
{
	snprintf(out, 64, "person%llu@domain%llu.example",
	    (unsigned long long)n, (unsigned long long)(n % 997));
}

static void
put(struct ks_store *s, uint64_t n)
{
	uint8_t fpr[DIGEST_SIZE], key[KEY_OCTETS];
	char text[64];
	struct span addr;
	struct ks_record r = {
	    .kind = KS_SMIME,
	    .trust = KS_TRUSTED,
	    .source = KS_SOURCE_MANUAL,
	    .good_for = KS_GOOD_SEAL,
	    .not_before = 1000,
	    .not_after = 2000,
	    .subject = SPAN_LIT("CN=somebody"),
	    .alg = SPAN_LIT("RSA 2048"),
	    .key = SPAN(key, sizeof(key)),
	    .fpr = SPAN(fpr, sizeof(fpr)),
	    .addrs = &addr,
	    .n_addrs = 1,
	};

	addr_of(n, text);
	addr = span_str(text);
	digest_sha256(&addr, 1, fpr);
	memset(key, (int)(n & 255), sizeof(key));
	must(ks_put(s, &r), "put");
}

static enum err
count(void *ctx, const struct ks_record *r)
{
	(void)r;
	++*(unsigned *)ctx;
	return ERR_OK;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
measure(struct ks_store *s, uint64_t n)
{
	static uint64_t took_ns[LOOKUPS];
	char text[64];

	for (size_t i = 0; i < LOOKUPS; i++) {
		uint64_t start, who = (uint64_t)random() % n;
		unsigned found = 0;

		addr_of(who, text);
		start = now_ns();
		must(ks_find(s, KS_BY_ADDR, span_str(text), count, &found),
		    "find");
		took_ns[i] = now_ns() - start;
		if (found != 1)
			fatal("%s: %u records", text, found);
	}
	qsort(took_ns, LOOKUPS, sizeof(took_ns[0]), by_value);
	printf("%9llu records: search p50 %.1f us, p99 %.1f us\n",
	    (unsigned long long)n, (double)took_ns[LOOKUPS / 2] / 1000,
	    (double)took_ns[LOOKUPS * 99 / 100] / 1000);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct ks_store *s = NULL;
	struct err_why why = {""};
	uint64_t total = 0, n = 0, start, spent_ns = 0;

	if (argc != 3 ||
	    text_number(span_str(argv[1]), 1, UINT32_MAX, &total) != ERR_OK) {
		fprintf(stderr, "usage: keystore RECORDS DIRECTORY\n");
		return 2;
	}
	if (ks_open(argv[2], KS_WRITE, &s, &why) != ERR_OK)
		fatal("%s: %s", argv[2], why.text);
	for (uint64_t at = 1000; n < total; at *= 10) {
		uint64_t until = at < total ? at : total;

		start = now_ns();
		while (n < until) {
			must(ks_begin(s), "begin");
			for (int i = 0; i < BATCH && n < until; i++)
				put(s, n++);
			must(ks_commit(s), "commit");
		}
		spent_ns += now_ns() - start;
		measure(s, n);
	}
	printf("filled with %.0f records a second, %d a commit\n",
	    (double)total / ((double)spent_ns / 1e9), BATCH);
	ks_close(s);
	return 0;
}
