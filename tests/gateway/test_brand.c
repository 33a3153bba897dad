/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whose page it is: what of it is written into the page, and how.
 */
#include "gateway/brand.h"

#include <criterion/criterion.h>

#include "gateway/conf.h"

#define PLACE(content)                                                         \
	"<title>x</title><meta name=\"sealgate-brand\" content=\"" content     \
	"\"><p>y"

static void
expect_shell(const struct conf_brand *c, const char *logo, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	cr_assert_eq(brand_write(span_str(PLACE("{}")), c, logo, &out), ERR_OK);
	cr_expect(span_eq(buf_span(&out), span_str(want)), "%.*s instead of %s",
	    (int)out.len, (const char *)out.data, want);
	buf_clear(&out);
}

Test(brand, what_is_configured_stands_in_one_attribute)
{
	struct conf_brand none = {0};
	struct conf_brand hostile = {
	    .name = "A & B \"<script>'",
	    .help = "one\ntwo \\",
	};

	expect_shell(&none, NULL, PLACE("{}"));
	expect_shell(&hostile, "../a/logo",
	    PLACE("{&#34;name&#34;:&#34;A &#38; B \\&#34;&#60;script&#62;&#39;"
		  "&#34;,&#34;logo&#34;:&#34;../a/logo&#34;,"
		  "&#34;help&#34;:&#34;one\\ntwo \\\\&#34;}"));
}

Test(brand, a_shell_without_a_place_and_text_that_is_none_are_refused)
{
	struct conf_brand c = {.name = "\xff"};
	struct conf_brand good = {.name = "x"};
	struct buf out;

	buf_init(&out, 4096);
	cr_expect_eq(
	    brand_write(span_str(PLACE("{}")), &c, NULL, &out), ERR_MALFORMED);
	cr_expect_eq(
	    brand_write(span_str("<p>x"), &good, NULL, &out), ERR_MALFORMED);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
}

Test(brand, a_logo_is_an_image)
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
			cr_expect_null(
			    brand_logo_type(rows[i].path), "%s", rows[i].path);
		else
			cr_expect_str_eq(brand_logo_type(rows[i].path),
			    rows[i].type, "%s", rows[i].path);
}

Test(brand, a_file_has_the_portals_where_nothing_is_said_of_it)
{
	struct conf c = {0};
	struct conf_brand b;

	c.portal.brand =
	    (struct conf_brand){"P", "/p.png", "#000000", "I", "H"};
	b = brand_of_file(&c);
	cr_expect_str_eq(b.name, "P");
	cr_expect_str_eq(b.logo, "/p.png");
	cr_expect_str_eq(b.colour, "#000000");
	cr_expect_str_eq(b.imprint, "I");
	cr_expect_str_eq(b.help, "H");
	c.escrow.brand =
	    (struct conf_brand){"p", "/e.png", "#ffffff", "i", "h"};
	b = brand_of_file(&c);
	cr_expect_str_eq(b.name, "p");
	cr_expect_str_eq(b.logo, "/e.png");
	cr_expect_str_eq(b.colour, "#ffffff");
	cr_expect_str_eq(b.imprint, "i");
	cr_expect_str_eq(b.help, "h");
}
