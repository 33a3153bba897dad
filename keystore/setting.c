/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Settings as rows. docs/format-keystore.md.
 */
#include "keystore/setting.h"

#include "common/pack.h"
#include "crypto/cms_form.h"
#include "keystore/store_private.h"

enum { SETTING_VERSION = 2, SETTING_MAX = 64 };

static bool
is_sound(const struct ks_setting *t)
{
	return (unsigned)t->seal_from < KS_TRUST_COUNT &&
	       (t->opens & ~(uint32_t)CRYPTO_CAPS_ALL) == 0;
}

enum err
ks_setting_put(
    struct ks_store *s, struct span name, const struct ks_setting *setting)
{
	struct buf octets;
	struct packer p;
	enum err e;

	if (!is_sound(setting) || name.len == 0 || name.len > KS_ADDR_MAX)
		return ERR_MALFORMED;
	if (setting->seal_from == KS_DISTRUSTED && !setting->by_hand &&
	    setting->opens == 0) {
		e = s->ops->row_del(s, KS_ROW_SETTING, name);
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	buf_init(&octets, SETTING_MAX);
	pack_begin(&p, &octets);
	pack_u8(&p, SETTING_VERSION);
	pack_u8(&p, (uint8_t)setting->seal_from);
	pack_bool(&p, setting->by_hand);
	pack_u32(&p, setting->opens);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_SETTING, name, buf_span(&octets));
	buf_clear(&octets);
	return e;
}

static enum err
decode(void *ctx, struct span key, struct span octets)
{
	struct ks_setting t = {0}, *out = ctx;
	struct unpacker u;
	uint8_t version;

	(void)key;
	unpack_begin(&u, octets);
	version = unpack_u8(&u);
	t.seal_from = (enum ks_trust)unpack_u8(&u);
	t.by_hand = unpack_bool(&u);
	/* version 1 ended here */
	if (version != 1)
		t.opens = unpack_u32(&u);
	if (unpack_end(&u) != ERR_OK || version == 0 ||
	    version > SETTING_VERSION || !is_sound(&t))
		return ERR_DB_BROKEN;
	*out = t;
	return ERR_OK;
}

enum err
ks_setting_get(struct ks_store *s, struct span name, struct ks_setting *out)
{
	return s->ops->row_get(s, KS_ROW_SETTING, name, decode, out);
}

/* "@domain" of an address stands at its last "@". */
enum err
ks_setting_for(struct ks_store *s, struct span name, struct ks_setting *out)
{
	struct span domain = ks_addr_domain(name);
	struct ks_setting own = {0}, wide = {0};
	enum err e = ks_setting_get(s, name, &own);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	if (domain.len > 0 && domain.len + 1 < name.len) {
		e = ks_setting_get(
		    s, SPAN(domain.data - 1, domain.len + 1), &wide);
		if (e != ERR_OK && e != ERR_NOT_FOUND)
			return e;
	}
	*out = (struct ks_setting){
	    .seal_from =
		own.seal_from != KS_DISTRUSTED ? own.seal_from : wide.seal_from,
	    .by_hand = own.by_hand || wide.by_hand,
	    .opens = own.opens != 0 ? own.opens : wide.opens,
	};
	return ERR_OK;
}

struct walk {
	ks_setting_visit *visit;
	void *ctx;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_setting t;
	enum err e = decode(&t, key, octets);

	return e != ERR_OK ? e : w->visit(w->ctx, key, &t);
}

enum err
ks_setting_each(struct ks_store *s, ks_setting_visit *visit, void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx};

	return s->ops->row_each(
	    s, KS_ROW_SETTING, SPAN(NULL, 0), SPAN(NULL, 0), show, &w);
}
