/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From configuration to trust rules.
 */
#include "gateway/trust.h"

#include "gateway/conf.h"
#include "keystore/lookup.h"

void
trust_rules(const struct conf *c, struct ks_rules *out)
{
	const struct conf_trust *t = &c->trust;
	struct ks_rules r = ks_rules_default;

	r.seal_from = (enum ks_trust)t->seal_from;
	r.agree = t->agree;
	r.level[KS_SOURCE_WKD] = (enum ks_trust)t->wkd;
	r.level[KS_SOURCE_DANE] = (enum ks_trust)t->dane;
	r.level[KS_SOURCE_VKS] = (enum ks_trust)t->vks;
	r.level[KS_SOURCE_HKP] = (enum ks_trust)t->hkp;
	r.level[KS_SOURCE_LDAP] = (enum ks_trust)t->ldap;
	r.level[KS_SOURCE_HARVEST] = (enum ks_trust)t->harvest;
	*out = r;
}

void
trust_use(const struct conf *c, struct ks_store *s)
{
	struct ks_rules rules;

	if (s == NULL)
		return;
	trust_rules(c, &rules);
	ks_use_rules(s, &rules);
}
