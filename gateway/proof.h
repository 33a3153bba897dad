/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a configuration proves, and what its own tests say: for `sealgated -n`
 * and `sealgate check`.
 */
#ifndef GATEWAY_PROOF_H
#define GATEWAY_PROOF_H

#include <stdio.h>

#include "common/err.h"

struct conf;
struct conf_findings;
struct json_t;

/* Print every way by which mail can leave readable, or by a key that travels
   with it: an empty table is a proof that there is none. */
void proof_print(const struct conf *c, FILE *out);
/* The same as a list of objects. The caller owns it; NULL without memory. */
struct json_t *proof_json(const struct conf *c);

/* Run the `test` sections; an error is added to f for each that does not come
   out as expected. n gets how many there are. Opens and closes charsets. */
void proof_run_tests(const struct conf *c, struct conf_findings *f, size_t *n);

#endif
