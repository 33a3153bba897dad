/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One question at a time for each group, then a pause. Whether the values are
 * addresses is found out where they are used; here they only must not be able
 * to pose as several, as a whole domain or as a remark.
 */
#include "gateway/discovery/groups.h"

#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/discovery/directory.h"
#include "gateway/discovery/source.h"
#include "gateway/proto.h"

enum {
	TIMEOUT_MS = 60 * 1000, /* of all pages of one group */
	AGAIN_MS = 60 * 1000,	/* after a failure, at most */
};

struct group {
	struct discovery_groups *all;
	const struct conf_group *conf;
	struct discovery_directory *asked;
	struct loop_timer *timer;
};

struct discovery_groups {
	struct discovery_env *env;
	struct ipc *store;
	struct group *group;
	size_t n;
};

/* --- values --- */

static bool
is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-';
}

/* The octets of "word:" in front, 0 if there is none. */
static size_t
prefix_of(struct span v)
{
	size_t n = 0;

	while (n < v.len && is_word(v.data[n]))
		n++;
	return n > 0 && n < v.len && v.data[n] == ':' ? n + 1 : 0;
}

static bool
is_one_address(struct span v)
{
	if (v.len == 0 || v.len > LIMIT_ADDRESS || v.data[0] == '@' ||
	    v.data[0] == '#')
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] <= ' ' || v.data[i] == 0x7f)
			return false;
	return memchr(v.data, '@', v.len) != NULL;
}

static enum err
put_value(struct span v, struct buf *out, struct err_why *why)
{
	size_t prefix = prefix_of(v);
	enum err e;

	if (prefix > 0 && !span_starts_caseeq(v, "smtp:"))
		return ERR_OK;
	v = span_trim(SPAN(v.data + prefix, v.len - prefix));
	if (!is_one_address(v))
		return err_why(why, ERR_MALFORMED,
		    "a value of the directory is no address");
	e = buf_put(out, v);
	return e == ERR_OK ? buf_puts(out, "\n") : e;
}

enum err
discovery_group_text(
    const struct net_ldap_result *r, struct buf *out, struct err_why *why)
{
	size_t before = out->len;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->n; i++)
		e = put_value(r->value[i].octets, out, why);
	if (e == ERR_OK && out->len == before)
		e = err_why(why, ERR_NOT_FOUND, "there is no address in it");
	return e;
}

/* --- asking --- */

static void ask(struct group *g);

static void
ask_again(struct group *g, bool failed)
{
	uint64_t pause = g->conf->refresh_ms;

	if (failed && pause > AGAIN_MS)
		pause = AGAIN_MS;
	loop_timer_start(g->timer, pause, 0);
}

static enum err
hand_over(struct group *g, struct span text)
{
	const struct proto_group m = {.name = g->conf->name, .text = text};
	struct buf b;
	enum err e;

	if (g->all->store == NULL)
		return ERR_CRASHED;
	buf_init(&b, LIMIT_GROUP_TEXT + LIMIT_IPC_INLINE);
	e = proto_group_pack(&m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    g->all->store, PROTO_GROUP, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

static void
on_values(
    void *arg, const struct net_ldap_result *r, const char *url, bool plain)
{
	struct group *g = arg;
	struct err_why why = r->why;
	struct buf text;
	enum err e = r->err;

	(void)plain; /* on this machine alone: config_check.c */
	g->asked = NULL;
	buf_init(&text, LIMIT_GROUP_TEXT);
	if (e == ERR_OK)
		e = discovery_group_text(r, &text, &why);
	if (e == ERR_OK)
		e = hand_over(g, buf_span(&text));
	buf_clear(&text);
	if (e != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "group-not-read",
		    KV_STR("group", g->conf->name), KV_STR("url", url),
		    KV_STR("why", why.text[0] != '\0' ? why.text : err_text(e)),
		    KV_ERR(e));
	else
		log_event(LOG_LVL_DEBUG, NULL, "group-read",
		    KV_STR("group", g->conf->name), KV_STR("url", url),
		    KV_NUM("values", r->n));
	ask_again(g, e != ERR_OK);
}

static void
ask(struct group *g)
{
	const struct net_ldap_request what = {.base = g->conf->base,
	    .filter = g->conf->filter,
	    .attrs = {g->conf->attribute},
	    .max = LIMIT_GROUP_TEXT,
	    .all = LIMIT_GROUP_MEMBERS,
	    .member = g->conf->member,
	    .nested = g->conf->nested,
	    .timeout_ms = TIMEOUT_MS};

	discovery_directory_cancel(g->asked);
	g->asked = discovery_directory_ask(g->all->env, &what, on_values, g);
	if (g->asked == NULL)
		ask_again(g, true);
}

static void
on_timer(void *arg)
{
	ask(arg);
}

/* --- as a whole --- */

static void
forget_all(struct discovery_groups *g)
{
	for (size_t i = 0; i < g->n; i++) {
		discovery_directory_cancel(g->group[i].asked);
		loop_timer_free(g->group[i].timer);
	}
	free(g->group);
	g->group = NULL;
	g->n = 0;
}

static void
begin_all(struct discovery_groups *g)
{
	const struct conf *c = g->env->conf;

	g->group = calloc(c->n_group + 1, sizeof(*g->group));
	if (g->group == NULL)
		fatal("out of memory");
	for (; g->n < c->n_group; g->n++) {
		struct group *one = &g->group[g->n];

		one->all = g;
		one->conf = &c->group[g->n];
		one->timer = loop_timer_new(g->env->loop, on_timer, one);
		if (g->store != NULL)
			loop_timer_start(one->timer, 0, 0);
	}
}

struct discovery_groups *
discovery_groups_new(struct discovery_env *env)
{
	struct discovery_groups *g = calloc(1, sizeof(*g));

	if (g == NULL)
		fatal("out of memory");
	g->env = env;
	begin_all(g);
	return g;
}

void
discovery_groups_free(struct discovery_groups *g)
{
	if (g == NULL)
		return;
	forget_all(g);
	free(g);
}

void
discovery_groups_reset(struct discovery_groups *g)
{
	forget_all(g);
	begin_all(g);
}

void
discovery_groups_store(struct discovery_groups *g, struct ipc *store)
{
	g->store = store;
	for (size_t i = 0; store != NULL && i < g->n; i++)
		loop_timer_start(g->group[i].timer, 0, 0);
}
