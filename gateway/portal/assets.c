/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The files of the page: an exact list, read into memory before the walls go
 * up, and a logo. What is not in the list is not served, whatever lies in the
 * directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/brand.h"
#include "gateway/conf.h"
#include "gateway/portal/portal_private.h"

#define HTML   "text/html; charset=utf-8"
#define CSS    "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define POSTAL "node_modules/postal-mime/dist/esm/"
#define LOGO   "logo"
/* as the shell beneath /m/ sees it */
#define LOGO_URL "../a/" LOGO
#define PURIFY	 "node_modules/dompurify/dist/"

static const struct {
	enum portal_asset_kind kind;
	const char *file; /* beneath the page's directory; /a/ and this */
	const char *type;
} table[] = {
    {PORTAL_ASSET_SHELL, "index.html", HTML},
    {PORTAL_ASSET_FRAME, "frame.html", HTML},
    {PORTAL_ASSET_FRAME_IMAGES, "frame.html", HTML},
    {PORTAL_ASSET_FILE, "style.css", CSS},
    {PORTAL_ASSET_FILE, "icon.svg", "image/svg+xml"},
    {PORTAL_ASSET_FILE, "view.js", SCRIPT},
    {PORTAL_ASSET_FILE, "account.js", SCRIPT},
    {PORTAL_ASSET_FILE, "account_view.js", SCRIPT},
    {PORTAL_ASSET_FILE, "answer.js", SCRIPT},
    {PORTAL_ASSET_FILE, "brand.js", SCRIPT},
    {PORTAL_ASSET_FILE, "client.js", SCRIPT},
    {PORTAL_ASSET_FILE, "crypto.js", SCRIPT},
    {PORTAL_ASSET_FILE, "dom.js", SCRIPT},
    {PORTAL_ASSET_FILE, "factor.js", SCRIPT},
    {PORTAL_ASSET_FILE, "frame.js", SCRIPT},
    {PORTAL_ASSET_FILE, "html_view.js", SCRIPT},
    {PORTAL_ASSET_FILE, "i18n.js", SCRIPT},
    {PORTAL_ASSET_FILE, "letter.js", SCRIPT},
    {PORTAL_ASSET_FILE, "message.js", SCRIPT},
    {PORTAL_ASSET_FILE, "reply.js", SCRIPT},
    {PORTAL_ASSET_FILE, "zip.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/de.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/en.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/es.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/fr.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/it.js", SCRIPT},
    {PORTAL_ASSET_FILE, "lang/nl.js", SCRIPT},
    {PORTAL_ASSET_FILE, PURIFY "purify.es.mjs", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "postal-mime.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "address-parser.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "base64-decoder.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "base64-encoder.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "decode-strings.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "html-entities.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "mime-node.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "pass-through-decoder.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "qp-decoder.js", SCRIPT},
    {PORTAL_ASSET_FILE, POSTAL "text-format.js", SCRIPT},
};

enum { TABLE_LEN = sizeof(table) / sizeof(*table) };

struct portal_assets {
	struct portal_asset list[TABLE_LEN + 1]; /* and the logo */
	size_t n;
};

/* Takes what b holds. */
static void
add_asset(struct portal_assets *a, enum portal_asset_kind kind,
    const char *file, const char *type, struct buf *b)
{
	struct portal_asset *out = &a->list[a->n++];
	struct span s = buf_span(b);
	uint8_t digest[DIGEST_SIZE];
	char hex[33];

	digest_sha256(&s, 1, digest);
	text_hex(SPAN(digest, 16), hex);
	*out = (struct portal_asset){
	    .kind = kind,
	    .file = file,
	    .type = type,
	    .data = b->data,
	    .len = b->len,
	};
	snprintf(out->etag, sizeof(out->etag), "\"%s\"", hex);
}

static enum err
load_one(
    struct portal_assets *a, int dir, size_t i, const struct conf_brand *brand)
{
	struct buf b, shell;
	enum err e;

	buf_init(&b, LIMIT_PORTAL_ASSET);
	e = file_read_path(dir, table[i].file, &b);
	if (e == ERR_OK && table[i].kind == PORTAL_ASSET_SHELL) {
		buf_init(&shell, LIMIT_PORTAL_ASSET);
		e = brand_write(buf_span(&b), brand,
		    brand->logo != NULL ? LOGO_URL : NULL, &shell);
		buf_clear(&b);
		b = shell;
	}
	if (e != ERR_OK) {
		buf_clear(&b);
		return e;
	}
	add_asset(a, table[i].kind, table[i].file, table[i].type, &b);
	return ERR_OK;
}

static enum err
load_logo(struct portal_assets *a, const char *path, struct err_why *why)
{
	const char *type = brand_logo_type(path);
	struct buf b;
	enum err e;

	if (type == NULL)
		return err_why(why, ERR_MALFORMED,
		    "%s: expected .svg, .png, .jpg or .webp", path);
	buf_init(&b, LIMIT_PORTAL_ASSET);
	e = file_read_path(AT_FDCWD, path, &b);
	if (e != ERR_OK) {
		buf_clear(&b);
		return err_why(why, e, "%s: %s", path, err_text(e));
	}
	add_asset(a, PORTAL_ASSET_FILE, LOGO, type, &b);
	return ERR_OK;
}

enum err
portal_assets_load(const char *dir, const struct conf_brand *brand,
    struct portal_assets **out, struct err_why *why)
{
	struct portal_assets *a = calloc(1, sizeof(*a));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = ERR_OK;

	if (a == NULL)
		e = ERR_NOMEM;
	else if (fd < 0)
		e = err_why(
		    why, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	for (size_t i = 0; e == ERR_OK && i < TABLE_LEN; i++) {
		e = load_one(a, fd, i, brand);
		if (e != ERR_OK)
			err_why(why, e, "%s/%s: %s", dir, table[i].file,
			    err_text(e));
	}
	if (e == ERR_OK && brand->logo != NULL)
		e = load_logo(a, brand->logo, why);
	if (fd >= 0)
		close(fd);
	if (e != ERR_OK) {
		portal_assets_free(a);
		return e;
	}
	*out = a;
	return ERR_OK;
}

void
portal_assets_free(struct portal_assets *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->list[i].data);
	free(a);
}

size_t
portal_assets_count(const struct portal_assets *a)
{
	return a->n;
}

const struct portal_asset *
portal_asset_at(const struct portal_assets *a, size_t i)
{
	return &a->list[i];
}
