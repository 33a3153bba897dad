/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates and keys that come with mail from outside, proposed to the
 * admission process, which parses and judges them; store decides what that
 * changes. Nobody waits for its answer. Never from notifications, from mail of
 * several authors, or of one that a trusted host says it is not from.
 */
#include <poll.h>
#include <string.h>

#include "common/digest.h"
#include "common/log.h"
#include "gateway/worker/open_private.h"
#include "keystore/record.h"
#include "mime/autocrypt.h"
#include "mime/tree.h"
#include "mime/verdict_fields.h"

bool
open_is_forged(const struct job *j, const struct mime_header *h)
{
	const struct conf_opening *c = &j->conf->opening;

	for (size_t i = 0; i < c->n_trusted_authserv; i++)
		if (mime_verdict_says_forged(h, c->trusted_authserv[i]))
			return true;
	return false;
}

static void
propose(struct job *j, const struct proto_propose *m)
{
	struct ipc *to = role_channel(j->w->role, ROLE_ADMISSION, 0);
	struct pollfd p = {.events = POLLOUT};
	struct buf b;
	enum err e = ERR_BUSY;

	/* what cannot be proposed now comes with the next message */
	if (to == NULL)
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	/* it may be waiting for gpg, and mail does not wait for it */
	p.fd = ipc_fd(to);
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
		e = proto_propose_pack(m, &b);
	if (e == ERR_OK)
		e = ipc_send(to, PROTO_PROPOSE, j->id, buf_span(&b), NULL, 0);
	if (e != ERR_OK)
		log_event(LOG_LVL_DEBUG, NULL, "harvest",
		    KV_STR("addr", m->key), KV_STR("text", "not proposed"));
	buf_clear(&b);
}

/* Is the certificate in the keystore, with these capabilities? Then there is
   nothing to judge about this mail, as about most. */
static bool
is_known(struct job *j, struct span der, struct span caps)
{
	uint8_t fpr[DIGEST_SIZE];
	struct ks_record *r;

	digest_sha256(&der, 1, fpr);
	if (ks_get(j->w->keys, SPAN(fpr, sizeof(fpr)), j->arena, &r) != ERR_OK)
		return false;
	for (size_t i = 0; i < r->n_caps; i++)
		if (r->caps[i].tag == KS_CAP_SMIME &&
		    span_eq(r->caps[i].value, caps))
			return true;
	return caps.len == 0;
}

/* The certificate that the signer wants to be sealed to, or its own, with those
   that lead to an anchor. */
static void
propose_smime(
    struct job *j, const struct open *o, const struct crypto_signature *s)
{
	struct span blob[2 + CRYPTO_SIG_ISSUERS] = {s->encrypt_cert, s->cert};
	struct proto_propose m = {.source = KS_SOURCE_HARVEST,
	    .trust = KS_HARVESTED,
	    .key = o->author,
	    .url = "",
	    .caps = s->caps_der,
	    .blob = blob,
	    .n = 2};

	if (s->cert.len == 0)
		return;
	for (size_t i = 0; i < s->n_issuers; i++)
		blob[m.n++] = s->issuers[i];
	if (s->encrypt_cert.len == 0 || span_eq(s->encrypt_cert, s->cert)) {
		m.blob = &blob[1];
		m.n--;
	}
	if (!is_known(j, m.blob[0], s->caps_der))
		propose(j, &m);
}

/* A key that has signed the whole message, and that nobody vouches for. */
static bool
propose_pgp(
    struct job *j, const struct open *o, const struct crypto_signature *s)
{
	struct span cert = s->cert;
	const struct proto_propose m = {.source = KS_SOURCE_HARVEST,
	    .trust = KS_HARVESTED,
	    .openpgp = true,
	    .key = o->author,
	    .url = "",
	    .blob = &cert,
	    .n = 1};

	if (s->form == CRYPTO_FORM_SMIME || s->partial || cert.len == 0 ||
	    s->status != CRYPTO_SIGNED_UNKNOWN_KEY)
		return false;
	propose(j, &m);
	return true;
}

static void
propose_autocrypt(struct job *j, const struct open *o)
{
	struct mime_autocrypt field;
	struct proto_propose m = {.source = KS_SOURCE_HARVEST,
	    .trust = KS_CANDIDATE,
	    .openpgp = true,
	    .key = o->author,
	    .url = "",
	    .blob = &field.keydata,
	    .n = 1};

	if (mime_autocrypt_find(o->tree, j->arena, &field) != ERR_OK ||
	    strcmp(field.addr, o->author) != 0)
		return;
	/* signed by its author, and so is what is in its header */
	if (o->verdict.signature == CRYPTO_SIGNED_GOOD &&
	    o->verdict.headers != CRYPTO_HEADERS_NONE)
		m.trust = KS_HARVESTED;
	propose(j, &m);
}

void
open_harvest(struct job *j, const struct open *o)
{
	const struct crypto_verdict *v = &o->verdict;

	if (o->author == NULL || o->ambiguous != NULL ||
	    j->envelope.from[0] == '\0' ||
	    mime_part_is(mime_tree_root(o->tree), "multipart", "report") ||
	    open_is_forged(j, &o->outer))
		return;
	for (size_t i = 0; v->signature == CRYPTO_SIGNED_GOOD && i < v->n_sigs;
	     i++)
		if (v->sigs[i].form == CRYPTO_FORM_SMIME)
			propose_smime(j, o, &v->sigs[i]);
	if (v->n_sigs == 1 && propose_pgp(j, o, &v->sigs[0]))
		return;
	propose_autocrypt(j, o);
}
