/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Policies of MTA-STS that domains announce and have never handed out: a web
 * server that fails three times over an hour, and never did otherwise, counts
 * as none, so that mail does not wait for it for ever. Forgotten with the
 * process, which costs another hour.
 */
#ifndef GATEWAY_STORE_STS_NEVER_H
#define GATEWAY_STORE_STS_NEVER_H

#include <stdbool.h>
#include <stdint.h>

struct sts_never;

/* It has failed once more, at a time of the steady clock; the domain had no
   policy before. True: there is none, for all that is known. */
bool sts_never_failed(
    struct sts_never **list, const char *domain, uint64_t now_ms);
/* It has answered. */
void sts_never_answered(struct sts_never **list, const char *domain);
void sts_never_free(struct sts_never **list);

#endif
