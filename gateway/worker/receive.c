/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail from outside, before it is opened: committed as it came and answered.
 * Nothing here knows a private key or what one would say, so that neither the
 * reply nor its delay can tell. What is refused is refused for its structure.
 */
#include "gateway/worker/worker_private.h"

enum err
receive(struct job *j, struct err_why *why)
{
	struct job_rcpt **all = arena_array(j->arena, j->n_rcpt, sizeof(*all));
	struct mime_scan scan;
	enum err e;

	if (all == NULL)
		return ERR_NOMEM;
	e = mime_scan(j->map.data, &scan, why);
	if (e != ERR_OK)
		return e;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		all[i] = &j->rcpt[i];
	e = seal_pending(j, ENTRY_WHY_RECEIVED, "", all, j->n_rcpt);
	return e == ERR_OK ? tell_received(j) : e;
}
