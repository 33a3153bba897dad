/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Both formats are a stranger's. A policy that is not understood as a whole is
 * none: half of a list of mail servers would be worse.
 */
#include "net/sts.h"

#include <string.h>

#include "common/text.h"

enum {
	TXT_MAX = 1024, /* octets of a record that are looked at */
	LABEL_MAX = 63,
};

#define RECORD_VERSION "v=STSv1"

const char *
net_sts_mode_name(enum net_sts_mode m)
{
	switch (m) {
	case NET_STS_NONE:
		return "none";
	case NET_STS_TESTING:
		return "testing";
	case NET_STS_ENFORCE:
		return "enforce";
	}
	return "?";
}

/* --- the record --- */

enum err
net_txt_join(struct span rdata, char *out, size_t size)
{
	char text[TXT_MAX];
	size_t at = 0, n = 0, len;

	while (at < rdata.len) {
		len = rdata.data[at++];
		if (len > rdata.len - at)
			return ERR_MALFORMED;
		if (n + len >= sizeof(text) || n + len >= size)
			return ERR_TOO_BIG;
		if (memchr(rdata.data + at, 0, len) != NULL)
			return ERR_MALFORMED;
		memcpy(text + n, rdata.data + at, len);
		n += len;
		at += len;
	}
	memcpy(out, text, n);
	out[n] = '\0';
	return ERR_OK;
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static bool
is_id(struct span id)
{
	if (id.len == 0 || id.len >= NET_STS_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!is_alnum((char)id.data[i]))
			return false;
	return true;
}

/* RFC 8461 3.1: the version first, then fields of which only id means
   anything. */
static bool
read_record(const char *text, char id[NET_STS_ID_MAX])
{
	struct span rest = span_str(text), field, value;
	size_t end, eq;
	bool found = false;

	for (bool first = true; rest.len > 0; first = false) {
		end = span_find_chr(rest, 0, ';');
		field = span_trim(SPAN(rest.data, end));
		end += end < rest.len;
		rest = SPAN(rest.data + end, rest.len - end);
		if (first) {
			if (!span_eq_str(field, RECORD_VERSION))
				return false;
			continue;
		}
		eq = span_find_chr(field, 0, '=');
		if (found || eq == field.len ||
		    !span_eq_str(span_trim(SPAN(field.data, eq)), "id"))
			continue;
		value =
		    span_trim(SPAN(field.data + eq + 1, field.len - eq - 1));
		if (!is_id(value))
			return false;
		memcpy(id, value.data, value.len);
		id[value.len] = '\0';
		found = true;
	}
	return found;
}

enum err
net_sts_record(const struct span *rdata, size_t n, char id[NET_STS_ID_MAX])
{
	char text[TXT_MAX], one[NET_STS_ID_MAX] = "";
	size_t records = 0;
	bool good = false;

	for (size_t i = 0; i < n; i++) {
		if (net_txt_join(rdata[i], text, sizeof(text)) != ERR_OK ||
		    strncmp(text, RECORD_VERSION, sizeof(RECORD_VERSION) - 1) !=
			0)
			continue;
		records++;
		good = read_record(text, one);
	}
	/* RFC 8461 3.1: of several none counts */
	if (records != 1 || !good)
		return ERR_NOT_FOUND;
	memcpy(id, one, sizeof(one));
	return ERR_OK;
}

/* --- names --- */

static bool
is_label_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* A name of at least two labels, A-labels, without the dot at the end. */
static bool
is_name(struct span s)
{
	size_t label = 0, labels = 1;

	if (s.len == 0 || s.len >= NET_DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			labels++;
		} else if (!is_label_octet(s.data[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0 && labels > 1;
}

/* "mx.example.org", "*.example.org": a star is a whole label, the first. */
static bool
read_pattern(struct span value, char out[NET_STS_PATTERN_MAX])
{
	char low[NET_STS_PATTERN_MAX];
	struct span name;

	if (value.len == 0 || value.len >= sizeof(low))
		return false;
	for (size_t i = 0; i < value.len; i++)
		low[i] = (char)(value.data[i] >= 'A' && value.data[i] <= 'Z'
				    ? value.data[i] + 'a' - 'A'
				    : value.data[i]);
	low[value.len] = '\0';
	name = strncmp(low, "*.", 2) == 0 ? span_str(low + 2) : span_str(low);
	if (!is_name(name))
		return false;
	memcpy(out, low, value.len + 1);
	return true;
}

bool
net_sts_pattern_matches(const char *pattern, const char *host)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0)
		return strcmp(pattern, host) == 0;
	dot = strchr(host, '.');
	return dot != NULL && dot != host && strcmp(dot, pattern + 1) == 0;
}

bool
net_sts_names(const struct net_sts *p, const char *host)
{
	for (size_t i = 0; i < p->n; i++)
		if (net_sts_pattern_matches(p->mx[i], host))
			return true;
	return false;
}

/* --- the policy --- */

/* Which fields have been met: of one that is repeated the first counts (RFC
   8461 3.2). */
struct reading {
	struct net_sts sts;
	bool version, mode, max_age;
};

static enum err
read_mode(struct reading *r, struct span value, struct err_why *why)
{
	static const enum net_sts_mode modes[] = {
	    NET_STS_NONE, NET_STS_TESTING, NET_STS_ENFORCE};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (span_eq_str(value, net_sts_mode_name(modes[i]))) {
			r->sts.mode = modes[i];
			r->mode = true;
			return ERR_OK;
		}
	return err_why(why, ERR_MALFORMED, "an unknown mode");
}

static enum err
read_mx(struct reading *r, struct span value, struct err_why *why)
{
	if (r->sts.n == NET_STS_MX_MAX)
		return err_why(why, ERR_MALFORMED, "too many mail servers");
	if (!read_pattern(value, r->sts.mx[r->sts.n]))
		return err_why(why, ERR_MALFORMED,
		    "a mail server that is no name and no pattern");
	r->sts.n++;
	return ERR_OK;
}

static enum err
read_field(
    struct reading *r, struct span key, struct span value, struct err_why *why)
{
	uint64_t age;

	if (span_eq_str(key, "mx"))
		return read_mx(r, value, why);
	if (span_eq_str(key, "version") && !r->version) {
		r->version = span_eq_str(value, "STSv1");
		return r->version ? ERR_OK
				  : err_why(why, ERR_MALFORMED,
					"a version other than STSv1");
	}
	if (span_eq_str(key, "mode") && !r->mode)
		return read_mode(r, value, why);
	if (span_eq_str(key, "max_age") && !r->max_age) {
		if (value.len > 10 ||
		    text_number(value, 0, UINT64_MAX, &age) != ERR_OK)
			return err_why(why, ERR_MALFORMED,
			    "a max_age that is no number of seconds");
		r->sts.max_age_s =
		    age > NET_STS_AGE_MAX_S ? NET_STS_AGE_MAX_S : (uint32_t)age;
		r->max_age = true;
	}
	return ERR_OK; /* fields to come */
}

enum err
net_sts_parse(struct span text, struct net_sts *out, struct err_why *why)
{
	struct reading r = {.version = false};
	struct span line, value;
	size_t end, colon;
	enum err e;

	if (text.len > NET_STS_POLICY_MAX)
		return err_why(why, ERR_MALFORMED, "larger than 64 KiB");
	while (text.len > 0) {
		end = span_find_chr(text, 0, '\n');
		line = span_trim(SPAN(text.data, end));
		end += end < text.len;
		text = SPAN(text.data + end, text.len - end);
		if (line.len == 0)
			continue;
		colon = span_find_chr(line, 0, ':');
		if (colon == line.len)
			return err_why(
			    why, ERR_MALFORMED, "a line without a colon");
		value = span_trim(
		    SPAN(line.data + colon + 1, line.len - colon - 1));
		e = read_field(
		    &r, span_trim(SPAN(line.data, colon)), value, why);
		if (e != ERR_OK)
			return e;
	}
	if (!r.version || !r.mode || !r.max_age)
		return err_why(
		    why, ERR_MALFORMED, "no version, mode or max_age");
	if (r.sts.n == 0 && r.sts.mode != NET_STS_NONE)
		return err_why(why, ERR_MALFORMED, "no mail server");
	*out = r.sts;
	return ERR_OK;
}
