/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Variants: the protected message for a group of recipients, and its octets
 * sealed at rest. Everything is made aside and becomes an entry only when it
 * is whole; nothing half-made is ever handed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/decide_tls.h"
#include "gateway/variant.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"

/* --- at rest --- */

enum err
job_disk_failed(const struct job *j, const char *dir, enum err e)
{
	char id[TEXT_ID_SIZE];

	text_id(j->id, id);
	log_event(LOG_LVL_ERR, id, "not-written", KV_STR("dir", dir),
	    KV_STR("reason", err_text(e)), KV_ERR(e));
	return e;
}

static enum err
sync_dir(struct job *j, int fd, const char *dir, bool *made)
{
	enum err e = *made ? file_sync_dir(fd) : ERR_OK;

	*made = false;
	return e == ERR_OK ? e : job_disk_failed(j, dir, e);
}

enum err
job_sync(struct job *j)
{
	enum err e = sync_dir(
	    j, j->w->bodies_fd, j->conf->paths.bodies, &j->made_bodies);

	return e == ERR_OK ? sync_dir(j, j->w->escrow_fd, j->conf->paths.escrow,
				 &j->made_objects)
			   : e;
}

static enum err
body_to_file(struct job *j, struct entry *e, const struct sealed_pub *pub,
    struct span ad, struct span text)
{
	char name[TEXT_ID_SIZE];
	int fd;
	enum err err;

	text_id(e->id, name);
	fd = openat(j->w->bodies_fd, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return job_disk_failed(
		    j, j->conf->paths.bodies, err_from_errno(errno));
	err = sealed_seal_fd(pub, ad, text, fd);
	if (err == ERR_OK)
		err = file_sync(fd);
	if (close(fd) != 0 && err == ERR_OK)
		err = err_from_errno(errno);
	j->made_bodies = true;
	if (err == ERR_OK) {
		e->file = arena_strdup(j->arena, name);
		err = e->file == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (err != ERR_OK) {
		e->file = "";
		unlinkat(j->w->bodies_fd, name, 0);
		(void)!job_disk_failed(j, j->conf->paths.bodies, err);
	}
	return err;
}

static enum err
body_inline(struct job *j, struct entry *e, const struct sealed_pub *pub,
    struct span ad, struct span text)
{
	struct buf sealed;
	enum err err;

	buf_init(&sealed, LIMIT_BODY_INLINE);
	err = sealed_seal(pub, ad, text, &sealed);
	if (err == ERR_OK)
		err = arena_span(j->arena, buf_span(&sealed), &e->body);
	buf_clear(&sealed);
	return err;
}

enum err
seal_body(struct job *j, struct entry *e, const struct sealed_pub *pub,
    struct span text)
{
	struct buf ad;
	enum err err;

	j->octets += text.len;
	if (j->octets > j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR)
		return ERR_TOO_BIG;
	e->body_size = text.len;
	digest_sha256(&text, 1, e->body_hash);
	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	err = entry_pack_fixed(e, &ad);
	if (err == ERR_OK)
		err = sealed_size(text.len) <= LIMIT_BODY_INLINE
			  ? body_inline(j, e, pub, buf_span(&ad), text)
			  : body_to_file(j, e, pub, buf_span(&ad), text);
	buf_clear(&ad);
	return err;
}

/* --- protected messages --- */

/* What to make for these recipients. */
static enum err
variant_of(struct job *j, enum rung rung, struct job_rcpt *const *rcpts,
    uint32_t n, struct variant *out)
{
	const struct decision *d = &rcpts[0]->d;
	const struct ks_record **keys = arena_array(j->arena, n, sizeof(*keys));
	uint32_t *opens = arena_array(j->arena, n, sizeof(*opens));
	/* by TLS it goes readable, as by clear */
	struct variant v = {.rung = decide_is_tls(rung) ? RUNG_CLEAR : rung,
	    .as_is = decide_passes(d),
	    .raw = j->msg.raw,
	    .tree = j->msg.tree,
	    .form = d->rules.form,
	    .signer = d->sign.key,
	    .key = keys,
	    .opens = opens,
	    .n_keys = n,
	    .now_s = j->facts.now_s};
	enum err e = job_edit(j, d, &v.edit);

	if (e != ERR_OK)
		return e;
	if (keys == NULL || opens == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		keys[i] = decide_key(&rcpts[i]->d, rung);
		opens[i] = rcpts[i]->d.smime.opens;
	}
	if (v.signer != NULL && v.signer->kind == KS_SMIME)
		e = signer_chain(j->w->keys, j->w->certs, v.signer, j->arena,
		    &v.chain, &v.n_chain);
	if (e == ERR_OK)
		*out = v;
	return e;
}

static enum err
write_variant(struct job *j, const struct variant *v,
    const struct mime_sink *to, struct err_why *why)
{
	const struct variant_engines engines = job_engines(j);
	uint64_t since_us = clock_steady_us();
	enum err e = variant_write(v, &engines, j->arena, to, why);

	measure_variant(j, v, since_us, e);
	return e;
}

static enum entry_route
route_of(const struct job *j, const struct job_rcpt *r)
{
	struct span domain = ks_addr_domain(span_str(r->rcpt->key));

	return j->conf->inbound.present && conf_domain_is_ours(j->conf, domain)
		   ? ENTRY_INBOUND
		   : ENTRY_OUTBOUND;
}

/* Our own server is behind the gateway: what a rule asks of the way out is not
   asked of that hop. */
void
job_raise_tls(struct entry *e, const struct decision *d)
{
	static const uint8_t floors[] = {
	    [POLICY_TLS_OPPORTUNISTIC] = ENTRY_TLS_OPPORTUNISTIC,
	    [POLICY_TLS_ENCRYPT] = ENTRY_TLS_ENCRYPT,
	    [POLICY_TLS_VERIFY] = ENTRY_TLS_AUTHENTICATED,
	    [POLICY_TLS_STS] = ENTRY_TLS_STS,
	    [POLICY_TLS_DANE] = ENTRY_TLS_DANE,
	};

	if (e->route == ENTRY_OUTBOUND && floors[d->rules.extra.tls] > e->tls)
		e->tls = floors[d->rules.extra.tls];
}

/* Of mail without a sender: the domain of From, "@" first, that it may be
   signed for by DKIM; "" for none. What was here before is somebody's mail that
   one of ours passes on. */
static const char *
signed_domain(const struct job *j)
{
	const struct entry *env = &j->envelope;
	const char *at =
	    j->msg.author == NULL ? NULL : strrchr(j->msg.author, '@');
	const struct conf_dkim *c =
	    at == NULL ? NULL : conf_dkim_for(j->conf, at + 1);

	if (env->from_key[0] != '\0' || c == NULL || !c->null_sender ||
	    j->own_hops > 0 ||
	    !conf_may_sign(j->conf, env->client, env->auth_id))
		return "";
	if (env->auth_id[0] != '\0' &&
	    !entry_auth_may_use(env->auth_from, j->msg.author, true))
		return "";
	return at;
}

static struct entry *
begin_entry(
    struct job *j, enum rung rung, struct job_rcpt *const *rcpts, uint32_t n)
{
	struct entry *e = job_add_entry(j, n);

	if (e == NULL)
		return NULL;
	e->kind = ENTRY_READY;
	e->route = route_of(j, rcpts[0]);
	e->rung = (uint8_t)rung;
	e->strength = (uint8_t)rcpts[0]->d.outcome.strength;
	e->tls = rung == RUNG_TLS	    ? ENTRY_TLS_AUTHENTICATED
		 : rung == RUNG_TLS_ENCRYPT ? ENTRY_TLS_ENCRYPT
					    : ENTRY_TLS_OPPORTUNISTIC;
	job_raise_tls(e, &rcpts[0]->d);
	if (decide_is_tls(rung))
		e->after = (uint8_t)decide_tls_after(&j->facts, &rcpts[0]->d);
	/* what we sign is 7-bit, what we seal is, too */
	e->body_8bit = (rung == RUNG_CLEAR || decide_is_tls(rung) ||
			   decide_passes(&rcpts[0]->d)) &&
		       j->envelope.body_8bit && rcpts[0]->d.sign.key == NULL;
	e->rule = rcpts[0]->d.rules.from_rule;
	/* what only a decision needs is not carried along */
	entry_forget_origin(e);
	e->n_rcpt = n;
	for (uint32_t i = 0; i < n; i++)
		e->rcpt[i] = *rcpts[i]->rcpt;
	if (job_may_tell_client(j, e)) {
		e->origin = j->envelope.origin;
		e->client_name = j->envelope.client_name;
		e->helo = j->envelope.helo;
	}
	if (job_may_tell_login(j, e))
		e->auth_id = j->envelope.auth_id;
	if (e->route == ENTRY_OUTBOUND)
		e->auth_from = signed_domain(j);
	return e;
}

/* The original, parked beside what goes by TLS, for when that cannot be had. */
static enum err
park_original(struct job *j, struct entry *ready, struct job_rcpt *const *rcpts,
    uint32_t n)
{
	struct entry *parked;
	enum err e =
	    seal_pending(j, ENTRY_WHY_TLS, "its TLS is being tried", rcpts, n);

	if (e != ERR_OK)
		return e;
	parked = &j->out.entry[j->out.n_entries - 1];
	parked->twin = ready->id;
	ready->twin = parked->id;
	return ERR_OK;
}

static enum err
add_variant(struct job *j, enum rung rung, struct job_rcpt *const *rcpts,
    uint32_t n, struct span octets)
{
	struct entry *e = begin_entry(j, rung, rcpts, n);
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	err = job_plan_convert(j, e, octets);
	if (err == ERR_OK)
		err = seal_body(j, e, &j->w->pubs.pub[SEALED_READY], octets);
	if (err == ERR_OK && e->after == ENTRY_AFTER_AGAIN)
		err = park_original(j, e, rcpts, n);
	if (err == ERR_OK)
		return ERR_OK;
	if (e->file[0] != '\0')
		unlinkat(j->w->bodies_fd, e->file, 0);
	j->out.n_entries--;
	return err;
}

enum err
seal_variant(struct job *j, enum rung rung, struct job_rcpt *const *rcpts,
    uint32_t n, struct err_why *why)
{
	struct spill text;
	struct mime_sink sink;
	struct span octets;
	struct variant v;
	enum err err;

	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = variant_of(j, rung, rcpts, n, &v);
	if (err == ERR_OK)
		err = write_variant(j, &v, &sink, why);
	if (err == ERR_OK)
		err = spill_finish(&text, &octets);
	if (err == ERR_OK)
		err = add_variant(j, rung, rcpts, n, octets);
	for (uint32_t i = 0; err == ERR_OK && i < n; i++)
		variant_name(&v, j->w->certs, j->arena, i, &rcpts[i]->d.names);
	if (err != ERR_OK && why->text[0] != 0)
		log_event(LOG_LVL_ERR, NULL, "seal",
		    KV_STR("rcpt", rcpts[0]->rcpt->addr),
		    KV_STR("why", why->text), KV_ERR(err));
	spill_clear(&text);
	return err;
}

/* --- the original, to be decided again --- */

/* Held by a rule that would send it by nothing: then by what the others would
   send it, once somebody has let it go on. */
static int
floor_of_held(const struct job *j, const struct job_rcpt *r)
{
	const struct policy_ladder *l = &r->d.rules.ladder;

	for (size_t k = 0; k < l->n; k++)
		if (policy_rung_sends(l->rung[k]))
			return decide_ladder_floor(l);
	return decide_floor_released(&j->facts, r->d.to_key, j->arena);
}

/* What a later decision must be worth at least. */
static int
floor_of(const struct job *j, enum entry_why why, struct job_rcpt *const *rcpts,
    uint32_t n)
{
	int floor = why == ENTRY_WHY_UNDECIDED || why == ENTRY_WHY_TLS
			? rcpts[0]->d.outcome.strength
			: POLICY_STRENGTH_SEALED;

	/* the weakest that the rules of any of them would have sent by */
	for (uint32_t i = 0; why == ENTRY_WHY_HELD && i < n; i++) {
		int s = floor_of_held(j, rcpts[i]);

		if (s < floor)
			floor = s;
	}
	/* it never sinks below what it was before */
	if (floor < j->facts.min_strength)
		floor = j->facts.min_strength;
	return floor;
}

enum err
seal_pending(struct job *j, enum entry_why why, const char *reason,
    struct job_rcpt *const *rcpts, uint32_t n)
{
	struct entry *e = job_add_entry(j, n);
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	e->kind = ENTRY_PENDING;
	e->why = why;
	if (why == ENTRY_WHY_TLS)
		e->rung = (uint8_t)rcpts[0]->d.outcome.rung;
	e->reason = reason;
	/* mail from outside goes to our own server alone */
	e->strength = why == ENTRY_WHY_CRASHED || e->route == ENTRY_INBOUND
			  ? 0
			  : (uint8_t)floor_of(j, why, rcpts, n);
	e->rule = rcpts[0]->d.rules.from_rule == NULL
		      ? ""
		      : rcpts[0]->d.rules.from_rule;
	e->n_rcpt = n;
	for (uint32_t i = 0; i < n; i++)
		e->rcpt[i] = *rcpts[i]->rcpt;
	err = seal_body(j, e, &j->w->pubs.pub[SEALED_PENDING], j->map.data);
	if (err != ERR_OK)
		j->out.n_entries--;
	return err;
}
