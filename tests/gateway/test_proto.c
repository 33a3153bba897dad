/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/proto.h"
#include "gateway/proto_open.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"
#include "gateway/proto_keystore.h"
#include "gateway/proto_revocation.h"

static struct entry_rcpt entry_rcpts[] = {
    {"Bob@example.org", "bob@example.org", "rfc822;Bob@example.org", 4},
    {"c@example.net", "c@example.net", "", 0},
};

static struct mime_convert_edit entry_edits[] = {{1, 2, MIME_CONVERT_TO_QP}};

static struct entry
sample_entry(void)
{
	struct entry e = {.id = 7,
	    .message_id = 6,
	    .kind = ENTRY_READY,
	    .route = ENTRY_OUTBOUND,
	    .rung = 3,
	    .strength = 6,
	    .tls = ENTRY_TLS_ENCRYPT,
	    .from = "a@example.com",
	    .from_key = "a@example.com",
	    .envid = "QQ1",
	    .accepted_ms = 1795252087123ull,
	    .client = "127.0.0.1",
	    .origin = "192.0.2.7",
	    .client_name = "c.example",
	    .helo = "h.example",
	    .auth_id = "alice",
	    .auth_from = "a@example.com @example.net",
	    .trace = "Received: x\r\n",
	    .rcpt = entry_rcpts,
	    .n_rcpt = 2,
	    .body_size = 4,
	    .convert = {entry_edits, 1, 9},
	    .rule = "default",
	    .body = SPAN_LIT("seal"),
	    .file = ""};

	memset(e.body_hash, 9, sizeof(e.body_hash));
	return e;
}

static void
same_entry(const struct entry *a, const struct entry *b)
{
	struct buf x, y;
	struct packer p;

	buf_init(&x, 10000);
	buf_init(&y, 10000);
	pack_begin(&p, &x);
	entry_pack(&p, a);
	pack_begin(&p, &y);
	entry_pack(&p, b);
	cr_assert(span_eq(buf_span(&x), buf_span(&y)));
	buf_clear(&x);
	buf_clear(&y);
}

/* What waits in the spool when the release is a new one: the body is sealed
   beside the octets as they were. */
static void
keeps_its_octets(uint8_t format, const char *origin)
{
	struct entry e = sample_entry(), got;
	struct arena *a = arena_new(1 << 16);
	struct buf old, now;
	struct packer p;
	struct unpacker u;

	buf_init(&old, 10000);
	buf_init(&now, 10000);
	e.format = format;
	e.convert.n = 0;
	pack_begin(&p, &old);
	entry_pack(&p, &e);
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_assert_eq(old.data[0], format);
	unpack_begin(&u, buf_span(&old));
	entry_unpack(&u, a, &got);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	cr_expect_str_eq(got.origin, origin);
	pack_begin(&p, &now);
	entry_pack(&p, &got);
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_expect(span_eq(buf_span(&old), buf_span(&now)));
	old.data[0] = ENTRY_FORMAT + 1;
	unpack_begin(&u, buf_span(&old));
	entry_unpack(&u, a, &got);
	cr_expect_neq(unpack_end(&u), ERR_OK);
	buf_clear(&old);
	buf_clear(&now);
	arena_free(a);
}

Test(proto, an_entry_of_a_format_before_keeps_its_octets)
{
	keeps_its_octets(ENTRY_FORMAT_2, "127.0.0.1");
	keeps_its_octets(ENTRY_FORMAT_3, sample_entry().origin);
}

Test(proto, a_plan_of_conversion_stays_within_its_body)
{
	struct mime_convert_edit edit = {5, 7, MIME_CONVERT_TO_QP};
	struct entry e = sample_entry(), got;
	struct arena *a = arena_new(1 << 16);
	struct unpacker u;
	struct packer p;
	struct buf b;

	buf_init(&b, 10000);
	e.convert = (struct mime_convert_plan){&edit, 1, 99};
	for (e.body_size = 11; e.body_size < 14; e.body_size++) {
		buf_reset(&b);
		pack_begin(&p, &b);
		entry_pack(&p, &e);
		cr_assert_eq(pack_end(&p), ERR_OK);
		unpack_begin(&u, buf_span(&b));
		entry_unpack(&u, a, &got);
		cr_expect_eq(unpack_end(&u) == ERR_OK, e.body_size >= 12);
	}
	cr_expect_eq(got.convert.n, 1);
	cr_expect_eq(got.convert.size, 99);
	cr_expect_eq(got.convert.edit[0].at, 5);
	cr_expect_eq(got.convert.edit[0].len, 7);
	cr_expect_eq(got.convert.edit[0].how, MIME_CONVERT_TO_QP);
	buf_clear(&b);
	arena_free(a);
}

Test(proto, a_submission_survives_and_every_cut_is_refused)
{
	struct entry e[2] = {sample_entry(), sample_entry()};
	const char *answer_to[] = {"a@example.org", "b@example.org"};
	struct proto_object o = {"obj", 12, 34, OBJECT_FACTOR_ANSWER,
	    OBJECT_DOOR_CODE, answer_to, 2, SPAN_LIT("cms")};
	const char *audit[] = {"{}", "{\"a\":1}"};
	struct proto_closed closed = {"c@example.org", PROTO_CLOSE_DROPPED};
	struct proto_measure took[] = {{PROTO_MEASURE_SIZE_OUT, false, 7},
	    {PROTO_MEASURE_PGP_SEAL, true, UINT64_MAX}};
	struct proto_submit m = {.attempt = 2,
				.replaces = 0,
				.entry = e,
				.n_entries = 2,
				.object = &o,
				.n_objects = 1,
				.digest = {1, 2, 3},
				.closed = &closed,
				.n_closed = 1,
				.audit = audit,
				.n_audit = 2,
				.measures = {took, 2},
				.order = {.word = 2,
				    .message_id = 77,
				    .from = "a",
				    .from_key = "a@example.org",
				    .only = answer_to,
				    .n_only = 2,
				    .reply_to = "x@example.org"},
				.reply_mac = SPAN_LIT("sixteen octets..")},
			    got;
	struct arena *a = arena_new(1 << 20);
	struct buf b;

	e[1].wait_object = "obj";
	buf_init(&b, 100000);
	cr_assert_eq(proto_submit_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_submit_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_assert_eq(got.n_entries, 2);
	same_entry(&got.entry[0], &e[0]);
	same_entry(&got.entry[1], &e[1]);
	cr_assert_str_eq(got.object[0].name, "obj");
	cr_assert_arr_eq(got.digest, m.digest, sizeof(m.digest));
	cr_assert(span_eq_str(got.object[0].recovery, "cms"));
	cr_assert_eq(got.n_closed, 1);
	cr_assert_str_eq(got.closed[0].key, "c@example.org");
	cr_assert_eq(got.closed[0].how, PROTO_CLOSE_DROPPED);
	cr_assert_str_eq(got.audit[1], "{\"a\":1}");
	cr_assert_eq(got.measures.n, 2);
	cr_assert_eq(got.measures.list[0].kind, PROTO_MEASURE_SIZE_OUT);
	cr_assert_eq(got.measures.list[0].value, 7);
	cr_assert_not(got.measures.list[0].failed);
	cr_assert(got.measures.list[1].failed);
	cr_assert_eq(got.measures.list[1].value, UINT64_MAX);
	cr_assert_eq(got.order.message_id, 77);
	cr_assert_str_eq(got.order.only[1], "b@example.org");
	cr_assert_str_eq(got.order.reply_to, "x@example.org");
	cr_assert(span_eq(got.reply_mac, m.reply_mac));
	for (size_t n = 0; n < b.len; n++) {
		arena_reset(a);
		cr_assert_eq(proto_submit_unpack(SPAN(b.data, n), a, &got),
		    ERR_IPC, "cut at %zu", n);
	}
	/* what cannot be measured */
	took[1].kind = PROTO_MEASURES;
	buf_reset(&b);
	cr_assert_eq(proto_submit_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_submit_unpack(buf_span(&b), a, &got), ERR_IPC);
	buf_clear(&b);
	arena_free(a);
}

Test(proto, flipped_octets_never_crash_an_unpacker)
{
	struct proto_rcpt r[] = {{"x@y.example", "x@y.example", "", 0}};
	struct proto_answer one = {3, PROTO_ANSWER_ABSENT, true, true, 3600};
	struct proto_answers ans = {"x@y.example", true, &one, 1};
	struct proto_message m = {.attempt = 1,
				 .envelope = {.from = "a@b.example",
				     .from_key = "a@b.example",
				     .client = "::1",
				     .helo = "h",
				     .rcpt = r,
				     .n_rcpt = 1},
				 .answers = &ans,
				 .n_answers = 1,
				 .trace = "Received: y\r\n"},
			     got;
	struct arena *a = arena_new(1 << 16);
	struct buf b;

	buf_init(&b, 100000);
	cr_assert_eq(proto_message_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_message_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_assert_str_eq(got.envelope.rcpt[0].addr, "x@y.example");
	cr_assert_str_eq(got.trace, "Received: y\r\n");
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			enum err e;

			arena_reset(a);
			b.data[i] ^= (uint8_t)(1 << bit);
			e = proto_message_unpack(buf_span(&b), a, &got);
			cr_assert(
			    e == ERR_OK || e == ERR_IPC || e == ERR_NOMEM);
			b.data[i] ^= (uint8_t)(1 << bit);
		}
	buf_clear(&b);
	arena_free(a);
}

Test(proto, a_user_may_write_as_what_is_listed)
{
	static const struct {
		const char *list, *key;
		bool whole, by_domain;
	} row[] = {
	    {"a@x.example", "a@x.example", true, true},
	    {"b@x.example a@x.example", "a@x.example", true, true},
	    {"a@x.example b@x.example", "a@x.example", true, true},
	    {"@x.example", "a@x.example", false, true},
	    {"b@y.example @x.example", "a@x.example", false, true},
	    {"", "a@x.example", false, false},
	    {" ", "", false, false},
	    {"a@x.example", "", false, false},
	    {"a@x.example", "aa@x.example", false, false},
	    {"a@x.example", "a@x.example.org", false, false},
	    {"a@x.example.org", "a@x.example", false, false},
	    {"@x.example", "a@sub.x.example", false, false},
	    {"@x.example", "@x.example", false, true},
	    {"@", "a@x.example", false, false},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_expect_eq(entry_auth_may_use(row[i].list, row[i].key, false),
		    row[i].whole, "%s in %s", row[i].key, row[i].list);
		cr_expect_eq(entry_auth_may_use(row[i].list, row[i].key, true),
		    row[i].by_domain, "%s in %s", row[i].key, row[i].list);
	}
}

Test(proto, a_sender_is_registered_with_the_addresses_of_its_user)
{
	struct arena *a = arena_new(1 << 16);
	struct proto_register got;

	cr_assert_eq(proto_register_sender("s@x.example", "", a, &got), ERR_OK);
	cr_expect_eq(got.n_addr, 1);
	cr_assert_eq(proto_register_sender("s@x.example",
			 "@y.example a@x.example  b@x.example", a, &got),
	    ERR_OK);
	cr_assert_eq(got.n_addr, 3); /* a domain is no address */
	cr_expect_str_eq(got.addr[0], "s@x.example");
	cr_expect_str_eq(got.addr[1], "a@x.example");
	cr_expect_str_eq(got.addr[2], "b@x.example");
	cr_expect(!got.open);
	arena_free(a);
}

Test(proto, the_immutable_part_of_an_entry_covers_envelope_and_verdict)
{
	struct entry base = sample_entry(), e;
	struct entry_rcpt other[2];
	struct buf x, y;

	buf_init(&x, 10000);
	buf_init(&y, 10000);
	cr_assert_eq(entry_pack_fixed(&base, &x), ERR_OK);
	for (int i = 0; i < 8; i++) {
		e = base;
		memcpy(other, entry_rcpts, sizeof(other));
		switch (i) {
		case 0:
			e.id++;
			break;
		case 1:
			e.kind = ENTRY_PENDING;
			break;
		case 2:
			other[1].addr = "mallory@example.net";
			e.rcpt = other;
			break;
		case 3:
			e.tls = ENTRY_TLS_OPPORTUNISTIC;
			break;
		case 4:
			e.body_hash[31] ^= 1;
			break;
		case 5:
			e.rung = 8;
			break;
		case 6:
			e.convert.n = 0;
			break;
		default:
			e.n_rcpt = 1;
			break;
		}
		buf_reset(&y);
		cr_assert_eq(entry_pack_fixed(&e, &y), ERR_OK);
		cr_assert(!span_eq(buf_span(&x), buf_span(&y)), "change %d", i);
	}
	/* what store changes later is not in it */
	e = base;
	e.reason = "later";
	e.file = "f";
	buf_reset(&y);
	cr_assert_eq(entry_pack_fixed(&e, &y), ERR_OK);
	cr_assert(span_eq(buf_span(&x), buf_span(&y)));
	buf_clear(&x);
	buf_clear(&y);
}

Test(proto, keys_say_what_they_are_for)
{
	struct proto_keys m = {0}, got;
	struct buf b;

	m.pub[SEALED_READY].purpose = SEALED_READY;
	m.ready_private = SPAN_LIT("12345678901234567890123456789012");
	buf_init(&b, 1000);
	cr_assert_eq(proto_keys_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_keys_unpack(buf_span(&b), &got), ERR_OK);
	cr_assert_eq(got.ready_private.len, 32);
	b.data[0] = SEALED_READY; /* in the place of another purpose */
	cr_assert_eq(proto_keys_unpack(buf_span(&b), &got), ERR_IPC);
	buf_clear(&b);
}

Test(proto, a_delivery_names_the_recipients_that_are_open)
{
	static const struct {
		const char *name;
		uint32_t open[3];
		uint32_t n;
		bool good;
	} rows[] = {
	    {"all", {0, 1}, 2, true},
	    {"the second", {1}, 1, true},
	    {"none", {0}, 0, false},
	    {"beyond the list", {2}, 1, false},
	    {"twice the same", {1, 1}, 2, false},
	    {"falling", {1, 0}, 2, false},
	};
	struct arena *a = arena_new(100000);
	struct proto_deliver out;
	struct buf b;

	buf_init(&b, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t open[3];
		struct proto_deliver m = {
		    .entry = sample_entry(), .open = open, .n_open = rows[i].n};
		enum err e;

		memcpy(open, rows[i].open, sizeof(open));
		buf_reset(&b);
		cr_assert_eq(proto_deliver_pack(&m, &b), ERR_OK);
		e = proto_deliver_unpack(buf_span(&b), a, &out);
		cr_assert_eq(e == ERR_OK, rows[i].good, "%s", rows[i].name);
		if (e == ERR_OK)
			cr_assert_eq(out.n_open, rows[i].n, "%s", rows[i].name);
	}
	buf_clear(&b);
	arena_free(a);
}

Test(proto, accounts_survive_and_every_cut_is_refused)
{
	struct arena *a = arena_new(1 << 16);
	struct pickup_account two[2] = {{.public = {4, 1}, .wrapped = {2}},
	    {.public = {4, 3}, .proof_hash = {5}}};
	struct proto_account_set set = {.object = "object",
				     .digits = "123456",
				     .client = "192.0.2.1",
				     .account = two[0]},
				 set_out;
	struct proto_account_said said = {.id = {9}, .result = ERR_EXISTS},
				  said_out;
	struct proto_accounts all = {.first = true, .account = two, .n = 2},
			      all_out;
	struct buf b[3];

	for (int i = 0; i < 3; i++)
		buf_init(&b[i], 1000);
	cr_assert_eq(proto_account_set_pack(&set, &b[0]), ERR_OK);
	cr_assert_eq(proto_account_said_pack(&said, &b[1]), ERR_OK);
	cr_assert_eq(proto_accounts_pack(&all, &b[2]), ERR_OK);
	cr_assert_eq(
	    proto_account_set_unpack(buf_span(&b[0]), a, &set_out), ERR_OK);
	cr_expect_str_eq(set_out.object, "object");
	cr_expect_str_eq(set_out.digits, "123456");
	cr_expect_str_eq(set_out.client, "192.0.2.1");
	cr_expect_eq(memcmp(&set_out.account, &two[0], sizeof(two[0])), 0);
	cr_assert_eq(
	    proto_account_said_unpack(buf_span(&b[1]), &said_out), ERR_OK);
	cr_expect_eq(said_out.result, ERR_EXISTS);
	cr_expect_eq(said_out.id[0], 9);
	cr_assert_eq(
	    proto_accounts_unpack(buf_span(&b[2]), a, &all_out), ERR_OK);
	cr_expect(all_out.first && !all_out.last && all_out.n == 2);
	cr_expect_eq(memcmp(all_out.account, two, sizeof(two)), 0);
	for (size_t n = 0; n < b[0].len; n++)
		cr_expect_eq(
		    proto_account_set_unpack(SPAN(b[0].data, n), a, &set_out),
		    ERR_IPC, "%zu", n);
	for (size_t n = 0; n < b[1].len; n++)
		cr_expect_eq(
		    proto_account_said_unpack(SPAN(b[1].data, n), &said_out),
		    ERR_IPC, "%zu", n);
	for (size_t n = 0; n < b[2].len; n++)
		cr_expect_eq(
		    proto_accounts_unpack(SPAN(b[2].data, n), a, &all_out),
		    ERR_IPC, "%zu", n);
	for (int i = 0; i < 3; i++)
		buf_clear(&b[i]);
	arena_free(a);
}

Test(proto, what_is_opened_survives_and_every_cut_is_refused)
{
	struct proto_decrypt ask = {
	    SPAN_LIT("fingerprint"), 2, 3, 4, 32, SPAN_LIT("in")};
	struct proto_decrypted said = {ERR_OK, SPAN_LIT("key")};
	struct proto_decrypted said_out;
	struct proto_decrypt ask_out;
	struct buf b[2];

	for (int i = 0; i < 2; i++)
		buf_init(&b[i], 1000);
	cr_assert_eq(proto_decrypt_pack(&ask, &b[0]), ERR_OK);
	cr_assert_eq(proto_decrypted_pack(&said, &b[1]), ERR_OK);
	cr_assert_eq(proto_decrypt_unpack(buf_span(&b[0]), &ask_out), ERR_OK);
	cr_expect(span_eq(ask_out.fpr, ask.fpr));
	cr_expect_eq(ask_out.op, 2);
	cr_expect_eq(ask_out.hash, 3);
	cr_expect_eq(ask_out.mgf, 4);
	cr_expect_eq(ask_out.len, 32);
	cr_expect(span_eq(ask_out.in, ask.in));
	cr_assert_eq(
	    proto_decrypted_unpack(buf_span(&b[1]), &said_out), ERR_OK);
	cr_expect(span_eq(said_out.key, said.key));
	for (size_t n = 0; n < b[0].len; n++)
		cr_expect_neq(
		    proto_decrypt_unpack(SPAN(b[0].data, n), &ask_out), ERR_OK,
		    "decrypt, %zu octets", n);
	for (size_t n = 0; n < b[1].len; n++)
		cr_expect_neq(
		    proto_decrypted_unpack(SPAN(b[1].data, n), &said_out),
		    ERR_OK, "decrypted, %zu octets", n);
	/* a key beside a refusal, and no key without one */
	said.result = ERR_PERMISSION;
	buf_reset(&b[1]);
	cr_assert_eq(proto_decrypted_pack(&said, &b[1]), ERR_OK);
	cr_expect_eq(
	    proto_decrypted_unpack(buf_span(&b[1]), &said_out), ERR_IPC);
	for (int i = 0; i < 2; i++)
		buf_clear(&b[i]);
}

Test(proto, what_keys_are_asked_survives_and_every_cut_is_refused)
{
	const char *addrs[] = {"a@example.com", "b@example.com"};
	struct proto_register reg = {.open = true, .addr = addrs, .n_addr = 2},
			      reg_out;
	struct proto_sign sign = {SPAN_LIT("fingerprint"), 7, SPAN_LIT("in")};
	struct proto_signed sig = {ERR_OK, SPAN_LIT("signature")};
	struct arena *a = arena_new(65536);
	struct proto_signed sig_out;
	struct proto_sign sign_out;
	struct buf b[3];

	for (int i = 0; i < 3; i++)
		buf_init(&b[i], 1000);
	cr_assert_eq(proto_register_pack(&reg, &b[0]), ERR_OK);
	cr_assert_eq(proto_sign_pack(&sign, &b[1]), ERR_OK);
	cr_assert_eq(proto_signed_pack(&sig, &b[2]), ERR_OK);
	cr_assert_eq(
	    proto_register_unpack(buf_span(&b[0]), a, &reg_out), ERR_OK);
	cr_expect(reg_out.open);
	cr_expect_eq(reg_out.n_addr, 2);
	cr_expect_str_eq(reg_out.addr[1], "b@example.com");
	cr_assert_eq(proto_sign_unpack(buf_span(&b[1]), &sign_out), ERR_OK);
	cr_expect(span_eq(sign_out.fpr, sign.fpr));
	cr_expect_eq(sign_out.alg, 7);
	cr_expect(span_eq(sign_out.in, sign.in));
	cr_assert_eq(proto_signed_unpack(buf_span(&b[2]), &sig_out), ERR_OK);
	cr_expect_eq(sig_out.result, ERR_OK);
	cr_expect(span_eq(sig_out.signature, sig.signature));
	for (size_t n = 0; n < b[0].len; n++)
		cr_expect_neq(
		    proto_register_unpack(SPAN(b[0].data, n), a, &reg_out),
		    ERR_OK, "register, %zu octets", n);
	for (size_t n = 0; n < b[1].len; n++)
		cr_expect_neq(proto_sign_unpack(SPAN(b[1].data, n), &sign_out),
		    ERR_OK, "sign, %zu octets", n);
	for (size_t n = 0; n < b[2].len; n++)
		cr_expect_neq(proto_signed_unpack(SPAN(b[2].data, n), &sig_out),
		    ERR_OK, "signed, %zu octets", n);
	for (int i = 0; i < 3; i++)
		buf_clear(&b[i]);
	arena_free(a);
}

Test(proto, a_signature_and_an_error_exclude_each_other)
{
	static const struct proto_signed bad[] = {
	    {ERR_OK, {NULL, 0}},
	    {ERR_PERMISSION, {(const uint8_t *)"x", 1}},
	};
	struct proto_signed out;
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < 2; i++) {
		buf_reset(&b);
		cr_assert_eq(proto_signed_pack(&bad[i], &b), ERR_OK);
		cr_expect_eq(proto_signed_unpack(buf_span(&b), &out), ERR_IPC,
		    "row %zu", i);
	}
	buf_clear(&b);
}

Test(proto, requests_to_sign_survive_and_every_cut_is_refused)
{
	struct span certs[2] = {SPAN_LIT("one"), SPAN_LIT("two")};
	struct proto_pgp_sign m = {.fpr = SPAN_LIT("01234567890123456789"),
				  .cert = certs,
				  .n_certs = 2},
			      got;
	struct proto_pgp_signed s = {ERR_OK, "", "pgp-sha256"}, said;
	struct arena *a = arena_new(1 << 16);
	struct buf b;

	buf_init(&b, 10000);
	cr_assert_eq(proto_pgp_sign_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_pgp_sign_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_assert(span_eq(got.fpr, m.fpr));
	cr_assert_eq(got.n_certs, 2);
	cr_assert(span_eq_str(got.cert[1], "two"));
	for (size_t n = 0; n < b.len; n++)
		cr_assert_eq(proto_pgp_sign_unpack(SPAN(b.data, n), a, &got),
		    ERR_IPC, "cut at %zu", n);
	buf_reset(&b);
	m.fpr = SPAN(NULL, 0); /* nobody signs */
	cr_assert_eq(proto_pgp_sign_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_pgp_sign_unpack(buf_span(&b), a, &got), ERR_IPC);
	buf_reset(&b);
	cr_assert_eq(proto_pgp_signed_pack(&s, &b), ERR_OK);
	cr_assert_eq(proto_pgp_signed_unpack(buf_span(&b), a, &said), ERR_OK);
	cr_assert_str_eq(said.micalg, "pgp-sha256");
	for (size_t n = 0; n < b.len; n++)
		cr_assert_eq(proto_pgp_signed_unpack(SPAN(b.data, n), a, &said),
		    ERR_IPC, "cut at %zu", n);
	buf_reset(&b);
	s.micalg = ""; /* signed, with nothing */
	cr_assert_eq(proto_pgp_signed_pack(&s, &b), ERR_OK);
	cr_assert_eq(proto_pgp_signed_unpack(buf_span(&b), a, &said), ERR_IPC);
	buf_clear(&b);
	arena_free(a);
}

/* What a pgp process that was taken over might say. */
Test(proto, an_answer_about_signatures_is_not_taken_on_trust)
{
	static const struct {
		enum err err;
		const char *cipher;
		uint32_t secret, status, cert;
		enum err e;
	} rows[] = {
	    {ERR_OK, "aes256", 1, CRYPTO_SIGNED_GOOD, 0, ERR_OK},
	    {ERR_OK, "aes256", 1, CRYPTO_SIGNED_UNKNOWN_KEY, CRYPTO_PGP_NO_CERT,
		ERR_OK},
	    {ERR_CRYPTO, "", 0, CRYPTO_SIGNED_BAD, 0, ERR_OK},
	    /* good, and by nobody */
	    {ERR_OK, "aes256", 1, CRYPTO_SIGNED_GOOD, CRYPTO_PGP_NO_CERT,
		ERR_IPC},
	    /* who it is by gpg does not know */
	    {ERR_OK, "aes256", 1, CRYPTO_SIGNED_OTHER, 0, ERR_IPC},
	    {ERR_OK, "aes256", 1, CRYPTO_SIGNED_NONE, 0, ERR_IPC},
	    {ERR_OK, "aes256", 1, 1000, 0, ERR_IPC},
	    {ERR_OK, "", 1, CRYPTO_SIGNED_GOOD, 0, ERR_IPC},
	    {ERR_CRYPTO, "aes256", 1, CRYPTO_SIGNED_GOOD, 0, ERR_IPC},
	    {ERR_OK, "aes256", CRYPTO_PGP_OPEN_KEYS, CRYPTO_SIGNED_GOOD, 0,
		ERR_IPC},
	};
	struct arena *a = arena_new(1 << 20);
	struct buf b;

	buf_init(&b, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_pgp_opened m = {.err = rows[i].err, .why = "why"},
					got;

		m.result.secret = rows[i].secret;
		snprintf(m.result.cipher, sizeof(m.result.cipher), "%s",
		    rows[i].cipher);
		m.result.sigs.n = 1;
		m.result.sigs.sig[0] =
		    (struct crypto_pgp_sig){.status = rows[i].status,
			.reason = "reason",
			.cert = rows[i].cert,
			.fpr_len = 20,
			.made = 7,
			.alg = "RSA SHA256"};
		buf_reset(&b);
		cr_assert_eq(proto_pgp_opened_pack(&m, &b), ERR_OK);
		cr_expect_eq(proto_pgp_opened_unpack(buf_span(&b), a, &got),
		    rows[i].e, "row %zu", i);
		for (size_t n = 0; n < b.len; n++)
			cr_assert_eq(
			    proto_pgp_opened_unpack(SPAN(b.data, n), a, &got),
			    ERR_IPC, "row %zu cut at %zu", i, n);
	}
	buf_clear(&b);
	arena_free(a);
}

Test(proto, requests_to_open_survive_and_every_cut_is_refused)
{
	struct span spans[CRYPTO_PGP_OPEN_CERTS + 1];
	struct proto_pgp_open m = {.fpr = spans,
				  .n_fprs = CRYPTO_PGP_OPEN_KEYS,
				  .cert = spans,
				  .n_certs = CRYPTO_PGP_OPEN_CERTS,
				  .max = 77},
			      got;
	struct proto_pgp_verify v = {.signatures = SPAN_LIT("sig"),
				    .cert = spans,
				    .n_certs = 2},
				asked;
	struct arena *a = arena_new(1 << 22);
	struct buf b;

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		spans[i] = SPAN_LIT("octets");
	buf_init(&b, 10000);
	cr_assert_eq(proto_pgp_open_pack(&m, &b), ERR_OK);
	cr_assert_eq(proto_pgp_open_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_expect_eq(got.n_fprs, m.n_fprs);
	cr_expect_eq(got.n_certs, m.n_certs);
	cr_expect_eq(got.max, 77);
	for (size_t n = 0; n < b.len; n++)
		cr_assert_eq(proto_pgp_open_unpack(SPAN(b.data, n), a, &got),
		    ERR_IPC, "cut at %zu", n);
	for (int i = 0; i < 2; i++) {
		m.n_fprs = CRYPTO_PGP_OPEN_KEYS + (i == 0);
		m.n_certs = CRYPTO_PGP_OPEN_CERTS + (i == 1);
		buf_reset(&b);
		cr_assert_eq(proto_pgp_open_pack(&m, &b), ERR_OK);
		cr_expect_eq(
		    proto_pgp_open_unpack(buf_span(&b), a, &got), ERR_IPC);
	}
	buf_reset(&b);
	cr_assert_eq(proto_pgp_verify_pack(&v, &b), ERR_OK);
	cr_assert_eq(proto_pgp_verify_unpack(buf_span(&b), a, &asked), ERR_OK);
	cr_expect(span_eq_str(asked.signatures, "sig"));
	cr_expect_eq(asked.n_certs, 2);
	for (size_t n = 0; n < b.len; n++)
		cr_assert_eq(
		    proto_pgp_verify_unpack(SPAN(b.data, n), a, &asked),
		    ERR_IPC, "cut at %zu", n);
	buf_clear(&b);
	arena_free(a);
}

Test(proto, no_id_is_given_twice)
{
	uint64_t first = entry_new_id(), last = first, id;

	/* far more than a drawn number would survive */
	for (int i = 0; i < 200000; i++) {
		id = entry_new_id();
		cr_assert_eq((uint32_t)id, (uint32_t)last + 1);
		cr_assert_neq(id, 0);
		last = id;
	}
	cr_assert_geq(last >> 32, first >> 32);
}

Test(proto, a_proposal_and_its_outcome_survive)
{
	const struct proto_admit ask = {
	    .addr = SPAN_LIT("a@b.example"), .record = SPAN_LIT("a record")};
	const struct proto_admitted said = {.change = KS_CHANGE_WAIT,
	    .trust = KS_DISCOVERED,
	    .err = ERR_OK,
	    .why = "another key"};
	struct arena *a = arena_new(1 << 16);
	struct proto_admitted got = {0};
	struct proto_admit asked = {0};
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(proto_admit_pack(&ask, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(
		    proto_admit_unpack(SPAN(b.data, n), &asked), ERR_IPC);
	cr_assert_eq(proto_admit_unpack(buf_span(&b), &asked), ERR_OK);
	cr_expect(span_eq(asked.addr, ask.addr));
	cr_expect(span_eq(asked.record, ask.record));
	buf_reset(&b);
	cr_assert_eq(proto_admitted_pack(&said, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(
		    proto_admitted_unpack(SPAN(b.data, n), a, &got), ERR_IPC);
	cr_assert_eq(proto_admitted_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_expect_eq(got.change, KS_CHANGE_WAIT);
	cr_expect_eq(got.trust, KS_DISCOVERED);
	cr_expect_str_eq(got.why, "another key");
	b.data[0] = KS_CHANGE_COUNT;
	cr_expect_eq(proto_admitted_unpack(buf_span(&b), a, &got), ERR_IPC);
	buf_clear(&b);
	arena_free(a);
}

Test(proto, a_refusal_survives)
{
	const struct ks_refusal said = {.source = KS_SOURCE_WKD,
	    .addr = SPAN_LIT("a@b.example"),
	    .fpr = SPAN_LIT("fingerprint"),
	    .what = SPAN_LIT("OpenPGP"),
	    .url = SPAN_LIT("https://x.example"),
	    .why = SPAN_LIT("too weak")};
	struct ks_refusal got = {0};
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(proto_key_refused_pack(&said, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(
		    proto_key_refused_unpack(SPAN(b.data, n), &got), ERR_IPC);
	cr_assert_eq(proto_key_refused_unpack(buf_span(&b), &got), ERR_OK);
	cr_expect_eq(got.source, said.source);
	cr_expect(span_eq(got.addr, said.addr));
	cr_expect(span_eq(got.fpr, said.fpr));
	cr_expect(span_eq(got.what, said.what));
	cr_expect(span_eq(got.url, said.url));
	cr_expect(span_eq(got.why, said.why));
	b.data[0] = KS_SOURCE_HARVEST + 1;
	cr_expect_eq(proto_key_refused_unpack(buf_span(&b), &got), ERR_IPC);
	buf_clear(&b);
}

Test(proto, what_is_said_of_revocation_survives)
{
	const struct proto_revocation ask = {
	    .want = {.kind = KS_WANT_ANSWER,
		.issuer = SPAN_LIT("a certificate"),
		.url = SPAN_LIT("http://x.example/"),
		.serial = SPAN_LIT("12"),
		.request = SPAN_LIT("request"),
		.until = 77},
	    .nonce = SPAN_LIT("0123456789abcdef"),
	    .octets = SPAN_LIT("answer"),
	    .other = {SPAN_LIT("one"), SPAN_LIT("another")},
	    .n_others = 2};
	struct proto_revocation_said said = {.good = true,
	    .why = "",
	    .said = {.from = -1,
		.until = 9,
		.state = 1,
		.reason = 4,
		.at = 5,
		.scope = 3,
		.entries = SPAN_LIT("entries")}};
	struct arena *a = arena_new(1 << 16);
	struct proto_revocation_said got;
	struct proto_revocation asked;
	struct buf b;

	memset(said.id, 7, sizeof(said.id));
	buf_init(&b, 1000);
	cr_assert_eq(proto_revocation_pack(&ask, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(
		    proto_revocation_unpack(SPAN(b.data, n), &asked), ERR_IPC);
	cr_assert_eq(proto_revocation_unpack(buf_span(&b), &asked), ERR_OK);
	cr_expect_eq(asked.want.kind, KS_WANT_ANSWER);
	cr_expect(span_eq(asked.want.issuer, ask.want.issuer));
	cr_expect(span_eq(asked.want.url, ask.want.url));
	cr_expect(span_eq(asked.want.serial, ask.want.serial));
	cr_expect(span_eq(asked.want.request, ask.want.request));
	cr_expect_eq(asked.want.until, 77);
	cr_expect(span_eq(asked.nonce, ask.nonce));
	cr_expect(span_eq(asked.octets, ask.octets));
	cr_assert_eq(asked.n_others, 2);
	cr_expect(span_eq(asked.other[1], ask.other[1]));
	b.data[0] = 3; /* no such kind */
	cr_expect_eq(proto_revocation_unpack(buf_span(&b), &asked), ERR_IPC);
	buf_reset(&b);
	cr_assert_eq(proto_revocation_said_pack(&said, &b), ERR_OK);
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(
		    proto_revocation_said_unpack(SPAN(b.data, n), a, &got),
		    ERR_IPC);
	cr_assert_eq(
	    proto_revocation_said_unpack(buf_span(&b), a, &got), ERR_OK);
	cr_expect_arr_eq(got.id, said.id, sizeof(said.id));
	cr_expect(got.good);
	cr_expect_eq(got.said.from, -1);
	cr_expect_eq(got.said.until, 9);
	cr_expect_eq(got.said.state, 1);
	cr_expect_eq(got.said.reason, 4);
	cr_expect_eq(got.said.at, 5);
	cr_expect_eq(got.said.scope, 3);
	cr_expect(span_eq(got.said.entries, said.said.entries));
	buf_clear(&b);
	arena_free(a);
}

Test(proto, what_keys_says_of_a_key_is_handed_on, .init = secret_init)
{
	static const struct {
		uint32_t said;
		size_t len;
		enum err want;
	} cases[] = {
	    {ERR_OK, SEALED_KEY, ERR_OK},
	    {ERR_BAD_SEAL, 0, ERR_BAD_SEAL},
	    {ERR_MALFORMED, 0, ERR_MALFORMED},
	    {ERR_NOMEM, 0, ERR_NOMEM},
	    {ERR_CRYPTO, 0, ERR_CRYPTO},
	    {ERR_NOMEM, SEALED_KEY, ERR_NOMEM},
	    /* no answer to the question whether the seal is good */
	    {ERR_COUNT, 0, ERR_IPC},
	    {UINT32_MAX, SEALED_KEY, ERR_IPC},
	    {ERR_OK, 0, ERR_IPC},
	    {ERR_OK, SEALED_KEY - 1, ERR_IPC},
	};
	static const uint8_t octets[SEALED_KEY] = {1, 2, 3};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret *key = NULL;
		struct packer p;
		struct buf b;

		buf_init(&b, 256);
		pack_begin(&p, &b);
		pack_u32(&p, cases[i].said);
		pack_span(&p, SPAN(octets, cases[i].len));
		cr_assert_eq(pack_end(&p), ERR_OK);
		cr_expect_eq(proto_key_is_unpack(buf_span(&b), &key),
		    cases[i].want, "case %zu", i);
		cr_expect_eq(
		    key != NULL, cases[i].want == ERR_OK, "case %zu", i);
		secret_free(key);
		key = NULL;
		for (size_t n = 0; n < b.len; n++)
			cr_expect_eq(proto_key_is_unpack(SPAN(b.data, n), &key),
			    ERR_IPC, "case %zu cut at %zu", i, n);
		buf_clear(&b);
	}
}
