/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate escrow account`: who of the recipients of mail for pick-up has
 * chosen a passphrase, and taking it away. The passphrase itself nobody here
 * can know, nor set.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/account.h"
#include "keystore/history.h"

enum { MEMORY = 256 * 1024, ID_TEXT = 2 * PICKUP_ACCOUNT_ID + 1 };

struct shown {
	struct cli *cli;
	json_t *all; /* with --json */
	size_t n;
};

static enum err
show(void *ctx, struct span addr, const struct ks_account *a)
{
	struct shown *s = ctx;
	uint8_t id[PICKUP_ACCOUNT_ID];
	char id_text[ID_TEXT], at[TEXT_TIME_SIZE];

	pickup_account_id(&a->key, id);
	text_hex(SPAN(id, sizeof(id)), id_text);
	text_time_ms((uint64_t)a->at * 1000, at);
	s->n++;
	if (s->cli->json) {
		json_array_append_new(
		    s->all, json_pack("{s:o, s:s, s:s, s:I}", "address",
				cli_json_text(addr), "account", id_text, "set",
				at, "resets", (json_int_t)a->resets));
		return ERR_OK;
	}
	printf("%s  %s", at, id_text);
	if (a->resets > 0)
		printf("  set anew %lu times", (unsigned long)a->resets);
	printf("  ");
	cli_put_text(addr);
	putchar('\n');
	return ERR_OK;
}

static int
list(struct cli *cli)
{
	struct shown s = {.cli = cli, .all = json_array()};
	struct ks_store *ks = NULL;
	enum err e = cli_keystore(cli, false, &ks);

	if (e == ERR_OK) {
		e = ks_account_each(ks, show, &s);
		if (e != ERR_OK)
			cli_say("keystore: %s", err_text(e));
	}
	if (e == ERR_OK && cli->json)
		cli_put_json(json_incref(s.all));
	else if (e == ERR_OK && s.n == 0)
		puts("Nobody has chosen a passphrase yet.");
	ks_close(ks);
	json_decref(s.all);
	return cli_status(e);
}

/* The account goes, and that it went is told in the same commit: the portal
   forgets it, the audit log has a record. */
static enum err
take_away(struct cli *cli, struct ks_store *ks, struct span addr)
{
	char who[CLI_WHO_SIZE];
	uint8_t id[PICKUP_ACCOUNT_ID];
	struct ks_account a;
	struct ks_event event = {.what = KS_EVENT_ACCOUNT_REMOVED,
	    .at = (int64_t)time(NULL),
	    .who = cli_who(cli, who),
	    .fpr = SPAN(id, sizeof(id)),
	    .addr = addr};
	enum err e = ks_begin(ks);

	if (e != ERR_OK)
		return e;
	e = ks_account_get(ks, addr, &a);
	if (e == ERR_OK) {
		pickup_account_id(&a.key, id);
		e = ks_account_del(ks, addr);
	}
	if (e == ERR_OK)
		e = ks_history_add(ks, &event, &addr, 1);
	if (e == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return e;
}

static enum err
do_one(struct shown *s, struct ks_store *ks, struct span addr, bool removes)
{
	struct ks_account a;
	enum err e;

	if (removes)
		return take_away(s->cli, ks, addr);
	e = ks_account_get(ks, addr, &a);
	return e == ERR_OK ? show(s, addr, &a) : e;
}

static int
each(struct cli *cli, int n, char **addrs, bool removes)
{
	struct shown s = {.cli = cli, .all = json_array()};
	struct arena *arena = arena_new(MEMORY);
	struct ks_store *ks = NULL;
	int status, one;
	enum err e = cli_keystore(cli, removes, &ks);
	struct span addr;

	status = cli_status(e);
	for (int i = 0; status != CLI_FAILED && i < n; i++) {
		arena_reset(arena);
		if (key_addr(addrs[i], arena, &addr) != ERR_OK) {
			one = CLI_USAGE;
		} else {
			e = do_one(&s, ks, addr, removes);
			if (e == ERR_NOT_FOUND)
				cli_say("%s has no account", addrs[i]);
			else if (e != ERR_OK)
				cli_say("keystore: %s", err_text(e));
			one = cli_status(e);
			s.n += removes && e == ERR_OK ? 1 : 0;
		}
		status = one > status ? one : status;
	}
	if (cli->json)
		cli_put_json(
		    removes ? json_pack("{s:I}", "removed", (json_int_t)s.n)
			    : json_incref(s.all));
	else if (removes && s.n > 0)
		printf("%zu removed\n", s.n);
	ks_close(ks);
	arena_free(arena);
	json_decref(s.all);
	return status;
}

int
cli_escrow_account(struct cli *cli, int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool removes = strcmp(what, "remove") == 0;

	if (argc == 2 && strcmp(what, "list") == 0)
		return list(cli);
	if (argc > 2 && (removes || strcmp(what, "show") == 0))
		return each(cli, argc - 2, argv + 2, removes);
	return cli_usage(cli);
}
