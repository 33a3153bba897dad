/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets opened and unpacked. In front of the message stands, with its
 * length in two octets, the certificate that it is sealed to; the key of the
 * content is always zeros, so that all that is behind the private key is
 * reached without one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cms_open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX = 1 << 16 };

static unsigned asked;
static bool begun;

static enum err
zeros(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	if (ctx != NULL || fpr.len != CRYPTO_CERT_FPR_SIZE || what->in.len == 0)
		abort();
	if (++asked > LIMIT_DECRYPT_TRIES)
		abort();
	*out = secret_new(what->op == CRYPTO_DECRYPT_ECDH ? 32 : what->len);
	return *out == NULL ? ERR_NOMEM : ERR_OK;
}

/* What came out is not larger than was allowed. */
static void
check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || st.st_size > MAX + LIMIT_MESSAGE_PADDING)
		abort();
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t cert_len = len < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	struct crypto_cms_opened opened;
	struct crypto_cms_key key = {.addr = "a"};
	struct crypto_cms_opener o = {.keys = &key,
	    .n_keys = 1,
	    .decrypt = zeros,
	    .legacy = true,
	    .max = MAX};
	struct crypto_cert *cert = NULL;
	struct span in;
	int fd = -1;

	if (len < 2 || cert_len > len - 2)
		return 0;
	if (!begun)
		secret_init();
	begun = true;
	if (crypto_cert_parse(SPAN(data + 2, cert_len), &cert, NULL) != ERR_OK)
		return 0;
	key.cert = cert;
	in = SPAN(data + 2 + cert_len, len - 2 - cert_len);
	asked = 0;
	if (crypto_cms_open(in, &o, &fd, &opened, NULL) == ERR_OK)
		check_file(fd);
	if (crypto_cms_inflate(in, MAX, &fd, NULL) == ERR_OK)
		check_file(fd);
	crypto_cert_unref(cert);
	return 0;
}
