/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What LMTP has that SMTP has not (RFC 2033): behind the final dot, or the
 * last chunk, there is an answer for each RCPT that was accepted, in their
 * order, even where two named the same recipient.
 */
#ifndef GATEWAY_LISTENER_LMTP_H
#define GATEWAY_LISTENER_LMTP_H

#include "gateway/listener/session.h"

/* A RCPT was accepted; i: the place of its recipient in the envelope. */
void listener_lmtp_note(struct listener_session *s, uint32_t i);
/* There is no message any more. */
void listener_lmtp_forget(struct listener_session *s);
/* Is there no place for another RCPT, whomever it names? */
bool listener_lmtp_is_full(const struct listener_session *s);
/* What became of the message: one line in SMTP, else one for each; by the
   envelope's places if `each` is not NULL. */
void listener_lmtp_reply(struct listener_session *s,
    const struct listener_reply *all, const struct listener_reply *each);

#endif
