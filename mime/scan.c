/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The pre-scan. What it lets through, libetpan can parse in bounded time and
 * stack: its parser descends once per nested part and per open parenthesis,
 * and looks through a nested multipart again at every level. RFC 5321 section
 * 2.3.8 (line ends), section 6.3 (loops).
 */
#include "mime/scan.h"

#include <string.h>

#include "common/limits.h"
#include "mime/utf8.h"

static bool
starts_with_blank(struct span line)
{
	return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

/* Eight octets at a time: a whole message is counted. */
static size_t
count_chr(struct span s, uint8_t c)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fULL,
		       ones = 0x0101010101010101ULL;
	size_t n = 0, i = 0;
	uint64_t w;

	for (; i + sizeof(w) <= s.len; i += sizeof(w)) {
		memcpy(&w, s.data + i, sizeof(w));
		w ^= ones * c;
		/* the top bit of each octet that was c */
		w = ~(((w & low) + low) | w | low);
		n += (w >> 7) * ones >> 56;
	}
	for (; i < s.len; i++)
		n += s.data[i] == c;
	return n;
}

/* The word anywhere in s, in any case. */
static bool
contains_word(struct span s, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= s.len; i++)
		if (span_starts_caseeq(SPAN(s.data + i, s.len - i), word))
			return true;
	return false;
}

/* What may be a field anywhere in the message: a line and the lines behind it
   that begin with a blank. */
struct run {
	size_t at;
	bool content_type;
	bool composite;
};

struct scanner {
	struct span msg;
	struct mime_scan *s;
	struct err_why *why;
	struct run run;
	size_t lf; /* line feeds seen, each behind a CR */
	unsigned
	    composites;	 /* Content-Type fields that say multipart, message */
	unsigned dashes; /* lines that begin with "--" */
	bool in_header;
};

/* libetpan takes a level of stack for each "(": a field that is short cannot
   have many. */
static void
end_run(struct scanner *c, size_t end)
{
	struct span all = SPAN(c->msg.data + c->run.at, end - c->run.at);

	if (all.len > LIMIT_PARSE_PARENS &&
	    count_chr(all, '(') > LIMIT_PARSE_PARENS)
		c->s->complex = "too many comments in a header field";
	c->run = (struct run){.at = end};
}

/* In the header only: counts and sizes of fields. */
static enum err
scan_header_line(struct scanner *c, size_t at, struct span line)
{
	struct mime_scan *s = c->s;

	if (at + line.len > LIMIT_HEADER_SIZE)
		return err_why(c->why, ERR_LIMIT,
		    "the header is larger than %u octets", LIMIT_HEADER_SIZE);
	if (at + line.len - c->run.at > LIMIT_FIELD_SIZE)
		return err_why(c->why, ERR_LIMIT,
		    "a header field is larger than %u octets",
		    LIMIT_FIELD_SIZE);
	if (starts_with_blank(line))
		return ERR_OK;
	if (++s->fields > LIMIT_HEADER_FIELDS)
		return err_why(c->why, ERR_LIMIT, "more than %u header fields",
		    LIMIT_HEADER_FIELDS);
	if (span_starts_caseeq(line, "Received:") && ++s->received > LIMIT_HOPS)
		return err_why(c->why, ERR_LOOP, "more than %u Received fields",
		    LIMIT_HOPS);
	return ERR_OK;
}

/* Anywhere: what a parser could take for the start of a part. */
static void
scan_structure(struct scanner *c, struct span line)
{
	struct mime_scan *s = c->s;

	if (c->run.content_type && !c->run.composite &&
	    (contains_word(line, "multipart") ||
		contains_word(line, "message"))) {
		c->run.composite = true;
		if (++c->composites > LIMIT_PARSE_COMPOSITES)
			s->complex = "too many multiparts and messages";
	}
	if (line.len > 1 && line.data[0] == '-' && line.data[1] == '-' &&
	    ++c->dashes > LIMIT_PARSE_DELIMITERS)
		s->complex = "too many lines like part boundaries";
}

static enum err
scan_line(struct scanner *c, size_t at, struct span line)
{
	if (line.len > c->s->longest_line)
		c->s->longest_line = line.len;
	if (line.len > LIMIT_LINE_IN)
		return err_why(c->why, ERR_LIMIT,
		    "a line is longer than %u octets", LIMIT_LINE_IN);
	if (!starts_with_blank(line)) {
		end_run(c, at);
		c->run.content_type = span_starts_caseeq(line, "Content-Type");
	}
	scan_structure(c, line);
	if (!c->in_header)
		return ERR_OK;
	if (line.len == 0) {
		c->in_header = false;
		c->s->header_len = at;
		c->s->body_at = at + 2;
		return ERR_OK;
	}
	return scan_header_line(c, at, line);
}

static enum err
scan_lines(struct scanner *c)
{
	struct span msg = c->msg;
	size_t at = 0, end;
	enum err e = ERR_OK;

	while (at < msg.len && e == ERR_OK) {
		end = span_find_chr(msg, at, '\n');
		if (end == msg.len) {
			e = scan_line(c, at, SPAN(msg.data + at, end - at));
			break;
		}
		if (end == at || msg.data[end - 1] != '\r')
			return err_why(
			    c->why, ERR_LINE_END, "bare LF at octet %zu", end);
		c->lf++;
		e = scan_line(c, at, SPAN(msg.data + at, end - 1 - at));
		at = end + 1;
	}
	end_run(c, msg.len);
	return e;
}

enum err
mime_scan(struct span msg, struct mime_scan *out, struct err_why *why)
{
	struct mime_scan s = {.header_len = msg.len, .body_at = msg.len};
	struct scanner c = {.msg = msg, .s = &s, .why = why, .in_header = true};
	size_t nul = span_find_chr(msg, 0, '\0');
	enum err e;

	if (msg.len == 0) {
		*out = s;
		return ERR_OK;
	}
	if (nul < msg.len)
		return err_why(why, ERR_LINE_END, "NUL at octet %zu", nul);
	e = scan_lines(&c);
	if (e != ERR_OK)
		return e;
	/* each LF has its CR: a CR too many is a bare one */
	if (count_chr(msg, '\r') != c.lf)
		return err_why(why, ERR_LINE_END, "bare CR in the message");
	s.header_8bit = !mime_is_ascii(SPAN(msg.data, s.header_len));
	s.body_8bit =
	    !mime_is_ascii(SPAN(msg.data + s.body_at, msg.len - s.body_at));
	s.ends_in_crlf = msg.len >= 2 && msg.data[msg.len - 1] == '\n';
	*out = s;
	return ERR_OK;
}
