/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/openpgp_uid.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "tests/crypto/peer.h"

/* Packets of the new format (RFC 9580 §4.2.1) with one octet of length. */
#define KEY    "\xc6\x02\x04K"
#define SUB    "\xce\x02\x04S"
#define SIG(c) "\xc2\x02\x04" c
#define PHOTO                                                                  \
	"\xd1\x03"                                                             \
	"abc"

#define U1                                                                     \
	"\xcd\x12"                                                             \
	"Anna <ANNA@b.test>"
#define U2                                                                     \
	"\xcd\x0f"                                                             \
	"<else@b.test>  "
#define U3                                                                     \
	"\xcd\x0b"                                                             \
	"anna@b.test"
#define U4                                                                     \
	"\xcd\x04"                                                             \
	"Anna"

static const struct {
	const char *name, *in, *out;
} rows[] = {
    {"one of two", KEY SIG("d") U1 SIG("1") U2 SIG("2") SUB SIG("s"),
	KEY SIG("d") U1 SIG("1") SUB SIG("s")},
    {"the last", KEY U2 SIG("2") U1 SIG("1") SIG("r") SUB SIG("s"),
	KEY U1 SIG("1") SIG("r") SUB SIG("s")},
    {"twice", KEY U1 SIG("1") U3 SIG("3"), KEY U1 SIG("1") U3 SIG("3")},
    {"a name alone goes", KEY U4 SIG("4") U3 SIG("3"), KEY U3 SIG("3")},
    {"a photo goes", KEY U3 SIG("3") PHOTO SIG("p") SUB SIG("s"),
	KEY U3 SIG("3") SUB SIG("s")},
    {"no user ID", KEY SUB SIG("s"), NULL},
    {"only others", KEY U2 SIG("2") U4 SIG("4") SUB SIG("s"), NULL},
    {"nothing", "", NULL},
    {"cut short", KEY U1 "\xc2\x09x", NULL},
    {"no packet", "\x11\x22", NULL},
};

Test(openpgp_uid, only_the_address_asked_for_stays)
{
	struct arena *arena = arena_new(1 << 20);
	struct buf out;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span in = SPAN(rows[i].in, strlen(rows[i].in));
		enum err e;

		buf_init(&out, 1 << 16);
		cr_assert_eq(buf_puts(&out, "before"), ERR_OK);
		e = crypto_pgp_only_addr(
		    in, SPAN_LIT("anna@b.test"), arena, &out);
		cr_expect_eq(
		    e == ERR_OK, rows[i].out != NULL, "%s", rows[i].name);
		cr_expect(span_eq(SPAN(out.data + 6, out.len - 6),
			      span_str(rows[i].out == NULL ? "" : rows[i].out)),
		    "%s", rows[i].name);
		buf_clear(&out);
	}
	arena_free(arena);
}

Test(openpgp_uid, a_whole_certificate_stays_whole)
{
	struct arena *arena = arena_new(1 << 20);
	struct buf in = peer_read(peer_data("bob.pgp")), out;

	buf_init(&out, 1 << 16);
	cr_assert_eq(crypto_pgp_only_addr(buf_span(&in),
			 SPAN_LIT("bob@example.org"), arena, &out),
	    ERR_OK);
	cr_expect_leq(out.len, in.len);
	cr_expect_eq(crypto_pgp_only_addr(buf_span(&in),
			 SPAN_LIT("bob@elsewhere.example"), arena, &out),
	    ERR_KEY_ADDR);
	buf_clear(&in);
	buf_clear(&out);
	arena_free(arena);
}
