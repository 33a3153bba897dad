/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which fields tell of who sent the message beside the address.
 */
#include "mime/anonymise.h"

bool
mime_field_tells(const struct mime_field *f)
{
	static const char *const names[] = {"User-Agent", "X-Mailer",
	    "X-MimeOLE", "X-Newsreader", "X-Originating-IP",
	    "X-Originating-Client", "X-Client-IP", "X-Sender-IP", "X-Sender",
	    "X-AuthUser", "X-Authenticated-Sender", "X-Authenticated-User",
	    "X-PHP-Originating-Script", "X-PHP-Script", "X-Source",
	    "X-Source-Args", "X-Source-Dir", "X-Source-IP",
	    "X-Get-Message-Sender-Via", "X-Forwarded-For",
	    "X-Forwarded-Encrypted", "X-Virus-Scanned",
	    "X-Spam-Checker-Version", "X-Scanned-By", "X-Face",
	    "Return-Receipt-To", "Thread-Index", "Received-SPF",
	    "Authentication-Results", "X-Received", "Mailer"};
	static const char *const prefixes[] = {"X-MS-", "X-Microsoft-",
	    "X-Exchange-", "X-ClientProxiedBy", "X-EOP", "X-Forefront-",
	    "X-AntiAbuse", "X-Barracuda-", "X-Proofpoint-", "X-Mimecast-"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_caseeq_str(f->name, names[i]))
			return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (span_starts_caseeq(f->name, prefixes[i]))
			return true;
	return false;
}

bool
mime_field_is_private(const struct mime_field *f)
{
	static const char *const names[] = {"Bcc", "Resent-Bcc",
	    "Sealgate-Passphrase", "Sealgate-Question", "Sealgate-Answer"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_caseeq_str(f->name, names[i]))
			return true;
	return false;
}

/* What stands behind the last semicolon is a time in digits, letters and a few
   signs, or it is not taken over. */
static struct span
time_of(struct span value)
{
	size_t at = value.len;
	struct span t;

	while (at > 0 && value.data[at - 1] != ';')
		at--;
	t = span_trim(SPAN(value.data + at, at == 0 ? 0 : value.len - at));
	/* a comment behind it may name a host */
	t.len = span_find_chr(t, 0, '(');
	t = span_trim(t);
	for (size_t i = 0; i < t.len; i++) {
		uint8_t c = t.data[i];

		if (!(c >= '0' && c <= ':') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= 'a' && c <= 'z') && c != ' ' && c != ',' &&
		    c != '+' && c != '-')
			return SPAN(NULL, 0);
	}
	return t.len <= 40 ? t : SPAN(NULL, 0);
}

enum err
mime_received_short(const struct mime_field *f, struct buf *out)
{
	struct span t = time_of(f->value);

	if (t.len == 0)
		t = SPAN_LIT("Thu, 01 Jan 1970 00:00:00 +0000");
	return buf_printf(out, "Received: by anonymous.invalid; %.*s\r\n",
	    (int)t.len, (const char *)t.data);
}
