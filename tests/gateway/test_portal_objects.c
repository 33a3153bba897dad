/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Objects and their index, and who may have one.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/objects_private.h"

static char root[64], dir[96], index_dir[96];

static void
set_up(void)
{
	secret_init();
	snprintf(root, sizeof(root), "/tmp/sgportal.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/objects", root);
	snprintf(index_dir, sizeof(index_dir), "%s/index", root);
	cr_assert_eq(mkdir(dir, 0700), 0);
	cr_assert_eq(mkdir(index_dir, 0700), 0);
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
	empty(dir);
	empty(index_dir);
	rmdir(root);
}

TestSuite(portal_objects, .init = set_up, .fini = tear_down);
TestSuite(portal_access, .init = set_up, .fini = tear_down);

enum { NOW = 1000000 };

/* An object that the portal can keep; nobody could open it. */
static struct object_header
write_object(uint8_t id, uint64_t expires_s, enum object_factor factor)
{
	struct object_header h = {
	    .factor = factor,
	    .index_size = 10,
	    .body_size = 20,
	    .created_s = 1,
	    .expires_s = expires_s,
	};
	uint8_t octets[OBJECT_HEADER_SIZE + 10 + 20 + 32] = {0};
	uint8_t proof[OBJECT_PROOF_SIZE];
	char name[OBJECT_ID_TEXT_SIZE], path[160];
	struct span s = SPAN(proof, sizeof(proof));
	int fd;

	memset(h.id, id, sizeof(h.id));
	memset(proof, id ^ 0xff, sizeof(proof));
	digest_sha256(&s, 1, h.proof_hash);
	object_header_format(&h, octets);
	object_id_format(h.id, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	cr_assert_eq(write(fd, octets, sizeof(octets)), sizeof(octets));
	close(fd);
	return h;
}

static struct portal_objects *
open_objects(void)
{
	struct portal_objects *o = NULL;
	struct err_why why = {""};

	cr_assert_eq(portal_objects_open(dir, index_dir, &o, &why), ERR_OK,
	    "%s", why.text);
	return o;
}

static bool
is_there(struct portal_objects *o, const struct object_header *h, uint64_t now)
{
	struct object_header out;

	return portal_objects_find(o, h->id, now, &out) == ERR_OK &&
	       out.expires_s == h->expires_s;
}

Test(portal_objects, index_is_rebuilt_from_the_files)
{
	struct object_header a = write_object(1, NOW + 10, OBJECT_FACTOR_NONE);
	struct object_header b = write_object(2, NOW + 20, OBJECT_FACTOR_NONE);
	struct portal_objects *o = open_objects();

	cr_expect(is_there(o, &a, NOW));
	cr_expect(is_there(o, &b, NOW));
	portal_objects_close(o);
	empty(index_dir);
	cr_assert_eq(mkdir(index_dir, 0700), 0);
	o = open_objects();
	cr_expect(is_there(o, &a, NOW));
	cr_expect_eq(portal_objects_next_expiry(o), NOW + 10);
	portal_objects_close(o);
}

Test(portal_objects, a_damaged_index_is_made_anew)
{
	struct object_header a = write_object(1, NOW + 10, OBJECT_FACTOR_NONE);
	struct portal_objects *o = open_objects();
	char path[160];
	int fd;

	portal_objects_close(o);
	snprintf(path, sizeof(path), "%s/data.mdb", index_dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	cr_assert_eq(
	    write(fd, "this is no database, whatever its name", 38), 38);
	cr_assert_eq(ftruncate(fd, 8192), 0);
	close(fd);
	o = open_objects();
	cr_expect(is_there(o, &a, NOW));
	portal_objects_close(o);
}

Test(portal_objects, a_lost_file_is_forgotten_at_the_next_start)
{
	struct object_header a = write_object(1, NOW + 10, OBJECT_FACTOR_NONE);
	struct portal_objects *o = open_objects();
	char name[OBJECT_ID_TEXT_SIZE], path[160];
	uint8_t id[OBJECT_ID_SIZE];
	int fd;

	object_id_format(a.id, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	cr_expect_eq(portal_objects_file(o, &a, &fd), ERR_NOT_FOUND);
	portal_objects_close(o);
	o = open_objects();
	cr_expect(!is_there(o, &a, NOW));
	/* what is left of it goes when its time comes */
	cr_expect_eq(portal_objects_expire(o, NOW + 10, id), ERR_OK);
	cr_expect_eq(portal_objects_expire(o, NOW + 10, id), ERR_NOT_FOUND);
	portal_objects_close(o);
}

Test(portal_objects, only_a_complete_object_of_that_name_is_taken)
{
	struct portal_objects *o = open_objects();
	struct object_header h = write_object(3, NOW, OBJECT_FACTOR_NONE);
	char name[OBJECT_ID_TEXT_SIZE], path[160], other[160];

	object_id_format(h.id, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	h.id[0] ^= 1;
	cr_expect_eq(portal_objects_add(o, h.id), ERR_NOT_FOUND);
	object_id_format(h.id, name);
	snprintf(other, sizeof(other), "%s/%s", dir, name);
	cr_assert_eq(rename(path, other), 0);
	cr_expect_eq(portal_objects_add(o, h.id), ERR_MALFORMED, "renamed");
	cr_assert_eq(rename(other, path), 0);
	h.id[0] ^= 1;
	cr_assert_eq(truncate(path, 157), 0);
	cr_expect_eq(portal_objects_add(o, h.id), ERR_MALFORMED, "cut");
	cr_assert_eq(truncate(path, 159), 0);
	cr_expect_eq(portal_objects_add(o, h.id), ERR_MALFORMED, "long");
	cr_assert_eq(truncate(path, 158), 0);
	cr_expect_eq(portal_objects_add(o, h.id), ERR_OK);
	cr_expect_eq(portal_objects_add(o, h.id), ERR_OK, "again");
	portal_objects_close(o);
}

static void
read_index(struct buf *out)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", index_dir);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0);
	buf_init(out, 16 * 1024 * 1024);
	cr_assert_eq(file_read_all(fd, out), ERR_OK);
	close(fd);
}

Test(portal_objects, what_is_said_again_is_not_written_again)
{
	struct object_header a = write_object(1, NOW + 10, OBJECT_FACTOR_NONE);
	struct portal_objects *o = open_objects();
	struct buf before, after;

	cr_assert_eq(portal_objects_add(o, a.id), ERR_OK);
	read_index(&before);
	cr_assert_eq(portal_objects_add(o, a.id), ERR_OK);
	read_index(&after);
	cr_expect(span_eq(buf_span(&before), buf_span(&after)));
	/* another header is another object */
	a = write_object(1, NOW + 20, OBJECT_FACTOR_NONE);
	cr_assert_eq(portal_objects_add(o, a.id), ERR_OK);
	cr_expect(is_there(o, &a, NOW));
	buf_clear(&before);
	buf_clear(&after);
	portal_objects_close(o);
}

Test(portal_objects, expiry_is_exact_and_removes_the_file)
{
	struct object_header b = write_object(2, NOW + 1, OBJECT_FACTOR_NONE);
	struct object_header a = write_object(1, NOW, OBJECT_FACTOR_NONE);
	struct portal_objects *o = open_objects();
	uint8_t id[OBJECT_ID_SIZE];
	int fd;

	cr_expect(is_there(o, &a, NOW - 1));
	cr_expect(!is_there(o, &a, NOW));
	cr_expect_eq(portal_objects_expire(o, NOW - 1, id), ERR_NOT_FOUND);
	cr_expect_eq(portal_objects_expire(o, NOW, id), ERR_OK);
	cr_expect_eq(memcmp(id, a.id, sizeof(id)), 0);
	cr_expect_eq(portal_objects_file(o, &a, &fd), ERR_NOT_FOUND);
	cr_expect_eq(portal_objects_expire(o, NOW, id), ERR_NOT_FOUND);
	cr_expect(is_there(o, &b, NOW));
	cr_expect_eq(portal_objects_next_expiry(o), NOW + 1);
	portal_objects_close(o);
}

static enum portal_access
try_proof(struct portal_objects *o, struct portal_throttle *t, uint8_t id,
    uint8_t proof, uint64_t now_s, uint64_t now_ms)
{
	uint8_t raw_id[OBJECT_ID_SIZE], raw_proof[OBJECT_PROOF_SIZE];
	char id_text[OBJECT_ID_TEXT_SIZE], proof_text[44];
	const struct portal_client client = {
	    .text = "127.0.0.1", .net = {127, 0, 0, 1}, .net_len = 4};
	struct object_header h;

	memset(raw_id, id, sizeof(raw_id));
	memset(raw_proof, proof, sizeof(raw_proof));
	object_id_format(raw_id, id_text);
	text_base64url(SPAN(raw_proof, sizeof(raw_proof)), proof_text);
	return portal_access_check(o, t, span_str(id_text),
	    span_str(proof_text), &client, now_s * 1000 + now_ms, &h);
}

Test(portal_access, is_granted_to_the_proof_alone)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	struct portal_objects *o;
	struct object_header h;

	write_object(1, NOW, OBJECT_FACTOR_NONE);
	write_object(2, NOW, OBJECT_FACTOR_PASSPHRASE);
	o = open_objects();
	cr_expect_eq(
	    try_proof(o, t, 1, 0xfe, NOW - 1, 0), PORTAL_ACCESS_GRANTED);
	cr_expect_eq(
	    try_proof(o, t, 2, 0xfd, NOW - 1, 0), PORTAL_ACCESS_GRANTED);
	cr_expect_eq(try_proof(o, t, 1, 0xfd, NOW - 1, 0), PORTAL_ACCESS_NONE);
	cr_expect_eq(try_proof(o, t, 3, 0xfe, NOW - 1, 0), PORTAL_ACCESS_NONE);
	cr_expect_eq(try_proof(o, t, 1, 0xfe, NOW, 0), PORTAL_ACCESS_NONE);
	/* the id of no octets and the proof of zeroes are those of the stand-in
	   for an object that is not there */
	cr_expect_eq(try_proof(o, t, 0, 0, NOW - 1, 0), PORTAL_ACCESS_NONE);
	cr_expect_eq(
	    portal_access_check(o, t, SPAN(NULL, 0), SPAN(NULL, 0),
		&(struct portal_client){.net_len = 0}, (NOW - 1) * 1000, &h),
	    PORTAL_ACCESS_NONE);
	portal_objects_close(o);
	portal_throttle_free(t);
}

Test(portal_access, wrong_proofs_run_into_the_brake)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	struct portal_objects *o;
	uint64_t later = 0;

	write_object(1, NOW, OBJECT_FACTOR_NONE);
	write_object(2, NOW, OBJECT_FACTOR_PASSPHRASE);
	o = open_objects();
	for (unsigned i = 0; i < LIMIT_PROOF_OBJECT; i++) {
		cr_assert_eq(try_proof(o, t, 2, 0, 1, 0), PORTAL_ACCESS_NONE);
		cr_assert_eq(try_proof(o, t, 1, 0, 1, 0), PORTAL_ACCESS_NONE);
	}
	cr_expect_eq(try_proof(o, t, 2, 0, 1, 0), PORTAL_ACCESS_WAIT);
	/* a passphrase could be among the guesses: even the right one waits */
	cr_expect_eq(try_proof(o, t, 2, 0xfd, 1, 0), PORTAL_ACCESS_WAIT);
	/* nobody guesses a link secret, so nobody is locked out */
	cr_expect_eq(try_proof(o, t, 1, 0, 1, 0), PORTAL_ACCESS_WAIT);
	cr_expect_eq(try_proof(o, t, 1, 0xfe, 1, 0), PORTAL_ACCESS_GRANTED);
	later = LIMIT_PROOF_OBJECT_MS;
	cr_expect_eq(try_proof(o, t, 2, 0xfd, 1, later), PORTAL_ACCESS_GRANTED);
	/* a client that tries many ids is stopped, too */
	for (unsigned i = 0; i < LIMIT_PROOF_CLIENT; i++)
		(void)try_proof(o, t, (uint8_t)(10 + i), 0, 1, later);
	cr_expect_eq(try_proof(o, t, 200, 0, 1, later), PORTAL_ACCESS_WAIT);
	cr_expect_eq(try_proof(o, t, 1, 0xfe, 1, later), PORTAL_ACCESS_GRANTED);
	portal_objects_close(o);
	portal_throttle_free(t);
}

struct lockings {
	unsigned n;
	uint8_t id;
};

static void
on_locked(void *arg, const uint8_t *id, const char *client)
{
	struct lockings *l = arg;

	l->n++;
	l->id = id[0];
	cr_expect_str_eq(client, "127.0.0.1");
}

Test(portal_access, an_object_is_locked_for_good_until_somebody_unlocks_it)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	struct lockings l = {0};
	struct portal_objects *o;
	uint8_t id[OBJECT_ID_SIZE];
	uint64_t at_s = 1;

	write_object(1, NOW, OBJECT_FACTOR_NONE);
	write_object(2, NOW, OBJECT_FACTOR_PASSPHRASE);
	memset(id, 2, sizeof(id));
	o = open_objects();
	for (unsigned i = 0; i < LIMIT_PROOF_LOCK; i++, at_s += 60) {
		cr_expect_eq(
		    try_proof(o, t, 1, 0, at_s, 0), PORTAL_ACCESS_NONE);
		cr_assert_eq(
		    try_proof(o, t, 2, 0, at_s, 0), PORTAL_ACCESS_NONE);
		cr_expect_eq(l.n, 0u);
		/* written or not, what was counted counts */
		if (i % 2 == 0)
			cr_assert_eq(
			    portal_objects_settle(o, on_locked, &l), ERR_OK);
		if (i % 5 == 0) {
			cr_assert_eq(
			    portal_objects_settle(o, on_locked, &l), ERR_OK);
			portal_objects_close(o);
			o = open_objects();
		}
	}
	cr_assert_eq(portal_objects_settle(o, on_locked, &l), ERR_OK);
	cr_expect_eq(l.n, 1u);
	cr_expect_eq(l.id, 2);
	at_s += 1000;
	cr_expect_eq(try_proof(o, t, 2, 0xfd, at_s, 0), PORTAL_ACCESS_WAIT);
	cr_expect_eq(try_proof(o, t, 1, 0xfe, at_s, 0), PORTAL_ACCESS_GRANTED);
	cr_assert_eq(portal_objects_until(o, id, NOW + 5), ERR_OK);
	cr_expect_eq(try_proof(o, t, 2, 0xfd, NOW, 0), PORTAL_ACCESS_GRANTED);
	/* and that stands in the file, too */
	portal_objects_close(o);
	empty(index_dir);
	o = open_objects();
	cr_expect_eq(
	    try_proof(o, t, 2, 0xfd, NOW + 4, 0), PORTAL_ACCESS_GRANTED);
	cr_expect_eq(try_proof(o, t, 2, 0xfd, NOW + 5, 0), PORTAL_ACCESS_NONE);
	cr_assert_eq(portal_objects_drop(o, id), ERR_OK);
	cr_assert_eq(portal_objects_drop(o, id), ERR_OK);
	cr_expect_eq(try_proof(o, t, 2, 0xfd, NOW, 0), PORTAL_ACCESS_NONE);
	cr_expect_eq(portal_objects_until(o, id, NOW), ERR_NOT_FOUND);
	portal_objects_close(o);
	portal_throttle_free(t);
}

Test(portal_access, a_restart_forgives_nothing)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	const struct span client = SPAN_LIT("abcd"),
			  object = SPAN_LIT("object");

	cr_assert_not_null(t);
	for (unsigned i = 0; i < LIMIT_PROOF_OBJECT; i++)
		portal_throttle_spend(t, client, object, 1000000);
	portal_throttle_free(t);
	t = portal_throttle_new(index_dir);
	cr_expect(!portal_throttle_allows(t, client, object, 1000000));
	/* a clock that was set back delays, but does not lock out */
	cr_expect(!portal_throttle_allows(t, client, object, 1000));
	cr_expect(portal_throttle_allows(t, client, object,
	    1000 + LIMIT_PROOF_OBJECT * LIMIT_PROOF_OBJECT_MS));
	portal_throttle_free(t);
}

Test(portal_access, the_attempts_have_their_place_on_the_disk)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	char path[128];
	struct stat st;
	off_t size;

	cr_assert_not_null(t);
	portal_throttle_free(t);
	snprintf(path, sizeof(path), "%s/attempts", index_dir);
	cr_assert_eq(stat(path, &st), 0);
	size = st.st_size;
	cr_expect_geq((off_t)st.st_blocks * 512, size);
	/* one with holes, as of a copy, gets them filled */
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(truncate(path, size), 0);
	t = portal_throttle_new(index_dir);
	cr_assert_not_null(t);
	portal_throttle_free(t);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, size);
	cr_expect_geq((off_t)st.st_blocks * 512, size);
}

Test(portal_objects, has_so_many_answers_whatever_became_of_them)
{
	struct portal_objects *o;
	uint8_t id[OBJECT_ID_SIZE], other[OBJECT_ID_SIZE];

	memset(id, 1, sizeof(id));
	memset(other, 2, sizeof(other));
	write_object(1, NOW, OBJECT_FACTOR_NONE);
	o = open_objects();
	for (unsigned i = 0; i < LIMIT_ANSWERS; i++) {
		cr_assert_eq(portal_objects_may_answer(o, id), ERR_OK);
		cr_assert_eq(portal_objects_note_answer(o, id), ERR_OK);
	}
	cr_expect_eq(portal_objects_may_answer(o, other), ERR_OK);
	/* neither a restart nor more time gives more */
	portal_objects_close(o);
	o = open_objects();
	cr_assert_eq(portal_objects_until(o, id, NOW + 5), ERR_OK);
	cr_expect_eq(portal_objects_may_answer(o, id), ERR_LIMIT);
	cr_expect_eq(portal_objects_note_answer(o, id), ERR_LIMIT);
	/* and with the object its count goes */
	cr_assert_eq(portal_objects_drop(o, id), ERR_OK);
	cr_expect_eq(portal_objects_may_answer(o, id), ERR_OK);
	portal_objects_close(o);
}

static void
on_locked_before(void *arg, const uint8_t *id, const char *client)
{
	struct lockings *l = arg;

	l->n++;
	l->id = id[0];
	cr_expect_str_eq(client, "");
}

Test(portal_access, a_lock_that_store_knows_of_is_one_here)
{
	struct portal_throttle *t = portal_throttle_new(index_dir);
	struct lockings l = {0};
	struct portal_objects *o;
	uint8_t id[OBJECT_ID_SIZE];

	write_object(1, NOW, OBJECT_FACTOR_PASSPHRASE);
	write_object(2, NOW, OBJECT_FACTOR_PASSPHRASE);
	o = open_objects();
	memset(id, 3, sizeof(id));
	cr_expect_eq(portal_objects_lock(o, id), ERR_NOT_FOUND);
	memset(id, 2, sizeof(id));
	cr_assert_eq(
	    portal_objects_each_locked(o, on_locked_before, &l), ERR_OK);
	cr_expect_eq(l.n, 0u);
	cr_assert_eq(portal_objects_lock(o, id), ERR_OK);
	cr_assert_eq(portal_objects_lock(o, id), ERR_OK);
	cr_expect_eq(try_proof(o, t, 2, 0xfd, 1, 0), PORTAL_ACCESS_WAIT);
	cr_expect_eq(try_proof(o, t, 1, 0xfe, 1, 0), PORTAL_ACCESS_GRANTED);
	cr_assert_eq(
	    portal_objects_each_locked(o, on_locked_before, &l), ERR_OK);
	cr_expect_eq(l.n, 1u);
	cr_expect_eq(l.id, 2);
	cr_assert_eq(portal_objects_until(o, id, NOW + 5), ERR_OK);
	cr_expect_eq(try_proof(o, t, 2, 0xfd, 1, 0), PORTAL_ACCESS_GRANTED);
	portal_objects_close(o);
	portal_throttle_free(t);
}

/* --- nobody learns by waiting */

enum { ROUNDS = 900, GUESSED = 60, FIRST_GUESSED = 100 };

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

Test(portal_access, every_refusal_takes_as_long)
{
	static const char *const names[] = {"no such object", "a wrong proof",
	    "a wrong passphrase", "an object that is over"};
	enum { KINDS = sizeof(names) / sizeof(*names) };
	static uint64_t took[KINDS][ROUNDS];
	struct portal_throttle *t = portal_throttle_new(index_dir);
	struct portal_objects *o;

	write_object(1, NOW, OBJECT_FACTOR_NONE);
	write_object(2, 1, OBJECT_FACTOR_NONE);
	for (unsigned i = 0; i < GUESSED; i++)
		write_object((uint8_t)(FIRST_GUESSED + i), NOW,
		    OBJECT_FACTOR_PASSPHRASE);
	o = open_objects();
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < KINDS; i++) {
			/* in another order each time, and so late that what
			   was tried before is forgotten */
			unsigned kind = (i + round) % KINDS;
			const uint8_t id[KINDS] = {3, 1,
			    (uint8_t)(FIRST_GUESSED + round % GUESSED), 2};
			uint64_t later = (uint64_t)(round * KINDS + i) *
					 LIMIT_PROOF_OBJECT_MS;
			uint64_t start = cpu_ns();
			enum portal_access a =
			    try_proof(o, t, id[kind], 0, 2, later);

			took[kind][round] = cpu_ns() - start;
			cr_assert_eq(a, PORTAL_ACCESS_NONE, "%s", names[kind]);
		}
	for (unsigned kind = 0; kind < KINDS; kind++)
		qsort(took[kind], ROUNDS, sizeof(took[kind][0]), by_time);
	for (unsigned kind = 1; kind < KINDS; kind++) {
		/* what disturbs makes longer, never shorter */
		uint64_t typical = took[kind][ROUNDS / 4];
		uint64_t unknown = took[0][ROUNDS / 4];

		cr_expect(typical < 2 * unknown && unknown < 2 * typical,
		    "%s takes %lu ns, %s %lu ns", names[kind],
		    (unsigned long)typical, names[0], (unsigned long)unknown);
	}
	portal_objects_close(o);
	portal_throttle_free(t);
}

/* --- those that were here */

Test(portal_objects, those_that_were_here_are_known_after_a_restart_too)
{
	struct portal_objects *o;
	struct object_header expired, dropped, lost, here;
	uint8_t id[OBJECT_ID_SIZE];
	char path[160], name[OBJECT_ID_TEXT_SIZE];

	expired = write_object(1, NOW, OBJECT_FACTOR_NONE);
	dropped = write_object(2, NOW + 9, OBJECT_FACTOR_NONE);
	lost = write_object(3, NOW + 9, OBJECT_FACTOR_NONE);
	here = write_object(4, NOW + 9, OBJECT_FACTOR_NONE);
	o = open_objects();
	cr_assert_eq(portal_objects_expire(o, NOW, id), ERR_OK);
	cr_assert_eq(portal_objects_drop(o, dropped.id), ERR_OK);
	memset(id, 9, sizeof(id));
	cr_assert_eq(portal_objects_drop(o, id), ERR_OK);
	for (int i = 0; i < 2; i++) {
		cr_expect(portal_objects_was_here(o, expired.id), "%d", i);
		cr_expect(portal_objects_was_here(o, dropped.id), "%d", i);
		cr_expect_not(portal_objects_was_here(o, here.id), "%d", i);
		cr_expect_not(portal_objects_was_here(o, id), "%d", i);
		portal_objects_close(o);
		/* killed between a file and its row */
		object_id_format(lost.id, name);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		(void)unlink(path);
		o = open_objects();
	}
	cr_expect(portal_objects_was_here(o, lost.id));
	portal_objects_close(o);
}

Test(portal_objects, there_is_an_end_to_those_that_were_here)
{
	struct portal_objects *o = open_objects();
	uint8_t id[OBJECT_ID_SIZE] = {0};
	struct db_txn *txn = NULL;

	cr_assert_eq(portal_index_write(o, &txn), ERR_OK);
	for (unsigned i = 0; i < LIMIT_DMZ_GONE + 2; i++) {
		id[0] = (uint8_t)i;
		id[1] = (uint8_t)(i >> 8);
		cr_assert_eq(portal_gone_note(txn, id), ERR_OK);
	}
	cr_assert_eq(portal_index_end(txn, ERR_OK), ERR_OK);
	cr_expect(portal_objects_was_here(o, id), "the last");
	for (uint8_t i = 0; i < 4; i++) {
		id[0] = i;
		id[1] = 0;
		cr_expect_eq(portal_objects_was_here(o, id), i >= 2, "%u", i);
	}
	portal_objects_close(o);
}
