/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Fixed sizes and one length for version 2, one line for version 1; both are
 * taken whole or not at all. What does not fit is a reason to hang up, never
 * to guess.
 */
#include "gateway/listener/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "common/arena.h"
#include "common/text.h"

enum {
	V1_MAX = 107, /* with CRLF, as the protocol says */
	V2_HEAD = 16, /* octets before addresses */
	V2_IPV4 = 12, /* octets of two addresses and two ports */
	V2_IPV6 = 36,
	MAX_WORD = 255,
};

static const uint8_t signature[12] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* --- version 1 --- */

static bool
parse_addr(struct span s, int family, struct sockaddr_storage *out)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	char text[INET6_ADDRSTRLEN];

	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		if (inet_pton(AF_INET, text, &in4.sin_addr) != 1)
			return false;
		memcpy(out, &in4, sizeof(in4));
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		return false;
	memcpy(out, &in6, sizeof(in6));
	return true;
}

/* The next word of a line; false: there is none, or two blanks. */
static bool
next_word(struct span *rest, struct span *out)
{
	size_t end = span_find_chr(*rest, 0, ' ');

	*out = SPAN(rest->data, end);
	*rest = end < rest->len
		    ? SPAN(rest->data + end + 1, rest->len - end - 1)
		    : SPAN(rest->data + end, 0);
	return end > 0;
}

static bool
is_port(struct span s)
{
	uint64_t n;

	return text_number(s, 0, 65535, &n) == ERR_OK;
}

/* "TCP4 192.0.2.1 192.0.2.2 1234 25" */
static enum listener_proxy
parse_words(struct span rest, struct sockaddr_storage *client)
{
	struct sockaddr_storage from, to;
	struct span word[5];
	int family;

	if (!next_word(&rest, &word[0]))
		return LISTENER_PROXY_BAD;
	if (span_eq_str(word[0], "UNKNOWN"))
		return LISTENER_PROXY_LOCAL;
	for (int i = 1; i < 5; i++)
		if (!next_word(&rest, &word[i]))
			return LISTENER_PROXY_BAD;
	family = span_eq_str(word[0], "TCP4")	? AF_INET
		 : span_eq_str(word[0], "TCP6") ? AF_INET6
						: 0;
	if (family == 0 || rest.len > 0 ||
	    !parse_addr(word[1], family, &from) ||
	    !parse_addr(word[2], family, &to) || !is_port(word[3]) ||
	    !is_port(word[4]))
		return LISTENER_PROXY_BAD;
	*client = from;
	return LISTENER_PROXY_CLIENT;
}

static enum listener_proxy
parse_v1(struct span in, size_t *used, struct sockaddr_storage *client)
{
	struct span begin = SPAN_LIT("PROXY ");
	size_t end = span_find_chr(in, 0, '\n');
	size_t n = in.len < begin.len ? in.len : begin.len;
	enum listener_proxy got;

	if (memcmp(in.data, begin.data, n) != 0)
		return LISTENER_PROXY_BAD;
	if (end == in.len)
		return in.len < V1_MAX ? LISTENER_PROXY_MORE
				       : LISTENER_PROXY_BAD;
	if (end + 1 > V1_MAX || end < begin.len + 1 || in.data[end - 1] != '\r')
		return LISTENER_PROXY_BAD;
	got =
	    parse_words(SPAN(in.data + begin.len, end - 1 - begin.len), client);
	*used = end + 1;
	return got;
}

/* --- version 2 --- */

static enum listener_proxy
parse_block(uint8_t family, struct span block, struct sockaddr_storage *client)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memset(client, 0, sizeof(*client));
	if (family == 0x11 && block.len >= V2_IPV4) {
		memcpy(&in4.sin_addr, block.data, 4);
		memcpy(client, &in4, sizeof(in4));
		return LISTENER_PROXY_CLIENT;
	}
	if (family == 0x21 && block.len >= V2_IPV6) {
		memcpy(&in6.sin6_addr, block.data, 16);
		memcpy(client, &in6, sizeof(in6));
		return LISTENER_PROXY_CLIENT;
	}
	/* AF_UNSPEC: whatever follows is to be ignored */
	return family == 0x00 ? LISTENER_PROXY_LOCAL : LISTENER_PROXY_BAD;
}

static enum listener_proxy
parse_v2(struct span in, size_t *used, struct sockaddr_storage *client)
{
	enum listener_proxy got = LISTENER_PROXY_LOCAL;
	size_t len;

	if (in.len < V2_HEAD)
		return LISTENER_PROXY_MORE;
	len = (size_t)in.data[14] << 8 | in.data[15];
	/* version 2; LOCAL or PROXY */
	if ((in.data[12] != 0x20 && in.data[12] != 0x21) ||
	    len > LISTENER_PROXY_MAX - V2_HEAD)
		return LISTENER_PROXY_BAD;
	if (in.len < V2_HEAD + len)
		return LISTENER_PROXY_MORE;
	if (in.data[12] == 0x21)
		got = parse_block(
		    in.data[13], SPAN(in.data + V2_HEAD, len), client);
	*used = V2_HEAD + len;
	return got;
}

enum listener_proxy
listener_proxy_parse(
    struct span in, size_t *used, struct sockaddr_storage *client)
{
	size_t n = in.len < sizeof(signature) ? in.len : sizeof(signature);
	struct sockaddr_storage found;
	enum listener_proxy got;
	size_t octets = 0;

	if (in.len == 0)
		return LISTENER_PROXY_MORE;
	got = memcmp(in.data, signature, n) == 0
		  ? parse_v2(in, &octets, &found)
		  : parse_v1(in, &octets, &found);
	if (got == LISTENER_PROXY_CLIENT)
		*client = found;
	if (got == LISTENER_PROXY_CLIENT || got == LISTENER_PROXY_LOCAL)
		*used = octets;
	return got;
}

size_t
listener_proxy_room(struct span in)
{
	size_t all;

	/* the shortest of all is "PROXY UNKNOWN" with its line end */
	if (in.len < sizeof(signature))
		return sizeof(signature) - in.len;
	if (memcmp(in.data, signature, sizeof(signature)) != 0)
		return 1;
	if (in.len < V2_HEAD)
		return V2_HEAD - in.len;
	all = V2_HEAD + ((size_t)in.data[14] << 8 | in.data[15]);
	return in.len < all ? all - in.len : 1;
}

/* --- attributes --- */

static int
hex(uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *p = memchr(digits, c, sizeof(digits) - 1);

	return p == NULL ? -1 : (int)(p - digits);
}

/* RFC 3461 4. What it stands for must be printable ASCII without blanks: it is
   written into header fields and commands. */
static enum err
decode(struct span in, struct arena *a, const char **out)
{
	char text[MAX_WORD + 1];
	size_t n = 0;
	int high, low, c;

	for (size_t i = 0; i < in.len; i++) {
		c = in.data[i];
		if (c == '+') {
			if (in.len - i < 3)
				return ERR_MALFORMED;
			high = hex(in.data[i + 1]);
			low = hex(in.data[i + 2]);
			if (high < 0 || low < 0)
				return ERR_MALFORMED;
			c = high << 4 | low;
			i += 2;
		}
		if (c <= ' ' || c >= 0x7f || n == MAX_WORD ||
		    strchr("()<>\"\\;,@", c) != NULL)
			return ERR_MALFORMED;
		text[n++] = (char)c;
	}
	text[n] = '\0';
	*out = arena_strdup(a, text);
	return *out == NULL ? ERR_NOMEM : ERR_OK;
}

static enum err
take_addr(const char *text, struct arena *a, const char **out)
{
	bool v6 = strncasecmp(text, "IPV6:", 5) == 0;
	struct sockaddr_storage ss;
	char plain[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in4 = (const void *)&ss;
	const struct sockaddr_in6 *in6 = (const void *)&ss;

	if (!parse_addr(
		span_str(v6 ? text + 5 : text), v6 ? AF_INET6 : AF_INET, &ss))
		return ERR_MALFORMED;
	inet_ntop(ss.ss_family,
	    v6 ? (const void *)&in6->sin6_addr : (const void *)&in4->sin_addr,
	    plain, sizeof(plain));
	*out = arena_strdup(a, plain);
	return *out == NULL ? ERR_NOMEM : ERR_OK;
}

static const char **
place_of(struct span name, struct listener_attrs *at)
{
	if (span_caseeq_str(name, "ADDR"))
		return &at->addr;
	if (span_caseeq_str(name, "NAME"))
		return &at->name;
	return span_caseeq_str(name, "HELO") ? &at->helo : NULL;
}

static bool
is_known(struct span name)
{
	static const char *const others[] = {"PORT", "PROTO", "LOGIN", "IDENT",
	    "SOURCE", "DESTADDR", "DESTPORT"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (span_caseeq_str(name, others[i]))
			return true;
	return false;
}

static enum err
take_attr(struct span word, struct arena *a, struct listener_attrs *at)
{
	size_t eq = span_find_chr(word, 0, '=');
	struct span name = SPAN(word.data, eq), value;
	const char **place = place_of(name, at);
	const char *text = "";
	enum err e;

	if (eq == word.len || (place == NULL && !is_known(name)))
		return ERR_MALFORMED;
	value = SPAN(word.data + eq + 1, word.len - eq - 1);
	e = decode(value, a, &text);
	if (e != ERR_OK || place == NULL)
		return e;
	if (*place != NULL) /* twice */
		return ERR_MALFORMED;
	if (strcasecmp(text, "[UNAVAILABLE]") == 0 ||
	    strcasecmp(text, "[TEMPUNAVAIL]") == 0)
		text = "";
	else if (place == &at->addr)
		e = take_addr(text, a, &text);
	if (e == ERR_OK)
		*place = text;
	return e;
}

enum err
listener_parse_attrs(struct span args, struct arena *a,
    struct listener_attrs *out, struct listener_reply *why)
{
	struct listener_attrs at = {.addr = NULL};
	struct span rest = span_trim(args), word;
	size_t end;

	if (rest.len == 0)
		return listener_reply_set(
		    why, 501, "5.5.4", "Expected attributes");
	for (; rest.len > 0; rest = span_trim(rest)) {
		end = span_find_chr(rest, 0, ' ');
		word = SPAN(rest.data, end);
		rest = SPAN(rest.data + end, rest.len - end);
		if (take_attr(word, a, &at) != ERR_OK)
			return listener_reply_set(why, 501, "5.5.4",
			    "Attribute %.*s is not known, or its value is "
			    "none",
			    word.len > 40 ? 40 : (int)word.len,
			    (const char *)word.data);
	}
	*out = at;
	return ERR_OK;
}
