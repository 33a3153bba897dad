/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a message to open, as signatures and as what was inside of a
 * message: what is handed to gpg is never more than what came, and what comes
 * out never more than was allowed.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memfd.h"
#include "crypto/openpgp_inside.h"
#include "crypto/openpgp_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX = 64 * 1024 };

static size_t
size_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		abort();
	return (size_t)st.st_size;
}

static void
prepare(struct span in)
{
	uint8_t id[1][CRYPTO_PGP_KEY_ID] = {"12345678"};
	const struct crypto_pgp_ids ids = {.id = id, .n = 1, .n_keys = 1};
	struct err_why why;
	int fd = -1;

	if (memfd_new(&fd) != ERR_OK)
		abort();
	if (crypto_pgp_message_prepare(in, &ids, fd, &why) == ERR_OK &&
	    size_of(fd) > in.len)
		abort();
	close(fd);
}

static void
inside(struct span in)
{
	struct crypto_pgp_inside out;
	int fd = -1;

	buf_init(&out.signatures, MAX);
	if (memfd_new(&fd) != ERR_OK)
		abort();
	if (crypto_pgp_inside_write(in, MAX, fd, &out) == ERR_OK &&
	    size_of(fd) > MAX)
		abort();
	buf_clear(&out.signatures);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf packets;
	size_t n;

	prepare(SPAN(data, len));
	inside(SPAN(data, len));
	buf_init(&packets, MAX);
	if (crypto_pgp_signatures(SPAN(data, len), &packets, &n, NULL) ==
		ERR_OK &&
	    n == 0)
		abort();
	buf_clear(&packets);
	return 0;
}
