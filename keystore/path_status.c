/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the store knows of the revocation of a certificate, and what would have
 * to be fetched to know more. RFC 5280 §6.3, RFC 6960 §3.2.
 */
#include <string.h>

#include "common/arena.h"
#include "crypto/revocation.h"
#include "keystore/own.h"
#include "keystore/path.h"

enum {
	TEXTS_MAX = 64 * 1024, /* URLs of one certificate */
	REASON_HOLD = 6,       /* certificateHold, which may end */
	REQUEST_MAX = 1024,
};

struct question {
	const struct crypto_cert_info *cert;
	int64_t now;
	struct crypto_status best;
};

/* "Revoked" beats all; "good" counts while it holds. */
static void
weigh(struct question *q, const struct crypto_status *s)
{
	bool old = s->until <= q->now;

	if (s->state == CRYPTO_REVOKED_YES &&
	    (!old || s->reason != REASON_HOLD)) {
		q->best = *s;
		return;
	}
	if (s->state == CRYPTO_REVOKED_NO && !old &&
	    q->best.state != CRYPTO_REVOKED_YES && s->until > q->best.until)
		q->best = *s;
}

static enum err
take_answer(void *ctx, const struct ks_said *said)
{
	struct question *q = ctx;
	struct crypto_status s = {
	    .at = said->at, .reason = said->reason, .until = said->until};

	if (said->state == CRYPTO_REVOKED_YES ||
	    said->state == CRYPTO_REVOKED_NO)
		s.state = (enum crypto_revoked)said->state;
	weigh(q, &s);
	return ERR_OK;
}

static enum err
take_list(void *ctx, const struct ks_said *said)
{
	struct question *q = ctx;
	struct crypto_status s = {.until = said->until};
	unsigned scope = q->cert->is_ca ? CRYPTO_LIST_CAS : CRYPTO_LIST_USERS;

	if ((said->scope & scope) == 0)
		return ERR_OK;
	crypto_list_find(said->entries, q->cert->serial_raw, &s);
	weigh(q, &s);
	return ERR_OK;
}

static void
ask(struct ks_store *s, struct question *q, enum ks_want_kind kind,
    const struct crypto_cert *issuer, const char *url)
{
	uint8_t id[KS_WANT_ID];

	ks_want_id(kind, crypto_cert_der(issuer), span_str(url),
	    q->cert->serial_raw, id);
	/* What cannot be read is not known. */
	if (ks_said_get(s, id, kind == KS_WANT_LIST ? take_list : take_answer,
		q) != ERR_OK)
		return;
}

/* A certificate of a CA that issues here: its record knows. */
static bool
ask_ourselves(struct ks_store *s, struct question *q,
    const struct crypto_cert *issuer, struct arena *arena)
{
	struct span ca =
	    SPAN(crypto_cert_info(issuer)->fpr, CRYPTO_CERT_FPR_SIZE);
	struct span fpr = SPAN(q->cert->fpr, CRYPTO_CERT_FPR_SIZE);
	struct ks_record *r = NULL;
	struct ks_ca *own = NULL;

	if (ks_ca_get(s, ca, arena, &own) != ERR_OK ||
	    ks_get(s, fpr, arena, &r) != ERR_OK)
		return false;
	q->best = (struct crypto_status){.state = r->flaw == KS_FLAW_REVOKED
						      ? CRYPTO_REVOKED_YES
						      : CRYPTO_REVOKED_NO,
	    .until = q->now + 1};
	return true;
}

void
ks_revocation_of(struct ks_store *s, const struct crypto_cert *cert,
    const struct crypto_cert *issuer, int64_t now, struct crypto_status *out)
{
	struct arena *arena = arena_new(KS_CRL_MAX + 2 * KS_RECORD_MAX);
	struct question q = {.cert = crypto_cert_info(cert), .now = now};
	struct crypto_revocation_urls urls;

	if (arena == NULL)
		return;
	/* our own record is newer than any list of it */
	if (ask_ourselves(s, &q, issuer, arena))
		goto out;
	crypto_revocation_urls(cert, arena, &urls);
	for (size_t i = 0; i < urls.n_lists; i++)
		ask(s, &q, KS_WANT_LIST, issuer, urls.list[i]);
	/* brought by an administrator */
	ask(s, &q, KS_WANT_LIST, issuer, "");
	if (urls.n_ocsp > 0)
		ask(s, &q, KS_WANT_ANSWER, issuer, "");
out:
	*out = q.best;
	arena_free(arena);
}

/* --- what is wanted --- */

static enum err
want_list(const struct crypto_cert *issuer, const char *url, int64_t until,
    ks_path_wants_visit *visit, void *ctx)
{
	struct ks_want w = {.kind = KS_WANT_LIST,
	    .issuer = crypto_cert_der(issuer),
	    .url = span_str(url),
	    .until = until};

	return visit(ctx, &w);
}

static enum err
want_answer(const struct crypto_cert *issuer,
    const struct crypto_cert_info *info, const char *url,
    ks_path_wants_visit *visit, void *ctx)
{
	struct ks_want w = {.kind = KS_WANT_ANSWER,
	    .issuer = crypto_cert_der(issuer),
	    .url = span_str(url),
	    .serial = info->serial_raw,
	    .until = info->not_after};
	struct buf request;
	enum err e;

	buf_init(&request, REQUEST_MAX);
	e = crypto_ocsp_request(issuer, info->serial_raw, &request);
	w.request = buf_span(&request);
	/* an issuer's name that long is asked by lists alone */
	if (e == ERR_OK)
		e = visit(ctx, &w);
	else if (e == ERR_LIMIT)
		e = ERR_OK;
	buf_clear(&request);
	return e;
}

static enum err
want_of(const struct crypto_cert *cert, const struct crypto_cert *issuer,
    ks_path_wants_visit *visit, void *ctx)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct arena *arena = arena_new(TEXTS_MAX);
	struct crypto_revocation_urls urls;
	enum err e = ERR_OK;

	if (arena == NULL)
		return ERR_NOMEM;
	crypto_revocation_urls(cert, arena, &urls);
	/* one place of each kind is enough: they say the same */
	if (urls.n_lists > 0)
		e = want_list(
		    issuer, urls.list[0], info->not_after, visit, ctx);
	if (e == ERR_OK && urls.n_ocsp > 0)
		e = want_answer(issuer, info, urls.ocsp[0], visit, ctx);
	arena_free(arena);
	return e;
}

enum err
ks_path_wants(
    const struct crypto_path *path, ks_path_wants_visit *visit, void *ctx)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i + 1 < path->n && e == ERR_OK; i++)
		e = want_of(path->certs[i], path->certs[i + 1], visit, ctx);
	return e;
}
