/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Stateless: a reply that is not complete is read again when more of it is
 * there, which the limits keep cheap.
 */
#include "gateway/relay/smtp_reply.h"

#include <string.h>

#include "common/text.h"
#include "gateway/relay/xforward.h"

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The code of one line; 0 if it has none. RFC 5321 4.2: 2yz to 5yz. */
static uint16_t
line_code(struct span l)
{
	if (l.len < 3 || l.data[0] < '2' || l.data[0] > '5' ||
	    !is_digit(l.data[1]) || !is_digit(l.data[2]))
		return 0;
	if (l.len > 3 && l.data[3] != ' ' && l.data[3] != '-')
		return 0;
	return (uint16_t)((l.data[0] - '0') * 100 + (l.data[1] - '0') * 10 +
			  (l.data[2] - '0'));
}

/* The line at *at without its end; false if it is not complete. A line that
   ends in LF alone is taken, too: many say so, and nothing follows from it. */
static bool
next_line(struct span in, size_t *at, struct span *out)
{
	size_t end = span_find_chr(in, *at, '\n');

	if (end == in.len)
		return false;
	*out = SPAN(in.data + *at, end - *at);
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->len--;
	*at = end + 1;
	return true;
}

static struct span
line_text(struct span l)
{
	return l.len > 4 ? SPAN(l.data + 4, l.len - 4) : SPAN(NULL, 0);
}

/* RFC 3463 2: class "." subject "." detail, of the class of the code. */
static size_t
status_len(struct span t, uint16_t code)
{
	size_t n = 0, digits;

	for (int part = 0; part < 3; part++) {
		digits = 0;
		while (n < t.len && is_digit(t.data[n])) {
			n++;
			digits++;
		}
		if (digits == 0 || digits > (part == 0 ? 1u : 3u))
			return 0;
		if (part < 2 && (n == t.len || t.data[n++] != '.'))
			return 0;
	}
	if (t.data[0] != '0' + code / 100 || (n < t.len && t.data[n] != ' ') ||
	    n >= RELAY_REPLY_STATUS)
		return 0;
	return n;
}

static void
add_text(struct relay_reply *r, size_t *len, struct span t)
{
	uint8_t c;

	if (*len > 0 && *len + 1 < sizeof(r->text))
		r->text[(*len)++] = ' ';
	for (size_t i = 0; i < t.len && *len + 1 < sizeof(r->text); i++) {
		c = t.data[i];
		r->text[(*len)++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	r->text[*len] = '\0';
}

/* A status at the start of a line is kept once and not shown again. */
static void
add_line(struct relay_reply *r, size_t *len, struct span l)
{
	struct span t = line_text(l);
	size_t n = status_len(t, r->code);

	if (n > 0 && r->status[0] == '\0') {
		memcpy(r->status, t.data, n);
		r->status[n] = '\0';
	}
	if (n > 0) {
		n += n < t.len ? 1 : 0;
		t = SPAN(t.data + n, t.len - n);
	}
	add_text(r, len, t);
}

enum err
relay_reply_parse(struct span in, struct relay_reply *out, size_t *used)
{
	struct relay_reply r = {0};
	size_t at = 0, len = 0, from = 0;
	struct span l;
	uint16_t code;

	for (;;) {
		if (!next_line(in, &at, &l))
			break;
		from = at;
		code = line_code(l);
		if (l.len > RELAY_REPLY_LINE || at > RELAY_REPLY_MAX)
			return ERR_TOO_BIG;
		if (code == 0 || (r.code != 0 && code != r.code))
			return ERR_MALFORMED;
		r.code = code;
		add_line(&r, &len, l);
		if (l.len > 3 && l.data[3] == '-')
			continue;
		r.lines = SPAN(in.data, at);
		*out = r;
		*used = at;
		return ERR_OK;
	}
	return in.len - from > RELAY_REPLY_LINE || in.len > RELAY_REPLY_MAX
		   ? ERR_TOO_BIG
		   : ERR_AGAIN;
}

/* Is the word among those, separated by blanks? */
static bool
has_word(struct span words, const char *word)
{
	size_t end;

	for (; words.len > 0; words = span_trim(words)) {
		end = span_find_chr(words, 0, ' ');
		if (span_caseeq_str(SPAN(words.data, end), word))
			return true;
		words = SPAN(words.data + end, words.len - end);
	}
	return false;
}

/* RFC 9422 4: NAME=NUMBER, separated by blanks. */
static void
offer_limits(struct relay_offer *o, struct span words)
{
	for (; words.len > 0; words = span_trim(words)) {
		size_t end = span_find_chr(words, 0, ' ');
		struct span w = SPAN(words.data, end), value;
		size_t at = span_find_chr(w, 0, '=');
		uint64_t n;

		words = SPAN(words.data + end, words.len - end);
		if (at == w.len)
			continue;
		value = SPAN(w.data + at + 1, w.len - at - 1);
		if (text_number(value, 1, UINT32_MAX, &n) != ERR_OK)
			continue;
		if (span_caseeq_str(SPAN(w.data, at), "RCPTMAX"))
			o->rcpt_max = n;
		else if (span_caseeq_str(SPAN(w.data, at), "MAILMAX"))
			o->mail_max = n;
	}
}

/* RFC 3463 3.2 and its registry: no such mailbox, no such domain, no address at
   all, moved, a domain without mail (RFC 7505); X.1.0 may be the sender's. RFC
   5321 4.2.3 for replies without a status. */
bool
relay_reply_no_such_rcpt(uint16_t code, const char *status)
{
	static const char *const no[] = {
	    "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"};

	if (code / 100 != 5)
		return false;
	if (status[0] == '\0' || strcmp(status, "5.0.0") == 0)
		return code == 550 || code == 551 || code == 553;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strcmp(status, no[i]) == 0)
			return true;
	return false;
}

/* A keyword and what follows it. */
static void
offer_line(struct relay_offer *o, struct span l)
{
	size_t end = span_find_chr(l, 0, ' ');
	struct span word = SPAN(l.data, end);
	struct span rest = end < l.len
			       ? span_trim(SPAN(l.data + end, l.len - end))
			       : SPAN(NULL, 0);

	if (span_caseeq_str(word, "PIPELINING"))
		o->pipelining = true;
	else if (span_caseeq_str(word, "8BITMIME"))
		o->mime_8bit = true;
	else if (span_caseeq_str(word, "SMTPUTF8"))
		o->smtputf8 = true;
	else if (span_caseeq_str(word, "CHUNKING"))
		o->chunking = true;
	else if (span_caseeq_str(word, "DSN"))
		o->dsn = true;
	else if (span_caseeq_str(word, "STARTTLS"))
		o->starttls = true;
	else if (span_caseeq_str(word, "REQUIRETLS"))
		o->requiretls = true;
	else if (span_caseeq_str(word, "AUTH"))
		o->auth_plain |= has_word(rest, "PLAIN");
	else if (span_caseeq_str(word, "LIMITS"))
		offer_limits(o, rest);
	else if (span_caseeq_str(word, "XFORWARD"))
		o->xforward = relay_xforward_offer(rest);
	else if (span_caseeq_str(word, "XCLIENT"))
		o->xclient = relay_xforward_offer(rest);
	else if (span_caseeq_str(word, "SIZE")) {
		o->size = true;
		if (text_number(rest, 0, UINT64_MAX, &o->size_max) != ERR_OK)
			o->size_max = 0;
	}
}

void
relay_offer_parse(const struct relay_reply *r, struct relay_offer *out)
{
	struct relay_offer o = {0};
	size_t at = 0;
	struct span l;
	bool first = true;

	while (next_line(r->lines, &at, &l)) {
		/* the first line is the greeting (RFC 5321 4.1.1.1) */
		if (!first)
			offer_line(&o, span_trim(line_text(l)));
		first = false;
	}
	*out = o;
}
