/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The word is looked for where a person writes it: alone on the first line. A
 * second one further down that says something else makes it unclear, and what
 * is unclear does nothing.
 */
#include "gateway/pickup_word.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "gateway/conf.h"
#include "mime/addr.h"
#include "mime/part_text.h"

#define LOCAL "pickup-"

enum {
	OCTETS = 8 + PICKUP_WORD_MAC,
	LOCAL_LEN = sizeof(LOCAL) - 1,
	WORD_MAX = 40,	  /* octets of a word, folded */
	LINES_MAX = 2000, /* that are looked at */
	ONLY_MAX = 100,	  /* addresses behind a word */
	HTML_HEAD = 64 * 1024,
	BREAKS_MAX = 200, /* in front of the first line */
};

static const struct {
	enum pickup_word word;
	const char *language; /* NULL: another spelling */
	const char *text;     /* folded */
} words[] = {
    {PICKUP_WORD_RECALL, "en", "recall"},
    {PICKUP_WORD_RECALL, "de", "zurückrufen"},
    {PICKUP_WORD_RECALL, NULL, "zurueckrufen"},
    {PICKUP_WORD_RECALL, "fr", "rappeler"},
    {PICKUP_WORD_RECALL, "es", "retirar"},
    {PICKUP_WORD_RECALL, "it", "richiamare"},
    {PICKUP_WORD_RECALL, "nl", "intrekken"},
    {PICKUP_WORD_EXTEND, "en", "extend"},
    {PICKUP_WORD_EXTEND, "de", "verlängern"},
    {PICKUP_WORD_EXTEND, NULL, "verlaengern"},
    {PICKUP_WORD_EXTEND, "fr", "prolonger"},
    {PICKUP_WORD_EXTEND, "es", "prorrogar"},
    {PICKUP_WORD_EXTEND, "it", "prolungare"},
    {PICKUP_WORD_EXTEND, "nl", "verlengen"},
    {PICKUP_WORD_REPORT, "en", "report"},
    {PICKUP_WORD_REPORT, "de", "bericht"},
    {PICKUP_WORD_REPORT, "fr", "rapport"},
    {PICKUP_WORD_REPORT, "es", "informe"},
    {PICKUP_WORD_REPORT, "it", "rapporto"},
    {PICKUP_WORD_REPORT, "nl", "rapport"},
};

enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

const char *
pickup_word_name(enum pickup_word w)
{
	const char *name = pickup_word_in(w, "en");

	return name == NULL ? "?" : name;
}

const char *
pickup_word_in(enum pickup_word w, const char *language)
{
	for (size_t i = 0; i < N_WORDS; i++)
		if (words[i].word == w && words[i].language != NULL &&
		    strcmp(words[i].language, language) == 0)
			return words[i].text;
	return NULL;
}

static enum err
put_word(const struct conf_portal *c, enum pickup_word w, const char *what,
    struct buf *out)
{
	enum err e = buf_printf(out, "    %-8s %s", pickup_word_name(w), what);
	const char *gap = " (";

	for (size_t i = 0; e == ERR_OK && i < c->n_languages; i++) {
		const char *word = pickup_word_in(w, c->languages[i]);

		if (word == NULL || strcmp(c->languages[i], "en") == 0)
			continue;
		e = buf_printf(out, "%s%s", gap, word);
		gap = ", ";
	}
	return e == ERR_OK ? buf_puts(out, gap[0] == ',' ? ")\n" : "\n") : e;
}

enum err
pickup_word_list(const struct conf *conf, struct buf *out)
{
	const struct conf_portal *c = &conf->portal;
	enum err e = put_word(c, PICKUP_WORD_RECALL,
	    "nobody can open it any more, also who has read it", out);

	if (e == ERR_OK && c->extend_s > 0)
		e = put_word(
		    c, PICKUP_WORD_EXTEND, "it can be opened for longer", out);
	if (e == ERR_OK)
		e = put_word(c, PICKUP_WORD_REPORT,
		    "who has opened it, when and from where", out);
	return e == ERR_OK
		   ? buf_puts(out,
			 "\nThat is for all who were sent a link; for some "
			 "write their addresses behind\nthe word.\n")
		   : e;
}

enum err
pickup_word_help(const struct conf *conf, struct buf *out)
{
	enum err e = buf_puts(out,
	    "\nYou can answer this mail with one word alone on the first "
	    "line:\n\n");

	return e == ERR_OK ? pickup_word_list(conf, out) : e;
}

/* --- the address --- */

bool
pickup_reply_is(const struct conf *conf, const char *key)
{
	uint8_t mac[PICKUP_WORD_MAC];
	uint64_t id;

	return pickup_reply_read(conf, key, &id, mac);
}

bool
pickup_reply_read(const struct conf *conf, const char *key,
    uint64_t *message_id, uint8_t mac[PICKUP_WORD_MAC])
{
	const char *at = strrchr(key, '@');
	uint8_t raw[OCTETS];
	uint64_t id = 0;

	if (at == NULL || strcasecmp(at + 1, conf->hostname) != 0 ||
	    strncasecmp(key, LOCAL, LOCAL_LEN) != 0 ||
	    (size_t)(at - key) != LOCAL_LEN + 2 * sizeof(raw) ||
	    text_unhex(SPAN(key + LOCAL_LEN, 2 * sizeof(raw)), raw,
		sizeof(raw)) != ERR_OK)
		return false;
	for (size_t i = 0; i < 8; i++)
		id = id << 8 | raw[i];
	*message_id = id;
	memcpy(mac, raw + 8, PICKUP_WORD_MAC);
	return true;
}

/* No Message-ID is spelled like that, whose digests have the same key. */
void
pickup_reply_digest(
    uint64_t message_id, const char *from_key, uint8_t out[DIGEST_SIZE])
{
	uint8_t id[8];
	const struct span parts[] = {SPAN_LIT("sealgate pick-up reply 1\n"),
	    SPAN(id, sizeof(id)), span_str(from_key)};

	for (size_t i = 0; i < 8; i++)
		id[i] = (uint8_t)(message_id >> (56 - 8 * i));
	digest_sha256(parts, 3, out);
}

const char *
pickup_reply_address(const struct conf *conf, uint64_t message_id,
    const uint8_t mac[PICKUP_WORD_MAC], struct arena *a)
{
	char hex[2 * PICKUP_WORD_MAC + 1];

	text_hex(SPAN(mac, PICKUP_WORD_MAC), hex);
	return arena_printf(a, LOCAL "%016llx%s@%s",
	    (unsigned long long)message_id, hex, conf->hostname);
}

/* --- the word --- */

/* Blanks, and what mail programs and people put around a word. */
static size_t
skipped(struct span s)
{
	static const char *const wide[] = {
	    "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		size_t n = strlen(wide[i]);

		if (s.len >= n && memcmp(s.data, wide[i], n) == 0)
			return n;
	}
	return s.len > 0 && s.data[0] != '\0' &&
		       strchr(" \t\r*_\"'.,;:!<>()[]", s.data[0]) != NULL
		   ? 1
		   : 0;
}

/* The next word of a line, lower case as far as the words need it; empty: there
   is none. Too long for any: cut. */
static size_t
next_word(struct span line, size_t *at, char out[WORD_MAX + 1])
{
	size_t n = 0, gap;

	while (*at < line.len &&
	       (gap = skipped(SPAN(line.data + *at, line.len - *at))) > 0)
		*at += gap;
	while (*at < line.len &&
	       skipped(SPAN(line.data + *at, line.len - *at)) == 0) {
		uint8_t c = line.data[(*at)++];
		bool second = n > 0 && (uint8_t)out[n - 1] == 0xc3;

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		else if (second && c >= 0x80 && c <= 0x9e && c != 0x97)
			c += 0x20; /* U+00C0 to U+00DE */
		if (n < WORD_MAX)
			out[n++] = (char)c;
	}
	out[n] = '\0';
	return n;
}

static enum pickup_word
word_of(const char *text)
{
	for (size_t i = 0; i < N_WORDS; i++)
		if (strcmp(words[i].text, text) == 0)
			return words[i].word;
	return PICKUP_WORD_NONE;
}

/* What is put around a word. */
static bool
is_blank(struct span s)
{
	size_t gap, at = 0;

	while (at < s.len && (gap = skipped(SPAN(s.data + at, s.len - at))) > 0)
		at += gap;
	return at == s.len;
}

/* An address stands between these blanks, or nothing does. */
static enum err
take_address(struct span token, struct arena *a, struct pickup_order *out)
{
	struct mime_addr addr;

	if (is_blank(token))
		return ERR_OK;
	while (token.len > 0 && strchr("<(\"',;", token.data[0]) != NULL)
		token = SPAN(token.data + 1, token.len - 1);
	while (token.len > 0 &&
	       strchr(">)\"',;.", token.data[token.len - 1]) != NULL)
		token.len--;
	if (out->n_only == ONLY_MAX)
		return ERR_MALFORMED;
	if (mime_addr_parse(token, MIME_ADDR_UTF8, a, &addr, NULL) != ERR_OK)
		return ERR_MALFORMED;
	out->only[out->n_only++] = addr.key;
	return ERR_OK;
}

/* A line that is a word, alone or with addresses behind it; ERR_MALFORMED: it
   is something else. */
static enum err
read_line(struct span line, struct arena *a, struct pickup_order *out)
{
	struct pickup_order o = {.n_only = 0};
	char text[WORD_MAX + 1];
	size_t at = 0;
	enum err e = ERR_OK;

	(void)next_word(line, &at, text);
	o.word = word_of(text);
	if (o.word == PICKUP_WORD_NONE)
		return ERR_MALFORMED;
	o.only = arena_array(a, ONLY_MAX, sizeof(*o.only));
	if (o.only == NULL)
		return ERR_NOMEM;
	while (e == ERR_OK && at < line.len) {
		size_t end = at;

		while (
		    end < line.len && strchr(" \t\r", line.data[end]) == NULL)
			end++;
		if (end > at)
			e = take_address(SPAN(line.data + at, end - at), a, &o);
		at = end + 1;
	}
	if (e == ERR_OK)
		*out = o;
	return e;
}

/* From here on nothing is the sender's own (RFC 3676 section 4.3, and what
   programs put above a text that they quote). */
static bool
is_end(struct span line)
{
	return (line.len == 2 && memcmp(line.data, "--", 2) == 0) ||
	       (line.len == 3 && memcmp(line.data, "-- ", 3) == 0) ||
	       (line.len >= 5 && memcmp(line.data, "-----", 5) == 0) ||
	       (line.len >= 10 && memcmp(line.data, "__________", 10) == 0);
}

static bool
says_the_same(const struct pickup_order *a, const struct pickup_order *b)
{
	if (a->word != b->word || a->n_only != b->n_only)
		return false;
	for (uint32_t i = 0; i < a->n_only; i++)
		if (strcmp(a->only[i], b->only[i]) != 0)
			return false;
	return true;
}

enum err
pickup_order_read(struct span text, struct arena *a, struct pickup_order *out)
{
	struct pickup_order first = {.word = PICKUP_WORD_NONE}, other;
	size_t at = 0;
	enum err e;

	*out = first;
	for (unsigned n = 0; at < text.len && n < LINES_MAX; n++) {
		size_t end = span_find_chr(text, at, '\n');
		struct span line = SPAN(text.data + at, end - at);

		at = end + 1;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (is_end(line))
			break;
		if ((line.len > 0 && line.data[0] == '>') || is_blank(line))
			continue;
		e = read_line(line, a, &other);
		if (e == ERR_NOMEM)
			return e;
		if (first.word == PICKUP_WORD_NONE) {
			if (e != ERR_OK)
				return ERR_OK;
			first = other;
		} else if (e == ERR_OK && !says_the_same(&first, &other)) {
			return ERR_OK;
		}
	}
	*out = first;
	return ERR_OK;
}

/* --- HTML --- */

/* Does a reader see a new line behind this place? */
static bool
is_break(struct span html, size_t at)
{
	static const char *const tags[] = {"<br", "</p", "</div", "</td",
	    "</li", "<blockquote", "<hr", "<div", "<p>", "<p "};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (span_starts_caseeq(
			SPAN(html.data + at, html.len - at), tags[i]))
			return true;
	return false;
}

/* What is above what it answers is read there, and no more: where a quotation
   begins no tag says for certain. */
enum err
pickup_order_read_html(
    struct span html, struct arena *a, struct pickup_order *out)
{
	struct buf line;
	unsigned breaks = 0;
	bool whole;
	enum err e = ERR_OK;

	*out = (struct pickup_order){.word = PICKUP_WORD_NONE};
	if (html.len > HTML_HEAD)
		html.len = HTML_HEAD;
	buf_init(&line, 4 * HTML_HEAD);
	for (size_t at = 0; e == ERR_OK && at < html.len && breaks < BREAKS_MAX;
	     at++) {
		if (html.data[at] != '<' || !is_break(html, at))
			continue;
		breaks++;
		buf_reset(&line);
		e = mime_html_text(SPAN(html.data, at), &line, &whole);
		if (e == ERR_OK && !is_blank(buf_span(&line)))
			break;
	}
	if (e == ERR_OK && is_blank(buf_span(&line))) {
		buf_reset(&line);
		e = mime_html_text(html, &line, &whole);
	}
	if (e == ERR_OK)
		e = pickup_order_read(buf_span(&line), a, out);
	buf_clear(&line);
	return e == ERR_NOMEM ? e : ERR_OK;
}
