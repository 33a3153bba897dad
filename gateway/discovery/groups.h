/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Groups of addresses in a directory: fetched whole, again and again, and
 * handed to store as text. What does not come stays as it was there, and is
 * not believed for ever.
 */
#ifndef GATEWAY_DISCOVERY_GROUPS_H
#define GATEWAY_DISCOVERY_GROUPS_H

#include "common/buf.h"
#include "common/err.h"

struct discovery_env;
struct discovery_groups;
struct ipc;
struct net_ldap_result;

/* Caller frees. */
struct discovery_groups *discovery_groups_new(struct discovery_env *env);
void discovery_groups_free(struct discovery_groups *g);
/* The configuration has changed: begin with that. */
void discovery_groups_reset(struct discovery_groups *g);
/* Whom they are handed to; NULL: nobody at the moment. */
void discovery_groups_store(struct discovery_groups *g, struct ipc *store);

/* Append the values, an address a line: "smtp:" in front of one is left out,
   and so is what another word and a colon stand before (proxyAddresses).
   ERR_MALFORMED for a value that could be no single address, ERR_NOT_FOUND if
   none is left, ERR_TOO_BIG. */
enum err discovery_group_text(const struct net_ldap_result *r, struct buf *out,
    struct err_why *why) MUST_CHECK;

#endif
