/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/config_read.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/config_private.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
dump_value(const struct config_value *v, char *out, size_t size)
{
	size_t len;

	switch (v->kind) {
	case CONFIG_STRING:
		snprintf(out, size, "\"%s\"", v->text);
		return;
	case CONFIG_WORD:
		snprintf(out, size, "%s", v->text);
		return;
	case CONFIG_NUMBER:
		snprintf(out, size, "%ju", (uintmax_t)v->number);
		return;
	case CONFIG_DURATION:
		snprintf(out, size, "%jums", (uintmax_t)v->number);
		return;
	case CONFIG_SIZE:
		snprintf(out, size, "%juo", (uintmax_t)v->number);
		return;
	case CONFIG_LIST:
		break;
	}
	snprintf(out, size, "{");
	for (size_t i = 0; i < v->n_item; i++) {
		len = strlen(out);
		dump_value(&v->item[i], out + len, size - len);
		len = strlen(out);
		snprintf(
		    out + len, size - len, "%s", i + 1 < v->n_item ? "," : "");
	}
	len = strlen(out);
	snprintf(out + len, size - len, "}");
}

/* The tree on one line: name@line=value; section title@line[...]. */
static void
dump(const struct config_file *file, char *out, size_t size)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < file->n_section; i++) {
		const struct config_section *s = &file->section[i];

		if (i > 0)
			len +=
			    (size_t)snprintf(out + len, size - len, "%s/%s@%u[",
				s->name, s->title ? s->title : "", s->line);
		for (size_t k = 0; k < s->n_option; k++) {
			len += (size_t)snprintf(out + len, size - len,
			    "%s@%u=", s->option[k].name, s->option[k].line);
			dump_value(&s->option[k].value, out + len, size - len);
			len += strlen(out + len);
			len += (size_t)snprintf(out + len, size - len, ";");
		}
		if (i > 0)
			len += (size_t)snprintf(out + len, size - len, "]");
	}
}

static const struct {
	const char *text;
	const char *tree;
} valid[] = {
    {"", ""},
    {"# nothing but words\n\n\t\n", ""},
    {"a = b", "a@1=b;"},
    {"a=b c=d", "a@1=b;c@1=d;"},
    {"a = b, c = d,\n", "a@1=b;c@1=d;"},
    {"\r\na = \"x\"\r\n", "a@2=\"x\";"},
    {"a = \"with # and { } = ,\" # comment", "a@1=\"with # and { } = ,\";"},
    {"a = \"\"", "a@1=\"\";"},
    {"a = \"q\\\"b\\\\\"", "a@1=\"q\"b\\\";"},
    {"a = \"gr\xc3\xbc\xc3\x9f\"", "a@1=\"gr\xc3\xbc\xc3\x9f\";"},
    {"a = 0 b = 12 c = 18446744073709551615",
	"a@1=0;b@1=12;c@1=18446744073709551615;"},
    {"a=250ms b=8s c=5min d=4h e=5d",
	"a@1=250ms;b@1=8000ms;c@1=300000ms;d@1=14400000ms;e@1=432000000ms;"},
    {"a=4K b=50M c=1G d=1T",
	"a@1=4096o;b@1=52428800o;c@1=1073741824o;d@1=1099511627776o;"},
    {"a = {}", "a@1={};"},
    {"a = { x }", "a@1={x};"},
    {"a = { x, \"y\", 3 , 4s,}", "a@1={x,\"y\",3,4000ms};"},
    {"a = {\n  x, # one\n  y\n}\nb = c", "a@1={x,y};b@5=c;"},
    {"s { }", "s/@1[]"},
    {"s t { a = b }", "s/t@1[a@1=b;]"},
    {"s \"long title\" {\n a = b\n c = { d, e } f = g\n}\nh = i",
	"h@5=i;s/long title@1[a@2=b;c@3={d,e};f@3=g;]"},
    {"s t\n{\na = b }", "s/t@1[a@3=b;]"},
    {"s a { } s b { } s { } t a { }", "s/a@1[]s/b@1[]s/@1[]t/a@1[]"},
};

Test(config_read, reads_what_is_written)
{
	for (size_t i = 0; i < N(valid); i++) {
		struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
		struct conf_findings f;
		struct config_file file = {0};
		char tree[1024], why[256] = "";

		conf_findings_init(&f);
		f.file = "t";
		cr_expect_eq(config_read(span_str(valid[i].text), a, &f, &file),
		    ERR_OK, "%s: %s", valid[i].text,
		    f.n > 0 ? conf_finding_text(&f, 0, why, sizeof(why)) : "");
		cr_expect_eq(f.n, 0, "%s", valid[i].text);
		dump(&file, tree, sizeof(tree));
		cr_expect_str_eq(
		    tree, valid[i].tree, "%s: %s", valid[i].text, tree);
		conf_findings_clear(&f);
		arena_free(a);
	}
}

/* Each error as LINE:part of its text; several are separated by |. What
   stands behind an error is read all the same. */
static const struct {
	const char *text;
	size_t len; /* 0: a string */
	const char *errors;
	const char *tree;
} invalid[] = {
    {"a", 0, "1:expected \"=\" or \"{\"", ""},
    {"a =", 0, "1:a value", ""},
    {"a =\nb = c", 0, "1:behind \"=\" on the same line", "b@2=c;"},
    {"a = = b\nc = d", 0, "1:found \"=\", expected a value", "c@2=d;"},
    {"a = }", 0, "1:a value|1:name of an option", ""},
    {"= b\nc = d", 0, "1:found \"=\"", "c@2=d;"},
    {"\"a\" = b\nc = d", 0, "1:the name of an option", "c@2=d;"},
    {"1a = b\nc = d", 0, "1:the name of an option", "c@2=d;"},
    {"a = \"x\nb = c", 0, "1:not closed", "b@2=c;"},
    {"a = \"x\\\"\nb = c", 0, "1:not closed", "b@2=c;"},
    {"a = \"x\\", 0, "1:not closed", ""},
    {"a = \"", 0, "1:not closed", ""},
    {"a = \"x\\n\"\nb = c", 0, "1:unknown escape", "b@2=c;"},
    {"a = 10x\nb = c", 0, "1:\"10x\" is not a number", "b@2=c;"},
    {"a = 5m", 0, "1:is not a number", ""},
    {"a = 5 min", 0, "1:expected \"=\" or \"{\"", "a@1=5;"},
    {"a = 18446744073709551616", 0, "1:is not a number", ""},
    {"a = 99999999999999999999999d", 0, "1:is not a number", ""},
    {"a = 18446744073709551615K", 0, "1:is not a number", ""},
    {"a = 127.0.0.1", 0, "1:double quotes", ""},
    {"a = 127.0.0.1:25\nb = c", 0, "1:double quotes|1:unexpected \":\"",
	"b@2=c;"},
    {"a = /etc/x\nb = c", 0, "1:unexpected \"/\"", "b@2=c;"},
    {"a = 'x'\nb = c", 0, "1:unexpected \"'\"", "b@2=c;"},
    {"a = { x y }\nb = c", 0, "1:found \"y\", expected \",\"", "b@2=c;"},
    {"a = { , x }\nb = c", 0, "1:found \",\"", "b@2=c;"},
    {"a = { x,, y }\nb = c", 0, "1:found \",\"", "b@2=c;"},
    {"a = { x\nb = c\n", 0, "2:found \"b\", expected \",\"", ""},
    {"a = { x,\n y", 0, "2:the file ends here", ""},
    {"a = {", 0, "1:list is not closed", ""},
    {"a = { { x } }\nb = c", 0, "1:found \"{\"|1:found \"}\"", "b@2=c;"},
    {"a = b\na = c\n", 0, "2:\"a\" is given a second time, first in line 1",
	"a@1=b;"},
    {"s {\na = b\n a = c }", 0, "3:second time, first in line 2",
	"s/@1[a@2=b;]"},
    {"s t { }\ns t { }", 0, "2:section s t is given a second time", "s/t@1[]"},
    {"s { }\ns { }", 0, "2:section s is given a second time", "s/@1[]"},
    {"s {", 0, "1:section s is not closed", "s/@1[]"},
    {"s {\na = b\n\nt {\nc = d\n}\n", 0, "1:section s is not closed",
	"s/@1[a@2=b;]t/@4[c@5=d;]"},
    {"s x {\na = b\ns \"y\" {\nc = d\n}\ne = f", 0, "1:section s is not closed",
	"e@6=f;s/x@1[a@2=b;]s/y@3[c@4=d;]"},
    {"s { a b\nc = d }", 0,
	"1:section s is not closed|2:\"=\" or \"{\"|2:found \"}\"",
	"c@2=d;s/@1[]"},
    {"s { = }\nb = c", 0, "1:an option or \"}\"", "b@2=c;s/@1[]"},
    {"s { a }\nb = c", 0, "1:\"=\" behind the name", "b@2=c;s/@1[]"},
    {"s t u { }\nb = c", 0, "1:found \"u\"|1:found \"}\"", "b@2=c;"},
    {"}\nb = c", 0, "1:found \"}\"", "b@2=c;"},
    {"s { a = b } }\nb = c", 0, "1:found \"}\"", "b@2=c;s/@1[a@1=b;]"},
    {"a = \"x\0y\"\nb = c", 14, "1:NUL", ""},
    {"a = b\n\x01\n\x7f = c", 0, "2:control character|3:control character", ""},
    {"a = \"\xff\"\n\n\"\xc0\x80\"", 0, "1:not UTF-8|3:not UTF-8", ""},
    {"a = \"\xed\xa0\x80\"", 0, "1:not UTF-8", ""},
    {"a = \"\xf4\x90\x80\x80\"", 0, "1:not UTF-8", ""},
    {"a = \"\xe2\x82", 0, "1:not UTF-8", ""},
    {"\xef\xbb\xbf"
     "a = b",
	0, "1:byte order mark", ""},
    {"a = b\rc = d", 0, "1:carriage return", ""},
    {"a = \xc3\xbc\nb = c", 0, "1:unexpected \"\xc3\xbc\"", "b@2=c;"},
};

static void
check_errors(const char *text, const struct conf_findings *f, const char *want)
{
	size_t n = 0;

	while (*want != '\0') {
		size_t len = strcspn(want, "|");
		char *end, part[128];
		unsigned line = (unsigned)strtoul(want, &end, 10);

		snprintf(part, sizeof(part), "%.*s",
		    (int)(len - (size_t)(end + 1 - want)), end + 1);
		cr_assert_lt(n, f->n, "%s: no error \"%s\"", text, part);
		cr_expect_eq(f->list[n].line, line, "%s: line %u: %s", text,
		    f->list[n].line, f->list[n].text);
		cr_expect_not_null(strstr(f->list[n].text, part),
		    "%s: \"%s\" is not in: %s", text, part, f->list[n].text);
		n++;
		want += len + (want[len] == '|');
	}
	cr_expect_eq(
	    f->n, n, "%s: also: %s", text, n < f->n ? f->list[n].text : "");
}

Test(config_read, says_where_and_what_and_goes_on)
{
	for (size_t i = 0; i < N(invalid); i++) {
		struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
		struct conf_findings f;
		struct config_file file = {0};
		char tree[1024];
		struct span text = span_str(invalid[i].text);

		if (invalid[i].len != 0)
			text.len = invalid[i].len;
		conf_findings_init(&f);
		cr_expect_eq(config_read(text, a, &f, &file), ERR_CONFIG, "%s",
		    invalid[i].text);
		conf_findings_sort(&f);
		check_errors(invalid[i].text, &f, invalid[i].errors);
		dump(&file, tree, sizeof(tree));
		cr_expect_str_eq(
		    tree, invalid[i].tree, "%s: %s", invalid[i].text, tree);
		conf_findings_clear(&f);
		arena_free(a);
	}
}

/* head, then n times unit, then tail. Caller frees. */
static char *
repeated(const char *head, const char *unit, size_t n, const char *tail)
{
	size_t h = strlen(head), u = strlen(unit), t = strlen(tail);
	char *s = malloc(h + n * u + t + 1);

	cr_assert_not_null(s);
	memcpy(s, head, h);
	for (size_t i = 0; i < n; i++)
		memcpy(s + h + i * u, unit, u);
	memcpy(s + h + n * u, tail, t + 1);
	return s;
}

Test(config_read, what_is_too_long_is_refused)
{
	static const struct {
		const char *head, *unit, *tail;
		size_t fits;
		const char *error;
	} row[] = {
	    {"", "a", " = b", LIMIT_CONFIG_WORD, "1:word of 65 octets"},
	    {"a = \"", "b", "\"", LIMIT_CONFIG_STRING, "1:string of 4097"},
	    {"a = {", "b,", "}", LIMIT_CONFIG_LIST, "1:list is too long"},
	};

	for (size_t i = 0; i < N(row); i++) {
		for (size_t more = 0; more < 2; more++) {
			char *s = repeated(row[i].head, row[i].unit,
			    row[i].fits + more, row[i].tail);
			struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
			struct conf_findings f;
			struct config_file file;

			conf_findings_init(&f);
			cr_expect_eq(config_read(span_str(s), a, &f, &file),
			    more ? ERR_CONFIG : ERR_OK, "row %zu", i);
			if (more)
				check_errors(row[i].head, &f, row[i].error);
			conf_findings_clear(&f);
			arena_free(a);
			free(s);
		}
	}
}

Test(config_read, a_file_without_end_is_refused)
{
	char *s = repeated("", "#", LIMIT_CONFIG_FILE + 1, "");
	struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
	struct conf_findings f;
	struct config_file file;

	conf_findings_init(&f);
	cr_assert_eq(config_read(span_str(s), a, &f, &file), ERR_TOO_BIG);
	cr_assert_eq(f.n_errors, 1);
	conf_findings_clear(&f);
	arena_free(a);
	free(s);
}

Test(config_read, thousands_of_errors_are_counted)
{
	char *s = repeated("", "=\n", 5000, "");
	struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
	struct conf_findings f;
	struct config_file file;

	conf_findings_init(&f);
	cr_assert_eq(config_read(span_str(s), a, &f, &file), ERR_CONFIG);
	cr_assert_eq(f.n, LIMIT_CONFIG_FINDINGS);
	cr_assert_eq(f.n_errors, 5000);
	cr_assert_eq(f.lost, 5000 - LIMIT_CONFIG_FINDINGS);
	conf_findings_clear(&f);
	arena_free(a);
	free(s);
}
