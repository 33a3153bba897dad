/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Is there such a recipient? Asked of the directory for the listener. Nothing
 * but a whole answer is one: what did not come is unknown.
 */
#ifndef GATEWAY_DISCOVERY_RECIPIENTS_H
#define GATEWAY_DISCOVERY_RECIPIENTS_H

#include "common/buf.h"
#include "common/err.h"

struct discovery_env;
struct discovery_recipients;
struct ipc;

/* Caller frees. */
struct discovery_recipients *discovery_recipients_new(
    struct discovery_env *env);
void discovery_recipients_free(struct discovery_recipients *r);
/* Forget all questions: the configuration has changed, or who asked is gone. */
void discovery_recipients_reset(struct discovery_recipients *r);
/* Answer PROTO_DIRECTORY_ASK; to is borrowed until the reset. */
void discovery_recipients_ask(struct discovery_recipients *r, struct ipc *to,
    uint64_t id, const char *key);

/* Append the filter with the address in each place. ERR_TOO_BIG, ERR_NOMEM. */
enum err discovery_recipients_filter(
    const char *filter, const char *key, struct buf *out) MUST_CHECK;

#endif
