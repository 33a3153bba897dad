/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The code at the door: six digits by mail that are worth something only to
 * the browser that asked for them, because that alone has the ticket. Tickets
 * are in memory: after a restart the reader asks for another code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/portal_private.h"

enum { TICKET = 32, DIGITS = 6, HOUR_MS = 3600 * 1000 };

struct ticket {
	uint8_t object[OBJECT_ID_SIZE];
	uint8_t hash[DIGEST_SIZE]; /* of the ticket */
	char code[DIGITS + 1];	   /* "" once it was right, or is over */
	unsigned tries;
	bool open;
	uint64_t made_ms; /* steady clock; 0: the place is free */
	uint64_t until_ms;
};

struct portal_door {
	struct ticket ticket[LIMIT_PORTAL_TICKETS];
};

struct portal_door *
portal_door_new(void)
{
	return calloc(1, sizeof(struct portal_door));
}

void
portal_door_free(struct portal_door *d)
{
	if (d != NULL)
		secret_wipe(d, sizeof(*d));
	free(d);
}

/* The one that was made first makes room; how many this object has had in the
   last hour. */
static struct ticket *
find_place(
    struct portal_door *d, const uint8_t *object, uint64_t now_ms, unsigned *n)
{
	struct ticket *oldest = &d->ticket[0];

	*n = 0;
	for (size_t i = 0; i < LIMIT_PORTAL_TICKETS; i++) {
		struct ticket *t = &d->ticket[i];

		if (t->made_ms != 0 && now_ms - t->made_ms < HOUR_MS &&
		    memcmp(t->object, object, OBJECT_ID_SIZE) == 0)
			++*n;
		if (t->made_ms < oldest->made_ms)
			oldest = t;
	}
	return oldest;
}

bool
portal_door_ask(struct portal_door *d, const uint8_t *object, uint64_t now_ms,
    char *ticket_out, char *code_out)
{
	uint8_t raw[TICKET];
	struct span octets = SPAN(raw, sizeof(raw));
	unsigned n;
	struct ticket *t = find_place(d, object, now_ms, &n);
	uint64_t number;

	if (n >= LIMIT_DOOR_CODES)
		return false;
	/* each number is as likely as any other */
	do
		number = random_u64();
	while (number >= UINT64_MAX - UINT64_MAX % 1000000);
	*t = (struct ticket){
	    .made_ms = now_ms, .until_ms = now_ms + LIMIT_DOOR_CODE_MS};
	memcpy(t->object, object, OBJECT_ID_SIZE);
	snprintf(
	    t->code, sizeof(t->code), "%06u", (unsigned)(number % 1000000));
	random_octets(raw, sizeof(raw));
	digest_sha256(&octets, 1, t->hash);
	text_base64url(octets, ticket_out);
	memcpy(code_out, t->code, sizeof(t->code));
	secret_wipe(raw, sizeof(raw));
	return true;
}

static struct ticket *
find_ticket(struct portal_door *d, const uint8_t *object, struct span text,
    uint64_t now_ms)
{
	uint8_t raw[TICKET], hash[DIGEST_SIZE];
	struct span octets = SPAN(raw, sizeof(raw));

	if (text_unbase64url(text, raw, sizeof(raw)) != ERR_OK)
		return NULL;
	digest_sha256(&octets, 1, hash);
	for (size_t i = 0; i < LIMIT_PORTAL_TICKETS; i++) {
		struct ticket *t = &d->ticket[i];

		if (t->made_ms != 0 && now_ms < t->until_ms &&
		    memcmp(t->object, object, OBJECT_ID_SIZE) == 0 &&
		    secret_eq_span(SPAN(hash, sizeof(hash)),
			SPAN(t->hash, sizeof(t->hash))))
			return t;
	}
	return NULL;
}

bool
portal_door_admits(struct portal_door *d, const uint8_t *object,
    struct span ticket, struct span code, uint64_t now_ms)
{
	struct ticket *t = find_ticket(d, object, ticket, now_ms);

	if (t == NULL)
		return false;
	if (t->open || code.len == 0)
		return t->open;
	if (t->code[0] == '\0')
		return false;
	if (code.len == DIGITS &&
	    secret_eq_span(code, SPAN(t->code, (size_t)DIGITS))) {
		t->open = true;
		t->until_ms = now_ms + LIMIT_DOOR_OPEN_MS;
	} else if (++t->tries < LIMIT_DOOR_TRIES) {
		return false;
	}
	secret_wipe(t->code, sizeof(t->code));
	return t->open;
}
