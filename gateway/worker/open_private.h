/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the opener share.
 */
#ifndef GATEWAY_WORKER_OPEN_PRIVATE_H
#define GATEWAY_WORKER_OPEN_PRIVATE_H

#include "gateway/open.h"
#include "gateway/worker/worker_private.h"

/* Open the message of the job and fill in what is to be submitted: entries for
   the internal server, held ones, audit rows. released: an administrator lets
   it go on, whatever held it. Errors are ours: it stays pending. */
enum err open_message(
    struct job *j, bool released, struct err_why *why) MUST_CHECK;

#endif
