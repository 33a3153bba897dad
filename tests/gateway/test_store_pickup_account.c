/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts of those who pick up mail: what a portal that was taken over says
 * sets none, what the mailbox's reader says sets one, once, whatever dies in
 * between. The other ends are played.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/object_header.h"
#include "common/secret.h"
#include "keystore/account.h"
#include "tests/lib/store_rig.h"

#define FIRST  "AAAAAAAAAAAAAAAAAAAAAA"
#define SECOND "BBBBBBBBBBBBBBBBBBBBBA"
#define OWNER  "b@example.org"

enum { MAIL_MAX = 65536, HOUR_MS = 3600 * 1000 };

static struct rig rig;
static struct buf mail;

static void
set_up(void)
{
	rig_init(&rig);
	rig.conf.hostname = "gw.ours.example";
	buf_init(&mail, MAIL_MAX);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
}

static void
tear_down(void)
{
	buf_clear(&mail);
	rig_clear(&rig);
}

TestSuite(store_pickup_account, .init = set_up, .fini = tear_down);

/* Two points of the curve, from docs/format-escrow.md. */
static struct pickup_account
account(unsigned which)
{
	static const char *const hex[] = {
	    "04c6559d416dfb56af714f146d917c24abf818b2fb121604129649848230a2d2"
	    "58b2a6d82dc6c6734cf092ffaa9fc012f10f7008d3952a08d5797e85feaba5d9"
	    "77",
	    "0468ec7cf08cd4106e43b14de895426522bd0a45150c027e45c7953434d747e7"
	    "bae3af39a88ebbee8679bb61e7845c3a89cb9b5a3237c3fdb0b0587dbaf41511"
	    "8d"};
	struct pickup_account a = {.wrapped = {(uint8_t)which}};

	for (size_t i = 0; i < sizeof(a.public); i++) {
		char two[3] = {hex[which][2 * i], hex[which][2 * i + 1], '\0'};

		a.public[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return a;
}

static void
make_object(const char *name, uint64_t id, enum object_factor factor,
    enum object_door door)
{
	struct entry e = rig_entry(&rig, 1000 + id, id, ENTRY_READY);
	struct proto_object o = {.name = name,
	    .size = 5000,
	    .factor = factor,
	    .door = door,
	    .expires_s = (clock_unix_ms() + 9ull * HOUR_MS) / 1000};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1};

	e.wait_object = name;
	rig_submit(&rig, 0, id, &m);
	cr_assert_eq(rig_committed(&rig, id), ERR_OK);
}

/* The next mail that relay is given; false when none comes. */
static bool
next_mail(void)
{
	struct proto_deliver d;

	if (!rig_own_mail(&rig, &d, &mail))
		return false;
	cr_assert_str_eq(d.entry.rcpt[0].key, OWNER);
	rig_run(&rig, 10);
	return true;
}

static bool
says(const char *words)
{
	return strstr(buf_cstr(&mail), words) != NULL;
}

/* Have a code mailed, and put the digits behind the portal's into out. */
static void
mail_code(const char *object, char *out)
{
	struct packer p;
	const char *at;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, object);
	pack_str(&p, "123456");
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	buf_clear(&b);
	cr_assert(next_mail());
	at = strstr(buf_cstr(&mail), "    123 456 ");
	cr_assert_not_null(at, "%s", buf_cstr(&mail));
	memcpy(out, at + 12, 3);
	memcpy(out + 3, at + 16, 3);
	out[6] = '\0';
	cr_assert_eq(strspn(out, "0123456789"), 6u);
}

/* By the portal here; or by one in a DMZ, as its event of this id. */
static void
bring_by(uint64_t event, const char *object, const char *digits,
    const struct pickup_account *a)
{
	const struct proto_account_set m = {.object = object,
	    .digits = digits,
	    .client = "192.0.2.7",
	    .account = *a};
	struct buf b;

	buf_init(&b, 1024);
	cr_assert_eq(proto_account_set_pack(&m, &b), ERR_OK);
	if (event == 0)
		rig_send(
		    &rig, ROLE_PORTAL, 0, PROTO_ACCOUNT_SET, 0, buf_span(&b));
	else
		rig_send_dmz(&rig, "instance of it..", event, PROTO_ACCOUNT_SET,
		    buf_span(&b));
	buf_clear(&b);
}

static void
bring(const char *object, const char *digits, const struct pickup_account *a)
{
	bring_by(0, object, digits, a);
}

/* What the portal is told next about accounts. */
struct told {
	uint16_t type;
	enum err result;
	bool whole;
	uint32_t n;
	uint8_t id[PICKUP_ACCOUNT_ID];
};

static bool
next_told(struct told *out)
{
	struct proto_account_said said;
	struct proto_accounts all;
	struct ipc_msg m;

	*out = (struct told){.type = 0};
	while (out->type == 0 && rig_recv(&rig, ROLE_PORTAL, 0, &m)) {
		if (m.type == PROTO_ACCOUNT_SAID) {
			cr_assert_eq(
			    proto_account_said_unpack(m.payload, &said),
			    ERR_OK);
			out->result = said.result;
			memcpy(out->id, said.id, sizeof(out->id));
			out->type = m.type;
		} else if (m.type == PROTO_ACCOUNTS) {
			cr_assert_eq(
			    proto_accounts_unpack(m.payload, rig.arena, &all),
			    ERR_OK);
			out->whole = all.first && all.last;
			out->n = all.n;
			if (all.n > 0)
				pickup_account_id(&all.account[0], out->id);
			out->type = m.type;
		} else if (m.type == PROTO_ACCOUNT_DROP) {
			memcpy(out->id, m.payload.data, sizeof(out->id));
			out->type = m.type;
		}
		ipc_msg_clear(&m);
	}
	return out->type != 0;
}

/* The answer to what was brought last; lists that come meanwhile are lost. */
static enum err
answer(void)
{
	struct told t;

	while (next_told(&t))
		if (t.type == PROTO_ACCOUNT_SAID)
			return t.result;
	return ERR_COUNT;
}

static bool
is(const struct told *t, unsigned which)
{
	struct pickup_account a = account(which);
	uint8_t id[PICKUP_ACCOUNT_ID];

	pickup_account_id(&a, id);
	return memcmp(t->id, id, sizeof(id)) == 0;
}

/* What the keystore has for the recipient. */
static enum err
kept(struct ks_account *out)
{
	struct ks_store *ks = NULL;
	enum err e = ks_open(rig.conf.paths.keystore, 0, &ks, NULL);

	cr_assert_eq(e, ERR_OK);
	e = ks_account_get(ks, SPAN_LIT(OWNER), out);
	ks_close(ks);
	return e;
}

/* The recipient has account 0 by the first message. */
static void
set_first(void)
{
	struct pickup_account a = account(0);
	char digits[7];

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	bring(FIRST, digits, &a);
	cr_assert_eq(answer(), ERR_OK);
	cr_assert(next_mail());
	cr_assert(says("A passphrase was chosen for your messages"));
}

Test(store_pickup_account, the_mailed_digits_set_one_and_its_owner_hears_of_it)
{
	struct pickup_account a = account(0);
	struct ks_account k;
	char digits[7], wrong[7];
	struct told t;

	cr_assert(next_told(&t));
	cr_expect_eq(t.type, PROTO_ACCOUNTS);
	cr_expect(t.whole && t.n == 0, "there is none yet");
	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	cr_expect(says("wants to open it"));
	memcpy(wrong, digits, sizeof(wrong));
	wrong[5] = wrong[5] == '9' ? '0' : (char)(wrong[5] + 1);
	bring(FIRST, wrong, &a);
	cr_assert_eq(answer(), ERR_PERMISSION);
	cr_expect_eq(kept(&k), ERR_NOT_FOUND);

	bring(FIRST, digits, &a);
	cr_assert(next_told(&t));
	cr_expect_eq(t.type, PROTO_ACCOUNTS);
	cr_expect(!t.whole && t.n == 1 && is(&t, 0));
	cr_assert(next_told(&t));
	cr_expect_eq(t.type, PROTO_ACCOUNT_SAID);
	cr_expect_eq(t.result, ERR_OK);
	cr_assert_eq(kept(&k), ERR_OK);
	cr_expect_eq(memcmp(k.key.public, a.public, sizeof(a.public)), 0);
	cr_expect_eq(k.resets, 0u);
	cr_assert(next_mail());
	cr_expect(says("\r\n    " OWNER "\r\n"));
	cr_expect(says("Auto-Submitted: auto-generated\r\n"));
	cr_expect(says("by the message " FIRST ", from 192.0.2.7"));
	cr_expect(!says(digits));
}

Test(store_pickup_account, what_is_set_is_set_once)
{
	struct pickup_account a = account(0), other = account(1);
	struct ks_account k;
	struct told t;
	char digits[7];

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	bring(FIRST, digits, &a);
	/* again, as after an answer that was lost */
	bring(FIRST, digits, &a);
	cr_assert_eq(answer(), ERR_OK);
	cr_assert_eq(answer(), ERR_OK);
	cr_assert(next_mail());
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "one mail");
	/* the digits are over */
	bring(FIRST, digits, &other);
	cr_assert_eq(answer(), ERR_PERMISSION);
	/* as after a crash between the commit and the answer */
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	cr_assert(next_told(&t));
	cr_expect(t.whole && t.n == 1 && is(&t, 0), "the portal hears of it");
	bring(FIRST, digits, &a);
	cr_assert_eq(answer(), ERR_OK);
	cr_assert_eq(kept(&k), ERR_OK);
	cr_expect_eq(k.resets, 0u);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "nothing happened");
}

Test(store_pickup_account, what_a_dmz_says_twice_counts_once)
{
	struct pickup_account a = account(0);
	struct ks_account k;
	char digits[7];
	unsigned refused = 0, tries = LIMIT_DOOR_TRIES;
	enum err e;

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	/* the last of the tries is left, however often the others are said */
	for (unsigned i = 1; i < tries; i++)
		for (unsigned again = 0; again < 3; again++)
			bring_by(i, FIRST, "x", &a);
	bring_by(1, FIRST, digits, &a);
	bring_by(tries, FIRST, digits, &a);
	while ((e = answer()) == ERR_PERMISSION)
		refused++;
	cr_expect_eq(e, ERR_OK);
	cr_expect_eq(refused, tries - 1);
	cr_assert_eq(kept(&k), ERR_OK);
	cr_expect_eq(memcmp(k.key.public, a.public, sizeof(a.public)), 0);
	cr_assert(next_mail());
	cr_assert(says("A passphrase was chosen for your messages"));
	/* another event, as after an answer that was lost: the same answer */
	bring_by(tries + 1, FIRST, digits, &a);
	cr_assert_eq(answer(), ERR_OK);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "nothing happened");
}

Test(store_pickup_account, a_first_message_does_not_replace_one)
{
	struct pickup_account other = account(1);
	struct ks_account k;
	char digits[7];

	set_first();
	make_object(SECOND, 101, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(SECOND, digits);
	bring(SECOND, digits, &other);
	cr_assert_eq(answer(), ERR_EXISTS);
	cr_assert_eq(kept(&k), ERR_OK);
	cr_expect_eq(k.resets, 0u);
}

Test(store_pickup_account, a_message_sealed_to_one_sets_it_anew)
{
	struct pickup_account a = account(0), other = account(1);
	struct ks_account k;
	struct told t;
	char digits[7];

	set_first();
	make_object(SECOND, 101, OBJECT_FACTOR_ACCOUNT, OBJECT_DOOR_OPEN);
	mail_code(SECOND, digits);
	cr_expect(says("choose a new passphrase"));
	bring(SECOND, digits, &other);
	do
		cr_assert(next_told(&t));
	while (t.type != PROTO_ACCOUNTS);
	cr_expect(t.n == 1 && is(&t, 1));
	cr_assert(next_told(&t));
	cr_expect(t.type == PROTO_ACCOUNT_DROP && is(&t, 0),
	    "what was sealed to the old one opens no more");
	cr_assert_eq(answer(), ERR_OK);
	cr_assert_eq(kept(&k), ERR_OK);
	cr_expect_eq(k.resets, 1u);
	cr_expect_eq(memcmp(k.key.public, other.public, sizeof(a.public)), 0);
	cr_assert(next_mail());
	cr_expect(says("A new passphrase was chosen for your messages"));
	cr_expect(says("cannot be opened"));
}

Test(store_pickup_account, no_other_object_sets_one)
{
	struct pickup_account a = account(0);
	struct ks_account k;

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_CODE);
	make_object(SECOND, 101, OBJECT_FACTOR_PASSPHRASE, OBJECT_DOOR_OPEN);
	bring(FIRST, "000000", &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
	bring(SECOND, "000000", &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
	bring("CCCCCCCCCCCCCCCCCCCCCA", "000000", &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
	bring("", "", &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
	cr_expect_eq(kept(&k), ERR_NOT_FOUND);
}

Test(store_pickup_account, digits_are_few_tries_and_not_for_long)
{
	struct pickup_account a = account(0);
	struct ks_account k;
	char digits[7];

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	/* nobody was mailed any */
	bring(FIRST, "", &a);
	cr_expect_eq(answer(), ERR_PERMISSION);
	mail_code(FIRST, digits);
	for (unsigned i = 0; i < LIMIT_DOOR_TRIES; i++) {
		bring(FIRST, i % 2 == 0 ? "x" : "", &a);
		cr_expect_eq(answer(), ERR_PERMISSION);
	}
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_PERMISSION, "too many tries");
	mail_code(FIRST, digits);
	rig_advance(&rig, LIMIT_DOOR_OPEN_MS);
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_PERMISSION, "over");
	cr_expect_eq(kept(&k), ERR_NOT_FOUND);
}

Test(store_pickup_account, a_key_off_the_curve_is_none)
{
	struct pickup_account a = account(0);
	struct ks_account k;
	char digits[7];

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	a.public[64] ^= 1;
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_PERMISSION);
	a.public[0] = 0;
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_PERMISSION);
	cr_expect_eq(kept(&k), ERR_NOT_FOUND);
	a = account(0);
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_OK);
}

Test(store_pickup_account, what_is_revoked_or_over_sets_none)
{
	struct pickup_account a = account(0);
	char digits[7], *said;

	make_object(FIRST, 100, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	mail_code(FIRST, digits);
	said = rig_request(&rig,
	    "{\"verb\":\"escrow-revoke\",\"object\":\"" FIRST "\",\"uid\":0}");
	cr_assert(said != NULL && strstr(said, "\"ok\":true") != NULL);
	free(said);
	bring(FIRST, digits, &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
	make_object(SECOND, 101, OBJECT_FACTOR_NONE, OBJECT_DOOR_ACCOUNT);
	rig_advance(&rig, 10ull * HOUR_MS);
	bring(SECOND, digits, &a);
	cr_expect_eq(answer(), ERR_NOT_FOUND);
}

Test(store_pickup_account, what_is_malformed_says_nothing)
{
	static const uint8_t junk[300] = {0, 0, 0, 200};

	for (size_t n = 0; n <= sizeof(junk); n += 50)
		rig_send(
		    &rig, ROLE_PORTAL, 0, PROTO_ACCOUNT_SET, 0, SPAN(junk, n));
	/* else this meets an answer to the junk */
	set_first();
}
