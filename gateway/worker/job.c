/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One message in hand: where it came from, what is to be handed over, and
 * what must be removed when it is not.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "gateway/decide_tls.h"
#include "gateway/groups.h"
#include "gateway/trust.h"
#include "gateway/worker/worker_private.h"

static enum err
job_init(struct job *j, struct worker *w, uint32_t n_rcpt)
{
	*j = (struct job){.w = w, .arena = w->arena, .n_rcpt = n_rcpt};
	j->conf = role_conf(w->role);
	/* a variant or a notice for each, with the original that is parked
	   beside it; what is pending and held; one DSN, one word on how it was
	   sent, one sent-notice; copies */
	j->max_entries = 2 * n_rcpt + 5 + POLICY_ARCHIVES_MAX;
	/* for each one decision and what became of it, for all that it was
	   accepted */
	j->max_audit = 3 * n_rcpt + 8 + 2 * POLICY_ARCHIVES_MAX;
	j->rcpt = arena_array(j->arena, n_rcpt, sizeof(*j->rcpt));
	j->out.entry =
	    arena_array(j->arena, j->max_entries, sizeof(*j->out.entry));
	j->out.object = arena_array(j->arena, n_rcpt, sizeof(*j->out.object));
	j->out.audit =
	    arena_array(j->arena, j->max_audit, sizeof(*j->out.audit));
	if (j->rcpt == NULL || j->out.entry == NULL || j->out.object == NULL ||
	    j->out.audit == NULL)
		return ERR_NOMEM;
	j->facts.policy = j->conf->policy;
	if (w->groups != NULL)
		groups_take(w->groups, w->role, j->conf->policy);
	j->facts.groups = w->groups;
	j->facts.keys = w->keys;
	j->facts.tls = w->tls;
	j->facts.spent = RUNG_HOLD;
	trust_use(j->conf, w->keys);
	certs_use(w->judge, j->conf, w->keys);
	j->facts.now_s = (int64_t)(clock_unix_ms() / 1000);
	if (w->groups != NULL)
		groups_look(w->groups, j->conf, w->keys, j->facts.now_s);
	j->facts.have_portal = j->conf->portal.present;
	j->facts.attach_max = j->conf->escrow.attachment_size;
	j->facts.sources = j->conf->discovery.source;
	j->facts.n_sources = j->conf->discovery.n_source;
	return ERR_OK;
}

static enum err
take_recipients(struct job *j, const struct proto_message *m)
{
	const struct proto_envelope *env = &m->envelope;
	struct entry_rcpt *r = arena_array(j->arena, env->n_rcpt, sizeof(*r));

	if (r == NULL || env->n_rcpt == 0)
		return r == NULL ? ERR_NOMEM : ERR_IPC;
	for (uint32_t i = 0; i < env->n_rcpt; i++) {
		r[i].addr = env->rcpt[i].addr;
		r[i].key = env->rcpt[i].key;
		r[i].orcpt = env->rcpt[i].orcpt;
		r[i].notify = env->rcpt[i].notify;
		j->rcpt[i].rcpt = &r[i];
		j->rcpt[i].answers = &m->answers[i];
	}
	return ERR_OK;
}

enum err
job_from_message(struct job *j, struct worker *w, uint64_t id,
    const struct proto_message *m, int fd)
{
	const struct proto_envelope *env = &m->envelope;
	enum err e = job_init(j, w, env->n_rcpt);

	j->id = id;
	j->came = env;
	j->attempt = m->attempt;
	j->lmtp = m->lmtp;
	j->out.attempt = m->attempt;
	j->envelope = (struct entry){.message_id = id,
	    .from = env->from,
	    .from_key = env->from_key,
	    .envid = env->envid,
	    .ret_hdrs = env->ret_hdrs,
	    .smtputf8 = env->smtputf8,
	    .body_8bit = env->body_8bit,
	    .require =
		env->requiretls ? ENTRY_REQUIRE_TLS : ENTRY_REQUIRE_NOTHING,
	    .accepted_ms = env->received_ms,
	    .route = m->inbound ? ENTRY_INBOUND : ENTRY_OUTBOUND,
	    .client = env->client,
	    .origin = env->origin,
	    .client_name = env->client_name,
	    .helo = env->helo,
	    .auth_id = env->auth_id,
	    .auth_from = env->auth_from,
	    .trace = m->trace};
	j->facts.from_key = env->from_key;
	if (e == ERR_OK)
		e = take_recipients(j, m);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &j->map);
	if (fd >= 0)
		close(fd);
	return e;
}

/* The sealed octets of an entry, inline or in the file that came with it. */
static enum err
map_sealed(const struct entry *e, int fd, struct span *out, void **map)
{
	struct stat st;

	*map = MAP_FAILED;
	if (fd < 0) {
		*out = e->body;
		return e->body.len > 0 ? ERR_OK : ERR_IPC;
	}
	if (fstat(fd, &st) != 0 || st.st_size <= 0)
		return ERR_IO;
	*map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (*map == MAP_FAILED)
		return ERR_NOMEM;
	*out = SPAN(*map, (size_t)st.st_size);
	return ERR_OK;
}

/* Unseal the original into memory. */
static enum err
open_original(struct job *j, const struct entry *e, int fd)
{
	struct secret *key = NULL;
	struct buf ad;
	struct span sealed = {0};
	void *map = MAP_FAILED;
	int plain = -1;
	enum err err = map_sealed(e, fd, &sealed, &map);

	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	if (err == ERR_OK && sealed.len < SEALED_HEADER)
		err = ERR_BAD_SEAL;
	if (err == ERR_OK)
		err = entry_pack_fixed(e, &ad);
	if (err == ERR_OK)
		err = peers_content_key(
		    j->w, SPAN(sealed.data, SEALED_HEADER), &key);
	if (err == ERR_OK)
		err = sealed_open_memfd(
		    key, buf_span(&ad), sealed, fd >= 0, &plain);
	if (err == ERR_OK)
		err = memfd_map(plain, LIMIT_MESSAGE_SIZE_MAX, &j->map);
	if (plain >= 0)
		close(plain);
	if (map != MAP_FAILED)
		munmap(map, sealed.len);
	buf_clear(&ad);
	secret_free(key);
	return err;
}

enum err
job_from_pending(
    struct job *j, struct worker *w, const struct proto_decide *m, int fd)
{
	const struct entry *e = &m->entry;
	enum err err = job_init(j, w, m->n_open);

	j->id = e->message_id;
	j->replaces = e->id;
	j->out.replaces = e->id;
	j->envelope = *e;
	j->envelope.format = 0; /* what is made now is of this release */
	j->envelope.body = SPAN(NULL, 0);
	j->envelope.file = "";
	j->facts.from_key = e->from_key;
	j->facts.min_strength = e->strength;
	j->facts.released = m->released;
	if (e->why == ENTRY_WHY_TLS && decide_is_tls((enum rung)e->rung))
		j->facts.spent = (enum rung)e->rung;
	for (uint32_t i = 0; err == ERR_OK && i < m->n_open; i++)
		j->rcpt[i].rcpt = &e->rcpt[m->open[i]];
	if (err == ERR_OK)
		err = e->kind == ENTRY_PENDING && e->n_rcpt > 0
			  ? open_original(j, e, fd)
			  : ERR_IPC;
	if (fd >= 0)
		close(fd);
	return err;
}

void
job_undo(struct job *j)
{
	for (uint32_t i = 0; i < j->out.n_entries; i++)
		if (j->out.entry[i].file[0] != 0)
			unlinkat(j->w->bodies_fd, j->out.entry[i].file, 0);
	for (uint32_t i = 0; i < j->out.n_objects; i++)
		unlinkat(j->w->escrow_fd, j->out.object[i].name, 0);
	j->out.n_entries = 0;
	j->out.n_objects = 0;
	j->octets = 0;
}

void
job_clear(struct job *j)
{
	if (j->parsed)
		message_clear(&j->msg);
	j->parsed = false;
	for (uint32_t i = 0; j->rcpt != NULL && i < j->n_rcpt; i++) {
		secret_free(j->rcpt[i].code);
		j->rcpt[i].code = NULL;
	}
	memfd_unmap(&j->map);
}

struct entry *
job_add_entry(struct job *j, uint32_t n)
{
	struct entry *e;

	if (j->out.n_entries == j->max_entries)
		return NULL;
	e = &j->out.entry[j->out.n_entries];
	*e = j->envelope;
	e->id = entry_new_id();
	e->rung = RUNG_HOLD;
	e->after = ENTRY_AFTER_BOUNCE;
	e->twin = 0;
	e->rule = "";
	e->reason = "";
	e->wait_object = "";
	e->file = "";
	e->why = ENTRY_WHY_NONE;
	e->strength = 0;
	e->rcpt = arena_array(j->arena, n, sizeof(*e->rcpt));
	if (e->rcpt == NULL)
		return NULL;
	j->out.n_entries++;
	return e;
}
