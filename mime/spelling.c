/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Spellings of second factors, with libunistring. What passes through here is
 * secret: every copy that is made is wiped.
 */
#include "mime/spelling.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/secret.h"

enum { GROUP = 4, SIGMA_FINAL = 0x3c2, SIGMA = 0x3c3 };

/* Crockford's: without i, l, o, u, so that it can be read out. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void
drop(uint8_t *p, size_t len)
{
	if (p != NULL)
		secret_wipe(p, len);
	free(p);
}

static bool
is_text(struct span in)
{
	return in.len > 0 && u8_check(in.data, in.len) == NULL;
}

enum err
mime_spell_passphrase(struct span in, struct buf *out)
{
	size_t len = 0;
	uint8_t *nfc;
	enum err e;

	if (!is_text(in))
		return ERR_MALFORMED;
	nfc = u8_normalize(UNINORM_NFC, in.data, in.len, NULL, &len);
	if (nfc == NULL)
		return ERR_NOMEM;
	e = buf_put(out, SPAN(nfc, len));
	drop(nfc, len);
	return e;
}

/* Letters, marks and numbers. */
static bool
counts(ucs4_t c)
{
	return uc_is_general_category_withtable(
	    c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N);
}

static enum err
put_what_counts(struct span in, struct buf *out)
{
	size_t before = out->len;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < in.len;) {
		uint8_t text[6];
		ucs4_t c;
		int n = u8_mbtouc(&c, in.data + i, in.len - i);
		int put;

		i += (size_t)n;
		if (!counts(c))
			continue;
		put =
		    u8_uctomb(text, c == SIGMA_FINAL ? SIGMA : c, sizeof(text));
		e = put > 0 ? buf_put(out, SPAN(text, (size_t)put))
			    : ERR_MALFORMED;
	}
	return e == ERR_OK && out->len == before ? ERR_MALFORMED : e;
}

enum err
mime_spell_answer(struct span in, struct buf *out)
{
	size_t wide_len = 0, low_len = 0, len = 0;
	uint8_t *wide = NULL, *low = NULL, *all = NULL;
	enum err e = ERR_NOMEM;

	if (!is_text(in))
		return ERR_MALFORMED;
	wide = u8_normalize(UNINORM_NFKC, in.data, in.len, NULL, &wide_len);
	if (wide != NULL)
		low = u8_tolower(wide, wide_len, "", NULL, NULL, &low_len);
	if (low != NULL)
		all = u8_normalize(UNINORM_NFKC, low, low_len, NULL, &len);
	if (all != NULL)
		e = put_what_counts(SPAN(all, len), out);
	drop(wide, wide_len);
	drop(low, low_len);
	drop(all, len);
	return e;
}

/* The character that was meant; 0: none of the alphabet. */
static char
meant(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		c = (uint8_t)(c - 'A' + 'a');
	if (c == 'o')
		return '0';
	if (c == 'i' || c == 'l')
		return '1';
	return c != 0 && strchr(alphabet, c) != NULL ? (char)c : 0;
}

enum err
mime_spell_code(struct span in, struct buf *out)
{
	char text[MIME_SPELLING_CODE];
	size_t n = 0;
	enum err e = ERR_MALFORMED;

	for (size_t i = 0; i < in.len; i++) {
		char c = meant(in.data[i]);

		if (c == 0)
			continue;
		if (n == sizeof(text))
			goto out;
		text[n++] = c;
	}
	if (n == sizeof(text))
		e = buf_put(out, SPAN(text, n));
out:
	secret_wipe(text, sizeof(text));
	return e;
}

void
mime_spelling_make(const uint8_t *random, char *out)
{
	for (size_t i = 0; i < MIME_SPELLING_CODE; i++) {
		if (i > 0 && i % GROUP == 0)
			*out++ = '-';
		*out++ = alphabet[random[i] % 32];
	}
}
