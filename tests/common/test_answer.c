/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers as the gateway opens them. That a browser seals them alike is shown
 * by tests/e2e/test_pickup_answer.py.
 */
#include "common/answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "common/stream.h"

static struct sealed_pub pub;
static struct secret *priv, *key;
static uint8_t head[ANSWER_HEADER_SIZE];

static void
put_size(uint64_t size)
{
	for (unsigned i = 0; i < 8; i++)
		head[56 + i] = (uint8_t)(size >> (56 - 8 * i));
}

static void
start(void)
{
	struct secret *from, *other;
	struct sealed_pub ephemeral;

	secret_init();
	stream_init();
	from = secret_random(SEALED_KEY);
	other = secret_random(SEALED_KEY);
	cr_assert_eq(answer_pair(from, &pub, &priv), ERR_OK);
	cr_assert_eq(answer_pair(other, &ephemeral, &key), ERR_OK);
	secret_free(key);
	secret_free(other);
	secret_free(from);
	memcpy(head, "SGANSWER", 8);
	memset(head + 8, 7, OBJECT_ID_SIZE);
	memcpy(head + 24, ephemeral.octets, SEALED_KEY);
}

static void
end(void)
{
	secret_free(priv);
}

TestSuite(answer, .init = start, .fini = end);

static uint8_t *
seal(const uint8_t *text, uint64_t size, size_t *len)
{
	static const uint8_t prefix[STREAM_PREFIX] = {0, 0, 0, 0, 0, 0, 3};
	uint8_t *out = calloc(1, answer_total_size(size) + 1);
	uint64_t n = stream_chunks(size);
	struct stream *s;

	put_size(size);
	memcpy(out, head, sizeof(head));
	cr_assert_eq(
	    answer_key(&pub, priv, SPAN(head, sizeof(head)), &key), ERR_OK);
	s = stream_new(key, prefix, SPAN(head, sizeof(head)));
	for (uint64_t i = 0; i < n; i++) {
		size_t part =
		    i + 1 < n ? STREAM_CHUNK : size - (size_t)i * STREAM_CHUNK;

		cr_assert_eq(stream_seal(s, (uint32_t)i, i + 1 == n,
				 SPAN(text + i * STREAM_CHUNK, part),
				 out + ANSWER_HEADER_SIZE +
				     i * (STREAM_CHUNK + STREAM_TAG)),
		    ERR_OK);
	}
	stream_free(s);
	*len = answer_total_size(size);
	return out;
}

Test(answer, opens_whole_or_not_at_all)
{
	static const size_t sizes[] = {1, 65535, 65536, 65537, 200000};
	uint8_t *text = malloc(200000);

	for (size_t i = 0; i < 200000; i++)
		text[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct memfd_map map = {0};
		size_t len;
		uint8_t *sealed = seal(text, sizes[i], &len);
		int fd = -1;

		cr_assert_eq(answer_open(key, SPAN(sealed, len), &fd), ERR_OK);
		cr_assert_eq(
		    memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &map), ERR_OK);
		cr_expect(
		    span_eq(map.data, SPAN(text, sizes[i])), "%zu", sizes[i]);
		memfd_unmap(&map);
		close(fd);
		fd = -1;
		cr_expect_eq(answer_open(key, SPAN(sealed, len - 1), &fd),
		    ERR_MALFORMED);
		cr_expect_eq(answer_open(key, SPAN(sealed, len + 1), &fd),
		    ERR_MALFORMED);
		sealed[len - 1] ^= 1;
		cr_expect_eq(
		    answer_open(key, SPAN(sealed, len), &fd), ERR_BAD_SEAL);
		sealed[len - 1] ^= 1;
		sealed[10] ^= 1;
		cr_expect_eq(
		    answer_open(key, SPAN(sealed, len), &fd), ERR_BAD_SEAL);
		cr_expect_eq(fd, -1);
		free(sealed);
		secret_free(key);
	}
	free(text);
}

Test(answer, each_has_a_key_of_its_own)
{
	struct secret *a, *b;

	put_size(5);
	cr_assert_eq(
	    answer_key(&pub, priv, SPAN(head, sizeof(head)), &a), ERR_OK);
	head[9] ^= 1;
	cr_assert_eq(
	    answer_key(&pub, priv, SPAN(head, sizeof(head)), &b), ERR_OK);
	cr_expect(!secret_eq(a, b));
	secret_free(a);
	secret_free(b);
	/* a point that gives everybody the same secret */
	memset(head + 24, 0, SEALED_KEY);
	cr_expect_eq(
	    answer_key(&pub, priv, SPAN(head, sizeof(head)), &a), ERR_BAD_SEAL);
}

Test(answer, refuses_what_is_no_header)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		size_t len;
		enum err want;
	} rows[] = {
	    {"as it is", 0, 'S', 64, ERR_OK},
	    {"another object", 8, 1, 64, ERR_OK},
	    {"another key", 24, 1, 64, ERR_OK},
	    {"larger", 62, 1, 64, ERR_OK},
	    {"magic", 0, 's', 64, ERR_MALFORMED},
	    {"end of the magic", 7, 'S', 64, ERR_MALFORMED},
	    {"cut", 0, 'S', 63, ERR_MALFORMED},
	    {"nothing", 0, 'S', 0, ERR_MALFORMED},
	    {"of no size", 63, 0, 64, ERR_MALFORMED},
	    {"too large", 56, 1, 64, ERR_MALFORMED},
	    {"too large by little", 59, 1, 64, ERR_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer_header h = {.size = 99};
		uint8_t was;

		put_size(5);
		was = head[rows[i].at];
		head[rows[i].at] = rows[i].value;
		cr_expect_eq(answer_header_parse(SPAN(head, rows[i].len), &h),
		    rows[i].want, "%s", rows[i].name);
		cr_expect(
		    rows[i].want == ERR_OK || h.size == 99, "%s", rows[i].name);
		head[rows[i].at] = was;
	}
}
