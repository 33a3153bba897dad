/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From decisions to variants: who shares one, and what happens when sealing
 * fails. A hidden recipient (not in To or Cc) gets a variant of its own, so
 * that nobody learns of it from a key ID (RFC 9787 9.3); who shares one is
 * signed for alike and opens the same form.
 */
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/decide_tls.h"
#include "gateway/variant.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"

static bool
is_chosen(const struct job_rcpt *r, enum rung rung)
{
	return r->d.err == ERR_OK && r->d.outcome.result == POLICY_CHOSEN &&
	       r->d.outcome.rung == rung;
}

static bool
waits_to_be_made(const struct job_rcpt *r)
{
	return !r->done && r->d.err == ERR_OK &&
	       r->d.outcome.result == POLICY_CHOSEN &&
	       policy_rung_sends(r->d.outcome.rung);
}

static bool
is_ours(const struct job *j, const struct job_rcpt *r)
{
	return conf_domain_is_ours(
	    j->conf, ks_addr_domain(span_str(r->rcpt->key)));
}

static bool
same_labels(const struct policy_decision *a, const struct policy_decision *b)
{
	if (a->n_labels != b->n_labels)
		return false;
	for (size_t i = 0; i < a->n_labels; i++)
		if (strcmp(a->label[i], b->label[i]) != 0)
			return false;
	return true;
}

/* What makes two variants look different beside the rung. */
static bool
same_form(const struct decision *a, const struct decision *b)
{
	const struct policy_form *fa = &a->rules.form, *fb = &b->rules.form;

	return a->sign.key == b->sign.key && fa->hp == fb->hp &&
	       fa->cipher == fb->cipher && fa->padding == fb->padding &&
	       fa->signature == fb->signature &&
	       fa->signed_as == fb->signed_as &&
	       fa->no_autocrypt == fb->no_autocrypt &&
	       a->rules.extra.anonymise == b->rules.extra.anonymise &&
	       a->rules.extra.tls == b->rules.extra.tls &&
	       same_labels(&a->rules, &b->rules);
}

static const char *
domain_of(const struct job_rcpt *r)
{
	const char *at = strrchr(r->rcpt->key, '@');

	return at == NULL ? "" : at + 1;
}

/* May b be in the variant that a starts? */
static bool
may_share(
    const struct job *j, const struct job_rcpt *a, const struct job_rcpt *b)
{
	enum rung rung = a->d.outcome.rung;

	if (!is_chosen(b, rung) || a->alone || b->alone ||
	    rung == RUNG_ESCROW || is_ours(j, a) != is_ours(j, b) ||
	    decide_passes(&a->d) != decide_passes(&b->d) ||
	    !same_form(&a->d, &b->d))
		return false;
	if (!message_shows(&j->msg, a->rcpt->key) ||
	    !message_shows(&j->msg, b->rcpt->key))
		return false;
	/* TLS is had from a domain, and spent at one; what comes when it is not
	   to be had is said once for all */
	if (decide_is_tls(rung) && (strcmp(domain_of(a), domain_of(b)) != 0 ||
				       decide_tls_after(&j->facts, &a->d) !=
					   decide_tls_after(&j->facts, &b->d)))
		return false;
	return rung != RUNG_SMIME || decide_passes(&a->d) ||
	       variant_may_share(j->w->certs, &a->d.smime, &b->d.smime);
}

static uint32_t
collect(struct job *j, struct job_rcpt *first, struct job_rcpt **out)
{
	uint32_t n = 0;

	out[n++] = first;
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		struct job_rcpt *r = &j->rcpt[i];

		if (r != first && waits_to_be_made(r) && may_share(j, first, r))
			out[n++] = r;
	}
	return n;
}

/* With `together` a failure of one changes what all get. */
static enum err
start_over(struct job *j)
{
	job_undo(j);
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		j->rcpt[i].done = false;
	return job_decide_anew(j);
}

static bool
is_together(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.err == ERR_OK && j->rcpt[i].d.rules.together)
			return true;
	return false;
}

static void
say_failed(const struct job *j, const struct job_rcpt *r, enum err e)
{
	char id[TEXT_ID_SIZE];

	text_id(j->id, id);
	log_event(LOG_LVL_ERR, id, "seal-failed", KV_STR("rcpt", r->rcpt->addr),
	    KV_STR("rung", policy_rung_name(r->d.outcome.rung)), KV_ERR(e));
}

static enum err
without_signature(
    struct job *j, struct job_rcpt *r, enum err e, const struct err_why *why)
{
	char id[TEXT_ID_SIZE];
	const char *reason =
	    arena_printf(j->arena, "the key cannot sign it: %s",
		why->text[0] != 0 ? why->text : err_text(e));

	if (reason == NULL)
		return ERR_NOMEM;
	text_id(j->id, id);
	log_event(LOG_LVL_WARN, id, "cannot-sign",
	    KV_STR("from", j->envelope.from), KV_STR("rcpt", r->rcpt->addr),
	    KV_STR("why", reason), KV_ERR(e));
	decide_unsigned(&j->facts, &r->d, reason);
	return ERR_OK;
}

/* A variant could not be made: first each of its recipients alone, so that one
   bad key costs the others nothing; then down the ladder. */
static enum err
after_failure(struct job *j, struct job_rcpt **group, uint32_t n, enum err e,
    const struct err_why *why)
{
	enum err err;

	if (n > 1) {
		for (uint32_t i = 0; i < n; i++)
			group[i]->alone = true;
		return ERR_OK;
	}
	if (decide_is_unsigned_by(&group[0]->d, e)) {
		err = without_signature(j, group[0], e, why);
		if (err != ERR_OK)
			return err;
	} else {
		say_failed(j, group[0], e);
		decide_again(&j->facts, &group[0]->d, e);
	}
	return is_together(j) ? start_over(j) : ERR_OK;
}

static struct job_rcpt *
next_to_make(struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (waits_to_be_made(&j->rcpt[i]))
			return &j->rcpt[i];
	return NULL;
}

static enum err
make_all_sent(struct job *j, struct job_rcpt **group)
{
	struct job_rcpt *first;
	struct err_why why;
	uint32_t n;
	enum err e;

	while ((first = next_to_make(j)) != NULL) {
		n = collect(j, first, group);
		why.text[0] = 0;
		e = first->d.outcome.rung == RUNG_ESCROW
			? pickup_make(j, first)
			: seal_variant(
			      j, first->d.outcome.rung, group, n, &why);
		if (e == ERR_OK) {
			for (uint32_t i = 0; i < n; i++)
				group[i]->done = true;
			continue;
		}
		if (variant_is_rung_failure(e))
			e = after_failure(j, group, n, e, &why);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static bool
is_wanted(const struct job *j, size_t archive)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (decide_is_copied(&j->rcpt[i].d, archive))
			return true;
	return false;
}

/* A copy for an archive. What cannot be delivered of it is held: its sender
   knows of no such copy. */
static enum err
make_copy(struct job *j, size_t i, bool *again)
{
	size_t n;
	const struct policy_archive *a = policy_archives(j->conf->policy, &n);
	const struct entry_rcpt rcpt = {.addr = a[i].addr,
	    .key = a[i].key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD};
	struct job_rcpt copy = {.rcpt = &rcpt, .alone = true};
	struct job_rcpt *group[] = {&copy};
	struct err_why why;
	enum err e = ERR_CRYPTO;

	while (decide_copy_holds(&j->copies, i)) {
		copy.d = j->copies.d[i];
		why.text[0] = 0;
		e = seal_variant(j, copy.d.outcome.rung, group, 1, &why);
		j->copies.d[i].names = copy.d.names;
		if (e == ERR_OK || !variant_is_rung_failure(e))
			return e;
		say_failed(j, &copy, e);
		decide_copy_again(&j->copies, i, e);
	}
	*again = true;
	return start_over(j);
}

static void
say_copy_lacks(const struct job *j)
{
	char id[TEXT_ID_SIZE];

	text_id(j->id, id);
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.archive_why != NULL)
			log_event(LOG_LVL_ERR, id, "archive",
			    KV_STR("rcpt", j->rcpt[i].rcpt->addr),
			    KV_STR("rule", j->rcpt[i].d.archive_rule),
			    KV_STR("why", j->rcpt[i].d.archive_why));
}

/* Everything that is sent, and a copy of it where rules want one; again when a
   copy cannot be made, without what it would have been of. */
static enum err
make_sent_and_copies(struct job *j, struct job_rcpt **group)
{
	bool again = true;
	size_t n;
	enum err e = ERR_OK;

	(void)policy_archives(j->conf->policy, &n);
	while (e == ERR_OK && again) {
		again = false;
		e = make_all_sent(j, group);
		for (size_t i = 0; e == ERR_OK && !again && i < n; i++)
			if (is_wanted(j, i))
				e = make_copy(j, i, &again);
	}
	say_copy_lacks(j);
	return e;
}

static enum err
make_held(struct job *j, struct job_rcpt **group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is_chosen(&j->rcpt[i], RUNG_HOLD))
			group[n++] = &j->rcpt[i];
	if (n == 0)
		return ERR_OK;
	return seal_pending(
	    j, ENTRY_WHY_HELD, decide_reason(&group[0]->d, j->arena), group, n);
}

static bool
is_deferred(const struct job_rcpt *r)
{
	return r->d.err == ERR_OK && r->d.outcome.result == POLICY_DEFER;
}

/* Undecided recipients wait as pending, those of one floor together. When
   nobody at all could be decided the client (or store) tries again. */
static enum err
make_undecided(struct job *j, struct job_rcpt **group)
{
	uint32_t n_all = 0, n;
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		n_all += is_deferred(&j->rcpt[i]) ? 1 : 0;
	if (n_all == 0 || n_all == j->n_rcpt)
		return ERR_OK;
	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		struct job_rcpt *first = &j->rcpt[i];

		if (!is_deferred(first) || first->done)
			continue;
		n = 0;
		for (uint32_t k = i; k < j->n_rcpt; k++) {
			struct job_rcpt *r = &j->rcpt[k];

			if (!is_deferred(r) || r->done ||
			    r->d.outcome.strength != first->d.outcome.strength)
				continue;
			r->done = true;
			group[n++] = r;
		}
		e = seal_pending(j, ENTRY_WHY_UNDECIDED,
		    decide_reason(&first->d, j->arena), group, n);
	}
	return e;
}

enum err
job_make_variants(struct job *j)
{
	struct job_rcpt **group =
	    arena_array(j->arena, j->n_rcpt, sizeof(*group));
	enum err e;

	if (group == NULL)
		return ERR_NOMEM;
	e = make_sent_and_copies(j, group);
	if (e == ERR_OK)
		e = make_held(j, group);
	if (e == ERR_OK)
		e = make_undecided(j, group);
	return e;
}
