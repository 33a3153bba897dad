/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key delete|trust|distrust|pending|approve|refuse|history`: what an
 * administrator changes, each in one transaction with the event that tells of
 * it, from which the gateway writes the audit log.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/text.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/deleted.h"
#include "keystore/history.h"
#include "keystore/pending.h"

enum {
	MEMORY = 64 << 20, /* octets of records looked at, one key at a time */
	FPR_SHOWN = 16,
	HEX_SIZE = 2 * KS_FPR_MAX + 1,
	NAME_SIZE = KS_ADDR_MAX + 2,
};

/* --- one change after the other --- */

struct change {
	struct cli *cli;
	struct ks_store *store;
	struct arena *arena;
	enum ks_trust trust; /* to be set */
	bool has_level, beside;
	enum err (*find)(struct ks_store *s, const char *text,
	    uint8_t fpr[KS_FPR_MAX], size_t *len);
	const char *addr; /* of which the word is; NULL: of whatever waits */
	struct span who;
	int64_t now;
	json_t *done;
};

typedef enum err act_fn(struct change *c, struct span fpr);

static enum err
tell_event(struct change *c, enum ks_event_what what, const struct ks_record *r,
    enum ks_trust was, const char *text)
{
	const struct ks_event e = {.what = what,
	    .at = c->now,
	    .who = c->who,
	    .was = was,
	    .text = span_str(text)};

	return ks_history_of(c->store, &e, r);
}

static enum err
delete_key(struct change *c, struct span fpr)
{
	struct ks_record *r;
	enum err e = ks_get(c->store, fpr, c->arena, &r);

	if (e == ERR_OK)
		e = tell_event(c, KS_EVENT_DELETED, r, r->trust, "");
	return e != ERR_OK
		   ? e
		   : ks_deleted_keep(c->store, fpr, c->who, c->now, c->arena);
}

/* One that is there is deleted first; then nothing is kept of it. */
static enum err
purge_key(struct change *c, struct span fpr)
{
	struct ks_record *r;
	enum err e = ks_deleted_undo(c->store, fpr, c->arena, &r);

	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = ks_get(c->store, fpr, c->arena, &r);
	if (e == ERR_OK)
		e = tell_event(c, KS_EVENT_DELETED, r, r->trust, "for good");
	return e != ERR_OK ? e : ks_delete(c->store, fpr);
}

static enum err
undelete_key(struct change *c, struct span fpr)
{
	struct ks_record *r;
	enum err e = ks_deleted_undo(c->store, fpr, c->arena, &r);

	return e != ERR_OK ? e
			   : tell_event(c, KS_EVENT_RESTORED, r, r->trust,
				 "it had been deleted");
}

static enum err
set_trust(struct change *c, struct span fpr)
{
	enum ks_trust was;
	struct ks_record *r;
	enum err e = ks_get(c->store, fpr, c->arena, &r);

	if (e != ERR_OK)
		return e;
	was = r->trust;
	r->trust = c->trust;
	e = ks_set_trust(c->store, fpr, c->trust);
	return e != ERR_OK ? e : tell_event(c, KS_EVENT_TRUST, r, was, "");
}

/* Each key's change is durable or not made at all. */
static enum err
in_transaction(struct change *c, act_fn *act, struct span fpr)
{
	enum err e = ks_begin(c->store);

	if (e != ERR_OK)
		return e;
	e = act(c, fpr);
	if (e == ERR_OK)
		return ks_commit(c->store);
	ks_rollback(c->store);
	return e;
}

static int
change_one(struct change *c, act_fn *act, const char *name, const char *done)
{
	uint8_t octets[KS_FPR_MAX];
	char hex[HEX_SIZE];
	struct span fpr;
	size_t len = 0;
	enum err e = (c->find == NULL ? key_find : c->find)(
	    c->store, name, octets, &len);

	if (e == ERR_USAGE)
		return CLI_USAGE;
	if (e != ERR_OK)
		return cli_status(e);
	fpr = SPAN(octets, len);
	e = in_transaction(c, act, fpr);
	if (e != ERR_OK) {
		cli_say("%s: %s", name, err_text(e));
		return cli_status(e);
	}
	text_hex(fpr, hex);
	json_array_append_new(c->done, json_string(hex));
	if (!c->cli->json)
		printf("%s %s\n", hex, done);
	return CLI_DONE;
}

static enum err
begin(struct change *c, struct cli *cli, char who[CLI_WHO_SIZE])
{
	c->cli = cli;
	c->who = cli_who(cli, who);
	c->now = (int64_t)time(NULL);
	c->arena = arena_new(MEMORY);
	c->done = json_array();
	return cli_keystore(cli, true, &c->store);
}

static void
end(struct change *c, const char *done)
{
	if (c->cli->json && c->store != NULL)
		key_print_json(json_pack(
		    "{s:s, s:O}", "result", done, "fingerprints", c->done));
	json_decref(c->done);
	ks_close(c->store);
	arena_free(c->arena);
}

static int
change_all(struct cli *cli, struct change *c, act_fn *act, int n, char **names,
    const char *done)
{
	char who[CLI_WHO_SIZE];
	enum err e = begin(c, cli, who);
	int status = cli_status(e);

	for (int i = 0; i < n && e == ERR_OK; i++) {
		status = key_worse(status, change_one(c, act, names[i], done));
		arena_reset(c->arena);
	}
	end(c, done);
	return status;
}

int
cli_key_delete(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"purge", no_argument, NULL, 'p'},
	    {"deleted", no_argument, NULL, 'D'}, {NULL, 0, NULL, 0}};
	struct change c = {0};
	bool purge = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			return cli_usage(cli);
		if (o == 'D')
			c.find = key_find_deleted;
		else
			purge = true;
	}
	/* what was deleted already can only be purged */
	if (optind == argc || (c.find != NULL && !purge))
		return cli_usage(cli);
	return change_all(cli, &c, purge ? purge_key : delete_key,
	    argc - optind, argv + optind,
	    purge ? "deleted for good" : "deleted");
}

int
cli_key_undelete(struct cli *cli, int argc, char **argv)
{
	int at = key_no_options(argc, argv);
	struct change c = {.find = key_find_deleted};

	if (at < 0 || at == argc)
		return cli_usage(cli);
	return change_all(
	    cli, &c, undelete_key, argc - at, argv + at, "undeleted");
}

int
cli_key_trust(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"level", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
	struct change c = {.trust = KS_TRUSTED};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (o != 'l' || ks_trust_by_name(optarg, &c.trust) != ERR_OK)
			return cli_usage(cli);
	if (optind == argc)
		return cli_usage(cli);
	return change_all(cli, &c, set_trust, argc - optind, argv + optind,
	    ks_trust_name(c.trust));
}

int
cli_key_distrust(struct cli *cli, int argc, char **argv)
{
	struct change c = {.trust = KS_DISTRUSTED};
	int at = key_no_options(argc, argv);

	if (at < 0 || at == argc)
		return cli_usage(cli);
	return change_all(cli, &c, set_trust, argc - at, argv + at,
	    ks_trust_name(KS_DISTRUSTED));
}

/* --- what waits --- */

struct listing {
	bool all; /* those that were refused, too */
	json_t *json;
	size_t n;
};

static json_t *
pending_json(const struct ks_pending *p)
{
	json_t *j = key_to_json(&p->record, false);
	char old[HEX_SIZE];

	text_hex(p->old, old);
	json_object_set_new(j, "for", cli_json_text(p->name));
	json_object_set_new(j, "since", json_integer((json_int_t)p->at));
	json_object_set_new(j, "refused", json_boolean(p->refused));
	json_object_set_new(j, "against", json_string(old));
	json_object_set_new(j, "why", cli_json_text(p->why));
	return j;
}

static enum err
list_pending(void *ctx, const struct ks_pending *p)
{
	struct listing *l = ctx;
	char hex[HEX_SIZE], date[CLI_DATE_SIZE];

	if (p->refused && !l->all)
		return ERR_OK;
	l->n++;
	if (l->json != NULL)
		return json_array_append_new(l->json, pending_json(p)) == 0
			   ? ERR_OK
			   : ERR_NOMEM;
	text_hex(p->record.fpr, hex);
	cli_date(p->at, date);
	cli_put_text(p->name);
	printf("\n  %s %s from %s, %s, %s\n  %s: ", hex,
	    ks_kind_name(p->record.kind), ks_source_name(p->record.source),
	    date, ks_trust_name(p->record.trust),
	    p->refused ? "refused" : "waits");
	cli_put_text(p->why);
	putchar('\n');
	return ERR_OK;
}

int
cli_key_pending(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
	struct ks_store *s = NULL;
	struct listing l = {0};
	enum err e;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'a')
			return cli_usage(cli);
		l.all = true;
	}
	if (optind != argc)
		return cli_usage(cli);
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK)
		return cli_status(e);
	l.json = cli->json ? json_array() : NULL;
	e = ks_pending_each(s, SPAN(NULL, 0), list_pending, &l);
	if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	if (l.json != NULL)
		key_print_json(l.json);
	ks_close(s);
	return cli_status(e);
}

/* --- the word about it --- */

struct search {
	struct change *c;
	const char *digits;
	struct span addr; /* empty: any */
	struct ks_pending *list[KS_PENDING_MAX * 4];
	size_t n;
};

static enum err
match(void *ctx, const struct ks_pending *p)
{
	struct search *s = ctx;
	char hex[HEX_SIZE];

	text_hex(p->record.fpr, hex);
	if (strncmp(hex, s->digits, strlen(s->digits)) != 0 ||
	    (s->addr.len > 0 && !span_eq(s->addr, p->name)))
		return ERR_OK;
	if (s->n == sizeof(s->list) / sizeof(s->list[0]))
		return ERR_LIMIT;
	return ks_pending_copy(p, s->c->arena, &s->list[s->n++]);
}

static enum err
approve(struct change *c, const struct ks_pending *p)
{
	return ks_pending_approve(c->store, p,
	    c->has_level ? c->trust : KS_DISTRUSTED, c->beside, c->who, c->now,
	    c->arena);
}

static enum err
refuse(struct change *c, const struct ks_pending *p)
{
	return p->refused
		   ? ERR_OK
		   : ks_pending_refuse(c->store, p, c->who, c->now, c->arena);
}

static enum err
say_word(struct change *c, const struct search *s,
    enum err (*word)(struct change *c, const struct ks_pending *p))
{
	enum err e = ks_begin(c->store);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < s->n && e == ERR_OK; i++)
		e = word(c, s->list[i]);
	if (e == ERR_OK)
		return ks_commit(c->store);
	ks_rollback(c->store);
	return e;
}

static int
word_about(struct change *c, const char *name, const char *done,
    enum err (*word)(struct change *c, const struct ks_pending *p))
{
	char digits[HEX_SIZE];
	struct search s = {.c = c, .digits = digits};
	enum err e;

	if (key_digits(name, digits) != ERR_OK) {
		cli_say("\"%s\" is no fingerprint", name);
		return CLI_USAGE;
	}
	if (c->addr != NULL && key_addr(c->addr, c->arena, &s.addr) != ERR_OK)
		return CLI_USAGE;
	e = ks_pending_each(c->store, SPAN(NULL, 0), match, &s);
	if (e == ERR_OK && s.n == 0) {
		cli_say("%s: no such key waits", name);
		return CLI_NO;
	}
	if (e == ERR_OK)
		e = say_word(c, &s, word);
	if (e != ERR_OK) {
		cli_say("%s: %s", name, err_text(e));
		return cli_status(e);
	}
	for (size_t i = 0; i < s.n; i++) {
		char hex[HEX_SIZE];

		text_hex(s.list[i]->record.fpr, hex);
		json_array_append_new(c->done, json_string(hex));
		if (c->cli->json)
			continue;
		printf("%s %s for ", hex, done);
		cli_put_text(s.list[i]->name);
		putchar('\n');
	}
	return CLI_DONE;
}

static int
words(struct cli *cli, struct change *c, int n, char **names, const char *done,
    enum err (*word)(struct change *c, const struct ks_pending *p))
{
	char who[CLI_WHO_SIZE];
	enum err e = begin(c, cli, who);
	int status = cli_status(e);

	for (int i = 0; i < n && e == ERR_OK; i++) {
		status = key_worse(status, word_about(c, names[i], done, word));
		arena_reset(c->arena);
	}
	end(c, done);
	return status;
}

int
cli_key_approve(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"level", required_argument, NULL, 'l'},
	    {"beside", no_argument, NULL, 'b'},
	    {"for", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	struct change c = {0};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'b')
			c.beside = true;
		else if (o == 'f')
			c.addr = optarg;
		else if (o == 'l' &&
			 ks_trust_by_name(optarg, &c.trust) == ERR_OK &&
			 c.trust != KS_DISTRUSTED)
			c.has_level = true;
		else
			return cli_usage(cli);
	}
	if (optind == argc)
		return cli_usage(cli);
	return words(
	    cli, &c, argc - optind, argv + optind, "approved", approve);
}

int
cli_key_refuse(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"for", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	struct change c = {0};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o != 'f')
			return cli_usage(cli);
		c.addr = optarg;
	}
	if (optind == argc)
		return cli_usage(cli);
	return words(cli, &c, argc - optind, argv + optind, "refused", refuse);
}

/* --- history --- */

static json_t *
event_json(const struct ks_event *e)
{
	char hex[HEX_SIZE];

	text_hex(e->fpr, hex);
	return json_pack("{s:I, s:I, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:o, "
			 "s:I, s:I, s:I, s:o}",
	    "number", (json_int_t)e->number, "at", (json_int_t)e->at, "event",
	    ks_event_name(e->what), "who", cli_json_text(e->who), "fingerprint",
	    hex, "kind", ks_kind_name(e->kind), "source",
	    ks_source_name(e->source), "trust", ks_trust_name(e->trust), "was",
	    ks_trust_name(e->was), "address", cli_json_text(e->addr),
	    "not_before", (json_int_t)e->not_before, "not_after",
	    (json_int_t)e->not_after, "count", (json_int_t)e->count, "why",
	    cli_json_text(e->text));
}

static enum err
list_event(void *ctx, const struct ks_event *e)
{
	struct listing *l = ctx;
	char hex[HEX_SIZE], date[CLI_DATE_SIZE];

	l->n++;
	if (l->json != NULL)
		return json_array_append_new(l->json, event_json(e)) == 0
			   ? ERR_OK
			   : ERR_NOMEM;
	text_hex(e->fpr, hex);
	cli_date(e->at, date);
	printf("  %s %-8s %.*s %s, %s, by ", date, ks_event_name(e->what),
	    FPR_SHOWN, hex, ks_source_name(e->source), ks_trust_name(e->trust));
	cli_put_text(e->who);
	if (e->text.len > 0) {
		printf(": ");
		cli_put_text(e->text);
	}
	putchar('\n');
	return ERR_OK;
}

static enum err
list_present(void *ctx, const struct ks_record *r)
{
	struct listing *l = ctx;
	char hex[HEX_SIZE], date[CLI_DATE_SIZE], until[CLI_DATE_SIZE];

	l->n++;
	if (l->json != NULL)
		return json_array_append_new(l->json, key_to_json(r, false)) ==
			       0
			   ? ERR_OK
			   : ERR_NOMEM;
	text_hex(r->fpr, hex);
	cli_date(r->added, date);
	cli_date(r->not_after, until);
	printf("  %s has      %.*s %s, %s, until %s\n", date, FPR_SHOWN, hex,
	    ks_source_name(r->source), ks_trust_name(r->trust), until);
	return ERR_OK;
}

static int
history_of(
    struct cli *cli, struct ks_store *s, const char *name, struct arena *arena)
{
	json_t *events = cli->json ? json_array() : NULL;
	json_t *present = cli->json ? json_array() : NULL;
	struct listing l = {.json = events};
	struct span addr = span_str(name);
	enum err e = ERR_OK;

	/* "@domain" is looked up as it stands */
	if (name[0] != '@')
		e = key_addr(name, arena, &addr);
	if (e != ERR_OK)
		return CLI_USAGE;
	if (!cli->json)
		printf("%s\n", name);
	e = ks_history_each(s, addr, list_event, &l);
	l.json = present;
	if (e == ERR_OK && name[0] != '@')
		e = ks_find(s, KS_BY_ADDR, addr, list_present, &l);
	else if (e == ERR_OK)
		e = ks_find(s, KS_BY_DOMAIN, SPAN(addr.data + 1, addr.len - 1),
		    list_present, &l);
	if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	if (cli->json)
		key_print_json(json_pack("{s:o, s:o, s:o}", "address",
		    cli_json_text(addr), "events", events, "keys", present));
	return e != ERR_OK ? CLI_FAILED : l.n == 0 ? CLI_NO : CLI_DONE;
}

int
cli_key_history(struct cli *cli, int argc, char **argv)
{
	int at = key_no_options(argc, argv), status = CLI_DONE;
	struct ks_store *s = NULL;
	struct arena *arena;
	enum err e;

	if (at < 0 || at == argc)
		return cli_usage(cli);
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK)
		return cli_status(e);
	arena = arena_new(MEMORY);
	for (int i = at; i < argc; i++) {
		status = key_worse(status, history_of(cli, s, argv[i], arena));
		arena_reset(arena);
	}
	arena_free(arena);
	ks_close(s);
	return status;
}
