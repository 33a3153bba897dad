/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * "~" base64url(sealed address) "~". The address is padded, so that its length
 * says little. What a peer or a rule wrote is searched for addresses, too: it
 * is better to take one too many for an address than one too few.
 */
#include "gateway/store/audit_pseudonym.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/siv.h"
#include "common/text.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_terms.h"

enum {
	PAD = 16,
	ADDR_MAX = 1024, /* what is longer is no address */
	SEALED_MAX = SIV_OVERHEAD + ADDR_MAX + PAD,
	TEXT_MAX = (4 * SEALED_MAX + 2) / 3 + 1,
};

static const struct span mark = {(const uint8_t *)"~", 1};

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

enum err
store_pseudonym_of(const struct secret *key, struct span addr, struct buf *out)
{
	uint8_t plain[ADDR_MAX + PAD] = {0};
	char text[TEXT_MAX];
	size_t padded = (addr.len + PAD - 1) / PAD * PAD;
	struct buf sealed;
	enum err e;

	if (addr.len > ADDR_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < addr.len; i++)
		plain[i] = lower(addr.data[i]);
	buf_init(&sealed, SEALED_MAX);
	e = siv_seal(key, SPAN(plain, padded), &sealed);
	if (e == ERR_OK) {
		text_base64url(buf_span(&sealed), text);
		e = buf_put(out, mark);
	}
	if (e == ERR_OK)
		e = buf_puts(out, text);
	if (e == ERR_OK)
		e = buf_put(out, mark);
	buf_clear(&sealed);
	return e;
}

/* --- and back --- */

/* text: between two marks. */
static enum err
put_back(const struct secret *key, struct span text, struct buf *out)
{
	uint8_t sealed[SEALED_MAX];
	size_t len = text.len * 3 / 4;
	struct buf plain;
	enum err e = ERR_BAD_SEAL;

	buf_init(&plain, SEALED_MAX);
	if (len <= SEALED_MAX && text_unbase64url(text, sealed, len) == ERR_OK)
		e = siv_open(key, SPAN(sealed, len), &plain);
	while (plain.len > 0 && plain.data[plain.len - 1] == 0)
		plain.len--;
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&plain));
	buf_clear(&plain);
	return e;
}

enum err
store_pseudonym_resolve(
    const struct secret *key, struct span text, struct buf *out)
{
	size_t at = 0;
	enum err e = ERR_OK;

	while (e == ERR_OK && at < text.len) {
		size_t from = span_find_chr(text, at, '~');
		size_t to = span_find_chr(text, from + 1, '~');

		e = buf_put(out, SPAN(text.data + at, from - at));
		at = from;
		if (e != ERR_OK || from == text.len)
			break;
		if (to < text.len) {
			e = put_back(key,
			    SPAN(text.data + from + 1, to - from - 1), out);
			if (e == ERR_OK) {
				at = to + 1;
				continue;
			}
		}
		/* not one of ours: the next mark may begin one */
		if (e == ERR_OK || e == ERR_BAD_SEAL || e == ERR_MALFORMED)
			e = buf_put(out, mark);
		at = from + 1;
	}
	return e;
}

/* --- records --- */

/* What is done with a value. */
enum treatment {
	SEARCH = 0, /* for addresses */
	WHOLE,	    /* an address, and nothing else, if there is an @ in it */
	NAME,	    /* whatever it is */
	KEEP,
	HOST,	/* a URL: its path may hold an address, or a digest of one */
	REMARK, /* SEARCH; may name the recipient without a domain */
};

static enum treatment
treatment_of(struct span member)
{
	static const struct {
		const char *member;
		enum treatment t;
	} rows[] = {
	    {"from", WHOLE},
	    {"to", WHOLE},
	    {"rcpt", WHOLE},
	    {"rcpts", WHOLE},
	    {"addr", WHOLE},
	    {"user", NAME},
	    {"url", HOST},
	    {"reply", REMARK},
	    {"reason", REMARK},
	    {"why", REMARK},
	    /* words of the configuration and names of messages */
	    {"rule", KEEP},
	    {"decider", KEEP},
	    {"ladder", KEEP},
	    {"raising", KEEP},
	    {"name", KEEP},
	    {"file", KEEP},
	    {"message-id", KEEP},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (span_eq_str(member, rows[i].member))
			return rows[i].t;
	return SEARCH;
}

struct rewrite {
	const struct secret *key;
	struct span rec;
	size_t done;	  /* octets of rec that are copied */
	bool mask;	  /* there is no room for pseudonyms */
	struct buf local; /* of the recipient that the record is about */
	struct buf value; /* that takes the place of another */
	struct buf *out;
	enum err err;
};

static void
put(struct rewrite *w, struct span s)
{
	if (w->err == ERR_OK && s.len > 0)
		w->err = buf_put(&w->value, s);
}

static void
put_pseudonym(struct rewrite *w, struct span addr)
{
	if (w->err != ERR_OK || addr.len == 0)
		return;
	if (w->key == NULL)
		w->err = ERR_BUSY;
	else if (w->mask || addr.len > ADDR_MAX)
		put(w, mark);
	else
		w->err = store_pseudonym_of(w->key, addr, &w->value);
}

static bool
is_word(struct span s, size_t i)
{
	uint8_t c = i < s.len ? s.data[i] : ' ';

	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
	       c >= 0x80;
}

/* Without the recipient's local part where it is a word of its own. */
static void
put_remark(struct rewrite *w, struct span s)
{
	struct span local = buf_span(&w->local);
	size_t from = 0;

	for (size_t i = 0; local.len > 0 && i + local.len <= s.len; i++) {
		if (!store_term_eq(SPAN(s.data + i, local.len), local) ||
		    (i > 0 && is_word(s, i - 1)) || is_word(s, i + local.len))
			continue;
		put(w, SPAN(s.data + from, i - from));
		put_pseudonym(w, local);
		i += local.len - 1;
		from = i + 1;
	}
	put(w, SPAN(s.data + from, s.len - from));
}

/* An octet of a dot-atom, RFC 5322 3.2.3, RFC 6532 */
static bool
is_local(uint8_t c)
{
	return c > 0x20 && c != 0x7f && strchr("()<>[]:;@\\,\"", c) == NULL;
}

static bool
is_domain(uint8_t c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
	       c >= 0x80 || c == '-' || c == '.' || c == '_';
}

/* Where the local part before the @ begins, at or after `least`. */
static size_t
local_begin(struct span s, size_t least, size_t at)
{
	size_t i = at;

	if (i > least && s.data[i - 1] == '"') {
		for (i--; i > least; i--)
			if (s.data[i - 1] == '"' &&
			    (i - 1 == least || s.data[i - 2] != '\\'))
				return i - 1;
		return at - 1; /* it has no beginning */
	}
	while (i > least && is_local(s.data[i - 1]))
		i--;
	return i;
}

static size_t
domain_end(struct span s, size_t at)
{
	size_t i = at, close;

	if (i < s.len && s.data[i] == '[') {
		close = span_find_chr(s, i, ']');
		return close < s.len ? close + 1 : i;
	}
	while (i < s.len && is_domain(s.data[i]))
		i++;
	while (i > at && s.data[i - 1] == '.')
		i--;
	return i;
}

static void
search(struct rewrite *w, struct span s, bool remark)
{
	size_t done = 0, at = 0;

	while (w->err == ERR_OK && (at = span_find_chr(s, at, '@')) < s.len) {
		size_t from = local_begin(s, done, at);
		size_t to = domain_end(s, at + 1);
		struct span before = SPAN(s.data + done, from - done);

		if (from == at) { /* a domain */
			at++;
			continue;
		}
		if (remark)
			put_remark(w, before);
		else
			put(w, before);
		put_pseudonym(w, SPAN(s.data + from, to - from));
		done = at = to;
	}
	if (remark)
		put_remark(w, SPAN(s.data + done, s.len - done));
	else
		put(w, SPAN(s.data + done, s.len - done));
}

static void
host_of(struct rewrite *w, struct span s)
{
	size_t at = span_find(s, 0, SPAN_LIT("://"));

	at = at == s.len ? 0 : span_find_chr(s, at + 3, '/');
	put(w, SPAN(s.data, at));
}

static void
note_local(struct rewrite *w, struct span addr)
{
	size_t at = addr.len;

	while (at > 0 && addr.data[at - 1] != '@')
		at--;
	buf_reset(&w->local);
	if (at > 1 && buf_put(&w->local, SPAN(addr.data, at - 1)) != ERR_OK)
		buf_reset(&w->local);
}

static void
treat(struct rewrite *w, struct span member, struct span s)
{
	enum treatment t = treatment_of(member);
	bool is_addr = span_find_chr(s, 0, '@') < s.len;

	buf_reset(&w->value);
	if (t == WHOLE && is_addr && span_eq_str(member, "rcpt"))
		note_local(w, s);
	if (t == NAME || (t == WHOLE && is_addr))
		put_pseudonym(w, s);
	else if (t == HOST)
		host_of(w, s);
	else
		search(w, s, t == REMARK);
}

/* The text of a JSON string, quotes included. ERR_MALFORMED. */
static enum err
unquote(struct span quoted, json_t **out)
{
	json_t *j = json_loadb((const char *)quoted.data, quoted.len,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!json_is_string(j)) {
		json_decref(j);
		return ERR_MALFORMED;
	}
	*out = j;
	return ERR_OK;
}

static bool
may_need(struct rewrite *w, struct span member, struct span value)
{
	enum treatment t = treatment_of(member);

	if (t == KEEP || value.len == 0)
		return false;
	return t == NAME || t == HOST || (t == REMARK && w->local.len > 0) ||
	       span_find_chr(value, 0, '@') < value.len ||
	       span_find_chr(value, 0, '\\') < value.len;
}

static void
on_value(void *arg, const struct store_value *v)
{
	struct rewrite *w = arg;
	size_t at = (size_t)(v->text.data - w->rec.data);
	json_t *j = NULL;

	if (w->err != ERR_OK || !may_need(w, v->member, v->text))
		return;
	w->err = unquote(SPAN(v->text.data - 1, v->text.len + 2), &j);
	if (w->err == ERR_OK)
		treat(w, v->member,
		    SPAN(json_string_value(j), json_string_length(j)));
	json_decref(j);
	if (w->err == ERR_OK)
		w->err =
		    buf_put(w->out, SPAN(w->rec.data + w->done, at - w->done));
	if (w->err == ERR_OK)
		w->err = store_rec_quote(buf_span(&w->value), w->out);
	w->done = at + v->text.len;
}

static enum err
rewrite(const struct secret *key, struct span rec, bool mask, struct buf *out)
{
	struct rewrite w = {.key = key, .rec = rec, .mask = mask, .out = out};
	size_t before = out->len;

	buf_init(&w.local, ADDR_MAX);
	buf_init(&w.value, STORE_REC_MAX);
	if (!store_values_each(rec, on_value, &w) && w.err == ERR_OK)
		w.err = ERR_MALFORMED;
	if (w.err == ERR_OK)
		w.err = buf_put(out, SPAN(rec.data + w.done, rec.len - w.done));
	if (w.err == ERR_OK && out->len - before > STORE_REC_MAX)
		w.err = ERR_TOO_BIG;
	if (w.err != ERR_OK)
		out->len = before;
	buf_clear(&w.local);
	buf_clear(&w.value);
	return w.err;
}

enum err
store_pseudonym_rewrite(
    const struct secret *key, struct span rec, struct buf *out)
{
	enum err e = rewrite(key, rec, false, out);

	return e == ERR_TOO_BIG ? rewrite(key, rec, true, out) : e;
}
