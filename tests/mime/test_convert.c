/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * 8-bit to 7-bit: parts are encoded one by one, everything else is the same
 * octets; what cannot be converted without breaking something has no plan.
 */
#include "mime/convert.h"
#include "tests/mime/payload_case.h"

#define HEAD	  "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define TEXT	  "Content-Type: text/plain; charset=utf-8\r\n"
#define EIGHT	  "Content-Transfer-Encoding: 8bit\r\n"
#define SEVEN	  "Content-Transfer-Encoding: 7bit\r\n"
#define QP	  "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64	  "Content-Transfer-Encoding: base64\r\n"
#define MIXED	  "Content-Type: multipart/mixed; boundary=b\r\n"
#define SIGNATURE "--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n"

/* converted NULL: it must stay as it is */
static const struct {
	const char *what, *message, *converted;
} rows[] = {
    {"a text", HEAD TEXT EIGHT "Subject: s\r\n\r\nh\xc3\xa4 \r\n.\r\n",
	HEAD TEXT QP "Subject: s\r\n\r\nh=C3=A4=20\r\n.\r\n"},
    {"a text without a label", HEAD TEXT "\r\nh\xc3\xa4\r\n",
	HEAD TEXT QP "\r\nh=C3=A4\r\n"},
    {"a text without an end", HEAD TEXT EIGHT "\r\nh\xc3\xa4",
	HEAD TEXT QP "\r\nh=C3=A4"},
    {"what is no text", HEAD "Content-Type: image/png\r\n" EIGHT "\r\n\xff",
	HEAD "Content-Type: image/png\r\n" B64 "\r\n/w==\r\n"},
    {"one part of several",
	HEAD MIXED EIGHT "\r\n--b\r\n" TEXT "\r\nascii\r\n--b\r\n" TEXT EIGHT
			 "\r\nh\xc3\xa4\r\n--b--\r\n",
	HEAD MIXED SEVEN "\r\n--b\r\n" TEXT "\r\nascii\r\n--b\r\n" TEXT QP
			 "\r\nh=C3=A4\r\n--b--\r\n"},
    {"a part without a header",
	HEAD MIXED "\r\n--b\r\n\r\nh\xc3\xa4\r\n--b--\r\n",
	HEAD MIXED "\r\n--b\r\n" QP "\r\nh=C3=A4\r\n--b--\r\n"},
    {"a message within",
	HEAD MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" EIGHT
		   "\r\n" HEAD TEXT EIGHT "\r\nh\xc3\xa4\r\n--b--\r\n",
	HEAD MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" SEVEN
		   "\r\n" HEAD TEXT QP "\r\nh=C3=A4\r\n--b--\r\n"},
    {"beside something signed",
	HEAD MIXED "\r\n--b\r\n" TEXT EIGHT "\r\n\xc3\xa4\r\n--b\r\n"
		   "Content-Type: multipart/signed; boundary=s;\r\n "
		   "protocol=\"application/pgp-signature\"; "
		   "micalg=pgp-sha256\r\n\r\n--s\r\n" TEXT EIGHT
		   "\r\nascii\r\n" SIGNATURE "--s--\r\n--b--\r\n",
	HEAD MIXED "\r\n--b\r\n" TEXT QP "\r\n=C3=A4\r\n--b\r\n"
		   "Content-Type: multipart/signed; boundary=s;\r\n "
		   "protocol=\"application/pgp-signature\"; "
		   "micalg=pgp-sha256\r\n\r\n--s\r\n" TEXT EIGHT
		   "\r\nascii\r\n" SIGNATURE "--s--\r\n--b--\r\n"},
    {"nothing to be done", HEAD TEXT "\r\nascii\r\n", NULL},
    {"a label alone", HEAD TEXT EIGHT "\r\nascii\r\n", NULL},
    {"something signed",
	HEAD "Content-Type: multipart/signed; boundary=s;\r\n "
	     "protocol=\"application/pgp-signature\"; "
	     "micalg=pgp-sha256\r\n\r\n--s\r\n" TEXT EIGHT
	     "\r\nh\xc3\xa4\r\n" SIGNATURE "--s--\r\n",
	NULL},
    {"something signed within",
	HEAD MIXED "\r\n--b\r\n"
		   "Content-Type: multipart/signed; boundary=s;\r\n "
		   "protocol=\"application/pgp-signature\"; "
		   "micalg=pgp-sha256\r\n\r\n--s\r\n" TEXT EIGHT
		   "\r\nh\xc3\xa4\r\n" SIGNATURE "--s--\r\n--b--\r\n",
	NULL},
    {"sealed octets",
	HEAD "Content-Type: application/pkcs7-mime\r\n" EIGHT "\r\n\xff\r\n",
	NULL},
    {"no MIME", "From: a@b.example\r\nSubject: s\r\n\r\nh\xe4\r\n", NULL},
    {"no MIME within",
	HEAD MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" EIGHT
		   "\r\nFrom: a@b.example\r\n\r\nh\xe4\r\n--b--\r\n",
	NULL},
    {"a header",
	"From: a@b.example\r\nSubject: h\xc3\xa4\r\n" TEXT EIGHT
	"MIME-Version: 1.0\r\n\r\nh\xc3\xa4\r\n",
	NULL},
    {"a header of a part",
	HEAD MIXED "\r\n--b\r\nX: h\xc3\xa4\r\n" TEXT EIGHT
		   "\r\nh\xc3\xa4\r\n--b--\r\n",
	NULL},
    {"between parts",
	HEAD MIXED "\r\nh\xc3\xa4\r\n--b\r\n" TEXT EIGHT
		   "\r\nh\xc3\xa4\r\n--b--\r\n",
	NULL},
    {"in what says that it is encoded", HEAD TEXT B64 "\r\nh\xc3\xa4\r\n",
	NULL},
    {"an encoding that nobody knows",
	HEAD TEXT "Content-Transfer-Encoding: uuencode\r\n\r\nh\xc3\xa4\r\n",
	NULL},
    {"two labels", HEAD TEXT EIGHT QP "\r\nh\xc3\xa4\r\n", NULL},
    {"a multipart that does not end",
	HEAD MIXED "\r\n--b\r\n" TEXT EIGHT "\r\nh\xc3\xa4\r\n", NULL},
    {"a bare line feed", HEAD TEXT EIGHT "\r\nh\xc3\xa4\n.\r\n", NULL},
};

static void
follow(const struct mime_convert_plan *plan, struct span msg, size_t piece,
    struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);
	struct mime_convert *c = mime_convert_new(plan, &sink);

	buf_reset(out);
	for (size_t at = 0; at < msg.len; at += piece)
		cr_assert_eq(
		    mime_convert_put(
			c, SPAN(msg.data + at,
			       msg.len - at < piece ? msg.len - at : piece)),
		    ERR_OK);
	cr_assert_eq(mime_convert_finish(c), ERR_OK);
	mime_convert_free(c);
}

static void
check(size_t row, struct span msg, const struct mime_convert_plan *plan)
{
	struct span want;
	struct buf out;

	if (rows[row].converted == NULL) {
		cr_expect_eq(plan->n, 0, "%s", rows[row].what);
		return;
	}
	cr_assert(plan->n > 0, "%s", rows[row].what);
	want = span_str(rows[row].converted);
	buf_init(&out, 10000);
	for (size_t piece = 1; piece <= msg.len; piece++) {
		follow(plan, msg, piece, &out);
		cr_expect(span_eq(buf_span(&out), want), "%s, by %zu: %.*s",
		    rows[row].what, piece, (int)out.len,
		    (const char *)out.data);
		cr_expect_eq(plan->size, want.len, "%s", rows[row].what);
	}
	buf_clear(&out);
}

Test(convert, part_by_part_or_not_at_all)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct mime_convert_plan plan;
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct buf text;

	buf_init(&text, 10000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span msg = span_str(rows[i].message);

		arena_reset(a);
		buf_reset(&text);
		cr_assert_eq(buf_put(&text, msg), ERR_OK);
		cr_assert_eq(
		    buf_put(&text, SPAN(zeros, sizeof(zeros))), ERR_OK);
		msg.data = text.data;
		cr_assert_eq(mime_convert_plan(msg, a, &plan), ERR_OK, "%s",
		    rows[i].what);
		check(i, msg, &plan);
	}
	buf_clear(&text);
	arena_free(a);
}

/* What is on a disk, or comes from a process that parsed what strangers
   wrote. */
Test(convert, a_plan_that_is_none)
{
	static const struct {
		struct mime_convert_edit edit[2];
		uint64_t size;
		bool sound;
	} plans[] = {
	    {{{0, 10, MIME_CONVERT_SAY_QP}, {10, 0, MIME_CONVERT_TO_QP}}, 10,
		true},
	    {{{0, 4, MIME_CONVERT_SAY_QP}, {3, 1, MIME_CONVERT_TO_QP}}, 10,
		false},
	    {{{4, 4, MIME_CONVERT_SAY_QP}, {0, 1, MIME_CONVERT_TO_QP}}, 10,
		false},
	    {{{0, 4, MIME_CONVERT_SAY_QP}, {4, 7, MIME_CONVERT_TO_QP}}, 10,
		false},
	    {{{0, 4, MIME_CONVERT_SAY_QP}, {11, 0, MIME_CONVERT_TO_QP}}, 10,
		false},
	    {{{0, UINT64_MAX, MIME_CONVERT_SAY_QP}, {1, 0, MIME_CONVERT_TO_QP}},
		10, false},
	    {{{5, UINT64_MAX - 2, MIME_CONVERT_SAY_QP},
		 {1, 0, MIME_CONVERT_TO_QP}},
		10, false},
	    {{{0, 4, MIME_CONVERT_HOWS}, {4, 6, MIME_CONVERT_TO_QP}}, 10,
		false},
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct mime_convert_edit edit[2] = {
		    plans[i].edit[0], plans[i].edit[1]};
		struct mime_convert_plan p = {.edit = edit, .n = 2};

		cr_expect_eq(mime_convert_is_sound(&p, plans[i].size),
		    plans[i].sound, "plan %zu", i);
	}
}

Test(convert, a_message_that_is_shorter_than_its_plan)
{
	struct mime_convert_edit edit = {3, 4, MIME_CONVERT_TO_QP};
	struct mime_convert_plan p = {.edit = &edit, .n = 1};
	struct buf out;
	struct mime_sink sink = mime_sink_buf(&out);
	struct mime_convert *c;

	buf_init(&out, 100);
	for (size_t len = 0; len < 7; len++) {
		c = mime_convert_new(&p, &sink);
		cr_assert_eq(
		    mime_convert_put(c, SPAN((const uint8_t *)"abcdefg", len)),
		    ERR_OK);
		cr_expect_eq(mime_convert_finish(c), ERR_MALFORMED);
		mime_convert_free(c);
	}
	buf_clear(&out);
}
