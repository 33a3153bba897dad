/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a relay would change is encoded, part by part; what need not be is the
 * same octets; what must not be is reported.
 */
#include "mime/seven_bit.h"
#include "tests/mime/payload_case.h"

#define HEAD  "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define ANY   MIME_TRANSPORT_ANY
#define SEVEN MIME_TRANSPORT_7BIT
#define PGP   MIME_TRANSPORT_PGP
#define QP    "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64   "Content-Transfer-Encoding: base64\r\n"
#define EIGHT "Content-Transfer-Encoding: 8bit\r\n"

/* content NULL: the same as it came. fit: is it then what was asked for? */
static const struct {
	const char *what;
	enum mime_transport transport;
	const char *header, *body, *content;
	bool fit;
} rows[] = {
    {"ASCII stays", PGP, "Content-Type: text/plain\r\n", "a\r\n", NULL, true},
    {"8-bit text stays where it may", ANY,
	"Content-Type: text/plain; charset=utf-8\r\n" EIGHT, "h\xc3\xa4\r\n",
	NULL, true},
    {"8-bit text", SEVEN, "Content-Type: text/plain; charset=utf-8\r\n" EIGHT,
	"h\xc3\xa4 \r\n",
	"Content-Type: text/plain; charset=utf-8\r\n" QP "\r\nh=C3=A4=20\r\n",
	true},
    {"a text without a label", SEVEN, "Content-Type: text/plain\r\n",
	"h\xc3\xa4\r\n", "Content-Type: text/plain\r\n" QP "\r\nh=C3=A4\r\n",
	true},
    {"a label that would be converted", SEVEN,
	"Content-Type: text/plain\r\n" EIGHT, "a\r\n",
	"Content-Type: text/plain\r\n"
	"Content-Transfer-Encoding: 7bit\r\n\r\na\r\n",
	true},
    {"no other type is text", SEVEN,
	"Content-Type: application/ms-tnef\r\n"
	"Content-Transfer-Encoding: binary\r\n",
	"\x01\xff\r\n",
	"Content-Type: application/ms-tnef\r\n" B64 "\r\nAf8NCg==\r\n", true},
    {"an invitation", SEVEN,
	"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n" EIGHT,
	"BEGIN:VCALENDAR\r\nSUMMARY:h\xc3\xa4\r\n",
	"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n" QP
	"\r\nBEGIN:VCALENDAR\r\nSUMMARY:h=C3=A4\r\n",
	true},
    {"flowed text keeps its blanks for S/MIME", SEVEN,
	"Content-Type: text/plain; format=flowed\r\n", "a \r\nb\r\n", NULL,
	true},
    {"and has them encoded for OpenPGP", PGP,
	"Content-Type: text/plain; format=flowed\r\n",
	"a \r\nb\r\n-- \r\nc\r\n",
	"Content-Type: text/plain; format=flowed\r\n" QP
	"\r\na=20\r\nb\r\n=2D-=20\r\nc\r\n",
	true},
    {"an mbox line for OpenPGP", PGP, "Content-Type: text/plain\r\n",
	"From here\r\n",
	"Content-Type: text/plain\r\n" QP "\r\nFrom=20here\r\n", true},
    {"not for S/MIME", SEVEN, "Content-Type: text/plain\r\n", "From here\r\n",
	NULL, true},
    {"quoted-printable that a relay would cut", PGP,
	"Content-Type: text/plain\r\n" QP, "a=\t\r\nb=C3=A4\r\n",
	"Content-Type: text/plain\r\n" QP "\r\nab=C3=A4\r\n", true},
    {"base64 with blanks", PGP, "Content-Type: image/png\r\n" B64,
	"aGVs \r\nbG8=\r\n",
	"Content-Type: image/png\r\n" B64 "\r\naGVsbG8=\r\n", true},
    {"parts by themselves", SEVEN,
	"Content-Type: multipart/mixed; boundary=x\r\n" EIGHT,
	"pre\r\n--x\r\n\r\nascii\r\n--x\r\nContent-Type: text/html\r\n\r\n"
	"h\xc3\xa4\r\n--x\r\nContent-Type: image/png\r\n" B64
	"\r\naGVsbG8=\r\n--x\r\nContent-type: image/gif\r\nX-A: b\r\n"
	"content-transfer-ENCODING: 8bit\r\n\r\n\xff\r\n--x--\r\npost\r\n",
	"Content-Type: multipart/mixed; boundary=x\r\n"
	"Content-Transfer-Encoding: 7bit\r\n\r\n"
	"pre\r\n--x\r\n\r\nascii\r\n--x\r\nContent-Type: text/html\r\n" QP
	"\r\nh=C3=A4\r\n--x\r\nContent-Type: image/png\r\n" B64
	"\r\naGVsbG8=\r\n--x\r\nContent-type: image/gif\r\nX-A: b\r\n"
	"content-transfer-ENCODING: "
	"base64\r\n\r\n/w==\r\n\r\n--x--\r\npost\r\n",
	true},
    {"leaves of a message in the message", SEVEN,
	"Content-Type: message/rfc822\r\n" EIGHT,
	"From: c@d\r\nMIME-Version: 1.0\r\nSubject: x\r\n"
	"Content-Type: multipart/mixed; boundary=y\r\n" EIGHT
	"\r\n--y\r\nX: z\r\n\r\nh\xc3\xa4\r\n--y--\r\n",
	"Content-Type: message/rfc822\r\n"
	"Content-Transfer-Encoding: 7bit\r\n\r\n"
	"From: c@d\r\nMIME-Version: 1.0\r\nSubject: x\r\n"
	"Content-Type: multipart/mixed; boundary=y\r\n"
	"Content-Transfer-Encoding: 7bit\r\n"
	"\r\n--y\r\nX: z\r\n" QP "\r\nh=C3=A4\r\n--y--\r\n",
	true},
    {"a signed part is as it is", SEVEN,
	"Content-Type: multipart/signed; boundary=x\r\n" EIGHT,
	"--x\r\n" EIGHT "\r\nh\xc3\xa4\r\n--x\r\n"
	"Content-Type: application/pgp-signature\r\n\r\ns\r\n--x--\r\n",
	NULL, false},
    {"one inside, with another beside it", SEVEN,
	"Content-Type: multipart/mixed; boundary=y\r\n",
	"--y\r\n" EIGHT "\r\nh\xc3\xa4\r\n--y\r\n"
	"Content-Type: multipart/signed; boundary=x\r\n\r\n"
	"--x\r\n\r\nh\xc3\xa4\r\n--x\r\n"
	"Content-Type: "
	"application/pgp-signature\r\n\r\ns\r\n--x--\r\n--y--\r\n",
	"Content-Type: multipart/mixed; boundary=y\r\n\r\n"
	"--y\r\n" QP "\r\nh=C3=A4\r\n--y\r\n"
	"Content-Type: multipart/signed; boundary=x\r\n\r\n"
	"--x\r\n\r\nh\xc3\xa4\r\n--x\r\n"
	"Content-Type: "
	"application/pgp-signature\r\n\r\ns\r\n--x--\r\n--y--\r\n",
	false},
    {"a signed one that is 7-bit anyway", PGP,
	"Content-Type: multipart/signed; boundary=x\r\n",
	"--x\r\n\r\nh\r\n--x\r\n"
	"Content-Type: application/pgp-signature\r\n\r\ns\r\n--x--\r\n",
	NULL, true},
    {"a CMS object in binary", SEVEN,
	"Content-Type: application/pkcs7-mime\r\n"
	"Content-Transfer-Encoding: binary\r\n",
	"\x30\x80\r\n", NULL, false},
    {"a delivery report cannot be encoded", SEVEN,
	"Content-Type: message/delivery-status\r\n" EIGHT,
	"Reporting-MTA: dns; h\xc3\xa4\r\n",
	"Content-Type: message/delivery-status\r\n"
	"Content-Transfer-Encoding: 7bit\r\n\r\n"
	"Reporting-MTA: dns; h\xc3\xa4\r\n",
	false},
    {"8-bit between parts", SEVEN,
	"Content-Type: multipart/mixed; boundary=x\r\n",
	"h\xc3\xa4\r\n--x\r\n\r\na\r\n--x--\r\n", NULL, false},
    {"blanks behind a boundary, for OpenPGP", PGP,
	"Content-Type: multipart/mixed; boundary=x\r\n",
	"--x \r\n\r\na\r\n--x--\r\n", NULL, false},
    {"what is in doubt is not touched", SEVEN,
	"Content-Type: multipart/mixed; boundary=x\r\n",
	"--x\r\n\r\nh\xc3\xa4\r\n", NULL, false},
    {"what is in doubt may be fit", PGP,
	"Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\n\r\nh\r\n",
	NULL, true},
    {"an unknown encoding", SEVEN,
	"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-y\r\n",
	"h\xc3\xa4\r\n", NULL, false},
};

Test(seven_bit, per_part)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_payload_form form = {
		    .hp = MIME_HP_NONE, .transport = rows[i].transport};
		struct buf msg, same;
		struct made m;

		buf_init(&msg, 65536);
		buf_init(&same, 65536);
		cr_assert(buf_printf(&msg, HEAD "%s\r\n%s", rows[i].header,
			      rows[i].body) == ERR_OK);
		cr_assert(buf_printf(&same, "%s\r\n%s", rows[i].header,
			      rows[i].body) == ERR_OK);
		made_init(&m, buf_span(&msg), &form);
		cr_assert(span_eq(buf_span(&m.inner),
			      rows[i].content ? span_str(rows[i].content)
					      : buf_span(&same)),
		    "%s:\n%s", rows[i].what, buf_cstr(&m.inner));
		cr_assert((m.unfit == NULL) == rows[i].fit, "%s", rows[i].what);
		made_clear(&m);
		buf_clear(&msg);
		buf_clear(&same);
	}
}

Test(seven_bit, lines_of_998_and_no_more)
{
	for (size_t len = 997; len <= 1000; len++) {
		struct mime_payload_form form = {
		    .hp = MIME_HP_NONE, .transport = MIME_TRANSPORT_7BIT};
		char line[1001];
		struct buf msg;
		struct made m;

		memset(line, 'x', len);
		line[len] = '\0';
		buf_init(&msg, 65536);
		cr_assert(buf_printf(&msg, "From: a@b.example\r\n\r\n%s\r\n",
			      line) == ERR_OK);
		made_init(&m, buf_span(&msg), &form);
		cr_assert(m.unfit == NULL);
		cr_assert((span_find(buf_span(&m.inner), 0, span_str(line)) <
			      m.inner.len) == (len <= 998),
		    "%zu", len);
		made_clear(&m);
		buf_clear(&msg);
	}
}

/* The element is part of what is signed. */
Test(seven_bit, with_a_legacy_display)
{
	struct mime_payload_form form = {
	    .sealed = true, .transport = MIME_TRANSPORT_PGP};
	struct made m;

	made_init(&m,
	    SPAN_LIT("From: a@b.example\r\nMIME-Version: 1.0\r\n"
		     "Subject: =?utf-8?Q?=C3=A4?=\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n" EIGHT
		     "\r\nhello\r\n"),
	    &form);
	cr_assert(m.unfit == NULL, "%s", m.unfit);
	cr_assert(
	    span_find(buf_span(&m.inner), 0,
		SPAN_LIT("hp=\"cipher\"; protected-headers=\"v1\"\r\n" QP
			 "\r\nSubject: =C3=A4\r\n\r\nhello\r\n")) < m.inner.len,
	    "%s", buf_cstr(&m.inner));
	made_clear(&m);
}

static const struct {
	const char *octets, *seven, *pgp; /* what is wrong */
} looks[] = {
    {"a\r\nb\r\n", NULL, NULL},
    {"\x7f", NULL, NULL},
    {"\x80", "8-bit characters", "8-bit characters"},
    {"a \r\n", NULL, "a line that ends in a blank"},
    {"a\t", NULL, "a line that ends in a blank"},
    {" a\r\n", NULL, NULL},
    {"From x", NULL, "a line that begins with \"From \""},
    {"a\r\nFrom x", NULL, "a line that begins with \"From \""},
    {"a\r\nFrom\r\n", NULL, NULL},
    {"From: x\r\nFFrom x\r\n>From x\r\n", NULL, NULL},
};

Test(seven_bit, a_look_in_any_pieces)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		struct span s = span_str(looks[i].octets);

		for (size_t cut = 0; cut <= s.len; cut++) {
			struct seven_bit l[2];

			for (int k = 0; k < 2; k++) {
				struct mime_sink sink = seven_bit_sink(&l[k]);
				const char *wrong =
				    k ? looks[i].pgp : looks[i].seven;
				enum err e;

				seven_bit_init(&l[k], k ? PGP : SEVEN);
				e = mime_put(&sink, SPAN(s.data, cut));
				if (e == ERR_OK)
					e = mime_put(&sink,
					    SPAN(s.data + cut, s.len - cut));
				cr_assert(wrong != NULL || e == ERR_OK);
				cr_assert(seven_bit_end(&l[k]) == wrong ||
					      strcmp(l[k].fault, wrong) == 0,
				    "%s", looks[i].octets);
			}
		}
	}
}
