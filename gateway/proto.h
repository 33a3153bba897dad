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
#include "gateway/proto_accounts.h"
#include "gateway/proto_issue.h"
#include "gateway/proto_keys.h"
#include "gateway/proto_mail.h"
#include "gateway/proto_pickup.h"

enum proto_type {
	/* supervisor → all */
	PROTO_BOOT = 1, /* struct proto_boot, descriptors as it says */
	PROTO_PEER,	/* u8 role, u32 index; the channel */
	PROTO_CONF,	/* the text; replaces the configuration */
	PROTO_STOP,	/* no payload */
	/* all → supervisor */
	PROTO_READY,  /* no payload */
	PROTO_REFUSE, /* the reason as text; the process exits */
	/* supervisor → all, and back at once: is it still at work? */
	PROTO_PING, /* no payload */
	PROTO_PONG, /* no payload */

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

	/* listener → discovery, store → discovery: ask for keys of an address.
	   The id is the sender's own. */
	PROTO_LOOKUP = 30, /* u32 budget in ms, address as string */
	/* discovery → who asked: all sources have answered or the budget is
	   spent. What was found is in the keystore by now. */
	PROTO_ANSWERS, /* struct proto_answers */

	/* worker, opener → store: everything that one message became.
	   Descriptors are none: what is large is in files named by it. */
	PROTO_SUBMIT = 40, /* struct proto_submit */
	/* store → listener (for a message): durable, or an error; then whether
	   its next hop is waited for, and at last what that said. Also the
	   answer to PROTO_FENCE. */
	PROTO_COMMITTED, /* struct proto_committed */
	/* listener → store: is this attempt committed? If not it never will
	   be: a later PROTO_SUBMIT of it is refused. u32 attempt. The answer
	   is PROTO_COMMITTED with ERR_OK or ERR_FENCED. */
	PROTO_FENCE,
	/* store → listener: u32 err: ERR_OK new mail may come, else why not. */
	PROTO_INTAKE,
	/* store → worker, and to opener if it is inbound: decide this pending
	   entry (again). Descriptor 0, if
	   the body is a file: that file, open for reading. The worker answers
	   with PROTO_SUBMIT that names the entry in `replaces`, or with
	   PROTO_UNDECIDED. The id is the entry's. */
	PROTO_DECIDE, /* struct proto_decide */
	/* worker, opener → store: cannot be decided now. u32 err, reason as
	   string. The id is the entry's. */
	PROTO_UNDECIDED,
	/* listener → store: the next hop of this message is waited for no
	   longer. bool keep: it is accepted now, whatever becomes of it; else
	   its client is gone and will send it again. The answer, to the first,
	   is PROTO_COMMITTED. */
	PROTO_WAIT_END,

	/* store → relay: deliver. Descriptor 0, if the body is a file: that
	   file, open for reading. The id is the entry's. */
	PROTO_DELIVER = 60, /* struct proto_deliver */
	/* relay → store: what became of one attempt. The id is the entry's. */
	PROTO_RESULT, /* struct proto_result */
	/* store → relay: forget that you were asked (released elsewhere or
	   deleted). Answered with PROTO_RESULT for what is under way. */
	PROTO_RECALL,
	/* store → relay: make a notification for a sender. The id is the
	   message's, of the answer, too. */
	PROTO_NOTIFY,	/* struct proto_notify */
	PROTO_NOTIFIED, /* relay → store: struct proto_notified */

	/* pgp (admission) → store: a key that was found and judged; store
	   decides by keystore/change.h. The id is the admission's own. */
	PROTO_ADMIT = 70, /* gateway/proto_keystore.h */
	/* store → pgp (admission): what became of it; durable by now. */
	PROTO_ADMITTED, /* the same */
	/* pgp (admission) → store: a key that was brought and is not let in,
	   for people who look for it. No answer. */
	PROTO_KEY_REFUSED, /* struct proto_key_refused, the same */

	/* worker, opener, relay, store → keys: no payload. The answer has
	   the public halves of all purposes, and for relay the private half of
	   SEALED_READY. */
	PROTO_KEYS_GET = 80,
	PROTO_KEYS, /* struct proto_keys */
	/* worker, opener → keys: the content key of a pending entry; store →
	   keys: of a sealed audit key. Payload: u8 purpose, the sealed header.
	   The answer: u32 err, the key (SEALED_KEY octets) as span. */
	PROTO_CONTENT_KEY,
	PROTO_CONTENT_KEY_IS,
	/* listener → keys, store → keys: whoever works on the message with
	   this id may have signed in the name of these addresses, or may have
	   opened what is sealed to them: one or the other, until
	   PROTO_UNREGISTER. Replaces what is registered under the id. The id 0,
	   without addresses, forgets all that the sender has registered. */
	PROTO_REGISTER,	  /* struct proto_register */
	PROTO_UNREGISTER, /* no payload */
	/* worker → keys: a signature by a private key of the keystore. The id
	   is that of the message. issuer → keys: by the key of our CA, id 0.
	   relay → keys: by a DKIM key; the id is that of the entry. */
	PROTO_SIGN,   /* struct proto_sign */
	PROTO_SIGNED, /* struct proto_signed */
	/* opener → keys: open a content key with a private key of the keystore.
	   The id is that of the pending entry. */
	PROTO_DECRYPT,	 /* struct proto_decrypt */
	PROTO_DECRYPTED, /* struct proto_decrypted; wiped by both */

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
	/* opener → pgp: open descriptor 0 (sealed memfd), an OpenPGP message.
	   The id is that of the pending entry: keys gives secret keys for that
	   alone. */
	PROTO_PGP_OPEN, /* struct proto_pgp_open, of proto_open.h as the rest */
	/* pgp → opener: descriptor 0 is a sealed memfd with the text when err
	   is ERR_OK. */
	PROTO_PGP_OPENED, /* struct proto_pgp_opened */
	/* opener → pgp: verify signatures over descriptor 0 (sealed memfd). */
	PROTO_PGP_VERIFY, /* struct proto_pgp_verify */
	/* pgp → opener */
	PROTO_PGP_VERIFIED, /* struct proto_pgp_verified */
	/* pgp → keys: the secret key to open a message with; id, payload and
	   answer as of PROTO_PGP_SECRET_GET. */
	PROTO_PGP_OPEN_SECRET_GET,

	/* store → portal: an object that is in the directory. The id is the
	   first 64 bits of the object's. */
	PROTO_OBJECT_ADD = 110, /* struct proto_object */
	/* portal → store: it is in the index and can be picked up; the notice
	   may go. */
	PROTO_OBJECT_HAVE, /* object name as string */
	/* portal → store, for the audit log. */
	PROTO_OBJECT_OPENED,  /* struct proto_opened */
	PROTO_OBJECT_EXPIRED, /* object name as string */
	/* store → portal: it expires then, and is locked no more. The answer is
	   PROTO_OBJECT_HAVE. */
	PROTO_OBJECT_UNTIL, /* struct proto_object */
	/* store → portal: delete it. */
	PROTO_OBJECT_DROP, /* struct proto_object */
	/* portal → store: it is gone. */
	PROTO_OBJECT_DROPPED, /* object name as string */
	/* portal → store: too many wrong proofs; nobody gets it any more. */
	PROTO_OBJECT_LOCKED, /* struct proto_opened */
	/* portal → store: mail this code to the recipient. */
	PROTO_OBJECT_CODE, /* object name and code as strings */
	/* portal → store: an answer is there; the id is its own, and
	   descriptor 0 its file. Said again until it is taken. */
	PROTO_ANSWER_CAME, /* struct proto_answer_came */
	/* store → portal: the answer with this id is committed, or refused for
	   good. */
	PROTO_ANSWER_TAKEN,
	/* store → worker: open the answer in descriptor 0 and submit it. The
	   id, of the answer, too, is that of the message it becomes. */
	PROTO_ANSWER_OPEN, /* struct proto_answer_open */
	/* worker → store: it cannot be; ERR_AGAIN: not now. */
	PROTO_ANSWER_BAD, /* u32 err, reason as string */
	/* worker → keys: the key of the answer with this header, and the
	   answer: u32 err, the key as span. */
	PROTO_ANSWER_KEY, /* ANSWER_HEADER_SIZE octets */
	PROTO_ANSWER_KEY_IS,
	/* store → portal: it is locked, should the portal not know. No
	   answer. */
	PROTO_OBJECT_LOCK, /* struct proto_object */

	/* portal → store: what one in a DMZ says, which can come twice: the id
	   ascends. Its instance (16 octets), u16 type of the message that a
	   portal here would send, the payload of that. */
	PROTO_OBJECT_EVENT,
	/* store → portal: that is durable, or refused for good. */
	PROTO_OBJECT_NOTED,
	/* portal → store: does the connection to the one in the DMZ stand?
	   bool, u64 seconds by which the clocks differ, why not as string. */
	PROTO_DMZ_LINK,

	/* control → store, control → discovery and control → supervisor: a
	   request of the command line, as JSON; the id is control's own. The
	   answer is JSON, too. */
	PROTO_REQUEST = 130,
	PROTO_ANSWER,

	/* who found octets that may be keys → admission: parse and judge them.
	   The id is the sender's own. */
	PROTO_PROPOSE = 150, /* struct proto_propose */
	/* admission → who proposed: what became of each. Those that were
	   admitted are in the keystore. */
	PROTO_PROPOSED, /* struct proto_proposed */
	/* discovery → store: keep what the sources said. */
	PROTO_ANSWER_NOTE, /* struct proto_answers */

	/* worker → issuer: the sender of the message with this id has no key to
	   sign with and its rule says that it gets one: the address, canonical,
	   as string. The answer, when the certificate can be used: u32 err,
	   reason as string. */
	PROTO_ISSUE = 160,
	PROTO_ISSUED,
	/* issuer → keys: a new private key. The id is the message's, 0 for one
	   in place of another. */
	PROTO_KEY_NEW,	/* struct proto_key_new */
	PROTO_KEY_MADE, /* struct proto_key_made */
	/* issuer → keys: its certificate is there, seal it. */
	PROTO_KEY_SEAL,	  /* struct proto_key_seal */
	PROTO_KEY_SEALED, /* u32 err, the row of the private key as span */
	/* issuer → store: a certificate with its key; a list of those revoked.
	   The answer: u32 err, reason as string. */
	PROTO_CA_KEEP, /* struct proto_ca_keep */
	PROTO_CA_LIST, /* struct proto_ca_list */
	PROTO_CA_KEPT,

	/* worker → store, opener → store: of the revocation of a certificate
	   nothing is known. No answer. */
	PROTO_REVOCATION_WANT = 172, /* gateway/proto_revocation.h */
	/* store → discovery: fetch this list or answer. */
	PROTO_REVOCATION_FETCH, /* the same */
	/* discovery → admission: what was fetched. */
	PROTO_REVOCATION_READ, /* the same */
	/* admission → store: what was in it, or what was wrong with it;
	   discovery → store: that nothing came. */
	PROTO_REVOCATION_SAID,

	/* worker, opener → keys: n times 32 octets, SHA-256 of a Message-ID
	   each. The answer: n times 16 octets, what the index of mail that
	   arrived encrypted keeps of them. */
	PROTO_REPLY_MAC = 190,
	PROTO_REPLY_MAC_IS,
	/* opener → store: keep these in the index, n times 16 octets. The
	   answer, when that is durable: u32 err. */
	PROTO_REPLY_NOTE,
	PROTO_REPLY_NOTED,

	/* listener → accounts; the id is the listener's own. */
	PROTO_SIGN_IN = 210, /* struct proto_sign_in */
	PROTO_SIGNED_IN,     /* struct proto_signed_in */
	PROTO_LISTED,	     /* struct proto_listed */
	PROTO_LISTED_IS,     /* u8 enum proto_verdict */
	/* listener → relay: does our own server take mail for this address? The
	   id is the listener's own. */
	PROTO_PROBE,  /* the address as string */
	PROTO_PROBED, /* u8 enum proto_verdict */
	/* listener → store: what it remembers of recipients, to be kept;
	   store → listener: the same, when it comes. Octets of its own. */
	PROTO_VERIFIED,
	/* listener → discovery: has the directory this address? The id is the
	   listener's own. */
	PROTO_DIRECTORY_ASK, /* the canonical address as string */
	PROTO_DIRECTORY_IS,  /* u8 enum proto_verdict */
	/* listener → store: the TLS of this domain is going to be asked for.
	   The id is the listener's own. */
	PROTO_TLS_ASK = 220, /* gateway/proto_tls.h, as the rest */
	/* store → listener: it is known as well as it will be. No payload. */
	PROTO_TLS_KNOWN,
	/* store → relay: look at the mail servers of this domain. The id is
	   store's own. */
	PROTO_TLS_PROBE,
	/* relay → store: what they had. The id is that of the question, 0 for
	   what a delivery saw. */
	PROTO_TLS_SEEN, /* struct tls_seen */
	/* relay → store: which policy has the domain? The id is relay's own. */
	PROTO_STS_WANT, /* struct proto_sts_want */
	PROTO_STS_IS,	/* struct proto_sts */
	/* store → discovery: fetch the policy. The id is store's own. */
	PROTO_STS_FETCH,   /* struct proto_sts_want */
	PROTO_STS_FETCHED, /* struct proto_sts */
	/* relay → store: one session, for the reports that a domain asks for.
	 */
	PROTO_TLS_RESULT, /* struct tls_result */
	/* store → relay: where does the domain want reports? The id is store's
	   own. */
	PROTO_TLS_RUA,
	PROTO_TLS_RUA_IS, /* struct proto_rua */
	/* store → discovery: hand in a report. The id is store's own. */
	PROTO_TLS_POST,	  /* struct proto_report */
	PROTO_TLS_POSTED, /* u32 err, reason as string */
	/* discovery → store: who is in a group of the directory */
	PROTO_GROUP = 240, /* struct proto_group */
	/* worker → extract: the text of the document that comes along */
	PROTO_EXTRACT, /* struct proto_extract */
	/* extract → worker: u32 err, reason; the text in a sealed memfd */
	PROTO_EXTRACTED,
	/* portal → store: objects in its directory, some at a time: u32 n, n
	   times struct proto_object and u64 created, Unix s */
	PROTO_OBJECT_FOUND,

	/* portal → store: a reader of mail for pick-up wants this account. Said
	   again until there is an answer. The id is none. */
	PROTO_ACCOUNT_SET = 260, /* struct proto_account_set */
	/* store → portal: what became of it. */
	PROTO_ACCOUNT_SAID, /* struct proto_account_said */
	/* store → portal: the accounts there are, in as many messages as it
	   takes; then those that are new. */
	PROTO_ACCOUNTS, /* struct proto_accounts */
	/* store → portal: this one is gone. PICKUP_ACCOUNT_ID octets. */
	PROTO_ACCOUNT_DROP,
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

/* --- single numbers and words --- */

/* "u32 err, reason" of PROTO_UNDECIDED, PROTO_PGP_SEALED, PROTO_PGP_SECRET. */
enum err proto_failure_pack(
    enum err result, const char *why, struct buf *out) MUST_CHECK;
enum err proto_failure_unpack(struct span in, struct arena *a, enum err *result,
    const char **why) MUST_CHECK;

#endif
