/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the configuration to a next hop and what is demanded of it.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/relay/route.h"

static uint8_t
floor_of(enum conf_tls tls)
{
	switch (tls) {
	case CONF_TLS_OPPORTUNISTIC:
		return ENTRY_TLS_OPPORTUNISTIC;
	case CONF_TLS_ENCRYPT:
		return ENTRY_TLS_ENCRYPT;
	case CONF_TLS_VERIFY:
	case CONF_TLS_STS:
	case CONF_TLS_DANE:
		break;
	}
	return ENTRY_TLS_AUTHENTICATED;
}

static void
join_names(const struct conf_relay *c, char out[RELAY_NAMES_MAX])
{
	size_t at = 0;

	/* config_check_mail.c has seen that they fit */
	for (size_t i = 0; i < c->n_tls_names && at < RELAY_NAMES_MAX; i++)
		at += (size_t)snprintf(out + at, RELAY_NAMES_MAX - at, "%s%s",
		    i == 0 ? "" : " ", c->tls_names[i]);
}

void
relay_target_fill(const struct conf_relay *c, const char *domain, uint8_t tls,
    bool goes_on, struct relay_target *out)
{
	bool mx = c->kind == CONF_VIA_MX;

	memset(out, 0, sizeof(*out));
	out->mx = mx;
	out->lmtp = c->kind == CONF_VIA_LMTP;
	out->port = c->port;
	out->dane = c->tls == CONF_TLS_DANE || tls == ENTRY_TLS_DANE;
	out->sts = c->tls == CONF_TLS_STS || tls == ENTRY_TLS_STS;
	out->tls = floor_of(c->tls) > tls ? floor_of(c->tls) : tls;
	if (out->tls > ENTRY_TLS_AUTHENTICATED)
		out->tls = ENTRY_TLS_AUTHENTICATED;
	/* DESIGN: through a fixed next hop what was asked of the way must be
	   promised of the rest of it */
	out->require = goes_on && !mx && !out->lmtp && !c->delivers &&
		       tls > ENTRY_TLS_OPPORTUNISTIC;
	join_names(c, out->names);
	snprintf(
	    out->user, sizeof(out->user), "%s", c->user == NULL ? "" : c->user);
	snprintf(out->host, sizeof(out->host), "%s", mx ? domain : c->host);
}
