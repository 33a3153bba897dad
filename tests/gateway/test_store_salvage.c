/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is found in the octets of an environment, whole or damaged, what is not
 * taken for an entry, and that senders are told once of what failed there.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/text.h"
#include "gateway/dsn.h"
#include "gateway/store/notice.h"
#include "gateway/store/salvage.h"
#include "gateway/store/store_private.h"
#include "tests/lib/store_rig.h"

enum { FOUND_MAX = 64, FILE_MAX = 8 * 1024 * 1024 };

static struct rig rig;

struct found {
	uint64_t id[FOUND_MAX];
	size_t body[FOUND_MAX];
	unsigned n;
};

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(salvage, .init = set_up, .fini = tear_down);

/* Submit an entry whose body is really sealed; in_file: in a file. */
static void
submit(uint64_t id, size_t size, enum entry_kind kind, bool in_file)
{
	struct entry e = rig_entry(&rig, id, id, kind);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	char path[200], name[TEXT_ID_SIZE];
	struct buf text, ad, sealed;
	int fd;

	buf_init(&text, size + 1);
	buf_init(&ad, 4096);
	buf_init(&sealed, 2 * size + 4096);
	while (text.len < size)
		cr_assert_eq(buf_puts(&text, "x"), ERR_OK);
	e.body_size = size;
	cr_assert_eq(entry_pack_fixed(&e, &ad), ERR_OK);
	cr_assert_eq(
	    sealed_seal(&rig.pub, buf_span(&ad), buf_span(&text), &sealed),
	    ERR_OK);
	e.body = buf_span(&sealed);
	if (in_file) {
		text_id(id, name);
		snprintf(
		    path, sizeof(path), "%s/%s", rig.conf.paths.bodies, name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		cr_assert_eq(
		    write(fd, sealed.data, sealed.len), (ssize_t)sealed.len);
		close(fd);
		e.body = SPAN(NULL, 0);
		e.file = name;
	}
	rig_submit(&rig, 0, id, &m);
	cr_assert_eq(rig_committed(&rig, id), ERR_OK);
	buf_clear(&text);
	buf_clear(&ad);
	buf_clear(&sealed);
}

static struct span
read_file(void)
{
	static uint8_t octets[FILE_MAX];
	char path[200];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", rig.conf.paths.spool);
	fd = open(path, O_RDONLY);
	n = read(fd, octets, sizeof(octets));
	close(fd);
	cr_assert(n > 0 && n < FILE_MAX);
	return SPAN(octets, (size_t)n);
}

static void
on_found(void *arg, const struct entry *e, struct span record)
{
	struct found *f = arg;
	struct arena *a = arena_new(65536);
	struct unpacker u;
	struct entry again;

	for (unsigned i = 0; i < f->n; i++)
		if (f->id[i] == e->id)
			goto out; /* a page that was copied */
	unpack_begin(&u, record);
	entry_unpack(&u, a, &again);
	cr_assert_eq(unpack_end(&u), ERR_OK, "a record and nothing else");
	cr_assert_eq(again.id, e->id);
	cr_assert(f->n < FOUND_MAX);
	f->id[f->n] = e->id;
	f->body[f->n++] = e->body.len;
out:
	arena_free(a);
}

static bool
has(const struct found *f, uint64_t id)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->id[i] == id)
			return true;
	return false;
}

Test(salvage, every_entry_is_found_whatever_its_size)
{
	static const size_t sizes[] = {1, 300, 1500, 3000, 5000, 70000, 200000};
	static const uint64_t ids[] = {900, 1000, 2000};
	struct found f = {.n = 0};
	struct span data;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		submit(100 + i, sizes[i],
		    i % 2 == 0 ? ENTRY_READY : ENTRY_PENDING, false);
	submit(1000, 300000, ENTRY_READY, true);
	rig_kill(&rig);
	data = read_file();
	/* without what says where everything is */
	memset((uint8_t *)(uintptr_t)data.data, 0, 8192);
	store_salvage_scan(data, ids, 3, rig.arena, on_found, &f);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		cr_assert(has(&f, 100 + i), "%d", (int)i);
	cr_assert(has(&f, 1000));
	cr_assert_eq(f.n, sizeof(sizes) / sizeof(sizes[0]) + 1);
}

Test(salvage, what_is_cut_off_or_altered_is_left_out)
{
	struct found f = {.n = 0};
	struct span data;
	size_t at;

	submit(100, 20000, ENTRY_READY, false);
	rig_kill(&rig);
	data = read_file();
	at = span_find(data, 0, SPAN_LIT("SGSB"));
	cr_assert_lt(at, data.len);
	store_salvage_scan(
	    SPAN(data.data, at + 10000), NULL, 0, rig.arena, on_found, &f);
	cr_assert_eq(f.n, 0, "the end of its body is missing");
	store_salvage_scan(SPAN(data.data + at, data.len - at), NULL, 0,
	    rig.arena, on_found, &f);
	cr_assert_eq(f.n, 0, "its envelope is missing");
	/* the length in the header of the seal */
	((uint8_t *)(uintptr_t)data.data)[at + 23] ^= 1;
	store_salvage_scan(data, NULL, 0, rig.arena, on_found, &f);
	cr_assert_eq(f.n, 0, "not the body of this envelope");
	store_salvage_scan(
	    SPAN(data.data, 0), NULL, 0, rig.arena, on_found, &f);
	cr_assert_eq(f.n, 0);
}

/* Where a page is moved together parts of what stood there stay between its
   places and its nodes: one may begin as one entry and go on as another. */
struct copies {
	struct span data;
	unsigned n, whole;
	size_t at, len; /* of one that is whole */
};

static void
on_copy(void *arg, const struct entry *e, struct span record)
{
	struct copies *c = arg;

	if (e->id != 101)
		return;
	c->n++;
	if (!store_salvage_is_whole(c->data, record))
		return;
	c->whole++;
	c->at = (size_t)(record.data - c->data.data);
	c->len = record.len;
}

Test(salvage, a_part_of_an_entry_is_told_from_the_whole)
{
	static const size_t sizes[] = {200, 9000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct copies c = {.n = 0};
		struct span data;
		size_t left;

		submit(101, sizes[i], ENTRY_READY, false);
		rig_kill(&rig);
		data = c.data = read_file();
		store_salvage_scan(data, NULL, 0, rig.arena, on_copy, &c);
		cr_assert_geq(c.whole, 1, "%zu", sizes[i]);
		/* the same octets where no page says that there are any;
		   of pages that were copied there are more */
		for (int k = 0; k < 32 && c.whole > 0; k++) {
			left = c.at - 6;
			memmove((uint8_t *)(uintptr_t)data.data + left,
			    data.data + c.at, c.len);
			c.n = c.whole = 0;
			store_salvage_scan(
			    data, NULL, 0, rig.arena, on_copy, &c);
		}
		cr_expect_eq(c.whole, 0, "%zu", sizes[i]);
		cr_expect_geq(c.n, 1, "%zu", sizes[i]);
		rig_clear(&rig);
		set_up();
	}
}

Test(salvage, pages_that_were_used_again_make_it_no_whole)
{
	struct copies c = {.n = 0};
	struct span data;
	uint64_t number;
	size_t page, page_size = (size_t)sysconf(_SC_PAGESIZE);

	submit(101, 9000, ENTRY_READY, false);
	rig_kill(&rig);
	data = c.data = read_file();
	store_salvage_scan(data, NULL, 0, rig.arena, on_copy, &c);
	cr_assert_geq(c.whole, 1);
	for (int k = 0; k < 32 && c.whole > 0; k++) {
		page = c.at + page_size - c.at % page_size;
		number = page / page_size;
		memcpy((uint8_t *)(uintptr_t)data.data + page, &number, 8);
		c.n = c.whole = 0;
		store_salvage_scan(data, NULL, 0, rig.arena, on_copy, &c);
	}
	cr_expect_eq(c.whole, 0);
	cr_expect_geq(c.n, 1);
}

Test(salvage, what_is_handed_over_is_checked)
{
	struct entry e = rig_entry(&rig, 7, 7, ENTRY_READY), out;
	uint8_t done[2] = {0, 1};
	struct span known;
	struct buf record, b;
	struct packer p;

	buf_init(&record, 65536);
	buf_init(&b, 65536);
	pack_begin(&p, &record);
	entry_pack(&p, &e);
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_assert_eq(
	    store_salvage_pack(buf_span(&record), SPAN(done, 1), &b), ERR_OK);
	cr_assert_eq(
	    store_salvage_unpack(buf_span(&b), rig.arena, &out, &known),
	    ERR_OK);
	cr_assert_eq(out.id, 7);
	cr_assert_eq(known.len, 1);
	for (size_t cut = 0; cut < b.len; cut++)
		cr_assert_neq(store_salvage_unpack(
				  SPAN(b.data, cut), rig.arena, &out, &known),
		    ERR_OK, "%d", (int)cut);
	buf_reset(&b);
	cr_assert_eq(
	    store_salvage_pack(buf_span(&record), SPAN(done, 2), &b), ERR_OK);
	cr_assert_eq(
	    store_salvage_unpack(buf_span(&b), rig.arena, &out, &known),
	    ERR_IPC, "of more recipients than it has");
	buf_clear(&record);
	buf_clear(&b);
}

/* Leave for store what a sender is to be told of recipients that failed. */
static void
leave_owed(uint64_t file, uint64_t message, const char *from, uint32_t n)
{
	struct dsn_rcpt r[2] = {
	    {.addr = "b@x.example", .status = "5.1.1", .text = "no"},
	    {.addr = "c@x.example", .status = "5.7.1", .text = ""},
	};
	struct dsn d = {.message_id = message,
	    .from = from,
	    .from_key = from,
	    .envid = "",
	    .rcpt = r,
	    .n_rcpt = n};
	char path[200], name[TEXT_ID_SIZE];
	struct packer p;
	struct buf b;
	int fd;

	for (int i = 0; i < 2; i++) {
		r[i].orcpt = r[i].reason = r[i].advice = r[i].peer = "";
		r[i].action = MIME_DSN_FAILED;
	}
	buf_init(&b, 65536);
	pack_begin(&p, &b);
	dsn_pack(&p, &d);
	cr_assert_eq(pack_end(&p), ERR_OK);
	text_id(file, name);
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, rig.conf.paths.spool);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path),
	    "%s/" STORE_SALVAGE_DIR "/%s" STORE_SALVAGE_OWED,
	    rig.conf.paths.spool, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_eq(write(fd, b.data, b.len), (ssize_t)b.len);
	close(fd);
	buf_clear(&b);
}

static bool
owed_says(uint64_t id, const char *part)
{
	char name[TEXT_ID_SIZE], request[200], *answer;
	bool yes;

	text_id(id, name);
	snprintf(request, sizeof(request),
	    "{\"verb\":\"queue-salvage-owed\",\"id\":\"%s\","
	    "\"directory\":\"broken-1\"}",
	    name);
	answer = rig_request(&rig, request);
	yes = answer != NULL && strstr(answer, part) != NULL;
	free(answer);
	return yes;
}

Test(salvage, a_sender_is_told_once_of_each_recipient)
{
	struct proto_notify q;

	leave_owed(7, 7, "s@own.example", 1);
	cr_expect(owed_says(7, "\"ok\":true"));
	cr_expect(owed_says(7, "ERR_EXISTS"));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_expect(owed_says(7, "ERR_EXISTS"));
	/* the log knows more by now */
	leave_owed(7, 7, "s@own.example", 2);
	cr_expect(owed_says(7, "\"ok\":true"));
	cr_expect(owed_says(7, "ERR_EXISTS"));
	rig_advance(&rig, 2000);
	cr_assert(rig_notify(&rig, &q));
	cr_expect_str_eq(q.dsn.from, "s@own.example");
	cr_assert_eq(q.dsn.n_rcpt, 2);
	cr_expect_str_eq(q.dsn.rcpt[0].addr, "b@x.example");
	cr_expect_str_eq(q.dsn.rcpt[0].status, "5.1.1");
	cr_expect_str_eq(q.dsn.rcpt[1].addr, "c@x.example");
}

Test(salvage, nobody_is_told_what_does_not_fit)
{
	cr_expect(owed_says(7, "ERR_NOT_FOUND"), "nothing is left");
	leave_owed(7, 8, "s@own.example", 1);
	cr_expect(owed_says(7, "ERR_IPC"), "of another message");
	leave_owed(7, 7, "s@own.example", 0);
	cr_expect(owed_says(7, "ERR_IPC"), "of no recipient");
	leave_owed(7, 7, "", 1);
	cr_expect(owed_says(7, "ERR_PERMISSION"), "to no sender");
	/* none of these counts as told */
	leave_owed(7, 7, "s@own.example", 1);
	cr_expect(owed_says(7, "\"ok\":true"));
}

/* --- rows of what senders are to be told --- */

enum { ROWS = 12 };

static struct rows {
	unsigned heads, facts;
	char from[64], addr[ROWS][64];
	size_t longest;
} rows;

static void
on_row(void *arg, uint64_t message_id, const struct dsn *head,
    const struct dsn_rcpt *fact)
{
	cr_assert_eq(arg, &rows);
	cr_expect_eq(message_id, 700);
	if (head != NULL) {
		cr_expect_eq(rows.facts, 0, "heads come first");
		snprintf(rows.from, sizeof(rows.from), "%s", head->from);
		rows.heads++;
		return;
	}
	for (unsigned i = 0; i < rows.facts; i++)
		if (strcmp(rows.addr[i], fact->addr) == 0)
			return; /* a page that was copied */
	cr_assert_lt(rows.facts, ROWS);
	snprintf(
	    rows.addr[rows.facts++], sizeof(rows.addr[0]), "%s", fact->addr);
	cr_expect_str_eq(fact->status, "5.1.1");
	if (strlen(fact->text) > rows.longest)
		rows.longest = strlen(fact->text);
}

static void
note_rows(void)
{
	static char longest[9000];
	char addr[ROWS][64];
	struct dsn_rcpt r[ROWS];
	struct dsn d = {.message_id = 700,
	    .from = "sam@ours.example",
	    .from_key = "sam@ours.example",
	    .envid = "",
	    .rcpt = r,
	    .n_rcpt = ROWS};
	struct db_txn *txn = NULL;

	memset(longest, 'x', sizeof(longest) - 1);
	for (unsigned i = 0; i < ROWS; i++) {
		snprintf(addr[i], sizeof(addr[0]), "r%u@example.org", i);
		r[i] = (struct dsn_rcpt){.addr = addr[i],
		    .orcpt = "",
		    .action = MIME_DSN_FAILED,
		    .status = "5.1.1",
		    .reason = "",
		    .advice = "",
		    .peer = "",
		    /* one has pages of its own */
		    .text = i == 5 ? longest : "no"};
	}
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(store_notice_add(rig.store, txn, &d), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
}

Test(salvage, what_senders_were_to_be_told_is_found)
{
	struct span data;

	note_rows();
	rig_kill(&rig);
	data = read_file();
	memset((uint8_t *)(uintptr_t)data.data, 0, 8192);
	store_salvage_notices(data, rig.arena, on_row, &rows);
	cr_expect_geq(rows.heads, 1);
	cr_expect_str_eq(rows.from, "sam@ours.example");
	cr_expect_eq(rows.facts, ROWS);
	cr_expect_eq(rows.longest, 8999);
}

Test(salvage, what_only_looks_like_a_row_is_none)
{
	static uint8_t octets[4096];
	struct span data, addr = SPAN_LIT("r3@example.org");
	size_t at;

	note_rows();
	rig_kill(&rig);
	data = read_file();
	/* a length that runs over the row's end */
	while ((at = span_find(data, 0, addr)) < data.len) {
		((uint8_t *)(uintptr_t)data.data)[at - 1]++;
		((uint8_t *)(uintptr_t)data.data)[at + 1] = 'X';
	}
	store_salvage_notices(data, rig.arena, on_row, &rows);
	cr_expect_eq(rows.facts, ROWS - 1);
	/* keys and sizes everywhere, and nothing behind them */
	rows = (struct rows){.heads = 0};
	for (size_t i = 0; i + 8 <= sizeof(octets); i += 8)
		memcpy(octets + i, "\377\377\0\0\0\0\x0c\0", 8);
	for (size_t n = 0; n < 64; n++)
		store_salvage_notices(
		    SPAN(octets, sizeof(octets) - n), rig.arena, on_row, &rows);
	for (size_t i = 0; i + 8 <= sizeof(octets); i += 8)
		memcpy(octets + i, "\1\0\0\0\1\0\x0c\0", 8);
	store_salvage_notices(
	    SPAN(octets, sizeof(octets)), rig.arena, on_row, &rows);
	cr_expect_eq(rows.heads + rows.facts, 0);
}
