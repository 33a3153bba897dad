/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of office documents. What cannot be read in full is an error, never
 * less text. Programs of the system: tests/e2e/test_documents.py.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "common/buf.h"
#include "common/limits.h"
#include "gateway/extract/office.h"
#include "gateway/extract/xml_text.h"
#include "gateway/extract/zip.h"

/* --- XML --- */

static const struct {
	const char *xml;
	const char *want; /* NULL: refused */
} xml_rows[] = {
    {"<a>x</a>", "x\n"},
    {"\xef\xbb\xbf<a>x</a>", "x\n"},
    {" \r\n<?xml version=\"1.0\"?><a>x</a>", "x\n"},
    {"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>\xc3\xa4</a>", "\xc3\xa4\n"},
    {"<?xml version='1.0' encoding='utf-8' ?><a/>", ""},
    {"<w:p><w:r><w:t>GB82 WE</w:t></w:r><w:r><w:t>ST</w:t></w:r></w:p>",
	"GB82 WEST\n"},
    {"<w:p>a</w:p><w:p>b</w:p>", "a\nb\n"},
    {"<c><v>1</v></c><c><v>2</v></c>", "1\n2\n"},
    {"<text:p>a<text:s/>b<text:tab/>c</text:p>", "a\nb\nc\n"},
    {"<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#xe4;&#x20ac;&#x1f600;</a>",
	"<&>\"'AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n"},
    {"<a><![CDATA[<b>&amp;]]></a>", "<b>&amp;\n"},
    {"<a><!-- <b>no</b> -->x</a>", "x\n"},
    {"<a b=\">\" c='>\"'>x</a>", "x\n"},
    {"<a\n>x</a\n>", "x\n"},
    /* what is no XML, or cannot be told */
    {"", NULL},
    {"x", NULL},
    {"x<a/>", NULL},
    {"PK\x03\x04", NULL},
    {"<", NULL},
    {"<>x</>", NULL},
    {"<a", NULL},
    {"<a b=\"x", NULL},
    {"<a b=\"<\">x</a>", NULL},
    {"<a><!-- x</a>", NULL},
    {"<a><![CDATA[x</a>", NULL},
    {"<a><?x </a>", NULL},
    {"<!DOCTYPE a><a>x</a>", NULL},
    {"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", NULL},
    {"<a>&b;</a>", NULL},
    {"<a>&amp</a>", NULL},
    {"<a>&#0;</a>", NULL},
    {"<a>&#xd800;</a>", NULL},
    {"<a>&#x110000;</a>", NULL},
    {"<a>&#99999999999;</a>", NULL},
    {"<a>&#;</a>", NULL},
    {"<a>&#x;</a>", NULL},
    {"<a>&#6a;</a>", NULL},
    {"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>x</a>", NULL},
    {"<?xml version=\"1.0\" encoding=\"windows-1252\"?><a>x</a>", NULL},
    {"<a>\xff</a>", NULL},
    {"<a>\xc0\xaf</a>", NULL},
    {"<a>\xed\xa0\x80</a>", NULL},
    {"<a>\xf4\x90\x80\x80</a>", NULL},
    {"<a>\xe2\x82</a>", NULL},
};

Test(xml_text, is_what_stands_between_tags_or_nothing)
{
	for (size_t i = 0; i < sizeof(xml_rows) / sizeof(xml_rows[0]); i++) {
		struct buf out;
		enum err e;

		buf_init(&out, 1000);
		e = extract_xml_text(span_str(xml_rows[i].xml), &out);
		cr_expect_eq(e == ERR_OK, xml_rows[i].want != NULL,
		    "row %zu: %d", i, (int)e);
		if (e == ERR_OK && xml_rows[i].want != NULL)
			cr_expect(span_eq_str(buf_span(&out), xml_rows[i].want),
			    "row %zu: %.*s", i, (int)out.len,
			    (const char *)out.data);
		buf_clear(&out);
	}
}

Test(xml_text, utf_16_and_nul_are_refused)
{
	static const char wide[] = "\xff\xfe<\0a\0>\0x\0<\0/\0a\0>";
	struct buf out;

	buf_init(&out, 1000);
	cr_expect_neq(extract_xml_text(SPAN_LIT(wide), &out), ERR_OK);
	cr_expect_neq(extract_xml_text(SPAN("<a>\0</a>", 8), &out), ERR_OK);
	buf_clear(&out);
}

/* --- archives --- */

struct file {
	const char *name;
	struct span text;
	bool stored;
};

enum { ARCHIVE_MAX = 1 << 20 };

static void
put16(struct buf *b, unsigned v)
{
	const uint8_t octets[] = {(uint8_t)v, (uint8_t)(v >> 8)};

	cr_assert_eq(buf_put(b, SPAN(octets, 2)), ERR_OK);
}

static void
put32(struct buf *b, size_t v)
{
	put16(b, v & 0xffff);
	put16(b, v >> 16 & 0xffff);
}

static void
pack(const struct file *f, struct buf *out)
{
	uint8_t *room = malloc(f->text.len + 1000);
	z_stream s = {.next_in = (Bytef *)(uintptr_t)f->text.data,
	    .avail_in = (uInt)f->text.len,
	    .next_out = room,
	    .avail_out = (uInt)f->text.len + 1000};

	cr_assert_eq(
	    deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	cr_assert_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	cr_assert_eq(buf_put(out, SPAN(room, s.total_out)), ERR_OK);
	deflateEnd(&s);
	free(room);
}

/* flags to crc, sizes, lengths: what both headers have. */
static void
put_common(struct buf *b, const struct file *f, size_t packed)
{
	put16(b, 0);
	put16(b, f->stored ? 0 : 8);
	put32(b, 0);
	put32(b, crc32(0, f->text.data, (uInt)f->text.len));
	put32(b, packed);
	put32(b, f->text.len);
	put16(b, (unsigned)strlen(f->name));
	put16(b, 0);
}

static void
make_zip(const struct file *file, size_t n, struct buf *b)
{
	size_t at[8], size[8], directory;

	buf_init(b, ARCHIVE_MAX);
	for (size_t i = 0; i < n; i++) {
		struct buf packed;

		buf_init(&packed, ARCHIVE_MAX);
		if (file[i].stored)
			cr_assert_eq(buf_put(&packed, file[i].text), ERR_OK);
		else
			pack(&file[i], &packed);
		at[i] = b->len;
		size[i] = packed.len;
		put32(b, 0x04034b50);
		put16(b, 20);
		put_common(b, &file[i], packed.len);
		cr_assert_eq(buf_puts(b, file[i].name), ERR_OK);
		cr_assert_eq(buf_put(b, buf_span(&packed)), ERR_OK);
		buf_clear(&packed);
	}
	directory = b->len;
	for (size_t i = 0; i < n; i++) {
		put32(b, 0x02014b50);
		put32(b, 20 | 20 << 16);
		put_common(b, &file[i], size[i]);
		put16(b, 0);
		put32(b, 0);
		put32(b, 0);
		put32(b, at[i]);
		cr_assert_eq(buf_puts(b, file[i].name), ERR_OK);
	}
	put32(b, 0x06054b50);
	put32(b, 0);
	put16(b, (unsigned)n);
	put16(b, (unsigned)n);
	put32(b, b->len - 12 - directory);
	put32(b, directory);
	put16(b, 0);
}

#define TYPES                                                                  \
	{                                                                      \
		"[Content_Types].xml", SPAN_LIT("<Types/>"), false             \
	}
#define DOC(text)                                                              \
	{                                                                      \
		"word/document.xml", SPAN_LIT("<w:p>" text "</w:p>"), false    \
	}

static const struct {
	const char *what;
	struct file file[3];
	const char *want; /* NULL: it cannot be read */
} documents[] = {
    {"a text", {TYPES, DOC("secret")}, "secret\n"},
    {"stored", {TYPES, {"word/document.xml", SPAN_LIT("<w:p>x</w:p>"), true}},
	"x\n"},
    {"of OpenDocument",
	{{"mimetype", SPAN_LIT("application/vnd.oasis.opendocument.text"),
	     true},
	    {"content.xml", SPAN_LIT("<text:p>x</text:p>"), false}},
	"application/vnd.oasis.opendocument.text\nx\n"},
    {"with a text that begins as a picture",
	{DOC("x"),
	    {"a.bmp", SPAN_LIT("BM\0\1a hidden\tsecret\0\2short\0\1"), true}},
	"x\na hidden\tsecret\n"},
    {"the same in UTF-16",
	{DOC("x"),
	    {"a.bmp", SPAN_LIT("BM\0\1\0h\0i\0d\0d\0e\0n\0!\0!\0!"), true},
	    {"b.png", SPAN_LIT("\x89PNG\r\n\x1a\ns\0e\0c\0r\0e\0t\0l\0y\0"),
		true}},
	"x\nhidden!!\nsecretly\n"},
    {"with a picture",
	{DOC("x"), {"word/media/a.png", SPAN_LIT("\x89PNG\r\n\x1a\n"), true}},
	"x\n"},
    {"with others",
	{DOC("x"), {"word/media/a.JPEG", SPAN_LIT("\xff\xd8\xff\xe0"), true},
	    {"word/media/b.emf", SPAN_LIT("\x01\0\0\0l"), true}},
	"x\n"},
    {"with a font, and a picture without an end of its name",
	{DOC("x"), {"word/fonts/font1.odttf", SPAN_LIT("\x9c\x11 "), true},
	    {"ObjectReplacements/Object 1", SPAN_LIT("VCLMTF\1\0"), true}},
	"x\n"},
    {"with relations and folders",
	{DOC("x"),
	    {"_rels/.rels",
		SPAN_LIT("<Relationships><Relationship/></Relationships>"),
		false},
	    {"Configurations2/images/", SPAN_LIT(""), true}},
	"x\n"},
    {"a part of any name",
	{TYPES, DOC("x"), {"word/document.bak", SPAN_LIT("<p>y</p>"), false}},
	"x\ny\n"},
    {"a part without an end of its name",
	{TYPES, {"body", SPAN_LIT("<p>secret</p>"), false}}, "secret\n"},
    {"a text that calls itself a picture",
	{TYPES, {"word/document.png", SPAN_LIT("<p>secret</p>"), false}},
	"secret\n"},
    {"one that calls itself a font",
	{TYPES, {"a.odttf", SPAN_LIT("\r\n<p>secret</p>"), false}}, "secret\n"},
    {"one that calls itself a printer",
	{TYPES, {"xl/printerSettings/a.bin", SPAN_LIT("<p>secret</p>"), false}},
	"secret\n"},
    {"one that calls itself a plain text",
	{TYPES, {"a.txt", SPAN_LIT("<p>se<r>cret</r></p>"), false}},
	"<p>se<r>cret</r></p>\nsecret\n"},
    {"with settings of a printer",
	{DOC("x"),
	    {"xl/printerSettings/printerSettings1.bin", SPAN_LIT("?"), true}},
	"x\n"},
    {"with a text of another format",
	{DOC("x"), {"word/afchunk.htm", SPAN_LIT("<p>secret</p>"), true}},
	"x\n<p>secret</p>\nsecret\n"},
    {"a part that is empty", {DOC("x"), {"a.xml", SPAN_LIT(""), true}}, "x\n"},
    {"no part that is text", {{"a.png", SPAN_LIT("x"), true}}, NULL},
    {"folders alone", {{"word/", SPAN_LIT(""), true}}, NULL},
    {"nothing", {{NULL, SPAN_LIT(""), true}}, NULL},
    {"a part that is no XML", {TYPES, {"a.xml", SPAN_LIT("x"), true}}, NULL},
    {"an OLE object",
	{DOC("x"), {"word/embeddings/oleObject1.bin", SPAN_LIT("x"), true}},
	NULL},
    {"a document that is none",
	{DOC("x"), {"word/embeddings/a.xlsx", SPAN_LIT("x"), true}}, NULL},
    {"an older document",
	{DOC("x"), {"word/embeddings/a.xls", SPAN_LIT("x"), true}}, NULL},
    {"a binary sheet",
	{DOC("x"), {"xl/worksheets/sheet1.bin", SPAN_LIT("x"), true}}, NULL},
    {"a sheet of any name",
	{DOC("x"), {"xl/a.bin", SPAN_LIT("\x81\x01\0"), true}}, NULL},
    {"a sheet that calls itself a printer",
	{DOC("x"), {"printerSettings1.bin", SPAN_LIT("\x81\x01\0"), true}},
	NULL},
    {"a document that calls itself a picture",
	{DOC("x"), {"word/media/a.png", SPAN_LIT("PK\3\4"), true}}, NULL},
    {"an OLE object that calls itself one",
	{DOC("x"), {"a.wmf", SPAN_LIT("\xd0\xcf\x11\xe0"), true}}, NULL},
    {"one picture that calls itself another",
	{DOC("x"), {"word/media/a.gif", SPAN_LIT("\x89PNG"), true}}, NULL},
    {"what begins as nothing known",
	{DOC("x"), {"word/a.dxf", SPAN_LIT("secret"), true}}, NULL},
    {"a text in UTF-16", {DOC("x"), {"a.txt", SPAN_LIT("s\0e\0c\0"), true}},
	NULL},
    {"XML in UTF-16 that calls itself a font",
	{DOC("x"), {"a.odttf", SPAN_LIT("\xff\xfe<\0p\0"), true}}, NULL},
    {"a PDF in it", {DOC("x"), {"Object 1.pdf", SPAN_LIT("x"), true}}, NULL},
};

Test(office, the_text_of_all_parts_or_nothing)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct buf zip, out;
		size_t n = 0;
		enum err e;

		while (n < 3 && documents[i].file[n].name != NULL)
			n++;
		make_zip(documents[i].file, n, &zip);
		buf_init(&out, 10000);
		e = extract_office_text(buf_span(&zip), &out);
		cr_expect_eq(e == ERR_OK, documents[i].want != NULL, "%s: %d",
		    documents[i].what, (int)e);
		if (e == ERR_OK && documents[i].want != NULL)
			cr_expect(
			    span_eq_str(buf_span(&out), documents[i].want),
			    "%s: %.*s", documents[i].what, (int)out.len,
			    (const char *)out.data);
		buf_clear(&zip);
		buf_clear(&out);
	}
}

Test(office, documents_in_documents_are_read_to_a_depth)
{
	struct buf inner, outer, out;
	struct file file[] = {
	    DOC("deep"), {"word/embeddings/a.docx", {0}, true}};
	enum err e;

	make_zip(file, 1, &inner);
	for (unsigned depth = 1; depth <= LIMIT_EXTRACT_DEPTH + 1; depth++) {
		file[1].text = buf_span(&inner);
		make_zip(file, 2, &outer);
		buf_clear(&inner);
		inner = outer;
		buf_init(&out, 10000);
		e = extract_office_text(buf_span(&inner), &out);
		cr_expect_eq(
		    e, depth <= LIMIT_EXTRACT_DEPTH ? ERR_OK : ERR_LIMIT);
		buf_clear(&out);
	}
	buf_clear(&inner);
}

/* Each octet of the archive changed in turn: what is read is what is there, or
   nothing is; and the same cut short at each place. */
Test(office, a_damaged_archive_gives_no_other_text)
{
	const struct file file[] = {TYPES, DOC("the text that is there")};
	struct buf zip, out;
	uint8_t *copy;
	size_t read = 0;

	make_zip(file, 2, &zip);
	copy = malloc(zip.len);
	for (size_t i = 0; i < zip.len; i++) {
		memcpy(copy, zip.data, zip.len);
		copy[i] ^= 0x55;
		buf_init(&out, 10000);
		if (extract_office_text(SPAN(copy, zip.len), &out) == ERR_OK) {
			read++;
			cr_expect(span_eq_str(buf_span(&out),
				      "the text that is there\n"),
			    "octet %zu: %.*s", i, (int)out.len,
			    (const char *)out.data);
		}
		buf_reset(&out);
		cr_expect_neq(
		    extract_office_text(SPAN(zip.data, i), &out), ERR_OK);
		buf_clear(&out);
	}
	/* dates and versions matter to nobody */
	cr_expect_lt(read, zip.len / 3);
	free(copy);
	buf_clear(&zip);
}

Test(office, bombs_are_not_unpacked)
{
	enum { SIZE = 3 << 20 };
	uint8_t *zeros = malloc(SIZE);
	struct file file[] = {TYPES, {"a.xml", SPAN(zeros, SIZE), false}};
	struct buf zip, out;

	memset(zeros, ' ', SIZE);
	memcpy(zeros, "<a>", 3);
	memcpy(zeros + SIZE - 4, "</a>", 4);
	make_zip(file, 2, &zip);
	buf_init(&out, SIZE);
	cr_expect_eq(extract_office_text(buf_span(&zip), &out), ERR_TOO_BIG);
	buf_clear(&out);
	buf_clear(&zip);
	free(zeros);
}
