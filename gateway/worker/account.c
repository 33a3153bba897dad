/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What store wants to know of a message beside what it became: which one it
 * is, and which recipients of a pending entry get nothing more, and why.
 */
#include <string.h>

#include "common/digest.h"
#include "gateway/worker/worker_private.h"

static void
pack_rcpt(struct packer *p, const struct entry_rcpt *r)
{
	pack_str(p, r->addr);
	pack_str(p, r->orcpt);
	pack_u8(p, r->notify);
}

/* Envelope and octets, but not what another try does differently. */
enum err
job_digest(struct job *j)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &b);
	pack_str(&p, j->envelope.from);
	pack_str(&p, j->envelope.envid);
	pack_u64(&p, j->envelope.accepted_ms);
	pack_u32(&p, j->n_rcpt);
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		pack_rcpt(&p, j->rcpt[i].rcpt);
	e = pack_end(&p);
	if (e == ERR_OK) {
		const struct span parts[] = {buf_span(&b), j->map.data};

		digest_sha256(parts, 2, j->out.digest);
	}
	buf_clear(&b);
	return e;
}

/* A notification has the null sender; so has what is sent for nobody, and then
   it is of the same message. A copy for an archive is nobody's mail. */
static bool
goes_on(const struct job *j, const char *key)
{
	for (uint32_t i = 0; i < j->out.n_entries; i++) {
		const struct entry *e = &j->out.entry[i];

		if ((e->from[0] == 0 && j->envelope.from[0] != 0) ||
		    conf_is_archive_copy(j->conf, e))
			continue;
		for (uint32_t k = 0; k < e->n_rcpt; k++)
			if (strcmp(e->rcpt[k].key, key) == 0)
				return true;
	}
	return false;
}

enum err
job_account(struct job *j, bool given_up)
{
	j->out.closed =
	    arena_array(j->arena, j->n_rcpt, sizeof(*j->out.closed));
	if (j->out.closed == NULL)
		return ERR_NOMEM;
	j->out.n_closed = 0;
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		const struct job_rcpt *r = &j->rcpt[i];

		if (goes_on(j, r->rcpt->key))
			continue;
		j->out.closed[j->out.n_closed++] =
		    (struct proto_closed){.key = r->rcpt->key,
			.how = given_up ? PROTO_CLOSE_GIVEN_UP
			       : r->d.err == ERR_OK &&
				       r->d.outcome.rung == RUNG_DROP
				   ? PROTO_CLOSE_DROPPED
				   : PROTO_CLOSE_REFUSED};
	}
	return ERR_OK;
}
