/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/listener/limits.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

static struct listener_client
client(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return listener_client_of((void *)&in);
	cr_assert_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return listener_client_of((void *)&in6);
}

static bool
same(const char *a, const char *b)
{
	struct listener_client x = client(a), y = client(b);

	return memcmp(&x, &y, sizeof(x)) == 0;
}

Test(limits, a_client_is_an_address_or_a_v6_network)
{
	cr_assert(same("192.0.2.1", "::ffff:192.0.2.1"));
	cr_assert_not(same("192.0.2.1", "192.0.2.2"));
	cr_assert_not(same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	cr_assert(same("2001:db8::1", "2001:db8::ffff:2"));
	cr_assert_not(same("2001:db8::1", "2001:db8:0:1::1"));
}

Test(limits, connections_are_counted_together_and_by_client)
{
	struct listener_client a = client("192.0.2.1"), b = client("192.0.2.2");
	struct listener_limits l;

	listener_limits_init(&l);
	cr_assert(listener_limits_enter(&l, &a, 3, 2));
	cr_assert(listener_limits_enter(&l, &a, 3, 2));
	cr_assert_not(listener_limits_enter(&l, &a, 3, 2));
	cr_assert(listener_limits_enter(&l, &b, 3, 2));
	cr_assert_not(listener_limits_enter(&l, &b, 3, 2));
	listener_limits_leave(&l, &a);
	cr_assert(listener_limits_enter(&l, &b, 3, 2));
	listener_limits_leave(&l, &a);
	listener_limits_leave(&l, &b);
	listener_limits_leave(&l, &b);
	cr_assert_eq(l.connections, 0);
	cr_assert_eq(l.n_clients, 0);
	listener_limits_clear(&l);
}

Test(limits, memory_is_never_promised_twice)
{
	struct listener_limits l;

	listener_limits_init(&l);
	cr_assert(listener_limits_reserve(&l, 100, 60));
	cr_assert_not(listener_limits_reserve(&l, 100, 41));
	cr_assert(listener_limits_reserve(&l, 100, 40));
	cr_assert_not(listener_limits_reserve(&l, 100, 1));
	cr_assert_not(listener_limits_reserve(&l, 100, UINT64_MAX));
	/* a smaller limit of a new configuration */
	cr_assert_not(listener_limits_reserve(&l, 50, 1));
	listener_limits_release(&l, 100);
	cr_assert_eq(l.reserved, 0);
	listener_limits_clear(&l);
}

Test(limits, crashes_are_counted_by_message_and_the_oldest_forgotten)
{
	uint8_t hash[DIGEST_SIZE] = {1}, other[DIGEST_SIZE] = {2};
	static struct listener_limits l;

	listener_limits_init(&l);
	cr_assert_eq(listener_limits_crashes(&l, hash), 0);
	cr_assert_eq(listener_limits_crashed(&l, hash), 1);
	cr_assert_eq(listener_limits_crashed(&l, hash), 2);
	cr_assert_eq(listener_limits_crashed(&l, other), 1);
	cr_assert_eq(listener_limits_crashes(&l, hash), 2);
	for (unsigned i = 0; i < LISTENER_CRASHES; i++) {
		memcpy(other + 4, &i, sizeof(i));
		listener_limits_crashed(&l, other);
	}
	cr_assert_eq(listener_limits_crashes(&l, hash), 0);
	cr_assert_eq(l.n_crashes, LISTENER_CRASHES);
	listener_limits_clear(&l);
}
