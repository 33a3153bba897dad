/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * HKP over HTTPS (draft-gallagher-openpgp-hkp): keys that anybody may have
 * given to the server, under any name.
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
	snprintf(path, sizeof(path),
	    "/pks/lookup?op=get&options=mr&exact=on&search=%s", esc);
	return discovery_keyserver_ask(
	    env, &env->conf->discovery.hkp, path, done, arg);
}

const struct discovery_source discovery_hkp = {
    KS_SOURCE_HKP, start, discovery_keyserver_cancel};
