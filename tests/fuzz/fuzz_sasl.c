/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any line as the response to AUTH. What is taken are strings within their
 * limits.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/listener/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_fit(const char *s)
{
	if (strlen(s) > LIMIT_ACCOUNT_NAME)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1024 * 1024);
	struct listener_plain p;
	char *authzid;

	if (listener_sasl_plain(SPAN(data, size), a, &p) == ERR_OK) {
		must_fit(p.authzid);
		must_fit(p.user);
		must_fit(p.password);
		if (p.user[0] == '\0' || p.password[0] == '\0')
			abort();
	}
	if (listener_sasl_external(SPAN(data, size), a, &authzid) == ERR_OK)
		must_fit(authzid);
	arena_free(a);
	return 0;
}
