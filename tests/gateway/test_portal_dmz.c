/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The portal in a DMZ: frames, what it keeps until the gateway has it, and
 * objects on their way in.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/dmz_private.h"
#include "gateway/proto.h"

static char dir[64];

static void
set_up(void)
{
	secret_init();
	snprintf(dir, sizeof(dir), "/tmp/sgdmz.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void
tear_down(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", dir, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
}

/* --- frames */

static const struct proto_frame whole[] = {
    {.type = FRAME_HELLO,
	.number = 1,
	.offset = 1700000000,
	.size = 1 << 20,
	.raw = {7}},
    {.type = FRAME_PING},
    {.type = FRAME_PONG},
    {.type = FRAME_OBJECT, .header = {1, 2, 3}},
    {.type = FRAME_DATA, .raw = {9}, .offset = UINT64_MAX},
    {.type = FRAME_TELL, .number = PROTO_OBJECT_DROP},
    {.type = FRAME_NOTED, .id = 5},
    {.type = FRAME_ANSWER_GET, .id = UINT64_MAX},
    {.type = FRAME_ANSWER_TAKEN, .id = 1},
    {.type = FRAME_PUBLISHED, .size = 3},
    {.type = FRAME_PUBLISHED_DATA, .offset = 9},
    {.type = FRAME_PUBLISHED_LIST, .number = 1},
    {.type = FRAME_WITHDRAWN},
    {.type = FRAME_WANT, .raw = {1}, .offset = 65536},
    {.type = FRAME_HAVE, .raw = {2}},
    {.type = FRAME_GONE, .raw = {3}},
    {.type = FRAME_NOT_NOW, .raw = {4}, .number = ERR_DISK_FULL},
    {.type = FRAME_EVENT, .id = 8, .number = PROTO_OBJECT_OPENED},
    {.type = FRAME_ANSWER, .id = 8, .raw = {5}, .size = 100},
    {.type = FRAME_ANSWER_DATA, .id = 8, .offset = 3},
};

enum { WHOLE = sizeof(whole) / sizeof(whole[0]) };

Test(portal_dmz, a_frame_comes_out_as_it_went_in_and_never_half)
{
	static const uint8_t octets[] = {1, 0, 255};

	for (size_t i = 0; i < WHOLE; i++) {
		struct proto_frame in = whole[i], out;
		const char *name = proto_frame_name(in.type);
		struct buf b;
		size_t used = 0;

		if (in.type == FRAME_DATA || in.type == FRAME_TELL ||
		    in.type == FRAME_EVENT || in.type == FRAME_ANSWER_DATA ||
		    in.type == FRAME_PUBLISHED ||
		    in.type == FRAME_PUBLISHED_DATA ||
		    in.type == FRAME_WITHDRAWN)
			in.octets = SPAN(octets, sizeof(octets));
		buf_init(&b, 4096);
		cr_assert_eq(proto_frame_put(&in, &b), ERR_OK, "%s", name);
		for (size_t n = 0; n < b.len; n++)
			cr_expect_eq(
			    proto_frame_get(SPAN(b.data, n), &out, &used),
			    ERR_AGAIN, "%s, %zu", name, n);
		cr_assert_eq(buf_putc(&b, 'x'), ERR_OK);
		cr_assert_eq(proto_frame_get(buf_span(&b), &out, &used), ERR_OK,
		    "%s", name);
		cr_expect_eq(used, b.len - 1, "%s", name);
		cr_expect(span_eq(in.octets, out.octets), "%s", name);
		in.octets = out.octets = SPAN(NULL, 0);
		cr_expect_arr_eq(&in, &out, sizeof(in), "%s", name);
		buf_clear(&b);
	}
}

Test(portal_dmz, what_is_no_frame_is_refused)
{
	static const struct {
		const char *name;
		const char *octets;
		size_t len;
		enum err e;
	} rows[] = {
	    {"no type", "\0\0\0\0", 4, ERR_IPC},
	    {"an unknown type", "\0\0\0\1\0", 5, ERR_IPC},
	    {"another", "\0\0\0\1\377", 5, ERR_IPC},
	    {"between the two", "\0\0\0\1\017", 5, ERR_IPC},
	    {"something behind", "\0\0\0\2\2\0", 6, ERR_IPC},
	    {"an id that is cut", "\0\0\0\5\022\0\0\0\0", 9, ERR_IPC},
	    {"an object that is cut", "\0\0\0\2\041\0", 6, ERR_IPC},
	    {"a header that is cut", "\0\0\0\2\020\0", 6, ERR_IPC},
	    {"a tell without octets", "\0\0\0\5\022\0\0\0\1", 9, ERR_IPC},
	    {"a tell whose octets are longer than it",
		"\0\0\0\11\022\0\0\0\1\0\0\0\5", 13, ERR_IPC},
	    {"an event whose octets are longer than it",
		"\0\0\0\21\044\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\5", 21, ERR_IPC},
	    {"longer than any", "\0\2\0\0", 4, ERR_TOO_BIG},
	    {"the longest number", "\377\377\377\377\1", 5, ERR_TOO_BIG},
	    {"text", "GET / HTTP/1.1\r\n", 16, ERR_TOO_BIG},
	    {"a TLS record", "\026\3\1\2\0", 5, ERR_TOO_BIG},
	    {"a hello without an instance",
		"\0\0\0\25\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 25,
		ERR_IPC},
	    {"a ping with words", "\0\0\0\5\2ping", 9, ERR_IPC},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_frame f = {.type = 0};
		size_t used = 77;

		cr_expect_eq(proto_frame_get(
				 SPAN(rows[i].octets, rows[i].len), &f, &used),
		    rows[i].e, "%s", rows[i].name);
		if (rows[i].e != ERR_OK)
			cr_expect_eq(used, 77, "%s", rows[i].name);
	}
}

Test(portal_dmz, each_side_says_its_own)
{
	for (size_t i = 0; i < WHOLE; i++) {
		bool both = whole[i].type <= FRAME_PONG;

		cr_expect_eq(proto_frame_is_of(whole[i].type, false),
		    both || whole[i].type < FRAME_WANT);
		cr_expect_eq(proto_frame_is_of(whole[i].type, true),
		    both || whole[i].type >= FRAME_WANT);
	}
	cr_expect_not(proto_frame_is_of(0, true));
	cr_expect_not(proto_frame_is_of(99, false));
}

/* --- events */

static void
add(struct portal_events *e, uint16_t type, const char *text)
{
	cr_assert(portal_events_add(e, type, span_str(text)), "%s", text);
}

static void
expect(struct portal_events *e, const char *text)
{
	const struct portal_event *first = portal_events_first(e);

	cr_assert_not_null(first, "%s", text);
	cr_expect(span_eq_str(buf_span(&first->payload), text), "%s", text);
	portal_events_noted(e, first->id);
}

Test(portal_dmz, events_outlive_a_crash_and_codes_do_not, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	uint64_t id;

	cr_assert_not_null(e);
	memcpy(instance, portal_events_instance(e), sizeof(instance));
	add(e, PROTO_OBJECT_OPENED, "one");
	id = portal_events_first(e)->id;
	add(e, PROTO_OBJECT_CODE, "123456");
	add(e, PROTO_OBJECT_LOCKED, "two");
	/* another one's word changes nothing */
	portal_events_noted(e, id + 1);
	expect(e, "one");
	cr_expect_gt(portal_events_first(e)->id, id);
	id = portal_events_first(e)->id;
	portal_events_close(e);

	e = portal_events_open(dir);
	cr_assert_not_null(e);
	cr_expect_arr_eq(instance, portal_events_instance(e), sizeof(instance));
	/* what was noted is in the file as long as others are: it is said
	   twice, and store knows by its id */
	expect(e, "one");
	cr_expect_gt(portal_events_first(e)->id, id);
	expect(e, "two");
	cr_expect_null(portal_events_first(e));
	add(e, PROTO_OBJECT_OPENED, "three");
	cr_expect_gt(portal_events_first(e)->id, id + 1000);
	expect(e, "three");
	portal_events_close(e);

	/* nothing is open: ids begin anew, under another name */
	e = portal_events_open(dir);
	cr_assert_not_null(e);
	cr_expect_arr_neq(
	    instance, portal_events_instance(e), sizeof(instance));
	cr_expect_null(portal_events_first(e));
	portal_events_close(e);
}

static size_t
file_size(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cr_assert_eq(stat(path, &st), 0);
	return (size_t)st.st_size;
}

Test(portal_dmz, a_file_that_was_cut_anywhere_is_read_up_to_there,
    .init = set_up, .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	char path[128];
	size_t one, all;

	cr_assert_not_null(e);
	snprintf(path, sizeof(path), "%s/events", dir);
	add(e, PROTO_OBJECT_OPENED, "one");
	one = file_size("events");
	add(e, PROTO_OBJECT_OPENED, "two");
	all = file_size("events");
	portal_events_close(e);
	for (size_t len = all; len-- > 0;) {
		cr_assert_eq(truncate(path, (off_t)len), 0);
		/* a file system may show zeros in its place */
		cr_assert_eq(truncate(path, (off_t)all), 0);
		e = portal_events_open(dir);
		cr_assert_not_null(e, "%zu", len);
		if (len >= one)
			cr_expect(
			    span_eq_str(
				buf_span(&portal_events_first(e)->payload),
				"one"),
			    "%zu", len);
		else
			cr_expect_null(portal_events_first(e), "%zu", len);
		portal_events_close(e);
	}
}

Test(portal_dmz, there_is_an_end_to_what_is_kept, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	unsigned n = 0;

	cr_assert_not_null(e);
	while (portal_events_has_room(e, PROTO_OBJECT_CODE)) {
		add(e, PROTO_OBJECT_CODE, "123456");
		n++;
	}
	cr_expect_eq(n, LIMIT_DMZ_CODES);
	cr_expect_not(
	    portal_events_add(e, PROTO_OBJECT_CODE, SPAN_LIT("123456")));
	/* which is no reason to lose anything else */
	add(e, PROTO_OBJECT_OPENED, "opened");
	for (n = 0; n < LIMIT_DMZ_CODES; n++)
		expect(e, "123456");
	expect(e, "opened");
	cr_expect_null(portal_events_first(e));
	portal_events_close(e);
}

Test(portal_dmz, codes_come_first_and_ids_ascend, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	uint64_t id = 0, last;

	cr_assert_not_null(e);
	add(e, PROTO_OBJECT_OPENED, "one");
	add(e, PROTO_OBJECT_OPENED, "two");
	add(e, PROTO_OBJECT_CODE, "111111");
	for (unsigned i = 0; i < 2; i++) {
		last = id;
		id = portal_events_first(e)->id;
		cr_expect_gt(id, last);
		/* what is under way stays the first */
		add(e, PROTO_OBJECT_CODE, "222222");
		cr_expect_eq(portal_events_first(e)->id, id);
		expect(e, i == 0 ? "111111" : "222222");
	}
	expect(e, "222222");
	last = portal_events_first(e)->id;
	cr_expect_gt(last, id);
	/* an event that is under way, too */
	add(e, PROTO_OBJECT_CODE, "333333");
	expect(e, "one");
	id = portal_events_first(e)->id;
	cr_expect_gt(id, last);
	expect(e, "333333");
	cr_expect_gt(portal_events_first(e)->id, id);
	last = portal_events_first(e)->id;
	portal_events_close(e);

	/* store may know what is in the file, or not: in any case it must hear
	   of it before of a higher id */
	e = portal_events_open(dir);
	cr_assert_not_null(e);
	add(e, PROTO_OBJECT_OPENED, "three");
	add(e, PROTO_OBJECT_CODE, "444444");
	expect(e, "one");
	cr_expect_eq(portal_events_first(e)->id, last);
	expect(e, "two");
	cr_expect_gt(portal_events_first(e)->id, last);
	last = portal_events_first(e)->id;
	expect(e, "444444");
	cr_expect_gt(portal_events_first(e)->id, last);
	expect(e, "three");
	portal_events_close(e);
}

/* The file as it is after a long time in which one event or another was open:
   its last record behind n times the first, of which there are two. */
static void
write_events(size_t n)
{
	enum { HEADER = 8 + PROTO_PORTAL_INSTANCE };
	size_t all = file_size("events"), first;
	uint8_t *octets = malloc(all);
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/events", dir);
	f = fopen(path, "r+");
	cr_assert(octets != NULL && f != NULL);
	cr_assert_eq(fread(octets, 1, all, f), all);
	first = 4 + (size_t)(octets[HEADER + 2] << 8 | octets[HEADER + 3]) + 4;
	cr_assert_eq(fseek(f, HEADER, SEEK_SET), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(fwrite(octets + HEADER, 1, first, f), first);
	cr_assert_eq(
	    fwrite(octets + HEADER + first, 1, all - HEADER - first, f),
	    all - HEADER - first);
	cr_assert_eq(fclose(f), 0);
	free(octets);
}

Test(portal_dmz, what_is_noted_takes_no_place_of_what_is_open, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);

	cr_assert_not_null(e);
	add(e, PROTO_OBJECT_LOCKED, "one");
	add(e, PROTO_OBJECT_LOCKED, "two");
	portal_events_close(e);
	write_events(LIMIT_DMZ_EVENTS + 5);
	e = portal_events_open(dir);
	cr_assert_not_null(e);
	for (unsigned i = 1; i < LIMIT_DMZ_EVENTS; i++)
		expect(e, "one");
	expect(e, "two");
	cr_expect_null(portal_events_first(e));
	portal_events_close(e);
}

Test(portal_dmz, openings_take_no_place_of_locks, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);

	cr_assert_not_null(e);
	add(e, PROTO_OBJECT_OPENED, "one");
	add(e, PROTO_OBJECT_OPENED, "two");
	portal_events_close(e);
	write_events(LIMIT_DMZ_EVENTS - LIMIT_DMZ_EVENTS_RESERVED - 2);
	e = portal_events_open(dir);
	cr_assert_not_null(e);
	add(e, PROTO_OBJECT_OPENED, "three");
	cr_expect_not(portal_events_has_room(e, PROTO_OBJECT_OPENED));
	cr_expect_not(
	    portal_events_add(e, PROTO_OBJECT_OPENED, SPAN_LIT("four")));
	add(e, PROTO_OBJECT_LOCKED, "five");
	add(e, PROTO_OBJECT_CODE, "123456");
	portal_events_close(e);
}

Test(portal_dmz, a_file_that_is_full_is_written_anew, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	char text[LIMIT_DMZ_EVENT];

	cr_assert_not_null(e);
	memcpy(instance, portal_events_instance(e), sizeof(instance));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add(e, PROTO_OBJECT_LOCKED, text);
	add(e, PROTO_OBJECT_LOCKED, "two");
	portal_events_close(e);
	/* no other fits behind them */
	write_events((LIMIT_DMZ_EVENTS_SIZE - 1500) / (LIMIT_DMZ_EVENT + 21));
	e = portal_events_open(dir);
	cr_assert_not_null(e);
	/* as long as much of it is open it stays as it is */
	add(e, PROTO_OBJECT_LOCKED, "in memory alone");
	cr_expect_gt(file_size("events"), LIMIT_DMZ_EVENTS_SIZE / 2);
	while (!span_eq_str(buf_span(&portal_events_first(e)->payload), "two"))
		expect(e, text);
	add(e, PROTO_OBJECT_LOCKED, "three");
	cr_expect_lt(file_size("events"), 1000);
	add(e, PROTO_OBJECT_LOCKED, "four");
	portal_events_close(e);

	e = portal_events_open(dir);
	cr_assert_not_null(e);
	cr_expect_arr_eq(instance, portal_events_instance(e), sizeof(instance));
	expect(e, "two");
	expect(e, "three");
	expect(e, "four");
	cr_expect_null(portal_events_first(e));
	portal_events_close(e);
}

/* --- guests */

Test(portal_dmz, who_calls_often_makes_room_and_the_gateway_does_not)
{
	/* a letter is a network, a capital one is up, a point a free place */
	static const struct {
		const char *guests;
		size_t want;
	} rows[] = {
	    {"........", 0},
	    {"abc.....", 3},
	    {"abcdefg.", 7},
	    {"aaaaaaaa", 0},
	    {"baaaaaaa", 1},
	    {"bcbaaadd", 3},
	    {"Aaaaaaaa", 1},
	    {"AAAAbbcd", 4},
	    {"AAAAabcc", 6},
	    {"abcdefgh", 0},
	    {"Abcdefgh", 1},
	    {"AAAAAAAb", 7},
	    {"AAAAAAAA", LIMIT_DMZ_STRANGERS},
	};
	/* only whether there is one matters */
	struct portal_wire *any = (struct portal_wire *)(void *)dir;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct portal_guest guest[LIMIT_DMZ_STRANGERS] = {
		    {.wire = NULL}};

		for (size_t j = 0; j < LIMIT_DMZ_STRANGERS; j++) {
			char c = rows[i].guests[j];

			guest[j].wire = c == '.' ? NULL : any;
			guest[j].up = c >= 'A' && c <= 'Z';
			guest[j].client.net[0] = (uint8_t)(c | 0x20);
			guest[j].client.net_len = 4;
		}
		cr_expect_eq(portal_guest_to_go(guest), rows[i].want, "%s",
		    rows[i].guests);
	}
}

/* --- openings */

enum { HOUR_MS = 3600 * 1000 };

Test(portal_dmz, an_opening_is_news_once_an_hour_for_a_client)
{
	static const uint8_t one[OBJECT_ID_SIZE] = {1};
	static const uint8_t two[OBJECT_ID_SIZE] = {2};
	static const struct {
		const char *name;
		const uint8_t *object;
		const char *client;
		uint64_t now_ms;
		enum portal_news want;
	} rows[] = {
	    {"the first", one, "192.0.2.1", 5, PORTAL_NEWS_CLIENT},
	    {"again", one, "192.0.2.1", 5, PORTAL_NEWS_NONE},
	    {"just before the hour is over", one, "192.0.2.1", HOUR_MS + 4,
		PORTAL_NEWS_NONE},
	    {"another object", two, "192.0.2.1", 9, PORTAL_NEWS_CLIENT},
	    {"another client", one, "192.0.2.2", 9, PORTAL_NEWS_CLIENT},
	    {"a network", one, "2001:db8:0:1::1", 9, PORTAL_NEWS_CLIENT},
	    {"the same network", one, "2001:db8:0:1:8::2", 9, PORTAL_NEWS_NONE},
	    {"another network", one, "2001:db8:0:2::1", 9, PORTAL_NEWS_CLIENT},
	    {"a network that begins as an address", one, "c000:201::1", 9,
		PORTAL_NEWS_CLIENT},
	    {"no address", one, "", 9, PORTAL_NEWS_CLIENT},
	    {"an hour later", one, "192.0.2.1", HOUR_MS + 5,
		PORTAL_NEWS_CLIENT},
	};
	struct portal_seen *s = portal_seen_new();

	cr_assert_not_null(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum portal_news is = portal_seen_look(
		    s, rows[i].object, rows[i].client, rows[i].now_ms);

		cr_expect_eq(is, rows[i].want, "%s", rows[i].name);
		if (is != PORTAL_NEWS_NONE)
			portal_seen_note(
			    s, rows[i].object, rows[i].client, rows[i].now_ms);
	}
	portal_seen_free(s);
}

Test(portal_dmz, many_clients_of_one_object_are_told_of_once)
{
	static const uint8_t one[OBJECT_ID_SIZE] = {1};
	static const uint8_t two[OBJECT_ID_SIZE] = {2};
	struct portal_seen *s = portal_seen_new();
	char client[24];

	cr_assert_not_null(s);
	for (unsigned i = 0; i < LIMIT_DMZ_SEEN_CLIENTS + 50; i++) {
		enum portal_news is;

		snprintf(client, sizeof(client), "192.0.2.%u", i);
		is = portal_seen_look(s, one, client, 7);
		cr_expect_eq(is,
		    i < LIMIT_DMZ_SEEN_CLIENTS	  ? PORTAL_NEWS_CLIENT
		    : i == LIMIT_DMZ_SEEN_CLIENTS ? PORTAL_NEWS_MORE
						  : PORTAL_NEWS_NONE,
		    "%u", i);
		if (is != PORTAL_NEWS_NONE)
			portal_seen_note(s, one, client, 7);
	}
	cr_expect_eq(portal_seen_look(s, two, client, 7), PORTAL_NEWS_CLIENT);
	portal_seen_free(s);
}

Test(portal_dmz, accounts_are_in_no_file_and_few_wait, .init = set_up,
    .fini = tear_down)
{
	struct portal_events *e = portal_events_open(dir);
	char text[16];
	size_t empty, n = 0;

	cr_assert_not_null(e);
	empty = file_size("events");
	/* the page asks until it is answered: it is one */
	add(e, PROTO_ACCOUNT_SET, "account 0");
	add(e, PROTO_OBJECT_CODE, "account 1");
	for (unsigned i = 0; i < LIMIT_DMZ_ACCOUNTS + 10; i++) {
		snprintf(text, sizeof(text), "account %u", i);
		for (unsigned again = 0; again < 2; again++)
			cr_expect_eq(portal_events_add(
					 e, PROTO_ACCOUNT_SET, span_str(text)),
			    i < LIMIT_DMZ_ACCOUNTS, "%u", i);
	}
	cr_expect_eq(file_size("events"), empty);
	add(e, PROTO_OBJECT_OPENED, "opened");
	cr_expect_gt(file_size("events"), empty);
	expect(e, "account 0");
	expect(e, "account 1");
	for (unsigned i = 1; i < LIMIT_DMZ_ACCOUNTS; i++) {
		snprintf(text, sizeof(text), "account %u", i);
		expect(e, text);
	}
	expect(e, "opened");
	cr_expect_null(portal_events_first(e));
	/* it has gone: who asks again is told of again */
	add(e, PROTO_ACCOUNT_SET, "account 0");
	for (; portal_events_first(e) != NULL; n++)
		expect(e, "account 0");
	cr_expect_eq(n, 1);
	portal_events_close(e);
}

/* --- objects */

enum { INDEX = 192, BODY = 70000 };

struct rig {
	char objects[96], index[96];
	struct portal_objects *all;
	struct portal_receiver *r;
	struct object_header h;
	uint8_t *octets;
	size_t len;
};

static void
rig_open(struct rig *g)
{
	struct err_why why = {""};

	snprintf(g->objects, sizeof(g->objects), "%s/objects", dir);
	snprintf(g->index, sizeof(g->index), "%s/index", dir);
	(void)!mkdir(g->objects, 0700);
	(void)!mkdir(g->index, 0700);
	cr_assert_eq(portal_objects_open(g->objects, g->index, &g->all, &why),
	    ERR_OK, "%s", why.text);
	g->r = portal_receiver_open(g->objects, g->all, 0);
	cr_assert_not_null(g->r);
}

static void
rig_close(struct rig *g)
{
	portal_receiver_close(g->r);
	portal_objects_close(g->all);
}

static void
rig_make(struct rig *g)
{
	g->h = (struct object_header){.index_size = INDEX,
	    .body_size = BODY,
	    .created_s = 1700000000,
	    .expires_s = 4000000000};
	memset(g->h.id, 0x5a, sizeof(g->h.id));
	g->len = (size_t)object_total_size(&g->h);
	g->octets = calloc(1, g->len);
	for (size_t i = 0; i < g->len; i++)
		g->octets[i] = (uint8_t)(i * 31);
	object_header_format(&g->h, g->octets);
}

static bool
has_file(const struct rig *g, const char *ending)
{
	char path[160], name[OBJECT_ID_TEXT_SIZE];

	object_id_format(g->h.id, name);
	snprintf(path, sizeof(path), "%s/%s%s", g->objects, name, ending);
	return access(path, F_OK) == 0;
}

Test(portal_dmz, an_object_is_there_when_it_is_whole, .init = set_up,
    .fini = tear_down)
{
	struct object_header found;
	struct rig g = {.len = 0};
	uint64_t from = 1;

	rig_open(&g);
	rig_make(&g);
	cr_assert_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_AGAIN);
	cr_assert_eq(from, 0);
	cr_assert_eq(portal_receiver_put(g.r, g.h.id, 0, SPAN(g.octets, 5000)),
	    ERR_AGAIN);
	cr_expect_eq(
	    portal_objects_find(g.all, g.h.id, 0, &found), ERR_NOT_FOUND);
	/* the connection breaks: it goes on from there */
	cr_assert_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_AGAIN);
	cr_assert_eq(from, 5000);
	cr_assert_eq(portal_receiver_put(g.r, g.h.id, 5000,
			 SPAN(g.octets + 5000, g.len - 5000)),
	    ERR_OK);
	cr_expect_eq(portal_objects_find(g.all, g.h.id, 0, &found), ERR_OK);
	cr_expect_not(has_file(&g, ".part"));
	/* once more, and with another expiry */
	cr_expect_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_OK);
	g.h.expires_s++;
	object_header_format(&g.h, g.octets);
	cr_expect_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_OK);
	cr_assert_eq(portal_objects_find(g.all, g.h.id, 0, &found), ERR_OK);
	cr_expect_eq(found.expires_s, g.h.expires_s);
	/* another under this name is not taken for it */
	g.octets[40] ^= 1;
	cr_expect_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_EXISTS);
	rig_close(&g);
	free(g.octets);
}

Test(portal_dmz, what_does_not_fit_together_is_no_object, .init = set_up,
    .fini = tear_down)
{
	static const uint8_t stranger[OBJECT_ID_SIZE] = {1};
	struct object_header found;
	struct rig g = {.len = 0};
	uint64_t from = 1;

	rig_open(&g);
	rig_make(&g);
	cr_assert_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_AGAIN);
	/* of one that nobody has offered */
	cr_expect_eq(portal_receiver_put(g.r, stranger, 0, SPAN(g.octets, 9)),
	    ERR_AGAIN);
	cr_expect_eq(
	    portal_receiver_put(g.r, g.h.id, 9, SPAN(g.octets, 9)), ERR_IPC);
	cr_assert_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_AGAIN);
	cr_assert_eq(from, 0);
	cr_assert_eq(
	    portal_receiver_put(g.r, g.h.id, 0, SPAN(g.octets, g.len - 1)),
	    ERR_AGAIN);
	cr_expect_eq(
	    portal_receiver_put(g.r, g.h.id, g.len - 1, SPAN(g.octets, 2)),
	    ERR_IPC);
	/* a crash begins anew: what was written may not be what was sent */
	rig_close(&g);
	cr_expect(has_file(&g, ".part"));
	rig_open(&g);
	cr_expect_not(has_file(&g, ".part"));
	cr_assert_eq(portal_receiver_offer(g.r, g.octets, &from), ERR_AGAIN);
	cr_assert_eq(from, 0);
	/* other octets than were announced */
	g.octets[20] ^= 1;
	cr_expect_eq(portal_receiver_put(g.r, g.h.id, 0, SPAN(g.octets, g.len)),
	    ERR_MALFORMED);
	cr_expect_not(has_file(&g, ""));
	cr_expect_eq(
	    portal_objects_find(g.all, g.h.id, 0, &found), ERR_NOT_FOUND);
	rig_close(&g);
	free(g.octets);
}

Test(portal_dmz, a_disk_without_room_takes_none, .init = set_up,
    .fini = tear_down)
{
	struct rig g = {.len = 0};
	uint64_t from = 1;

	rig_open(&g);
	rig_make(&g);
	portal_receiver_close(g.r);
	g.r = portal_receiver_open(g.objects, g.all, UINT64_MAX);
	cr_assert_not_null(g.r);
	cr_expect_eq(
	    portal_receiver_offer(g.r, g.octets, &from), ERR_DISK_FULL);
	rig_close(&g);
	free(g.octets);
}
