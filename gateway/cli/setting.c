/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate recipient|domain list|show|set|delete`: what is sealed to there,
 * and whether sources may bring keys.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/arena.h"
#include "crypto/cms_form.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/history.h"
#include "keystore/setting.h"

enum { MEMORY = 64 * 1024 };

/* The nouns differ in what a name is. */
static bool
of_domains(const struct cli *cli)
{
	return strcmp(cli->verb->noun, "domain") == 0;
}

/* The name as the keystore has it: an address, or "@domain". */
static enum err
read_name(const struct cli *cli, const char *text, struct arena *arena,
    struct span *out)
{
	struct span domain;
	enum err e;

	if (!of_domains(cli))
		return key_addr(text, arena, out);
	e = key_domain(text, arena, &domain);
	if (e == ERR_OK)
		*out = SPAN(domain.data - 1, domain.len + 1);
	return e;
}

static struct span
shown(struct span name)
{
	return name.data[0] == '@' ? SPAN(name.data + 1, name.len - 1) : name;
}

static json_t *
setting_json(struct span name, const struct ks_setting *t)
{
	char opens[CRYPTO_CAPS_TEXT];

	return json_pack("{s:o, s:s, s:b, s:s}", "name",
	    cli_json_text(shown(name)), "seal_from",
	    t->seal_from == KS_DISTRUSTED ? "" : ks_trust_name(t->seal_from),
	    "by_hand", t->by_hand, "smime",
	    crypto_cms_caps_text(t->opens, opens));
}

static void
print_setting(struct span name, const struct ks_setting *t)
{
	char opens[CRYPTO_CAPS_TEXT];

	cli_put_text(shown(name));
	printf(": sealed to from %s; keys %s",
	    t->seal_from == KS_DISTRUSTED ? "the configured level"
					  : ks_trust_name(t->seal_from),
	    t->by_hand ? "by hand only" : "from all sources");
	if (t->opens != 0)
		printf("; S/MIME %s", crypto_cms_caps_text(t->opens, opens));
	putchar('\n');
}

struct listing {
	const struct cli *cli;
	json_t *json;
};

static enum err
list_one(void *ctx, struct span name, const struct ks_setting *t)
{
	struct listing *l = ctx;

	if ((name.data[0] == '@') != of_domains(l->cli))
		return ERR_OK;
	if (l->json == NULL)
		print_setting(name, t);
	else if (json_array_append_new(l->json, setting_json(name, t)) != 0)
		return ERR_NOMEM;
	return ERR_OK;
}

int
cli_setting_list(struct cli *cli, int argc, char **argv)
{
	struct listing l = {.cli = cli};
	struct ks_store *s = NULL;
	enum err e;

	if (key_no_options(argc, argv) != argc)
		return cli_usage(cli);
	e = cli_keystore(cli, false, &s);
	if (e != ERR_OK)
		return cli_status(e);
	l.json = cli->json ? json_array() : NULL;
	e = ks_setting_each(s, list_one, &l);
	if (e != ERR_OK)
		cli_say("keystore: %s", err_text(e));
	if (l.json != NULL)
		key_print_json(l.json);
	ks_close(s);
	return cli_status(e);
}

/* What counts there, its domain's included. */
int
cli_setting_show(struct cli *cli, int argc, char **argv)
{
	struct arena *arena = arena_new(MEMORY);
	struct ks_setting t = {0};
	struct ks_store *s = NULL;
	struct span name;
	int at = key_no_options(argc, argv), status = CLI_USAGE;
	enum err e;

	if (at < 0 || argc - at != 1) {
		arena_free(arena);
		return cli_usage(cli);
	}
	if (read_name(cli, argv[at], arena, &name) == ERR_OK) {
		e = cli_keystore(cli, false, &s);
		if (e == ERR_OK) {
			e = ks_setting_for(s, name, &t);
			if (e != ERR_OK)
				cli_say("keystore: %s", err_text(e));
		}
		status = cli_status(e);
	}
	if (status == CLI_DONE && cli->json)
		key_print_json(setting_json(name, &t));
	else if (status == CLI_DONE)
		print_setting(name, &t);
	ks_close(s);
	arena_free(arena);
	return status;
}

static enum err
write_setting(struct cli *cli, struct ks_store *s, struct span name,
    const struct ks_setting *t)
{
	char who[CLI_WHO_SIZE], text[192], opens[CRYPTO_CAPS_TEXT];
	struct ks_event event = {.what = KS_EVENT_SETTING,
	    .at = (int64_t)time(NULL),
	    .who = cli_who(cli, who),
	    .addr = name};
	enum err e = ks_begin(s);

	snprintf(text, sizeof(text), "seal-from %s, keys %s, S/MIME %s",
	    t->seal_from == KS_DISTRUSTED ? "as configured"
					  : ks_trust_name(t->seal_from),
	    t->by_hand ? "by hand only" : "from all sources",
	    t->opens == 0 ? "as known" : crypto_cms_caps_text(t->opens, opens));
	event.text = span_str(text);
	if (e != ERR_OK)
		return e;
	e = ks_setting_put(s, name, t);
	if (e == ERR_OK)
		e = ks_history_add(s, &event, &name, 1);
	if (e == ERR_OK)
		return ks_commit(s);
	ks_rollback(s);
	return e;
}

struct wanted {
	bool has_level, has_keys, has_opens, forget;
	struct ks_setting t;
};

static int
set_all(struct cli *cli, const struct wanted *w, int n, char **names)
{
	struct arena *arena = arena_new(MEMORY);
	struct ks_store *s = NULL;
	int status = CLI_DONE;
	enum err e = cli_keystore(cli, true, &s);

	for (int i = 0; i < n && e == ERR_OK; i++) {
		struct ks_setting t = {0};
		struct span name;

		if (read_name(cli, names[i], arena, &name) != ERR_OK) {
			status = CLI_USAGE;
			continue;
		}
		e = ks_setting_get(s, name, &t);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
		if (w->has_level || w->forget)
			t.seal_from = w->t.seal_from;
		if (w->has_keys || w->forget)
			t.by_hand = w->t.by_hand;
		if (w->has_opens || w->forget)
			t.opens = w->t.opens;
		if (e == ERR_OK)
			e = write_setting(cli, s, name, &t);
		if (e != ERR_OK)
			cli_say("keystore: %s", err_text(e));
		else if (cli->json)
			key_print_json(setting_json(name, &t));
		else
			print_setting(name, &t);
		arena_reset(arena);
	}
	ks_close(s);
	arena_free(arena);
	return key_worse(status, cli_status(e));
}

int
cli_setting_set(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"seal-from", required_argument, NULL, 's'},
	    {"keys", required_argument, NULL, 'k'},
	    {"smime", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
	struct wanted w = {0};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's' && strcmp(optarg, "configured") == 0) {
			w.has_level = true;
		} else if (c == 's' &&
			   ks_trust_by_name(optarg, &w.t.seal_from) == ERR_OK &&
			   w.t.seal_from != KS_DISTRUSTED) {
			w.has_level = true;
		} else if (c == 'k' && (strcmp(optarg, "any") == 0 ||
					   strcmp(optarg, "by-hand") == 0)) {
			w.has_keys = true;
			w.t.by_hand = optarg[0] == 'b';
		} else if (c == 'm' && (strcmp(optarg, "known") == 0 ||
					   crypto_cms_caps_by_text(
					       optarg, &w.t.opens) == ERR_OK)) {
			w.has_opens = true;
		} else {
			return cli_usage(cli);
		}
	}
	if (optind == argc || (!w.has_level && !w.has_keys && !w.has_opens))
		return cli_usage(cli);
	return set_all(cli, &w, argc - optind, argv + optind);
}

int
cli_setting_delete(struct cli *cli, int argc, char **argv)
{
	const struct wanted w = {.forget = true};
	int at = key_no_options(argc, argv);

	if (at < 0 || at == argc)
		return cli_usage(cli);
	return set_all(cli, &w, argc - at, argv + at);
}
