/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whose page it is. What the configuration says becomes JSON in one attribute
 * of the page; its scripts (brand.js) make text of it, never markup.
 */
#include "gateway/brand.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/conf.h"

static const char place[] = "name=\"sealgate-brand\" content=\"{}\"";
static const char empty[] = "{}\"";

static enum err
put_escaped(struct buf *out, const char *text)
{
	enum err e = ERR_OK;

	for (const char *p = text; e == ERR_OK && *p != '\0'; p++) {
		if (strchr("&<>\"'", *p) != NULL)
			e = buf_printf(out, "&#%d;", *p);
		else
			e = buf_put(out, SPAN(p, 1));
	}
	return e;
}

static enum err
brand_json(const struct conf_brand *b, const char *logo, char **out)
{
	json_t *json = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*}", "name",
	    b->name, "logo", logo, "colour", b->colour, "imprint", b->imprint,
	    "help", b->help);
	char *text;

	if (json == NULL)
		return ERR_MALFORMED; /* not UTF-8 */
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL)
		return ERR_NOMEM;
	*out = text;
	return ERR_OK;
}

enum err
brand_put(const struct conf_brand *b, const char *logo, struct buf *out)
{
	char *text = NULL;
	enum err e = brand_json(b, logo, &text);

	if (e == ERR_OK)
		e = put_escaped(out, text);
	free(text);
	return e;
}

enum err
brand_write(struct span shell, const struct conf_brand *b, const char *logo,
    struct buf *out)
{
	size_t at = span_find(shell, 0, span_str(place));
	char *text = NULL;
	enum err e;

	if (at >= shell.len)
		return ERR_MALFORMED;
	at += strlen(place) - strlen(empty);
	e = brand_json(b, logo, &text);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(shell.data, at));
	if (e == ERR_OK)
		e = put_escaped(out, text);
	free(text);
	at += strlen("{}");
	if (e == ERR_OK)
		e = buf_put(out, SPAN(shell.data + at, shell.len - at));
	return e;
}

struct conf_brand
brand_of_file(const struct conf *c)
{
	const struct conf_brand *p = &c->portal.brand;
	struct conf_brand b = c->escrow.brand;

	if (b.name == NULL)
		b.name = p->name;
	if (b.logo == NULL)
		b.logo = p->logo;
	if (b.colour == NULL)
		b.colour = p->colour;
	if (b.imprint == NULL)
		b.imprint = p->imprint;
	if (b.help == NULL)
		b.help = p->help;
	return b;
}

const char *
brand_logo_type(const char *path)
{
	static const char *const types[][2] = {
	    {".svg", "image/svg+xml"},
	    {".png", "image/png"},
	    {".jpg", "image/jpeg"},
	    {".jpeg", "image/jpeg"},
	    {".webp", "image/webp"},
	};
	const char *ending = strrchr(path, '.');

	for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(*types);
	     i++)
		if (strcasecmp(ending, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}
