/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Secrets: what was freed comes back clear, and nobody shares one.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/secret.h"

enum { MANY = 20 };

static const size_t lens[] = {0, 1, 16, 31, 32, 33, 64, 5000};

TestSuite(secret, .init = secret_init);

Test(secret, is_clear_when_new_even_where_another_was)
{
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (int round = 0; round < 3; round++) {
			struct secret *s = secret_new(lens[i]);

			cr_assert_not_null(s);
			cr_assert_eq(s->len, lens[i]);
			for (size_t k = 0; k < s->len; k++)
				cr_assert_eq(s->data[k], 0, "len %zu, round %d",
				    lens[i], round);
			if (s->len > 0)
				memset(s->data, 0xa5, s->len);
			secret_free(s);
		}
	}
}

Test(secret, are_apart_however_many_come_and_go)
{
	struct secret *s[MANY];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			s[i] = secret_new(32);
			cr_assert_not_null(s[i]);
			memset(s[i]->data, i + 1, 32);
		}
		for (int i = 0; i < MANY; i++) {
			for (size_t k = 0; k < 32; k++)
				cr_assert_eq(s[i]->data[k], i + 1);
			secret_free(s[i]);
		}
	}
	secret_free(NULL);
}

Test(secret, compares_length_and_octets)
{
	struct secret *a = secret_from(SPAN_LIT("0123456789abcdef"));
	struct secret *b = secret_from(SPAN_LIT("0123456789abcdef"));
	struct secret *c = secret_from(SPAN_LIT("0123456789abcdeF"));
	struct secret *d = secret_from(SPAN_LIT("0123456789abcde"));

	cr_expect(secret_eq(a, b));
	cr_expect_not(secret_eq(a, c));
	cr_expect_not(secret_eq(a, d));
	secret_free(a);
	secret_free(b);
	secret_free(c);
	secret_free(d);
}
