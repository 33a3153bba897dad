/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/groups.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "gateway/conf.h"
#include "keystore/group.h"
#include "tests/keystore/records.h"

static char path[64];

static void
put(const char *text, size_t len)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/test_groups.XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(file_write_all(fd, SPAN(text, len)), ERR_OK);
	close(fd);
}

static struct policy *
policy_with(const char *group)
{
	static const enum rung hold[] = {RUNG_HOLD};
	struct policy *p = policy_new();
	const struct policy_spec spec = {.name = "r",
	    .to = &group,
	    .n_to = 1,
	    .ladder = hold,
	    .n_ladder = 1};
	struct err_why why = {""};

	cr_assert_eq(policy_add_rule(p, &spec, &why), ERR_OK, "%s", why.text);
	return p;
}

static void
count(void *arg, const char *name, const char *why)
{
	cr_expect_neq(why[0], '\0', "%s", name);
	(*(size_t *)arg)++;
}

/* Load the file that has this text; how many findings. */
static struct groups *
load(const char *text, size_t len, size_t *bad)
{
	struct groups *g = groups_new();
	struct policy *p;
	char name[80];

	put(text, len);
	snprintf(name, sizeof(name), "file:%s", path);
	p = policy_with(name);
	*bad = 0;
	groups_load(g, p, count, bad);
	unlink(path);
	policy_free(p);
	return g;
}

Test(groups, say_who_is_in_them)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "A@B.Example\n"
				   "c@d.example  and a remark\n"
				   "@whole.example\n";
	static const struct {
		const char *addr;
		enum policy_truth want;
	} rows[] = {
	    {"a@b.example", POLICY_YES},
	    {"c@d.example", POLICY_YES},
	    {"x@whole.example", POLICY_YES},
	    {"x@b.example", POLICY_NO},
	    {"x@sub.whole.example", POLICY_NO},
	    {"", POLICY_NO},
	    {"a", POLICY_NO},
	};
	size_t bad;
	struct groups *g = load(text, sizeof(text) - 1, &bad);

	cr_expect_eq(bad, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(groups_has(g, 0, span_str(rows[i].addr)),
		    rows[i].want, "<%s>", rows[i].addr);
	cr_expect_eq(groups_has(g, 1, SPAN_LIT("a@b.example")), POLICY_UNSURE);
	cr_expect_eq(groups_has(g, 99, SPAN_LIT("a@b.example")), POLICY_UNSURE);
	groups_free(g);
}

Test(groups, a_file_that_does_not_serve_leaves_everybody_unsure)
{
	static const char *const rows[] = {"", "\n", "# nobody\n",
	    "a@b.example", "a@b.example\nc@d", "a@b.example\nnobody\n",
	    "a@b.example\n@\n", "a@b.example\n\xff\xfe\n"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t bad;
		struct groups *g = load(rows[i], strlen(rows[i]), &bad);

		cr_expect_eq(bad, 1, "row %zu", i);
		cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")),
		    POLICY_UNSURE, "row %zu", i);
		groups_free(g);
	}
}

Test(groups, a_file_that_is_missing_leaves_everybody_unsure)
{
	struct policy *p = policy_with("file:/nonexistent/group");
	struct groups *g = groups_new();
	size_t bad = 0;

	groups_load(g, p, count, &bad);
	cr_expect_eq(bad, 1);
	cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")), POLICY_UNSURE);
	groups_free(g);
	policy_free(p);
}

Test(groups, a_hundred_thousand_addresses)
{
	enum { N = 100000 };
	char *text = malloc(N * 32), addr[32];
	size_t len = 0, bad;
	struct groups *g;

	for (size_t i = 0; i < N; i++)
		len += (size_t)snprintf(
		    text + len, 32, "u%zu@b.example\n", i * 7919 % N);
	g = load(text, len, &bad);
	cr_expect_eq(bad, 0);
	for (size_t i = 0; i < N; i += 97) {
		snprintf(addr, sizeof(addr), "u%zu@b.example", i);
		cr_assert_eq(
		    groups_has(g, 0, span_str(addr)), POLICY_YES, "%s", addr);
		snprintf(addr, sizeof(addr), "v%zu@b.example", i);
		cr_assert_eq(
		    groups_has(g, 0, span_str(addr)), POLICY_NO, "%s", addr);
	}
	groups_free(g);
	free(text);
}

/* --- of the directory --- */

enum { NOW = 1800000000, KEEP_S = 3600 };

static char dir[64];
static struct ks_store *store;

static void
answer(const char *name, int64_t at, const char *text)
{
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(
	    ks_group_put(store, span_str(name), at, span_str(text)), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
}

Test(groups, of_the_directory_are_known_as_long_as_its_answer_counts)
{
	static const struct {
		const char *what, *text; /* NULL: no new answer */
		int64_t at, now;
		enum policy_truth a, b;
	} rows[] = {
	    {"nothing has come", NULL, 0, NOW, POLICY_UNSURE, POLICY_UNSURE},
	    {"an answer", "a@b.example\n", NOW, NOW, POLICY_YES, POLICY_NO},
	    {"at its last moment", NULL, 0, NOW + KEEP_S, POLICY_YES,
		POLICY_NO},
	    {"too old", NULL, 0, NOW + KEEP_S + 1, POLICY_UNSURE,
		POLICY_UNSURE},
	    {"the clock was set back", NULL, 0, NOW - KEEP_S - 1, POLICY_UNSURE,
		POLICY_UNSURE},
	    {"and is right again", NULL, 0, NOW, POLICY_YES, POLICY_NO},
	    {"another answer", "B@b.example\n", NOW + 1, NOW + 2, POLICY_NO,
		POLICY_YES},
	    {"the same, newer", "B@b.example\n", NOW + KEEP_S, NOW + 2 * KEEP_S,
		POLICY_NO, POLICY_YES},
	    {"what is no list", "a@b.example\nnobody\n", NOW, NOW,
		POLICY_UNSURE, POLICY_UNSURE},
	    {"nothing at all", "", NOW, NOW, POLICY_UNSURE, POLICY_UNSURE},
	    {"a list again", "a@b.example\nb@b.example\n", NOW, NOW, POLICY_YES,
		POLICY_YES},
	};
	struct policy *p = policy_with("ldap:legal");
	struct conf_group group = {.name = "legal", .keep_s = KEEP_S};
	const struct conf c = {.policy = p, .group = &group, .n_group = 1};
	struct groups *g = groups_new();

	store = records_open(dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].text != NULL)
			answer("legal", rows[i].at, rows[i].text);
		/* twice: what was read once is not read again */
		for (int k = 0; k < 2; k++) {
			groups_look(g, &c, store, rows[i].now);
			cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")),
			    rows[i].a, "%s", rows[i].what);
			cr_expect_eq(groups_has(g, 0, SPAN_LIT("b@b.example")),
			    rows[i].b, "%s", rows[i].what);
		}
	}
	groups_look(g, &c, NULL, NOW);
	cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")), POLICY_UNSURE);
	records_close(store, dir);
	groups_free(g);
	policy_free(p);
}

Test(groups, keep_no_member_of_another_name)
{
	struct conf_group group[] = {{.name = "legal", .keep_s = KEEP_S},
	    {.name = "sales", .keep_s = KEEP_S}};
	struct policy *legal = policy_with("ldap:legal");
	struct policy *sales = policy_with("ldap:sales");
	struct conf c = {.policy = legal, .group = group, .n_group = 2};
	struct groups *g = groups_new();

	store = records_open(dir);
	answer("legal", NOW, "a@b.example\n");
	groups_look(g, &c, store, NOW);
	cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")), POLICY_YES);
	c.policy = sales;
	groups_look(g, &c, store, NOW);
	cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")), POLICY_UNSURE);
	answer("sales", NOW, "c@b.example\n");
	groups_look(g, &c, store, NOW);
	cr_expect_eq(groups_has(g, 0, SPAN_LIT("a@b.example")), POLICY_NO);
	records_close(store, dir);
	groups_free(g);
	policy_free(legal);
	policy_free(sales);
}
