/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The section trust of the configuration as the rules of keystore/change.h.
 */
#ifndef GATEWAY_TRUST_H
#define GATEWAY_TRUST_H

struct conf;
struct ks_rules;
struct ks_store;

void trust_rules(const struct conf *c, struct ks_rules *out);
/* Let look-ups in the store go by them. NULL is nothing. */
void trust_use(const struct conf *c, struct ks_store *s);

#endif
