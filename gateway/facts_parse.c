/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The texts of conditions as an administrator writes them in rules.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/regex.h"
#include "gateway/detect.h"
#include "gateway/facts_private.h"

enum { COUNT_MAX = 1000 };

void
facts_matcher_clear(struct matcher *m)
{
	regex_free(m->regex);
	m->regex = NULL;
}

/* --- client --- */

static enum err
parse_client(const char *text, struct matcher *m, struct err_why *why)
{
	char addr[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	unsigned max;

	if (strncmp(text, "user:", 5) == 0 && text[5] != '\0') {
		m->is_user = true;
		m->text = text + 5;
		return ERR_OK;
	}
	if (len >= sizeof(addr))
		goto bad;
	memcpy(addr, text, len);
	addr[len] = '\0';
	m->net.family = strchr(addr, ':') != NULL ? AF_INET6 : AF_INET;
	max = m->net.family == AF_INET ? 32 : 128;
	if (inet_pton(m->net.family, addr, m->net.addr) != 1)
		goto bad;
	m->net.prefix = max;
	if (slash != NULL) {
		char *end;
		unsigned long n = strtoul(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || n > max)
			goto bad;
		m->net.prefix = (unsigned)n;
	}
	return ERR_OK;
bad:
	return err_why(why, ERR_CONFIG,
	    "expected a network such as \"10.0.0.0/8\", or \"user:NAME\"");
}

/* --- time --- */

static const char day_names[] = "sunmontuewedthufrisat";

/* Read a name of three letters; -1 if there is none. */
static int
day_at(const char **p)
{
	for (int i = 0; i < 7; i++)
		if (strncmp(*p, day_names + 3 * i, 3) == 0) {
			*p += 3;
			return i;
		}
	return -1;
}

static bool
days_at(const char **p, unsigned *out)
{
	unsigned days = 0;

	do {
		int a, b;

		*p += **p == ',';
		a = b = day_at(p);
		if (a >= 0 && **p == '-') {
			(*p)++;
			b = day_at(p);
		}
		if (a < 0 || b < 0)
			return false;
		for (; a != b; a = (a + 1) % 7)
			days |= 1u << a;
		days |= 1u << b;
	} while (**p == ',');
	*out = days;
	return true;
}

static bool
clock_at(const char **p, unsigned *out)
{
	const char *s = *p;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
			return false;
	*out = (unsigned)((s[0] - '0') * 10 + s[1] - '0') * 60 +
	       (unsigned)((s[3] - '0') * 10 + s[4] - '0');
	*p += 5;
	return s[3] < '6' && *out <= 24 * 60;
}

static enum err
parse_time(const char *p, struct matcher *m, struct err_why *why)
{
	m->days = 0x7f;
	m->to_min = 24 * 60;
	if (*p >= 'a' && *p <= 'z') {
		if (!days_at(&p, &m->days))
			goto bad;
		if (*p == '\0')
			return ERR_OK;
		if (*p++ != ' ')
			goto bad;
	}
	if (!clock_at(&p, &m->from_min) || *p++ != '-' ||
	    !clock_at(&p, &m->to_min) || *p != '\0' || m->from_min == m->to_min)
		goto bad;
	return ERR_OK;
bad:
	return err_why(why, ERR_CONFIG,
	    "expected days, hours or both, such as \"mon-fri 08:00-18:00\", "
	    "\"sat,sun\", \"22:00-06:00\"");
}

/* --- text that is looked for --- */

/* "/pattern/" or "/pattern/i". */
static enum err
parse_regex(struct span s, struct regex **out, struct err_why *why)
{
	struct err_why inner = {""};
	unsigned flags = 0;
	enum err e;

	if (s.len > 0 && s.data[s.len - 1] == 'i') {
		flags = REGEX_CASELESS;
		s.len--;
	}
	if (s.len < 3 || s.data[s.len - 1] != '/')
		return err_why(why, ERR_CONFIG,
		    "expected \"/pattern/\" or \"/pattern/i\"");
	e = regex_new(SPAN(s.data + 1, s.len - 2), flags, out, &inner);
	if (e == ERR_CONFIG)
		return err_why(
		    why, e, "the pattern is malformed: %.200s", inner.text);
	return e;
}

/* Does it have a letter, a digit, or something that is not ASCII? */
static bool
has_word(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i], l = c | 0x20;

		if (c >= 0x80 || (c >= '0' && c <= '9') ||
		    (l >= 'a' && l <= 'z'))
			return true;
	}
	return false;
}

static enum err
parse_header(
    const char *text, struct matcher *m, char **name, struct err_why *why)
{
	const char *colon = strchr(text, ':');
	size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
	struct span value = span_trim(span_str(colon == NULL ? "" : colon + 1));
	enum err e = ERR_OK;

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			len = 0;
	if (len == 0 || (colon != NULL && value.len == 0))
		return err_why(why, ERR_CONFIG,
		    "expected \"Name\", \"Name: words\" or \"Name: "
		    "/pattern/\"");
	m->any = value.len == 0;
	m->text = (const char *)value.data;
	if (value.len > 0 && value.data[0] == '/')
		e = parse_regex(value, &m->regex, why);
	else if (!m->any && !has_word(value))
		e = err_why(why, ERR_CONFIG,
		    "there is no word in it; signs are found by \"Name: "
		    "/pattern/\"");
	if (e == ERR_OK && name != NULL) {
		*name = strndup(text, len);
		if (*name == NULL)
			e = ERR_NOMEM;
	}
	if (e != ERR_OK)
		facts_matcher_clear(m);
	return e;
}

/* Take " >= NUMBER" off the end; 1 without. False if it is no number. */
static bool
take_count(struct span *s, uint64_t *out)
{
	size_t at = s->len, n = 0;

	while (at > 0 && s->data[at - 1] >= '0' && s->data[at - 1] <= '9')
		at--;
	*out = 1;
	if (at < 4 || at == s->len || s->len - at > 4 ||
	    memcmp(s->data + at - 4, " >= ", 4) != 0)
		return true;
	for (size_t i = at; i < s->len; i++)
		n = n * 10 + (size_t)(s->data[i] - '0');
	s->len = at - 4;
	*out = n;
	return n >= 1 && n <= COUNT_MAX;
}

static enum err
parse_content(const char *text, struct matcher *m, struct err_why *why)
{
	struct span s = span_str(text);

	if (!take_count(&s, &m->number))
		return err_why(why, ERR_CONFIG,
		    "expected from 1 to %d behind >=", COUNT_MAX);
	if (s.len > 0 && s.data[0] == '/')
		return parse_regex(s, &m->regex, why);
	if (s.len > 0 && s.data[0] == '@') {
		m->detector = detector_by_name(SPAN(s.data + 1, s.len - 1));
		if (m->detector == NULL)
			return err_why(why, ERR_CONFIG,
			    "there is no detector of that name, expected "
			    "\"@cards\", \"@iban\", \"@us-ssn\" or another one "
			    "of the manual");
		return ERR_OK;
	}
	if (!has_word(s))
		return err_why(why, ERR_CONFIG,
		    "there is no word in it; signs are found by \"/pattern/\"");
	m->phrase_len = s.len;
	return ERR_OK;
}

/* --- the rest --- */

static enum err
parse_size(const char *text, struct matcher *m, struct err_why *why)
{
	char *end;

	m->number = strtoull(text, &end, 10);
	if (end == text || *end != '\0' || m->number == 0)
		return err_why(why, ERR_CONFIG, "expected a size");
	return ERR_OK;
}

static enum err
parse_attachment(const char *text, struct matcher *m, struct err_why *why)
{
	const char *slash = strchr(text, '/');

	m->is_type = slash != NULL;
	if (m->is_type && (slash == text || slash[1] == '\0' ||
			      strchr(slash + 1, '/') != NULL))
		return err_why(why, ERR_CONFIG,
		    "expected a type such as \"application/pdf\" or "
		    "\"image/*\", or a pattern of names such as \"*.xlsx\"");
	if (*text == '\0')
		return err_why(why, ERR_CONFIG, "it is empty");
	return ERR_OK;
}

enum err
facts_parse(const struct policy_condition *c, struct matcher *out,
    char **header, struct err_why *why)
{
	*out = (struct matcher){.kind = c->kind, .text = c->text, .number = 1};
	switch (c->kind) {
	case POLICY_CLIENT:
		return parse_client(c->text, out, why);
	case POLICY_TIME:
		return parse_time(c->text, out, why);
	case POLICY_HEADER:
		return parse_header(c->text, out, header, why);
	case POLICY_SIZE:
		return parse_size(c->text, out, why);
	case POLICY_ATTACHMENT:
		return parse_attachment(c->text, out, why);
	case POLICY_CONTENT:
		return parse_content(c->text, out, why);
	case POLICY_SENSITIVITY:
	case POLICY_CLASSIFICATION:
		return c->text[0] == '\0' ? err_why(why, ERR_CONFIG,
						"expected a value, or \"*\"")
					  : ERR_OK;
	case POLICY_REPLY:
	case POLICY_AUTOMATIC:
	case POLICY_CALENDAR:
		return ERR_OK;
	case POLICY_KINDS:
		break;
	}
	return err_why(why, ERR_CONFIG, "unknown condition");
}

enum err
facts_check(enum policy_kind kind, const char *text, struct err_why *why)
{
	const struct policy_condition c = {.kind = kind, .text = text};
	struct matcher m;
	enum err e = facts_parse(&c, &m, NULL, why);

	if (e == ERR_OK)
		facts_matcher_clear(&m);
	return e;
}
