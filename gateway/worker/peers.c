/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Questions to keys, pgp and store. A peer that is gone or silent is an
 * error, and an error is never an answer.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "gateway/proto_extract.h"
#include "gateway/proto_revocation.h"
#include "gateway/topology.h"
#include "gateway/worker/worker_private.h"

enum {
	KEYS_MS = 10000,
	STORE_MS = 10000,
	PGP_START_MS = 5000,
	PGP_SLACK_MS = 5000,
	LEARN_MS = 60000,
	ISSUER_MS = 8000,
	EXTRACT_SLACK_MS = 2000, /* beyond its own limit */
};

static struct ipc *
channel(struct worker *w, enum role_id id, unsigned index, unsigned ms)
{
	if (role_channel(w->role, id, index) != NULL)
		return role_channel(w->role, id, index);
	w->renew = w->renew || w->child;
	if (role_wait_peer(w->role, id, index, ms) != ERR_OK)
		return NULL;
	return role_channel(w->role, id, index);
}

/* Nobody brings another channel while the peer lives: then this process
   begins anew. */
static void
drop(struct worker *w, struct ipc *ch, enum err e)
{
	role_drop(w->role, ch);
	w->renew = w->renew || e != ERR_CLOSED;
}

/* Wait for the answer to a question that was sent. On any failure the channel
   is dropped. */
static enum err
answer(struct worker *w, struct ipc *ch, uint16_t type, uint64_t id,
    unsigned ms, struct ipc_msg *out)
{
	enum err e = ipc_await(ch, type, id, ms, out);

	if (e != ERR_OK)
		drop(w, ch, e);
	return e == ERR_CLOSED ? ERR_CRASHED : e;
}

enum err
peers_ask_keys(struct worker *w, uint16_t type, uint64_t id,
    struct span payload, uint16_t answer_type, struct ipc_msg *out)
{
	struct ipc *ch = channel(w, ROLE_KEYS, 0, KEYS_MS);
	enum err e;

	if (ch == NULL)
		return ERR_CRASHED;
	e = ipc_send(ch, type, id, payload, NULL, 0);
	if (e != ERR_OK) {
		drop(w, ch, e);
		return ERR_CRASHED;
	}
	return answer(w, ch, answer_type, id, KEYS_MS, out);
}

enum err
peers_learn_keys(struct worker *w)
{
	struct ipc_msg m;
	uint64_t until = clock_steady_ms() + LEARN_MS;
	enum err e;

	do {
		e = peers_ask_keys(
		    w, PROTO_KEYS_GET, 0, SPAN(NULL, 0), PROTO_KEYS, &m);
	} while (e == ERR_CRASHED && clock_steady_ms() < until);
	if (e != ERR_OK)
		return e;
	e = proto_keys_unpack(m.payload, &w->pubs);
	w->pubs.ready_private = SPAN(NULL, 0);
	ipc_msg_clear(&m);
	if (e == ERR_OK &&
	    (w->pubs.pub[SEALED_READY].purpose == SEALED_NONE ||
		w->pubs.pub[SEALED_PENDING].purpose == SEALED_NONE))
		e = ERR_IPC;
	return e;
}

/* The key is wiped from the channel's buffer, too. */
static enum err
take_key(struct ipc_msg *m, struct secret **out)
{
	enum err e = proto_key_is_unpack(m->payload, out);

	if (m->payload.len > 0)
		secret_wipe((void *)(uintptr_t)m->payload.data, m->payload.len);
	ipc_msg_clear(m);
	return e;
}

enum err
peers_content_key(struct worker *w, struct span header, struct secret **out)
{
	struct ipc_msg m;
	struct buf b;
	struct packer p;
	enum err e;

	buf_init(&b, 1024);
	pack_begin(&p, &b);
	pack_u8(&p, SEALED_PENDING);
	pack_raw(&p, header.data, header.len);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = peers_ask_keys(w, PROTO_CONTENT_KEY, 0, buf_span(&b),
		    PROTO_CONTENT_KEY_IS, &m);
	buf_clear(&b);
	return e == ERR_OK ? take_key(&m, out) : e;
}

enum err
peers_answer_key(struct worker *w, struct span header, struct secret **out)
{
	struct ipc_msg m;
	enum err e = peers_ask_keys(
	    w, PROTO_ANSWER_KEY, 0, header, PROTO_ANSWER_KEY_IS, &m);

	return e == ERR_OK ? take_key(&m, out) : e;
}

void
peers_answer_failed(
    struct worker *w, uint64_t id, enum err result, const char *why)
{
	struct ipc *ch = channel(w, ROLE_STORE, 0, STORE_MS);
	struct buf b;

	buf_init(&b, LIMIT_IPC_INLINE);
	/* a store that is gone asks again */
	if (ch != NULL && proto_failure_pack(result, why, &b) == ERR_OK)
		(void)!ipc_send(
		    ch, PROTO_ANSWER_BAD, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

/* Who has private keys knows a message by the id it has at its sender: that of
   the entry when store wants it decided again. */
static uint64_t
registered_id(const struct job *j)
{
	return j->replaces != 0 ? j->replaces : j->id;
}

enum err
peers_sign(struct job *j, const struct proto_sign *m, struct buf *out)
{
	struct proto_signed signature;
	struct ipc_msg in;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_sign_pack(m, &b);
	if (e == ERR_OK)
		e = peers_ask_keys(j->w, PROTO_SIGN, registered_id(j),
		    buf_span(&b), PROTO_SIGNED, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_signed_unpack(in.payload, &signature);
	if (e == ERR_OK)
		e = signature.result;
	if (e == ERR_OK)
		e = buf_put(out, signature.signature);
	ipc_msg_clear(&in);
	return e;
}

/* As crypto_delegate_decrypt. The errors of a private key are keys' own words;
   that it did not answer is another matter. */
enum err
peers_decrypt(struct job *j, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	const struct proto_decrypt m = {
	    .fpr = fpr,
	    .op = (uint8_t)what->op,
	    .hash = (uint8_t)what->hash,
	    .mgf = (uint8_t)what->mgf,
	    .len = (uint8_t)what->len,
	    .in = what->in,
	};
	struct proto_decrypted answer = {ERR_IPC, SPAN(NULL, 0)};
	struct ipc_msg in;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_decrypt_pack(&m, &b);
	if (e == ERR_OK)
		e = peers_ask_keys(j->w, PROTO_DECRYPT, registered_id(j),
		    buf_span(&b), PROTO_DECRYPTED, &in);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = proto_decrypted_unpack(in.payload, &answer);
	if (e == ERR_OK)
		e = answer.result;
	if (e == ERR_OK) {
		*out = secret_from(answer.key);
		e = *out == NULL ? ERR_NOMEM : ERR_OK;
	}
	/* the datagram still lies in the channel's buffer */
	if (answer.key.len > 0)
		secret_wipe((void *)(uintptr_t)answer.key.data, answer.key.len);
	ipc_msg_clear(&in);
	return e;
}

/* --- revocation --- */

static enum err
send_want(void *arg, const struct ks_want *w)
{
	struct proto_revocation m = {.want = *w};
	struct worker *worker = arg;
	struct ipc *ch = role_channel(worker->role, ROLE_STORE, 0);
	struct buf b;
	enum err e;

	if (ch == NULL)
		return ERR_CRASHED;
	buf_init(&b, LIMIT_CERT_SIZE + LIMIT_IPC_INLINE);
	e = proto_revocation_pack(&m, &b);
	if (e == ERR_OK)
		e = ipc_send(
		    ch, PROTO_REVOCATION_WANT, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

void
peers_want_revocation(void *arg, const struct crypto_path *path)
{
	enum err e = ks_path_wants(path, send_want, arg);

	/* the message does not wait, and the next one says it again */
	if (e != ERR_OK)
		log_event(
		    LOG_LVL_DEBUG, NULL, "revocation-not-wanted", KV_ERR(e));
}

/* --- documents --- */

static enum err
take_text(struct job *j, struct ipc_msg *in, struct buf *out)
{
	int fd = ipc_msg_take_fd(in, 0);
	struct memfd_map map = {.base = NULL};
	enum err result = ERR_INTERNAL, e;
	const char *why;

	e = proto_failure_unpack(in->payload, j->arena, &result, &why);
	if (e == ERR_OK)
		e = result;
	if (e == ERR_OK)
		e = memfd_map(
		    fd, LIMIT_CONTENT_PART + LIMIT_MESSAGE_PADDING, &map);
	if (e == ERR_OK)
		e = buf_put(out, map.data);
	memfd_unmap(&map);
	if (fd >= 0)
		close(fd);
	return e;
}

/* All documents of a message share one time. */
enum err
peers_extract(
    struct job *j, uint8_t kind, struct span document, struct buf *out)
{
	uint64_t now = clock_steady_ms();
	struct proto_extract m = {.kind = kind};
	unsigned index = role_index(j->w->role);
	struct ipc_msg in;
	struct ipc *ch;
	struct buf b;
	int fd = -1;
	enum err e;

	if (j->extract_until_ms == 0)
		j->extract_until_ms = now + j->conf->extract.timeout_ms;
	if (now >= j->extract_until_ms)
		return ERR_TIMEOUT;
	m.timeout_ms = (uint32_t)(j->extract_until_ms - now);
	ch = channel(j->w, ROLE_EXTRACT, index, m.timeout_ms);
	if (ch == NULL)
		return ERR_CRASHED;
	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_extract_pack(&m, &b);
	if (e == ERR_OK)
		e = memfd_from(document, &fd);
	if (e == ERR_OK) {
		e = ipc_send(ch, PROTO_EXTRACT, j->id, buf_span(&b), &fd, 1);
		if (e != ERR_OK)
			drop(j->w, ch, e);
	}
	buf_clear(&b);
	if (fd >= 0)
		close(fd);
	if (e == ERR_OK)
		e = answer(j->w, ch, PROTO_EXTRACTED, j->id,
		    m.timeout_ms + EXTRACT_SLACK_MS, &in);
	if (e != ERR_OK)
		return e;
	e = take_text(j, &in, out);
	ipc_msg_clear(&in);
	return e;
}

/* --- certificates --- */

/* What will be the same the next time. */
static bool
is_definite(enum err e)
{
	return e == ERR_NOT_FOUND || e == ERR_POLICY_REJECT ||
	       e == ERR_KEY_EXPIRED || e == ERR_KEY_UNTRUSTED ||
	       e == ERR_PERMISSION || e == ERR_MALFORMED;
}

static enum err
ask_issuer(struct job *j, const char **why)
{
	struct ipc *ch = channel(j->w, ROLE_ISSUER, 0, ISSUER_MS);
	struct ipc_msg in;
	struct packer p;
	struct buf b;
	enum err e, result = ERR_INTERNAL;

	if (ch == NULL)
		return ERR_CRASHED;
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	pack_str(&p, j->facts.from_key);
	e = pack_end(&p);
	if (e == ERR_OK) {
		e = ipc_send(
		    ch, PROTO_ISSUE, registered_id(j), buf_span(&b), NULL, 0);
		if (e != ERR_OK)
			drop(j->w, ch, e);
	}
	buf_clear(&b);
	if (e == ERR_OK)
		e = answer(
		    j->w, ch, PROTO_ISSUED, registered_id(j), ISSUER_MS, &in);
	if (e != ERR_OK)
		return e;
	e = proto_failure_unpack(in.payload, j->arena, &result, why);
	ipc_msg_clear(&in);
	return e == ERR_OK ? result : e;
}

enum signer_issue
peers_issue(struct job *j, const char **why_out)
{
	const char *why = NULL, *text;
	enum err e = ask_issuer(j, &why);

	if (e == ERR_OK)
		return SIGNER_NOT_ISSUED;
	text = arena_printf(j->arena, "no certificate was issued: %s",
	    why != NULL && why[0] != '\0' ? why : err_text(e));
	*why_out = text == NULL ? "no certificate was issued" : text;
	return is_definite(e) ? SIGNER_NOT_ISSUED : SIGNER_ISSUE_FAILED;
}

/* --- pgp --- */

enum err
peers_ask_pgp(struct worker *w, uint16_t type, uint64_t id, struct span payload,
    int fd, uint16_t answer_type, struct ipc_msg *out)
{
	unsigned own = topology_pgp_of(
	    role_conf(w->role), role_self(w->role), role_index(w->role));
	struct ipc *ch = channel(w, ROLE_PGP, own, PGP_START_MS);
	enum err e;

	if (ch == NULL)
		return ERR_CRASHED;
	e = ipc_send(ch, type, id, payload, &fd, 1);
	if (e != ERR_OK) {
		drop(w, ch, e);
		return ERR_CRASHED;
	}
	return answer(w, ch, answer_type, id,
	    role_conf(w->role)->limits.engine_ms + PGP_SLACK_MS, out);
}

/* The armor that came with an answer. */
static enum err
take_armor(struct ipc_msg *m, struct memfd_map *out)
{
	int fd = ipc_msg_take_fd(m, 0);
	enum err e;

	if (fd < 0)
		return ERR_ENGINE;
	e = memfd_map(fd, LIMIT_IPC_PAYLOAD, out);
	close(fd);
	return e == ERR_OK && out->data.len == 0 ? ERR_ENGINE : e;
}

static enum err
read_sealed(struct worker *w, struct ipc_msg *m, struct memfd_map *out,
    struct err_why *why)
{
	enum err result;
	const char *text;
	enum err e = proto_failure_unpack(m->payload, w->arena, &result, &text);

	if (e != ERR_OK)
		return ERR_ENGINE;
	return result != ERR_OK ? err_why(why, result, "%s", text)
				: take_armor(m, out);
}

enum err
peers_pgp_seal(struct worker *w, const struct span *certs, uint32_t n, int fd,
    struct memfd_map *out, struct err_why *why)
{
	struct ipc_msg m;
	struct buf b;
	struct packer p;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &b);
	pack_u32(&p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_span(&p, certs[i]);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = peers_ask_pgp(w, PROTO_PGP_SEAL, 0, buf_span(&b), fd,
		    PROTO_PGP_SEALED, &m);
	else if (n > 1)
		e = ERR_ENGINE; /* too many for a request, each alone is not */
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	e = read_sealed(w, &m, out, why);
	ipc_msg_clear(&m);
	return e;
}

static enum err
ask_pgp_sign(struct job *j, uint16_t type, const struct proto_pgp_sign *m,
    int fd, uint16_t answer_type, struct ipc_msg *out)
{
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_pgp_sign_pack(m, &b);
	if (e == ERR_OK)
		e = peers_ask_pgp(j->w, type, registered_id(j), buf_span(&b),
		    fd, answer_type, out);
	buf_clear(&b);
	return e;
}

enum err
peers_pgp_seal_sign(struct job *j, const struct proto_pgp_sign *m, int fd,
    struct memfd_map *out, struct err_why *why)
{
	struct ipc_msg in;
	enum err e =
	    ask_pgp_sign(j, PROTO_PGP_SEAL_SIGN, m, fd, PROTO_PGP_SEALED, &in);

	if (e != ERR_OK)
		return e;
	e = read_sealed(j->w, &in, out, why);
	ipc_msg_clear(&in);
	return e;
}

enum err
peers_pgp_sign(struct job *j, const struct proto_pgp_sign *m, int fd,
    struct memfd_map *out, char micalg[CRYPTO_PGP_MICALG], struct err_why *why)
{
	struct proto_pgp_signed answer;
	struct ipc_msg in;
	enum err e =
	    ask_pgp_sign(j, PROTO_PGP_SIGN, m, fd, PROTO_PGP_SIGNED, &in);

	if (e != ERR_OK)
		return e;
	e = proto_pgp_signed_unpack(in.payload, j->arena, &answer);
	if (e != ERR_OK || strlen(answer.micalg) >= CRYPTO_PGP_MICALG)
		e = ERR_ENGINE;
	else if (answer.err != ERR_OK)
		e = err_why(why, answer.err, "%s", answer.why);
	else
		e = take_armor(&in, out);
	if (e == ERR_OK)
		snprintf(micalg, CRYPTO_PGP_MICALG, "%s", answer.micalg);
	ipc_msg_clear(&in);
	return e;
}

/* --- store --- */

static enum err
submit(struct worker *w, uint64_t id, const struct proto_submit *m)
{
	struct ipc *ch = channel(w, ROLE_STORE, 0, STORE_MS);
	struct buf b;
	enum err e;

	if (ch == NULL)
		return ERR_CRASHED;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_submit_pack(m, &b);
	if (e == ERR_OK) {
		e = ipc_send(ch, PROTO_SUBMIT, id, buf_span(&b), NULL, 0);
		if (e != ERR_OK)
			drop(w, ch, e);
	}
	buf_clear(&b);
	return e;
}

enum err
peers_note_replies(struct worker *w, struct span ids)
{
	struct ipc *ch = channel(w, ROLE_STORE, 0, STORE_MS);
	struct unpacker u;
	struct ipc_msg m;
	enum err e, result;

	if (ch == NULL)
		return ERR_CRASHED;
	e = ipc_send(ch, PROTO_REPLY_NOTE, 0, ids, NULL, 0);
	if (e != ERR_OK) {
		drop(w, ch, e);
		return ERR_CRASHED;
	}
	e = answer(w, ch, PROTO_REPLY_NOTED, 0, STORE_MS, &m);
	if (e != ERR_OK)
		return e;
	unpack_begin(&u, m.payload);
	result = (enum err)unpack_u32(&u);
	e = unpack_end(&u);
	ipc_msg_clear(&m);
	return e == ERR_OK && result >= ERR_COUNT ? ERR_IPC
	       : e == ERR_OK			  ? result
						  : e;
}

enum err
peers_submit(struct job *j)
{
	/* what is committed must find its files after a crash */
	if (j->made_bodies || j->made_objects)
		return ERR_INTERNAL;
	return submit(j->w, j->replaces != 0 ? j->replaces : j->id, &j->out);
}

enum err
peers_records(struct worker *w, const char **record, uint32_t n,
    const struct proto_measures *measures)
{
	struct proto_submit m = {
	    .attempt = 1, .audit = record, .n_audit = n, .measures = *measures};

	return submit(w, entry_new_id(), &m);
}
