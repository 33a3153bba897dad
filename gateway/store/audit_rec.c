/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Writing JSON strings (RFC 8259 7) and looking over those of others.
 */
#include "gateway/store/audit_rec.h"

#include <string.h>

#include "common/text.h"

static const struct rec_type {
	const char *name;
	const char *members;
} types[] = {
#define AUDIT_TYPE(name, members) {name, members},
#include "gateway/store/audit_types.def"
#undef AUDIT_TYPE
};

enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

static const struct rec_type *
find_type(struct span type)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (span_eq_str(type, types[i].name))
			return &types[i];
	return NULL;
}

bool
store_rec_is_type(struct span type)
{
	return find_type(type) != NULL;
}

bool
store_rec_has_member(struct span type, struct span member)
{
	const struct rec_type *t = find_type(type);
	struct span rest = span_str(t == NULL ? "" : t->members);

	while (rest.len > 0) {
		size_t n = span_find_chr(rest, 0, ' ');

		if (span_eq(SPAN(rest.data, n), member))
			return true;
		n += n < rest.len ? 1 : 0;
		rest = SPAN(rest.data + n, rest.len - n);
	}
	return false;
}

const char *
store_rec_type_at(size_t i, const char **members_out)
{
	if (i >= N_TYPES)
		return NULL;
	*members_out = types[i].members;
	return types[i].name;
}

/* Octets of the UTF-8 sequence at s[i] (RFC 3629); 0 if there is none. */
static size_t
utf8_len(struct span s, size_t i)
{
	uint8_t c = s.data[i];
	size_t n = c < 0x80   ? 1
		   : c < 0xc2 ? 0
		   : c < 0xe0 ? 2
		   : c < 0xf0 ? 3
			      : 4;
	uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

	if (c > 0xf4 || n == 0 || n > s.len - i)
		return 0;
	for (size_t k = 1; k < n; k++) {
		if (s.data[i + k] < low || s.data[i + k] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

static void
put(struct store_rec *r, struct span s)
{
	if (r->err == ERR_OK)
		r->err = buf_put(&r->b, s);
}

static void
put_char(struct store_rec *r, struct span s, size_t i, size_t n)
{
	uint8_t c = s.data[i];

	if (n == 0) {
		put(r, SPAN_LIT("\xef\xbf\xbd"));
	} else if (c == '"' || c == '\\') {
		put(r, SPAN_LIT("\\"));
		put(r, SPAN(&s.data[i], 1));
	} else if (c < 0x20 || c == 0x7f) {
		if (r->err == ERR_OK)
			r->err = buf_printf(&r->b, "\\u%04x", c);
	} else {
		put(r, SPAN(&s.data[i], n));
	}
}

static void
put_string(struct store_rec *r, struct span s)
{
	size_t plain = 0, i = 0;

	put(r, SPAN_LIT("\""));
	while (i < s.len) {
		size_t n = utf8_len(s, i);
		uint8_t c = s.data[i];

		if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			i += n;
			continue;
		}
		put(r, SPAN(s.data + plain, i - plain));
		put_char(r, s, i, n);
		i += n == 0 ? 1 : n;
		plain = i;
	}
	if (plain < s.len) /* what is empty may be nowhere */
		put(r, SPAN(s.data + plain, s.len - plain));
	put(r, SPAN_LIT("\""));
}

enum err
store_rec_quote(struct span text, struct buf *out)
{
	struct store_rec r = {.err = ERR_OK};
	struct span quoted;

	buf_init(&r.b, STORE_REC_MAX);
	put_string(&r, text);
	quoted = buf_span(&r.b);
	if (r.err == ERR_OK)
		r.err = buf_put(out, SPAN(quoted.data + 1, quoted.len - 2));
	buf_clear(&r.b);
	return r.err;
}

static void
put_name(struct store_rec *r, const char *name)
{
	put(r, SPAN_LIT(",\""));
	put(r, span_str(name));
	put(r, SPAN_LIT("\":"));
}

void
store_rec_begin(struct store_rec *r, const char *type)
{
	r->err = ERR_OK;
	buf_init(&r->b, STORE_REC_MAX);
	put(r, SPAN_LIT("{\"type\":"));
	put_string(r, span_str(type));
}

void
store_rec_str(struct store_rec *r, const char *name, const char *text)
{
	put_name(r, name);
	put_string(r, span_str(text));
}

void
store_rec_num(struct store_rec *r, const char *name, uint64_t n)
{
	put_name(r, name);
	if (r->err == ERR_OK)
		r->err = buf_printf(&r->b, "%llu", (unsigned long long)n);
}

void
store_rec_id(struct store_rec *r, const char *name, uint64_t id)
{
	char text[TEXT_ID_SIZE];

	text_id(id, text);
	store_rec_str(r, name, text);
}

void
store_rec_hex(struct store_rec *r, const char *name, struct span octets)
{
	static const char digits[] = "0123456789abcdef";

	put_name(r, name);
	put(r, SPAN_LIT("\""));
	for (size_t i = 0; i < octets.len; i++) {
		uint8_t c = octets.data[i];
		char two[2] = {digits[c >> 4], digits[c & 15]};

		put(r, SPAN(two, 2));
	}
	put(r, SPAN_LIT("\""));
}

enum err
store_rec_end(struct store_rec *r, struct span *out)
{
	put(r, SPAN_LIT("}"));
	if (r->err == ERR_OK)
		*out = buf_span(&r->b);
	return r->err;
}

void
store_rec_clear(struct store_rec *r)
{
	buf_clear(&r->b);
}

/* The position behind the string that begins at i; 0 when it does not end. */
static size_t
skip_string(struct span s, size_t i)
{
	for (i++; i < s.len; i++) {
		if (s.data[i] == '\\')
			i++;
		else if (s.data[i] == '"')
			return i + 1;
	}
	return 0;
}

static bool
starts_with(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq(SPAN(s.data, prefix.len), prefix);
}

/* {"type":"T" with a type that there is, and none of the log's own. */
static bool
begins_well(struct span s)
{
	static const char begin[] = "{\"type\":\"";
	struct span type;

	if (!starts_with(s, SPAN_LIT(begin)))
		return false;
	type = SPAN(s.data + sizeof(begin) - 1, s.len - sizeof(begin) + 1);
	type.len = span_find_chr(type, 0, '"');
	return store_rec_is_type(type) &&
	       !starts_with(type, SPAN_LIT("audit-"));
}

bool
store_rec_is_sound(struct span s)
{
	char open[STORE_REC_DEPTH];
	size_t depth = 0, i = 0;

	if (s.len > STORE_REC_MAX || !begins_well(s))
		return false;
	for (size_t k = 0; k < s.len; k++)
		if (s.data[k] < 0x20)
			return false;
	while (i < s.len) {
		char c = (char)s.data[i];

		if (c == '"') {
			i = skip_string(s, i);
			if (i == 0)
				return false;
			continue;
		}
		if (c == '{' || c == '[') {
			if (depth == STORE_REC_DEPTH)
				return false;
			open[depth++] = c;
		} else if (c == '}' || c == ']') {
			if (depth == 0 ||
			    open[--depth] != (c == '}' ? '{' : '['))
				return false;
			/* the end of the object is the end of the record */
			if (depth == 0 && i + 1 != s.len)
				return false;
		}
		i++;
	}
	return depth == 0;
}
