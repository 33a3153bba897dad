/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * No address is left in a record, whatever it stands in, and who has the key
 * gets the record back.
 */
#include "gateway/store/audit_pseudonym.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/siv.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_terms.h"

static struct secret *key, *other;
static struct buf out, back;

static void
set_up(void)
{
	secret_init();
	key = secret_random(SIV_KEY);
	other = secret_random(SIV_KEY);
	buf_init(&out, 2 * STORE_REC_MAX);
	buf_init(&back, 2 * STORE_REC_MAX);
}

static void
tear_down(void)
{
	secret_free(key);
	secret_free(other);
	buf_clear(&out);
	buf_clear(&back);
}

TestSuite(audit_pseudonym, .init = set_up, .fini = tear_down);

/* hidden: what must not be found in what becomes of it. */
static const struct {
	const char *name, *rec, *hidden;
} rows[] = {
    {"sender", "{\"type\":\"accepted\",\"from\":\"bob@example.org\"}", "bob"},
    {"list",
	"{\"type\":\"accepted\",\"rcpts\":[\"bob@example.org\","
	"\"al@example.org\"]}",
	"example"},
    {"facts", "{\"type\":\"decided\",\"facts\":{\"to\":\"bob@example.org\"}}",
	"bob"},
    {"user without a domain", "{\"type\":\"accepted\",\"user\":\"bob\"}",
	"bob"},
    {"in a remark",
	"{\"type\":\"bounced\",\"rcpt\":\"bob@example.org\",\"reply\":"
	"\"5.1.1 <bob@example.org>: no such user\"}",
	"bob"},
    {"in a remark, without a domain",
	"{\"type\":\"bounced\",\"rcpt\":\"bob@example.org\",\"reply\":"
	"\"5.1.1 BOB: no such user\"}",
	"BOB"},
    {"deep", "{\"type\":\"decided\",\"rules\":[{\"why\":\"not bob@a.b\"}]}",
	"bob"},
    {"quoted", "{\"type\":\"sent\",\"reply\":\"to \\\"b o b\\\"@example.org\"}",
	"b o b"},
    {"literal", "{\"type\":\"sent\",\"reply\":\"to bob@[192.0.2.1] ok\"}",
	"192.0.2.1"},
    {"UTF-8",
	"{\"type\":\"sent\",\"reply\":\"to b\xc3\xb6"
	"b@ex\xc3\xa4mple.org\"}",
	"mple"},
    {"escaped", "{\"type\":\"sent\",\"reply\":\"to bob\\u0040example.org\"}",
	"bob"},
    {"cut behind the @", "{\"type\":\"sent\",\"reply\":\"to bob@\"}", "bob"},
    {"two at once", "{\"type\":\"sent\",\"reply\":\"bob@a.b,al@c.d\"}", "al@"},
    {"of a key", "{\"type\":\"key-added\",\"addr\":\"bob@example.org\"}",
	"bob"},
};

Test(audit_pseudonym, no_address_is_left)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		buf_reset(&back);
		cr_assert_eq(
		    store_pseudonym_rewrite(key, span_str(rows[i].rec), &out),
		    ERR_OK, "%s", rows[i].name);
		cr_assert_null(strstr(buf_cstr(&out), rows[i].hidden), "%s: %s",
		    rows[i].name, buf_cstr(&out));
		cr_assert(store_rec_is_sound(buf_span(&out)), "%s: %s",
		    rows[i].name, buf_cstr(&out));
		cr_assert_eq(
		    store_pseudonym_resolve(key, buf_span(&out), &back),
		    ERR_OK);
		cr_assert_null(
		    strchr(buf_cstr(&back), '~'), "%s", buf_cstr(&back));
		/* for another key they are what they look like */
		buf_reset(&back);
		cr_assert_eq(
		    store_pseudonym_resolve(other, buf_span(&out), &back),
		    ERR_OK);
		cr_assert(span_eq(buf_span(&out), buf_span(&back)));
	}
}

/* What is none stays, octet for octet. */
static const char *const plain[] = {
    "{\"type\":\"started\",\"version\":\"1\",\"host\":\"gw.example.com\"}",
    "{\"type\":\"accepted\",\"from\":\"\",\"message-id\":\"<a@b>\"}",
    "{\"type\":\"decided\",\"rule\":{\"decider\":\"to bob@example.org\"}}",
    "{\"type\":\"decided\",\"rules\":[{\"why\":\"to is not @example.org\"}]}",
    "{\"type\":\"sent\",\"reply\":\"250 2.0.0 Ok: ~ ~x~ \\\"queued\\\"\"}",
    "{\"type\":\"sealed\",\"size\":12,\"rcpts\":[]}",
};

Test(audit_pseudonym, what_is_no_address_stays)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		buf_reset(&out);
		cr_assert_eq(
		    store_pseudonym_rewrite(key, span_str(plain[i]), &out),
		    ERR_OK, "%s", plain[i]);
		cr_assert(span_eq_str(buf_span(&out), plain[i]), "%s: %s",
		    plain[i], buf_cstr(&out));
		buf_reset(&back);
		cr_assert_eq(
		    store_pseudonym_resolve(key, span_str(plain[i]), &back),
		    ERR_OK);
		cr_assert(span_eq_str(buf_span(&back), plain[i]));
	}
}

Test(audit_pseudonym, a_url_is_cut_to_its_host)
{
	cr_assert_eq(
	    store_pseudonym_rewrite(key,
		SPAN_LIT("{\"type\":\"decided\",\"keys\":[{\"url\":"
			 "\"https://k.example/.well-known/hu/abc?l=bob\"}]}"),
		&out),
	    ERR_OK);
	cr_assert_str_eq(buf_cstr(&out), "{\"type\":\"decided\",\"keys\":[{"
					 "\"url\":\"https://k.example\"}]}");
}

Test(audit_pseudonym, case_does_not_count)
{
	cr_assert_eq(
	    store_pseudonym_of(key, SPAN_LIT("Bob@Example.ORG"), &out), ERR_OK);
	cr_assert_eq(
	    store_pseudonym_of(key, SPAN_LIT("bob@example.org"), &back),
	    ERR_OK);
	cr_assert(span_eq(buf_span(&out), buf_span(&back)));
	cr_assert_eq(out.data[0], '~');
}

static unsigned seen;

static void
count_term(void *arg, enum store_term t, struct span value)
{
	const struct buf *pseudonym = arg;

	if (t == STORE_TERM_RCPT && store_term_eq(value, buf_span(pseudonym)))
		seen++;
}

Test(audit_pseudonym, a_record_is_found_by_the_pseudonym)
{
	cr_assert_eq(
	    store_pseudonym_rewrite(
		key, SPAN_LIT("{\"type\":\"sent\",\"rcpt\":\"b@x.y\"}"), &out),
	    ERR_OK);
	cr_assert_eq(store_pseudonym_of(key, SPAN_LIT("b@x.y"), &back), ERR_OK);
	store_terms_each(buf_span(&out), count_term, &back);
	cr_assert_eq(seen, 1);
}

Test(audit_pseudonym, without_the_key_only_what_has_no_address_is_taken)
{
	cr_assert_eq(
	    store_pseudonym_rewrite(NULL, span_str(plain[0]), &out), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		cr_assert_eq(
		    store_pseudonym_rewrite(NULL, span_str(rows[i].rec), &out),
		    ERR_BUSY, "%s", rows[i].name);
		cr_assert_eq(out.len, 0);
	}
}

/* As many addresses as have no room once they are longer. */
Test(audit_pseudonym, a_record_without_room_has_a_mark_for_each)
{
	struct buf rec;

	buf_init(&rec, STORE_REC_MAX);
	cr_assert_eq(
	    buf_puts(&rec, "{\"type\":\"accepted\",\"rcpts\":[\"a@b\""),
	    ERR_OK);
	while (rec.len < STORE_REC_MAX - 16)
		cr_assert_eq(buf_puts(&rec, ",\"a@b\""), ERR_OK);
	cr_assert_eq(buf_puts(&rec, "]}"), ERR_OK);
	cr_assert_eq(
	    store_pseudonym_rewrite(key, buf_span(&rec), &out), ERR_OK);
	cr_assert_leq(out.len, (size_t)STORE_REC_MAX);
	cr_assert_null(strchr(buf_cstr(&out), '@'));
	cr_assert_not_null(strstr(buf_cstr(&out), "[\"~\",\"~\""));
	cr_assert(store_rec_is_sound(buf_span(&out)));
	buf_clear(&rec);
}

Test(audit_pseudonym, what_is_no_record_is_refused)
{
	static const char *const bad[] = {"{\"type\":\"sent\"", "{\"a\":\"b@c",
	    "{\"a\":\"\\u12 b@c\"}", "{\"a\":[}",
	    "[[[[[[[[[[[[[[[[[[\"b@c\"]]]]]]]]]]]]]]]]]]", "}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(
		    store_pseudonym_rewrite(key, span_str(bad[i]), &out),
		    ERR_MALFORMED, "%s", bad[i]);
		cr_assert_eq(out.len, 0);
	}
}
