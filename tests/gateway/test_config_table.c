/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Holds sealgate.conf(5) and the option table to each other, both ways. */
#include "gateway/config_table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#define MAN "packaging/man/sealgate.conf.5"

static char *
read_manual(void)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[4096];
	FILE *f;
	char *text = calloc(1, 1 << 20);

	cr_assert_not_null(text);
	snprintf(path, sizeof(path), "%s/%s", top == NULL ? "." : top, MAN);
	f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	cr_assert_gt(fread(text, 1, (1 << 20) - 1, f), 0);
	fclose(f);
	return text;
}

/* A number in the largest unit that says it exactly. */
static void
put_number(struct buf *out, enum config_type type, uint64_t n)
{
	static const struct {
		const char *unit;
		uint64_t size;
	} times[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000},
	    {"s", 1000}, {"ms", 1}},
	  sizes[] = {{"T", UINT64_C(1) << 40}, {"G", 1 << 30}, {"M", 1 << 20},
	      {"K", 1 << 10}, {"", 1}};

	for (size_t i = 0; i < 5; i++) {
		bool time = type == CONFIG_T_MS || type == CONFIG_T_S;
		uint64_t size = time ? times[i].size : sizes[i].size;

		if (type == CONFIG_T_NUMBER || type == CONFIG_T_USERS)
			size = 1;
		if (n % size != 0 || (n == 0 && size != 1))
			continue;
		cr_assert_eq(buf_printf(out, "%ju%s", (uintmax_t)(n / size),
				 size == 1 && !time ? ""
				 : time		    ? times[i].unit
						    : sizes[i].unit),
		    ERR_OK);
		return;
	}
}

/* Each sentence begins a line. */
static void
put_text(struct buf *out, const char *text)
{
	const char *end;

	while ((end = strstr(text, ". ")) != NULL) {
		cr_assert_eq(
		    buf_printf(out, "%.*s\n", (int)(end + 1 - text), text),
		    ERR_OK);
		text = end + 2;
	}
	cr_assert_eq(buf_printf(out, "%s\n", text), ERR_OK);
}

/* What the manual must say about an option. */
static void
put_entry(struct buf *out, const struct config_entry *e)
{
	cr_assert_eq(buf_printf(out, ".It Ic %s\n", e->name), ERR_OK);
	put_text(out, e->man);
	if (e->max != 0) {
		cr_assert_eq(buf_puts(out, "From "), ERR_OK);
		put_number(out, e->type, e->min);
		cr_assert_eq(buf_puts(out, " to "), ERR_OK);
		put_number(out, e->type, e->max);
		cr_assert_eq(buf_puts(out, ".\n"), ERR_OK);
	}
	if (e->required)
		cr_assert_eq(buf_puts(out, "Must be given.\n"), ERR_OK);
	if (e->def != NULL)
		cr_assert_eq(buf_printf(out, "Default: %s.\n", e->def), ERR_OK);
}

/* The manual of all groups, as it must stand in the page. */
static void
put_all(struct buf *out)
{
	char label[64];

	for (size_t g = 0; g < config_n_groups; g++) {
		const struct config_group *group = &config_groups[g];

		config_group_label(group, label, sizeof(label));
		cr_assert_eq(
		    buf_printf(out, ".Ss %s\n",
			*label == '\0' ? "Outside of sections" : label),
		    ERR_OK);
		put_text(out, group->man);
		cr_assert_eq(buf_puts(out, ".Bl -tag -width Ds\n"), ERR_OK);
		for (size_t i = 0; i < config_n_entries; i++)
			if (strcmp(config_entries[i].group, label) == 0)
				put_entry(out, &config_entries[i]);
		cr_assert_eq(buf_puts(out, ".El\n"), ERR_OK);
	}
}

/* CONFIG_MANUAL=FILE writes the part, to be put into the page. */
Test(config_table, the_manual_says_what_the_table_says)
{
	const char *write_to = getenv("CONFIG_MANUAL");
	char *manual = read_manual(), *line, *save;
	struct buf want;

	buf_init(&want, 1 << 20);
	put_all(&want);
	cr_assert_not_null(buf_cstr(&want));
	if (write_to != NULL) {
		FILE *f = fopen(write_to, "w");

		cr_assert_not_null(f);
		fputs(buf_cstr(&want), f);
		fclose(f);
	}
	if (strstr(manual, buf_cstr(&want)) == NULL) {
		for (line = strtok_r((char *)want.data, "\n", &save);
		     line != NULL; line = strtok_r(NULL, "\n", &save))
			cr_expect_not_null(
			    strstr(manual, line), MAN " lacks: %s", line);
		cr_assert_fail(MAN " has the options in another order, or "
				   "says more about one");
	}
	free(manual);
	buf_clear(&want);
}

Test(config_table, the_manual_has_no_other_option)
{
	char *manual = read_manual();
	size_t n = 0;

	for (const char *p = manual; (p = strstr(p, "\n.It Ic ")) != NULL; p++)
		n++;
	cr_expect_eq(n, config_n_entries, "%zu options in the manual", n);
	free(manual);
}

Test(config_table, every_entry_has_its_group)
{
	char label[64];

	for (size_t i = 0; i < config_n_entries; i++) {
		bool found = false;

		for (size_t g = 0; g < config_n_groups; g++) {
			config_group_label(
			    &config_groups[g], label, sizeof(label));
			found |= strcmp(label, config_entries[i].group) == 0;
		}
		cr_expect(found, "%s", config_entries[i].name);
		for (size_t k = 0; k < i; k++)
			cr_expect(strcmp(config_entries[i].group,
				      config_entries[k].group) != 0 ||
				      strcmp(config_entries[i].name,
					  config_entries[k].name) != 0,
			    "%s twice", config_entries[i].name);
	}
}
