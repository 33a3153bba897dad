/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who asks: what is counted for it, and which proxies are believed.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "gateway/conf.h"
#include "gateway/portal/http_private.h"

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1) {
		struct sockaddr_in in = {
		    .sin_family = AF_INET, .sin_addr = four};

		memcpy(&sa, &in, sizeof(in));
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		struct sockaddr_in6 in = {
		    .sin6_family = AF_INET6, .sin6_addr = six};

		memcpy(&sa, &in, sizeof(in));
	}
	return sa;
}

static struct portal_client
client_of(const char *text)
{
	struct sockaddr_storage sa = address(text);
	struct portal_client c;

	portal_client_of_socket((struct sockaddr *)&sa, &c);
	return c;
}

Test(portal_client, is_an_address_or_a_network_of_64_bits)
{
	static const struct {
		const char *a, *b, *text; /* of a */
		bool same;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", "192.0.2.1", false},
	    {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1", true},
	    {"2001:db8::1", "2001:db8::2", "2001:db8::1", true},
	    {"2001:db8::1", "2001:db8:0:1::1", "2001:db8::1", false},
	    {"2001:DB8:0:0:F::1", "2001:db8::", "2001:db8::f:0:0:1", true},
	    {"::1", "127.0.0.1", "::1", false},
	    {"no address", "no address", "", true},
	    {"no address", "192.0.2.1", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct portal_client a = client_of(rows[i].a);
		struct portal_client b = client_of(rows[i].b);

		cr_expect_str_eq(a.text, rows[i].text, "%s", rows[i].a);
		cr_expect_eq(a.net_len == b.net_len &&
				 memcmp(a.net, b.net, a.net_len) == 0,
		    rows[i].same, "%s and %s", rows[i].a, rows[i].b);
	}
}

Test(portal_client, only_a_proxy_may_speak_for_others)
{
	static const struct conf_net named[] = {
	    {.family = AF_INET, .prefix = 24, .addr = {192, 0, 2}},
	};
	static const struct {
		const char *address;
		bool plain, tls, is_named;
	} rows[] = {
	    {"127.0.0.1", true, false, false},
	    {"127.9.9.9", true, false, false},
	    {"::1", true, false, false},
	    {"::ffff:127.0.0.1", true, false, false},
	    {"::2", false, false, false},
	    {"192.0.2.7", false, false, true},
	    {"::ffff:192.0.2.7", false, false, true},
	    {"192.0.3.7", false, false, false},
	    {"no address", false, false, false},
	};
	struct portal_http plain = {.opt = {.n_proxies = 0}};
	struct portal_http tls = {.opt = {.tls_cert = "PEM"}};
	struct portal_http is_named = {
	    .opt = {.tls_cert = "PEM", .proxies = named, .n_proxies = 1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockaddr_storage sa = address(rows[i].address);
		const struct sockaddr *p = (struct sockaddr *)&sa;

		cr_expect_eq(portal_client_is_proxy(&plain, p), rows[i].plain,
		    "%s, plain", rows[i].address);
		cr_expect_eq(portal_client_is_proxy(&tls, p), rows[i].tls,
		    "%s, TLS", rows[i].address);
		cr_expect_eq(portal_client_is_proxy(&is_named, p),
		    rows[i].is_named, "%s, named", rows[i].address);
	}
}
