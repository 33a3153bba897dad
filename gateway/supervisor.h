/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that starts, connects, restarts and stops all others.
 */
#ifndef GATEWAY_SUPERVISOR_H
#define GATEWAY_SUPERVISOR_H

struct conf;

/* Run the gateway until it is told to stop. Takes the configuration, which
   conf_load() has read from its file. Returns the exit status: 0 after a stop,
   EX_CONFIG when a process can never run, EX_OSERR and others when the
   machine does not let us. */
int supervisor_run(struct conf *c);

#endif
