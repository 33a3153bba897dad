/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sockets that the service manager has bound for us and keeps over a restart,
 * so that a client is never refused: sd_listen_fds(3), without its library.
 */
#ifndef GATEWAY_ACTIVATION_H
#define GATEWAY_ACTIVATION_H

#include <stddef.h>

struct conf_addr;

enum { ACTIVATION_MAX = 64, ACTIVATION_FIRST_FD = 3 };

struct activation {
	int fd[ACTIVATION_MAX]; /* -1: taken */
	size_t n;
};

/* Find what was handed in, from descriptor first on, which is
   ACTIVATION_FIRST_FD outside of tests. Only for the process that it was meant
   for; the variables that say so are removed. */
void activation_begin(struct activation *a, int first);
/* The socket that listens on the address, non-blocking; the caller closes. -1
   if none was handed in. */
int activation_take(struct activation *a, const struct conf_addr *addr);
/* Close what no address has asked for, and tell of it. */
void activation_end(struct activation *a);

#endif
