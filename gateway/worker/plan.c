/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ladders for all recipients of a message.
 */
#include "gateway/worker/worker_private.h"

/* What one recipient's fate is to others', and that of the copies. */
static enum err
together(struct job *j)
{
	struct decision **all = arena_array(j->arena, j->n_rcpt, sizeof(*all));

	if (all == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		all[i] = &j->rcpt[i].d;
	decide_archive(&j->facts, &j->copies, all, j->n_rcpt, j->arena);
	decide_together(&j->facts, all, j->n_rcpt, j->arena);
	return ERR_OK;
}

enum err
job_decide(struct job *j)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++)
		e = decide_rcpt(&j->facts, j->rcpt[i].rcpt->key,
		    j->rcpt[i].answers, j->arena, &j->rcpt[i].d);
	return e == ERR_OK ? together(j) : e;
}

enum err
job_decide_anew(struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		decide_alone(&j->facts, &j->rcpt[i].d);
	return together(j);
}
