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

#include "common/digest.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_seal.h"
#include "gateway/worker/worker_private.h"
#include "mime/base64.h"

struct mime_edit
job_edit(const struct job *j)
{
	return (struct mime_edit){.trace = span_str(j->envelope.trace),
	    .subject = buf_span(&j->msg.subject)};
}

/* --- at rest --- */

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
		return err_from_errno(errno);
	err = sealed_seal_fd(pub, ad, text, fd);
	if (err == ERR_OK)
		err = file_sync(fd);
	if (close(fd) != 0 && err == ERR_OK)
		err = err_from_errno(errno);
	if (err == ERR_OK)
		err = file_sync_dir(j->w->bodies_fd);
	if (err == ERR_OK) {
		e->file = arena_strdup(j->arena, name);
		err = e->file == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (err != ERR_OK) {
		e->file = "";
		unlinkat(j->w->bodies_fd, name, 0);
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

static enum err
put_base64(void *arg, struct span octets)
{
	return mime_base64_put(arg, octets);
}

/* The entity that is sealed, in one piece. */
static enum err
whole_inner(const struct mime_split *split, struct spill *s, struct span *out)
{
	struct mime_sink sink = spill_sink(s);
	enum err e = mime_put(&sink, buf_span(&split->inner_head));

	if (e == ERR_OK)
		e = mime_put(&sink, split->inner_body);
	return e == ERR_OK ? spill_finish(s, out) : e;
}

static enum err
get_certs(struct job *j, struct job_rcpt *const *rcpts, uint32_t n,
    struct crypto_cert **certs, struct err_why *why)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
		const struct ks_record *key = rcpts[i]->d.smime.chosen;

		if (key == NULL || key->fpr.len != CRYPTO_CERT_FPR_SIZE)
			return ERR_KEY_UNUSABLE;
		e = crypto_cert_cache_get(
		    j->w->certs, key->fpr.data, key->key, &certs[i], why);
	}
	return e;
}

static enum err
smime_from(struct job *j, const struct mime_split *split,
    struct crypto_cert **certs, uint32_t n, const struct mime_sink *to,
    struct err_why *why)
{
	static const struct crypto_cms_form form; /* what everybody opens */
	struct mime_base64 b64;
	struct spill inner;
	struct span octets;
	enum err e;

	spill_init(&inner, LIMIT_MESSAGE_SIZE_MAX);
	e = whole_inner(split, &inner, &octets);
	if (e == ERR_OK)
		e = mime_write_smime_head(
		    buf_span(&split->outer), MIME_SMIME_ENVELOPED, to);
	if (e == ERR_OK) {
		const struct mime_sink sealed = {put_base64, &b64};

		mime_base64_init(&b64, *to);
		e = crypto_cms_seal(
		    certs, n, &form, j->facts.now_s, octets, &sealed, why);
	}
	if (e == ERR_OK)
		e = mime_base64_finish(&b64);
	spill_clear(&inner);
	return e;
}

static enum err
write_smime(struct job *j, struct job_rcpt *const *rcpts, uint32_t n,
    const struct mime_split *split, const struct mime_sink *to,
    struct err_why *why)
{
	struct crypto_cert **certs = arena_array(j->arena, n, sizeof(*certs));
	enum err e;

	if (certs == NULL)
		return ERR_NOMEM;
	e = get_certs(j, rcpts, n, certs, why);
	if (e == ERR_OK)
		e = smime_from(j, split, certs, n, to, why);
	for (uint32_t i = 0; i < n; i++)
		crypto_cert_unref(certs[i]);
	return e;
}

/* The inner entity in a memfd of its own, for the pgp process. */
static enum err
inner_memfd(const struct mime_split *split, int *fd_out)
{
	int fd;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = memfd_write(fd, buf_span(&split->inner_head));
	if (e == ERR_OK)
		e = memfd_write(fd, split->inner_body);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return ERR_OK;
}

static enum err
write_pgp(struct job *j, struct job_rcpt *const *rcpts, uint32_t n,
    const struct mime_split *split, const struct mime_sink *to,
    struct err_why *why)
{
	struct span *keys = arena_array(j->arena, n, sizeof(*keys));
	struct memfd_map armor = {0};
	struct mime_boundary boundary;
	uint8_t seed[16];
	int fd;
	enum err e;

	if (keys == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (rcpts[i]->d.pgp.chosen == NULL)
			return ERR_KEY_UNUSABLE;
		keys[i] = rcpts[i]->d.pgp.chosen->key;
	}
	e = inner_memfd(split, &fd);
	if (e != ERR_OK)
		return e;
	e = peers_pgp_seal(j->w, keys, n, fd, &armor, why);
	close(fd);
	if (e == ERR_OK) {
		random_octets(seed, sizeof(seed));
		boundary = mime_boundary_make(seed);
		e = mime_write_pgp(
		    buf_span(&split->outer), &boundary, armor.data, to);
	}
	memfd_unmap(&armor);
	return e;
}

static enum err
write_variant(struct job *j, enum rung rung, struct job_rcpt *const *rcpts,
    uint32_t n, const struct mime_sink *to, struct err_why *why)
{
	struct mime_edit edit = job_edit(j);
	struct mime_split split;
	enum err e;

	if (rung == RUNG_CLEAR)
		return mime_write_plain(j->msg.raw, &edit, to, why);
	if (rung != RUNG_SMIME && rung != RUNG_PGP)
		return ERR_UNSUPPORTED;
	e = mime_split_for_sealing(j->msg.raw, &edit, &split, why);
	if (e != ERR_OK)
		return e;
	e = rung == RUNG_SMIME ? write_smime(j, rcpts, n, &split, to, why)
			       : write_pgp(j, rcpts, n, &split, to, why);
	mime_split_clear(&split);
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
	e->tls = ENTRY_TLS_OPPORTUNISTIC;
	e->body_8bit = rung == RUNG_CLEAR && j->envelope.body_8bit;
	e->rule = rcpts[0]->d.rules.from_rule;
	/* what only a decision needs is not carried along */
	e->client = "";
	e->trace = "";
	e->n_rcpt = n;
	for (uint32_t i = 0; i < n; i++)
		e->rcpt[i] = *rcpts[i]->rcpt;
	return e;
}

enum err
seal_variant(
    struct job *j, enum rung rung, struct job_rcpt *const *rcpts, uint32_t n)
{
	struct err_why why = {""};
	struct spill text;
	struct mime_sink sink;
	struct span octets;
	struct entry *e;
	enum err err;

	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = write_variant(j, rung, rcpts, n, &sink, &why);
	if (err == ERR_OK)
		err = spill_finish(&text, &octets);
	if (err == ERR_OK) {
		e = begin_entry(j, rung, rcpts, n);
		err = e == NULL ? ERR_NOMEM
				: seal_body(j, e, &j->w->pubs.pub[SEALED_READY],
				      octets);
		if (e != NULL && err != ERR_OK)
			j->out.n_entries--;
	}
	if (err != ERR_OK && why.text[0] != 0)
		log_event(LOG_LVL_ERR, NULL, "seal",
		    KV_STR("rcpt", rcpts[0]->rcpt->addr),
		    KV_STR("why", why.text), KV_ERR(err));
	spill_clear(&text);
	return err;
}

/* --- the original, to be decided again --- */

/* What a later decision must be worth at least. */
static int
floor_of(const struct job *j, enum entry_why why, struct job_rcpt *const *rcpts,
    uint32_t n)
{
	const struct policy_ladder *l;
	int floor = why == ENTRY_WHY_UNDECIDED ? rcpts[0]->d.outcome.strength
					       : POLICY_STRENGTH_SEALED;
	int s;

	if (why == ENTRY_WHY_HELD) {
		/* the weakest that its rules would have sent by */
		for (uint32_t i = 0; i < n; i++) {
			l = &rcpts[i]->d.rules.ladder;
			for (size_t k = 0; k < l->n; k++) {
				s = policy_strength(l->rung[k], l->escrow);
				if (policy_rung_sends(l->rung[k]) && s < floor)
					floor = s;
			}
		}
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
	e->reason = reason;
	e->strength =
	    why == ENTRY_WHY_CRASHED ? 0 : (uint8_t)floor_of(j, why, rcpts, n);
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
