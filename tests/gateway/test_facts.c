/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/facts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/message.h"
#include "mime/header.h"

enum {
	MSG_MAX = 1 << 20,
	NOON = 1700049600 /* Wednesday, 2023-11-15 12:00 UTC */
};

#define HEAD "From: a@b.example\r\nTo: c@d.example\r\nSubject: Budget\r\n"
#define TEXT HEAD "\r\n"
#define MIXED                                                                  \
	HEAD "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "            \
	     "boundary=x\r\n\r\n--x\r\nContent-Type: "                         \
	     "text/plain\r\n\r\nHello\r\n"                                     \
	     "--x\r\n"
#define END "\r\n--x--\r\n"

/* The truth of one condition of one message. */
static enum policy_truth
find(enum policy_kind kind, const char *text, const char *msg, size_t len,
    const struct facts_in *in)
{
	static const enum rung hold[] = {RUNG_HOLD};
	const struct policy_condition when = {kind, text, false};
	const struct policy_spec spec = {.name = "r",
	    .when = &when,
	    .n_when = 1,
	    .ladder = hold,
	    .n_ladder = 1};
	struct policy *p = policy_new();
	struct arena *arena = arena_new(64 << 20);
	struct facts_matchers *m = NULL;
	struct message parsed;
	struct facts_in all = *in;
	struct err_why why = {""};
	uint8_t *raw = calloc(1, len + LIMIT_MESSAGE_PADDING);
	const enum policy_truth *truth;
	enum policy_truth t;

	memcpy(raw, msg, len);
	cr_assert_eq(policy_add_rule(p, &spec, &why), ERR_OK, "%s", why.text);
	cr_assert_eq(facts_matchers_new(p, &m, &why), ERR_OK, "%s", why.text);
	if (len > 0) {
		cr_assert_eq(message_parse(
				 p, SPAN(raw, len), true, arena, &parsed, &why),
		    ERR_OK, "%s", why.text);
		all.message = &parsed;
	}
	cr_assert_eq(facts_find(m, &all, arena, &truth), ERR_OK);
	t = truth[0];
	if (len > 0)
		message_clear(&parsed);
	facts_matchers_free(m);
	policy_free(p);
	arena_free(arena);
	free(raw);
	return t;
}

static const struct {
	enum policy_kind kind;
	const char *text;
	const char *msg;
	enum policy_truth want;
} rows[] = {
    {POLICY_HEADER, "X-Secure", "X-Secure: \r\n" TEXT, POLICY_YES},
    {POLICY_HEADER, "X-Secure", TEXT, POLICY_NO},
    {POLICY_HEADER, "x-secure: yes", "X-Secure: Yes, please\r\n" TEXT,
	POLICY_YES},
    {POLICY_HEADER, "X-Secure: yes", "X-Secure: yesterday\r\n" TEXT, POLICY_NO},
    {POLICY_HEADER, "X-Secure: yes", "X-Secure: no\r\nX-Secure: yes\r\n" TEXT,
	POLICY_YES},
    {POLICY_HEADER, "Subject: /^bud/i", TEXT, POLICY_YES},
    {POLICY_HEADER, "Subject: /^bud/", TEXT, POLICY_NO},
    {POLICY_HEADER, "X: geheim", "X: =?utf-8?b?Z2VoZWlt?=\r\n" TEXT,
	POLICY_YES},
    {POLICY_HEADER, "X: geheim", "X: =?x-nope?b?Z2VoZWlt?=\r\n" TEXT,
	POLICY_UNSURE},
    {POLICY_SENSITIVITY, "private", "Sensitivity: Private\r\n" TEXT,
	POLICY_YES},
    {POLICY_SENSITIVITY, "private", "Sensitivity: Personal\r\n" TEXT,
	POLICY_NO},
    {POLICY_SENSITIVITY, "*", "Sensitivity: Personal\r\n" TEXT, POLICY_YES},
    {POLICY_SENSITIVITY, "*", "Sensitivity: Normal\r\n" TEXT, POLICY_NO},
    {POLICY_SENSITIVITY, "*", TEXT, POLICY_NO},
    {POLICY_SENSITIVITY, "confidential", "X-Sensitivity: Confidential\r\n" TEXT,
	POLICY_YES},
    {POLICY_SENSITIVITY, "Confidential",
	"msip_labels: MSIP_Label_6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa_Enabled="
	"True;\r\n MSIP_Label_6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa_Name="
	"Confidential; x=y\r\n" TEXT,
	POLICY_YES},
    {POLICY_SENSITIVITY, "6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa",
	"msip_labels: MSIP_Label_6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa_Enabled="
	"true\r\n" TEXT,
	POLICY_YES},
    {POLICY_SENSITIVITY, "Confidential",
	"msip_labels: MSIP_Label_6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa_Enabled="
	"False; MSIP_Label_6f1d7e6a-0c2b-4f3d-9c1e-aaaaaaaaaaaa_Name="
	"Confidential\r\n" TEXT,
	POLICY_NO},
    {POLICY_CLASSIFICATION, "Restricted",
	"X-Classification: restricted\r\n" TEXT, POLICY_YES},
    {POLICY_CLASSIFICATION, "PROTECTED",
	"X-Protective-Marking: VER=2018.4, NS=gov.au, SEC=PROTECTED\r\n" TEXT,
	POLICY_YES},
    {POLICY_CLASSIFICATION, "SECRET",
	"X-Protective-Marking: VER=2018.4, NS=gov.au, SEC=PROTECTED\r\n" TEXT,
	POLICY_NO},
    {POLICY_SIZE, "10", TEXT, POLICY_YES},
    {POLICY_SIZE, "1000", TEXT, POLICY_NO},
    {POLICY_AUTOMATIC, "true", "Auto-Submitted: auto-replied\r\n" TEXT,
	POLICY_YES},
    {POLICY_AUTOMATIC, "true", TEXT, POLICY_NO},
    {POLICY_CALENDAR, "true", MIXED "Content-Type: text/calendar\r\n\r\nB" END,
	POLICY_YES},
    {POLICY_CALENDAR, "true", MIXED "Content-Type: text/csv\r\n\r\nB" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "*.XLSX",
	MIXED
	"Content-Type: application/octet-stream; name=\"a.xlsx\"\r\n\r\nB" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED
	"Content-Type: application/octet-stream; name=\"a.xls\"\r\n\r\nB" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "application/pdf",
	MIXED "Content-Type: application/octet-stream; name=\"a.txt\"\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "application/*",
	MIXED "Content-Type: text/csv; name=a.csv\r\n\r\nB" END, POLICY_NO},
    {POLICY_ATTACHMENT, "application/pdf",
	MIXED "Content-Type: text/csv; name=a.csv\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n!!!!" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "text/*", MIXED "Content-Type: text/html\r\n\r\nB" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "*.eml",
	MIXED
	"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*",
	MIXED
	"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "message/*",
	MIXED
	"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "message/rfc822",
	MIXED
	"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.msg",
	MIXED
	"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\na" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "offer.*",
	MIXED "Content-Type: message/rfc822; name=offer.eml\r\n\r\n"
	      "From: x@y.example\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.pdf",
	MIXED "Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n"
	      "Content-Type: image/png; name=a.pdf\r\n\r\na" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*=x-nope''a%2E%FF\r\n\r\nB" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*=utf-8''a.%FFlsx\r\n\r\nB" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename=\"=?x-nope?b?YS54bHN4?=\"\r\n\r\nB" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*0=a; filename*2=.xlsx\r\n\r\nB" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*1=a.xlsx\r\n\r\nB" END,
	POLICY_UNSURE},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*0=a; filename*1=.xlsx\r\n\r\nB" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*0=a; filename*1=.xls\r\n\r\nB" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*=utf-8''a.xls\r\n\r\nB" END,
	POLICY_NO},
    {POLICY_ATTACHMENT, "text/*",
	MIXED "Content-Type: text/plain\r\nContent-Disposition: attachment; "
	      "filename*1=a.xlsx\r\n\r\nB" END,
	POLICY_YES},
    {POLICY_ATTACHMENT, "*.xlsx",
	MIXED "Content-Type: text/plain; name=a.xlsx\r\n"
	      "Content-Disposition: attachment; filename=a.txt\r\n\r\nB" END,
	POLICY_YES},
    {POLICY_CONTENT, "budget", TEXT, POLICY_YES},
    {POLICY_CONTENT, "secret",
	"From: a@b.example\r\nSubject: =?x-nope?b?c2VjcmV0?=\r\n\r\nabc\r\n",
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	"From: a@b.example\r\nSubject: =?utf-8?q?s=FFcret?=\r\n\r\nabc\r\n",
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	"From: a@b.example\r\nSubject: a\r\nSubject: secret\r\n\r\nabc\r\n",
	POLICY_YES},
    {POLICY_HEADER, "X: geheim", "X: =?utf-8?q?g=FFheim?=\r\n" TEXT,
	POLICY_UNSURE},
    {POLICY_CONTENT, "strictly confidential",
	TEXT "This is Strictly\r\nconfidential.\r\n", POLICY_YES},
    {POLICY_CONTENT, "confidential", TEXT "nothing\r\n", POLICY_NO},
    {POLICY_CONTENT, "confidential >= 2", TEXT "confidential\r\n", POLICY_NO},
    {POLICY_CONTENT, "confidential >= 2", TEXT "confidential, confidential\r\n",
	POLICY_YES},
    {POLICY_CONTENT, "/proj-\\d+/", TEXT "see Proj-12\r\n", POLICY_NO},
    {POLICY_CONTENT, "/proj-\\d+/i", TEXT "see Proj-12\r\n", POLICY_YES},
    {POLICY_CONTENT, "/proj-\\d+/ >= 2", TEXT "proj-12 proj-13\r\n",
	POLICY_YES},
    {POLICY_CONTENT, "@cards", TEXT "4111 1111 1111 1111\r\n", POLICY_YES},
    {POLICY_CONTENT, "@cards", TEXT "4111 1111\r\n1111 1112\r\n", POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/html\r\n\r\n<p>se<b>cret</b></p>" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/csv; name=a.csv\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nc2VjcmV0" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\n"
	      "a secret" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/plain; charset=x-nope\r\n\r\nabc" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: image/png\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n"
	      "iVBORw0KGgpzZWNyZXQ=" END,
	POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.txt\r\n\r\n"
	      "a secret" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.txt\r\n\r\n"
	      "nothing" END,
	POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.csv\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nYSBzZWNyZXQ=" END,
	POLICY_YES},
    {POLICY_CONTENT, "bmsecret",
	MIXED "Content-Type: application/octet-stream\r\n\r\nBMsecret" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.HTML\r\n\r\n"
	      "<p>se<b>cret</b>" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED
	"Content-Type: application/octet-stream\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQAc2VjcmV0" END,
	POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nAQIDBA==" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n!!!!" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/pkcs7-signature\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\nMIIBAAA=" END,
	POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: message/partial; id=a; number=1\r\n\r\nabc" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream\r\n" /* UTF-16 */
	      "Content-Transfer-Encoding: base64\r\n\r\n//5zAGUA" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/plain\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\ncwBlAGMAcgBlAHQA" END,
	POLICY_UNSURE},
    /* words that go on in the next part, which is shown behind the first */
    {POLICY_CONTENT, "hello world",
	MIXED "Content-Type: text/plain\r\n\r\nWorld" END, POLICY_YES},
    {POLICY_CONTENT, "hello world",
	MIXED "Content-Type: text/html\r\n\r\n<p>World" END, POLICY_YES},
    {POLICY_CONTENT, "hello world",
	MIXED "Content-Type: text/plain; name=a.txt\r\n\r\nWorld" END,
	POLICY_NO},
    {POLICY_CONTENT, "hello >= 2",
	MIXED "Content-Type: text/plain\r\n\r\nWorld" END, POLICY_NO},
    {POLICY_CONTENT, "hello >= 2",
	MIXED "Content-Type: text/plain\r\n\r\nHello" END, POLICY_YES},
    /* mail that was attached as a file */
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.EML\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n"
	      "RnJvbTogeEB5LmV4YW1wbGUKTUlNRS1WZXJzaW9uOiAxLjAKQ29udGVudC1U"
	      "cmFuc2Zlci1FbmNvZGluZzogYmFzZTY0CgpZU0J6WldOeVpYUT0K" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n"
	      "RnJvbTogeEB5LmV4YW1wbGUKTUlNRS1WZXJzaW9uOiAxLjAKQ29udGVudC1U"
	      "cmFuc2Zlci1FbmNvZGluZzogYmFzZTY0CgpZU0J6WldOeVpYUT0K" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/plain; name=a.txt\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n"
	      "RnJvbTogeEB5LmV4YW1wbGUKTUlNRS1WZXJzaW9uOiAxLjAKQ29udGVudC1U"
	      "cmFuc2Zlci1FbmNvZGluZzogYmFzZTY0CgpZU0J6WldOeVpYUT0K" END,
	POLICY_YES},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.eml\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n"
	      "RnJvbTogeEB5LmV4YW1wbGUKTUlNRS1WZXJzaW9uOiAxLjAKQ29udGVudC1U"
	      "cmFuc2Zlci1FbmNvZGluZzogYmFzZTY0CgpibTkwYUdsdVp3PT0K" END,
	POLICY_NO},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: application/octet-stream; name=a.eml\r\n\r\n"
	      "no header at all" END,
	POLICY_UNSURE},
    {POLICY_CONTENT, "secret",
	MIXED "Content-Type: text/html\r\n\r\n"
	      "<title><!--</title>a secret<!-- x -->" END,
	POLICY_YES},
};

Test(facts, say_what_is_true_of_a_message)
{
	const struct facts_in in = {.client = "", .user = "", .now_s = NOON};

	mime_charsets_open();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum policy_truth t = find(rows[i].kind, rows[i].text,
		    rows[i].msg, strlen(rows[i].msg), &in);

		cr_expect_eq(t, rows[i].want, "%s = \"%s\" in %s: %d",
		    policy_kind_name(rows[i].kind), rows[i].text, rows[i].msg,
		    (int)t);
	}
	mime_charsets_close();
}

/* What takes text out of documents, and how often it was asked. */
struct reader {
	enum err err;
	const char *text;
	unsigned asked[2]; /* of enum facts_document */
};

static enum err
read_document(
    void *arg, enum facts_document kind, struct span document, struct buf *out)
{
	struct reader *r = arg;

	cr_expect_gt(document.len, 0);
	r->asked[kind]++;
	return r->err == ERR_OK ? buf_puts(out, r->text) : r->err;
}

#define PDF	    "Content-Type: application/pdf\r\n\r\n%PDF-1.4 x"
#define PDF_AS_TEXT "Content-Type: text/plain\r\n\r\n%PDF-1.4 x"
#define B64_PART                                                               \
	"Content-Type: application/octet-stream\r\n"                           \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define OOXML B64_PART "UEsDBFtDb250ZW50X1R5cGVzXS54bWw="
#define ODF   B64_PART "UEsDBGNvbnRlbnQueG1s"
#define ZIP   B64_PART "UEsDBGEudHh0"
#define OLE   B64_PART "0M8R4KGxGuEAAAAA"

Test(facts, documents_are_looked_into_where_that_is_asked_for)
{
	static const struct {
		const char *what, *part;
		bool pdf, office, nobody;
		enum err err;
		const char *text;
		enum policy_truth want;
		unsigned asked[2];
	} docs[] = {
	    {"PDF", PDF, true, false, false, ERR_OK, "a secret", POLICY_YES,
		{1, 0}},
	    {"PDF without", PDF, true, true, false, ERR_OK, "x", POLICY_NO,
		{1, 0}},
	    {"PDF that cannot be read", PDF, true, false, false, ERR_MALFORMED,
		"", POLICY_UNSURE, {1, 0}},
	    {"PDF in time that is over", PDF, true, false, false, ERR_TIMEOUT,
		"", POLICY_UNSURE, {1, 0}},
	    {"PDF, nobody there", PDF, true, false, true, ERR_OK, "",
		POLICY_UNSURE, {0, 0}},
	    {"PDF, not asked for", PDF, false, true, false, ERR_OK, "secret",
		POLICY_NO, {0, 0}},
	    {"PDF that calls itself text", PDF_AS_TEXT, true, false, false,
		ERR_OK, "a secret", POLICY_YES, {1, 0}},
	    {"OOXML", OOXML, true, true, false, ERR_OK, "secret", POLICY_YES,
		{0, 1}},
	    {"OpenDocument", ODF, false, true, false, ERR_OK, "secret",
		POLICY_YES, {0, 1}},
	    {"OOXML that cannot be read", OOXML, false, true, false,
		ERR_CRASHED, "", POLICY_UNSURE, {0, 1}},
	    {"OOXML, not asked for", OOXML, true, false, false, ERR_OK,
		"secret", POLICY_NO, {0, 0}},
	    {"another archive", ZIP, true, true, false, ERR_OK, "secret",
		POLICY_NO, {0, 0}},
	    {"an older document", OLE, true, true, false, ERR_OK, "",
		POLICY_UNSURE, {0, 0}},
	    {"an older document, not asked for", OLE, true, false, false,
		ERR_OK, "", POLICY_NO, {0, 0}},
	};

	mime_charsets_open();
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		struct reader r = {.err = docs[i].err, .text = docs[i].text};
		const struct facts_in in = {.client = "",
		    .user = "",
		    .now_s = NOON,
		    .extract = {docs[i].pdf, docs[i].office,
			docs[i].nobody ? NULL : read_document, &r}};
		char msg[1024];
		int n = snprintf(
		    msg, sizeof(msg), "%s%s%s", MIXED, docs[i].part, END);

		cr_expect_eq(
		    find(POLICY_CONTENT, "secret", msg, (size_t)n, &in),
		    docs[i].want, "%s", docs[i].what);
		for (size_t k = 0; k < 2; k++)
			cr_expect_eq(
			    r.asked[k], docs[i].asked[k], "%s", docs[i].what);
	}
	mime_charsets_close();
}

Test(facts, of_too_many_documents_one_is_not_looked_into)
{
	struct reader r = {.err = ERR_OK, .text = "x"};
	const struct facts_in in = {.client = "",
	    .user = "",
	    .extract = {true, false, read_document, &r}};
	char *msg = calloc(1, 64 * 1024);

	mime_charsets_open();
	for (size_t n = LIMIT_EXTRACT_DOCUMENTS;
	     n <= LIMIT_EXTRACT_DOCUMENTS + 1; n++) {
		size_t len = (size_t)snprintf(msg, 1024, "%s", MIXED PDF);

		for (size_t i = 1; i < n; i++)
			len += (size_t)snprintf(
			    msg + len, 1024, "\r\n--x\r\n%s", PDF);
		len += (size_t)snprintf(msg + len, 1024, "%s", END);
		cr_expect_eq(find(POLICY_CONTENT, "secret", msg, len, &in),
		    n <= LIMIT_EXTRACT_DOCUMENTS ? POLICY_NO : POLICY_UNSURE,
		    "%zu", n);
	}
	mime_charsets_close();
	free(msg);
}

Test(facts, of_the_message_do_not_hold_at_rcpt)
{
	const struct facts_in in = {.client = "", .user = "", .now_s = NOON};

	cr_expect_eq(find(POLICY_SIZE, "10", "", 0, &in), POLICY_NO);
	cr_expect_eq(find(POLICY_CONTENT, "@iban", "", 0, &in), POLICY_NO);
}

Test(facts, of_the_envelope)
{
	static const struct {
		enum policy_kind kind;
		const char *text;
		const char *client;
		const char *user;
		int64_t now_s;
		enum policy_truth want;
	} all[] = {
	    {POLICY_CLIENT, "10.0.0.0/8", "10.1.2.3", "", NOON, POLICY_YES},
	    {POLICY_CLIENT, "10.0.0.0/8", "::ffff:10.1.2.3", "", NOON,
		POLICY_YES},
	    {POLICY_CLIENT, "10.0.0.0/8", "11.1.2.3", "", NOON, POLICY_NO},
	    {POLICY_CLIENT, "2001:db8::/32", "2001:db8::1", "", NOON,
		POLICY_YES},
	    {POLICY_CLIENT, "10.0.0.1", "10.0.0.2", "", NOON, POLICY_NO},
	    {POLICY_CLIENT, "10.0.0.1", "", "", NOON, POLICY_UNSURE},
	    {POLICY_CLIENT, "user:app", "10.0.0.1", "app", NOON, POLICY_YES},
	    {POLICY_CLIENT, "user:app", "10.0.0.1", "", NOON, POLICY_NO},
	    {POLICY_TIME, "mon-fri 08:00-18:00", "", "", NOON, POLICY_YES},
	    {POLICY_TIME, "mon-fri 08:00-12:00", "", "", NOON, POLICY_NO},
	    {POLICY_TIME, "mon-fri 12:00-12:01", "", "", NOON, POLICY_YES},
	    {POLICY_TIME, "sat,sun", "", "", NOON, POLICY_NO},
	    {POLICY_TIME, "fri-mon", "", "", NOON, POLICY_NO},
	    {POLICY_TIME, "fri-wed", "", "", NOON, POLICY_YES},
	    {POLICY_TIME, "18:00-13:00", "", "", NOON, POLICY_YES},
	    {POLICY_TIME, "tue 18:00-13:00", "", "", NOON, POLICY_YES},
	    {POLICY_TIME, "wed 18:00-13:00", "", "", NOON, POLICY_NO},
	};

	setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct facts_in in = {.client = all[i].client,
		    .user = all[i].user,
		    .now_s = all[i].now_s};
		enum policy_truth t =
		    find(all[i].kind, all[i].text, "", 0, &in);

		cr_expect_eq(t, all[i].want, "%s of \"%s\": %d", all[i].text,
		    all[i].client, (int)t);
	}
}

Test(facts, malformed_conditions_are_refused)
{
	static const struct {
		enum policy_kind kind;
		const char *text;
	} bad[] = {
	    {POLICY_CLIENT, ""},
	    {POLICY_CLIENT, "10.0.0.0/33"},
	    {POLICY_CLIENT, "10.0.0/8"},
	    {POLICY_CLIENT, "10.0.0.0/"},
	    {POLICY_CLIENT, "10.0.0.0/8x"},
	    {POLICY_CLIENT, "::/129"},
	    {POLICY_CLIENT, "user:"},
	    {POLICY_CLIENT, "host.example"},
	    {POLICY_TIME, ""},
	    {POLICY_TIME, "monday"},
	    {POLICY_TIME, "mon-"},
	    {POLICY_TIME, "mon 8:00-9:00"},
	    {POLICY_TIME, "08:00"},
	    {POLICY_TIME, "08:00-25:00"},
	    {POLICY_TIME, "08:60-09:00"},
	    {POLICY_TIME, "08:00-08:00"},
	    {POLICY_TIME, "mon,"},
	    {POLICY_TIME, "08:00-09:00 mon"},
	    {POLICY_TIME, "mon  08:00-09:00"},
	    {POLICY_HEADER, ""},
	    {POLICY_HEADER, ": x"},
	    {POLICY_HEADER, "a b: c"},
	    {POLICY_HEADER, "A:"},
	    {POLICY_HEADER, "A: /("},
	    {POLICY_HEADER, "A: /(/"},
	    {POLICY_HEADER, "A: //"},
	    {POLICY_HEADER, "A: --"},
	    {POLICY_SENSITIVITY, ""},
	    {POLICY_CLASSIFICATION, ""},
	    {POLICY_SIZE, ""},
	    {POLICY_SIZE, "0"},
	    {POLICY_SIZE, "10x"},
	    {POLICY_ATTACHMENT, ""},
	    {POLICY_ATTACHMENT, "/pdf"},
	    {POLICY_ATTACHMENT, "application/"},
	    {POLICY_ATTACHMENT, "a/b/c"},
	    {POLICY_CONTENT, ""},
	    {POLICY_CONTENT, "!?"},
	    {POLICY_CONTENT, "/a"},
	    {POLICY_CONTENT, "/a/x"},
	    {POLICY_CONTENT, "@nothing"},
	    {POLICY_CONTENT, "@"},
	    {POLICY_CONTENT, "a >= 0"},
	    {POLICY_CONTENT, "a >= 1001"},
	    {POLICY_KINDS, "a"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err_why why = {""};

		cr_expect_eq(facts_check(bad[i].kind, bad[i].text, &why),
		    ERR_CONFIG, "%s \"%s\" was taken",
		    policy_kind_name(bad[i].kind), bad[i].text);
		cr_expect_neq(why.text[0], '\0', "%s", bad[i].text);
	}
}

/* More than is kept of a name. */
Test(facts, a_name_too_long_is_unsure)
{
	const struct facts_in in = {.client = "", .user = "", .now_s = NOON};
	char *msg = calloc(1, MSG_MAX);
	size_t n = (size_t)snprintf(msg, MSG_MAX, "%s",
	    MIXED "Content-Type: text/plain;\r\n name*=utf-8''");

	for (size_t i = 0; i < 5000; i++)
		msg[n++] = 'a';
	n += (size_t)snprintf(msg + n, MSG_MAX - n, ".pdf\r\n\r\nB" END);
	cr_expect_eq(
	    find(POLICY_ATTACHMENT, "*.pdf", msg, n, &in), POLICY_UNSURE);
	cr_expect_eq(
	    find(POLICY_ATTACHMENT, "text/*", msg, n, &in), POLICY_YES);
	free(msg);
}

/* A pattern that takes too long counts as one that matches. */
Test(facts, a_catastrophic_pattern_is_unsure)
{
	const struct facts_in in = {.client = "", .user = "", .now_s = NOON};
	char *msg = calloc(1, MSG_MAX);
	size_t n = (size_t)snprintf(msg, MSG_MAX, "%s", TEXT);

	for (; n < 100000; n += 78) {
		memset(msg + n, 'a', 76);
		memcpy(msg + n + 76, "\r\n", 2);
	}
	cr_expect_eq(
	    find(POLICY_CONTENT, "/(a+)+$/", msg, n, &in), POLICY_UNSURE);
	free(msg);
}
