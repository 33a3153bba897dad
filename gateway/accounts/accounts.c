/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who may sign in, and which addresses there are, by files of the
 * administrator's. A process of its own: it alone has the hashes of passwords
 * and what is signed in with, talks to nobody outside, and may take its time
 * over a hash while the listener serves others.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/accounts/source.h"
#include "gateway/conf.h"
#include "gateway/password_hash.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum { ARENA_MAX = 1 << 20 };

struct section {
	struct accounts_source users, list;
};

struct accounts {
	struct role *role;
	struct arena *arena; /* of one question */
	struct section *section;
	size_t n_sections;
};

/* --- files --- */

/* false, and a line in the log, when it cannot be read; what was known is. */
static bool
refresh(struct accounts_source *s, const char *path)
{
	struct err_why why = {""};
	enum err e = accounts_source_refresh(s, &why);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "account-file",
		    KV_STR("path", path), KV_STR("why", why.text), KV_ERR(e));
	return e == ERR_OK;
}

static void
take(struct accounts *a, struct accounts_source *s, enum role_fd kind,
    size_t which, const char *path)
{
	int fd = role_take_fd(a->role, kind, (unsigned)which);

	if (fd < 0)
		return;
	accounts_source_open(s, fd);
	refresh(s, path);
}

/* What the start, a reload or a change of a file has brought; a reload may have
   changed what is listened on, too, but not how many sections there are. */
static void
take_files(struct accounts *a)
{
	const struct conf *conf = role_conf(a->role);

	for (size_t i = 0; i < a->n_sections && i < conf->n_listen; i++) {
		take(a, &a->section[i].users, ROLE_FD_USERS, i,
		    conf->listen[i].users);
		take(a, &a->section[i].list, ROLE_FD_RCPTS, i,
		    conf->listen[i].recipients);
	}
}

static void
open_all(struct accounts *a)
{
	a->n_sections = role_conf(a->role)->n_listen;
	a->section = calloc(a->n_sections + 1, sizeof(*a->section));
	a->arena = arena_new(ARENA_MAX);
	if (a->section == NULL || a->arena == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < a->n_sections; i++) {
		accounts_source_init(&a->section[i].users, false);
		accounts_source_init(&a->section[i].list, true);
	}
	take_files(a);
}

static void
close_all(struct accounts *a)
{
	for (size_t i = 0; i < a->n_sections; i++) {
		accounts_source_clear(&a->section[i].users);
		accounts_source_clear(&a->section[i].list);
	}
	free(a->section);
	arena_free(a->arena);
}

/* --- questions --- */

/* A user who does not exist takes as long as one who does. */
static void
sign_in(struct accounts *a, const struct proto_sign_in *in,
    struct proto_signed_in *out)
{
	struct account_users *users;
	const struct account_user *u;
	struct accounts_source *s;
	const char *hash = "";
	bool same;

	if (in->section >= a->n_sections)
		return;
	s = &a->section[in->section].users;
	if (s->fd >= 0)
		refresh(s, "users");
	users = &s->content.users;
	if (s->content.arena == NULL)
		return; /* never read: nobody knows */
	u = account_users_find(users, in->user);
	for (size_t i = 0; hash[0] == '\0' && i < users->n; i++)
		hash = users->user[i].hash;
	if (u != NULL && u->hash[0] != '\0')
		hash = u->hash;
	same = hash[0] != '\0' && password_matches(hash, in->password);
	out->verdict = PROTO_NO;
	if (u != NULL && u->hash[0] != '\0' && same)
		*out = (struct proto_signed_in){PROTO_YES, u->name, u->from};
}

static enum err
on_sign_in(struct accounts *a, struct ipc_msg *m, struct buf *answer)
{
	struct proto_signed_in out = {PROTO_UNKNOWN, "", ""};
	struct proto_sign_in in;
	enum err e = proto_sign_in_unpack(m->payload, a->arena, &in);

	if (e != ERR_OK)
		return e;
	sign_in(a, &in, &out);
	secret_wipe((void *)(uintptr_t)in.password, strlen(in.password));
	secret_wipe((void *)(uintptr_t)m->payload.data, m->payload.len);
	return proto_signed_in_pack(&out, answer);
}

static enum err
on_listed(struct accounts *a, struct ipc_msg *m, struct buf *answer)
{
	struct accounts_source *s;
	struct proto_listed in;
	uint8_t verdict = PROTO_UNKNOWN;
	enum err e = proto_listed_unpack(m->payload, a->arena, &in);

	if (e != ERR_OK)
		return e;
	if (in.section < a->n_sections) {
		s = &a->section[in.section].list;
		if (s->fd >= 0)
			refresh(s, "recipients");
		if (s->content.arena != NULL)
			verdict = account_list_has(&s->content.list, in.key)
				      ? PROTO_YES
				      : PROTO_NO;
	}
	return proto_verdict_pack(verdict, answer);
}

static void
serve(struct accounts *a, const struct role_peer *from, struct ipc_msg *m)
{
	uint16_t type = PROTO_SIGNED_IN;
	struct buf b;
	enum err e = ERR_IPC;

	arena_reset(a->arena);
	take_files(a);
	buf_init(&b, LIMIT_IPC_INLINE);
	if (m->type == PROTO_SIGN_IN) {
		e = on_sign_in(a, m, &b);
	} else if (m->type == PROTO_LISTED) {
		type = PROTO_LISTED_IS;
		e = on_listed(a, m, &b);
	}
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "unexpected",
		    KV_STR("type", proto_name(m->type)),
		    KV_STR("peer", role_name(from->id)), KV_ERR(e));
	else if (ipc_send(from->ch, type, m->id, buf_span(&b), NULL, 0) !=
		 ERR_OK)
		role_drop(a->role, from->ch);
	buf_clear(&b);
}

int
accounts_main(struct role *r)
{
	struct accounts a = {.role = r};
	struct role_peer from;
	struct ipc_msg m;

	open_all(&a);
	role_confine(r);
	role_ready(r);
	while (role_next(r, &from, &m) == ERR_OK) {
		serve(&a, &from, &m);
		ipc_msg_clear(&m);
	}
	close_all(&a);
	return 0;
}
