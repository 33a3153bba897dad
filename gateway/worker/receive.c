/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail from outside, before it is opened: committed as it came and answered.
 * Nothing here asks a private key, so that neither the reply nor its delay can
 * tell what one would say. What is refused is refused for its structure, its
 * addresses, and what a signature is worth that everybody can read.
 */
#include <jansson.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/groups.h"
#include "gateway/open_shape.h"
#include "gateway/worker/open_private.h"
#include "mime/addr.h"
#include "mime/header.h"
#include "mime/tree.h"

/* --- what rules want --- */

struct required {
	struct job *j;
	struct mime_tree *tree;
	struct open_shape shape;
	struct span *from; /* who it says it is from */
	size_t n_from;
	bool unsure;
};

/* The sender of the envelope and everybody in From: whoever the reader might
   take it to be from. */
static enum err
find_from(struct required *r)
{
	struct job *j = r->j;
	const struct mime_header *h = mime_tree_header(r->tree);
	const struct mime_field *f = NULL;
	struct mime_addr_list list = {0};

	r->unsure = mime_tree_is_ambiguous(r->tree, NULL) ||
		    mime_header_unique(h, "From", &f) != ERR_OK ||
		    mime_addr_parse_list(f->value, MIME_ADDR_UTF8, j->arena,
			&list, NULL) != ERR_OK;
	if (r->unsure)
		list.n = 0;
	r->from = arena_array(j->arena, list.n + 1, sizeof(*r->from));
	if (r->from == NULL)
		return ERR_NOMEM;
	r->from[r->n_from++] = span_str(j->envelope.from_key);
	for (size_t i = 0; i < list.n; i++)
		r->from[r->n_from++] = span_str(list.addrs[i].key);
	return ERR_OK;
}

/* Is all of it signed, by whom it says it is from? Only what everybody can
   read is looked at: no key of ours is at hand. */
static enum err
is_well_signed(struct required *r, bool *out, struct err_why *why)
{
	struct job *j = r->j;
	const struct open_form form = {
	    .authserv_id = j->conf->opening.authserv_id};
	struct open_engine_both tools;
	struct open_engine engine = open_engine_both(&tools);
	struct open o;
	enum err e;

	*out = false;
	if (r->shape.is_signed == CRYPTO_FORM_NONE)
		return ERR_OK;
	e = open_tools_init(&tools, j, NULL, 0);
	if (e == ERR_OK)
		e = open_read(&o, &form, &engine, j->map.data,
		    j->envelope.smtputf8, j->arena, why);
	if (e == ERR_OK)
		*out = o.verdict.signature == CRYPTO_SIGNED_GOOD;
	open_clear(&o);
	open_engine_clear(&tools);
	return e;
}

static enum err
refuse(struct required *r, const struct policy_inbound *d, const char *what,
    struct err_why *why)
{
	char id[TEXT_ID_SIZE];

	text_id(r->j->id, id);
	log_event(LOG_LVL_NOTICE, id, "refused",
	    KV_STR("from", r->j->envelope.from), KV_STR("rule", d->rule),
	    KV_STR("reason", what));
	r->j->refused_by = d->rule;
	r->j->must_be = what;
	return err_why(why, ERR_POLICY_REJECT,
	    "mail from this sender must be %s (rule %s)", what, d->rule);
}

/* What all recipients' rules ask for together: one reply is for all. */
static void
ask_rules(const struct required *r, struct policy_inbound *out)
{
	struct policy_inbound all = {0}, d;

	for (uint32_t i = 0; i < r->j->n_rcpt; i++) {
		const struct policy_inbound_facts f = {.from = r->from,
		    .n_from = r->n_from,
		    .unsure = r->unsure,
		    .to = span_str(r->j->rcpt[i].rcpt->key),
		    .in_group = groups_has,
		    .groups = r->j->facts.groups};

		policy_inbound(r->j->conf->policy, &f, &d);
		all.is_signed = all.is_signed || d.is_signed;
		all.is_encrypted = all.is_encrypted || d.is_encrypted;
		all.either = all.either || d.either;
		if (all.rule == NULL)
			all.rule = d.rule;
	}
	*out = all;
}

/* What is encrypted may be signed inside: that shows when it was opened, and
   then it is too late to refuse it. */
static enum err
check_required(struct required *r, struct err_why *why)
{
	struct policy_inbound d;
	bool sealed = r->shape.sealed != CRYPTO_FORM_NONE, is_signed = false;
	enum err e = ERR_OK;

	ask_rules(r, &d);
	if (d.rule == NULL)
		return ERR_OK;
	if (!sealed && (d.is_signed || d.either))
		e = is_well_signed(r, &is_signed, why);
	if (e != ERR_OK)
		return e;
	if (d.is_encrypted && !sealed)
		return refuse(r, &d, "encrypted", why);
	if (d.is_signed && !sealed && !is_signed)
		return refuse(r, &d, "signed", why);
	if (d.either && !sealed && !is_signed)
		return refuse(r, &d, "encrypted or signed", why);
	return ERR_OK;
}

static enum err
meet_rules(struct job *j, const struct mime_scan *scan, struct err_why *why)
{
	struct required r = {.j = j};
	enum err e;

	/* what came by the portal was sealed, by who has the link */
	if (policy_n_inbound(j->conf->policy) == 0 ||
	    strcmp(j->envelope.client, ENTRY_CLIENT_PORTAL) == 0)
		return ERR_OK;
	e = mime_tree_parse(
	    j->map.data, scan, j->envelope.smtputf8, j->arena, &r.tree, why);
	if (e == ERR_OK)
		e = open_shape_find(r.tree, j->arena, &r.shape);
	if (e == ERR_OK)
		e = find_from(&r);
	return e == ERR_OK ? check_required(&r, why) : e;
}

/* --- committed as it came --- */

static enum err
take(struct job *j, enum entry_why state, const char *reason,
    struct err_why *why)
{
	struct job_rcpt **all = arena_array(j->arena, j->n_rcpt, sizeof(*all));
	struct mime_scan scan;
	enum err e;

	if (all == NULL)
		return ERR_NOMEM;
	e = mime_scan(j->map.data, &scan, why);
	if (e == ERR_OK)
		e = job_check_hops(j, why);
	if (e == ERR_OK)
		e = meet_rules(j, &scan, why);
	if (e != ERR_OK)
		return e;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		all[i] = &j->rcpt[i];
	e = seal_pending(j, state, reason, all, j->n_rcpt);
	return e == ERR_OK ? record_received(j, true) : e;
}

enum err
receive(struct job *j, struct err_why *why)
{
	return take(j, ENTRY_WHY_RECEIVED, "", why);
}

enum err
receive_held(struct job *j, const char *reason, struct err_why *why)
{
	char id[TEXT_ID_SIZE];
	json_t *row;
	enum err e = take(j, ENTRY_WHY_HELD, reason, why);

	if (e != ERR_OK)
		return e;
	text_id(j->id, id);
	log_event(LOG_LVL_WARN, id, "held",
	    KV_STR("rcpt", j->rcpt[0].rcpt->addr),
	    KV_NUM("recipients", j->n_rcpt), KV_STR("reason", reason));
	row = record_start(j, "held");
	json_object_set_new(row, "why", json_string("unknown-object"));
	json_object_set_new(row, "reason", json_string(reason));
	return record_end(j, row);
}
