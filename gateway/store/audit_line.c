/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * {"seq":N,"time":"…","prev":"HEX","rec":{…},"hash":"HEX"}: the frame has one
 * spelling only, so that a line is either this or malformed.
 */
#include "gateway/store/audit_line.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

enum {
	HEX = 2 * DIGEST_SIZE,
	TAIL = 9 + HEX + 2, /* ,"hash":"HEX"} */
	NAME_DIGITS = 16,
};

enum err
store_line_make(uint64_t seq, uint64_t now_ms, const uint8_t prev[DIGEST_SIZE],
    struct span rec, struct buf *out, uint8_t hash_out[DIGEST_SIZE])
{
	char time[TEXT_TIME_SIZE], hex[HEX + 1];
	uint8_t hash[DIGEST_SIZE];
	size_t from = out->len;
	struct span body;
	enum err e;

	text_time_ms(now_ms, time);
	text_hex(SPAN(prev, DIGEST_SIZE), hex);
	e = buf_printf(out,
	    "{\"seq\":%llu,\"time\":\"%s\",\"prev\":\"%s\","
	    "\"rec\":",
	    (unsigned long long)seq, time, hex);
	if (e == ERR_OK)
		e = buf_put(out, rec);
	if (e != ERR_OK)
		return e;
	body = SPAN(out->data + from, out->len - from);
	digest_sha256(&body, 1, hash);
	text_hex(SPAN(hash, DIGEST_SIZE), hex);
	e = buf_printf(out, ",\"hash\":\"%s\"}", hex);
	if (e == ERR_OK)
		memcpy(hash_out, hash, DIGEST_SIZE);
	return e;
}

/* Take a literal or a number of octets from the front. */
static bool
take(struct span *s, const char *lit)
{
	size_t n = strlen(lit);

	if (s->len < n || memcmp(s->data, lit, n) != 0)
		return false;
	*s = SPAN(s->data + n, s->len - n);
	return true;
}

static struct span
cut(struct span *s, size_t n)
{
	struct span got = SPAN(s->data, n < s->len ? n : s->len);

	*s = SPAN(s->data + got.len, s->len - got.len);
	return got;
}

/* Lower case only: a digest has one spelling. */
static bool
take_digest(struct span *s, uint8_t out[DIGEST_SIZE])
{
	struct span hex = cut(s, HEX);

	for (size_t i = 0; i < hex.len; i++)
		if (hex.data[i] >= 'A' && hex.data[i] <= 'F')
			return false;
	return text_unhex(hex, out, DIGEST_SIZE) == ERR_OK;
}

enum err
store_line_parse(struct span line, struct store_line *out)
{
	struct store_line l = {0};
	struct span rest = line, digits;

	if (line.len < TAIL || line.len > STORE_LINE_MAX ||
	    !take(&rest, "{\"seq\":"))
		return ERR_MALFORMED;
	digits = cut(&rest, span_find_chr(rest, 0, ','));
	if (digits.len == 0 || (digits.len > 1 && digits.data[0] == '0') ||
	    text_number(digits, 1, UINT64_MAX, &l.seq) != ERR_OK ||
	    !take(&rest, ",\"time\":\""))
		return ERR_MALFORMED;
	l.time = cut(&rest, TEXT_TIME_SIZE - 1);
	if (!take(&rest, "\",\"prev\":\"") || !take_digest(&rest, l.prev) ||
	    !take(&rest, "\",\"rec\":") || rest.len < TAIL)
		return ERR_MALFORMED;
	l.rec = cut(&rest, rest.len - TAIL);
	if (!take(&rest, ",\"hash\":\"") || !take_digest(&rest, l.hash) ||
	    !take(&rest, "\"}"))
		return ERR_MALFORMED;
	*out = l;
	return ERR_OK;
}

void
store_line_hash(struct span line, uint8_t out[DIGEST_SIZE])
{
	struct span body =
	    SPAN(line.data, line.len < TAIL ? 0 : line.len - TAIL);

	digest_sha256(&body, 1, out);
}

struct span
store_line_signed(uint64_t seq, struct span time,
    const uint8_t prev[DIGEST_SIZE], const uint8_t *new_key,
    char out[STORE_SIGNED_MAX])
{
	char hex[HEX + 1], key[2 * SIGN_PUB + 1] = "";
	int n;

	text_hex(SPAN(prev, DIGEST_SIZE), hex);
	if (new_key != NULL)
		text_hex(SPAN(new_key, SIGN_PUB), key);
	n = snprintf(out, STORE_SIGNED_MAX,
	    "sealgate %s 1\n%llu\n%.*s\n%s\n%s\n",
	    new_key == NULL ? "audit-checkpoint" : "audit-key",
	    (unsigned long long)seq, (int)time.len, (const char *)time.data,
	    hex, key);
	return SPAN(out, (size_t)n);
}

void
store_audit_file_name(uint64_t first_seq, char out[STORE_AUDIT_NAME])
{
	snprintf(out, STORE_AUDIT_NAME, "audit-%0*llu.jsonl", NAME_DIGITS,
	    (unsigned long long)first_seq);
}

uint64_t
store_audit_file_seq(const char *name)
{
	char again[STORE_AUDIT_NAME];
	uint64_t seq;

	if (strlen(name) < 6 + NAME_DIGITS ||
	    text_number(SPAN(name + 6, NAME_DIGITS), 1, UINT64_MAX, &seq) !=
		ERR_OK)
		return 0;
	store_audit_file_name(seq, again);
	return strcmp(again, name) == 0 ? seq : 0;
}
