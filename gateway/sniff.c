/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signatures of formats, one row each. A database of thousands, interpreted
 * over octets of strangers, would be more to trust than it is worth here.
 */
#include "gateway/sniff.h"

#include <string.h>

static const struct {
	size_t at;
	const char *magic;
	size_t len;
	const char *type;
} signatures[] = {
    {0, "%PDF-", 5, "application/pdf"},
    {0, "PK\x03\x04", 4, "application/zip"},
    {0, "PK\x05\x06", 4, "application/zip"},
    {0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, "application/x-ole-storage"},
    {0, "{\\rtf", 5, "application/rtf"},
    {0, "MZ", 2, "application/x-msdownload"},
    {0,
	"\x7f"
	"ELF",
	4, "application/x-executable"},
    {0, "\xcf\xfa\xed\xfe", 4, "application/x-mach-binary"},
    {0, "\xca\xfe\xba\xbe", 4, "application/x-mach-binary"},
    {0, "#!", 2, "application/x-sh"},
    {0, "7z\xbc\xaf\x27\x1c", 6, "application/x-7z-compressed"},
    {0, "Rar!\x1a\x07", 6, "application/vnd.rar"},
    {0, "\x1f\x8b", 2, "application/gzip"},
    {0, "BZh", 3, "application/x-bzip2"},
    {0,
	"\xfd"
	"7zXZ",
	5, "application/x-xz"},
    {0, "MSCF", 4, "application/vnd.ms-cab-compressed"},
    {257, "ustar", 5, "application/x-tar"},
    {32769, "CD001", 5, "application/x-iso9660-image"},
    {0, "\xff\xd8\xff", 3, "image/jpeg"},
    {0, "\x89PNG\r\n\x1a\n", 8, "image/png"},
    {0, "GIF8", 4, "image/gif"},
    {0, "BM", 2, "image/bmp"},
    {0, "II*\0", 4, "image/tiff"},
    {0, "MM\0*", 4, "image/tiff"},
    {8, "WEBP", 4, "image/webp"},
    {0, "\0\0\1\0", 4, "image/x-icon"},
    {40, " EMF", 4, "image/emf"},
    {0, "\xd7\xcd\xc6\x9a", 4, "image/wmf"},
    {4, "ftypheic", 8, "image/heic"},
    {4, "ftyp", 4, "video/mp4"},
    {0, "\x1a\x45\xdf\xa3", 4, "video/webm"},
    {0, "ID3", 3, "audio/mpeg"},
    {0, "\xff\xfb", 2, "audio/mpeg"},
    {8, "AVI ", 4, "video/x-msvideo"},
    {0, "OggS", 4, "audio/ogg"},
    {8, "WAVE", 4, "audio/wav"},
    {0, "SQLite format 3", 16, "application/vnd.sqlite3"},
    {0, "\x78\x9f\x3e\x22", 4, "application/ms-tnef"},
    {0, "-----BEGIN PGP", 14, "application/pgp-encrypted"},
};

/* Names that stand readable in the directory of a ZIP archive. */
static const struct {
	const char *name;
	const char *type;
} inside_zip[] = {
    {"word/document.xml", "application/"
			  "vnd.openxmlformats-officedocument."
			  "wordprocessingml.document"},
    {"xl/workbook.", "application/"
		     "vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"ppt/presentation.xml", "application/"
			     "vnd.openxmlformats-officedocument."
			     "presentationml.presentation"},
    {"mimetypeapplication/vnd.oasis.opendocument.text",
	"application/vnd.oasis.opendocument.text"},
    {"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
	"application/vnd.oasis.opendocument.spreadsheet"},
    {"mimetypeapplication/vnd.oasis.opendocument.presentation",
	"application/vnd.oasis.opendocument.presentation"},
    {"META-INF/MANIFEST.MF", "application/java-archive"},
};

static void
add(struct sniffed *s, const char *type)
{
	if (s->n < SNIFF_TYPES)
		s->type[s->n++] = type;
}

static void
sniff_zip(struct span octets, struct sniffed *out)
{
	for (size_t i = 0; i < sizeof(inside_zip) / sizeof(inside_zip[0]); i++)
		if (span_find(octets, 0, span_str(inside_zip[i].name)) <
		    octets.len)
			add(out, inside_zip[i].type);
}

void
sniff(struct span octets, struct sniffed *out)
{
	struct sniffed s = {.n = 0};

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]);
	     i++) {
		if (octets.len < signatures[i].at + signatures[i].len ||
		    memcmp(octets.data + signatures[i].at, signatures[i].magic,
			signatures[i].len) != 0)
			continue;
		add(&s, signatures[i].type);
		if (strcmp(signatures[i].type, "application/zip") == 0)
			sniff_zip(octets, &s);
		break;
	}
	*out = s;
}
