/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include <criterion/criterion.h>

#include "gateway/conf.h"
#include "gateway/portal/portal_private.h"

#define PLACE(content)                                                         \
	"<title>x</title><meta name=\"sealgate-brand\" content=\"" content     \
	"\"><p>y"

static void
expect_shell(const struct conf_portal *c, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	cr_assert_eq(
	    portal_brand_write(span_str(PLACE("{}")), c, &out), ERR_OK);
	cr_expect(span_eq(buf_span(&out), span_str(want)), "%.*s instead of %s",
	    (int)out.len, (const char *)out.data, want);
	buf_clear(&out);
}

Test(portal_brand, what_is_configured_stands_in_one_attribute)
{
	struct conf_portal none = {0};
	struct conf_portal hostile = {
	    .name = "A & B \"<script>'",
	    .help = "one\ntwo \\",
	    .logo = "/x.png",
	};

	expect_shell(&none, PLACE("{&#34;logo&#34;:false}"));
	expect_shell(&hostile,
	    PLACE("{&#34;name&#34;:&#34;A &#38; B \\&#34;&#60;script&#62;&#39;"
		  "&#34;,&#34;logo&#34;:true,"
		  "&#34;help&#34;:&#34;one\\ntwo \\\\&#34;}"));
}

Test(portal_brand, a_shell_without_a_place_and_text_that_is_none_are_refused)
{
	struct conf_portal c = {.name = "\xff"};
	struct conf_portal good = {.name = "x"};
	struct buf out;

	buf_init(&out, 4096);
	cr_expect_eq(
	    portal_brand_write(span_str(PLACE("{}")), &c, &out), ERR_MALFORMED);
	cr_expect_eq(
	    portal_brand_write(span_str("<p>x"), &good, &out), ERR_MALFORMED);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
}

Test(portal_brand, a_logo_is_an_image)
{
	static const struct {
		const char *path;
		const char *type;
	} rows[] = {
	    {"/a/logo.svg", "image/svg+xml"},
	    {"/a/LOGO.PNG", "image/png"},
	    {"/a.b/x.jpeg", "image/jpeg"},
	    {"/x.jpg", "image/jpeg"},
	    {"/x.webp", "image/webp"},
	    {"/x.html", NULL},
	    {"/x.png.js", NULL},
	    {"/png", NULL},
	    {"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].type == NULL)
			cr_expect_null(portal_brand_logo_type(rows[i].path),
			    "%s", rows[i].path);
		else
			cr_expect_str_eq(portal_brand_logo_type(rows[i].path),
			    rows[i].type, "%s", rows[i].path);
}
