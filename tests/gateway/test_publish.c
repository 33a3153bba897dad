/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Names under which others look for our keys, against the examples of the
 * documents that define them.
 */
#include "gateway/publish.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/conf.h"
#include "keystore/record.h"

Test(publish, the_file_of_an_address_is_that_of_the_draft)
{
	static const struct {
		const char *addr, *hash;
	} rows[] = {
	    /* draft-koch-openpgp-webkey-service-21 section 3.1 */
	    {"joe.doe@example.org", "iy9q119eutrkn8s1mk4r39qejnbu3n5q"},
	    {"joe.doe@elsewhere.example", "iy9q119eutrkn8s1mk4r39qejnbu3n5q"},
	    {"_domain@example.org", "jn39mmze64nmz47o7py4h4erz6sd91jd"},
	};
	char hash[PUBLISH_HASH];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		publish_hash(span_str(rows[i].addr), hash);
		cr_expect_str_eq(hash, rows[i].hash, "%s", rows[i].addr);
	}
}

Test(publish, records_are_for_addresses_of_our_domains_alone)
{
	const char *domains[] = {"example.com"};
	const struct conf conf = {.domains = domains, .n_domains = 1};
	struct span addrs[] = {SPAN_LIT("hugh@example.com"),
	    SPAN_LIT("hugh@example.net"), SPAN_LIT("hugh@sub.example.com")};
	struct ks_record r = {.kind = KS_SMIME,
	    .key = SPAN_LIT("\x30\x01\xff"),
	    .addrs = addrs,
	    .n_addrs = 3};
	struct arena *arena = arena_new(1 << 20);
	struct buf out;
	size_t n = 0;

	buf_init(&out, 1 << 20);
	cr_assert_eq(publish_dns(&conf, &r, arena, &out, &n), ERR_OK);
	cr_expect_eq(n, 1);
	/* the owner is that of RFC 7929 section 3, as RFC 8162 has it */
	cr_expect_str_eq(buf_cstr(&out),
	    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"
	    "._smimecert.example.com. 3600 IN SMIMEA 3 0 0 3001ff\n");
	/* an OpenPGP key without that address has no record */
	r.kind = KS_OPENPGP;
	r.key = SPAN_LIT("\xc6\x02\x04K");
	buf_reset(&out);
	cr_assert_eq(publish_dns(&conf, &r, arena, &out, &n), ERR_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
	arena_free(arena);
}
