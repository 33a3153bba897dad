/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From octets of a web server to what the keystore keeps of them.
 */
#include "gateway/admission/revocation.h"

#include <string.h>

#include "common/log.h"
#include "crypto/cert.h"
#include "crypto/revocation.h"
#include "gateway/proto_revocation.h"

/* RFC 5280 section 6.3.3 (f): a CA that has changed its key signs lists with
   the new one for what it issued with the old. One of its two certificates
   has to vouch for the other. */
static enum err
read_by_other(const struct proto_revocation *m,
    const struct crypto_cert *issuer, const char *url, int64_t now,
    struct crypto_list *list)
{
	struct err_why why = {""};
	enum err e = ERR_KEY_UNTRUSTED;

	for (uint32_t i = 0; i < m->n_others && e == ERR_KEY_UNTRUSTED; i++) {
		struct crypto_cert *other = NULL;

		if (crypto_cert_parse(m->other[i], &other, &why) == ERR_OK &&
		    crypto_cert_info(other)->is_ca &&
		    (crypto_cert_is_signed_by(other, issuer) ||
			crypto_cert_is_signed_by(issuer, other)))
			e = crypto_list_read(
			    m->octets, other, url, now, list, &why);
		crypto_cert_unref(other);
	}
	return e;
}

static enum err
read_list(const struct proto_revocation *m, const struct crypto_cert *issuer,
    int64_t now, struct crypto_list *list, struct ks_said *said,
    struct err_why *why)
{
	char url[LIMIT_REVOCATION_URL + 1];
	enum err e;

	memcpy(url, m->want.url.data, m->want.url.len);
	url[m->want.url.len] = '\0';
	e = crypto_list_read(m->octets, issuer, url, now, list, why);
	if (e == ERR_KEY_UNTRUSTED &&
	    read_by_other(m, issuer, url, now, list) == ERR_OK) {
		e = ERR_OK;
		why->text[0] = '\0';
	}
	if (e != ERR_OK)
		return e;
	*said = (struct ks_said){.from = list->from,
	    .until = list->until,
	    .scope = (uint8_t)list->scope,
	    .entries = buf_span(&list->entries)};
	return ERR_OK;
}

static enum err
read_answer(const struct proto_revocation *m, const struct crypto_cert *issuer,
    int64_t now, struct ks_said *said, struct err_why *why)
{
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
	int64_t from = 0;
	enum err e = crypto_ocsp_read(
	    m->octets, issuer, m->want.serial, m->nonce, now, &s, &from, why);

	if (e != ERR_OK)
		return e;
	*said = (struct ks_said){.from = from,
	    .until = s.until,
	    .state = (uint8_t)s.state,
	    .reason = s.reason,
	    .at = s.at};
	return ERR_OK;
}

enum err
revocation_read(struct span in, int64_t now, struct buf *out)
{
	struct proto_revocation_said said = {.good = false};
	struct crypto_list list = {.scope = 0};
	struct crypto_cert *issuer = NULL;
	struct proto_revocation m;
	struct err_why why = {""};
	enum err e = proto_revocation_unpack(in, &m);

	if (e != ERR_OK)
		return e;
	ks_want_id(
	    m.want.kind, m.want.issuer, m.want.url, m.want.serial, said.id);
	e = crypto_cert_parse(m.want.issuer, &issuer, &why);
	if (e == ERR_OK)
		e = m.want.kind == KS_WANT_LIST
			? read_list(&m, issuer, now, &list, &said.said, &why)
			: read_answer(&m, issuer, now, &said.said, &why);
	said.good = e == ERR_OK;
	said.why = why.text;
	log_event(said.good ? LOG_LVL_INFO : LOG_LVL_NOTICE, NULL,
	    "revocation-read", KV_SPAN("url", m.want.url), KV_ERR(e),
	    KV_STR("why", why.text),
	    KV_NUM("entries", list.entries.len / CRYPTO_LIST_ENTRY));
	e = proto_revocation_said_pack(&said, out);
	if (said.good && m.want.kind == KS_WANT_LIST)
		crypto_list_clear(&list);
	crypto_cert_unref(issuer);
	return e;
}
