/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A question to the directory of the configuration: one server after the other
 * until one answers. What is asked, and what the values are, is the caller's.
 */
#ifndef GATEWAY_DISCOVERY_DIRECTORY_H
#define GATEWAY_DISCOVERY_DIRECTORY_H

#include "net/ldap.h"

struct discovery_directory;
struct discovery_env;

/* url: the server that answered, or was asked last; plain: nobody vouches for
   it. Called from the loop, once, with everything borrowed for the call; the
   question is gone when it returns. */
typedef void discovery_directory_done(
    void *arg, const struct net_ldap_result *r, const char *url, bool plain);

/* ask: base, filter, attrs, max, all, member and timeout_ms are what is asked,
   and must stay; the rest is filled in here. NULL: it could not be begun. */
struct discovery_directory *discovery_directory_ask(struct discovery_env *env,
    const struct net_ldap_request *ask, discovery_directory_done *done,
    void *arg);
/* done will not be called. NULL is fine. */
void discovery_directory_cancel(struct discovery_directory *q);

#endif
