/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Process groups of pgp and admission.
 */
#include "gateway/gpg_group.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/role.h"

void
gpg_group_begin(struct role *r)
{
	if (getpgrp() != getpid() && setpgid(0, 0) != 0)
		role_refuse(r, "no process group of its own");
}

static void
leave_to_supervisor(int signo)
{
	(void)signo;
}

/* Other roles ignore it. What is ignored stays so in gpg and its agent, which
   must end by it; a handler does not. */
void
gpg_group_take_sigterm(void)
{
	struct sigaction act = {
	    .sa_handler = leave_to_supervisor, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &act, NULL);
}

/* A gpg that hangs ignores that its pipes are closed. It is in our process
   group and in nobody else's; the supervisor starts us again. */
void
gpg_group_end(void)
{
	log_event(LOG_LVL_WARN, NULL, "gpg-hangs",
	    KV_STR("action", "killed, this process starts anew"));
	if (getpgrp() == getpid())
		kill(0, SIGKILL);
}
