/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sample records and a throw-away store.
 */
#include "tests/keystore/records.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
sample_init(struct sample *s, uint8_t id, const char *addr)
{
	memset(s, 0, sizeof(*s));
	memset(s->fpr, id, sizeof(s->fpr));
	s->addr[0] = span_str(addr);
	s->r = (struct ks_record){
	    .kind = KS_SMIME,
	    .fpr = SPAN(s->fpr, sizeof(s->fpr)),
	    .key = SPAN_LIT("the octets of a key"),
	    .trust = KS_TRUSTED,
	    .source = KS_SOURCE_MANUAL,
	    .good_for = KS_GOOD_SEAL,
	    .not_before = 1000,
	    .not_after = 2000,
	    .added = 900,
	    .subject = SPAN_LIT("CN=somebody"),
	    .alg = SPAN_LIT("P-256"),
	    .addrs = s->addr,
	    .n_addrs = 1,
	    .key_ids = s->key_id,
	    .caps = s->cap,
	};
}

struct ks_store *
records_open(char dir[64])
{
	struct ks_store *s = NULL;
	struct err_why why = {""};
	enum err e;

	snprintf(dir, 64, "/tmp/test-keystore-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	e = ks_open(dir, KS_WRITE, &s, &why);
	cr_assert_eq(e, ERR_OK, "%s: %s", err_name(e), why.text);
	return s;
}

void
records_close(struct ks_store *s, const char *dir)
{
	static const char *const names[] = {
	    "data.mdb", "lock.mdb", "write.lock"};
	char path[128];

	ks_close(s);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}
