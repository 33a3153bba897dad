/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A name server on loopback that answers from a table, in a thread.
 */
#ifndef TESTS_LIB_FAKE_DNS_H
#define TESTS_LIB_FAKE_DNS_H

#include <stddef.h>
#include <stdint.h>

struct fake_dns;

/* rdata: "192.0.2.1", "2001:db8::1", "10 mx.example." ("0 ." is the null MX).
   A name with a row exists; one without is NXDOMAIN. rcode 2 in any row of a
   name: SERVFAIL. type 0: the name exists without records. */
struct fake_dns_row {
	const char *name;
	uint16_t type;
	const char *rdata;
	uint8_t rcode;
};

struct fake_dns *fake_dns_new(const struct fake_dns_row *rows, size_t n);
void fake_dns_free(struct fake_dns *f);
uint16_t fake_dns_port(const struct fake_dns *f);

#endif
