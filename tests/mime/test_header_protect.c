/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which field goes where, held against RFC 9788.
 */
#include "tests/mime/payload_case.h"

#define FROM "From: Alice <alice@example.net>\r\n"
#define TO   "To: Bob <bob@example.net>,\r\n \"C, D\" <c@example.net>\r\n"
#define DATE "Date: Fri, 21 Jan 2022 20:40:48 -0500\r\n"
#define ID   "Message-ID: <1@lhp.example>\r\n"
#define SUBJ "Subject: Dinner plans\r\n"
#define MIME "MIME-Version: 1.0\r\n"
#define CT   "Content-Type: image/png\r\n"

static const struct {
	const char *what;
	enum mime_hp hp;
	bool sealed;
	const char *trace, *subject, *header, *outer, *inner;
} rows[] = {
    {"none: as ever", MIME_HP_NONE, true, "", "", FROM SUBJ MIME CT, FROM SUBJ,
	CT},
    {"baseline", MIME_HP_BASELINE, true, "", "",
	DATE FROM TO SUBJ ID "Keywords: food\r\ncomments: x\r\n" MIME CT,
	DATE FROM TO "Subject: [...]\r\n" ID,
	DATE FROM TO SUBJ ID "Keywords: food\r\ncomments: x\r\n"
			     "HP-Outer: " DATE "HP-Outer: " FROM "HP-Outer: " TO
			     "HP-Outer: Subject: [...]\r\nHP-Outer: " ID
			     "Content-Type: image/png;\r\n hp=\"cipher\"; "
			     "protected-headers=\"v1\"\r\n"},
    {"shy", MIME_HP_SHY, true, "", "", DATE FROM TO "Cc: e@f\r\n" SUBJ MIME CT,
	"Date: Sat, 22 Jan 2022 01:40:48 +0000\r\n"
	"From: alice@example.net\r\n"
	"To: bob@example.net,\r\n c@example.net\r\n"
	"Cc: e@f\r\nSubject: [...]\r\n",
	DATE FROM TO "Cc: e@f\r\n" SUBJ
		     "HP-Outer: Date: Sat, 22 Jan 2022 01:40:48 +0000\r\n"
		     "HP-Outer: From: alice@example.net\r\n"
		     "HP-Outer: To: bob@example.net,\r\n c@example.net\r\n"
		     "HP-Outer: Cc: e@f\r\nHP-Outer: Subject: [...]\r\n"
		     "Content-Type: image/png;\r\n hp=\"cipher\"; "
		     "protected-headers=\"v1\"\r\n"},
    {"shy leaves what it cannot read", MIME_HP_SHY, true, "", "",
	FROM "Date: soon\r\nTo: undisclosed-recipients:;\r\n" MIME CT,
	"From: alice@example.net\r\nDate: soon\r\n"
	"To: undisclosed-recipients:;\r\n",
	FROM "Date: soon\r\nTo: undisclosed-recipients:;\r\n"
	     "HP-Outer: From: alice@example.net\r\nHP-Outer: Date: soon\r\n"
	     "HP-Outer: To: undisclosed-recipients:;\r\n"
	     "Content-Type: image/png;\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"signed only", MIME_HP_BASELINE, false, "", "",
	FROM SUBJ "Keywords: food\r\n" MIME CT, FROM SUBJ "Keywords: food\r\n",
	FROM SUBJ "Keywords: food\r\n"
		  "Content-Type: image/png;\r\n hp=\"clear\"\r\n"},
    {"signed only, none", MIME_HP_NONE, false, "", "", FROM SUBJ MIME CT,
	FROM SUBJ, CT},
    {"trace and transport stay outside", MIME_HP_BASELINE, true,
	"Received: by gw\r\n", "",
	"Return-Path: <a@b>\r\nReceived: by x\r\n y\r\nARC-Seal: i=1\r\n"
	"DKIM-Signature: v=1\r\nAuthentication-Results: x; none\r\n"
	"Received-SPF: pass\r\nDelivered-To: q\r\n" FROM MIME CT,
	"Received: by gw\r\nReturn-Path: <a@b>\r\nReceived: by x\r\n y\r\n"
	"ARC-Seal: i=1\r\nDKIM-Signature: v=1\r\n"
	"Authentication-Results: x; none\r\nReceived-SPF: pass\r\n"
	"Delivered-To: q\r\n" FROM,
	FROM "HP-Outer: " FROM "Content-Type: image/png;\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"hidden recipients are nowhere", MIME_HP_BASELINE, true, "", "",
	FROM "Bcc: x@y,\r\n z@y\r\nbcc : q@y\r\nResent-Bcc: w@y\r\n" MIME CT,
	FROM,
	FROM "HP-Outer: " FROM "Content-Type: image/png;\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"nor when signed, nor without protection", MIME_HP_NONE, false, "", "",
	FROM "Bcc: x@y\r\nResent-Bcc: w@y\r\n" MIME CT, FROM, CT},
    {"a record that is not ours goes", MIME_HP_BASELINE, true, "", "",
	FROM "HP-Outer: Subject: lie\r\n" MIME CT, FROM,
	FROM "HP-Outer: " FROM "Content-Type: image/png;\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"the subject without its tag", MIME_HP_BASELINE, true, "",
	"Subject: x\r\n", FROM "Subject: [secure] x\r\n" MIME CT,
	FROM "Subject: [...]\r\n",
	FROM "Subject: x\r\nHP-Outer: " FROM "HP-Outer: Subject: [...]\r\n"
	     "Content-Type: image/png;\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"two subjects are hidden, both", MIME_HP_BASELINE, true, "", "",
	FROM SUBJ "Subject: y\r\n" MIME CT,
	FROM "Subject: [...]\r\nSubject: [...]\r\n",
	FROM SUBJ "Subject: y\r\nHP-Outer: " FROM
		  "HP-Outer: Subject: [...]\r\nHP-Outer: Subject: [...]\r\n"
		  "Content-Type: image/png;\r\n hp=\"cipher\"; "
		  "protected-headers=\"v1\"\r\n"},
    {"parameters that lie are replaced", MIME_HP_BASELINE, true, "", "",
	FROM MIME
	"Content-Type: image/png; HP=\"clear\";\r\n\tname=\"a;b\" ;\r\n",
	FROM,
	FROM "HP-Outer: " FROM
	     "Content-Type: image/png;\r\n\tname=\"a;b\";\r\n hp=\"cipher\"; "
	     "protected-headers=\"v1\"\r\n"},
    {"a type that no one can read", MIME_HP_BASELINE, true, "", "",
	FROM SUBJ MIME "Content-Type: (x) image; png\r\n",
	FROM "Subject: [...]\r\n",
	FROM SUBJ "HP-Outer: " FROM "HP-Outer: Subject: [...]\r\n"
		  "Content-Type: (x) image; png;\r\n hp=\"cipher\"; "
		  "protected-headers=\"v1\"\r\n"},
    {"what somebody signed", MIME_HP_BASELINE, true, "", "",
	FROM SUBJ MIME "Content-Type: application/pkcs7-mime\r\n", FROM SUBJ,
	"Content-Type: application/pkcs7-mime\r\n"},
};

Test(header_protect, fields)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_payload_form form = {
		    .edit = {.trace = span_str(rows[i].trace),
			.subject = span_str(rows[i].subject)},
		    .hp = rows[i].hp,
		    .sealed = rows[i].sealed};
		struct buf msg;
		struct made m;

		buf_init(&msg, 65536);
		cr_assert(buf_puts(&msg, rows[i].header) == ERR_OK);
		cr_assert(buf_puts(&msg, "\r\nhello") == ERR_OK);
		made_init(&m, buf_span(&msg), &form);
		cr_assert(
		    span_eq_str(mime_payload_outer(m.payload), rows[i].outer),
		    "%s:\n%.*s", rows[i].what,
		    (int)mime_payload_outer(m.payload).len,
		    (const char *)mime_payload_outer(m.payload).data);
		buf_reset(&msg);
		cr_assert(buf_puts(&msg, rows[i].inner) == ERR_OK);
		cr_assert(buf_puts(&msg, "\r\nhello") == ERR_OK);
		cr_assert(span_eq(buf_span(&m.inner), buf_span(&msg)),
		    "%s:\n%s", rows[i].what, buf_cstr(&m.inner));
		made_clear(&m);
		buf_clear(&msg);
	}
}

/* A References field may fill a line to its end. */
Test(header_protect, a_record_does_not_make_a_line_too_long)
{
	struct mime_payload_form form = {
	    .sealed = true, .transport = MIME_TRANSPORT_7BIT};
	char id[1200];

	for (size_t len = 960; len <= 998; len++) {
		struct buf msg;
		struct made m;

		buf_init(&msg, 65536);
		memset(id, 'x', len);
		id[len - strlen("References: ")] = '\0';
		cr_assert(buf_printf(&msg,
			      "From: a@b\r\nReferences: %s\r\n\r\nhello\r\n",
			      id) == ERR_OK);
		made_init(&m, buf_span(&msg), &form);
		cr_assert(m.unfit == NULL, "%zu: %s", len, m.unfit);
		made_clear(&m);
		buf_clear(&msg);
	}
}
