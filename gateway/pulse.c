/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Are the processes still at work? One that dies is seen at once; one that
 * hangs is not, and mail would wait for it for ever. Each is asked again and
 * again; one that has left too many questions in a row unanswered is killed,
 * which loses nothing that was promised, and started anew. Questions are
 * counted, not seconds: a machine that slept comes back to no massacre.
 */
#include <signal.h>

#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/supervisor_private.h"
#include "gateway/topology.h"

enum {
	ASKED_MAX = 6, /* questions in the time of the option hang */
	BLOCKING_TIMES = 10,
};

/* What works on one message at a time answers between two messages. */
static unsigned
patience(enum role_id role)
{
	return topology_blocks(role) ? ASKED_MAX * BLOCKING_TIMES : ASKED_MAX;
}

static void
ask(struct proc *p)
{
	if (p->state != PROC_READY || p->ch == NULL)
		return;
	if (p->unanswered < patience(p->role)) {
		p->unanswered++;
		proc_tell(p, PROTO_PING, SPAN(NULL, 0), NULL, 0);
		return;
	}
	log_event(LOG_LVL_CRIT, NULL, "hung",
	    KV_STR("process", role_name(p->role)), KV_NUM("index", p->index),
	    KV_NUM("pid", p->pid),
	    KV_STR("text", "it does not answer any more, is killed and started "
			   "anew"));
	p->unanswered = 0;
	kill(p->pid, SIGKILL);
}

static void
on_timer(void *arg)
{
	struct supervisor *s = arg;

	for (size_t i = 0; !s->stopping && i < s->n_proc; i++)
		ask(&s->proc[i]);
	pulse_start(s);
}

void
pulse_start(struct supervisor *s)
{
	if (s->pulse == NULL)
		s->pulse = loop_timer_new(s->loop, on_timer, s);
	loop_timer_start(s->pulse, s->conf->limits.hang_ms / ASKED_MAX, 0);
}
