/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Every XML part has its text taken, whatever its name: programs find parts by
 * their relations, not by names. A document in a document is one, too.
 * Pictures, fonts and settings of printers hold no text that is looked for, if
 * they begin as such, but what stands in them in plain characters: anybody can
 * put anything behind such a beginning. Everything else makes the whole
 * unreadable.
 */
#include "gateway/extract/office.h"

#include <string.h>

#include "common/limits.h"
#include "gateway/extract/xml_text.h"
#include "gateway/extract/zip.h"

enum { RUN = 8 }; /* characters that are no accident in a picture */

enum kind {
	KIND_SILENT, /* no text but what stands in plain characters */
	KIND_XML,
	KIND_TEXT, /* perhaps XML with a name that misleads */
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

/* What holds no text, by the end of its name and its beginning. */
static const struct {
	const char *end;
	struct span magic; /* empty: any that begins as nothing of foreign */
} silent[] = {
    {".png", SPAN_LIT("\x89PNG\r\n\x1a\n")},
    {".jpg", SPAN_LIT("\xff\xd8\xff")},
    {".jpeg", SPAN_LIT("\xff\xd8\xff")},
    {".jfif", SPAN_LIT("\xff\xd8\xff")},
    {".gif", SPAN_LIT("GIF8")},
    {".bmp", SPAN_LIT("BM")},
    {".tif", SPAN_LIT("II*\0")},
    {".tif", SPAN_LIT("MM\0*")},
    {".tiff", SPAN_LIT("II*\0")},
    {".tiff", SPAN_LIT("MM\0*")},
    {".emf", SPAN_LIT("\x01\0\0\0")},
    {".wmf", SPAN_LIT("\xd7\xcd\xc6\x9a")},
    {".wmf", SPAN_LIT("\x01\0\x09\0")},
    {".wdp", SPAN_LIT("II\xbc")},
    {".ttf", SPAN_LIT("\0\x01\0\0")},
    {".otf", SPAN_LIT("OTTO")},
    {".odttf", {NULL, 0}},   /* its beginning is obscured */
    {".fntdata", {NULL, 0}}, /* a size comes first */
    {"layout-cache", {NULL, 0}},
    {"mimetype", SPAN_LIT("application/vnd.oasis.opendocument.")},
};

/* Pictures of embedded objects: names without an end. */
static const struct span replacements[] = {
    SPAN_LIT("VCLMTF"),
    SPAN_LIT("\x01\0\0\0"),
    SPAN_LIT("\x89PNG\r\n\x1a\n"),
};

/* XML with and without a mark, in UTF-16 too; ZIP, OLE, PDF, RTF; a sheet of a
   binary workbook. */
static const struct span foreign[] = {
    SPAN_LIT("<"),
    SPAN_LIT("\0<"),
    SPAN_LIT("\xef\xbb\xbf"),
    SPAN_LIT("\xff\xfe"),
    SPAN_LIT("\xfe\xff"),
    SPAN_LIT("PK"),
    SPAN_LIT("\xd0\xcf\x11\xe0"),
    SPAN_LIT("%PDF"),
    SPAN_LIT("{\\rtf"),
    SPAN_LIT("\x81\x01"),
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

static bool
begins(struct span part, const struct span *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (part.len >= with[i].len &&
		    memcmp(part.data, with[i].data, with[i].len) == 0)
			return true;
	return false;
}

static bool
is_foreign(struct span part)
{
	part = span_trim(part);
	return begins(part, foreign, sizeof(foreign) / sizeof(foreign[0]));
}

static bool
is_silent(struct span name, struct span part)
{
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		if (ends(name, silent[i].end) &&
		    (silent[i].magic.len > 0 ? begins(part, &silent[i].magic, 1)
					     : !is_foreign(part)))
			return true;
	if (has(name, "printerSettings") && ends(name, ".bin"))
		return !is_foreign(part);
	return has(name, "ObjectReplacements/") &&
	       begins(part, replacements,
		   sizeof(replacements) / sizeof(replacements[0]));
}

static enum kind
kind_of(struct span name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (ends(name, kinds[i].end))
			return kinds[i].kind;
	/* OLE objects; the sheets of a binary workbook */
	return has(name, "embeddings/oleObject") || has(name, "workbook.bin")
		   ? KIND_CLOSED
		   : KIND_XML;
}

/* As it is, and what XML it is. */
static enum err
read_text(struct span part, struct buf *out)
{
	enum err e;

	if (part.len > 0 && memchr(part.data, 0, part.len) != NULL)
		return ERR_UNSUPPORTED; /* UTF-16, perhaps */
	e = buf_put(out, part);
	if (e == ERR_OK)
		e = buf_puts(out, "\n");
	return e == ERR_OK && is_foreign(part) ? extract_xml_text(part, out)
					       : e;
}

/* How many characters begin here that show, each of them followed by step - 1
   zeros. */
static size_t
run_at(struct span part, size_t at, size_t step)
{
	size_t n = 0;

	for (; at + step <= part.len; at += step, n++)
		if ((part.data[at] != '\t' &&
			(part.data[at] < ' ' || part.data[at] >= 0x7f)) ||
		    (step == 2 && part.data[at + 1] != 0))
			break;
	return n;
}

static enum err
put_runs(struct span part, size_t step, struct buf *out)
{
	enum err e = ERR_OK;
	size_t n;

	for (size_t at = 0; e == ERR_OK && at < part.len; at += n * step + 1) {
		n = run_at(part, at, step);
		for (size_t i = 0; n >= RUN && e == ERR_OK && i < n; i++)
			e = buf_put(out, SPAN(part.data + at + i * step, 1));
		if (n >= RUN && e == ERR_OK)
			e = buf_puts(out, "\n");
	}
	return e;
}

/* Of one octet for a character, and of two: UTF-16 of either order. */
static enum err
read_silent(struct span part, struct buf *out)
{
	enum err e = put_runs(part, 1, out);

	return e == ERR_OK ? put_runs(part, 2, out) : e;
}

static enum err
read_part(enum kind kind, struct span part, unsigned depth, struct buf *out)
{
	switch (kind) {
	case KIND_XML:
		return part.len == 0 ? ERR_OK : extract_xml_text(part, out);
	case KIND_TEXT:
		return read_text(part, out);
	case KIND_DOCUMENT:
		return read_document(part, depth + 1, out);
	case KIND_SILENT:
		return read_silent(part, out);
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
		if (kind != KIND_CLOSED)
			e = extract_zip_read(&entry, &part);
		if (kind == KIND_XML && is_silent(entry.name, buf_span(&part)))
			kind = KIND_SILENT;
		if (e == ERR_OK)
			e = read_part(kind, buf_span(&part), depth, out);
		n += kind == KIND_XML && part.len > 0;
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
