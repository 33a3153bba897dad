/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What next hops and clients may know of each other. May the client of a
 * message wait for its next hop's reply? Where the administrator says so; of
 * mail from outside only what everybody can see to be neither encrypted nor
 * signed, by its structure alone: of everything else a private key may have a
 * say in what our own server gets.
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

static bool
is_waiting(const struct conf_relay *r)
{
	return r->wait;
}

static bool
is_told(const struct conf_relay *r)
{
	return r->xforward || r->xclient;
}

static bool
is_made_client(const struct conf_relay *r)
{
	return r->xclient;
}

/* Is every way by which the entry leaves like that? */
static bool
ways_are(const struct job *j, const struct entry *e,
    bool (*is)(const struct conf_relay *r))
{
	if (e->route == ENTRY_INBOUND)
		return j->conf->inbound.present && is(&j->conf->inbound);
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		if (!is(conf_relay_for(j->conf, domain_of(e->rcpt[i].key))))
			return false;
	return true;
}

bool
job_may_tell_client(const struct job *j, const struct entry *e)
{
	return ways_are(j, e, is_told);
}

bool
job_may_tell_login(const struct job *j, const struct entry *e)
{
	return ways_are(j, e, is_made_client);
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
	return j->out.n_entries == 1 &&
	       ways_are(j, &j->out.entry[0], is_waiting) &&
	       (j->envelope.route != ENTRY_INBOUND || is_plain(j));
}
