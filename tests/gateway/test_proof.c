/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/proof.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/conf.h"

Test(proof, every_example_is_right_and_does_what_its_tests_say)
{
	const char *top = getenv("TOP_SRCDIR");
	char dir[4096], path[8192], why[600] = "";
	struct dirent *e;
	size_t n = 0, tests = 0;
	DIR *d;

	snprintf(
	    dir, sizeof(dir), "%s/packaging/examples", top == NULL ? "." : top);
	d = opendir(dir);
	cr_assert_not_null(d, "%s", dir);
	while ((e = readdir(d)) != NULL) {
		struct conf_findings f;
		struct conf *c = NULL;
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		conf_findings_init(&f);
		cr_expect_eq(conf_load(path, &f, &c), ERR_OK, "%s: %s", path,
		    f.n > 0 ? conf_finding_text(&f, 0, why, sizeof(why)) : "");
		if (c != NULL) {
			size_t n_tests, before = f.n;

			proof_run_tests(c, &f, &n_tests);
			cr_expect_eq(f.n_errors, 0, "%s",
			    f.n > before ? f.list[before].text : path);
			tests += n_tests;
		}
		conf_free(c);
		conf_findings_clear(&f);
		n++;
	}
	closedir(d);
	cr_expect_geq(n, 8);
	cr_expect_geq(tests, 30);
}

#define BASE                                                                   \
	"hostname = \"gw.example.com\"\n"                                      \
	"domains = { \"example.com\" }\n"                                      \
	"listen outbound { address = \"127.0.0.1:10025\" }\n"                  \
	"relay outbound { via = \"mx\" }\n"
#define PROOF_RULES                                                            \
	"rule \"a\" { content = \"secret\" try = { smime, hold } }\n"          \
	"rule \"d\" { try = { smime, clear } }\n"

Test(proof, a_test_says_what_came_out_instead)
{
	static const struct {
		const char *test;
		const char *said; /* NULL: it passes */
	} row[] = {
	    {"from = \"a@b.example\" to = \"c@d.example\" expect = clear",
		NULL},
	    {"from = \"<>\" to = \"c@d.example\" expect = clear", NULL},
	    {"from = \"a@b.example\" to = \"c@d.example\" has = smime "
	     "expect = smime rule = \"d\"",
		NULL},
	    {"from = \"a@b.example\" to = \"c@d.example\" body = \"a Secret\" "
	     "expect = hold rule = \"a\"",
		NULL},
	    {"from = \"a@b.example\" to = \"c@d.example\" fails = { smime } "
	     "expect = wait",
		NULL},
	    {"from = \"a@b.example\" to = \"c@d.example\" expect = smime",
		"expected smime, found clear by rule \"d\""},
	    {"from = \"a@b.example\" to = \"c@d.example\" expect = refused",
		"found clear"},
	    {"from = \"a@b.example\" to = \"c@d.example\" expect = clear rule "
	     "= "
	     "\"a\"",
		"expected rule \"a\", found \"d\""},
	    {"from = \"a\" to = \"c@d.example\" expect = clear",
		"not a mail address"},
	    {"from = \"a@b.example\" to = \"c@d.example\" header = \"X\" "
	     "expect "
	     "= smime",
		"found hold"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct conf_findings f;
		struct conf *c = NULL;
		char text[4096], rules[1024];
		size_t n = 0;

		snprintf(rules, sizeof(rules),
		    PROOF_RULES "test \"t\" { %s }\n", row[i].test);
		snprintf(text, sizeof(text), "%s%s", BASE, rules);
		conf_findings_init(&f);
		cr_assert_eq(conf_parse(span_str(text), "t.conf", &f, &c),
		    ERR_OK, "%s: %s", row[i].test,
		    f.n > 0 ? f.list[0].text : "");
		f.n = 0;
		proof_run_tests(c, &f, &n);
		cr_expect_eq(n, 1);
		cr_expect_eq(f.n_errors, row[i].said != NULL, "%s: %s",
		    row[i].test, f.n > 0 ? f.list[0].text : "");
		cr_expect(row[i].said == NULL ||
			      (f.n == 1 &&
				  strstr(f.list[0].text, row[i].said) != NULL),
		    "%s: %s", row[i].test, f.n > 0 ? f.list[0].text : "");
		conf_free(c);
		conf_findings_clear(&f);
	}
}

/* What is said to stay inside must not be able to leave. */
Test(proof, mail_leaves_unless_every_recipient_is_in_an_own_domain)
{
	static const struct {
		const char *domains, *to;
		bool leaves;
	} row[] = {
	    {"\"own.example\"", "to = \"@own.example\"", false},
	    {"\"own.example\"", "to = \"@OWN.example\"", false},
	    {"\"own.example\"", "to = \"a@own.example\"", false},
	    {"\"own.example\"", "to = { \"a@own.example\", \"@own.example\" }",
		false},
	    {"\"*.own.example\"", "to = \"@*.own.example\"", false},
	    {"\"*.own.example\"", "to = \"@*.sub.own.example\"", false},
	    {"\"*.own.example\"", "to = \"@sub.own.example\"", false},
	    {"\"own.example\"", "to = { \"@own.example\", \"!b@own.example\" }",
		false},
	    {"\"own.example\"", "", true},
	    {"\"own.example\"", "to = \"@partner.example\"", true},
	    {"\"own.example\"", "to = \"a@partner.example\"", true},
	    {"\"own.example\"", "to = \"@notown.example\"", true},
	    {"\"own.example\"", "to = \"@*.own.example\"", true},
	    {"\"own.example\"", "to = \"@sub.own.example\"", true},
	    {"\"*.own.example\"", "to = \"@own.example\"", true},
	    {"\"*.own.example\"", "to = \"@*.example\"", true},
	    {"{ \"own.example\", \"*.own.example\" }",
		"to = { \"@own.example\", \"@*.own.example\" }", false},
	    /* a domain that is called as somebody might ask */
	    {"\"x.own.example\"", "to = \"@*.own.example\"", true},
	    {"\"own.example\"",
		"to = { \"@own.example\", \"a@partner.example\" }", true},
	    {"\"own.example\"", "to = \"!a@own.example\"", true},
	    {"\"own.example\"", "to = \"!@partner.example\"", true},
	    {"\"own.example\"", "to = { \"@own.example\", \"file:/nowhere\" }",
		true},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct conf_findings f;
		struct conf *c = NULL;
		char text[4096], out[4096] = "";
		FILE *to = fmemopen(out, sizeof(out), "w");

		snprintf(text, sizeof(text),
		    "hostname = \"gw.example.com\"\n"
		    "domains = %s\n"
		    "listen outbound { address = \"127.0.0.1:10025\" }\n"
		    "relay outbound { via = \"mx\" }\n"
		    "rule \"r\" { from = \"@own.example\" %s try = { clear } "
		    "}\n"
		    "rule \"rest\" { try = { reject } }\n",
		    row[i].domains, row[i].to);
		conf_findings_init(&f);
		cr_assert_eq(conf_parse(span_str(text), "t.conf", &f, &c),
		    ERR_OK, "%s: %s", row[i].to, f.n > 0 ? f.list[0].text : "");
		proof_print(c, to);
		fclose(to);
		cr_expect_eq(strstr(out, "No mail can leave readable") == NULL,
		    row[i].leaves, "%s of %s: %s", row[i].to, row[i].domains,
		    out);
		cr_expect_eq(strstr(out, "Readable to own domains") == NULL,
		    row[i].leaves, "%s of %s: %s", row[i].to, row[i].domains,
		    out);
		conf_free(c);
		conf_findings_clear(&f);
	}
}
