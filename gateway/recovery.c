/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading the recovery certificate.
 */
#include "gateway/recovery.h"

#include <fcntl.h>

#include "common/file.h"
#include "common/limits.h"
#include "crypto/cert.h"
#include "crypto/escrow_recovery.h"
#include "gateway/conf.h"

enum err
recovery_load(
    const struct conf *c, struct crypto_cert **out, struct err_why *why)
{
	const char *path = c->escrow.recovery;
	struct crypto_cert *cert = NULL;
	struct err_why inner = {""};
	struct buf in;
	enum err e;

	*out = NULL;
	if (path == NULL)
		return ERR_OK;
	buf_init(&in, LIMIT_KEYS_SIZE);
	e = file_read_path(AT_FDCWD, path, &in);
	if (e == ERR_OK)
		e = crypto_cert_parse(buf_span(&in), &cert, &inner);
	if (e == ERR_OK)
		e = crypto_recovery_check(cert, &inner);
	buf_clear(&in);
	if (e == ERR_OK) {
		*out = cert;
		return ERR_OK;
	}
	crypto_cert_unref(cert);
	return err_why(why, e, "recovery-certificate: %s: %s", path,
	    inner.text[0] != '\0' ? inner.text : err_text(e));
}
