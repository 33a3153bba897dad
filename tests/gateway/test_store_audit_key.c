/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The key that signs the audit log after a start: one that does not open is
 * replaced, one that cannot be had for the moment is waited for.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/store_rig.h"

static struct rig rig;

/* The name of the file of the one key that there is. */
static void
key_now(char out[128])
{
	DIR *d = opendir(rig.conf.paths.audit);
	struct dirent *e;
	unsigned n = 0;

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "signing-", 8) == 0) {
			snprintf(out, 128, "%.127s", e->d_name);
			n++;
		}
	closedir(d);
	cr_assert_eq(n, 1);
}

static void
record(uint64_t id)
{
	struct entry e = rig_entry(&rig, id + 1000, id, ENTRY_PENDING);
	const char *recs[] = {"{\"type\":\"held\"}"};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = recs,
	    .n_audit = 1};

	rig_submit(&rig, 0, id, &m);
	cr_assert_eq(rig_committed(&rig, id), ERR_OK);
}

static const struct {
	enum err says;
	unsigned times; /* that it says so, ten seconds apart */
	bool stays;
} rows[] = {
    {ERR_NOMEM, 1, true},
    {ERR_TIMEOUT, 2, true},
    {ERR_IPC, 1, true},
    {ERR_BAD_SEAL, 1, false},
    {ERR_CRYPTO, 1, false},
    {ERR_PERMISSION, 1, false},
};

Test(store_audit_key, only_one_that_does_not_open_is_replaced)
{
	char before[128], after[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_init(&rig);
		cr_assert_eq(rig_start(&rig), ERR_OK);
		record(1);
		rig_stop(&rig);
		key_now(before);
		rig.n_keys_fail = rows[i].times;
		rig.keys_fail = rows[i].says;
		cr_assert_eq(rig_start(&rig), ERR_OK);
		record(2);
		for (unsigned n = 0; n < 300 && rig.n_keys_fail > 0; n++)
			rig_advance(&rig, 11 * 1000);
		record(3);
		cr_expect_eq(rig.n_keys_fail, 0, "row %zu", i);
		rig_stop(&rig);
		key_now(after);
		cr_expect_eq(strcmp(before, after) == 0, rows[i].stays,
		    "row %zu: %s, then %s", i, before, after);
		rig_clear(&rig);
	}
}
