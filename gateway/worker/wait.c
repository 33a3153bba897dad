/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * May the client of a message wait for its next hop's reply? Where the
 * administrator says so; of mail from outside only what everybody can see to
 * be neither encrypted nor signed, by its structure alone: of everything else
 * a private key may have a say in what our own server gets.
 */
#include <string.h>

#include "gateway/worker/worker_private.h"
#include "mime/protected.h"
#include "mime/tree.h"

static const char *
domain_of(const char *key)
{
	const char *at = strrchr(key, '@');

	return at == NULL ? "" : at + 1;
}

/* Does every way by which the one entry leaves wait? */
static bool
ways_wait(const struct job *j)
{
	const struct entry *e = &j->out.entry[0];

	if (j->out.n_entries != 1)
		return false;
	if (e->route == ENTRY_INBOUND)
		return j->conf->inbound.present && j->conf->inbound.wait;
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		if (!conf_relay_for(j->conf, domain_of(e->rcpt[i].key))->wait)
			return false;
	return true;
}

static bool
is_plain(struct job *j)
{
	struct err_why why;
	struct mime_scan scan;
	struct mime_tree *tree = NULL;
	struct mime_protected p;

	if (mime_scan(j->map.data, &scan, &why) != ERR_OK ||
	    mime_tree_parse(j->map.data, &scan, j->envelope.smtputf8, j->arena,
		&tree, &why) != ERR_OK ||
	    mime_tree_is_ambiguous(tree, NULL))
		return false;
	mime_protected_find(tree, &p);
	return p.kind == MIME_PROTECTED_NOT;
}

bool
job_may_wait(struct job *j)
{
	return ways_wait(j) &&
	       (j->envelope.route != ENTRY_INBOUND || is_plain(j));
}
