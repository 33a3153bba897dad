/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the worker share: the process's state and one message on
 * its way through it.
 */
#ifndef GATEWAY_WORKER_WORKER_PRIVATE_H
#define GATEWAY_WORKER_WORKER_PRIVATE_H

#include "common/arena.h"
#include "common/memfd.h"
#include "common/object_header.h"
#include "common/sealed.h"
#include "crypto/private_key.h"
#include "gateway/certs.h"
#include "gateway/conf.h"
#include "gateway/decide.h"
#include "gateway/message.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "gateway/spill.h"
#include "gateway/variant.h"
#include "mime/write.h"

struct attached_page;
struct crypto_cert;
struct crypto_cert_cache;
struct crypto_verdict;
struct json_t;
struct mime_header;

struct groups;

/* What opens one object, while it is made. */
struct pickup {
	enum object_factor factor;
	enum object_door door;
	struct secret *spelled; /* the factor as it is hashed; NULL: none */
	struct secret *code;	/* a generated one as it is told; NULL: none */
	const char *question;	/* NULL: none */
	/* the recipient's, borrowed; NULL: it is not the factor */
	const struct pickup_account *account;
	uint8_t point[PICKUP_ACCOUNT_PUBLIC]; /* for the link */
	struct secret *shared;		      /* what the account makes of it */
	struct secret *link;
	struct memfd_map object; /* one that is attached */
	struct buf recovery;	 /* while the object is sealed */
};

struct worker {
	struct role *role;
	struct ks_store *keys;
	struct db *tls; /* what is known of domains; NULL: nothing */
	struct crypto_cert_cache *certs;
	struct certs *judge;	/* of chains */
	struct proto_keys pubs; /* public halves only */
	struct groups *groups;	/* of rules; NULL: an opener has none */
	int bodies_fd;		/* directory of large sealed bodies */
	int escrow_fd; /* directory of escrow objects; -1 without a portal */
	struct attached_page *page;   /* NULL: no rule attaches */
	struct crypto_cert *recovery; /* NULL: nobody recovers objects */
	struct arena *arena;	      /* of the message in hand */
	bool renew; /* a peer that lives does not answer: begin anew */
	bool child; /* of an opener: what it hears its parent does not */
};

/* A recipient and what becomes of it. */
struct job_rcpt {
	const struct entry_rcpt *rcpt;
	const struct proto_answers *answers; /* NULL: not asked this time */
	struct decision d;
	bool done;  /* in a variant that has been made */
	bool alone; /* sealing it together with others has failed */
	/* of the rung escrow, once it is done */
	const char *object; /* name of the object */
	enum object_factor factor;
	struct secret *code; /* for the sender to tell; NULL: none */
	uint64_t expires_s;
};

/* One message, new (from listener) or pending (from store). */
struct job {
	struct worker *w;
	struct arena *arena;
	const struct conf *conf;
	uint64_t id; /* queue id of the message */
	/* as the listener got it; NULL for a pending one */
	const struct proto_envelope *came;
	uint32_t attempt;
	uint64_t replaces; /* the pending entry that is decided; 0 if new */
	bool lmtp; /* who is refused is told by the reply, not by mail */
	unsigned own_hops; /* how often it was here before */
	/* what every entry that comes of it says: sender, times, flags */
	struct entry envelope;
	struct memfd_map map;
	struct message msg;
	bool parsed;
	struct decide_facts facts;
	struct job_rcpt *rcpt;
	uint32_t n_rcpt;
	struct decide_copies copies; /* for archives */
	/* what it becomes */
	struct proto_submit out;
	uint32_t max_entries;
	uint32_t max_audit;
	uint32_t max_measures;
	const char *autocrypt; /* the field, "" for none; NULL: not made yet */
	uint64_t octets;       /* of all variants so far */
	/* the rule that refuses the message, and what it asks for; or NULL */
	const char *refused_by, *must_be;
	/* Files were made there whose names are not synced yet. */
	bool made_bodies, made_objects;
	uint64_t extract_until_ms; /* steady clock: its documents' time; 0: none
				      was looked into yet */
};

/* --- job.c: making and ending one --- */

enum err job_from_message(struct job *j, struct worker *w, uint64_t id,
    const struct proto_message *m, int fd) MUST_CHECK;
enum err job_from_pending(struct job *j, struct worker *w,
    const struct proto_decide *m, int fd) MUST_CHECK;
/* Remove the files of what was not handed over. */
void job_undo(struct job *j);
void job_clear(struct job *j);
/* Room for one more entry with the job's envelope and a fresh id; its
   recipients have room for n. NULL when there is none. */
struct entry *job_add_entry(struct job *j, uint32_t n);

/* The floor of a rule for the hop, where it is higher: seal.c. */
void job_raise_tls(struct entry *e, const struct decision *d);

/* --- account.c: what store wants to know --- */

/* Has it been here too often? ERR_LOOP. */
enum err job_check_hops(struct job *j, struct err_why *why) MUST_CHECK;
/* Of which message a submission is. */
enum err job_digest(struct job *j) MUST_CHECK;
/* Which recipients of the pending entry get nothing more, once all else is
   made. */
enum err job_account(struct job *j, bool given_up) MUST_CHECK;

/* --- measure.c: for a monitoring system --- */

/* The message is accepted; and that it was not after all. */
void measure_accepted(struct job *j);
void measure_not_accepted(struct job *j);
/* What an engine did since that time of clock_steady_us(), and its result: any
   of them; for a variant and for an opened message that which they took. */
void measure_work(struct job *j, enum proto_measure_kind kind,
    uint64_t since_us, enum err result);
void measure_variant(
    struct job *j, const struct variant *v, uint64_t since_us, enum err result);
void measure_opening(struct job *j, const struct crypto_verdict *v,
    uint64_t since_us, enum err result);

/* --- plan.c: ladders for all recipients --- */

enum err job_decide(struct job *j) MUST_CHECK;
/* The same with what is known by now, after a rung has failed. */
enum err job_decide_anew(struct job *j) MUST_CHECK;

/* --- variants.c, seal.c, convert.c, pickup.c: from decisions to entries --- */

/* Make every variant. A rung that fails while sealing sends its recipients
   down the ladder again; nothing half-made stays. */
enum err job_make_variants(struct job *j) MUST_CHECK;
/* Who seals and signs for the job; borrows it. */
struct variant_engines job_engines(struct job *j);
/* What is changed in the variant of recipients with this decision: trace field,
   Autocrypt, tags. */
enum err job_edit(
    struct job *j, const struct decision *d, struct mime_edit *out) MUST_CHECK;
/* The message for these recipients by one rung, sealed at rest, as a ready
   entry. On failure no entry and no file is left. */
enum err seal_variant(struct job *j, enum rung rung,
    struct job_rcpt *const *rcpts, uint32_t n, struct err_why *why) MUST_CHECK;
/* An object for pick-up and the notice with its link, for one recipient. */
enum err pickup_make(struct job *j, struct job_rcpt *rcpt) MUST_CHECK;
/* What goes into the key beside the link: by the rules, and by what the sender
   chose. Clear it. */
enum err pickup_choose(
    struct job *j, const struct job_rcpt *rcpt, struct pickup *out) MUST_CHECK;
void pickup_clear(struct pickup *p);
/* Sign a notice, behind which LIMIT_MESSAGE_PADDING zero octets stand, as its
   sender, by the domain's key where the recipient's rules let that stand in.
   ERR_NOT_FOUND if there is no key; after any error the notice goes as it is.
 */
enum err pickup_sign(struct job *j, const struct job_rcpt *rcpt,
    struct span notice, const struct mime_sink *to) MUST_CHECK;
enum err pickup_notice(struct job *j, struct job_rcpt *rcpt,
    const struct pickup *p, const struct proto_object *obj) MUST_CHECK;
/* pickup_attach.c: the mail with the object in a file. */
enum err pickup_attach(struct job *j, const struct job_rcpt *rcpt,
    const struct pickup *p) MUST_CHECK;
/* A ready entry for a notice to this recipient; NULL: no memory. */
struct entry *pickup_entry(struct job *j, const struct job_rcpt *rcpt);
/* Seal text beside e's immutable part, inline or into a file. */
enum err seal_body(struct job *j, struct entry *e, const struct sealed_pub *pub,
    struct span text) MUST_CHECK;
/* Before seal_body(): how readable octets, with zero octets behind them, are
   converted for a next hop without 8BITMIME. */
enum err job_plan_convert(
    struct job *j, struct entry *e, struct span octets) MUST_CHECK;
/* Sync the directories in which files were made, once for all of them: before
   what they are part of is handed over. */
enum err job_sync(struct job *j) MUST_CHECK;
/* Log what went wrong in our own directory, and return it. */
enum err job_disk_failed(
    const struct job *j, const char *dir, enum err e) MUST_CHECK;
/* The sealed original for recipients that cannot be decided now, or are held.
 */
enum err seal_pending(struct job *j, enum entry_why why, const char *reason,
    struct job_rcpt *const *rcpts, uint32_t n) MUST_CHECK;

/* --- receive.c: mail from outside, before it is opened --- */

/* The message as it came, as a pending entry: nothing that a private key says
   may change the reply. ERR_LOOP and other errors of mime_scan(). */
enum err receive(struct job *j, struct err_why *why) MUST_CHECK;
/* The same, held for an administrator, with an alarm. */
enum err receive_held(
    struct job *j, const char *reason, struct err_why *why) MUST_CHECK;

/* --- binary.c: mail that came by BINARYMIME --- */

/* Put mail of lines in the place of what came. ERR_CONVERT,
   ERR_CONVERT_SIGNED. */
enum err job_make_lines(struct job *j, struct err_why *why) MUST_CHECK;

/* --- wait.c: before-queue delivery --- */

/* May the client wait for the next hop's own reply, now that all is made? */
bool job_may_wait(struct job *j) MUST_CHECK;
/* May all of the entry's next hops hear who the client was? */
bool job_may_tell_client(const struct job *j, const struct entry *e) MUST_CHECK;
/* And as whom the client had signed in? */
bool job_may_tell_login(const struct job *j, const struct entry *e) MUST_CHECK;

/* --- answer.c: answers to mail that was picked up --- */

/* PROTO_ANSWER_OPEN of store: open it and submit it as mail from outside. */
void answer_take(struct worker *w, struct ipc_msg *m);

/* --- reply.c: answers to what arrived encrypted --- */

/* Does the parsed message answer such mail? Then facts say so, and nothing
   readable may leave. */
enum err job_find_answered(struct job *j) MUST_CHECK;
/* Note a message that was opened; inner may be NULL. */
enum err job_note_opened(struct job *j, const struct mime_header *outer,
    const struct mime_header *inner) MUST_CHECK;

/* --- peers.c: asking other processes, with a time limit --- */

enum err peers_learn_keys(struct worker *w) MUST_CHECK;
/* Ask keys, or this process's own pgp about descriptor fd, and wait for the
   answer of that type; the caller clears it. ERR_CRASHED, ERR_TIMEOUT. */
enum err peers_ask_keys(struct worker *w, uint16_t type, uint64_t id,
    struct span payload, uint16_t answer_type, struct ipc_msg *out) MUST_CHECK;
enum err peers_ask_pgp(struct worker *w, uint16_t type, uint64_t id,
    struct span payload, int fd, uint16_t answer_type,
    struct ipc_msg *out) MUST_CHECK;
enum err peers_content_key(
    struct worker *w, struct span header, struct secret **out) MUST_CHECK;
/* The armored message in a mapped memfd. */
enum err peers_pgp_seal(struct worker *w, const struct span *certs, uint32_t n,
    int fd, struct memfd_map *out, struct err_why *why) MUST_CHECK;
/* The same, signed inside; m->fpr is the key. */
enum err peers_pgp_seal_sign(struct job *j, const struct proto_pgp_sign *m,
    int fd, struct memfd_map *out, struct err_why *why) MUST_CHECK;
/* An armored detached signature, in a mapped memfd. */
enum err peers_pgp_sign(struct job *j, const struct proto_pgp_sign *m, int fd,
    struct memfd_map *out, char micalg[CRYPTO_PGP_MICALG],
    struct err_why *why) MUST_CHECK;
/* Tell store what should be known of the path's revocation (certs_unknown). */
void peers_want_revocation(void *arg, const struct crypto_path *path);
/* Append a raw signature by the private key of a certificate. */
enum err peers_sign(
    struct job *j, const struct proto_sign *m, struct buf *out) MUST_CHECK;
/* As crypto_delegate_decrypt, for the pending entry of the job. */
enum err peers_decrypt(struct job *j, struct span fpr,
    const struct crypto_decrypt *what, struct secret **out) MUST_CHECK;
/* Have store keep these keyed digests (keystore/reply.h), durably. */
enum err peers_note_replies(struct worker *w, struct span ids) MUST_CHECK;
/* Have a certificate issued for the sender. *why_out: why there is none, in the
   arena; untouched when there is one. */
enum signer_issue peers_issue(struct job *j, const char **why_out);
/* Append the text of a document; kind: enum proto_extract_kind. Any error: it
   cannot be read. */
enum err peers_extract(struct job *j, uint8_t kind, struct span document,
    struct buf *out) MUST_CHECK;
/* The key of an answer by its header, and that it cannot be taken. */
enum err peers_answer_key(
    struct worker *w, struct span header, struct secret **out) MUST_CHECK;
void peers_answer_failed(
    struct worker *w, uint64_t id, enum err result, const char *why);
/* ERR_INTERNAL while names of its files are not synced: job_sync() first. */
enum err peers_submit(struct job *j) MUST_CHECK;
/* Rows of the audit log, and what was measured, of what is no message. */
enum err peers_records(struct worker *w, const char **record, uint32_t n,
    const struct proto_measures *measures) MUST_CHECK;

/* --- tell.c: notifications to the sender, replies --- */

/* A DSN for every recipient that was refused, as one ready entry; without a
   sender they are held. */
enum err tell_refused(struct job *j) MUST_CHECK;
/* The same for a pending entry that is too old. */
enum err tell_given_up(struct job *j) MUST_CHECK;
/* Begin a ready entry that tells the sender something; NULL: no memory. */
struct entry *tell_begin(struct job *j);
/* tell_sent.c: how it was sent, where rules say so. */
enum err tell_sent(struct job *j) MUST_CHECK;
/* --- words.c: what the sender says of mail for pick-up by answering --- */

/* Have the digest for answers about this message made, for its submission. */
enum err words_make_mac(struct job *j) MUST_CHECK;
/* Their address; *out is NULL where none was made. */
enum err words_address(struct job *j, const char **out) MUST_CHECK;
/* Is that an address of this sender? ERR_USAGE: it is another kind of address;
   ERR_POLICY_REJECT. */
enum err words_check(struct worker *w, const char *rcpt_key,
    const char *from_key, uint64_t *message_id_out,
    struct err_why *why) MUST_CHECK;
/* Is the message such an answer? Then it goes nowhere, and store gets its word:
   once it is parsed. */
bool words_are_for(const struct job *j);
enum err words_take(struct job *j, struct err_why *why) MUST_CHECK;

/* The reply that the SMTP client gets. */
void tell_reply(struct job *j, struct proto_reply *out);
/* What waits for pick-up, to its sender, with the passphrases that were made
   for it. */
enum err tell_escrowed(struct job *j) MUST_CHECK;
/* The replies that an LMTP client gets for each, where some were refused;
 *n_out 0: they fared alike. */
enum err tell_each(struct job *j, const struct proto_reply *accepted,
    struct proto_reply **out, uint32_t *n_out) MUST_CHECK;
/* 250 with the queue id. */
void tell_accepted(struct job *j, struct proto_reply *out);

/* --- record.c: rows of the audit log --- */

/* A row about the message, with sender, client and size. */
struct json_t *record_start(const struct job *j, const char *type);
/* Add it to what store gets; takes it. */
enum err record_end(struct job *j, struct json_t *row) MUST_CHECK;
/* That the message is accepted if anything of it is, what was decided for each
   recipient, and each entry that leaves protected. */
enum err record_decided(struct job *j) MUST_CHECK;
/* A message that is committed as it came. Without look nothing reads it. */
enum err record_received(struct job *j, bool look) MUST_CHECK;
/* Mail that was opened for these recipients, or not, with these members, too;
   takes them. */
enum err record_opened(struct job *j, struct json_t *extra,
    struct job_rcpt *const *rcpts, uint32_t n) MUST_CHECK;
/* It is refused, which what it became says as well. */
enum err record_refused(
    struct job *j, const struct proto_reply *reply) MUST_CHECK;
/* Nothing of it was taken: that, for the error e or because nobody could be
   decided, goes to store by itself. To be called after job_undo(). */
void record_not_taken(
    struct job *j, const struct proto_reply *reply, enum err e);
/* A recipient that was refused before there was a message. */
void record_refused_at_rcpt(
    struct worker *w, const struct proto_rcpt_check *in, const char *why);

#endif
