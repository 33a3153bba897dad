/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The life of a message from its final dot to the answer: lookups, a worker,
 * store's word. 250 only after the commit and the worker's reply; whoever dies
 * on the way, store is asked before anything is tried again, so that nothing
 * is accepted twice that need not be.
 */
#ifndef GATEWAY_LISTENER_JOBS_H
#define GATEWAY_LISTENER_JOBS_H

#include "gateway/listener/listener_private.h"

void listener_jobs_init(struct listener *l);
void listener_jobs_clear(struct listener *l);
/* ERR_OK, or why MAIL must be refused for a while. */
enum err listener_jobs_intake(const struct listener *l) MUST_CHECK;
void listener_store_attach(struct listener *l, struct ipc *ch);

/* Takes the message: envelope, trace and sealed contents are complete. Its
   session hears listener_session_answer(), perhaps before this returns. */
void listener_jobs_start(struct listener *l, struct listener_message *m);
/* All lookups of the message are answered. */
void listener_jobs_answered(struct listener *l, struct listener_message *m);
/* The worker has the message. */
void listener_jobs_sent(struct listener_message *m, struct listener_worker *w);
/* Its session is gone. Past its final dot it goes on all the same, unless its
   next hop was waited for: then it is no message of ours. May free it. */
void listener_jobs_leave(struct listener *l, struct listener_message *m);
/* The gateway stops: no next hop is waited for any more. */
void listener_jobs_stop(struct listener *l);
/* It could not be handed to a worker. */
void listener_jobs_fail(
    struct listener *l, struct listener_message *m, enum err e);
void listener_jobs_done(struct listener *l, struct listener_worker *w,
    uint64_t id, const struct proto_done *done);
/* The worker has died over the message `suspect` (0: over none). */
void listener_jobs_orphaned(
    struct listener *l, const struct listener_worker *w, uint64_t suspect);
void listener_jobs_tick(struct listener *l, uint64_t now_ms);

#endif
