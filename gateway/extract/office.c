/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Every XML part has its text taken; a document in a document is one, too.
 * Pictures, fonts and settings of printers hold no text that is looked for;
 * what is embedded and cannot be read makes the whole unreadable.
 */
#include "gateway/extract/office.h"

#include <string.h>

#include "common/limits.h"
#include "gateway/extract/xml_text.h"
#include "gateway/extract/zip.h"

enum kind {
	KIND_SKIP,
	KIND_XML,
	KIND_TEXT,
	KIND_DOCUMENT,
	KIND_CLOSED, /* may hold anything */
};

static const struct {
	const char *end; /* of the name, case ignored */
	enum kind kind;
} kinds[] = {
    {".xml", KIND_XML},
    {".vml", KIND_XML},
    {".xhtml", KIND_XML},
    {".txt", KIND_TEXT},
    {".csv", KIND_TEXT},
    {".htm", KIND_TEXT},
    {".html", KIND_TEXT},
    {".docx", KIND_DOCUMENT},
    {".docm", KIND_DOCUMENT},
    {".xlsx", KIND_DOCUMENT},
    {".xlsm", KIND_DOCUMENT},
    {".pptx", KIND_DOCUMENT},
    {".pptm", KIND_DOCUMENT},
    {".sldx", KIND_DOCUMENT},
    {".odt", KIND_DOCUMENT},
    {".ods", KIND_DOCUMENT},
    {".odp", KIND_DOCUMENT},
    {".zip", KIND_CLOSED},
    {".pdf", KIND_CLOSED},
    {".rtf", KIND_CLOSED},
    {".mht", KIND_CLOSED},
    {".doc", KIND_CLOSED},
    {".xls", KIND_CLOSED},
    {".ppt", KIND_CLOSED},
    {".dat", KIND_CLOSED},
};

static enum err read_document(struct span doc, unsigned depth, struct buf *out);

static bool
ends(struct span name, const char *end)
{
	size_t n = strlen(end);

	return name.len >= n &&
	       span_caseeq_str(SPAN(name.data + name.len - n, n), end);
}

static bool
has(struct span name, const char *part)
{
	return span_find(name, 0, span_str(part)) < name.len;
}

static enum kind
kind_of(struct span name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (ends(name, kinds[i].end))
			return kinds[i].kind;
	/* OLE objects; the sheets of a binary workbook; objects of OpenDocument
	   that are no XML */
	return has(name, "embeddings/") || has(name, "/sheet") ||
		       has(name, "workbook.bin") ||
		       (has(name, "Object ") && !has(name, "/"))
		   ? KIND_CLOSED
		   : KIND_SKIP;
}

static enum err
read_part(enum kind kind, struct span part, unsigned depth, struct buf *out)
{
	enum err e;

	switch (kind) {
	case KIND_XML:
		return part.len == 0 ? ERR_OK : extract_xml_text(part, out);
	case KIND_TEXT:
		e = buf_put(out, part);
		return e == ERR_OK ? buf_puts(out, "\n") : e;
	case KIND_DOCUMENT:
		return read_document(part, depth + 1, out);
	case KIND_SKIP:
		return ERR_OK;
	case KIND_CLOSED:
		break;
	}
	return ERR_UNSUPPORTED;
}

static enum err
read_document(struct span doc, unsigned depth, struct buf *out)
{
	struct extract_zip_entry entry;
	struct extract_zip z;
	unsigned n = 0;
	struct buf part;
	enum err e;

	if (depth > LIMIT_EXTRACT_DEPTH)
		return ERR_LIMIT;
	e = extract_zip_open(doc, &z);
	buf_init(&part, LIMIT_EXTRACT_PART);
	while (e == ERR_OK) {
		enum kind kind;

		e = extract_zip_next(&z, &entry);
		if (e != ERR_OK)
			break;
		kind = kind_of(entry.name);
		buf_reset(&part);
		if (kind != KIND_SKIP && kind != KIND_CLOSED)
			e = extract_zip_read(&entry, &part);
		if (e == ERR_OK)
			e = read_part(kind, buf_span(&part), depth, out);
		n += kind == KIND_XML;
	}
	buf_clear(&part);
	if (e != ERR_NOT_FOUND)
		return e;
	/* an archive without a part that is text is no document */
	return n > 0 ? ERR_OK : ERR_MALFORMED;
}

enum err
extract_office_text(struct span document, struct buf *out)
{
	return read_document(document, 0, out);
}
