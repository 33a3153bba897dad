/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The table of channels between the processes, as DESIGN draws it.
 */
#include "gateway/topology.h"

#include <stddef.h>

#include "gateway/conf.h"

static const struct {
	enum role_id a, b;
	bool own; /* each has its own; else every one with every one */
} links[] = {
    {ROLE_LISTENER, ROLE_WORKER, false},
    {ROLE_LISTENER, ROLE_STORE, false},
    {ROLE_LISTENER, ROLE_DISCOVERY, false},
    {ROLE_LISTENER, ROLE_KEYS, false},
    {ROLE_LISTENER, ROLE_ACCOUNTS, false},
    {ROLE_LISTENER, ROLE_RELAY, false},
    {ROLE_WORKER, ROLE_STORE, false},
    {ROLE_WORKER, ROLE_KEYS, false},
    {ROLE_WORKER, ROLE_PGP, true},
    {ROLE_WORKER, ROLE_ISSUER, false},
    {ROLE_WORKER, ROLE_EXTRACT, true},
    {ROLE_ISSUER, ROLE_KEYS, false},
    {ROLE_ISSUER, ROLE_STORE, false},
    {ROLE_OPENER, ROLE_STORE, false},
    {ROLE_OPENER, ROLE_KEYS, false},
    {ROLE_OPENER, ROLE_PGP, true},
    {ROLE_OPENER, ROLE_ADMISSION, false},
    {ROLE_KEYS, ROLE_PGP, false},
    {ROLE_KEYS, ROLE_RELAY, false},
    {ROLE_KEYS, ROLE_STORE, false},
    {ROLE_STORE, ROLE_RELAY, false},
    {ROLE_STORE, ROLE_PORTAL, false},
    {ROLE_STORE, ROLE_CONTROL, false},
    {ROLE_STORE, ROLE_DISCOVERY, false},
    {ROLE_STORE, ROLE_ADMISSION, false},
    {ROLE_DISCOVERY, ROLE_ADMISSION, false},
    {ROLE_DISCOVERY, ROLE_CONTROL, false},
};

unsigned
topology_count(const struct conf *c, enum role_id role)
{
	/* a portal in a DMZ is alone */
	if (c->portal_gateway.present)
		return role == ROLE_PORTAL ? 1 : 0;
	switch (role) {
	case ROLE_SUPERVISOR:
	case ROLE_COUNT:
		return 0;
	case ROLE_WORKER:
		return c->limits.workers;
	case ROLE_OPENER:
		return c->limits.openers;
	case ROLE_PGP:
		return c->limits.workers + c->limits.openers;
	case ROLE_EXTRACT:
		return c->extract.pdf != NULL || c->extract.office
			   ? c->limits.workers
			   : 0;
	case ROLE_PORTAL:
		return c->portal.present ? 1 : 0;
	case ROLE_ACCOUNTS:
		return conf_has_accounts(c) ? 1 : 0;
	case ROLE_KEYS:
	case ROLE_STORE:
	case ROLE_DISCOVERY:
	case ROLE_RELAY:
	case ROLE_CONTROL:
	case ROLE_LISTENER:
	case ROLE_ADMISSION:
	case ROLE_ISSUER:
		return 1;
	}
	return 0;
}

unsigned
topology_pgp_of(const struct conf *c, enum role_id role, unsigned index)
{
	return role == ROLE_OPENER ? c->limits.workers + index : index;
}

bool
topology_linked(const struct conf *c, enum role_id a, unsigned a_index,
    enum role_id b, unsigned b_index)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (links[i].a == a && links[i].b == b)
			return !links[i].own ||
			       topology_pgp_of(c, a, a_index) == b_index;
		if (links[i].a == b && links[i].b == a)
			return !links[i].own ||
			       topology_pgp_of(c, b, b_index) == a_index;
	}
	return false;
}

bool
topology_blocks(enum role_id role)
{
	return role == ROLE_WORKER || role == ROLE_OPENER || role == ROLE_PGP ||
	       role == ROLE_KEYS || role == ROLE_ACCOUNTS ||
	       role == ROLE_EXTRACT;
}

unsigned
topology_stop_step(enum role_id role)
{
	switch (role) {
	case ROLE_LISTENER:
		return 0; /* what is accepted needs all others */
	case ROLE_WORKER:
	case ROLE_OPENER:
	case ROLE_PORTAL:
		return 1;
	case ROLE_RELAY:
	case ROLE_DISCOVERY:
	case ROLE_PGP:
	case ROLE_CONTROL:
	case ROLE_ADMISSION:
	case ROLE_ISSUER:
	case ROLE_ACCOUNTS:
	case ROLE_EXTRACT:
		return 2;
	case ROLE_STORE:
		return 3; /* results of all others reach it */
	case ROLE_KEYS:
	case ROLE_SUPERVISOR:
	case ROLE_COUNT:
		break;
	}
	return TOPOLOGY_STOP_STEPS - 1;
}
