/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>

#include "gateway/listener/rates.h"

static struct listener_client
client(unsigned n)
{
	struct listener_client c = {.addr = {[10] = 0xff, [11] = 0xff, 10}};

	c.addr[13] = (uint8_t)(n >> 16);
	c.addr[14] = (uint8_t)(n >> 8);
	c.addr[15] = (uint8_t)n;
	return c;
}

Test(rates, what_happens_is_counted_by_client_and_kind)
{
	struct listener_client a = client(1), b = client(2);
	struct listener_rates r;

	listener_rates_init(&r);
	cr_expect_eq(listener_rates_get(&r, &a, LISTENER_RATE_ERROR, 5), 0);
	for (unsigned i = 1; i <= 5; i++)
		cr_expect_eq(
		    listener_rates_add(&r, &a, LISTENER_RATE_ERROR, 1000 + i),
		    i);
	cr_expect_eq(listener_rates_add(&r, &b, LISTENER_RATE_ERROR, 1006), 1);
	cr_expect_eq(listener_rates_add(&r, &a, LISTENER_RATE_AUTH, 1006), 1);
	cr_expect_eq(listener_rates_get(&r, &a, LISTENER_RATE_ERROR, 1006), 5);
	cr_expect_eq(
	    listener_rates_get(&r, &a, LISTENER_RATE_CONNECT, 1006), 0);
	listener_rates_clear(&r);
}

Test(rates, time_forgives)
{
	struct listener_client a = client(1);
	struct listener_rates r;

	listener_rates_init(&r);
	listener_rates_add(&r, &a, LISTENER_RATE_CONNECT, 1000);
	listener_rates_add(&r, &a, LISTENER_RATE_AUTH, 1000);
	cr_expect_eq(
	    listener_rates_get(&r, &a, LISTENER_RATE_CONNECT, 60999), 1);
	cr_expect_eq(
	    listener_rates_get(&r, &a, LISTENER_RATE_CONNECT, 61000), 0);
	cr_expect_eq(
	    listener_rates_add(&r, &a, LISTENER_RATE_CONNECT, 61000), 1);
	cr_expect_eq(listener_rates_get(&r, &a, LISTENER_RATE_AUTH, 600999), 1);
	cr_expect_eq(listener_rates_get(&r, &a, LISTENER_RATE_AUTH, 601000), 0);
	listener_rates_clear(&r);
}

Test(rates, a_crowd_takes_bounded_memory_and_forgets_the_quiet)
{
	struct listener_client quiet = client(1), busy = client(2), one;
	struct listener_rates r;
	unsigned n = 0;

	listener_rates_init(&r);
	listener_rates_add(&r, &quiet, LISTENER_RATE_ERROR, 1);
	for (unsigned i = 0; i < 200000; i++) {
		one = client(100 + i);
		listener_rates_add(&r, &one, LISTENER_RATE_ERROR, 2 + i / 100);
		if (i % 10 == 0)
			n = listener_rates_add(
			    &r, &busy, LISTENER_RATE_ERROR, 2 + i / 100);
	}
	cr_expect_eq(n, 20000);
	cr_expect_eq(listener_rates_get(&r, &quiet, LISTENER_RATE_ERROR, 3), 0);
	listener_rates_clear(&r);
}
