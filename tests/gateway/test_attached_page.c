/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The file that a message is attached as: what is filled in where, and pages
 * that are none.
 */
#include "gateway/attached_page.h"

#include <criterion/criterion.h>
#include <string.h>

static enum err
take(const char *text, struct attached_page **out)
{
	return attached_page_take(span_str(text), out);
}

Test(attached_page, is_filled_in_where_its_marks_are)
{
	uint8_t object[60] = {0xff, 0xef};
	struct attached_page *p = NULL;
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	cr_assert_eq(
	    take("<a @NONCE@>\n<b @NONCE@ @LINK@>\r\n@OBJECT@\n</b>@", &p),
	    ERR_OK);
	cr_assert_eq(attached_page_write(p, "N0", span_str("EgAB"),
			 SPAN(object, sizeof(object)), &sink),
	    ERR_OK);
	/* lines in CRLF; of the base64 there is one */
	cr_expect_str_eq(buf_cstr(&out),
	    "<a N0>\r\n<b N0 EgAB>\r\n"
	    "/+8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAA\r\n</b>@\r\n");
	/* nothing of one is in the next */
	buf_reset(&out);
	cr_assert_eq(attached_page_write(
			 p, "N1", span_str("EgAC"), SPAN(object, 0), &sink),
	    ERR_OK);
	cr_expect_str_eq(
	    buf_cstr(&out), "<a N1>\r\n<b N1 EgAC>\r\n\r\n</b>@\r\n");
	attached_page_free(p);
	buf_clear(&out);
}

Test(attached_page, others_are_refused)
{
	static const char *const rows[] = {"", "<html></html>",
	    "@NONCE@ @LINK@", "@NONCE@ @OBJECT@", "@LINK@ @OBJECT@",
	    "@NONCE@ @LINK@ @LINK@ @OBJECT@",
	    "@NONCE@ @LINK@ @OBJECT@ @OBJECT@",
	    "@NONCE@ @NONCE@ @NONCE@ @NONCE@ @NONCE@ @NONCE@ @LINK@ @OBJECT@",
	    "@nonce@ @link@ @object@", "@NONCE @LINK @OBJECT"};
	struct attached_page *p = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(take(rows[i], &p), ERR_MALFORMED, "%s", rows[i]);
		cr_expect_null(p, "%s", rows[i]);
	}
	attached_page_free(NULL);
}
