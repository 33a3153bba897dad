/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The page is text with marks between @ and @. Nothing of the message is
 * written into it but base64, so that nothing of it can become markup.
 */
#include "gateway/attached_page.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "mime/base64.h"

enum mark { MARK_NONCE, MARK_LINK, MARK_OBJECT, MARKS };

static const char *const mark_text[MARKS] = {
    [MARK_NONCE] = "@NONCE@",
    [MARK_LINK] = "@LINK@",
    [MARK_OBJECT] = "@OBJECT@",
};

/* Text, then what a mark stands for. */
enum { PIECES_MAX = 8 };
struct piece {
	struct span text;
	enum mark mark; /* MARKS: the end */
};

struct attached_page {
	struct buf text;
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

/* One object, one link before it, and a nonce for whatever runs. */
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
	return seen[MARK_NONCE] > 0 && seen[MARK_LINK] == 1 &&
		       seen[MARK_OBJECT] == 1
		   ? ERR_OK
		   : ERR_MALFORMED;
}

enum err
attached_page_take(struct span text, struct attached_page **out)
{
	struct attached_page *p = calloc(1, sizeof(*p));
	struct mime_sink sink;
	enum err e;

	if (p == NULL)
		return ERR_NOMEM;
	buf_init(&p->text, 2 * LIMIT_PORTAL_ASSET);
	sink = mime_sink_buf(&p->text);
	e = mime_put_crlf(&sink, text);
	if (e == ERR_OK)
		e = cut(p);
	if (e != ERR_OK) {
		attached_page_free(p);
		return e;
	}
	*out = p;
	return ERR_OK;
}

static int
open_directory(const struct conf *c)
{
	const char *dir = c->escrow.page != NULL   ? c->escrow.page
			  : c->portal.page != NULL ? c->portal.page
						   : PKGDATADIR "/portal";

	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

enum err
attached_page_load(
    const struct conf *c, struct attached_page **out, struct err_why *why)
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
		e = attached_page_take(buf_span(&text), out);
	buf_clear(&text);
	return e == ERR_OK
		   ? ERR_OK
		   : err_why(why, e,
			 "escrow = attachment needs the page: attached.html in "
			 "the directory that page in section escrow names, or "
			 "in the one that was installed: %s",
			 err_text(e));
}

void
attached_page_free(struct attached_page *p)
{
	if (p == NULL)
		return;
	buf_clear(&p->text);
	free(p);
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
put_object(struct span object, const struct mime_sink *to)
{
	struct mime_base64 *b = malloc(sizeof(*b));
	struct mime_sink out = *to;
	enum err e;

	if (b == NULL)
		return ERR_NOMEM;
	mime_base64_init(b, (struct mime_sink){put_characters, &out});
	e = mime_base64_put(b, object);
	if (e == ERR_OK)
		e = mime_base64_finish(b);
	free(b);
	return e;
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
		case MARK_LINK:
			e = mime_put(to, link);
			break;
		case MARK_OBJECT:
			e = put_object(object, to);
			break;
		case MARKS:
			break;
		}
	}
	return e;
}
