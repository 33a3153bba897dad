/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one writer of spool and audit log: takes what messages became from the
 * workers, commits it, hands ready entries to relay and pending ones back to
 * workers. store_main() (gateway/role.h) is the process around it.
 */
#ifndef GATEWAY_STORE_STORE_H
#define GATEWAY_STORE_STORE_H

#include <stdbool.h>

#include "gateway/role.h"

struct conf;
struct loop;
struct store;

/* Open spool, bodies, audit log and keystore, and make what is not there yet,
   so that those who only read have something to open; to be done before the
   walls go up. conf is borrowed until store_set_conf() or store_close(). */
enum err store_open(const struct conf *conf, struct store **out,
    struct err_why *why) MUST_CHECK;
/* Begin to work. on_end is called when it can go on no longer: after
   store_stop(), or because of an error that only a restart can mend (failed
   true). */
void store_start(struct store *s, struct loop *loop,
    void (*on_end)(void *arg, bool failed), void *arg);
/* Finish what is under way, at most for the time the configuration gives. */
void store_stop(struct store *s);
void store_close(struct store *s);

void store_set_conf(struct store *s, const struct conf *conf);
/* A channel to another process, taken; it replaces an older one to the same.
 */
void store_add_peer(
    struct store *s, enum role_id id, unsigned index, struct ipc *ch);

#endif
