/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a recipient has to know beside the link: what the rules ask for at
 * least, what the sender has chosen where that is as good, and else a
 * passphrase that is made here and told to the sender.
 */
#include <string.h>

#include "common/secret.h"
#include "gateway/worker/worker_private.h"
#include "mime/spelling.h"

/* The passphrase of the sender's, if these rules take it from where it
   stands. */
static const struct secret *
own_passphrase(const struct job *j, const struct policy_pickup *rules)
{
	const struct message_factor *f = &j->msg.factor;

	if (f->passphrase == NULL || f->tag == NULL)
		return f->passphrase;
	return rules->passphrase_tag != NULL &&
		       strcmp(rules->passphrase_tag, f->tag) == 0
		   ? f->passphrase
		   : NULL;
}

/* A passphrase in a tag that these rules do not know is not used, but its
   sender must not think that nothing is needed. */
static enum object_factor
choose(const struct job *j, const struct policy_pickup *rules)
{
	const struct message_factor *f = &j->msg.factor;
	bool own = own_passphrase(j, rules) != NULL;
	bool passed_over = f->passphrase != NULL && !own;

	if (policy_pickup_is_attached(rules))
		return OBJECT_FACTOR_GENERATED;
	switch (rules->factor) {
	case POLICY_FACTOR_NONE:
	case POLICY_FACTOR_CODE:
		if (own)
			return OBJECT_FACTOR_PASSPHRASE;
		if (f->answer != NULL)
			return OBJECT_FACTOR_ANSWER;
		return passed_over ? OBJECT_FACTOR_GENERATED
				   : OBJECT_FACTOR_NONE;
	case POLICY_FACTOR_ANSWER:
		if (own)
			return OBJECT_FACTOR_PASSPHRASE;
		return f->answer != NULL ? OBJECT_FACTOR_ANSWER
					 : OBJECT_FACTOR_GENERATED;
	case POLICY_FACTOR_PASSPHRASE:
		return own ? OBJECT_FACTOR_PASSPHRASE : OBJECT_FACTOR_GENERATED;
	case POLICY_FACTOR_ACCOUNT:
		return OBJECT_FACTOR_ACCOUNT;
	case POLICY_FACTOR_GENERATED:
	case POLICY_FACTORS:
		break;
	}
	return OBJECT_FACTOR_GENERATED;
}

/* What is sent again needs no less than before: what its sender chose then is
   not known any more. */
static enum object_factor
choose_for(const struct job *j, const struct policy_pickup *rules)
{
	enum object_factor f = choose(j, rules);

	return f == OBJECT_FACTOR_NONE && !rules->account && j->replaces != 0 &&
		       strcmp(j->envelope.reason, ENTRY_RESENT_FACTOR) == 0
		   ? OBJECT_FACTOR_GENERATED
		   : f;
}

static enum err
generate(struct pickup *p)
{
	struct secret *random = secret_random(MIME_SPELLING_CODE);
	struct buf spelled;
	enum err e = ERR_NOMEM;

	buf_init(&spelled, MIME_SPELLING_CODE);
	p->code = secret_new(MIME_SPELLING_CODE_TEXT);
	if (random != NULL && p->code != NULL) {
		mime_spelling_make(random->data, (char *)p->code->data);
		e = mime_spell_code(secret_span(p->code), &spelled);
	}
	if (e == ERR_OK)
		p->spelled = secret_from(buf_span(&spelled));
	if (spelled.data != NULL)
		secret_wipe(spelled.data, spelled.cap);
	buf_clear(&spelled);
	secret_free(random);
	return e == ERR_OK && p->spelled == NULL ? ERR_NOMEM : e;
}

/* Who has no account yet may set one up once the message is open: the code says
   that it is the mailbox's reader. */
static enum object_door
door_of(const struct policy_pickup *rules)
{
	if (rules->factor == POLICY_FACTOR_ACCOUNT ||
	    policy_pickup_is_attached(rules))
		return OBJECT_DOOR_OPEN;
	if (rules->account)
		return OBJECT_DOOR_ACCOUNT;
	return rules->factor == POLICY_FACTOR_CODE ? OBJECT_DOOR_CODE
						   : OBJECT_DOOR_OPEN;
}

enum err
pickup_choose(struct job *j, const struct job_rcpt *rcpt, struct pickup *out)
{
	const struct policy_pickup *rules = &rcpt->d.rules.pickup;
	const struct secret *chosen = NULL;
	struct pickup p = {
	    .factor = choose_for(j, rules),
	    .door = door_of(rules),
	};
	enum err e = ERR_OK;

	switch (p.factor) {
	case OBJECT_FACTOR_NONE:
	case OBJECT_FACTORS:
		break;
	case OBJECT_FACTOR_PASSPHRASE:
		chosen = own_passphrase(j, rules);
		break;
	case OBJECT_FACTOR_GENERATED:
		e = generate(&p);
		break;
	case OBJECT_FACTOR_ACCOUNT:
		p.account = &rcpt->d.account.key;
		break;
	case OBJECT_FACTOR_ANSWER:
		chosen = j->msg.factor.answer;
		p.question = j->msg.factor.question;
		break;
	}
	if (e == ERR_OK && chosen != NULL) {
		p.spelled = secret_from(secret_span(chosen));
		e = p.spelled == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (e == ERR_OK)
		*out = p;
	else
		pickup_clear(&p);
	return e;
}

void
pickup_clear(struct pickup *p)
{
	memfd_unmap(&p->object);
	secret_free(p->spelled);
	secret_free(p->code);
	secret_free(p->link);
	secret_free(p->shared);
	*p = (struct pickup){.link = NULL};
}
