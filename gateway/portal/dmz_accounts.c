/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts of recipients, on their way to a portal in a DMZ: all of them after
 * each hello, as much at a time as the connection takes, and what store says
 * meanwhile and later at once. What is told twice is there once.
 */
#include "common/clock.h"
#include "common/pack.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

enum { BATCH = 256 }; /* accounts in one frame */

struct batch {
	struct portal_inside *in;
	bool first, last;
	struct pickup_account account[BATCH];
	uint32_t n;
};

static void
tell(struct portal_inside *in, uint16_t type, struct span payload)
{
	portal_wire_send(in->wire,
	    &(struct proto_frame){
		.type = FRAME_TELL, .number = type, .octets = payload});
}

static void
send_batch(struct batch *b)
{
	const struct proto_accounts m = {.first = b->first,
	    .last = b->last,
	    .account = b->account,
	    .n = b->n};
	struct buf octets;

	buf_init(&octets, LIMIT_DMZ_PIECE);
	if (proto_accounts_pack(&m, &octets) != ERR_OK)
		fatal("portal: out of memory");
	tell(b->in, PROTO_ACCOUNTS, buf_span(&octets));
	buf_clear(&octets);
	b->first = false;
	b->n = 0;
	/* what was offered before waits behind it */
	b->in->moved_ms = clock_steady_ms();
}

static void
add(void *arg, const struct pickup_account *a)
{
	struct batch *b = arg;

	b->account[b->n++] = *a;
	if (b->n == BATCH)
		send_batch(b);
}

void
portal_accounts_go_on(struct portal_inside *in)
{
	struct batch b = {.in = in, .first = in->accounts_at == 0};

	if (!in->up || in->accounts_told ||
	    !portal_accounts_are_whole(in->opt.accounts))
		return;
	/* a part is sent whole: it changes between two turns of the loop */
	while (in->accounts_at < PORTAL_ACCOUNT_PARTS &&
	       portal_wire_has_room(in->wire))
		portal_accounts_part(
		    in->opt.accounts, in->accounts_at++, add, &b);
	b.last = in->accounts_told = in->accounts_at == PORTAL_ACCOUNT_PARTS;
	if (b.n > 0 || b.last)
		send_batch(&b);
}

void
portal_accounts_anew(struct portal_inside *in)
{
	in->accounts_at = 0;
	in->accounts_told = false;
	portal_accounts_go_on(in);
}

/* New ones, beside those that it has or gets. */
static void
tell_more(struct portal_inside *in, const struct proto_accounts *m)
{
	struct batch b = {.in = in};

	for (uint32_t i = 0; i < m->n; i++)
		add(&b, &m->account[i]);
	if (b.n > 0)
		send_batch(&b);
}

void
portal_inside_accounts(struct portal_inside *in, const struct proto_accounts *m)
{
	bool all = m->first || !in->accounts_whole;

	in->accounts_whole = portal_accounts_are_whole(in->opt.accounts);
	if (all)
		portal_accounts_anew(in);
	else if (in->up && in->accounts_at > 0)
		tell_more(in, m);
}

void
portal_inside_account(
    struct portal_inside *in, uint16_t type, struct span payload)
{
	/* the page asks again for what is lost, and who is not there gets all
	   anew */
	if (in->up)
		tell(in, type, payload);
}
