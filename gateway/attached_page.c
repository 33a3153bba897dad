/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The page is text with marks between @ and @. Nothing of the message is
 * written into it but base64, so that nothing of it can become markup; whose
 * file it is is one attribute (brand.c).
 */
#include "gateway/attached_page.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/brand.h"
#include "gateway/conf.h"
#include "mime/base64.h"

enum mark { MARK_NONCE, MARK_BRAND, MARK_LINK, MARK_OBJECT, MARKS };

static const char *const mark_text[MARKS] = {
    [MARK_NONCE] = "@NONCE@",
    [MARK_BRAND] = "@BRAND@",
    [MARK_LINK] = "@LINK@",
    [MARK_OBJECT] = "@OBJECT@",
};

/* Text, then what a mark stands for. */
enum { PIECES_MAX = 8 };
struct piece {
	struct span text;
	enum mark mark; /* MARKS: the end */
};

/* the logo as base64, and a text for each option */
enum { BRAND_MAX = 4 * LIMIT_ATTACHED_LOGO };

struct attached_page {
	struct buf text;
	struct buf brand;
	struct piece piece[PIECES_MAX];
	size_t n;
};

/* The first mark from at on, or the end. */
static enum mark
next_mark(struct span s, size_t at, size_t *where)
{
	enum mark found = MARKS;

	*where = s.len;
	for (int m = 0; m < MARKS; m++) {
		size_t i = span_find(s, at, span_str(mark_text[m]));

		if (i < *where) {
			*where = i;
			found = (enum mark)m;
		}
	}
	return found;
}

/* One object, one link before it, one owner, a nonce for whatever runs. */
static enum err
cut(struct attached_page *p)
{
	struct span s = buf_span(&p->text);
	size_t at = 0, where, seen[MARKS + 1] = {0};
	enum mark m;

	/* an empty text is nowhere: nothing may be added to where it is */
	if (s.len == 0)
		return ERR_MALFORMED;
	do {
		if (p->n == PIECES_MAX)
			return ERR_MALFORMED;
		m = next_mark(s, at, &where);
		p->piece[p->n++] =
		    (struct piece){SPAN(s.data + at, where - at), m};
		seen[m]++;
		if (m != MARKS)
			at = where + strlen(mark_text[m]);
	} while (m != MARKS);
	return seen[MARK_NONCE] > 0 && seen[MARK_BRAND] == 1 &&
		       seen[MARK_LINK] == 1 && seen[MARK_OBJECT] == 1
		   ? ERR_OK
		   : ERR_MALFORMED;
}

enum err
attached_page_take(
    struct span text, struct span brand, struct attached_page **out)
{
	struct attached_page *p = calloc(1, sizeof(*p));
	struct mime_sink sink;
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	buf_init(&p->text, 2 * LIMIT_PORTAL_ASSET);
	buf_init(&p->brand, BRAND_MAX);
	sink = mime_sink_buf(&p->text);
	e = mime_put_crlf(&sink, text);
	if (e == ERR_OK)
		e = buf_put(&p->brand, brand);
	if (e == ERR_OK)
		e = cut(p);
	if (e != ERR_OK) {
		attached_page_free(p);
		return e;
	}
	*out = p;
	return ERR_OK;
}

/* Base64 without its line ends: quoted-printable makes its own. */
static enum err
put_characters(void *ctx, struct span s)
{
	enum err e = ERR_OK;

	for (size_t at = 0; e == ERR_OK && at < s.len;) {
		size_t end = span_find_chr(s, at, '\r');

		e = mime_put(ctx, SPAN(s.data + at, end - at));
		at = end + 2;
	}
	return e;
}

static enum err
put_base64(struct span octets, const struct mime_sink *to)
{
	struct mime_base64 *b = malloc(sizeof(*b));
	struct mime_sink out = *to;
	enum err e;

	if (b == NULL)
		return ERR_NOMEM;
	mime_base64_init(b, (struct mime_sink){put_characters, &out});
	e = mime_base64_put(b, octets);
	if (e == ERR_OK)
		e = mime_base64_finish(b);
	free(b);
	return e;
}

/* The logo as a URL that has all of it: the file asks nobody for anything. */
static enum err
put_logo(const char *path, struct buf *out, struct err_why *why)
{
	const char *type = brand_logo_type(path);
	struct mime_sink sink = mime_sink_buf(out);
	struct buf b;
	enum err e;

	if (type == NULL)
		return err_why(why, ERR_MALFORMED,
		    "%s: expected .svg, .png, .jpg or .webp", path);
	buf_init(&b, LIMIT_ATTACHED_LOGO);
	e = file_read_path(AT_FDCWD, path, &b);
	if (e == ERR_TOO_BIG)
		err_why(why, e,
		    "%s: larger than %u KiB, and with escrow = attachment the "
		    "logo is in every mail: name a smaller one as logo in "
		    "section escrow",
		    path, LIMIT_ATTACHED_LOGO / 1024);
	else if (e != ERR_OK)
		err_why(why, e, "%s: %s", path, err_text(e));
	if (e == ERR_OK)
		e = buf_printf(out, "data:%s;base64,", type);
	if (e == ERR_OK)
		e = put_base64(buf_span(&b), &sink);
	buf_clear(&b);
	return e;
}

static enum err
load_brand(const struct conf *c, struct buf *out, struct err_why *why)
{
	const struct conf_brand brand = brand_of_file(c);
	struct buf logo;
	enum err e = ERR_OK;

	buf_init(&logo, BRAND_MAX);
	if (brand.logo != NULL)
		e = put_logo(brand.logo, &logo, why);
	if (e == ERR_OK) {
		e = brand_put(
		    &brand, brand.logo != NULL ? buf_cstr(&logo) : NULL, out);
		if (e != ERR_OK)
			err_why(why, e, "name, colour, imprint and help: %s",
			    err_text(e));
	}
	buf_clear(&logo);
	return e;
}

static int
open_directory(const struct conf *c)
{
	const char *dir = c->escrow.page != NULL   ? c->escrow.page
			  : c->portal.page != NULL ? c->portal.page
						   : PKGDATADIR "/portal";

	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The page itself, whose it is being known. */
static enum err
load_text(const struct conf *c, struct span brand, struct attached_page **out,
    struct err_why *why)
{
	int dir = open_directory(c);
	struct buf text;
	enum err e = ERR_NOT_FOUND;

	buf_init(&text, LIMIT_PORTAL_ASSET);
	if (dir >= 0) {
		e = file_read_path(dir, "attached.html", &text);
		close(dir);
	}
	if (e == ERR_OK)
		e = attached_page_take(buf_span(&text), brand, out);
	buf_clear(&text);
	return e == ERR_OK
		   ? ERR_OK
		   : err_why(why, e,
			 "escrow = attachment needs the page: attached.html in "
			 "the directory that page in section escrow names, or "
			 "in the one that was installed: %s",
			 err_text(e));
}

enum err
attached_page_load(
    const struct conf *c, struct attached_page **out, struct err_why *why)
{
	struct buf brand;
	enum err e;

	buf_init(&brand, BRAND_MAX);
	e = load_brand(c, &brand, why);
	if (e == ERR_OK)
		e = load_text(c, buf_span(&brand), out, why);
	buf_clear(&brand);
	return e;
}

void
attached_page_free(struct attached_page *p)
{
	if (p == NULL)
		return;
	buf_clear(&p->text);
	buf_clear(&p->brand);
	free(p);
}

enum err
attached_page_write(const struct attached_page *p, const char *nonce,
    struct span link, struct span object, const struct mime_sink *to)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < p->n; i++) {
		e = mime_put(to, p->piece[i].text);
		if (e != ERR_OK)
			break;
		switch (p->piece[i].mark) {
		case MARK_NONCE:
			e = mime_puts(to, nonce);
			break;
		case MARK_BRAND:
			e = mime_put(to, buf_span(&p->brand));
			break;
		case MARK_LINK:
			e = mime_put(to, link);
			break;
		case MARK_OBJECT:
			e = put_base64(object, to);
			break;
		case MARKS:
			break;
		}
	}
	return e;
}
