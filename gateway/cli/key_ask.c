/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The part of `sealgate key lookup` that asks the sources, through the running
 * gateway: what each answered, and what became of the keys it had.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"
#include "gateway/cli/key_private.h"
#include "keystore/lookup.h"

static void
put(const char *text)
{
	cli_put_text(span_str(text));
}

static void
put_key(const json_t *k)
{
	printf("    %s ", cli_member(k, "fingerprint"));
	put(cli_member(k, "what"));
	printf(": %s", cli_member(k, "result"));
	if (cli_member(k, "why")[0] != '\0') {
		printf(", ");
		put(cli_member(k, "why"));
	}
	putchar('\n');
}

static void
put_source(const json_t *s)
{
	const json_t *keys = json_object_get(s, "keys");

	printf("  %-5s %-7s", cli_member(s, "source"), cli_member(s, "answer"));
	if (cli_member(s, "url")[0] != '\0') {
		putchar(' ');
		put(cli_member(s, "url"));
	}
	if (cli_member(s, "why")[0] != '\0') {
		printf(" (");
		put(cli_member(s, "why"));
		putchar(')');
	}
	if (json_is_true(json_object_get(s, "domain_failed")))
		printf(" [nothing known of the whole domain]");
	putchar('\n');
	for (size_t i = 0; i < json_array_size(keys); i++)
		put_key(json_array_get(keys, i));
}

/* What a source said now counts at once: that it is remembered may take a
   moment. */
static void
take_answer(const json_t *s, struct ks_remote *remote, size_t n)
{
	const char *said = cli_member(s, "answer");

	for (size_t i = 0; i < n; i++) {
		/* what that is worth the keystore says */
		if (json_is_true(json_object_get(s, "domain_failed")) ||
		    strcmp(cli_member(s, "source"),
			ks_source_name(remote[i].source)) != 0)
			continue;
		if (strcmp(said, "found") == 0)
			remote[i].answer = KS_ANSWER_FOUND;
		else if (strcmp(said, "absent") == 0)
			remote[i].answer = KS_ANSWER_ABSENT;
	}
}

int
key_ask_sources(struct cli *cli, const char *address, json_t *json,
    struct ks_remote *remote, size_t n)
{
	json_t *answer = NULL, *sources;
	int status = cli_ask(cli,
	    json_pack("{s:s, s:o}", "verb", "key lookup", "address",
		cli_json_text(span_str(address))),
	    &answer, NULL);

	if (status != CLI_DONE)
		return status;
	sources = json_object_get(answer, "sources");
	for (size_t i = 0; i < json_array_size(sources); i++)
		take_answer(json_array_get(sources, i), remote, n);
	if (json != NULL) {
		json_object_del(answer, "ok");
		json_array_append(json, answer);
	} else {
		put(cli_member(answer, "address"));
		printf(
		    ": %s\n", json_is_true(json_object_get(answer, "complete"))
				  ? "the sources answered"
				  : "not every source answered in time");
		for (size_t i = 0; i < json_array_size(sources); i++)
			put_source(json_array_get(sources, i));
	}
	json_decref(answer);
	return CLI_DONE;
}
