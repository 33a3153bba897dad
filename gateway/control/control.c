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
#include "gateway/proto.h"
#include "gateway/role.h"

enum { CLIENTS_MAX = 32 };

struct slot {
	struct control_client *client;
	uint64_t asked; /* id of what was handed on, 0: nothing */
	bool store;	/* whom it was handed to */
};

struct control {
	struct role *role;
	struct loop *loop;
	struct loop_io *listen;
	int listen_fd;
	struct ipc *store;
	struct slot slot[CLIENTS_MAX];
	uint64_t last_id;
};

/* Questions that the supervisor answers; the rest is store's. */
static const char *const for_supervisor[] = {"status", "reload"};

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
on_answer(void *arg, struct ipc_msg *m)
{
	struct control *k = arg;

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
}

/* --- questions --- */

static bool
is_for_supervisor(const json_t *question)
{
	const char *verb = json_string_value(json_object_get(question, "verb"));

	for (size_t i = 0; verb != NULL && i < sizeof(for_supervisor) /
						   sizeof(for_supervisor[0]);
	     i++)
		if (strcmp(verb, for_supervisor[i]) == 0)
			return true;
	return false;
}

static enum err
hand_on(struct control *k, struct slot *slot, json_t *question)
{
	char *text;
	enum err e;

	/* whatever it says of itself */
	json_object_set_new(question, "uid",
	    json_integer((json_int_t)control_client_uid(slot->client)));
	text = json_dumps(question, JSON_COMPACT);
	if (text == NULL)
		return ERR_NOMEM;
	slot->asked = ++k->last_id;
	slot->store = !is_for_supervisor(question);
	if (!slot->store)
		e = role_tell(
		    k->role, PROTO_REQUEST, slot->asked, span_str(text));
	else
		e = k->store == NULL
			? ERR_CLOSED
			: ipc_post(k->store, PROTO_REQUEST, slot->asked,
			      span_str(text), NULL, 0);
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
on_store_gone(void *arg)
{
	struct control *k = arg;

	ipc_free(k->store);
	k->store = NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->slot[i].asked != 0 && k->slot[i].store)
			refuse(&k->slot[i], ERR_CRASHED,
			    "the process that answers this has ended");
}

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events store = {on_answer, on_store_gone};
	struct control *k = arg;

	(void)index;
	if (id != ROLE_STORE) {
		ipc_free(ch);
		return;
	}
	if (k->store != NULL)
		on_store_gone(k);
	k->store = ch;
	ipc_attach(ch, k->loop, &store, k);
}

static void
on_stop(void *arg)
{
	struct control *k = arg;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		control_client_free(k->slot[i].client);
	memset(k->slot, 0, sizeof(k->slot));
	loop_io_free(k->listen);
	ipc_free(k->store);
	loop_stop(k->loop);
}

int
control_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_answer = on_answer};
	struct control k = {.role = r};

	k.listen_fd = role_take_fd(r, ROLE_FD_LISTEN, 0);
	if (k.listen_fd < 0)
		role_refuse(r, "the socket of the command line is missing");
	role_confine(r);
	k.loop = loop_new();
	role_attach(r, k.loop, &events, &k);
	k.listen = loop_io_new(k.loop, k.listen_fd, on_connection, &k);
	loop_io_set(k.listen, LOOP_READ);
	role_ready(r);
	loop_run(k.loop);
	return EX_OK;
}
