/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A file with a mistake in it still says where the socket is, nearly always:
 * its option `runtime`, or the default.
 */
#include "gateway/cli/running.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/config_private.h"
#include "gateway/config_read.h"
#include "gateway/state.h"

enum { PATIENCE_S = 5, ARENA_MAX = 64 * 1024 * 1024 };

/* --- where it is */

/* The option outside of sections, of a text that need not be right. */
static const char *
find_runtime(struct span text, struct arena *arena)
{
	struct conf_findings ignored;
	struct config_file tree = {NULL, 0};
	const char *out = "/run/sealgate";
	enum err e;

	conf_findings_init(&ignored);
	e = config_read(text, arena, &ignored, &tree);
	if ((e == ERR_OK || e == ERR_CONFIG) && tree.n_section > 0)
		for (size_t i = 0; i < tree.section[0].n_option; i++) {
			const struct config_option *o =
			    &tree.section[0].option[i];

			if (strcmp(o->name, "runtime") == 0 &&
			    o->value.kind == CONFIG_STRING)
				out = o->value.text;
		}
	conf_findings_clear(&ignored);
	return out;
}

static void
guess_control(const char *path, struct running *r)
{
	struct arena *arena = arena_new(ARENA_MAX);
	struct buf text;

	buf_init(&text, LIMIT_CONFIG_FILE + 1);
	/* without it the default will do */
	if (file_read_path(AT_FDCWD, path, &text) != ERR_OK)
		buf_reset(&text);
	snprintf(r->control, sizeof(r->control), "%s/control",
	    arena == NULL ? "/run/sealgate"
			  : find_runtime(buf_span(&text), arena));
	buf_clear(&text);
	arena_free(arena);
}

static void
read_file(struct cli *cli, struct running *r)
{
	if (cli->conf == NULL)
		r->file_good = conf_load(cli->conf_path, &r->findings,
				   &cli->conf) == ERR_OK;
	if (!r->file_good) {
		guess_control(cli->conf_path, r);
		return;
	}
	text_hex(SPAN(cli->conf->digest, sizeof(cli->conf->digest)), r->digest);
	snprintf(
	    r->control, sizeof(r->control), "%s", cli->conf->paths.control);
}

/* --- asking */

static struct json_t *
ask(struct running *r, const char *verb, enum err *e)
{
	struct json_t *out = NULL;

	*e = cli_ask_at(
	    r->control, json_pack("{s:s}", "verb", verb), PATIENCE_S, &out);
	return *e == ERR_OK ? out : NULL;
}

/* The usual reasons, beside mistakes in the file, why it does not start. */
static void
look_at_machine(const struct conf *c, struct conf_findings *f)
{
	state_check(c, false, f);
	if (c->master_key != NULL && access(c->master_key, F_OK) != 0 &&
	    errno == ENOENT && access(c->paths.keys, F_OK) == 0)
		conf_find(f, CONF_ERROR, 0,
		    "the master key %s is missing, and %s is sealed with it: "
		    "bring it back from its copy",
		    c->master_key, c->state);
}

void
running_look(struct cli *cli, struct running *r)
{
	struct trouble_facts f = {.now_s = time(NULL)};
	enum err e;

	*r = (struct running){.file_good = cli->conf != NULL};
	conf_findings_init(&r->findings);
	r->findings.file = cli->conf_path;
	read_file(cli, r);
	/* the same as status, with certificates */
	r->status = ask(r, "metrics", &r->asked);
	if (r->asked == ERR_NOT_FOUND && r->file_good)
		look_at_machine(cli->conf, &r->findings);
	if (r->status != NULL)
		r->store = ask(r, "store-status", &e);
	f.asked = r->asked;
	f.status = r->status;
	f.store = r->store;
	f.findings = &r->findings;
	f.digest = r->file_good ? r->digest : NULL;
	f.reserve = cli->conf == NULL ? 0 : cli->conf->limits.free_space;
	trouble_find(&f, &r->troubles);
}

void
running_clear(struct running *r)
{
	conf_findings_clear(&r->findings);
	json_decref(r->status);
	json_decref(r->store);
}

bool
running_take_conf(struct cli *cli, const struct running *r)
{
	struct conf_findings f;
	struct json_t *answer = NULL;
	const char *text;
	enum err e = cli_ask_at(r->control,
	    json_pack("{s:s}", "verb", "config"), PATIENCE_S, &answer);

	if (e != ERR_OK)
		return false;
	conf_findings_init(&f);
	text = cli_member(answer, "text");
	e = conf_parse(
	    span_str(text), cli_member(answer, "file"), &f, &cli->conf);
	conf_findings_clear(&f);
	json_decref(answer);
	return e == ERR_OK;
}
