/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The accounts of readers, as store tells them: in memory alone, found by their
 * id. And those that are being set: the page asks until store has answered.
 */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"
#include "gateway/proto.h"

enum {
	BUCKETS = PORTAL_ACCOUNT_PARTS,
	SETTING_MAX = 256, /* that are being set */
	AGAIN_MS = 5000,   /* until store is told once more */
};

struct known {
	struct known *next;
	uint32_t round; /* in which store named it last */
	uint8_t id[PICKUP_ACCOUNT_ID];
	struct pickup_account account;
};

/* Zero: a free place. */
struct setting {
	uint8_t id[PICKUP_ACCOUNT_ID];
	uint8_t object[OBJECT_ID_SIZE];
	uint64_t told_ms; /* steady clock */
	bool answered;
	enum err result;
};

struct portal_accounts {
	struct known *bucket[BUCKETS];
	bool whole; /* all have been named once */
	/* store names all of them, anew or for the first time; what it does not
	   name goes when it is done */
	bool listing;
	uint32_t round;
	struct setting setting[SETTING_MAX];
};

struct portal_accounts *
portal_accounts_new(void)
{
	return calloc(1, sizeof(struct portal_accounts));
}

/* All but those of this round. */
static void
forget_others(struct portal_accounts *a, uint32_t round)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct known **at = &a->bucket[i], *k;
		     (k = *at) != NULL;) {
			if (k->round == round) {
				at = &k->next;
				continue;
			}
			*at = k->next;
			free(k);
		}
}

void
portal_accounts_free(struct portal_accounts *a)
{
	if (a != NULL)
		forget_others(a, a->round + 1);
	free(a);
}

/* Ids are digests: they spread by themselves. */
static struct known **
place(const struct portal_accounts *a, const uint8_t *id)
{
	struct known **k = (struct known **)(uintptr_t)&a
			       ->bucket[((size_t)id[0] << 8 | id[1]) % BUCKETS];

	while (*k != NULL && memcmp((*k)->id, id, PICKUP_ACCOUNT_ID) != 0)
		k = &(*k)->next;
	return k;
}

void
portal_accounts_take(struct portal_accounts *a, const struct proto_accounts *m)
{
	if (m->first) {
		a->listing = true;
		a->round++;
	}
	for (uint32_t i = 0; i < m->n; i++) {
		uint8_t id[PICKUP_ACCOUNT_ID];
		struct known **k;

		pickup_account_id(&m->account[i], id);
		k = place(a, id);
		if (*k == NULL)
			*k = calloc(1, sizeof(**k));
		if (*k == NULL)
			fatal("portal: out of memory");
		memcpy((*k)->id, id, sizeof(id));
		(*k)->account = m->account[i];
		(*k)->round = a->round;
	}
	if (!m->last)
		return;
	forget_others(a, a->round);
	a->listing = false;
	a->whole = true;
}

void
portal_accounts_drop(struct portal_accounts *a, const uint8_t *id)
{
	struct known **k = place(a, id), *gone = *k;

	if (gone == NULL)
		return;
	*k = gone->next;
	free(gone);
}

enum err
portal_accounts_find(const struct portal_accounts *a, const uint8_t *id,
    struct pickup_account *out)
{
	struct known *const *k = place(a, id);

	if (!a->whole)
		return ERR_BUSY;
	if (*k == NULL)
		return ERR_NOT_FOUND;
	*out = (*k)->account;
	return ERR_OK;
}

bool
portal_accounts_are_whole(const struct portal_accounts *a)
{
	return a->whole && !a->listing;
}

void
portal_accounts_part(const struct portal_accounts *a, size_t part,
    portal_account_fn *fn, void *arg)
{
	for (const struct known *k = a->bucket[part]; k != NULL; k = k->next)
		fn(arg, &k->account);
}

/* --- being set */

static struct setting *
find_setting(struct portal_accounts *a, const uint8_t *id)
{
	for (size_t i = 0; i < SETTING_MAX; i++)
		if (a->setting[i].told_ms != 0 &&
		    memcmp(a->setting[i].id, id, PICKUP_ACCOUNT_ID) == 0)
			return &a->setting[i];
	return NULL;
}

/* A free place, or that of the one that was told first: who asks for that again
   begins anew. */
static struct setting *
new_setting(struct portal_accounts *a, const uint8_t *id, const uint8_t *object)
{
	struct setting *s = &a->setting[0];

	for (size_t i = 1; i < SETTING_MAX; i++)
		if (a->setting[i].told_ms < s->told_ms)
			s = &a->setting[i];
	*s = (struct setting){.told_ms = 0};
	memcpy(s->id, id, sizeof(s->id));
	memcpy(s->object, object, sizeof(s->object));
	return s;
}

enum err
portal_accounts_set(struct portal_accounts *a, const uint8_t *id,
    const uint8_t *object, uint64_t now_ms, bool *tell)
{
	struct setting *s = find_setting(a, id);
	struct pickup_account known;
	enum err e;

	*tell = false;
	if (portal_accounts_find(a, id, &known) == ERR_OK)
		return ERR_OK;
	if (s != NULL && memcmp(s->object, object, OBJECT_ID_SIZE) != 0)
		return ERR_PERMISSION;
	if (s != NULL && s->answered) {
		e = s->result;
		*s = (struct setting){.told_ms = 0};
		/* there, and store has not named it yet */
		return e == ERR_OK ? ERR_AGAIN : e;
	}
	if (s == NULL)
		s = new_setting(a, id, object);
	*tell = s->told_ms == 0 || now_ms - s->told_ms >= AGAIN_MS;
	if (*tell)
		s->told_ms = now_ms;
	return ERR_AGAIN;
}

void
portal_accounts_said(
    struct portal_accounts *a, const uint8_t *id, enum err result)
{
	struct setting *s = find_setting(a, id);

	if (s == NULL)
		return;
	s->answered = true;
	s->result = result;
}
