/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A forged verdict is looked for in every form in which some reader might take
 * it for ours: any case, folding and comments, quoted and encoded names, lines
 * that are fields to lenient parsers only. RFC 8601 sections 2.2 and 5.
 */
#include "mime/verdict_fields.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/addr.h"
#include "mime/header.h"
#include "mime/subject_tag.h"

enum {
	FIELDS_MEMORY = 1024 * 1024, /* the index of LIMIT_HEADER_FIELDS */
	NAME_MEMORY = 16 * 1024,     /* a domain name on its way */
	LINE_WANT = 76,
};

static const char prefix[] = "Sealgate-";
static const char results[] = "Authentication-Results";

/* --- whose name stands in it --- */

/* Position behind blanks and comments (RFC 5322 3.2.2) at pos. */
static size_t
skip_cfws(struct span s, size_t pos)
{
	size_t depth = 0;

	for (; pos < s.len; pos++) {
		uint8_t c = s.data[pos];

		if (depth > 0 && c == '\\')
			pos++;
		else if (c == '(')
			depth++;
		else if (depth > 0 && c == ')')
			depth--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
			 c != '\n')
			break;
	}
	return pos < s.len ? pos : s.len;
}

/* The authserv-id, unquoted, appended to out; false if there is none. */
static bool
read_id(struct span s, struct buf *out)
{
	size_t i = skip_cfws(s, 0);
	bool quoted = i < s.len && s.data[i] == '"';

	for (i += quoted ? 1 : 0; i < s.len; i++) {
		uint8_t c = s.data[i];

		if (quoted && c == '"')
			return out->len > 0;
		if (quoted && c == '\\' && i + 1 < s.len)
			c = s.data[++i];
		else if (!quoted && (c <= ' ' || c == ';' || c == '('))
			break;
		if (c == '\r' || c == '\n')
			continue;
		if (buf_putc(out, c) != ERR_OK)
			return false;
	}
	return !quoted && out->len > 0;
}

/* The same name in another writing: case, a dot at its end, U-labels. */
static bool
is_name(struct span id, const char *own)
{
	struct arena *a;
	const char *name;
	bool same = span_caseeq_str(id, own);

	if (!same && id.len > 0 && id.data[id.len - 1] == '.')
		same = span_caseeq_str(SPAN(id.data, id.len - 1), own);
	if (same)
		return true;
	a = arena_new(NAME_MEMORY);
	same = a != NULL && mime_domain_parse(id, a, &name, NULL) == ERR_OK &&
	       strcmp(name, own) == 0;
	arena_free(a);
	return same;
}

static bool
contains_name(struct span s, const char *own)
{
	size_t len = strlen(own);

	for (size_t i = 0; i + len <= s.len; i++)
		if (span_starts_caseeq(SPAN(s.data + i, s.len - i), own))
			return true;
	return false;
}

/* In doubt it is. */
static bool
names_us(struct span value, const char *own)
{
	struct buf id;
	bool ours;

	buf_init(&id, LIMIT_FIELD_SIZE);
	ours = read_id(value, &id) ? is_name(buf_span(&id), own)
				   : contains_name(value, own);
	buf_clear(&id);
	return ours;
}

static bool
results_are_ours(struct span value, const char *own)
{
	struct buf text;
	bool ours = names_us(value, own);

	if (ours)
		return true;
	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	ours = mime_header_decode(value, &text) != ERR_OK ||
	       names_us(buf_span(&text), own);
	buf_clear(&text);
	return ours;
}

bool
mime_verdict_is_ours(const struct mime_field *f, const char *authserv_id)
{
	if (span_starts_caseeq(f->name, prefix))
		return true;
	return span_caseeq_str(f->name, results) &&
	       results_are_ours(f->value, authserv_id);
}

/* --- what others found --- */

enum { DKIM_FAIL = 1, DKIM_PASS = 2, FORGED = 4 };

/* One "method=result" of a field. */
static unsigned
look_at_result(struct span s)
{
	static const char *const bad[] = {"dmarc=fail", "spf=fail"};

	for (size_t i = 0; i < 2; i++)
		if (span_starts_caseeq(s, bad[i]))
			return FORGED;
	if (span_starts_caseeq(s, "dkim=pass"))
		return DKIM_PASS;
	return span_starts_caseeq(s, "dkim=fail") ? DKIM_FAIL : 0;
}

static unsigned
look_at_results(struct span v)
{
	unsigned found = 0;

	for (size_t pos = span_find_chr(v, 0, ';'); pos < v.len;
	     pos = span_find_chr(v, pos, ';')) {
		pos = skip_cfws(v, pos + 1);
		found |= look_at_result(SPAN(v.data + pos, v.len - pos));
	}
	return found;
}

bool
mime_verdict_says_forged(const struct mime_header *h, const char *authserv_id)
{
	const struct mime_field *f = NULL;
	unsigned found = 0;

	while ((f = mime_header_find(h, results, f)) != NULL)
		if (results_are_ours(f->value, authserv_id))
			found |= look_at_results(f->value);
	return (found & FORGED) != 0 ||
	       ((found & DKIM_FAIL) != 0 && (found & DKIM_PASS) == 0);
}

/* --- lines that are no fields --- */

/* The line at pos with its continuations. */
static struct span
folded_line(struct span in, size_t pos)
{
	size_t end = pos;

	do {
		end = span_find_chr(in, end, '\n');
		end += end < in.len ? 1 : 0;
	} while (end < in.len && (in.data[end] == ' ' || in.data[end] == '\t'));
	return SPAN(in.data + pos, end - pos);
}

/* Would a reader who overlooks control characters and blanks in a name take
   it for one of ours? */
static bool
looks_like_ours(struct span line)
{
	char name[sizeof(results)];
	size_t n = 0;

	for (size_t i = 0; i < line.len && line.data[i] != ':'; i++) {
		uint8_t c = line.data[i];

		if (c <= ' ' || c >= 0x7f)
			continue;
		if (n == sizeof(name) - 1)
			break;
		name[n++] = (char)c;
	}
	return span_starts_caseeq(SPAN(name, n), prefix) ||
	       span_caseeq_str(SPAN(name, n), results);
}

/* --- the header --- */

struct strip {
	const struct mime_verdict_own *own;
	struct buf *out;
	unsigned removed;
};

static enum err
strip_field(struct strip *s, const struct mime_field *f)
{
	bool changed = false;
	enum err e;

	if (mime_verdict_is_ours(f, s->own->authserv_id)) {
		s->removed++;
		return ERR_OK;
	}
	if (s->own->n_tags > 0 && span_caseeq_str(f->name, "Subject")) {
		e = mime_subject_strip_field(
		    f, s->own->tags, s->own->n_tags, s->out, &changed);
		s->removed += changed ? 1 : 0;
		if (e != ERR_OK || changed)
			return e;
	}
	return buf_put(s->out, f->whole);
}

/* first: nothing stands in front of it but what we are going to put there. */
static enum err
strip_line(struct strip *s, struct span line, bool first)
{
	bool goes_on = line.data[0] == ' ' || line.data[0] == '\t';

	if ((first && goes_on) || looks_like_ours(line)) {
		s->removed++;
		return ERR_OK;
	}
	return buf_put(s->out, line);
}

enum err
mime_verdict_strip(struct span msg, const struct mime_verdict_own *own,
    struct buf *out, struct span *rest, unsigned *removed)
{
	struct arena *a = arena_new(FIELDS_MEMORY);
	struct strip s = {own, out, 0};
	struct mime_header h = {.no_end = true};
	struct span line;
	size_t pos = 0, mark = out->len;
	enum err e = a == NULL ? ERR_NOMEM : ERR_OK;

	while (e == ERR_OK && h.no_end && pos < msg.len) {
		arena_reset(a);
		e = mime_header_parse(
		    SPAN(msg.data + pos, msg.len - pos), a, &h, NULL);
		for (size_t i = 0; e == ERR_OK && i < h.n; i++)
			e = strip_field(&s, &h.fields[i]);
		if (e != ERR_OK)
			break;
		pos += h.whole.len;
		if (!h.no_end)
			break;
		line = folded_line(msg, pos);
		e = strip_line(&s, line, pos == 0);
		pos += line.len;
	}
	arena_free(a);
	if (e != ERR_OK) {
		out->len = mark;
		return e;
	}
	*rest = SPAN(msg.data + pos, msg.len - pos);
	*removed = s.removed;
	return ERR_OK;
}

/* --- ours --- */

enum err
mime_verdict_put(struct buf *out, const char *name, const char *value)
{
	size_t mark = out->len, line = strlen(name) + 1;
	struct span v = span_str(value), word;
	enum err e = buf_printf(out, "%s:", name);

	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] < ' ' || v.data[i] > '~')
			e = ERR_USAGE;
	for (size_t pos = 0, end; e == ERR_OK && pos < v.len; pos = end) {
		end = span_find_chr(v, pos, ';');
		end += end < v.len ? 1 : 0;
		word = span_trim(SPAN(v.data + pos, end - pos));
		if (pos > 0 && line + 1 + word.len > LINE_WANT) {
			e = buf_puts(out, "\r\n\t");
			line = 8;
		} else {
			e = buf_putc(out, ' ');
			line++;
		}
		if (e == ERR_OK)
			e = buf_put(out, word);
		line += word.len;
	}
	if (e == ERR_OK)
		e = buf_puts(out, "\r\n");
	if (e != ERR_OK)
		out->len = mark;
	return e;
}
