/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Domains in their one canonical form: A-labels in lower case (RFC 5890, RFC
 * 5891, UTS 46 non-transitional through libidn2), and address literals (RFC
 * 5321 section 4.1.3).
 */
#include "mime/addr.h"

#include <arpa/inet.h>
#include <string.h>

#include <idn2.h>

#include "common/arena.h"
#include "mime/utf8.h"

enum {
	DOMAIN_MAX = 253, /* octets on the wire less the root: RFC 1035 */
	LABEL_MAX = 63,
};

static bool
is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static const char *
label_fault(const char *label, size_t len)
{
	if (len == 0)
		return "empty label in the domain (two dots, or one at its "
		       "end)";
	if (len > LABEL_MAX)
		return "a label of the domain is longer than 63 octets";
	for (size_t i = 0; i < len; i++)
		if (!is_ldh(label[i]))
			return "a character that no domain has";
	if (label[0] == '-' || label[len - 1] == '-')
		return "a label of the domain begins or ends with a hyphen";
	return NULL;
}

/* What is wrong with a domain in lower-case ASCII; NULL if nothing. */
static const char *
domain_fault(const char *d)
{
	const char *dot, *fault;
	size_t len;

	if (strlen(d) > DOMAIN_MAX)
		return "the domain is longer than 253 octets";
	for (;; d = dot + 1) {
		dot = strchr(d, '.');
		len = dot == NULL ? strlen(d) : (size_t)(dot - d);
		fault = label_fault(d, len);
		if (fault != NULL || dot == NULL)
			break;
	}
	/* "127.0.0.1" is for some programs an address, for others a name */
	if (fault == NULL && strspn(d, "0123456789") == len)
		fault = "the domain ends in a number; an IP address needs [ ]";
	return fault;
}

/* Through libidn2 and, where it has A-labels, there and back: what does not
   come back the same is no A-label (RFC 5891 section 5.4). Not with libidn2's
   STD3 rules: they drop a full-width "@" or "/" silently, where domain_fault()
   refuses what it is mapped to. */
static enum err
map_idna(const char *in, struct arena *a, char **out, struct err_why *why)
{
	const int flags = IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT;
	char *ascii = NULL, *unicode = NULL, *again = NULL;
	enum err e = ERR_ADDR_SYNTAX;
	int rc;

	rc = idn2_to_ascii_8z(in, &ascii, flags);
	if (rc == IDN2_OK)
		rc = idn2_to_unicode_8z8z(ascii, &unicode, flags);
	if (rc == IDN2_OK)
		rc = idn2_to_ascii_8z(unicode, &again, flags);
	if (rc == IDN2_MALLOC) {
		e = ERR_NOMEM;
		goto out;
	}
	if (rc != IDN2_OK) {
		err_why(why, e, "not an international domain name: %s",
		    idn2_strerror(rc));
		goto out;
	}
	if (strcmp(ascii, again) != 0) {
		err_why(why, e, "the domain has an xn-- label that is not one");
		goto out;
	}
	*out = arena_strdup(a, ascii);
	e = *out == NULL ? ERR_NOMEM : ERR_OK;
out:
	idn2_free(ascii);
	idn2_free(unicode);
	idn2_free(again);
	return e;
}

static enum err
parse_literal(
    struct span in, struct arena *a, const char **out, struct err_why *why)
{
	char text[INET6_ADDRSTRLEN + 1] = "";
	unsigned char raw[16];
	bool v6 = span_starts_caseeq(in, "[IPv6:");
	size_t skip = v6 ? 6 : 1, len;
	char *made;

	if (in.len < skip + 2 || in.data[in.len - 1] != ']')
		return err_why(
		    why, ERR_ADDR_SYNTAX, "address literal not closed");
	len = in.len - skip - 1;
	if (len < sizeof(text))
		memcpy(text, in.data + skip, len);
	/* a NUL inside ends text early and is caught by the length */
	if (len >= sizeof(text) || strlen(text) != len ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, text, raw) != 1)
		return err_why(why, ERR_ADDR_SYNTAX,
		    "not an address literal ([192.0.2.1] or "
		    "[IPv6:2001:db8::1])");
	inet_ntop(v6 ? AF_INET6 : AF_INET, raw, text, sizeof(text));
	made = arena_printf(a, "[%s%s]", v6 ? "IPv6:" : "", text);
	if (made == NULL)
		return ERR_NOMEM;
	*out = made;
	return ERR_OK;
}

/* No control character, blank or foreign octet reaches libidn2: it takes a
   string and maps some characters to others. */
static const char *
input_fault(struct span in)
{
	uint32_t c = 0;
	size_t n;

	if (in.len == 0)
		return "no domain";
	if (in.len > 4 * DOMAIN_MAX)
		return "the domain is longer than 253 octets";
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] <= ' ' || in.data[i] == 0x7f)
			return "a blank or control character in the domain";
	for (; in.len > 0; in.data += n, in.len -= n) {
		n = mime_utf8_next(in, &c);
		if (n == 0)
			return "the domain is not UTF-8";
		/* UTS 46 maps them to nothing: two spellings, one look */
		if (mime_utf8_is_trick(c))
			return "a character in the domain that is not seen";
	}
	return NULL;
}

enum err
mime_domain_parse(
    struct span in, struct arena *a, const char **out, struct err_why *why)
{
	const char *fault = input_fault(in);
	char *d;
	enum err e;

	if (fault != NULL)
		return err_why(why, ERR_ADDR_SYNTAX, "%s", fault);
	if (in.data[0] == '[')
		return parse_literal(in, a, out, why);
	d = arena_span_str(a, in);
	if (d == NULL)
		return ERR_NOMEM;
	for (char *p = d; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	if (!mime_is_ascii(in) || strncmp(d, "xn--", 4) == 0 ||
	    strstr(d, ".xn--") != NULL) {
		e = map_idna(d, a, &d, why);
		if (e != ERR_OK)
			return e;
	}
	fault = domain_fault(d);
	if (fault != NULL)
		return err_why(why, ERR_ADDR_SYNTAX, "%s", fault);
	*out = d;
	return ERR_OK;
}
