/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages sealed to a key, opened, damaged; what a pair is used for and how
 * long. The clock is the test's. */
#include "common/clock.h"
#include "common/memfd.h"
#include "common/sealed.h"
#include "common/stream.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the place of common/clock.c. */
static uint64_t now_ms = 1000000;

uint64_t
clock_steady_ms(void)
{
	return now_ms;
}

uint64_t
clock_unix_ms(void)
{
	return now_ms;
}

static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct box {
	struct sealed_pub pub;
	struct secret *priv;
	struct secret *key;
	struct buf sealed;
	uint8_t *text;
	size_t len;
};

static void
box_make(struct box *b, size_t len)
{
	secret_init();
	cr_assert_eq(sealed_keypair(SEALED_READY, &b->pub, &b->priv), ERR_OK);
	b->len = len;
	b->text = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		b->text[i] = (uint8_t)(i * 7 + i / 251);
	buf_init(&b->sealed, 1 << 20);
	cr_assert_eq(sealed_seal(&b->pub, SPAN_LIT("ad"), SPAN(b->text, len),
			 &b->sealed),
	    ERR_OK);
	cr_assert_eq(
	    sealed_content_key(&b->pub, b->priv, buf_span(&b->sealed), &b->key),
	    ERR_OK);
}

static void
box_clear(struct box *b)
{
	secret_free(b->priv);
	secret_free(b->key);
	buf_clear(&b->sealed);
	free(b->text);
}

Test(sealed, opens_to_what_was_sealed)
{
	for (size_t i = 0; i < N_SIZES; i++) {
		struct box b;
		struct buf out;
		struct memfd_map map;
		int fd;

		box_make(&b, sizes[i]);
		cr_assert_eq(b.sealed.len, sealed_size(b.len));
		buf_init(&out, 1 << 20);
		cr_assert_eq(sealed_open(b.key, SPAN_LIT("ad"),
				 buf_span(&b.sealed), &out),
		    ERR_OK, "size %zu", b.len);
		cr_assert(span_eq(buf_span(&out), SPAN(b.text, b.len)));
		cr_assert_eq(sealed_open_memfd(b.key, SPAN_LIT("ad"),
				 buf_span(&b.sealed), false, &fd),
		    ERR_OK);
		cr_assert_eq(memfd_map(fd, 1 << 20, &map), ERR_OK);
		cr_assert(span_eq(map.data, SPAN(b.text, b.len)));
		memfd_unmap(&map);
		close(fd);
		buf_clear(&out);
		box_clear(&b);
	}
}

/* How many pages of the mapping are in this process's memory. */
static size_t
resident(const void *base, size_t size)
{
	uint64_t pages[64] = {0};
	size_t n = 0, page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (off_t)((uintptr_t)base / page * sizeof(pages[0]));

	cr_assert_leq(size / page, 64u);
	cr_assert_gt(pread(fd, pages, size / page * sizeof(pages[0]), at), 0);
	close(fd);
	for (size_t i = 0; i < size / page; i++)
		n += pages[i] >> 63;
	return n;
}

Test(sealed, a_file_that_was_read_is_given_back)
{
	char path[] = "/tmp/test-sealed-XXXXXX";
	int file = mkstemp(path), fd;
	struct memfd_map map;
	struct span sealed;
	struct box b;
	void *base;

	box_make(&b, 3 * 65536);
	cr_assert_eq(
	    write(file, b.sealed.data, b.sealed.len), (ssize_t)b.sealed.len);
	base = mmap(NULL, b.sealed.len, PROT_READ, MAP_PRIVATE, file, 0);
	cr_assert_neq(base, MAP_FAILED);
	sealed = SPAN(base, b.sealed.len);
	cr_assert_eq(
	    sealed_open_memfd(b.key, SPAN_LIT("ad"), sealed, true, &fd),
	    ERR_OK);
	/* the kernel maps some around one that is touched */
	cr_expect_leq(resident(base, b.sealed.len), 16u);
	/* nothing was lost of it */
	cr_expect(span_eq(sealed, buf_span(&b.sealed)));
	cr_expect_geq(resident(base, b.sealed.len), 40u);
	cr_assert_eq(memfd_map(fd, 1 << 20, &map), ERR_OK);
	cr_expect(span_eq(map.data, SPAN(b.text, b.len)));
	memfd_unmap(&map);
	munmap(base, b.sealed.len);
	close(fd);
	close(file);
	unlink(path);
	box_clear(&b);
}

Test(sealed, any_changed_octet_is_noticed_and_yields_nothing)
{
	struct box b;
	struct buf out;
	struct secret *key;

	box_make(&b, 70000);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < b.sealed.len; i += i < 200 ? 1 : 997) {
		b.sealed.data[i] ^= 0x40;
		key = NULL;
		if (sealed_content_key(
			&b.pub, b.priv, buf_span(&b.sealed), &key) == ERR_OK)
			cr_assert_eq(sealed_open(key, SPAN_LIT("ad"),
					 buf_span(&b.sealed), &out),
			    ERR_BAD_SEAL, "octet %zu", i);
		secret_free(key);
		cr_assert_eq(out.len, 0, "octet %zu", i);
		b.sealed.data[i] ^= 0x40;
	}
	buf_clear(&out);
	box_clear(&b);
}

Test(sealed, does_not_open_when_cut_reordered_or_put_beside_other_data)
{
	struct box b;
	struct buf out;
	uint8_t *c;

	box_make(&b, 3 * 65536);
	buf_init(&out, 1 << 20);
	for (size_t n = 0; n < b.sealed.len; n += 1021)
		cr_assert_eq(sealed_open(b.key, SPAN_LIT("ad"),
				 SPAN(b.sealed.data, n), &out),
		    ERR_BAD_SEAL);
	cr_assert_eq(
	    sealed_open(b.key, SPAN_LIT("da"), buf_span(&b.sealed), &out),
	    ERR_BAD_SEAL);
	/* swap the first two chunks */
	c = malloc(65552);
	memcpy(c, b.sealed.data + SEALED_HEADER, 65552);
	memmove(b.sealed.data + SEALED_HEADER,
	    b.sealed.data + SEALED_HEADER + 65552, 65552);
	memcpy(b.sealed.data + SEALED_HEADER + 65552, c, 65552);
	free(c);
	cr_assert_eq(
	    sealed_open(b.key, SPAN_LIT("ad"), buf_span(&b.sealed), &out),
	    ERR_BAD_SEAL);
	cr_assert_eq(out.len, 0);
	buf_clear(&out);
	box_clear(&b);
}

Test(sealed, another_key_pair_or_purpose_does_not_open)
{
	struct box b;
	struct sealed_pub other;
	struct secret *priv, *key;

	box_make(&b, 10);
	cr_assert_eq(sealed_keypair(SEALED_READY, &other, &priv), ERR_OK);
	cr_assert_eq(
	    sealed_content_key(&other, priv, buf_span(&b.sealed), &key),
	    ERR_BAD_SEAL);
	b.pub.purpose = SEALED_PENDING;
	cr_assert_eq(
	    sealed_content_key(&b.pub, b.priv, buf_span(&b.sealed), &key),
	    ERR_BAD_SEAL);
	secret_free(priv);
	box_clear(&b);
}

/* The place of the ephemeral key in the header of a text just sealed, and its
   content key. */
static void
seal_one(const struct sealed_pub *pub, const struct secret *priv,
    uint8_t ephemeral[SEALED_KEY], struct secret **key)
{
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(
	    sealed_seal(pub, SPAN_LIT("ad"), SPAN_LIT("text"), &b), ERR_OK);
	memcpy(ephemeral, b.data + 24, SEALED_KEY);
	cr_assert_eq(sealed_content_key(pub, priv, buf_span(&b), key), ERR_OK);
	buf_clear(&b);
}

Test(sealed, a_pair_serves_for_a_second_and_no_two_texts_share_a_key)
{
	uint8_t ephemeral[40][SEALED_KEY], late[SEALED_KEY];
	struct secret *key[40], *other;
	struct sealed_pub pub[2];
	struct secret *priv[2];

	secret_init();
	for (int i = 0; i < 2; i++)
		cr_assert_eq(
		    sealed_keypair(SEALED_READY, &pub[i], &priv[i]), ERR_OK);
	for (int i = 0; i < 40; i++) {
		/* in turn, and then several to the same */
		int to = i < 20 ? i % 2 : 1;

		seal_one(&pub[to], priv[to], ephemeral[i], &key[i]);
		for (int k = 0; k < i; k++)
			cr_assert_not(secret_eq(key[i], key[k]), "%d %d", i, k);
		sealed_forget_old();
	}
	cr_expect_eq(memcmp(ephemeral[38], ephemeral[39], SEALED_KEY), 0);
	cr_expect_neq(memcmp(ephemeral[18], ephemeral[19], SEALED_KEY), 0);
	now_ms += 999;
	seal_one(&pub[1], priv[1], late, &other);
	cr_expect_eq(memcmp(ephemeral[39], late, SEALED_KEY), 0);
	secret_free(other);
	now_ms++;
	seal_one(&pub[1], priv[1], late, &other);
	cr_expect_neq(memcmp(ephemeral[39], late, SEALED_KEY), 0);
	secret_free(other);
	now_ms += 1000;
	sealed_forget_old();
	for (int i = 0; i < 40; i++)
		secret_free(key[i]);
	for (int i = 0; i < 2; i++)
		secret_free(priv[i]);
}

/* A version that is no more, and one that is not yet. */
Test(sealed, another_version_is_refused)
{
	static const uint8_t versions[] = {0, 1, 3, 255};
	struct box b;
	struct secret *key;

	box_make(&b, 10);
	for (size_t i = 0; i < sizeof(versions); i++) {
		b.sealed.data[4] = versions[i];
		cr_expect_eq(sealed_content_key(
				 &b.pub, b.priv, buf_span(&b.sealed), &key),
		    ERR_BAD_SEAL, "version %u", versions[i]);
	}
	box_clear(&b);
}

Test(sealed, wraps_under_a_master_key)
{
	struct secret *master, *wrong, *got;
	struct buf out;

	secret_init();
	master = secret_random(SEALED_KEY);
	wrong = secret_random(SEALED_KEY);
	buf_init(&out, 1000);
	cr_assert_eq(
	    sealed_wrap(master, SPAN_LIT("x"), SPAN_LIT("secret"), &out),
	    ERR_OK);
	cr_assert_eq(sealed_unwrap(wrong, SPAN_LIT("x"), buf_span(&out), &got),
	    ERR_BAD_SEAL);
	cr_assert_eq(sealed_unwrap(master, SPAN_LIT("y"), buf_span(&out), &got),
	    ERR_BAD_SEAL);
	cr_assert_eq(
	    sealed_unwrap(master, SPAN_LIT("x"), buf_span(&out), &got), ERR_OK);
	cr_assert(span_eq_str(secret_span(got), "secret"));
	secret_free(got);
	for (size_t i = 0; i < out.len; i++) {
		out.data[i] ^= 1;
		cr_assert_eq(
		    sealed_unwrap(master, SPAN_LIT("x"), buf_span(&out), &got),
		    ERR_BAD_SEAL, "octet %zu", i);
		out.data[i] ^= 1;
	}
	secret_free(master);
	secret_free(wrong);
	buf_clear(&out);
}
