/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the tree of a configuration to struct conf: every section and option
 * against the table, defaults, rules. What they must fulfil together is
 * config_check.c. Touches no file but the one it loads: processes behind their
 * walls read the same text.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_private.h"
#include "gateway/config_read.h"
#include "gateway/config_table.h"
#include "gateway/config_value.h"
#include "gateway/facts.h"
#include "mime/addr.h"
#include "policy/policy.h"

/* What is at hand while one text is turned into a configuration. */
struct build {
	struct conf *conf;
	struct conf_findings *f;
	struct config_file file;
};

/* --- sections */

static bool
group_has(const struct config_group *g, const struct config_section *s)
{
	if (s->name == NULL)
		return g->name[0] == '\0';
	if (strcmp(g->name, s->name) != 0)
		return false;
	if (g->title[0] == '*')
		return s->title != NULL;
	if (g->title[0] == '\0')
		return s->title == NULL;
	return s->title != NULL && strcmp(g->title, s->title) == 0;
}

static const struct config_section *
find_section(const struct build *b, const struct config_group *g)
{
	for (size_t i = 0; i < b->file.n_section; i++)
		if (group_has(g, &b->file.section[i]))
			return &b->file.section[i];
	return NULL;
}

/* A section that no group has: say what is wrong with it. */
static void
unknown_section(struct build *b, const struct config_section *s)
{
	char label[160], known[160] = "";
	size_t len = 0;

	snprintf(label, sizeof(label), "%s%s%s", s->name,
	    s->title == NULL ? "" : " ", s->title == NULL ? "" : s->title);
	for (size_t i = 0; i < config_n_groups; i++) {
		const struct config_group *g = &config_groups[i];

		if (g->name[0] == '\0')
			continue;
		len += (size_t)snprintf(known + len, sizeof(known) - len,
		    "%s%s%s%s", len == 0 ? "" : ", ", g->name,
		    g->title[0] == '\0' ? "" : " ",
		    g->title[0] == '*' ? "\"NAME\"" : g->title);
		if (len >= sizeof(known))
			break;
	}
	conf_find(b->f, CONF_ERROR, s->line,
	    "unknown section %s, expected one of: %s", label, known);
}

static const struct config_entry *
find_entry(const char *group, const char *name)
{
	for (size_t i = 0; i < config_n_entries; i++)
		if (strcmp(config_entries[i].group, group) == 0 &&
		    strcmp(config_entries[i].name, name) == 0)
			return &config_entries[i];
	return NULL;
}

static void
unknown_option(
    struct build *b, const char *group, const struct config_option *o)
{
	char known[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < config_n_entries; i++) {
		if (strcmp(config_entries[i].group, group) != 0)
			continue;
		len += (size_t)snprintf(known + len, sizeof(known) - len,
		    "%s%s", len == 0 ? "" : ", ", config_entries[i].name);
		if (len >= sizeof(known))
			break;
	}
	conf_find(b->f, CONF_ERROR, o->line,
	    "unknown option \"%s\"%s%s, expected one of: %s", o->name,
	    group[0] == '\0' ? "" : " in section ", group, known);
}

const struct config_option *
config_find_option(const struct config_section *s, const char *name)
{
	for (size_t i = 0; s != NULL && i < s->n_option; i++)
		if (strcmp(s->option[i].name, name) == 0)
			return &s->option[i];
	return NULL;
}

/* Defaults are written as an administrator would and go the same way. */
static void
set_default(const struct config_target *t, const struct config_entry *e)
{
	struct config_file file;
	char text[160];
	size_t before = t->f->n_errors;

	snprintf(text, sizeof(text), "x = %s\n", e->def);
	if (config_read(span_str(text), t->conf->arena, t->f, &file) !=
		ERR_OK ||
	    file.section[0].n_option != 1 ||
	    !config_set(t, e, &file.section[0].option[0].value)) {
		if (t->f->n_errors == before)
			conf_find(t->f, CONF_ERROR, 0, "out of memory");
	}
}

/* Set everything of one group from its section, which may be missing. */
static void
apply_section(struct build *b, const struct config_group *g,
    const struct config_section *s, void *part, struct config_rule *rule)
{
	struct config_target t = {b->conf, part, rule, b->f};
	char label[64];

	config_group_label(g, label, sizeof(label));
	for (size_t i = 0; s != NULL && i < s->n_option; i++) {
		const struct config_option *o = &s->option[i];
		const struct config_entry *e = find_entry(label, o->name);
		size_t before = b->f->n_errors;

		if (e == NULL)
			unknown_option(b, label, o);
		else if (!config_set(&t, e, &o->value) &&
			 b->f->n_errors == before)
			conf_find(b->f, CONF_ERROR, o->line, "out of memory");
	}
	for (size_t i = 0; i < config_n_entries; i++) {
		const struct config_entry *e = &config_entries[i];

		if (strcmp(e->group, label) != 0 ||
		    config_find_option(s, e->name) != NULL)
			continue;
		if (e->def != NULL)
			set_default(&t, e);
		else if (e->required)
			conf_find(b->f, CONF_ERROR, s == NULL ? 0 : s->line,
			    "\"%s\" is missing%s%s", e->name,
			    label[0] == '\0' ? "" : " in section ", label);
	}
}

/* --- rules */

static void
add_rule(struct build *b, const struct config_section *s,
    const struct config_rule *r)
{
	enum rung ladder[POLICY_RUNGS_MAX];
	struct err_why why = {""};
	struct policy_spec spec = {
	    .name = s->title,
	    .line = s->line,
	    .from = r->from,
	    .n_from = r->n_from,
	    .to = r->to,
	    .n_to = r->n_to,
	    .subject_tag = r->subject_tag,
	    .n_subject_tag = r->n_subject_tag,
	    .when = r->when,
	    .n_when = r->n_when,
	    .ladder = ladder,
	    .n_ladder = r->n_ladder,
	    .pickup = r->pickup,
	    .form = r->form,
	    .extra = r->extra,
	    .label = r->label,
	    .expires_s = r->expires_s,
	    .archive = r->archive,
	    .together = r->together,
	    .may_lower = r->may_lower,
	    .on_error_weaker = r->on_error_weaker,
	};

	if (r->n_ladder > POLICY_RUNGS_MAX) {
		conf_find(b->f, CONF_ERROR, config_find_option(s, "try")->line,
		    "try: the ladder has %zu rungs, expected at most %d",
		    r->n_ladder, POLICY_RUNGS_MAX);
		return;
	}
	for (size_t i = 0; i < r->n_ladder; i++)
		ladder[i] = (enum rung)r->ladder[i];
	if (policy_add_rule(b->conf->policy, &spec, &why) != ERR_OK)
		conf_find(b->f, CONF_ERROR, s->line, "rule \"%s\": %s",
		    s->title, why.text);
}

/* Options that say how mail leaves mean nothing for mail that comes in. */
static void
check_inbound_options(struct build *b, const struct config_section *s)
{
	static const char *const known[] = {
	    "direction", "require", "from", "to"};

	for (size_t i = 0; i < s->n_option; i++) {
		bool is = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			is = is || strcmp(s->option[i].name, known[k]) == 0;
		if (!is)
			conf_find(b->f, CONF_ERROR, s->option[i].line,
			    "%s: not for mail that comes in, expected "
			    "direction, from, to and require alone",
			    s->option[i].name);
	}
}

static void
add_inbound_rule(struct build *b, const struct config_section *s,
    const struct config_rule *r)
{
	struct err_why why = {""};
	const struct policy_inbound_spec spec = {.name = s->title,
	    .line = s->line,
	    .from = r->from,
	    .n_from = r->n_from,
	    .to = r->to,
	    .n_to = r->n_to,
	    .require = (enum policy_require)r->require};

	check_inbound_options(b, s);
	if (policy_add_inbound(b->conf->policy, &spec, &why) != ERR_OK)
		conf_find(b->f, CONF_ERROR, s->line, "rule \"%s\": %s",
		    s->title, why.text);
}

static void
add_any_rule(struct build *b, const struct config_section *s,
    const struct config_rule *r)
{
	const struct config_option *require = config_find_option(s, "require");

	if (r->inbound)
		add_inbound_rule(b, s, r);
	else if (require != NULL)
		conf_find(b->f, CONF_ERROR, require->line,
		    "require: expected direction = inbound beside it");
	else if (r->n_ladder == 0)
		conf_find(b->f, CONF_ERROR, s->line,
		    "\"try\" is missing in section rule");
	else
		add_rule(b, s, r);
}

/* --- all together */

static struct conf_listen *
add_listen(struct build *b, const struct config_section *s)
{
	struct conf *c = b->conf;
	struct conf_listen *grown =
	    arena_array(c->arena, c->n_listen + 1, sizeof(*grown));

	if (grown == NULL) {
		conf_find(b->f, CONF_ERROR, s->line, "out of memory");
		return NULL;
	}
	if (c->n_listen > 0)
		memcpy(grown, c->listen, c->n_listen * sizeof(*grown));
	c->listen = grown;
	grown[c->n_listen].line = s->line;
	grown[c->n_listen].inbound = strcmp(s->title, "inbound") == 0;
	return &grown[c->n_listen++];
}

static struct conf_test *
add_test(struct build *b, const struct config_section *s)
{
	struct conf *c = b->conf;
	size_t n = c->n_test;

	/* room is doubled: there may be hundreds */
	if ((n & (n - 1)) == 0) {
		struct conf_test *grown =
		    arena_array(c->arena, n == 0 ? 1 : 2 * n, sizeof(*grown));

		if (grown == NULL) {
			conf_find(b->f, CONF_ERROR, s->line, "out of memory");
			return NULL;
		}
		if (n > 0)
			memcpy(grown, c->test, n * sizeof(*grown));
		c->test = grown;
	}
	c->test[n].line = s->line;
	c->test[n].name = s->title;
	return &c->test[c->n_test++];
}

static bool
is_group_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static struct conf_group *
add_group(struct build *b, const struct config_section *s)
{
	struct conf *c = b->conf;
	struct conf_group *grown;

	if (!is_group_name(s->title)) {
		conf_find(b->f, CONF_ERROR, s->line,
		    "group \"%.70s\": expected a name of up to 64 letters, "
		    "digits, dots, dashes and underscores",
		    s->title);
		return NULL;
	}
	grown = arena_array(c->arena, c->n_group + 1, sizeof(*grown));
	if (grown == NULL) {
		conf_find(b->f, CONF_ERROR, s->line, "out of memory");
		return NULL;
	}
	if (c->n_group > 0)
		memcpy(grown, c->group, c->n_group * sizeof(*grown));
	c->group = grown;
	grown[c->n_group].line = s->line;
	grown[c->n_group].name = s->title;
	return &grown[c->n_group++];
}

/* The title of a route as a domain; NULL after saying what is wrong. */
static const char *
route_domain(struct build *b, const struct config_section *s)
{
	struct arena *a = b->conf->arena;
	struct err_why why = {""};
	bool wild = strncmp(s->title, "*.", 2) == 0;
	const char *name = NULL;

	if (mime_domain_parse(span_str(s->title + (wild ? 2 : 0)), a, &name,
		&why) != ERR_OK) {
		conf_find(b->f, CONF_ERROR, s->line,
		    "route \"%.60s\": expected a domain: %s", s->title,
		    why.text);
		return NULL;
	}
	return wild ? arena_printf(a, "*.%s", name) : name;
}

static struct conf_dkim *
add_dkim(struct build *b, const struct config_section *s)
{
	struct conf *c = b->conf;
	struct err_why why = {""};
	const char *domain = NULL;
	struct conf_dkim *grown;

	if (mime_domain_parse(span_str(s->title), c->arena, &domain, &why) !=
	    ERR_OK) {
		conf_find(b->f, CONF_ERROR, s->line,
		    "dkim \"%.60s\": expected a domain: %s", s->title,
		    why.text);
		return NULL;
	}
	for (size_t i = 0; i < c->n_dkim; i++)
		if (strcmp(c->dkim[i].domain, domain) == 0) {
			conf_find(b->f, CONF_ERROR, s->line,
			    "dkim \"%s\" stands in line %u already", domain,
			    c->dkim[i].line);
			return NULL;
		}
	grown = arena_array(c->arena, c->n_dkim + 1, sizeof(*grown));
	if (grown == NULL) {
		conf_find(b->f, CONF_ERROR, s->line, "out of memory");
		return NULL;
	}
	if (c->n_dkim > 0)
		memcpy(grown, c->dkim, c->n_dkim * sizeof(*grown));
	c->dkim = grown;
	grown[c->n_dkim].domain = domain;
	grown[c->n_dkim].line = s->line;
	return &grown[c->n_dkim++];
}

static struct conf_relay *
add_route(struct build *b, const struct config_section *s)
{
	struct conf *c = b->conf;
	const char *domain = route_domain(b, s);
	struct conf_route *grown;

	if (domain == NULL)
		return NULL;
	for (size_t i = 0; i < c->n_route; i++)
		if (strcmp(c->route[i].domain, domain) == 0) {
			conf_find(b->f, CONF_ERROR, s->line,
			    "route \"%s\" stands in line %u already", domain,
			    c->route[i].relay.line);
			return NULL;
		}
	grown = arena_array(c->arena, c->n_route + 1, sizeof(*grown));
	if (grown == NULL) {
		conf_find(b->f, CONF_ERROR, s->line, "out of memory");
		return NULL;
	}
	if (c->n_route > 0)
		memcpy(grown, c->route, c->n_route * sizeof(*grown));
	c->route = grown;
	grown[c->n_route].domain = domain;
	grown[c->n_route].relay.present = true;
	grown[c->n_route].relay.line = s->line;
	return &grown[c->n_route++].relay;
}

static void
apply_group(struct build *b, const struct config_group *g,
    const struct config_section *s)
{
	char *part = (char *)b->conf + g->offset;
	struct config_rule rule = {0};
	size_t before = b->f->n_errors;
	struct conf_listen *listen;
	struct conf_relay *route;
	struct conf_dkim *dkim;
	struct conf_group *group;
	struct conf_test *test;

	switch (g->kind) {
	case CONFIG_G_ONE:
		apply_section(b, g, s, part, NULL);
		return;
	case CONFIG_G_OPT:
		/* struct conf_relay and conf_portal begin alike */
		*(bool *)part = true;
		if (strcmp(g->name, "relay") == 0)
			((struct conf_relay *)(void *)part)->line = s->line;
		else
			((struct conf_portal *)(void *)part)->line = s->line;
		apply_section(b, g, s, part, NULL);
		return;
	case CONFIG_G_LIST:
		listen = add_listen(b, s);
		if (listen != NULL)
			apply_section(b, g, s, listen, NULL);
		return;
	case CONFIG_G_DKIM:
		dkim = add_dkim(b, s);
		if (dkim != NULL)
			apply_section(b, g, s, dkim, NULL);
		return;
	case CONFIG_G_ROUTE:
		route = add_route(b, s);
		if (route != NULL)
			apply_section(b, g, s, route, NULL);
		return;
	case CONFIG_G_GROUP:
		group = add_group(b, s);
		if (group != NULL)
			apply_section(b, g, s, group, NULL);
		return;
	case CONFIG_G_TEST:
		test = add_test(b, s);
		if (test != NULL)
			apply_section(b, g, s, test, NULL);
		return;
	case CONFIG_G_RULE:
		apply_section(b, g, s, &rule, &rule);
		if (b->f->n_errors == before)
			add_any_rule(b, s, &rule);
		return;
	}
}

static void
apply_file(struct build *b)
{
	for (size_t i = 0; i < config_n_groups; i++)
		if (config_groups[i].kind == CONFIG_G_ONE)
			apply_group(b, &config_groups[i],
			    find_section(b, &config_groups[i]));
	for (size_t i = 1; i < b->file.n_section; i++) {
		const struct config_section *s = &b->file.section[i];
		const struct config_group *g = NULL;

		for (size_t k = 0; k < config_n_groups; k++)
			if (group_has(&config_groups[k], s))
				g = &config_groups[k];
		if (g == NULL)
			unknown_section(b, s);
		else if (g->kind != CONFIG_G_ONE)
			apply_group(b, g, s);
	}
}

static struct conf *
conf_new(const char *name)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->arena = arena_new(LIMIT_CONFIG_MEMORY);
	c->policy = policy_new();
	if (c->arena != NULL)
		c->file = arena_strdup(c->arena, name);
	if (c->policy == NULL || c->file == NULL) {
		conf_free(c);
		return NULL;
	}
	return c;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	facts_matchers_free(c->matchers);
	policy_free(c->policy);
	arena_free(c->arena);
	free(c);
}

enum err
conf_parse(struct span text, const char *name, struct conf_findings *f,
    struct conf **out)
{
	struct build b = {.conf = conf_new(name), .f = f};
	enum err err;

	f->file = arena_strdup(f->arena, name);
	if (b.conf == NULL || f->file == NULL) {
		conf_free(b.conf);
		return ERR_NOMEM;
	}
	err = config_read(text, b.conf->arena, f, &b.file);
	if (b.file.section != NULL) {
		apply_file(&b);
		/* more would only repeat what is wrong by now */
		if (f->n_errors == 0)
			config_check(b.conf, &b.file, f);
	}
	conf_findings_sort(f);
	if (f->n_errors > 0)
		err = err == ERR_NOMEM ? err : ERR_CONFIG;
	if (err != ERR_OK) {
		conf_free(b.conf);
		return err;
	}
	digest_sha256(&text, 1, b.conf->digest);
	*out = b.conf;
	return ERR_OK;
}

enum err
conf_load(const char *path, struct conf_findings *f, struct conf **out)
{
	struct buf text;
	enum err err;

	buf_init(&text, LIMIT_CONFIG_FILE + 4096);
	err = file_read_path(AT_FDCWD, path, &text);
	if (err == ERR_OK) {
		err = conf_parse(buf_span(&text), path, f, out);
	} else {
		f->file = arena_strdup(f->arena, path);
		conf_find(f, CONF_ERROR, 0, "cannot read: %s", err_text(err));
	}
	buf_clear(&text);
	return err;
}
