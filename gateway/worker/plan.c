/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ladders for all recipients of a message, and `together`.
 */
#include "gateway/worker/worker_private.h"

enum err
job_decide(struct job *j)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++)
		e = decide_rcpt(&j->facts, j->rcpt[i].rcpt->key,
		    j->rcpt[i].answers, j->arena, &j->rcpt[i].d);
	if (e == ERR_OK)
		job_together(j);
	return e;
}

static bool
is_refused(const struct decision *d)
{
	return d->err != ERR_OK || (d->outcome.result == POLICY_CHOSEN &&
				       d->outcome.rung == RUNG_REJECT);
}

static bool
wants_together(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.err == ERR_OK && j->rcpt[i].d.rules.together)
			return true;
	return false;
}

static void
all_get(struct job *j, enum policy_result result, enum rung rung)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		j->rcpt[i].d.outcome.result = result;
		j->rcpt[i].d.outcome.rung = rung;
	}
}

/* The recipient who is placed weakest. */
static const struct decision *
weakest(const struct job *j)
{
	const struct decision *w = &j->rcpt[0].d;

	for (uint32_t i = 1; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.outcome.strength < w->outcome.strength)
			w = &j->rcpt[i].d;
	return w;
}

void
job_together(struct job *j)
{
	enum rung rung;

	if (j->n_rcpt < 2 || !wants_together(j))
		return;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is_refused(&j->rcpt[i].d)) {
			all_get(j, POLICY_CHOSEN, RUNG_REJECT);
			return;
		}
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.outcome.result == POLICY_DEFER) {
			all_get(j, POLICY_DEFER, RUNG_HOLD);
			return;
		}
	rung = weakest(j)->outcome.rung;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (!decide_force(&j->rcpt[i].d, rung)) {
			all_get(j, POLICY_CHOSEN, RUNG_REJECT);
			return;
		}
}
