/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/keys/purpose.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum {
	PUBLIC_HEAD = 6, /* "SGPK", version, purpose (docs/format-keys.md) */
};

static const char *const names[] = {
    "ready.sealed", "pending.sealed", "audit.sealed", "private.sealed"};
static char top[64];
static int dir = -1;
static struct secret *master;

static void
setup(void)
{
	secret_init();
	snprintf(top, sizeof(top), "/tmp/sgtest.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	cr_assert_neq(dir, -1);
	master = secret_random(KEYS_MASTER);
}

static void
teardown(void)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(top);
	secret_free(master);
}

static enum err
open_set(const struct secret *key, struct keys_set *out, struct err_why *why)
{
	why->text[0] = '\0';
	return keys_set_open(dir, key, out, why);
}

static void
must_open(struct keys_set *out)
{
	struct err_why why;

	cr_assert_eq(open_set(master, out, &why), ERR_OK, "%s", why.text);
	for (int i = SEALED_READY; i <= SEALED_PRIVATE; i++) {
		if (i == SEALED_WRAP)
			continue;
		cr_assert_eq((int)out->pub[i].purpose, i);
		cr_assert_not_null(out->priv[i]);
	}
	cr_assert_eq(out->pub[SEALED_NONE].purpose, SEALED_NONE);
	cr_assert_eq(out->pub[SEALED_WRAP].purpose, SEALED_NONE);
}

static void
must_fail(const struct secret *key, enum err want, const char *says)
{
	struct keys_set s;
	struct err_why why;

	cr_expect_eq(open_set(key, &s, &why), want, "%s", why.text);
	cr_expect_not_null(strstr(why.text, says), "%s", why.text);
	keys_set_clear(&s);
}

static void
write_over(const char *name, off_t at, const void *data, size_t len)
{
	int fd;

	cr_assert_eq(fchmodat(dir, name, 0600, 0), 0);
	fd = openat(dir, name, O_WRONLY);
	cr_assert_neq(fd, -1);
	cr_assert_eq(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

Test(
    keys_purpose, are_made_once_and_read_again, .init = setup, .fini = teardown)
{
	struct keys_set first, second;
	struct stat st;

	must_open(&first);
	must_open(&second);
	for (int i = SEALED_READY; i <= SEALED_AUDIT; i++) {
		cr_expect_arr_eq(
		    first.pub[i].octets, second.pub[i].octets, SEALED_KEY);
		cr_expect(secret_eq(first.priv[i], second.priv[i]));
	}
	cr_expect_not(
	    secret_eq(first.priv[SEALED_READY], first.priv[SEALED_PENDING]));
	for (size_t i = 0; i < N(names); i++) {
		cr_assert_eq(fstatat(dir, names[i], &st, 0), 0);
		cr_expect_eq(st.st_mode & 0777, 0400, "%s", names[i]);
	}
	keys_set_clear(&first);
	keys_set_clear(&second);
}

Test(
    keys_purpose, the_files_say_nothing_secret, .init = setup, .fini = teardown)
{
	struct keys_set s;
	uint8_t file[1024];

	must_open(&s);
	for (size_t i = 0; i < N(names); i++) {
		int fd = openat(dir, names[i], O_RDONLY);
		ssize_t len = read(fd, file, sizeof(file));
		struct span all = SPAN(file, (size_t)len);

		cr_assert_gt(len, 32);
		close(fd);
		for (int k = SEALED_READY; k <= SEALED_AUDIT; k++)
			cr_expect_eq(
			    span_find(all, 0, secret_span(s.priv[k])), all.len);
		cr_expect_eq(span_find(all, 0, secret_span(master)), all.len);
	}
	keys_set_clear(&s);
}

Test(keys_purpose, another_master_key_opens_nothing, .init = setup,
    .fini = teardown)
{
	struct keys_set s;
	struct secret *other = secret_random(KEYS_MASTER);

	must_open(&s);
	keys_set_clear(&s);
	must_fail(other, ERR_MASTER_KEY, "not the master key");
	must_open(&s);
	keys_set_clear(&s);
	secret_free(other);
}

Test(keys_purpose, a_truncated_file_is_refused, .init = setup, .fini = teardown)
{
	struct keys_set s;
	struct stat st;

	must_open(&s);
	keys_set_clear(&s);
	cr_assert_eq(fstatat(dir, names[1], &st, 0), 0);
	cr_assert_eq(fchmodat(dir, names[1], 0600, 0), 0);
	for (off_t size = st.st_size - 1; size >= 0; size -= 7) {
		int fd = openat(dir, names[1], O_WRONLY);

		cr_assert_eq(ftruncate(fd, size), 0);
		close(fd);
		must_fail(master, ERR_MALFORMED, "pending.sealed is damaged");
	}
}

Test(keys_purpose, an_altered_file_is_refused, .init = setup, .fini = teardown)
{
	static const struct {
		off_t at;
		enum err want;
	} row[] = {
	    {0, ERR_MALFORMED},	  /* magic */
	    {4, ERR_MALFORMED},	  /* version */
	    {5, ERR_MALFORMED},	  /* purpose */
	    {6, ERR_MASTER_KEY},  /* public half */
	    {37, ERR_MASTER_KEY}, /* its end */
	    {60, ERR_MASTER_KEY},
	    {120, ERR_MASTER_KEY},
	};
	struct keys_set s;

	for (size_t i = 0; i < N(row); i++) {
		uint8_t old, changed;
		int fd;

		must_open(&s);
		keys_set_clear(&s);
		fd = openat(dir, names[0], O_RDONLY);
		cr_assert_eq(pread(fd, &old, 1, row[i].at), 1);
		close(fd);
		changed = old ^ 1;
		write_over(names[0], row[i].at, &changed, 1);
		must_fail(master, row[i].want, "ready.sealed");
		write_over(names[0], row[i].at, &old, 1);
	}
}

Test(keys_purpose, one_file_does_not_stand_for_another, .init = setup,
    .fini = teardown)
{
	struct keys_set s;

	must_open(&s);
	keys_set_clear(&s);
	cr_assert_eq(unlinkat(dir, names[0], 0), 0);
	cr_assert_eq(linkat(dir, names[1], dir, names[0], 0), 0);
	must_fail(master, ERR_MALFORMED, "ready.sealed");
}

Test(
    keys_purpose, a_lost_file_is_not_made_anew, .init = setup, .fini = teardown)
{
	struct keys_set s;

	must_open(&s);
	keys_set_clear(&s);
	cr_assert_eq(unlinkat(dir, names[1], 0), 0);
	must_fail(master, ERR_NOT_FOUND, "pending.sealed is missing");
	cr_expect_neq(faccessat(dir, names[1], F_OK, 0), 0);
}

/* Killed in the middle of the first start: half a temporary file, some of the
   keys, no mark that all are there. */
Test(keys_purpose, a_first_start_that_broke_off_is_finished, .init = setup,
    .fini = teardown)
{
	struct keys_set s;
	struct secret *kept;
	int fd;

	must_open(&s);
	kept = secret_from(secret_span(s.priv[SEALED_READY]));
	keys_set_clear(&s);
	cr_assert_eq(unlinkat(dir, "complete", 0), 0);
	cr_assert_eq(unlinkat(dir, names[2], 0), 0);
	fd = openat(dir, ".tmp.0123456789abcdef", O_CREAT | O_WRONLY, 0400);
	cr_assert_eq(write(fd, "SGPK", 4), 4);
	close(fd);
	must_open(&s);
	cr_expect(secret_eq(kept, s.priv[SEALED_READY]));
	cr_expect_eq(faccessat(dir, "complete", F_OK, 0), 0);
	cr_expect_neq(faccessat(dir, ".tmp.0123456789abcdef", F_OK, 0), 0);
	keys_set_clear(&s);
	secret_free(kept);
}

Test(keys_purpose, says_when_it_cannot_write, .init = setup, .fini = teardown)
{
	struct keys_set s;
	struct err_why why = {""};
	int null = open("/dev/null", O_RDONLY);

	cr_expect_neq(keys_set_open(null, master, &s, &why), ERR_OK);
	cr_expect_neq(why.text[0], '\0');
	keys_set_clear(&s);
	close(null);
}

Test(keys_purpose, the_public_half_is_there_for_others, .init = setup,
    .fini = teardown)
{
	struct err_why why = {""};
	struct sealed_pub pub;
	struct keys_set s;
	struct stat st;
	uint8_t octet;

	cr_expect_eq(keys_public_read(dir, &pub, &why), ERR_NOT_FOUND);
	umask(0077);
	must_open(&s);
	cr_assert_eq(keys_public_read(dir, &pub, &why), ERR_OK, "%s", why.text);
	cr_expect_eq(pub.purpose, SEALED_PRIVATE);
	cr_expect_arr_eq(pub.octets, s.pub[SEALED_PRIVATE].octets, SEALED_KEY);
	cr_assert_eq(fstatat(dir, "public", &st, 0), 0);
	cr_expect_eq(st.st_mode & 0777, 0444);
	/* another octet than the one there, which chance made */
	octet = (uint8_t)(pub.octets[0] ^ 1);
	keys_set_clear(&s);
	/* one that was exchanged is noticed before anything is sealed to it */
	write_over("public", PUBLIC_HEAD, &octet, 1);
	must_fail(master, ERR_MALFORMED, "keys/public is not");
	octet = SEALED_NONE;
	write_over("public", PUBLIC_HEAD - 1, &octet, 1);
	cr_expect_eq(keys_public_read(dir, &pub, &why), ERR_MALFORMED);
	must_fail(master, ERR_MALFORMED, "keys/public");
}

Test(keys_purpose, a_state_from_before_it_gets_its_pair, .init = setup,
    .fini = teardown)
{
	struct keys_set first, second;

	must_open(&first);
	cr_assert_eq(unlinkat(dir, "public", 0), 0);
	cr_assert_eq(unlinkat(dir, "private.sealed", 0), 0);
	must_open(&second);
	cr_expect_arr_eq(first.pub[SEALED_READY].octets,
	    second.pub[SEALED_READY].octets, SEALED_KEY);
	keys_set_clear(&first);
	keys_set_clear(&second);
	/* and from then on it must be there */
	cr_assert_eq(unlinkat(dir, "private.sealed", 0), 0);
	must_fail(master, ERR_NOT_FOUND, "keys/private.sealed is missing");
}

/* What a directory of this key holds is what it held before. */
static void
must_be_same(const struct secret *key, const struct keys_set *want)
{
	struct keys_set s;
	struct err_why why;

	cr_assert_eq(open_set(key, &s, &why), ERR_OK, "%s", why.text);
	for (int i = SEALED_READY; i <= SEALED_PRIVATE; i++) {
		if (i == SEALED_WRAP)
			continue;
		cr_expect_arr_eq(
		    s.pub[i].octets, want->pub[i].octets, SEALED_KEY);
		cr_expect(secret_eq(s.priv[i], want->priv[i]));
	}
	keys_set_clear(&s);
}

Test(keys_purpose, another_master_key_wraps_the_same_pairs, .init = setup,
    .fini = teardown)
{
	struct secret *other = secret_random(KEYS_MASTER);
	struct err_why why = {""};
	struct keys_set s;
	struct stat st;

	must_open(&s);
	cr_assert_eq(
	    keys_set_rewrap(dir, master, other, &why), ERR_OK, "%s", why.text);
	must_be_same(other, &s);
	must_fail(master, ERR_MASTER_KEY, "not the master key");
	for (size_t i = 0; i < N(names); i++) {
		cr_assert_eq(fstatat(dir, names[i], &st, 0), 0);
		cr_expect_eq(st.st_mode & 0777, 0400, "%s", names[i]);
	}
	/* done already is done */
	cr_expect_eq(keys_set_rewrap(dir, master, other, &why), ERR_OK);
	must_be_same(other, &s);
	keys_set_clear(&s);
	secret_free(other);
}

static void
copy_file(const char *name, uint8_t file[1024], size_t *len, bool back)
{
	int fd;

	if (back) {
		cr_assert_eq(fchmodat(dir, name, 0600, 0), 0);
		fd = openat(dir, name, O_WRONLY);
		cr_assert_eq(write(fd, file, *len), (ssize_t)*len);
	} else {
		fd = openat(dir, name, O_RDONLY);
		*len = (size_t)read(fd, file, 1024);
	}
	close(fd);
}

/* Whichever files were done when it was interrupted. */
Test(keys_purpose, an_interrupted_change_is_ended, .init = setup,
    .fini = teardown)
{
	struct secret *other = secret_random(KEYS_MASTER);
	struct err_why why = {""};
	uint8_t before[N(names)][1024], after[N(names)][1024];
	size_t n_before[N(names)], n_after[N(names)];
	struct keys_set s;

	must_open(&s);
	for (size_t i = 0; i < N(names); i++)
		copy_file(names[i], before[i], &n_before[i], false);
	cr_assert_eq(keys_set_rewrap(dir, master, other, &why), ERR_OK);
	for (size_t i = 0; i < N(names); i++)
		copy_file(names[i], after[i], &n_after[i], false);
	for (unsigned done = 0; done < 1U << N(names); done++) {
		for (size_t i = 0; i < N(names); i++) {
			bool is_new = (done >> i & 1) != 0;

			copy_file(names[i], is_new ? after[i] : before[i],
			    is_new ? &n_after[i] : &n_before[i], true);
		}
		cr_assert_eq(keys_set_rewrap(dir, master, other, &why), ERR_OK,
		    "%u: %s", done, why.text);
		must_be_same(other, &s);
	}
	keys_set_clear(&s);
	secret_free(other);
}

Test(keys_purpose, a_change_begins_only_when_all_opens, .init = setup,
    .fini = teardown)
{
	struct secret *other = secret_random(KEYS_MASTER);
	struct secret *third = secret_random(KEYS_MASTER);
	struct err_why why = {""};
	struct keys_set s;
	uint8_t octet = 0, file[1024], now[1024];
	size_t len, len_now;

	must_open(&s);
	copy_file(names[0], file, &len, false);
	cr_expect_eq(keys_set_rewrap(dir, third, other, &why), ERR_MASTER_KEY);
	write_over(names[3], 0, &octet, 1);
	cr_expect_eq(keys_set_rewrap(dir, master, other, &why), ERR_MALFORMED);
	cr_expect_not_null(strstr(why.text, "private.sealed"));
	cr_assert_eq(unlinkat(dir, names[3], 0), 0);
	cr_expect_eq(keys_set_rewrap(dir, master, other, &why), ERR_NOT_FOUND);
	copy_file(names[0], now, &len_now, false);
	cr_expect_eq(len, len_now);
	cr_expect_arr_eq(file, now, len);
	keys_set_clear(&s);
	secret_free(other);
	secret_free(third);
}
