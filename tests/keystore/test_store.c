/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The contract of every store behind keystore/store.h.
 */
#include "keystore/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;
static struct arena *arena;

static void
open_store(void)
{
	store = records_open(dir);
	arena = arena_new(8 << 20);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
}

TestSuite(store, .init = open_store, .fini = close_store);

#define OK(call)                                                               \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, ERR_OK, "%s: %s", #call, err_name(e_));       \
	} while (0)
#define GIVES(call, want)                                                      \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, (want), "%s: %s", #call, err_name(e_));       \
	} while (0)

static enum err
collect(void *ctx, const struct ks_record *r)
{
	char *ids = ctx;
	size_t n = strlen(ids);

	cr_assert_lt(n, 31);
	ids[n] = (char)r->fpr.data[0];
	ids[n + 1] = '\0';
	return ERR_OK;
}

static void
expect_found(enum ks_index index, const char *key, const char *want)
{
	char ids[32] = "";

	OK(ks_find(store, index, span_str(key), collect, ids));
	cr_expect_str_eq(ids, want, "%d %s: \"%s\" instead of \"%s\"",
	    (int)index, key, ids, want);
}

static void
put(uint8_t id, const char *addr)
{
	struct sample s;

	sample_init(&s, id, addr);
	OK(ks_put(store, &s.r));
}

Test(store, gives_back_what_was_put)
{
	struct ks_record *r = NULL;
	struct sample s;
	size_t n = 9;

	OK(ks_count(store, &n));
	cr_expect_eq(n, 0);
	sample_init(&s, 'A', "a@b.example");
	GIVES(ks_get(store, s.r.fpr, arena, &r), ERR_NOT_FOUND);
	OK(ks_put(store, &s.r));
	OK(ks_get(store, s.r.fpr, arena, &r));
	cr_expect(span_eq(r->key, s.r.key));
	cr_expect(span_eq(r->addrs[0], s.addr[0]));
	OK(ks_count(store, &n));
	cr_expect_eq(n, 1);
}

Test(store, finds_by_every_index)
{
	struct sample s;
	struct buf b;
	char ids[8] = "";

	sample_init(&s, 'A', "a@b.example");
	s.addr[1] = SPAN_LIT("c@d.example");
	s.r.n_addrs = 2;
	s.r.domain = SPAN_LIT("b.example");
	s.key_id[0] = SPAN_LIT("12345678");
	s.key_id[1] = SPAN_LIT("87654321");
	s.r.n_key_ids = 2;
	s.r.ski = SPAN_LIT("identifier");
	s.r.issuer = SPAN_LIT("issuer");
	s.r.serial = SPAN_LIT("serial");
	OK(ks_put(store, &s.r));
	expect_found(KS_BY_ADDR, "a@b.example", "A");
	expect_found(KS_BY_ADDR, "c@d.example", "A");
	expect_found(KS_BY_ADDR, "b.example", "");
	expect_found(KS_BY_ADDR, "a@b.exampl", "");
	expect_found(KS_BY_ADDR, "", "");
	expect_found(KS_BY_DOMAIN, "b.example", "A");
	expect_found(KS_BY_DOMAIN, "d.example", "");
	expect_found(KS_BY_KEY_ID, "12345678", "A");
	expect_found(KS_BY_KEY_ID, "87654321", "A");
	expect_found(KS_BY_SKI, "identifier", "A");
	expect_found(KS_BY_SKI, "12345678", "");
	buf_init(&b, 128);
	OK(ks_issuer_serial(SPAN_LIT("issuer"), SPAN_LIT("serial"), &b));
	OK(ks_find(store, KS_BY_ISSUER_SERIAL, buf_span(&b), collect, ids));
	cr_expect_str_eq(ids, "A");
	buf_reset(&b);
	ids[0] = '\0';
	OK(ks_issuer_serial(SPAN_LIT("issuers"), SPAN_LIT("erial"), &b));
	OK(ks_find(store, KS_BY_ISSUER_SERIAL, buf_span(&b), collect, ids));
	cr_expect_str_eq(ids, "");
	buf_clear(&b);
}

Test(store, an_address_has_many_keys)
{
	put('C', "a@b.example");
	put('A', "a@b.example");
	put('B', "x@b.example");
	expect_found(KS_BY_ADDR, "a@b.example", "AC");
	expect_found(KS_BY_ADDR, "x@b.example", "B");
}

Test(store, replacing_forgets_the_old_indexes)
{
	size_t n;

	put('A', "a@b.example");
	put('A', "new@b.example");
	expect_found(KS_BY_ADDR, "a@b.example", "");
	expect_found(KS_BY_ADDR, "new@b.example", "A");
	OK(ks_count(store, &n));
	cr_expect_eq(n, 1);
}

Test(store, an_address_that_stands_twice_is_no_trouble)
{
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	s.addr[1] = s.addr[0];
	s.r.n_addrs = 2;
	OK(ks_put(store, &s.r));
	expect_found(KS_BY_ADDR, "a@b.example", "A");
	OK(ks_put(store, &s.r));
	OK(ks_delete(store, s.r.fpr));
	expect_found(KS_BY_ADDR, "a@b.example", "");
}

Test(store, deleting_deletes_all_of_it)
{
	struct sample s;

	put('A', "a@b.example");
	put('B', "a@b.example");
	sample_init(&s, 'A', "");
	OK(ks_delete(store, s.r.fpr));
	GIVES(ks_delete(store, s.r.fpr), ERR_NOT_FOUND);
	expect_found(KS_BY_ADDR, "a@b.example", "B");
}

Test(store, trust_is_changed_and_nothing_else)
{
	struct ks_record *r = NULL;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	GIVES(ks_set_trust(store, s.r.fpr, KS_PINNED), ERR_NOT_FOUND);
	OK(ks_put(store, &s.r));
	OK(ks_set_trust(store, s.r.fpr, KS_DISTRUSTED));
	OK(ks_get(store, s.r.fpr, arena, &r));
	cr_expect_eq(r->trust, KS_DISTRUSTED);
	cr_expect(span_eq(r->key, s.r.key));
	GIVES(ks_set_trust(store, s.r.fpr, KS_TRUST_COUNT), ERR_MALFORMED);
	OK(ks_get(store, s.r.fpr, arena, &r));
	cr_expect_eq(r->trust, KS_DISTRUSTED);
}

Test(store, walks_through_what_begins_so)
{
	char ids[32] = "";

	put('B', "a@b.example");
	put('A', "a@b.example");
	put('C', "a@b.example");
	OK(ks_each(store, SPAN(NULL, 0), collect, ids));
	cr_expect_str_eq(ids, "ABC");
	ids[0] = '\0';
	OK(ks_each(store, SPAN_LIT("BB"), collect, ids));
	cr_expect_str_eq(ids, "B");
	ids[0] = '\0';
	OK(ks_each(store, SPAN_LIT("BC"), collect, ids));
	cr_expect_str_eq(ids, "");
}

static enum err
give_up(void *ctx, const struct ks_record *r)
{
	++*(int *)ctx;
	return ERR_LIMIT;
}

Test(store, a_visitor_can_end_the_search)
{
	int calls = 0;

	put('A', "a@b.example");
	put('B', "a@b.example");
	GIVES(ks_find(
		  store, KS_BY_ADDR, SPAN_LIT("a@b.example"), give_up, &calls),
	    ERR_LIMIT);
	GIVES(ks_each(store, SPAN(NULL, 0), give_up, &calls), ERR_LIMIT);
	cr_expect_eq(calls, 2);
}

Test(store, a_batch_is_in_as_a_whole_or_not_at_all)
{
	put('A', "a@b.example");
	OK(ks_begin(store));
	put('B', "a@b.example");
	expect_found(KS_BY_ADDR, "a@b.example", "AB");
	ks_rollback(store);
	expect_found(KS_BY_ADDR, "a@b.example", "A");
	OK(ks_begin(store));
	put('B', "a@b.example");
	OK(ks_commit(store));
	expect_found(KS_BY_ADDR, "a@b.example", "AB");
}

Test(store, a_change_that_fails_leaves_the_batch_as_it_was)
{
	struct sample s;

	OK(ks_begin(store));
	put('A', "a@b.example");
	sample_init(&s, 'A', "new@b.example");
	s.r.key.len = 0;
	GIVES(ks_put(store, &s.r), ERR_MALFORMED);
	put('B', "a@b.example");
	OK(ks_commit(store));
	expect_found(KS_BY_ADDR, "a@b.example", "AB");
	expect_found(KS_BY_ADDR, "new@b.example", "");
}

static int
reader(void)
{
	struct ks_store *s = NULL;
	struct sample sample;
	char ids[8] = "";

	if (ks_open(dir, 0, &s, NULL) != ERR_OK)
		return 1;
	if (ks_find(s, KS_BY_ADDR, SPAN_LIT("a@b.example"), collect, ids) !=
		ERR_OK ||
	    strcmp(ids, "A") != 0)
		return 2;
	sample_init(&sample, 'Z', "z@b.example");
	if (ks_put(s, &sample.r) != ERR_PERMISSION)
		return 3;
	ks_close(s);
	return 0;
}

Test(store, another_process_reads_and_cannot_write)
{
	int status = -1;
	pid_t pid;

	put('A', "a@b.example");
	pid = fork();
	if (pid == 0)
		_exit(reader());
	waitpid(pid, &status, 0);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x",
	    (unsigned)status);
}

Test(store, a_reader_finds_no_store_where_there_is_none)
{
	struct err_why why = {""};
	struct ks_store *s = NULL;

	GIVES(ks_open("/tmp/no-such-directory-for-a-keystore", 0, &s, &why),
	    ERR_NOT_FOUND);
	cr_expect_neq(why.text[0], '\0');
}

/* --- rows, the tables beside the records --- */

static enum err
collect_row(void *ctx, struct span key, struct span octets)
{
	struct buf *b = ctx;

	OK(buf_put(b, key));
	OK(buf_putc(b, '='));
	OK(buf_put(b, octets));
	OK(buf_putc(b, ' '));
	return ERR_OK;
}

static void
expect_rows(const char *prefix, const char *from, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	OK(store->ops->row_each(store, KS_ROW_SETTING, span_str(prefix),
	    span_str(from), collect_row, &b));
	OK(buf_putc(&b, 0));
	cr_expect_str_eq((const char *)b.data, want, "%s from %s: \"%s\"",
	    prefix, from, (const char *)b.data);
	buf_clear(&b);
}

static void
put_row(const char *key, const char *octets)
{
	OK(store->ops->row_put(
	    store, KS_ROW_SETTING, span_str(key), span_str(octets)));
}

Test(store, rows_are_walked_in_the_order_of_their_keys)
{
	put_row("b2", "two");
	put_row("a", "one");
	put_row("c", "four");
	put_row("b1", "");
	put_row("b1", "again");
	expect_rows("", "", "a=one b1=again b2=two c=four ");
	expect_rows("b", "", "b1=again b2=two ");
	expect_rows("b", "b2", "b2=two ");
	expect_rows("", "b11", "b2=two c=four ");
	expect_rows("", "d", "");
	expect_rows("bb", "", "");
	OK(store->ops->row_del(store, KS_ROW_SETTING, SPAN_LIT("b1")));
	GIVES(store->ops->row_del(store, KS_ROW_SETTING, SPAN_LIT("b1")),
	    ERR_NOT_FOUND);
	expect_rows("b", "", "b2=two ");
}

Test(store, a_row_is_found_in_its_own_table_only)
{
	static const char long_key[KS_ROW_KEY_MAX + 2];
	struct span most = SPAN(long_key, KS_ROW_KEY_MAX);
	struct span more = SPAN(long_key, KS_ROW_KEY_MAX + 1);
	struct buf b;

	buf_init(&b, 1000);
	put_row("a", "one");
	OK(store->ops->row_get(
	    store, KS_ROW_SETTING, SPAN_LIT("a"), collect_row, &b));
	for (unsigned row = 0; row < KS_ROW_COUNT; row++) {
		if (row == KS_ROW_SETTING)
			continue;
		GIVES(store->ops->row_get(store, (enum ks_row)row,
			  SPAN_LIT("a"), collect_row, &b),
		    ERR_NOT_FOUND);
		GIVES(store->ops->row_last(
			  store, (enum ks_row)row, collect_row, &b),
		    ERR_NOT_FOUND);
	}
	GIVES(store->ops->row_get(
		  store, KS_ROW_SETTING, SPAN_LIT(""), collect_row, &b),
	    ERR_NOT_FOUND);
	OK(store->ops->row_put(store, KS_ROW_ANSWER, most, SPAN_LIT("x")));
	GIVES(store->ops->row_put(store, KS_ROW_ANSWER, more, SPAN_LIT("x")),
	    ERR_MALFORMED);
	GIVES(store->ops->row_put(
		  store, KS_ROW_ANSWER, SPAN(NULL, 0), SPAN_LIT("x")),
	    ERR_MALFORMED);
	buf_reset(&b);
	put_row("b", "two");
	OK(store->ops->row_last(store, KS_ROW_SETTING, collect_row, &b));
	cr_expect(span_eq(buf_span(&b), SPAN_LIT("b=two ")));
	buf_clear(&b);
}

Test(store, rows_belong_to_the_batch)
{
	OK(ks_begin(store));
	put_row("a", "one");
	expect_rows("", "", "a=one ");
	ks_rollback(store);
	expect_rows("", "", "");
	OK(ks_begin(store));
	put_row("a", "one");
	put('A', "a@b.example");
	OK(ks_commit(store));
	expect_rows("", "", "a=one ");
	expect_found(KS_BY_ADDR, "a@b.example", "A");
}

static void
put_pgp(uint8_t id, const char *first, const char *second)
{
	struct sample s;

	sample_init(&s, id, "a@b.example");
	s.r.kind = KS_OPENPGP;
	s.key_id[0] = span_str(first);
	s.key_id[1] = span_str(second);
	s.r.n_key_ids = 2;
	OK(ks_put(store, &s.r));
}

/* 64 bits of a fingerprint can be made to collide. */
Test(store, keys_with_the_same_key_id_are_told_apart)
{
	static const struct {
		uint8_t id;
		const char *twins;
	} rows[] = {{'A', "B"}, {'B', "A"}, {'C', ""}, {'D', ""}};

	put_pgp('A', "12345678", "aaaaaaaa");
	put_pgp('B', "bbbbbbbb", "12345678");
	put_pgp('C', "87654321", "cccccccc");
	/* of a CA the name stands there, which is no key ID */
	put('D', "d@b.example");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ks_record *r = NULL;
		char found[32] = "";
		uint8_t fpr[32];

		memset(fpr, rows[i].id, sizeof(fpr));
		OK(ks_get(store, SPAN(fpr, sizeof(fpr)), arena, &r));
		OK(ks_same_key_id(store, r, collect, found));
		cr_expect_str_eq(
		    found, rows[i].twins, "%c: %s", rows[i].id, found);
	}
	expect_found(KS_BY_KEY_ID, "12345678", "AB");
}
