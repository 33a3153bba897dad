/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whose page it is. What the configuration says becomes JSON in one attribute
 * of the shell; the page's scripts make text of it, never markup.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/conf.h"
#include "gateway/portal/portal_private.h"

static const char placeholder[] = "name=\"sealgate-brand\" content=\"{}\"";
static const char attribute[] = "name=\"sealgate-brand\" content=\"";

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

enum err
portal_brand_write(
    struct span shell, const struct conf_portal *c, struct buf *out)
{
	size_t at = span_find(shell, 0, span_str(placeholder));
	json_t *json;
	char *text;
	enum err e;

	if (at >= shell.len)
		return ERR_MALFORMED;
	json = json_pack("{s:s*, s:b, s:s*, s:s*, s:s*}", "name", c->name,
	    "logo", c->logo != NULL, "colour", c->colour, "imprint", c->imprint,
	    "help", c->help);
	if (json == NULL)
		return ERR_MALFORMED; /* not UTF-8 */
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL)
		return ERR_NOMEM;
	e = buf_put(out, SPAN(shell.data, at));
	if (e == ERR_OK)
		e = buf_put(out, span_str(attribute));
	if (e == ERR_OK)
		e = put_escaped(out, text);
	if (e == ERR_OK)
		e = buf_put(out, span_str("\""));
	at += strlen(placeholder);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(shell.data + at, shell.len - at));
	free(text);
	return e;
}

const char *
portal_brand_logo_type(const char *path)
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
