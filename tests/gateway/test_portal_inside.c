/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The gateway's side of a portal in a DMZ: what it brings there and what it
 * believes. The connection is played: frames go in and out without one.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

enum { SENT_MAX = 256, EXPIRES_S = 2000000000 };

/* --- in the place of dmz_wire.c */

struct portal_wire {
	const struct portal_wire_events *events;
	void *arg;
	struct proto_frame sent[SENT_MAX];
	size_t n;    /* that were sent */
	size_t read; /* that the test has looked at */
	bool room;
	const char *cut;
};

static struct portal_wire wire;

struct portal_wire *
portal_wire_new(struct loop *loop, struct net_tls_peers *tls, int fd,
    bool in_dmz, const struct portal_wire_events *events, void *arg)
{
	(void)loop;
	(void)tls;
	cr_assert_not(in_dmz);
	close(fd);
	wire.events = events;
	wire.arg = arg;
	return &wire;
}

void
portal_wire_free(struct portal_wire *w)
{
	(void)w;
}

void
portal_wire_cut(struct portal_wire *w, const char *why)
{
	w->cut = why;
}

void
portal_wire_send(struct portal_wire *w, const struct proto_frame *f)
{
	cr_assert_lt(w->n, SENT_MAX);
	w->sent[w->n] = *f;
	w->sent[w->n++].octets = SPAN(NULL, 0);
}

bool
portal_wire_has_room(const struct portal_wire *w)
{
	return w->room;
}

void
portal_wire_tick(struct portal_wire *w)
{
	(void)w;
}

/* --- the rig */

static char root[64], dir[96], index_dir[96];
static struct portal_objects *objects;
static struct portal_reports *reports;
static struct portal_accounts *accounts;
static struct portal_inside *in;
static int server;
static struct conf_addr at = {.text = "127.0.0.1:1"};

/* what store was told: reports and events */
static struct {
	uint16_t type;
	uint64_t id;
	uint8_t octets[512];
	size_t len;
} told[SENT_MAX];
static size_t n_told;

static bool
tell(void *arg, uint16_t type, uint64_t id, struct span payload)
{
	(void)arg;
	if (type == PROTO_DMZ_LINK)
		return true;
	cr_assert_lt(n_told, SENT_MAX);
	cr_assert_leq(payload.len, sizeof(told[0].octets));
	told[n_told].type = type;
	told[n_told].id = id;
	memcpy(told[n_told].octets, payload.data, payload.len);
	told[n_told++].len = payload.len;
	return true;
}

static void
listen_somewhere(void)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);

	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(server, 0);
	cr_assert_eq(
	    bind(server, (const struct sockaddr *)(const void *)&sa, len), 0);
	cr_assert_eq(listen(server, 64), 0);
	cr_assert_eq(
	    getsockname(server, (struct sockaddr *)(void *)&sa, &len), 0);
	memcpy(&at.sa, &sa, sizeof(sa));
	at.sa_len = len;
}

static void
set_up(void)
{
	struct err_why why = {""};
	/* nothing is published */
	struct portal_inside_options opt = {
	    .at = &at, .event = tell, .publish_fd = -1};

	secret_init();
	snprintf(root, sizeof(root), "/tmp/sginside.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/objects", root);
	snprintf(index_dir, sizeof(index_dir), "%s/index", root);
	cr_assert_eq(mkdir(dir, 0700), 0);
	cr_assert_eq(mkdir(index_dir, 0700), 0);
	cr_assert_eq(portal_objects_open(dir, index_dir, &objects, &why),
	    ERR_OK, "%s", why.text);
	reports = portal_reports_new();
	portal_reports_to(reports, tell, NULL);
	listen_somewhere();
	opt.objects = objects;
	opt.reports = reports;
	accounts = portal_accounts_new();
	opt.accounts = accounts;
	wire.room = true;
	in = portal_inside_new(&opt);
	cr_assert_eq(wire.arg, in);
}

static void
empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

static void
tear_down(void)
{
	portal_inside_free(in);
	portal_reports_free(reports);
	portal_accounts_free(accounts);
	portal_objects_close(objects);
	close(server);
	empty(dir);
	empty(index_dir);
	rmdir(root);
}

TestSuite(portal_inside, .init = set_up, .fini = tear_down);

static void
path_of(const uint8_t *id, char out[160])
{
	char name[OBJECT_ID_TEXT_SIZE];

	object_id_format(id, name);
	snprintf(out, 160, "%s/%s", dir, name);
}

/* An object that is here; its id is this octet. */
static struct object_header
make(uint8_t id)
{
	struct object_header h = {.index_size = 10,
	    .body_size = 20,
	    .created_s = 1,
	    .expires_s = EXPIRES_S};
	uint8_t octets[OBJECT_HEADER_SIZE + 10 + 20 + 32] = {0};
	char path[160];
	int fd;

	memset(h.id, id, sizeof(h.id));
	object_header_format(&h, octets);
	path_of(h.id, path);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	cr_assert_eq(write(fd, octets, sizeof(octets)), sizeof(octets));
	close(fd);
	cr_assert_eq(portal_objects_add(objects, h.id), ERR_OK);
	return h;
}

static void
hear(struct proto_frame f)
{
	wire.events->on_frame(wire.arg, &wire, &f);
}

static void
hear_of(uint8_t type, const struct object_header *h)
{
	struct proto_frame f = {.type = type};

	memcpy(f.raw, h->id, sizeof(f.raw));
	hear(f);
}

static void
say_hello(void)
{
	hear((struct proto_frame){
	    .type = FRAME_HELLO, .number = PROTO_PORTAL_VERSION});
}

/* The next frame that the gateway has said. */
static const struct proto_frame *
said(uint8_t type)
{
	const struct proto_frame *f = &wire.sent[wire.read];

	cr_assert_lt(wire.read, wire.n, "%s", proto_frame_name(type));
	cr_assert_eq(f->type, type, "%s, not %s", proto_frame_name(f->type),
	    proto_frame_name(type));
	wire.read++;
	return f;
}

static void
said_object(const struct object_header *h)
{
	struct object_header is;

	cr_assert_eq(
	    object_header_parse(
		SPAN(said(FRAME_OBJECT)->header, OBJECT_HEADER_SIZE), &is),
	    ERR_OK);
	cr_expect_arr_eq(is.id, h->id, sizeof(is.id));
}

static void
said_nothing(void)
{
	cr_expect_eq(wire.read, wire.n, "%s",
	    wire.read < wire.n ? proto_frame_name(wire.sent[wire.read].type)
			       : "");
}

/* --- objects */

Test(portal_inside, one_that_cannot_be_read_keeps_no_other_back)
{
	struct object_header bad = make(1), good = make(2);
	char path[160];

	say_hello();
	said(FRAME_HELLO);
	said_object(&bad);
	wire.room = false;
	hear_of(FRAME_WANT, &bad);
	said_nothing();
	path_of(bad.id, path);
	cr_assert_eq(truncate(path, 0), 0);
	wire.room = true;
	wire.events->on_room(wire.arg, &wire);
	cr_expect_null(wire.cut);
	said_object(&good);
	hear_of(FRAME_WANT, &good);
	said(FRAME_DATA);
	hear_of(FRAME_HAVE, &good);
	cr_expect_null(wire.cut);
	said_nothing();
}

Test(portal_inside, what_waits_goes_once_and_in_order_however_much_it_is)
{
	enum { MANY = 200 };
	struct dmz_queue q = {.room = 0};
	struct dmz_change c = {.type = PROTO_OBJECT_ADD}, out;
	unsigned next = 0;

	for (unsigned i = 0; i < MANY; i++) {
		/* some share a chain, whatever their end */
		c.id[0] = (uint8_t)(i % 7);
		c.id[OBJECT_ID_SIZE - 1] = (uint8_t)i;
		c.asked = false;
		cr_expect_not(portal_queue_has(&q, c.type, c.id), "%u", i);
		portal_queue_put(&q, &c);
		c.asked = true;
		portal_queue_put(&q, &c);
		cr_expect(portal_queue_has(&q, c.type, c.id), "%u", i);
		cr_expect_not(
		    portal_queue_has(&q, PROTO_OBJECT_DROP, c.id), "%u", i);
		/* the ring goes round before it grows */
		if (i % 3 != 0)
			continue;
		cr_assert(portal_queue_take(&q, &out));
		cr_expect_eq(out.id[OBJECT_ID_SIZE - 1], next, "%u", i);
		cr_expect(out.asked, "%u", i);
		cr_expect_not(portal_queue_has(&q, out.type, out.id));
		next++;
	}
	while (portal_queue_take(&q, &out))
		cr_expect_eq(out.id[OBJECT_ID_SIZE - 1], next++);
	cr_expect_eq(next, MANY);
	portal_queue_clear(&q);
}

/* --- events */

static void
say_event(uint64_t id, uint16_t type, const struct object_header *h)
{
	char name[OBJECT_ID_TEXT_SIZE];
	const struct proto_opened m = {
	    .name = name, .client = "192.0.2.1", .agent = "", .at_ms = 1};
	struct buf b;

	object_id_format(h->id, name);
	buf_init(&b, 1024);
	cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
	hear((struct proto_frame){.type = FRAME_EVENT,
	    .id = id,
	    .number = type,
	    .octets = buf_span(&b)});
	buf_clear(&b);
}

/* Is it the last that store was told of, and of nothing else since? */
static bool
is_told(uint64_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += told[i].type == PROTO_OBJECT_EVENT && told[i].id == id;
	return n == 1;
}

Test(portal_inside, what_was_opened_before_its_end_was_heard_of_is_told)
{
	struct object_header h = make(1), stranger = {.id = {9}};

	say_hello();
	said(FRAME_HELLO);
	said_object(&h);
	hear_of(FRAME_HAVE, &h);
	cr_assert_eq(portal_objects_drop(objects, h.id), ERR_OK);
	portal_inside_change(in, PROTO_OBJECT_DROP, h.id);
	said(FRAME_TELL);
	say_event(1, PROTO_OBJECT_OPENED, &h);
	cr_assert(is_told(1), "before it is gone there");
	portal_inside_noted(in, 1);
	said(FRAME_NOTED);
	hear_of(FRAME_GONE, &h);
	say_event(2, PROTO_OBJECT_OPENED, &h);
	cr_assert(is_told(2), "that was on its way");
	portal_inside_noted(in, 2);
	said(FRAME_NOTED);
	/* nobody is told that it is locked, nor of what was never here */
	say_event(3, PROTO_OBJECT_LOCKED, &h);
	cr_expect_not(is_told(3));
	said(FRAME_NOTED);
	say_event(4, PROTO_OBJECT_OPENED, &stranger);
	cr_expect_not(is_told(4));
	said(FRAME_NOTED);
	said_nothing();
}

Test(portal_inside, what_was_locked_there_is_locked_on_the_next_machine)
{
	struct object_header h = make(1);

	say_hello();
	said(FRAME_HELLO);
	said_object(&h);
	hear_of(FRAME_HAVE, &h);
	say_event(1, PROTO_OBJECT_LOCKED, &h);
	cr_assert(is_told(1));
	cr_expect_not(portal_objects_is_locked(objects, h.id), "not yet");
	portal_inside_noted(in, 1);
	said(FRAME_NOTED);
	cr_expect(portal_objects_is_locked(objects, h.id));
	/* it stood for a while: it is called again at once */
	in->up_ms -= LIMIT_DMZ_RETRY_MS;
	wire.events->on_down(wire.arg, &wire, "it is replaced");
	portal_inside_tick(in);
	say_hello();
	said(FRAME_HELLO);
	said_object(&h);
	hear_of(FRAME_HAVE, &h);
	cr_expect_eq(said(FRAME_TELL)->number, PROTO_OBJECT_LOCK);
	said_nothing();
}

Test(portal_inside, what_was_unlocked_meanwhile_stays_so)
{
	struct object_header h = make(1);

	say_hello();
	said(FRAME_HELLO);
	said_object(&h);
	hear_of(FRAME_HAVE, &h);
	portal_inside_change(in, PROTO_OBJECT_UNTIL, h.id);
	said_object(&h);
	say_event(1, PROTO_OBJECT_LOCKED, &h);
	cr_assert(is_told(1));
	hear_of(FRAME_HAVE, &h);
	cr_expect_eq(said(FRAME_TELL)->number, PROTO_OBJECT_UNTIL);
	hear_of(FRAME_HAVE, &h);
	portal_inside_noted(in, 1);
	said(FRAME_NOTED);
	cr_expect_not(portal_objects_is_locked(objects, h.id));
	said_nothing();
}

/* --- what is published */

static void
say_hello_of(uint64_t can)
{
	hear((struct proto_frame){
	    .type = FRAME_HELLO, .number = PROTO_PORTAL_VERSION, .size = can});
	said(FRAME_HELLO);
}

Test(portal_inside, what_an_earlier_version_does_not_know_is_not_said)
{
	in->publisher = portal_publisher_new(open(dir, O_RDONLY | O_DIRECTORY));
	say_hello_of(0);
	said_nothing();
	portal_inside_tick(in);
	wire.events->on_room(wire.arg, &wire);
	said_nothing();
	cr_expect_eq(in->told[TROUBLE_PUBLISHED].n, 1, "but it is logged");
	cr_expect_null(wire.cut);
}

Test(portal_inside, what_is_published_is_said_to_this_version_and_later_ones)
{
	static const uint64_t can[] = {PROTO_PORTAL_PUBLISHED, UINT64_MAX};

	in->publisher = portal_publisher_new(open(dir, O_RDONLY | O_DIRECTORY));
	for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++) {
		say_hello_of(can[i]);
		cr_expect_eq(said(FRAME_PUBLISHED_LIST)->number, 1);
		cr_expect_eq(said(FRAME_PUBLISHED_LIST)->number, 0);
		said_nothing();
		in->up_ms -= LIMIT_DMZ_RETRY_MS;
		wire.events->on_down(wire.arg, &wire, "it is replaced");
		portal_inside_tick(in);
	}
	/* it can have been replaced by an earlier one */
	say_hello_of(0);
	said_nothing();
}

Test(portal_inside, what_it_could_not_keep_of_it_is_logged)
{
	const struct proto_frame not_now = {
	    .type = FRAME_NOT_NOW, .number = ERR_DISK_FULL};

	/* to whom nothing was said it says nothing */
	say_hello_of(PROTO_PORTAL_PUBLISHED);
	hear(not_now);
	cr_expect_eq(in->told[TROUBLE_PUBLISHED].n, 0);
	in->publisher = portal_publisher_new(open(dir, O_RDONLY | O_DIRECTORY));
	hear(not_now);
	hear(not_now);
	cr_expect_eq(in->told[TROUBLE_PUBLISHED].n, 1);
	cr_expect_eq(in->told[TROUBLE_PUBLISHED].unsaid, 1);
	cr_expect_str_empty(in->full.text, "that is of objects");
	cr_expect_null(wire.cut);
}

/* --- who says what is of no use */

Test(portal_inside, what_is_refused_is_slowed_down_like_the_rest)
{
	const struct object_header stranger = {.id = {9}};

	say_hello();
	said(FRAME_HELLO);
	for (uint64_t i = 1; i <= LIMIT_DMZ_EVENTS_BURST; i++) {
		say_event(i, PROTO_OBJECT_OPENED, &stranger);
		said(FRAME_NOTED);
		wire.n = wire.read = 0;
	}
	say_event(LIMIT_DMZ_EVENTS_BURST + 1, PROTO_OBJECT_OPENED, &stranger);
	said_nothing();
	portal_inside_tick(in);
	cr_expect_eq(said(FRAME_NOTED)->id, LIMIT_DMZ_EVENTS_BURST + 1);
	cr_expect_eq(n_told, 0);
	cr_expect_eq(in->told[TROUBLE_EVENT].n, 1);
	cr_expect_eq(in->told[TROUBLE_EVENT].unsaid, LIMIT_DMZ_EVENTS_BURST);
	cr_expect_null(wire.cut);
}

Test(portal_inside, a_connection_that_comes_and_goes_fills_no_log)
{
	for (unsigned i = 0; i < 100; i++) {
		char why[16];

		snprintf(why, sizeof(why), "reason %u", i);
		say_hello();
		wire.events->on_down(wire.arg, &wire, why);
		wire.n = wire.read = 0;
		/* it stood for a moment: not called again at once */
		portal_inside_tick(in);
		cr_expect_null(in->wire);
		in->call_at_ms = 0;
		portal_inside_tick(in);
		wire.events->on_down(wire.arg, &wire, why);
		in->call_at_ms = 0;
		portal_inside_tick(in);
	}
	cr_expect_eq(in->told[TROUBLE_LINK].n, DMZ_LINES);
	cr_expect_eq(in->told[TROUBLE_LINK].unsaid, 200 - DMZ_LINES);
	cr_expect_eq(in->told[TROUBLE_CALL].n, DMZ_LINES);
	cr_expect_eq(in->told[TROUBLE_CALL].unsaid, 100 - DMZ_LINES);
}
