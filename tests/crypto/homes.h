/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Homes of GnuPG for the tests: the gateway's, and that of those who open.
 */
#ifndef TESTS_CRYPTO_HOMES_H
#define TESTS_CRYPTO_HOMES_H

struct crypto_pgp;

enum { HOMES_TIMEOUT = 60000 }; /* ms; sanitizers and a busy machine are slow */

struct homes {
	char dir[64];
	char gateway[80];
	char people[80];
	struct crypto_pgp *pgp; /* bound to gateway; may be replaced */
};

void homes_make(struct homes *h);
void homes_remove(struct homes *h);

#endif
