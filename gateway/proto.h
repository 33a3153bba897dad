/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The messages between the processes: who sends which to whom, and what is in
 * it. Payloads are packed (common/pack.h); the functions that pack and unpack
 * a structure stand beside it. Unpacked strings live in the arena given,
 * unpacked spans in the message. Every unpack refuses what is not exactly a
 * message of its type: ERR_IPC.
 *
 * The id of a message is the queue id of what it is about unless noted.
 */
#ifndef GATEWAY_PROTO_H
#define GATEWAY_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/sealed.h"
#include "gateway/entry.h"

enum proto_type {
	/* supervisor → all */
	PROTO_BOOT = 1, /* struct proto_boot, descriptors as it says */
	PROTO_PEER,	/* u8 role, u32 index; the channel */
	PROTO_CONF,	/* the text; replaces the configuration */
	PROTO_STOP,	/* no payload */
	/* all → supervisor */
	PROTO_READY,  /* no payload */
	PROTO_REFUSE, /* the reason as text; the process exits */

	/* listener → worker: may this recipient be promised anything? The id
	   is the listener's own. */
	PROTO_RCPT_CHECK = 20, /* struct proto_rcpt_check */
	/* worker → listener */
	PROTO_RCPT_VERDICT, /* struct proto_reply: code 250 or the refusal */
	/* listener → worker: a whole message; descriptor 0 is its sealed
	   memfd. */
	PROTO_MESSAGE, /* struct proto_message */
	/* worker → listener: what became of it. SUBMITTED says that store has
	   it and will report PROTO_COMMITTED. */
	PROTO_DONE, /* struct proto_done */

	/* listener → discovery. The id is the listener's own. */
	PROTO_LOOKUP = 30, /* u32 budget in ms, address as string */
	/* discovery → listener: all sources have answered or the budget is
	   spent. */
	PROTO_ANSWERS, /* struct proto_answers */

	/* worker → store: everything that one message became. Descriptors are
	   none: what is large is in files named by it. */
	PROTO_SUBMIT = 40, /* struct proto_submit */
	/* store → listener (for a message): durable, or an error. u32 attempt,
	   u32 err. Also the answer to PROTO_FENCE. */
	PROTO_COMMITTED,
	/* listener → store: is this attempt committed? If not it never will
	   be: a later PROTO_SUBMIT of it is refused. u32 attempt. The answer
	   is PROTO_COMMITTED with ERR_OK or ERR_FENCED. */
	PROTO_FENCE,
	/* store → listener: u32 err: ERR_OK new mail may come, else why not. */
	PROTO_INTAKE,
	/* store → worker: decide this pending entry (again). Descriptor 0, if
	   the body is a file: that file, open for reading. The worker answers
	   with PROTO_SUBMIT that names the entry in `replaces`, or with
	   PROTO_UNDECIDED. The id is the entry's. */
	PROTO_DECIDE, /* struct proto_decide */
	/* worker → store: cannot be decided now. u32 err, reason as string.
	   The id is the entry's. */
	PROTO_UNDECIDED,

	/* store → relay: deliver. Descriptor 0, if the body is a file: that
	   file, open for reading. The id is the entry's. */
	PROTO_DELIVER = 60, /* struct proto_deliver */
	/* relay → store: what became of one attempt. The id is the entry's. */
	PROTO_RESULT, /* struct proto_result */
	/* store → relay: forget that you were asked (released elsewhere or
	   deleted). Answered with PROTO_RESULT for what is under way. */
	PROTO_RECALL,

	/* worker → keys, relay → keys, store → keys: no payload. The answer has
	   the public halves of all purposes, and for relay the private half of
	   SEALED_READY. */
	PROTO_KEYS_GET = 80,
	PROTO_KEYS, /* struct proto_keys */
	/* worker → keys: the content key of a pending entry; store → keys: of a
	   sealed audit key. Payload: u8 purpose, the sealed header. The answer:
	   u32 err, the key (SEALED_KEY octets) as span. */
	PROTO_CONTENT_KEY,
	PROTO_CONTENT_KEY_IS,
	/* listener → keys, store → keys: whoever works on the message with
	   this id may have signed in the name of these addresses, until
	   PROTO_UNREGISTER. Replaces what is registered under the id. The id 0,
	   without addresses, forgets all that the sender has registered. */
	PROTO_REGISTER,	  /* struct proto_register */
	PROTO_UNREGISTER, /* no payload */
	/* worker → keys: a signature by a private key of the keystore. The id
	   is that of the message. */
	PROTO_SIGN,   /* struct proto_sign */
	PROTO_SIGNED, /* struct proto_signed */

	/* worker → pgp: seal descriptor 0 (sealed memfd) to these
	   certificates. The id is the worker's own. */
	PROTO_PGP_SEAL = 90, /* u32 count, that many certificates as spans */
	/* pgp → worker: u32 err, reason as string; descriptor 0 is a sealed
	   memfd with the armored message when err is ERR_OK. */
	PROTO_PGP_SEALED,
	/* → pgp (admission): what is in this blob? Payload: the blob. */
	PROTO_PGP_INSPECT,
	PROTO_PGP_INSPECTED, /* u32 err, reason as string, the keys as
				crypto/openpgp_pack.h writes them */

	/* worker → pgp: a detached signature over descriptor 0 (sealed memfd),
	   which is canonical text. The id is the message's (the entry's when it
	   is decided again): keys gives the secret key for that alone. */
	PROTO_PGP_SIGN, /* struct proto_pgp_sign without certificates */
	/* pgp → worker: descriptor 0 is a sealed memfd with the armored
	   signature when err is ERR_OK. */
	PROTO_PGP_SIGNED, /* struct proto_pgp_signed */
	/* worker → pgp: sign and seal in one; id and descriptor 0 as above. The
	   answer is PROTO_PGP_SEALED. */
	PROTO_PGP_SEAL_SIGN, /* struct proto_pgp_sign */
	/* pgp → keys: the secret key for a message. The id is the message's.
	   The answer: u32 err, reason as string; descriptor 0 is a sealed memfd
	   with the key as crypto/openpgp_sign.h takes it when err is ERR_OK. */
	PROTO_PGP_SECRET_GET, /* the fingerprint as span */
	PROTO_PGP_SECRET,

	/* store → portal: an object that is in the directory. The id is the
	   first 64 bits of the object's. */
	PROTO_OBJECT_ADD = 110, /* struct proto_object */
	/* portal → store: it is in the index and can be picked up; the notice
	   may go. */
	PROTO_OBJECT_HAVE, /* object name as string */
	/* portal → store, for the audit log. */
	PROTO_OBJECT_OPENED,  /* struct proto_opened */
	PROTO_OBJECT_EXPIRED, /* object name as string */

	/* control → store and control → supervisor: a request of the command
	   line, as JSON; the id is control's own. The answer is JSON, too. */
	PROTO_REQUEST = 130,
	PROTO_ANSWER,
};

/* "deliver"; "?" for an unknown one. */
const char *proto_name(uint16_t type);

/* --- boot --- */

enum { PROTO_BOOT_FDS = 6 };

/* Sent once or, when there are more descriptors than fit, several times;
   `last` marks the end. The configuration is in the first. */
struct proto_boot {
	bool last;
	bool journal;
	const char *conf_name; /* for findings: the path it came from */
	struct span conf;      /* the text; empty but in the first */
	/* What the descriptors are, in order. */
	struct {
		uint8_t kind; /* enum role_fd */
		uint32_t which;
	} fd[PROTO_BOOT_FDS];
	uint32_t n_fds;
};

enum err proto_boot_pack(
    const struct proto_boot *m, struct buf *out) MUST_CHECK;
enum err proto_boot_unpack(
    struct span in, struct arena *a, struct proto_boot *out) MUST_CHECK;

/* --- envelope --- */

/* DSN's NOTIFY (RFC 3461 4.1); 0 is the default: failure and delay. */
enum {
	PROTO_NOTIFY_NEVER = 1,
	PROTO_NOTIFY_SUCCESS = 2,
	PROTO_NOTIFY_FAILURE = 4,
	PROTO_NOTIFY_DELAY = 8,
};

struct proto_rcpt {
	const char *addr;  /* struct mime_addr.text */
	const char *key;   /* struct mime_addr.key */
	const char *orcpt; /* as it came, xtext; "" if none */
	uint8_t notify;
};

struct proto_envelope {
	const char *from; /* mime_addr.text; "" is the null sender */
	const char *from_key;
	const char *envid; /* xtext, "" if none */
	bool ret_hdrs;	   /* RET=HDRS */
	bool smtputf8;
	bool body_8bit;	    /* BODY=8BITMIME was said */
	const char *client; /* address of the SMTP client, text */
	const char *helo;
	const char *tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384", "" if none */
	uint64_t received_ms; /* Unix time */
	struct proto_rcpt *rcpt;
	uint32_t n_rcpt;
};

void proto_envelope_pack(struct packer *p, const struct proto_envelope *e);
void proto_envelope_unpack(
    struct unpacker *u, struct arena *a, struct proto_envelope *out);

/* --- discovery --- */

enum proto_answer_status {
	PROTO_ANSWER_FAILED = 0,
	PROTO_ANSWER_ABSENT,
	PROTO_ANSWER_FOUND,
};

struct proto_answer {
	uint8_t source; /* enum ks_source */
	uint8_t status; /* enum proto_answer_status */
};

/* What the sources said of one address. complete false: the process died or
   did not answer in time; sources that are missing count as failed. */
struct proto_answers {
	const char *key; /* canonical address */
	bool complete;
	struct proto_answer *answer;
	uint32_t n;
};

void proto_answers_pack(struct packer *p, const struct proto_answers *m);
void proto_answers_unpack(
    struct unpacker *u, struct arena *a, struct proto_answers *out);

/* --- listener and worker --- */

struct proto_rcpt_check {
	const char *from_key;
	const char *rcpt_key;
	const char *client; /* address, text */
};

enum err proto_rcpt_check_pack(
    const struct proto_rcpt_check *m, struct buf *out) MUST_CHECK;
enum err proto_rcpt_check_unpack(
    struct span in, struct arena *a, struct proto_rcpt_check *out) MUST_CHECK;

/* An SMTP reply: 550, "5.7.1", one line without code and status. */
struct proto_reply {
	uint16_t code;
	const char *status;
	const char *text;
};

enum err proto_reply_pack(
    const struct proto_reply *m, struct buf *out) MUST_CHECK;
enum err proto_reply_unpack(
    struct span in, struct arena *a, struct proto_reply *out) MUST_CHECK;

struct proto_message {
	uint32_t attempt; /* counts from 1; names this try in store's eyes */
	bool unparsed;	  /* it killed workers: put it aside as pending, without
			     looking into it */
	struct proto_envelope envelope;
	struct proto_answers *answers; /* one for each recipient */
	uint32_t n_answers;
	const char *trace; /* the whole Received field, CRLF included */
};

enum err proto_message_pack(
    const struct proto_message *m, struct buf *out) MUST_CHECK;
enum err proto_message_unpack(
    struct span in, struct arena *a, struct proto_message *out) MUST_CHECK;

struct proto_done {
	uint32_t attempt;
	bool submitted; /* wait for PROTO_COMMITTED, then this reply */
	struct proto_reply reply;
};

enum err proto_done_pack(
    const struct proto_done *m, struct buf *out) MUST_CHECK;
enum err proto_done_unpack(
    struct span in, struct arena *a, struct proto_done *out) MUST_CHECK;

/* --- worker and store --- */

/* An escrow object that the worker wrote and synced. */
struct proto_object {
	const char *name; /* file name in the escrow directory */
	uint64_t size;
	uint64_t expires_s; /* Unix time */
};

void proto_object_pack(struct packer *p, const struct proto_object *m);
void proto_object_unpack(
    struct unpacker *u, struct arena *a, struct proto_object *out);

struct proto_submit {
	uint32_t attempt;    /* of PROTO_MESSAGE; 0 when it replaces an entry */
	uint64_t replaces;   /* id of the pending entry this decides, or 0 */
	struct entry *entry; /* new entries */
	uint32_t n_entries;
	struct proto_object *object;
	uint32_t n_objects;
	const char **audit; /* one JSON object each, compact, without the
			       chain's fields */
	uint32_t n_audit;
};

enum err proto_submit_pack(
    const struct proto_submit *m, struct buf *out) MUST_CHECK;
enum err proto_submit_unpack(
    struct span in, struct arena *a, struct proto_submit *out) MUST_CHECK;

struct proto_decide {
	struct entry entry; /* pending; body inline or in the descriptor */
	uint64_t age_ms;    /* since it was accepted */
	bool give_up;	    /* too old: tell the sender, end it */
	bool released;	    /* an administrator let a held entry go on */
};

enum err proto_decide_pack(
    const struct proto_decide *m, struct buf *out) MUST_CHECK;
enum err proto_decide_unpack(
    struct span in, struct arena *a, struct proto_decide *out) MUST_CHECK;

/* --- store and relay --- */

struct proto_deliver {
	struct entry entry; /* ready, whole: its recipients are part of what
			       the body is sealed beside */
	uint32_t *open;	    /* positions of the recipients to deliver to now;
			       rising, at least one */
	uint32_t n_open;
	uint32_t tries; /* before this one */
	uint64_t age_ms;
	bool warn;    /* late: make a delay notice if it fails again */
	bool give_up; /* last try: what fails now has failed for good */
};

enum err proto_deliver_pack(
    const struct proto_deliver *m, struct buf *out) MUST_CHECK;
enum err proto_deliver_unpack(
    struct span in, struct arena *a, struct proto_deliver *out) MUST_CHECK;

enum proto_outcome {
	PROTO_DEFERRED = 0,
	PROTO_DELIVERED,
	PROTO_FAILED,
};

struct proto_rcpt_result {
	uint32_t rcpt;	 /* position in the entry's list */
	uint8_t outcome; /* enum proto_outcome */
	uint16_t code;	 /* of the peer's reply; 0 if there was none */
	const char *status;
	const char *text;
};

struct proto_result {
	struct proto_rcpt_result *rcpt; /* every recipient of the attempt */
	uint32_t n_rcpt;
	const char *peer; /* "mx.example.org [192.0.2.1]:25", "" if none */
	const char *tls;  /* "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified" */
	/* Notifications that come of it, ready entries (null sender). */
	struct entry *dsn;
	uint32_t n_dsn;
};

enum err proto_result_pack(
    const struct proto_result *m, struct buf *out) MUST_CHECK;
enum err proto_result_unpack(
    struct span in, struct arena *a, struct proto_result *out) MUST_CHECK;

/* --- keys --- */

struct proto_keys {
	struct sealed_pub pub[SEALED_PURPOSES]; /* purpose NONE: not there */
	struct span ready_private; /* for relay; empty for others; wipe the
				      message after use */
};

enum err proto_keys_pack(
    const struct proto_keys *m, struct buf *out) MUST_CHECK;
enum err proto_keys_unpack(struct span in, struct proto_keys *out) MUST_CHECK;

/* Canonical addresses (struct mime_addr.key). */
struct proto_register {
	const char **addr;
	uint32_t n_addr;
};

enum err proto_register_pack(
    const struct proto_register *m, struct buf *out) MUST_CHECK;
enum err proto_register_unpack(
    struct span in, struct arena *a, struct proto_register *out) MUST_CHECK;

struct proto_sign {
	struct span fpr; /* of the certificate */
	uint8_t alg;	 /* enum crypto_sign_alg */
	struct span in;	 /* of the length that the algorithm asks for */
};

enum err proto_sign_pack(
    const struct proto_sign *m, struct buf *out) MUST_CHECK;
enum err proto_sign_unpack(struct span in, struct proto_sign *out) MUST_CHECK;

/* ERR_PERMISSION: the key is for no address that is registered under the
   message's id. ERR_NO_KEY, ERR_UNSUPPORTED, ERR_BAD_SEAL, ERR_CRYPTO. */
struct proto_signed {
	enum err result;
	struct span signature; /* empty unless result is ERR_OK */
};

enum err proto_signed_pack(
    const struct proto_signed *m, struct buf *out) MUST_CHECK;
enum err proto_signed_unpack(
    struct span in, struct proto_signed *out) MUST_CHECK;

/* --- pgp --- */

struct proto_pgp_sign {
	struct span fpr;   /* of the primary key that signs */
	struct span *cert; /* to seal to; none for PROTO_PGP_SIGN */
	uint32_t n_certs;
};

enum err proto_pgp_sign_pack(
    const struct proto_pgp_sign *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_sign_unpack(
    struct span in, struct arena *a, struct proto_pgp_sign *out) MUST_CHECK;

struct proto_pgp_signed {
	enum err err;
	const char *why;
	const char *micalg; /* "pgp-sha256"; empty on failure */
};

enum err proto_pgp_signed_pack(
    const struct proto_pgp_signed *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_signed_unpack(
    struct span in, struct arena *a, struct proto_pgp_signed *out) MUST_CHECK;

/* --- portal --- */

struct proto_opened {
	const char *name;
	const char *client; /* address */
	const char *agent;  /* User-Agent, cut to 200 octets */
	uint64_t at_ms;
};

enum err proto_opened_pack(
    const struct proto_opened *m, struct buf *out) MUST_CHECK;
enum err proto_opened_unpack(
    struct span in, struct arena *a, struct proto_opened *out) MUST_CHECK;

/* --- single numbers and words --- */

/* "u32 attempt, u32 err" of PROTO_COMMITTED. */
enum err proto_committed_pack(
    uint32_t attempt, enum err result, struct buf *out) MUST_CHECK;
enum err proto_committed_unpack(
    struct span in, uint32_t *attempt, enum err *result) MUST_CHECK;
/* "u32 err, reason" of PROTO_UNDECIDED, PROTO_PGP_SEALED, PROTO_PGP_SECRET. */
enum err proto_failure_pack(
    enum err result, const char *why, struct buf *out) MUST_CHECK;
enum err proto_failure_unpack(struct span in, struct arena *a, enum err *result,
    const char **why) MUST_CHECK;

#endif
