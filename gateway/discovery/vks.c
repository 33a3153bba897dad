/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Verifying key servers: keys by an address that its owner confirmed
 * (https://keys.openpgp.org/about/api).
 */
#include <stdio.h>

#include "common/text.h"
#include "gateway/discovery/source.h"

static void *
start(struct discovery_env *env, const struct discovery_addr *addr,
    discovery_done *done, void *arg)
{
	char path[DISCOVERY_URL_MAX], esc[3 * KS_ADDR_MAX + 1];

	if (text_url_escape(span_str(addr->key), esc, sizeof(esc)) != ERR_OK)
		return NULL;
	snprintf(path, sizeof(path), "/vks/v1/by-email/%s", esc);
	return discovery_keyserver_ask(
	    env, &env->conf->discovery.vks, path, done, arg);
}

const struct discovery_source discovery_vks = {
    KS_SOURCE_VKS, start, discovery_keyserver_cancel};
