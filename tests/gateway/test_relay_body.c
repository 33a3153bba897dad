/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What leaves has line ends that every peer takes for the same, wherever the
 * pieces it is read in begin and end.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/stream.h"
#include "gateway/entry.h"
#include "gateway/relay/body.h"

static struct sealed_pub pub;
static struct secret *priv;

static void
set_up(void)
{
	secret_init();
	digest_init();
	cr_assert_eq(sealed_keypair(SEALED_READY, &pub, &priv), ERR_OK);
}

static void
tear_down(void)
{
	secret_free(priv);
}

TestSuite(relay_body, .init = set_up, .fini = tear_down);

/* Seal, read all of it, say how that ended. */
static enum err
read_sealed(struct span text, bool *has_8bit)
{
	struct entry entry = {.kind = ENTRY_READY,
	    .from = "",
	    .from_key = "",
	    .envid = "",
	    .client = "",
	    .client_name = "",
	    .helo = "",
	    .auth_id = "",
	    .auth_from = "",
	    .trace = "",
	    .rule = "",
	    .file = "",
	    .body_size = text.len};
	struct relay_body *b = NULL;
	struct buf ad, sealed, got;
	struct span piece;
	bool last = false;
	enum err e;

	digest_sha256(&text, 1, entry.body_hash);
	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	buf_init(&sealed, LIMIT_IPC_PAYLOAD);
	buf_init(&got, LIMIT_IPC_PAYLOAD);
	cr_assert_eq(entry_pack_fixed(&entry, &ad), ERR_OK);
	cr_assert_eq(sealed_seal(&pub, buf_span(&ad), text, &sealed), ERR_OK);
	e = relay_body_open(&pub, priv, &entry, buf_span(&sealed), &b);
	while (e == ERR_OK && !last) {
		e = relay_body_next(b, &piece, &last);
		if (e == ERR_OK)
			e = buf_put(&got, piece);
	}
	if (e == ERR_OK) {
		cr_assert(span_eq(buf_span(&got), text));
		*has_8bit = relay_body_has_8bit(b);
	}
	relay_body_free(b);
	buf_clear(&ad);
	buf_clear(&sealed);
	buf_clear(&got);
	return e;
}

/* At the beginning, across the ends of words and lines, and across the end of
   a chunk. */
static enum err
read_at(size_t at, struct span text, bool *has_8bit)
{
	struct buf b;
	enum err e = ERR_OK;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	while (e == ERR_OK && b.len + 10 <= at)
		e = buf_puts(&b, "12345678\r\n");
	while (e == ERR_OK && b.len < at)
		e = buf_putc(&b, 'x');
	cr_assert_eq(e, ERR_OK);
	cr_assert_eq(buf_put(&b, text), ERR_OK);
	e = read_sealed(buf_span(&b), has_8bit);
	buf_clear(&b);
	return e;
}

#define ROW(text, err, is_8bit)                                                \
	{                                                                      \
		SPAN_LIT(text), err, is_8bit                                   \
	}

Test(relay_body, lines_end_in_crlf_and_in_nothing_else)
{
	static const struct {
		struct span text;
		enum err err;
		bool has_8bit;
	} rows[] = {
	    ROW("a\r\n", ERR_OK, false),
	    ROW("\r\n", ERR_OK, false),
	    ROW("\r\n\r\n", ERR_OK, false),
	    ROW("a\r\nb", ERR_OK, false),
	    ROW("a", ERR_OK, false),
	    ROW("\x01\x7f\r\n", ERR_OK, false),
	    ROW("\x80\r\n", ERR_OK, true),
	    ROW("abcdefghijklmnop\xff", ERR_OK, true),
	    ROW("\n", ERR_LINE_END, false),
	    ROW("a\n", ERR_LINE_END, false),
	    ROW("a\nb\r\n", ERR_LINE_END, false),
	    ROW("a\r\nb\n", ERR_LINE_END, false),
	    ROW("\r\n\n", ERR_LINE_END, false),
	    ROW("\r", ERR_LINE_END, false),
	    ROW("a\r", ERR_LINE_END, false),
	    ROW("a\r\n\r", ERR_LINE_END, false),
	    ROW("\rb\r\n", ERR_LINE_END, false),
	    ROW("\r\r\n", ERR_LINE_END, false),
	    ROW("a\r\nb\rc\r\n", ERR_LINE_END, false),
	    ROW("\n\r", ERR_LINE_END, false),
	    ROW("\0", ERR_LINE_END, false),
	    ROW("a\r\n\0\r\n", ERR_LINE_END, false),
	    ROW("a\0", ERR_LINE_END, false),
	    ROW("\r\0\n", ERR_LINE_END, false),
	};
	static const size_t at[] = {
	    0, 1, 7, 100, STREAM_CHUNK - 2, STREAM_CHUNK - 1, STREAM_CHUNK};

	for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			bool has_8bit = false;

			cr_expect_eq(read_at(at[k], rows[i].text, &has_8bit),
			    rows[i].err, "row %zu at %zu", i, at[k]);
			cr_expect_eq(has_8bit, rows[i].has_8bit,
			    "row %zu at %zu", i, at[k]);
		}
}
