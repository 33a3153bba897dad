/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * crypt(3) works in memory of its own, which holds the password while it does:
 * it is wiped.
 */
#include "gateway/password_hash.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

enum err
password_hash_check(const char *hash)
{
	return strlen(hash) < PASSWORD_HASH_SIZE &&
		       crypt_checksalt(hash) == CRYPT_SALT_OK &&
		       strrchr(hash, '$') != NULL
		   ? ERR_OK
		   : ERR_UNSUPPORTED;
}

/* NULL where there is no memory or no such method. */
static const char *
run(struct crypt_data *data, const char *password, const char *setting)
{
	return crypt_rn(password, setting, data, (int)sizeof(*data));
}

bool
password_matches(const char *hash, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *got;
	bool same = false;

	if (data == NULL)
		return false;
	got = run(data, password, hash);
	if (got != NULL)
		same = secret_eq_span(span_str(got), span_str(hash));
	secret_wipe(data, sizeof(*data));
	free(data);
	return same;
}

enum err
password_hash(const char *password, char out[PASSWORD_HASH_SIZE])
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *got = NULL;

	if (data == NULL)
		return ERR_NOMEM;
	if (crypt_gensalt_rn(NULL, 0, NULL, 0, setting, (int)sizeof(setting)) !=
	    NULL)
		got = run(data, password, setting);
	if (got != NULL)
		snprintf(out, PASSWORD_HASH_SIZE, "%s", got);
	secret_wipe(data, sizeof(*data));
	free(data);
	return got == NULL ? ERR_CRYPTO : ERR_OK;
}
