/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Names of messages, and packing and unpacking of the small ones. What carries
 * mail is proto_mail.c's, what concerns keys proto_keys.c's.
 */
#include "gateway/proto.h"

#include "gateway/proto_private.h"

static const struct {
	uint16_t type;
	const char *name;
} names[] = {
    {PROTO_BOOT, "boot"},
    {PROTO_PEER, "peer"},
    {PROTO_CONF, "conf"},
    {PROTO_STOP, "stop"},
    {PROTO_READY, "ready"},
    {PROTO_REFUSE, "refuse"},
    {PROTO_PING, "ping"},
    {PROTO_PONG, "pong"},
    {PROTO_RCPT_CHECK, "rcpt-check"},
    {PROTO_RCPT_VERDICT, "rcpt-verdict"},
    {PROTO_MESSAGE, "message"},
    {PROTO_DONE, "done"},
    {PROTO_LOOKUP, "lookup"},
    {PROTO_ANSWERS, "answers"},
    {PROTO_SUBMIT, "submit"},
    {PROTO_COMMITTED, "committed"},
    {PROTO_FENCE, "fence"},
    {PROTO_INTAKE, "intake"},
    {PROTO_DECIDE, "decide"},
    {PROTO_UNDECIDED, "undecided"},
    {PROTO_WAIT_END, "wait-end"},
    {PROTO_DELIVER, "deliver"},
    {PROTO_RESULT, "result"},
    {PROTO_RECALL, "recall"},
    {PROTO_NOTIFY, "notify"},
    {PROTO_NOTIFIED, "notified"},
    {PROTO_ADMIT, "admit"},
    {PROTO_ADMITTED, "admitted"},
    {PROTO_KEY_REFUSED, "key-refused"},
    {PROTO_KEYS_GET, "keys-get"},
    {PROTO_KEYS, "keys"},
    {PROTO_CONTENT_KEY, "content-key"},
    {PROTO_CONTENT_KEY_IS, "content-key-is"},
    {PROTO_REGISTER, "register"},
    {PROTO_UNREGISTER, "unregister"},
    {PROTO_SIGN, "sign"},
    {PROTO_SIGNED, "signed"},
    {PROTO_DECRYPT, "decrypt"},
    {PROTO_DECRYPTED, "decrypted"},
    {PROTO_PGP_SEAL, "pgp-seal"},
    {PROTO_PGP_SEALED, "pgp-sealed"},
    {PROTO_PGP_INSPECT, "pgp-inspect"},
    {PROTO_PGP_INSPECTED, "pgp-inspected"},
    {PROTO_PGP_SIGN, "pgp-sign"},
    {PROTO_PGP_SIGNED, "pgp-signed"},
    {PROTO_PGP_SEAL_SIGN, "pgp-seal-sign"},
    {PROTO_PGP_SECRET_GET, "pgp-secret-get"},
    {PROTO_PGP_SECRET, "pgp-secret"},
    {PROTO_PGP_OPEN, "pgp-open"},
    {PROTO_PGP_OPENED, "pgp-opened"},
    {PROTO_PGP_VERIFY, "pgp-verify"},
    {PROTO_PGP_VERIFIED, "pgp-verified"},
    {PROTO_PGP_OPEN_SECRET_GET, "pgp-open-secret-get"},
    {PROTO_OBJECT_ADD, "object-add"},
    {PROTO_OBJECT_HAVE, "object-have"},
    {PROTO_OBJECT_OPENED, "object-opened"},
    {PROTO_OBJECT_EXPIRED, "object-expired"},
    {PROTO_OBJECT_UNTIL, "object-until"},
    {PROTO_OBJECT_DROP, "object-drop"},
    {PROTO_OBJECT_DROPPED, "object-dropped"},
    {PROTO_OBJECT_LOCKED, "object-locked"},
    {PROTO_OBJECT_CODE, "object-code"},
    {PROTO_ANSWER_CAME, "answer-came"},
    {PROTO_ANSWER_TAKEN, "answer-taken"},
    {PROTO_ANSWER_OPEN, "answer-open"},
    {PROTO_ANSWER_BAD, "answer-bad"},
    {PROTO_ANSWER_KEY, "answer-key"},
    {PROTO_ANSWER_KEY_IS, "answer-key-is"},
    {PROTO_OBJECT_LOCK, "object-lock"},
    {PROTO_OBJECT_EVENT, "object-event"},
    {PROTO_OBJECT_NOTED, "object-noted"},
    {PROTO_DMZ_LINK, "dmz-link"},
    {PROTO_ISSUE, "issue"},
    {PROTO_ISSUED, "issued"},
    {PROTO_KEY_NEW, "key-new"},
    {PROTO_KEY_MADE, "key-made"},
    {PROTO_KEY_SEAL, "key-seal"},
    {PROTO_KEY_SEALED, "key-sealed"},
    {PROTO_CA_KEEP, "ca-keep"},
    {PROTO_CA_LIST, "ca-list"},
    {PROTO_CA_KEPT, "ca-kept"},
    {PROTO_REQUEST, "request"},
    {PROTO_ANSWER, "answer"},
    {PROTO_PROPOSE, "propose"},
    {PROTO_PROPOSED, "proposed"},
    {PROTO_ANSWER_NOTE, "answer-note"},
    {PROTO_REVOCATION_WANT, "revocation-want"},
    {PROTO_REVOCATION_FETCH, "revocation-fetch"},
    {PROTO_REVOCATION_READ, "revocation-read"},
    {PROTO_REVOCATION_SAID, "revocation-said"},
    {PROTO_REPLY_MAC, "reply-mac"},
    {PROTO_REPLY_MAC_IS, "reply-mac-is"},
    {PROTO_REPLY_NOTE, "reply-note"},
    {PROTO_REPLY_NOTED, "reply-noted"},
    {PROTO_SIGN_IN, "sign-in"},
    {PROTO_SIGNED_IN, "signed-in"},
    {PROTO_LISTED, "listed"},
    {PROTO_LISTED_IS, "listed-is"},
    {PROTO_PROBE, "probe"},
    {PROTO_PROBED, "probed"},
    {PROTO_VERIFIED, "verified"},
    {PROTO_DIRECTORY_ASK, "directory-ask"},
    {PROTO_DIRECTORY_IS, "directory-is"},
    {PROTO_TLS_ASK, "tls-ask"},
    {PROTO_TLS_KNOWN, "tls-known"},
    {PROTO_TLS_PROBE, "tls-probe"},
    {PROTO_TLS_SEEN, "tls-seen"},
    {PROTO_STS_WANT, "sts-want"},
    {PROTO_STS_IS, "sts-is"},
    {PROTO_STS_FETCH, "sts-fetch"},
    {PROTO_STS_FETCHED, "sts-fetched"},
    {PROTO_GROUP, "group"},
    {PROTO_TLS_RESULT, "tls-result"},
    {PROTO_TLS_RUA, "tls-rua"},
    {PROTO_TLS_RUA_IS, "tls-rua-is"},
    {PROTO_TLS_POST, "tls-post"},
    {PROTO_TLS_POSTED, "tls-posted"},
    {PROTO_EXTRACT, "extract"},
    {PROTO_EXTRACTED, "extracted"},
    {PROTO_OBJECT_FOUND, "object-found"},
    {PROTO_ACCOUNT_SET, "account-set"},
    {PROTO_ACCOUNT_SAID, "account-said"},
    {PROTO_ACCOUNTS, "accounts"},
    {PROTO_ACCOUNT_DROP, "account-drop"},
};

const char *
proto_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return "?";
}

enum err
proto_as_err(uint32_t v)
{
	return v < ERR_COUNT ? (enum err)v : ERR_INTERNAL;
}

void *
proto_unpack_array(struct unpacker *u, struct arena *a, size_t min_packed,
    size_t size, uint32_t *n)
{
	void *p = NULL;

	*n = unpack_count(u, min_packed);
	if (u->err == ERR_OK && *n > 0) {
		p = arena_array(a, *n, size);
		if (p == NULL)
			u->err = ERR_NOMEM;
	}
	if (p == NULL)
		*n = 0;
	return p;
}

/* --- boot --- */

enum err
proto_boot_pack(const struct proto_boot *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->last);
	pack_bool(&p, m->journal);
	pack_str(&p, m->conf_name);
	pack_span(&p, m->conf);
	pack_u32(&p, m->n_fds);
	for (uint32_t i = 0; i < m->n_fds; i++) {
		pack_u8(&p, m->fd[i].kind);
		pack_u32(&p, m->fd[i].which);
	}
	return pack_end(&p);
}

enum err
proto_boot_unpack(struct span in, struct arena *a, struct proto_boot *out)
{
	struct unpacker u;
	struct proto_boot m = {0};

	unpack_begin(&u, in);
	m.last = unpack_bool(&u);
	m.journal = unpack_bool(&u);
	m.conf_name = unpack_str(&u, a);
	m.conf = unpack_span(&u);
	m.n_fds = unpack_count(&u, 5);
	if (m.n_fds > PROTO_BOOT_FDS)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n_fds; i++) {
		m.fd[i].kind = unpack_u8(&u);
		m.fd[i].which = unpack_u32(&u);
	}
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- single numbers and words --- */

enum err
proto_failure_pack(enum err result, const char *why, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, result);
	pack_str(&p, why);
	return pack_end(&p);
}

enum err
proto_failure_unpack(
    struct span in, struct arena *a, enum err *result, const char **why)
{
	struct unpacker u;
	uint32_t r;
	const char *text;

	unpack_begin(&u, in);
	r = unpack_u32(&u);
	text = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*result = proto_as_err(r);
	*why = text;
	return ERR_OK;
}
