/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of store share of what it keeps for others: the keystore,
 * answers of discovery, revocation, what was sent, what listener verified.
 */
#ifndef GATEWAY_STORE_STORE_KEYS_PRIVATE_H
#define GATEWAY_STORE_STORE_KEYS_PRIVATE_H

#include "gateway/store/store_private.h"

struct store_lookups;
struct store_revocation;
struct store_watch;

/* --- lookups.c --- */

/* With the loop; before the first round. */
void store_lookups_start(struct store *s);
void store_lookups_free(struct store_lookups *l);
/* Messages of discovery: PROTO_ANSWER_NOTE, PROTO_ANSWERS. */
void store_lookups_note(struct store *s, struct ipc_msg *m);
void store_lookups_answer(struct store *s, struct ipc_msg *m);
/* The same of a domain's TLS: store_tls_look(). */
void store_lookups_known(struct store *s, uint64_t id);
/* Ask discovery for the recipients of a pending entry that is due. False: it
   may be offered as it is. */
bool store_lookups_ask(
    struct store *s, const struct entry *e, struct store_item *item);
/* Write what was noted, let go on what was asked for. */
void store_lookups_round(struct store *s);
/* Let discovery ask for it again, if what it knows is old; nobody waits. */
void store_lookups_refresh(struct store *s, const char *key);

/* --- watch.c --- */

struct store_watch *store_watch_new(void);
void store_watch_free(struct store_watch *w);
/* Every second: look at the keys whose turn it is. */
void store_watch_tick(struct store *s);

/* --- keystore.c --- */

/* A member of text that is not too long; none if it is empty. */
void store_rec_text(struct store_rec *r, const char *name, struct span text);

store_apply_fn store_apply_events;
void store_after_events(struct store *s, struct store_op *op);
enum err store_keys_open(const struct conf *conf, struct store_keys **out,
    struct err_why *why) MUST_CHECK;
void store_keys_close(struct store_keys *k);
/* Borrowed; ks_begin() is ERR_BUSY while another program writes. */
struct ks_store *store_keys_db(const struct store *s);
void store_keys_start(struct store *s);
/* A proposal of admission: PROTO_ADMIT. */
void store_keys_admit(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
/* Write what was proposed; see what is new for the audit log. */
void store_keys_round(struct store *s);
/* There is something for a round. */
void store_keys_soon(struct store *s);
/* For others that write into it between rounds; borrowed. */
struct ks_store *store_keystore(struct store *s);
void store_keys_peer_gone(struct store *s, const struct store_peer *peer);

/* --- issued.c --- */

/* What issuer made: PROTO_CA_KEEP, PROTO_CA_LIST. */
void store_issued(struct store *s, struct store_peer *from, struct ipc_msg *m);

/* --- verified.c --- */

store_apply_fn store_apply_verified;
/* Give a new listener what the last one remembered. */
void store_tell_verified(struct store *s, struct store_peer *listener);

/* --- replies.c --- */

void store_replies_note(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_replies_peer_gone(struct store *s, const struct store_peer *peer);
/* Write what is noted and answer. ERR_BUSY: not now. */
enum err store_replies_write(struct store *s, struct ks_store *ks) MUST_CHECK;
/* Answer all that is noted, unwritten. */
void store_replies_drop(struct store *s, enum err result);

/* --- revocation.c: what is known of it, and what is fetched --- */

void store_revocation_start(struct store *s);
void store_revocation_end(struct store *s);
/* Keep PROTO_REVOCATION_WANT or _SAID. */
void store_revocation_note(
    struct store *s, struct store_peer *from, struct ipc_msg *m);

#endif
