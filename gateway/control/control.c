/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process behind the socket of `sealgate`: takes questions from root and
 * from who runs the gateway, says who asked, hands them to the process that
 * can answer. It knows nothing and decides nothing itself.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "gateway/control/client.h"
#include "gateway/control/scrape.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum { CLIENTS_MAX = 32, ANSWERERS = 2 };

struct control;

/* A process that answers questions. */
struct answerer {
	struct control *k;
	enum role_id id;
	struct ipc *ch;
};

struct slot {
	struct control_client *client;
	uint64_t asked;	 /* id of what was handed on, 0: nothing */
	enum role_id to; /* whom it was handed to */
};

struct control {
	struct role *role;
	struct loop *loop;
	struct loop_io *listen;
	int listen_fd;
	struct answerer answerer[ANSWERERS];
	struct slot slot[CLIENTS_MAX];
	uint64_t last_id;
	struct scrapes *scrapes; /* of a monitoring system; may be NULL */
};

/* Who answers which questions; the rest is store's. */
static const struct {
	const char *verb;
	enum role_id to;
} routes[] = {
    {"status", ROLE_SUPERVISOR},
    {"reload", ROLE_SUPERVISOR},
    {"metrics", ROLE_SUPERVISOR},
    {"config", ROLE_SUPERVISOR},
    {"key lookup", ROLE_DISCOVERY},
    {"discovery-metrics", ROLE_DISCOVERY},
};

/* --- answers --- */

static struct slot *
slot_of(struct control *k, const struct control_client *c)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->slot[i].client == c)
			return &k->slot[i];
	return NULL;
}

static void
refuse(struct slot *slot, enum err e, const char *text)
{
	json_t *j = json_pack(
	    "{s:b, s:s, s:s}", "ok", false, "err", err_name(e), "text", text);
	char *line = json_dumps(j, JSON_COMPACT);

	slot->asked = 0;
	if (line != NULL)
		control_client_answer(slot->client, span_str(line));
	free(line);
	json_decref(j);
}

static void
give_answer(struct control *k, const struct ipc_msg *m)
{
	if (m->type != PROTO_ANSWER || m->id == 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct slot *slot = &k->slot[i];

		if (slot->client == NULL || slot->asked != m->id)
			continue;
		slot->asked = 0;
		control_client_answer(slot->client, m->payload);
		return;
	}
	scrapes_answer(k->scrapes, m->id, m->payload);
}

static void
on_supervisor(void *arg, struct ipc_msg *m)
{
	give_answer(arg, m);
}

static void
on_answer(void *arg, struct ipc_msg *m)
{
	struct answerer *a = arg;

	give_answer(a->k, m);
}

/* --- questions --- */

static enum role_id
route(const json_t *question)
{
	const char *verb = json_string_value(json_object_get(question, "verb"));

	for (size_t i = 0;
	     verb != NULL && i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(verb, routes[i].verb) == 0)
			return routes[i].to;
	return ROLE_STORE;
}

static struct answerer *
find_answerer(struct control *k, enum role_id id)
{
	for (size_t i = 0; i < ANSWERERS; i++)
		if (k->answerer[i].id == id)
			return &k->answerer[i];
	return NULL;
}

static enum err
hand_on(struct control *k, struct slot *slot, json_t *question)
{
	const struct answerer *to;
	char *text;
	enum err e;

	/* whatever it says of itself */
	json_object_set_new(question, "uid",
	    json_integer((json_int_t)control_client_uid(slot->client)));
	text = json_dumps(question, JSON_COMPACT);
	if (text == NULL)
		return ERR_NOMEM;
	slot->asked = ++k->last_id;
	slot->to = route(question);
	to = find_answerer(k, slot->to);
	if (to == NULL)
		e = role_tell(
		    k->role, PROTO_REQUEST, slot->asked, span_str(text));
	else
		e = to->ch == NULL ? ERR_CLOSED
				   : ipc_post(to->ch, PROTO_REQUEST,
					 slot->asked, span_str(text), NULL, 0);
	free(text);
	return e;
}

static void
on_line(void *arg, struct control_client *c, struct span line)
{
	struct control *k = arg;
	struct slot *slot = slot_of(k, c);
	json_t *question = json_loadb(
	    (const char *)line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
	enum err e;

	if (!json_is_object(question)) {
		refuse(slot, ERR_USAGE, "not a JSON object");
		json_decref(question);
		return;
	}
	e = hand_on(k, slot, question);
	json_decref(question);
	if (e != ERR_OK)
		refuse(slot, e, "the process that answers this is not there");
}

static void
on_gone(void *arg, struct control_client *c)
{
	struct slot *slot = slot_of(arg, c);

	*slot = (struct slot){0};
}

/* A question of our own; 0 when nobody is there to answer. */
static uint64_t
ask_for_scrape(void *arg, const char *verb)
{
	struct control *k = arg;
	json_t *question = json_pack("{s:s}", "verb", verb);
	char *text = json_dumps(question, JSON_COMPACT);
	const struct answerer *to = find_answerer(k, route(question));
	uint64_t id = ++k->last_id;
	enum err e = ERR_NOMEM;

	if (text != NULL && to == NULL)
		e = role_tell(k->role, PROTO_REQUEST, id, span_str(text));
	else if (text != NULL)
		e = to->ch == NULL ? ERR_CLOSED
				   : ipc_post(to->ch, PROTO_REQUEST, id,
					 span_str(text), NULL, 0);
	free(text);
	json_decref(question);
	return e == ERR_OK ? id : 0;
}

/* --- connections --- */

static void
on_connection(void *arg, unsigned events)
{
	static const struct control_client_events client = {on_line, on_gone};
	struct control *k = arg;
	struct slot *slot = slot_of(k, NULL);
	uid_t uid;
	int fd =
	    accept4(k->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (slot == NULL || !control_may_ask(fd, &uid)) {
		log_event(LOG_LVL_NOTICE, NULL, "client-refused",
		    KV_STR("reason",
			slot == NULL ? "too many at a time"
				     : "neither root nor the gateway's user"));
		close(fd);
		return;
	}
	slot->client = control_client_new(k->loop, fd, uid, &client, k);
}

static void
on_answerer_gone(void *arg)
{
	struct answerer *a = arg;
	struct control *k = a->k;

	ipc_free(a->ch);
	a->ch = NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->slot[i].asked != 0 && k->slot[i].to == a->id)
			refuse(&k->slot[i], ERR_CRASHED,
			    "the process that answers this has ended");
}

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {on_answer, on_answerer_gone};
	struct control *k = arg;
	struct answerer *a = find_answerer(k, id);

	(void)index;
	if (a == NULL) {
		ipc_free(ch);
		return;
	}
	if (a->ch != NULL)
		on_answerer_gone(a);
	a->ch = ch;
	ipc_attach(ch, k->loop, &events, a);
}

static void
on_stop(void *arg)
{
	struct control *k = arg;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		control_client_free(k->slot[i].client);
	memset(k->slot, 0, sizeof(k->slot));
	loop_io_free(k->listen);
	scrapes_free(k->scrapes);
	k->scrapes = NULL;
	for (size_t i = 0; i < ANSWERERS; i++)
		ipc_free(k->answerer[i].ch);
	loop_stop(k->loop);
}

static void
listen_for_scrapes(struct control *k)
{
	int fd;

	for (unsigned i = 1;
	     (fd = role_take_fd(k->role, ROLE_FD_LISTEN, i)) >= 0; i++) {
		if (k->scrapes == NULL)
			k->scrapes = scrapes_new(k->loop, ask_for_scrape, k);
		scrapes_listen(k->scrapes, fd);
	}
}

int
control_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_answer = on_supervisor};
	struct control k = {.role = r,
	    .answerer = {{.id = ROLE_STORE}, {.id = ROLE_DISCOVERY}}};

	for (size_t i = 0; i < ANSWERERS; i++)
		k.answerer[i].k = &k;

	k.listen_fd = role_take_fd(r, ROLE_FD_LISTEN, 0);
	if (k.listen_fd < 0)
		role_refuse(r, "the socket of the command line is missing");
	role_confine(r);
	k.loop = loop_new();
	role_attach(r, k.loop, &events, &k);
	k.listen = loop_io_new(k.loop, k.listen_fd, on_connection, &k);
	loop_io_set(k.listen, LOOP_READ);
	listen_for_scrapes(&k);
	role_ready(r);
	loop_run(k.loop);
	return EX_OK;
}
