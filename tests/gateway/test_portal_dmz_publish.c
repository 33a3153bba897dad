/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the gateway publishes, for a portal in a DMZ: what is told ends in the
 * same files there, however little the connection takes, and in no others. The
 * connection is played.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/secret.h"
#include "gateway/portal/dmz_inside_private.h"

#define SAM  "wkd/ours.example/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q"
#define BOB  "wkd/ours.example/hu/jycbiujnsxs47xrkethgtj69xuunurok"
#define NONE "wkd/ours.example/policy"
#define LIST                                                                   \
	"crl/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	".crl"

static char root[64], from[96], to[96];
static struct portal_inside in;
static struct portal_published *there;
static unsigned room, frames; /* that it takes, and has taken */
static unsigned complaints, syncs;
static uint64_t ahead_ms;

/* In the place of the connection: what is sent is heard at once. */
bool
portal_wire_has_room(const struct portal_wire *w)
{
	(void)w;
	return room > 0;
}

void
portal_wire_send(struct portal_wire *w, const struct proto_frame *f)
{
	enum err e;

	(void)w;
	frames++;
	room -= room > 0 ? 1 : 0;
	cr_assert_leq(f->octets.len, LIMIT_DMZ_PIECE);
	e = portal_published_take(there, f);
	cr_assert_neq(e, ERR_IPC, "%s", proto_frame_name(f->type));
	/* as dmz_outside.c says it, and dmz_inside.c hears it */
	if (e != ERR_OK)
		portal_publish_not_now(&in, e);
}

/* In the place of the disk's. */
int
fsync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

/* In the place of dmz_inside.c. */
void
portal_inside_complain(
    struct portal_inside *inside, enum dmz_trouble kind, const char *why)
{
	(void)inside;
	(void)why;
	complaints += kind == TROUBLE_PUBLISHED;
}

/* In the place of the clocks. */
uint64_t
clock_steady_ms(void)
{
	return 1000 + ahead_ms;
}

uint64_t
clock_steady_us(void)
{
	return clock_steady_ms() * 1000;
}

uint64_t
clock_unix_ms(void)
{
	return clock_steady_ms();
}

uint64_t
clock_cpu_ms(void)
{
	return 0;
}

static void
make(const char *dir, const char *below)
{
	char path[200];

	snprintf(path, sizeof(path), "%s%s", dir, below);
	cr_assert_eq(mkdir(path, 0700), 0, "%s", path);
}

static void
start(void)
{
	secret_init();
	digest_init();
	snprintf(root, sizeof(root), "/tmp/sgpub.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	snprintf(from, sizeof(from), "%s/from", root);
	snprintf(to, sizeof(to), "%s/to", root);
	make(from, "");
	make(from, "/crl");
	make(from, "/wkd");
	make(from, "/wkd/ours.example");
	make(from, "/wkd/ours.example/hu");
	make(to, "");
	there = portal_published_open(to, 0);
	cr_assert_not_null(there);
	in = (struct portal_inside){.up = true,
	    .publishes = true,
	    .publisher =
		portal_publisher_new(open(from, O_RDONLY | O_DIRECTORY))};
	room = 1000;
	frames = complaints = 0;
	ahead_ms = 0;
}

static void
end(void)
{
	pid_t pid = fork();
	int status;

	portal_publisher_free(in.publisher);
	portal_published_close(there);
	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", root, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
}

TestSuite(portal_dmz_publish, .init = start, .fini = end);

/* As gateway/publish.c does it; NULL: it is withdrawn. */
static void
publish(const char *name, const char *octets, size_t len)
{
	const char *slash = strrchr(name, '/');
	char dir[300];
	int fd;

	snprintf(dir, sizeof(dir), "%s/%.*s", from, (int)(slash - name), name);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (octets == NULL)
		cr_assert_eq(unlinkat(fd, slash + 1, 0), 0, "%s", name);
	else
		cr_assert_eq(file_create_synced(
				 fd, slash + 1, SPAN(octets, len), 0600, true),
		    ERR_OK, "%s", name);
	close(fd);
}

/* NULL: it is not there. */
static void
expect(const char *name, const char *octets, size_t len)
{
	char flat[PORTAL_PUBLISHED_NAME];
	struct buf b;
	int fd = open(to, O_RDONLY | O_DIRECTORY);
	enum err e;

	portal_published_name(name, flat);
	buf_init(&b, 1 << 20);
	e = file_read_path(fd, flat, &b);
	cr_expect_eq(e, octets == NULL ? ERR_NOT_FOUND : ERR_OK, "%s", name);
	if (octets != NULL)
		cr_expect(span_eq(buf_span(&b), SPAN(octets, len)), "%s", name);
	buf_clear(&b);
	close(fd);
}

static unsigned
count(void)
{
	char path[120];
	DIR *d;
	struct dirent *e;
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/published", to);
	d = opendir(path);
	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.' || strncmp(e->d_name, ".tmp", 4) == 0;
	closedir(d);
	return n;
}

static void
look_again(void)
{
	ahead_ms += LIMIT_DMZ_PUBLISHED_MS;
	portal_publish_go_on(&in);
}

Test(portal_dmz_publish, it_is_there_as_it_is_here)
{
	static char large[200000];

	memset(large, 'x', sizeof(large));
	publish(SAM, "sam", 3);
	publish(NONE, "", 0);
	publish(LIST, large, sizeof(large));
	publish("wkd/ours.example/hu/notes", "no key", 6);
	portal_publish_anew(&in);
	expect(SAM, "sam", 3);
	expect(NONE, "", 0);
	expect(LIST, large, sizeof(large));
	cr_expect_eq(count(), 3);
	frames = 0;
	look_again();
	cr_expect_eq(frames, 0, "nothing has changed");
	publish(SAM, "Sam", 3);
	publish(BOB, "bob", 3);
	publish(LIST, NULL, 0);
	portal_publish_go_on(&in);
	cr_expect_eq(frames, 0, "not yet");
	look_again();
	expect(SAM, "Sam", 3);
	expect(BOB, "bob", 3);
	expect(LIST, NULL, 0);
	cr_expect_eq(frames, 5, "what has changed, and nothing else");
}

Test(portal_dmz_publish, a_list_is_synced_once_but_for_what_is_in_its_files)
{
	publish(SAM, "sam", 3);
	publish(BOB, "bob", 3);
	publish(NONE, "", 0);
	syncs = 0;
	portal_publish_anew(&in);
	cr_expect_eq(syncs, 3 + 1);
	syncs = 0;
	portal_published_begin(there);
	portal_publish_anew(&in);
	cr_expect_eq(syncs, 1, "nothing is written again");
}

Test(portal_dmz_publish, what_went_while_nobody_was_there_goes)
{
	char path[200];

	publish(SAM, "sam", 3);
	publish(BOB, "bob", 3);
	portal_publish_anew(&in);
	in.up = false;
	publish(BOB, NULL, 0);
	look_again();
	expect(BOB, "bob", 3);
	/* what a kill has left, and what is none of it */
	snprintf(path, sizeof(path), "%s/published/.tmp.0123456789abcdef", to);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/data.mdb", to);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	in.up = true;
	portal_published_begin(there);
	portal_publish_anew(&in);
	expect(SAM, "sam", 3);
	expect(BOB, NULL, 0);
	cr_expect_eq(count(), 1);
	cr_expect_eq(access(path, F_OK), 0);
}

Test(portal_dmz_publish, a_slow_connection_that_breaks_loses_nothing)
{
	static char large[300000];

	memset(large, 'y', sizeof(large));
	publish(LIST, large, sizeof(large));
	publish(SAM, "sam", 3);
	portal_publish_anew(&in);
	for (unsigned breaks = 1; breaks < 8; breaks++) {
		publish(LIST, large, sizeof(large) - breaks);
		room = breaks; /* and then it is gone */
		portal_published_begin(there);
		portal_publish_anew(&in);
		expect(SAM, "sam", 3);
		cr_expect_eq(count(), 2, "%u", breaks);
	}
	room = 1000;
	portal_publish_go_on(&in);
	expect(LIST, large, sizeof(large) - 7);
}

Test(portal_dmz_publish, a_gateway_that_does_not_publish_takes_nothing_away)
{
	publish(SAM, "sam", 3);
	portal_publish_anew(&in);
	/* an earlier version says hello, and no list */
	in.publishes = false;
	portal_published_begin(there);
	frames = 0;
	portal_publish_anew(&in);
	look_again();
	cr_expect_eq(frames, 0);
	cr_expect_eq(complaints, 1);
	expect(SAM, "sam", 3);
}

/* Nothing can be opened; or it can again. */
static void
let_open(bool yes)
{
	static struct rlimit before;
	struct rlimit none;

	if (!yes)
		cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, yes ? &before : &none), 0);
}

Test(portal_dmz_publish, a_directory_that_cannot_be_read_withdraws_nothing)
{
	publish(SAM, "sam", 3);
	publish(BOB, "bob", 3);
	portal_publish_anew(&in);
	frames = 0;
	let_open(false);
	look_again();
	let_open(true);
	cr_expect_eq(frames, 0);
	cr_expect_eq(complaints, 1);
	look_again();
	cr_expect_eq(frames, 0, "it is there");
	/* the same after a hello: there is no end of the list until all of it
	   was read */
	publish(BOB, NULL, 0);
	portal_published_begin(there);
	let_open(false);
	portal_publish_anew(&in);
	let_open(true);
	expect(SAM, "sam", 3);
	expect(BOB, "bob", 3);
	look_again();
	expect(SAM, "sam", 3);
	expect(BOB, NULL, 0);
}

Test(portal_dmz_publish, a_file_that_cannot_be_read_is_not_withdrawn)
{
	publish(SAM, "sam", 3);
	publish(BOB, "bob", 3);
	portal_publish_anew(&in);
	publish(SAM, "Sam", 3);
	publish(BOB, NULL, 0);
	portal_published_begin(there);
	room = 1;
	portal_publish_anew(&in);
	room = 1000;
	let_open(false);
	portal_publish_go_on(&in);
	let_open(true);
	cr_expect_eq(complaints, 1);
	expect(SAM, "sam", 3);
	expect(BOB, "bob", 3);
	look_again();
	expect(SAM, "Sam", 3);
	expect(BOB, NULL, 0);
	/* one that could not be read and then went does not stay */
	publish(SAM, "SAM", 3);
	room = 0;
	look_again();
	room = 1000;
	let_open(false);
	portal_publish_go_on(&in);
	let_open(true);
	cr_expect_eq(complaints, 2);
	publish(SAM, NULL, 0);
	look_again();
	expect(SAM, NULL, 0);
}

Test(portal_dmz_publish, what_does_not_fit_together_is_refused)
{
	const struct proto_frame row[] = {
	    {.type = FRAME_PUBLISHED, .size = 1, .octets = SPAN_LIT("events")},
	    {.type = FRAME_PUBLISHED,
		.size = 1,
		.octets = SPAN_LIT("../crl/x")},
	    {.type = FRAME_PUBLISHED,
		.size = 1,
		.octets =
		    SPAN_LIT("wkd/../hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q")},
	    {.type = FRAME_PUBLISHED,
		.size = 1,
		.octets = SPAN_LIT("wkd/Ours.example/policy")},
	    {.type = FRAME_PUBLISHED,
		.size = 1,
		.octets = SPAN_LIT("wkd/ours.example/policy\0")},
	    {.type = FRAME_PUBLISHED, .size = 1, .octets = SPAN_LIT("")},
	    {.type = FRAME_PUBLISHED,
		.size = LIMIT_DMZ_PUBLISHED + 1,
		.octets = SPAN_LIT(NONE)},
	    {.type = FRAME_PUBLISHED_DATA, .octets = SPAN_LIT("of nothing")},
	    {.type = FRAME_WITHDRAWN, .octets = SPAN_LIT("data.mdb")},
	};
	const struct proto_frame begin = {
	    .type = FRAME_PUBLISHED, .size = 3, .octets = SPAN_LIT(SAM)};
	const struct proto_frame piece[] = {
	    {.type = FRAME_PUBLISHED_DATA, .octets = SPAN_LIT("four")},
	    {.type = FRAME_PUBLISHED_DATA,
		.offset = 1,
		.octets = SPAN_LIT("x")},
	    {.type = FRAME_PUBLISHED_DATA, .octets = SPAN_LIT("")},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_eq(
		    portal_published_take(there, &row[i]), ERR_IPC, "%zu", i);
	for (size_t i = 0; i < sizeof(piece) / sizeof(piece[0]); i++) {
		cr_assert_eq(portal_published_take(there, &begin), ERR_OK);
		cr_expect_eq(portal_published_take(there, &piece[i]), ERR_IPC,
		    "piece %zu", i);
	}
	cr_expect_eq(count(), 0);
}

Test(portal_dmz_publish, a_disk_without_room_keeps_what_it_has)
{
	publish(SAM, "sam", 3);
	portal_publish_anew(&in);
	portal_published_close(there);
	there = portal_published_open(to, UINT64_MAX / 2);
	publish(SAM, "Sam", 3);
	publish(BOB, "bob", 3);
	portal_publish_anew(&in);
	expect(SAM, "sam", 3);
	expect(BOB, NULL, 0);
	cr_expect_eq(complaints, 1, "once for all of them");
	/* and has the rest once there is room */
	portal_published_close(there);
	there = portal_published_open(to, 0);
	look_again();
	expect(BOB, NULL, 0);
	ahead_ms += LIMIT_DMZ_PUBLISHED_AGAIN;
	portal_publish_go_on(&in);
	expect(SAM, "Sam", 3);
	expect(BOB, "bob", 3);
	cr_expect_eq(complaints, 1);
	frames = 0;
	ahead_ms += LIMIT_DMZ_PUBLISHED_AGAIN;
	portal_publish_go_on(&in);
	cr_expect_eq(frames, 0, "it has all");
}

Test(portal_dmz_publish, what_could_not_be_written_or_removed_is_tried_again)
{
	char flat[PORTAL_PUBLISHED_NAME], path[200];

	publish(BOB, "bob", 3);
	portal_publish_anew(&in);
	/* neither is to be had in the place of a directory */
	portal_published_name(SAM, flat);
	snprintf(path, sizeof(path), "%s/%s", to, flat);
	cr_assert_eq(mkdir(path, 0700), 0);
	for (unsigned tries = 1; tries < 4; tries++) {
		publish(SAM, tries == 3 ? NULL : "sam", 3);
		ahead_ms += LIMIT_DMZ_PUBLISHED_AGAIN;
		portal_publish_go_on(&in);
		cr_expect_eq(complaints, tries, "%u", tries);
	}
	cr_assert_eq(rmdir(path), 0);
	publish(SAM, "sam", 3);
	ahead_ms += LIMIT_DMZ_PUBLISHED_AGAIN;
	portal_publish_go_on(&in);
	expect(SAM, "sam", 3);
	expect(BOB, "bob", 3);
	cr_expect_eq(complaints, 3);
}
