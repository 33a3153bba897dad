/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keystore at scale: certificates parsed, judged and written by one
 * process, then look-ups by another while a third writes. Prints one line of
 * JSON. usage: keystore DIR CERTIFICATE COUNT LOOKUPS
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "crypto/cert.h"
#include "keystore/admit.h"
#include "keystore/lookup.h"

enum { BATCH = 500, CERT_MAX = 65536, BUCKETS_NS = 1000000 };

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
must(enum err e, const char *what)
{
	if (e == ERR_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, err_text(e));
	exit(1);
}

/* Each is parsed as if it came alone; its number makes it another one. */
static void
put_one(struct ks_store *s, struct span der, uint64_t i, struct arena *a)
{
	const struct ks_origin origin = {
	    .source = KS_SOURCE_MANUAL, .trust = KS_TRUSTED, .now = 1800000000};
	struct crypto_cert *cert;
	struct ks_record *r;
	struct err_why why = {""};
	enum ks_admitted what;
	uint8_t fpr[32];
	char addr[64], serial[9];
	struct span addrs[1];

	must(crypto_cert_parse(der, &cert, &why), "parse");
	must(ks_admit_cert(cert, &origin, a, &r, &why), "admit");
	memcpy(fpr, r->fpr.data, sizeof(fpr));
	/* spread as digests are */
	for (size_t k = 0; k < 8; k++)
		fpr[k] =
		    (uint8_t)((i * UINT64_C(0x9e3779b97f4a7c15)) >> (8 * k));
	snprintf(addr, sizeof(addr), "user%" PRIu64 "@example.org", i);
	snprintf(serial, sizeof(serial), "%08x", (unsigned)i);
	addrs[0] = span_str(addr);
	r->fpr = SPAN(fpr, sizeof(fpr));
	r->addrs = addrs;
	r->n_addrs = 1;
	r->serial = span_str(serial);
	r->ski = SPAN(fpr, 20);
	must(ks_admit(s, r, a, &what), "put");
	crypto_cert_unref(cert);
}

static void
fill(const char *dir, struct span der, uint64_t from, uint64_t n)
{
	struct arena *a = arena_new(8 << 20);
	struct err_why why = {""};
	struct ks_store *s;

	must(ks_open(dir, KS_WRITE, &s, &why), why.text);
	for (uint64_t i = 0; i < n; i++) {
		if (i % BATCH == 0) {
			if (i > 0)
				must(ks_commit(s), "commit");
			must(ks_begin(s), "begin");
		}
		put_one(s, der, from + i, a);
		arena_reset(a);
	}
	must(ks_commit(s), "commit");
	ks_close(s);
	arena_free(a);
}

static uint64_t
ask(struct ks_store *s, uint64_t i, struct arena *a)
{
	struct timespec t0, t1;
	struct ks_result r;
	char addr[64];

	snprintf(addr, sizeof(addr), "user%" PRIu64 "@example.org", i);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ks_lookup(s, span_str(addr), KS_SMIME, 1800000000, NULL, 0, a, &r);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	if (r.n != 1) {
		fprintf(stderr, "%s: not found\n", addr);
		exit(1);
	}
	return (uint64_t)(t1.tv_sec - t0.tv_sec) * 1000000000u +
	       (uint64_t)t1.tv_nsec - (uint64_t)t0.tv_nsec;
}

/* What so many of a thousand look-ups stay below, in microseconds. */
static double
below(const uint32_t *bucket, uint64_t n, unsigned of_1000)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < BUCKETS_NS / 10; i++) {
		sum += bucket[i];
		if (sum * 1000 >= n * of_1000)
			return (double)(i + 1) / 100;
	}
	return BUCKETS_NS / 1000.0;
}

static uint64_t
data_size(const char *dir)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int
main(int argc, char **argv)
{
	static uint32_t bucket[BUCKETS_NS / 10];
	uint64_t n, lookups, seed = 1, empty;
	double wall, cpu, put_wall, put_cpu;
	struct err_why why = {""};
	struct ks_store *s;
	struct arena *a = arena_new(8 << 20);
	struct buf der;
	pid_t writer;

	if (argc != 5)
		return 2;
	n = strtoull(argv[3], NULL, 10);
	lookups = strtoull(argv[4], NULL, 10);
	buf_init(&der, CERT_MAX);
	must(file_read_path(-100, argv[2], &der), argv[2]);
	fill(argv[1], buf_span(&der), n, 1);
	empty = data_size(argv[1]);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	fill(argv[1], buf_span(&der), 0, n);
	put_wall = seconds(CLOCK_MONOTONIC) - wall;
	put_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	fflush(stdout);
	writer = fork();
	if (writer == 0)
		for (;;)
			fill(argv[1], buf_span(&der), 0, BATCH);
	must(ks_open(argv[1], 0, &s, &why), why.text);
	for (uint64_t i = 0; i < lookups; i++) {
		uint64_t ns;

		seed =
		    seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		ns = ask(s, (seed >> 20) % n, a) / 10;
		bucket[ns < BUCKETS_NS / 10 ? ns : BUCKETS_NS / 10 - 1]++;
		arena_reset(a);
	}
	(void)kill(writer, SIGKILL);
	(void)waitpid(writer, NULL, 0);
	ks_close(s);
	printf("{\"keys\": %" PRIu64 ", \"import_per_s\": %.0f, "
	       "\"import_per_cpu_s\": %.0f, \"lookup_p50_us\": %.2f, "
	       "\"lookup_p99_us\": %.2f, \"lookup_p999_us\": %.2f, "
	       "\"octets\": %" PRIu64 ", \"octets_per_key\": %.0f}\n",
	    n, (double)n / put_wall, (double)n / put_cpu,
	    below(bucket, lookups, 500), below(bucket, lookups, 990),
	    below(bucket, lookups, 999), data_size(argv[1]),
	    (double)(data_size(argv[1]) - empty) / (double)n);
	buf_clear(&der);
	arena_free(a);
	return 0;
}
