/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One connection of the command line: lines of JSON in, lines of JSON out, one
 * question at a time. Who may ask is decided when it connects.
 */
#ifndef GATEWAY_CONTROL_CLIENT_H
#define GATEWAY_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"

struct control_client;
struct loop;

struct control_client_events {
	/* A question: one line, without its end, borrowed for the call. It is
	   answered with control_client_answer(), in the call or later. */
	void (*on_line)(void *arg, struct control_client *c, struct span line);
	/* It is gone and is freed after the call. */
	void (*on_gone)(void *arg, struct control_client *c);
};

/* May this peer of a connected socket ask? Root may, and who runs the gateway.
 */
bool control_may_ask(int fd, uid_t *uid_out);

/* Takes fd, which must be non-blocking. */
struct control_client *control_client_new(struct loop *loop, int fd, uid_t uid,
    const struct control_client_events *events, void *arg);
/* Without on_gone. */
void control_client_free(struct control_client *c);
uid_t control_client_uid(const struct control_client *c);
/* Answer the question; the next one is read then. May free the client. */
void control_client_answer(struct control_client *c, struct span line);

#endif
