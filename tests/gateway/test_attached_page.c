/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The file that a message is attached as: what is filled in where, and pages
 * that are none.
 */
#include "gateway/attached_page.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/conf.h"

static enum err
take(const char *text, struct attached_page **out)
{
	return attached_page_take(
	    span_str(text), span_str("{&#34;@LINK@"), out);
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
	    take("<a @NONCE@ @BRAND@>\n<b @NONCE@ @LINK@>\r\n@OBJECT@\n</b>@",
		&p),
	    ERR_OK);
	cr_assert_eq(attached_page_write(p, "N0", span_str("EgAB"),
			 SPAN(object, sizeof(object)), &sink),
	    ERR_OK);
	/* lines in CRLF; of the base64 there is one */
	cr_expect_str_eq(buf_cstr(&out),
	    "<a N0 {&#34;@LINK@>\r\n<b N0 EgAB>\r\n"
	    "/+8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAA\r\n</b>@\r\n");
	/* nothing of one is in the next */
	buf_reset(&out);
	cr_assert_eq(attached_page_write(
			 p, "N1", span_str("EgAC"), SPAN(object, 0), &sink),
	    ERR_OK);
	cr_expect_str_eq(buf_cstr(&out),
	    "<a N1 {&#34;@LINK@>\r\n<b N1 EgAC>\r\n\r\n</b>@\r\n");
	attached_page_free(p);
	buf_clear(&out);
}

Test(attached_page, others_are_refused)
{
	static const char *const rows[] = {"", "<html></html>",
	    "@NONCE@ @BRAND@ @LINK@", "@NONCE@ @BRAND@ @OBJECT@",
	    "@BRAND@ @LINK@ @OBJECT@", "@NONCE@ @LINK@ @OBJECT@",
	    "@NONCE@ @BRAND@ @BRAND@ @LINK@ @OBJECT@",
	    "@NONCE@ @BRAND@ @LINK@ @LINK@ @OBJECT@",
	    "@NONCE@ @BRAND@ @LINK@ @OBJECT@ @OBJECT@",
	    "@NONCE@ @NONCE@ @NONCE@ @NONCE@ @NONCE@ @BRAND@ @LINK@ @OBJECT@",
	    "@nonce@ @brand@ @link@ @object@", "@NONCE @BRAND @LINK @OBJECT"};
	struct attached_page *p = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(take(rows[i], &p), ERR_MALFORMED, "%s", rows[i]);
		cr_expect_null(p, "%s", rows[i]);
	}
	attached_page_free(NULL);
}

static void
put_file(int dir, const char *name, struct span s)
{
	cr_assert_eq(file_create_synced(dir, name, s, 0600, true), ERR_OK);
}

/* A page and a logo of so many octets in a directory: what is made of them. */
static enum err
load_logo(const char *name, size_t size, struct buf *out, struct err_why *why)
{
	char dir[] = "/tmp/sgp.XXXXXX", logo[64];
	uint8_t *octets = calloc(1, size + 1);
	struct mime_sink sink = mime_sink_buf(out);
	struct attached_page *p = NULL;
	struct conf c = {0};
	int fd;
	enum err e;

	cr_assert_not_null(octets);
	cr_assert_not_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(
	    fd, "attached.html", span_str("@NONCE@ @BRAND@ @LINK@ @OBJECT@\n"));
	put_file(fd, name, SPAN(octets, size));
	snprintf(logo, sizeof(logo), "%s/%s", dir, name);
	c.escrow.page = dir;
	c.portal.brand.name = "A & B";
	c.portal.brand.logo = logo;
	e = attached_page_load(&c, &p, why);
	if (e == ERR_OK)
		e = attached_page_write(
		    p, "N", span_str("L"), span_str("abc"), &sink);
	attached_page_free(p);
	unlinkat(fd, "attached.html", 0);
	unlinkat(fd, name, 0);
	close(fd);
	rmdir(dir);
	free(octets);
	return e;
}

Test(attached_page, has_a_logo_that_is_not_too_large)
{
	static const struct {
		const char *name;
		size_t size;
		const char *why; /* NULL: it has it */
	} rows[] = {
	    {"x.png", 3, NULL},
	    {"x.png", LIMIT_ATTACHED_LOGO, NULL},
	    {"x.png", LIMIT_ATTACHED_LOGO + 1, "larger than 128 KiB"},
	    {"x.html", 3, "expected .svg"},
	};
	static const char want[] =
	    "N {&#34;name&#34;:&#34;A &#38; B&#34;,&#34;logo&#34;:"
	    "&#34;data:image/png;base64,AAAA";
	struct err_why why;
	struct buf out;

	buf_init(&out, 4 * LIMIT_ATTACHED_LOGO);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum err e;

		buf_reset(&out);
		why.text[0] = '\0';
		e = load_logo(rows[i].name, rows[i].size, &out, &why);
		cr_expect_eq(e == ERR_OK, rows[i].why == NULL, "%s %zu: %s",
		    rows[i].name, rows[i].size, why.text);
		if (rows[i].why != NULL)
			cr_expect_not_null(
			    strstr(why.text, rows[i].why), "%s", why.text);
		else
			cr_expect(out.len > strlen(want) &&
				      memcmp(out.data, want, strlen(want)) == 0,
			    "%zu", rows[i].size);
	}
	buf_clear(&out);
}
