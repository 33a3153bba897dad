/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is true of a message. Each condition is looked at once, however many
 * rules have it and however many recipients the message has; the header is gone
 * through once for each name. What cannot be told for sure stays unsure.
 */
#include "gateway/facts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/regex.h"
#include "gateway/facts_private.h"
#include "gateway/message.h"
#include "mime/header.h"
#include "mime/tree.h"
#include "mime/words.h"

/* --- making ready --- */

static size_t
header_place(struct facts_matchers *m, char *name)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (span_caseeq_str(span_str(name), m->header[i].name)) {
			free(name);
			return i;
		}
	m->header[m->n_headers] =
	    (struct facts_header){.name = name, .words = words_new()};
	return m->n_headers++;
}

static enum err
list_add(size_t **list, size_t *n, size_t value)
{
	size_t *grown = *list;

	if ((*n & (*n - 1)) == 0)
		grown = realloc(grown, (*n == 0 ? 1 : 2 * *n) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	*list = grown;
	grown[(*n)++] = value;
	return ERR_OK;
}

static enum err
add_header(struct facts_matchers *m, size_t i, char *name)
{
	struct matcher *one = &m->list[i];
	struct facts_header *h;

	one->header = header_place(m, name);
	h = &m->header[one->header];
	if (one->any || one->regex != NULL)
		return list_add(&h->regex, &h->n_regex, i);
	return words_add(h->words, span_str(one->text), i);
}

static enum err
add_content(struct facts_matchers *m, size_t i)
{
	const struct matcher *one = &m->list[i];

	if (one->regex != NULL || one->detector != NULL)
		return list_add(&m->slow, &m->n_slow, i);
	return words_add(m->content, SPAN(one->text, one->phrase_len), i);
}

enum err
facts_matchers_new(
    const struct policy *p, struct facts_matchers **out, struct err_why *why)
{
	struct facts_matchers *m = calloc(1, sizeof(*m));
	size_t n;
	const struct policy_condition *all = policy_conditions(p, &n);
	enum err e = ERR_OK;

	if (m == NULL)
		return ERR_NOMEM;
	m->list = calloc(n + 1, sizeof(*m->list));
	m->header = calloc(n + 1, sizeof(*m->header));
	m->content = words_new();
	if (m->list == NULL || m->header == NULL)
		e = ERR_NOMEM;
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		char *name = NULL;

		e = facts_parse(&all[i], &m->list[i], &name, why);
		if (e != ERR_OK)
			break;
		m->n = i + 1;
		m->has[all[i].kind] = true;
		if (all[i].kind == POLICY_HEADER)
			e = add_header(m, i, name);
		else if (all[i].kind == POLICY_CONTENT)
			e = add_content(m, i);
		if (e == ERR_CONFIG)
			err_why(why, e, "a phrase has at most %d words",
			    WORDS_PHRASE_MAX);
	}
	if (e != ERR_OK) {
		facts_matchers_free(m);
		return e;
	}
	*out = m;
	return ERR_OK;
}

void
facts_matchers_free(struct facts_matchers *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		facts_matcher_clear(&m->list[i]);
	for (size_t i = 0; i < m->n_headers; i++) {
		free(m->header[i].name);
		words_free(m->header[i].words);
		free(m->header[i].regex);
	}
	words_free(m->content);
	free(m->slow);
	free(m->header);
	free(m->list);
	free(m);
}

/* --- the envelope --- */

static enum policy_truth
truth(bool is)
{
	return is ? POLICY_YES : POLICY_NO;
}

static enum policy_truth
client_truth(const struct matcher *m, const struct facts_in *in)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *sa = NULL;

	if (m->is_user)
		return truth(
		    in->user[0] != '\0' && strcmp(in->user, m->text) == 0);
	if (inet_pton(AF_INET, in->client, &in4.sin_addr) == 1)
		sa = (const struct sockaddr *)(const void *)&in4;
	else if (inet_pton(AF_INET6, in->client, &in6.sin6_addr) == 1)
		sa = (const struct sockaddr *)(const void *)&in6;
	return sa == NULL ? POLICY_UNSURE
			  : truth(conf_net_matches(&m->net, 1, sa));
}

/* By the clock of this machine. What lasts beyond midnight began the day
   before. */
static enum policy_truth
time_truth(const struct matcher *m, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;
	unsigned now, day, before;

	if (localtime_r(&t, &tm) == NULL)
		return POLICY_UNSURE;
	now = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
	day = m->days >> tm.tm_wday & 1;
	before = m->days >> (tm.tm_wday + 6) % 7 & 1;
	if (m->from_min < m->to_min)
		return truth(day && now >= m->from_min && now < m->to_min);
	return truth(
	    (day && now >= m->from_min) || (before && now < m->to_min));
}

/* --- header fields --- */

static void
hold(void *arg, size_t id)
{
	struct facts *f = arg;

	f->truth[id] = POLICY_YES;
}

bool
facts_is_unread(struct span text)
{
	size_t at = span_find(text, 0, SPAN_LIT("=?"));

	return span_find(text, at, SPAN_LIT("?=")) < text.len ||
	       span_find(text, 0, SPAN_LIT("\xef\xbf\xbd")) < text.len;
}

static void
match_regexes(struct facts *f, const struct facts_header *h, struct span value)
{
	for (size_t i = 0; i < h->n_regex; i++) {
		size_t id = h->regex[i], n = 0;
		const struct matcher *m = &f->m->list[id];

		if (f->truth[id] == POLICY_YES)
			continue;
		if (m->any ||
		    regex_count(m->regex, value, 1,
			clock_cpu_ms() + LIMIT_CONTENT_MS, &n) != ERR_OK)
			f->truth[id] = m->any ? POLICY_YES : POLICY_UNSURE;
		else if (n > 0)
			f->truth[id] = POLICY_YES;
	}
}

/* What could not be read may have been any of them. */
static void
doubt_header(struct facts *f, size_t header)
{
	for (size_t i = 0; i < f->m->n; i++)
		if (f->m->list[i].kind == POLICY_HEADER &&
		    f->m->list[i].header == header && f->truth[i] != POLICY_YES)
			f->truth[i] = POLICY_UNSURE;
}

static void
match_header(struct facts *f, size_t header)
{
	const struct facts_header *h = &f->m->header[header];
	const struct mime_header *all = mime_tree_header(f->in->message->tree);
	const struct mime_field *field = NULL;
	struct buf value;

	buf_init(&value, LIMIT_FIELD_SIZE * 4);
	while ((field = mime_header_find(all, h->name, field)) != NULL) {
		buf_reset(&value);
		if (mime_header_decode(field->value, &value) != ERR_OK) {
			doubt_header(f, header);
			continue;
		}
		words_scan(h->words, buf_span(&value), hold, f);
		match_regexes(f, h, buf_span(&value));
		if (facts_is_unread(buf_span(&value)))
			doubt_header(f, header);
	}
	buf_clear(&value);
}

/* --- labels --- */

/* Is what a label says what the condition asks for? */
static bool
label_is(const struct matcher *m, struct span value)
{
	if (value.len == 0)
		return false;
	if (strcmp(m->text, "*") == 0)
		return !span_caseeq_str(value, "normal") &&
		       !span_caseeq_str(value, "none");
	return span_caseeq_str(value, m->text);
}

static void
take_label(struct facts *f, enum policy_kind kind, struct span value)
{
	for (size_t i = 0; i < f->m->n; i++)
		if (f->m->list[i].kind == kind &&
		    label_is(&f->m->list[i], value))
			f->truth[i] = POLICY_YES;
}

static void
doubt_kind(struct facts *f, enum policy_kind kind)
{
	for (size_t i = 0; i < f->m->n; i++)
		if (f->m->list[i].kind == kind && f->truth[i] != POLICY_YES)
			f->truth[i] = POLICY_UNSURE;
}

/* Split at sep; each piece without blanks around it. */
static bool
next_piece(struct span s, char sep, size_t *at, struct span *out)
{
	size_t end;

	if (*at >= s.len)
		return false;
	end = span_find_chr(s, *at, (uint8_t)sep);
	*out = span_trim(SPAN(s.data + *at, end - *at));
	*at = end + 1;
	return true;
}

/* MSIP_Label_GUID_Name=Value; a label counts if it has Enabled=True. */
static void
take_msip(struct facts *f, struct span value)
{
	static const char prefix[] = "MSIP_Label_";
	const size_t guid = sizeof(prefix) - 1, guid_len = 36;
	size_t at = 0, other;
	struct span p, q;

	while (next_piece(value, ';', &at, &p)) {
		if (p.len < guid + guid_len || !span_starts_caseeq(p, prefix) ||
		    !span_caseeq_str(
			SPAN(p.data + guid + guid_len, p.len - guid - guid_len),
			"_Enabled=true"))
			continue;
		take_label(
		    f, POLICY_SENSITIVITY, SPAN(p.data + guid, guid_len));
		other = 0;
		while (next_piece(value, ';', &other, &q)) {
			size_t eq = span_find_chr(q, 0, '=');

			if (q.len > guid + guid_len && eq < q.len &&
			    memcmp(q.data, p.data, guid + guid_len) == 0 &&
			    span_caseeq_str(SPAN(q.data + guid + guid_len,
						eq - guid - guid_len),
				"_Name"))
				take_label(f, POLICY_SENSITIVITY,
				    span_trim(
					SPAN(q.data + eq + 1, q.len - eq - 1)));
		}
	}
}

/* A value, or a list of NAME=VALUE as of X-Protective-Marking. */
static void
take_plain(struct facts *f, enum policy_kind kind, struct span value)
{
	size_t at = 0, eq;
	struct span p;

	take_label(f, kind, span_trim(value));
	while (next_piece(value, ',', &at, &p)) {
		eq = span_find_chr(p, 0, '=');
		if (eq < p.len)
			take_label(
			    f, kind, SPAN(p.data + eq + 1, p.len - eq - 1));
	}
}

static const struct {
	enum policy_kind kind;
	const char *name;
	bool msip;
} label_fields[] = {
    {POLICY_SENSITIVITY, "Sensitivity", false}, /* RFC 4021 2.1.55 */
    {POLICY_SENSITIVITY, "X-Sensitivity", false},
    {POLICY_SENSITIVITY, "msip_labels", true},
    {POLICY_CLASSIFICATION, "X-Classification", false},
    {POLICY_CLASSIFICATION, "X-Protective-Marking", false},
};

static void
match_labels(struct facts *f)
{
	const struct mime_header *h = mime_tree_header(f->in->message->tree);
	struct buf text;

	buf_init(&text, LIMIT_FIELD_SIZE * 4);
	for (size_t i = 0; i < sizeof(label_fields) / sizeof(label_fields[0]);
	     i++) {
		enum policy_kind kind = label_fields[i].kind;
		const struct mime_field *one = NULL;

		while (f->m->has[kind] &&
		       (one = mime_header_find(h, label_fields[i].name, one)) !=
			   NULL) {
			buf_reset(&text);
			if (mime_header_decode(one->value, &text) != ERR_OK ||
			    facts_is_unread(buf_span(&text)))
				doubt_kind(f, kind);
			if (label_fields[i].msip)
				take_msip(f, buf_span(&text));
			else
				take_plain(f, kind, buf_span(&text));
		}
	}
	buf_clear(&text);
}

/* --- all together --- */

static void
match_message(struct facts *f)
{
	const struct message *msg = f->in->message;

	for (size_t i = 0; i < f->m->n_headers; i++)
		match_header(f, i);
	if (f->m->has[POLICY_SENSITIVITY] || f->m->has[POLICY_CLASSIFICATION])
		match_labels(f);
	for (size_t i = 0; i < f->m->n; i++) {
		const struct matcher *m = &f->m->list[i];

		if (m->kind == POLICY_SIZE)
			f->truth[i] = truth(msg->raw.len >= m->number);
		else if (m->kind == POLICY_REPLY)
			f->truth[i] = f->in->answers_sealed;
		else if (m->kind == POLICY_AUTOMATIC)
			f->truth[i] = truth(msg->automatic);
	}
	if (f->m->has[POLICY_CALENDAR])
		facts_find_calendar(f);
	if (f->m->has[POLICY_ATTACHMENT])
		facts_find_attachments(f);
	if (f->m->has[POLICY_CONTENT])
		facts_find_content(f);
}

enum err
facts_find(const struct facts_matchers *m, const struct facts_in *in,
    struct arena *arena, const enum policy_truth **out)
{
	struct facts f = {.m = m, .in = in, .arena = arena};

	f.truth = arena_array(arena, m->n + 1, sizeof(*f.truth));
	if (f.truth == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < m->n; i++) {
		const struct matcher *one = &m->list[i];

		f.truth[i] = one->kind == POLICY_CLIENT ? client_truth(one, in)
			     : one->kind == POLICY_TIME
				 ? time_truth(one, in->now_s)
				 : POLICY_NO;
	}
	if (in->message != NULL)
		match_message(&f);
	*out = f.truth;
	return f.err;
}
