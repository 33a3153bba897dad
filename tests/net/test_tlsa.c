/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "net/tlsa.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/digest.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name;
	size_t len; /* of the whole data */
	uint8_t head[3];
	enum err want;
} rows[] = {
    {"DANE-EE, key, SHA-256", 35, {3, 1, 1}, ERR_OK},
    {"DANE-EE, certificate, SHA-512", 67, {3, 0, 2}, ERR_OK},
    {"DANE-TA, key, SHA-256", 35, {2, 1, 1}, ERR_OK},
    {"DANE-TA, a whole certificate", 800, {2, 0, 0}, ERR_OK},
    {"DANE-EE, a whole key", 94, {3, 1, 0}, ERR_OK},
    {"nothing", 0, {0}, ERR_MALFORMED},
    {"no matching type", 2, {3, 1, 0}, ERR_MALFORMED},
    {"no data", 3, {3, 1, 1}, ERR_UNSUPPORTED},
    {"no whole key", 3, {3, 1, 0}, ERR_UNSUPPORTED},
    {"PKIX-TA", 35, {0, 1, 1}, ERR_UNSUPPORTED},
    {"PKIX-EE", 35, {1, 1, 1}, ERR_UNSUPPORTED},
    {"an unknown usage", 35, {4, 1, 1}, ERR_UNSUPPORTED},
    {"a private usage", 35, {255, 1, 1}, ERR_UNSUPPORTED},
    {"an unknown selector", 35, {3, 2, 1}, ERR_UNSUPPORTED},
    {"an unknown matching type", 35, {3, 1, 3}, ERR_UNSUPPORTED},
    {"a short SHA-256", 34, {3, 1, 1}, ERR_UNSUPPORTED},
    {"a long SHA-256", 36, {3, 1, 1}, ERR_UNSUPPORTED},
    {"a SHA-256 for a SHA-512", 35, {3, 1, 2}, ERR_UNSUPPORTED},
};

static struct span
make(size_t i, uint8_t octets[1024])
{
	memset(octets, 0x5a, 1024);
	memcpy(octets, rows[i].head, 3);
	return SPAN(octets, rows[i].len);
}

Test(tlsa, records_are_usable_or_not)
{
	struct net_tlsa_record r;
	uint8_t octets[1024];

	for (size_t i = 0; i < N(rows); i++) {
		memset(&r, 0xee, sizeof(r));
		cr_expect_eq(net_tlsa_parse(make(i, octets), &r), rows[i].want,
		    "%s", rows[i].name);
		if (rows[i].want != ERR_OK)
			cr_expect_eq(r.usage, 0xee, "%s", rows[i].name);
	}
}

Test(tlsa, a_whole_certificate_is_kept_as_its_digest)
{
	struct net_tlsa_record r;
	uint8_t octets[1024], want[DIGEST_SIZE];
	struct span all = make(3, octets);
	struct span data = SPAN(all.data + 3, all.len - 3);

	digest_sha256(&data, 1, want);
	cr_assert_eq(net_tlsa_parse(all, &r), ERR_OK);
	cr_expect_eq(r.matching, 1);
	cr_expect_eq(r.len, DIGEST_SIZE);
	cr_expect_arr_eq(r.data, want, DIGEST_SIZE);
}

Test(tlsa, what_is_usable_is_collected)
{
	struct net_tlsa all;
	uint8_t octets[40][1024];
	struct span rdata[40];

	rdata[0] = make(9, octets[0]);
	rdata[1] = make(0, octets[1]);
	rdata[2] = make(13, octets[2]);
	cr_expect(net_tlsa_collect(rdata, 3, &all));
	cr_expect_eq(all.n, 1);
	cr_expect_eq(all.record[0].usage, 3);
	cr_expect_not(net_tlsa_collect(rdata, 1, &all));
	cr_expect_eq(all.n, 0);
	cr_expect_not(net_tlsa_collect(NULL, 0, &all));
	for (size_t i = 0; i < 40; i++)
		rdata[i] = make(0, octets[i]);
	cr_expect(net_tlsa_collect(rdata, 40, &all));
	cr_expect_eq(all.n, NET_TLSA_MAX);
}
