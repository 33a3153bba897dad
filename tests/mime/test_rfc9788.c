/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The examples of RFC 9788 as vectors: from the message that its author wrote
 * we make a payload with the same protected fields, the same record of the
 * outer ones in the same order, and the same legacy display. Appendix C.3.1.2,
 * E.1, E.2.
 */
#include "tests/mime/payload_case.h"

#define MESSAGE                                                                \
	"Date: Fri, 21 Jan 2022 20:40:48 -0500\r\n"                            \
	"From: Alice <alice@example.net>\r\nTo: Bob <bob@example.net>\r\n"     \
	"Subject: Dinner plans\r\n"
#define OUTER                                                                  \
	"Date: Fri, 21 Jan 2022 20:40:48 -0500\r\n"                            \
	"From: Alice <alice@example.net>\r\nTo: Bob <bob@example.net>\r\n"     \
	"Subject: [...]\r\n"
#define RECORD                                                                 \
	"HP-Outer: Date: Fri, 21 Jan 2022 20:40:48 -0500\r\n"                  \
	"HP-Outer: From: Alice <alice@example.net>\r\n"                        \
	"HP-Outer: To: Bob <bob@example.net>\r\nHP-Outer: Subject: [...]\r\n"
#define TEXT                                                                   \
	"Let's meet at Rama's Roti Shop at 8pm and go to the park\r\n"         \
	"from there.\r\n"

static const struct {
	const char *name;
	const char *fields, *type, *body; /* as the author wrote them */
	const char *outer, *record, *displayed;
} vectors[] = {
    {"C.3.1.2",
	"Subject: smime-signed-enc-hp-baseline\r\n"
	"Message-ID: <smime-signed-enc-hp-baseline@example>\r\n"
	"From: Alice <alice@smime.example>\r\n"
	"To: Bob <bob@smime.example>\r\n"
	"Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
	"User-Agent: Sample MUA Version 1.0\r\n",
	/* without a legacy display: none is put into this type */
	"image/png", "This is the\r\nsmime-signed-enc-hp-baseline\r\nmessage.",
	"Subject: [...]\r\n"
	"Message-ID: <smime-signed-enc-hp-baseline@example>\r\n"
	"From: Alice <alice@smime.example>\r\n"
	"To: Bob <bob@smime.example>\r\n"
	"Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
	"User-Agent: Sample MUA Version 1.0\r\n",
	"HP-Outer: Subject: [...]\r\n"
	"HP-Outer: Message-ID: <smime-signed-enc-hp-baseline@example>\r\n"
	"HP-Outer: From: Alice <alice@smime.example>\r\n"
	"HP-Outer: To: Bob <bob@smime.example>\r\n"
	"HP-Outer: Date: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
	"HP-Outer: User-Agent: Sample MUA Version 1.0\r\n",
	NULL},
    {"E.1", MESSAGE "Message-ID: <text-plain-legacy-display@lhp.example>\r\n",
	"text/plain; charset=\"us-ascii\"", TEXT,
	OUTER "Message-ID: <text-plain-legacy-display@lhp.example>\r\n",
	RECORD
	"HP-Outer: Message-ID: <text-plain-legacy-display@lhp.example>\r\n",
	"Subject: Dinner plans\r\n\r\n" TEXT},
    {"E.2", MESSAGE "Message-ID: <text-html-legacy-display@lhp.example>\r\n",
	"text/html; charset=\"us-ascii\"",
	"<html><head><title></title></head><body>\r\n"
	"<p>\r\n" TEXT "</p>\r\n</body>\r\n</html>\r\n",
	OUTER "Message-ID: <text-html-legacy-display@lhp.example>\r\n",
	RECORD
	"HP-Outer: Message-ID: <text-html-legacy-display@lhp.example>\r\n",
	"<html><head><title></title></head><body>\r\n"
	"<div class=\"header-protection-legacy-display\">\r\n"
	"<pre>Subject: Dinner plans</pre>\r\n</div>\r\n"
	/* the line end that stood behind the tag, which means nothing there */
	"\r\n<p>\r\n" TEXT "</p>\r\n</body>\r\n</html>\r\n"},
};

static void
make(struct made *m, size_t i)
{
	const struct mime_payload_form form = {
	    .hp = MIME_HP_BASELINE, .sealed = true};
	struct buf text;

	buf_init(&text, 65536);
	cr_assert_eq(buf_puts(&text, vectors[i].fields), ERR_OK);
	cr_assert_eq(
	    buf_puts(&text, "MIME-Version: 1.0\r\nContent-Type: "), ERR_OK);
	cr_assert_eq(buf_puts(&text, vectors[i].type), ERR_OK);
	cr_assert_eq(buf_puts(&text, "\r\n\r\n"), ERR_OK);
	cr_assert_eq(buf_puts(&text, vectors[i].body), ERR_OK);
	made_init(m, buf_span(&text), &form);
	buf_clear(&text);
}

static bool
has(struct span s, const char *what)
{
	return span_find(s, 0, span_str(what)) < s.len;
}

Test(rfc9788, the_examples_come_out)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const char *name = vectors[i].name;
		const char *shown = vectors[i].displayed;
		struct span inner, head, body;
		struct made m;
		size_t end;

		make(&m, i);
		inner = buf_span(&m.inner);
		end = span_find(inner, 0, SPAN_LIT("\r\n\r\n"));
		cr_assert_lt(end, inner.len);
		head = SPAN(inner.data, end + 2);
		body = SPAN(inner.data + end + 4, inner.len - end - 4);
		cr_expect(span_eq_str(
			      mime_payload_outer(m.payload), vectors[i].outer),
		    "%s: outside", name);
		cr_expect(has(head, vectors[i].fields), "%s: fields", name);
		cr_expect(has(head, vectors[i].record), "%s: record", name);
		cr_expect(has(head, "hp=\"cipher\""), "%s: hp", name);
		cr_expect_eq(has(head, "hp-legacy-display=\"1\""),
		    shown != NULL, "%s: parameter", name);
		cr_expect(
		    span_eq_str(body, shown != NULL ? shown : vectors[i].body),
		    "%s:\n%.*s", name, (int)body.len, (const char *)body.data);
		made_clear(&m);
	}
}
