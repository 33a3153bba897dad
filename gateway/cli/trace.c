/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Printing a trace. It may come from a file that somebody changed: a member
 * that is missing or of another type is left out, and all text is escaped.
 */
#include "gateway/cli/trace.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"

enum { SHORT_FPR = 16 };

static void
put(const char *text)
{
	cli_put_text(span_str(text));
}

static bool
is(const json_t *j, const char *name)
{
	return json_is_true(json_object_get(j, name));
}

static long long
number(const json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

/* "a, b, c" */
static void
put_list(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (i > 0)
			printf(", ");
		put(json_is_string(v) ? json_string_value(v) : "?");
	}
}

static void
put_facts(const json_t *f)
{
	static const struct {
		const char *name;
		const char *before;
	} lists[] = {
	    {"tags", "subject tag "}, {"holds", ""}, {"unsure", "perhaps "}};

	if (!json_is_object(f))
		return;
	printf("  facts: from ");
	put(cli_member(f, "from")[0] == '\0' ? "<>" : cli_member(f, "from"));
	if (!is(f, "message"))
		printf(", nothing known of the message");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const json_t *l = json_object_get(f, lists[i].name);

		if (json_array_size(l) == 0)
			continue;
		printf(", %s", lists[i].before);
		put_list(l);
	}
	if (is(f, "automatic"))
		printf(", automatic mail");
	if (is(f, "hidden"))
		printf(", not named in To or Cc");
	putchar('\n');
	if (cli_member(f, "ambiguous")[0] == '\0')
		return;
	printf("  the message is ambiguous (");
	put(cli_member(f, "ambiguous"));
	puts("): every raising rule counts");
}

static void
put_rules(const json_t *rules)
{
	const json_t *r;
	size_t i;

	json_array_foreach(rules, i, r)
	{
		if (json_object_get(r, "more") != NULL) {
			printf("  and %lld rules more\n", number(r, "more"));
			continue;
		}
		printf("  rule \"");
		put(cli_member(r, "name"));
		printf("\" (line %lld): ", number(r, "line"));
		put(cli_member(r, "role"));
		printf(": ");
		put(cli_member(r, "why"));
		if (cli_member(r, "condition")[0] != '\0') {
			printf(" (");
			put(cli_member(r, "condition"));
			putchar(')');
		}
		putchar('\n');
	}
}

static void
put_steps(const json_t *t)
{
	const json_t *steps = json_object_get(t, "steps"), *s;
	const json_t *rule = json_object_get(t, "rule");
	size_t i;

	if (json_array_size(json_object_get(t, "ladder")) > 0) {
		printf("  ladder: ");
		put_list(json_object_get(t, "ladder"));
		printf(" (rule \"");
		put(cli_member(rule, "ladder"));
		puts("\")");
	}
	json_array_foreach(steps, i, s)
	{
		printf("  %-12s ", cli_member(s, "rung"));
		put(cli_member(s, "step"));
		if (cli_member(s, "error")[0] != '\0') {
			printf(" (");
			put(cli_member(s, "error"));
			putchar(')');
		}
		putchar('\n');
	}
}

static void
put_candidate(const json_t *k, const char *kind)
{
	char until[CLI_DATE_SIZE];

	printf("    %s %.*s  %s, from %s", kind, SHORT_FPR,
	    cli_member(k, "fingerprint"), cli_member(k, "trust"),
	    cli_member(k, "source"));
	if (cli_member(k, "url")[0] != '\0') {
		putchar(' ');
		put(cli_member(k, "url"));
	}
	if (cli_member(k, "of-domain")[0] != '\0') {
		printf(", of the domain ");
		put(cli_member(k, "of-domain"));
	}
	if (json_object_get(k, "until") != NULL) {
		cli_date(number(k, "until"), until);
		printf(", until %s", until);
	}
	printf(": ");
	put(is(k, "chosen")		      ? "taken"
	    : cli_member(k, "why")[0] != '\0' ? cli_member(k, "why")
					      : cli_member(k, "verdict"));
	putchar('\n');
}

static void
put_keys(const json_t *keys)
{
	const json_t *k;
	size_t i;

	json_array_foreach(keys, i, k)
	{
		const char *kind = strcmp(cli_member(k, "kind"), "smime") == 0
				       ? "certificate"
				       : "OpenPGP key";

		if (json_object_get(k, "more") != NULL)
			printf("    and %lld more of kind %s\n",
			    number(k, "more"), kind);
		else if (cli_member(k, "fingerprint")[0] != '\0')
			put_candidate(k, kind);
	}
}

static void
put_signature(const json_t *s)
{
	if (!json_is_object(s))
		return;
	if (cli_member(s, "key")[0] == '\0') {
		printf("  not signed (rule \"");
		put(cli_member(s, "rule"));
		printf("\"): ");
		put(cli_member(s, "none"));
		putchar('\n');
		return;
	}
	printf("  signed with the %s's %s %.*s (rule \"",
	    is(s, "of-domain") ? "domain" : "sender",
	    strcmp(cli_member(s, "kind"), "smime") == 0 ? "certificate"
							: "OpenPGP key",
	    SHORT_FPR, cli_member(s, "key"));
	put(cli_member(s, "rule"));
	printf("\")");
	if (cli_member(s, "algorithm")[0] != '\0')
		printf(": %s, %s", cli_member(s, "algorithm"),
		    cli_member(s, "shape"));
	putchar('\n');
}

static void
put_pickup(const json_t *k)
{
	if (!json_is_object(k))
		return;
	printf("  pick-up: ");
	if (is(k, "attached"))
		printf("in a file attached to the notice, which cannot be "
		       "recalled, does not expire and gives no receipt; ");
	if (strcmp(cli_member(k, "account"), "set") == 0) {
		printf("account (in the key)");
	} else if (cli_member(k, "account")[0] != '\0') {
		put(cli_member(k, "account"));
		if (strcmp(cli_member(k, "factor-is"), "in the key") == 0) {
			printf(", and ");
			put(cli_member(k, "second-factor"));
			printf(" (in the key)");
		}
	} else if (strcmp(cli_member(k, "second-factor"), "none") == 0) {
		printf("by the link alone");
	} else {
		put(cli_member(k, "second-factor"));
		printf(
		    is(k, "attached") ? " opens it, " : " beside the link, ");
		put(cli_member(k, "factor-is"));
	}
	puts(strcmp(cli_member(k, "notice"), "tls") == 0
		 ? "; the notice goes by authenticated TLS"
		 : "; the notice goes by any hop");
}

static void
put_form(const json_t *t)
{
	const json_t *pass = json_object_get(t, "already-encrypted");
	const json_t *smime = json_object_get(t, "smime");

	put_signature(json_object_get(t, "signature"));
	if (is(pass, "passes")) {
		printf("  encrypted already, to %.*s: passes as it is\n",
		    SHORT_FPR, cli_member(pass, "key"));
	} else if (pass != NULL) {
		printf("  encrypted already, but ");
		put(cli_member(pass, "why"));
		putchar('\n');
	}
	put_pickup(json_object_get(t, "pick-up"));
	if (cli_member(t, "header-protection")[0] != '\0')
		printf("  header protection: %s\n",
		    cli_member(t, "header-protection"));
	if (smime != NULL)
		printf("  S/MIME: %s, key by %s\n", cli_member(smime, "cipher"),
		    cli_member(smime, "key"));
}

/* What is done beside sending it, or keeps it from being sent. */
static void
put_beside(const json_t *t)
{
	static const char *const sentences[] = {
	    "together", "lapsed", "archive-waits"};

	if (json_array_size(json_object_get(t, "archive")) > 0) {
		printf("  an encrypted copy for ");
		put_list(json_object_get(t, "archive"));
		putchar('\n');
	}
	if (cli_member(t, "tls")[0] != '\0') {
		printf("  its hop must have TLS: ");
		put(cli_member(t, "tls"));
		putchar('\n');
	}
	if (is(t, "notify"))
		puts("  the sender is told how it was sent");
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		const char *text = cli_member(t, sentences[i]);

		if (text[0] == '\0')
			continue;
		printf("  ");
		put(text);
		putchar('\n');
	}
}

void
cli_trace_print(const json_t *t)
{
	const char *rung = cli_member(t, "rung");

	put(cli_member(t, "rcpt"));
	printf(": ");
	put(cli_member(t, "result"));
	if (rung[0] != '\0' && strcmp(rung, "none") != 0)
		printf(" (%s)", rung);
	putchar('\n');
	put_facts(json_object_get(t, "facts"));
	put_rules(json_object_get(t, "rules"));
	put_steps(t);
	put_form(t);
	put_keys(json_object_get(t, "keys"));
	put_beside(t);
	if (cli_member(t, "reason")[0] == '\0')
		return;
	printf("  the sender is told: ");
	put(cli_member(t, "reason"));
	putchar('\n');
}

void
cli_trace_put_tls(const json_t *rec)
{
	static const char *const members[][2] = {
	    {"; demanded ", "tls-demanded"},
	    {"; name ", "tls-name"},
	    {"; TLSA ", "tlsa"},
	    {"; policy ", "sts"},
	    {"; sha256:", "tls-cert"},
	};
	const char *had = cli_member(rec, "tls-had");

	if (had[0] == '\0')
		return;
	printf(", ");
	put(cli_member(rec, "tls-protocol"));
	if (cli_member(rec, "tls-protocol")[0] != '\0')
		putchar(' ');
	put(cli_member(rec, "tls-cipher"));
	printf("%sTLS: ", cli_member(rec, "tls-cipher")[0] == '\0' ? "" : ", ");
	put(had);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *text = cli_member(rec, members[i][1]);

		if (text[0] == '\0')
			continue;
		fputs(members[i][0], stdout);
		put(text);
	}
}
