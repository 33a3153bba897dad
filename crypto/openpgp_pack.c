/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pack and unpack struct crypto_pgp_list. The reader takes no number from the
 * other side without looking at it.
 */
#include "crypto/openpgp_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/pack.h"
#include "common/text.h"
#include "crypto/openpgp.h"

enum {
	UID_SIZE_MIN = 4 + 4 + 1, /* octets of an empty user ID */
	CERT_SIZE_MIN = 65,	  /* and of an empty certificate */
};

static void
pack_cert(struct packer *p, const struct crypto_pgp_cert *cert)
{
	pack_u32(p, cert->version);
	pack_span(p, SPAN(cert->fpr, cert->fpr_len));
	pack_u64(p, (uint64_t)cert->created);
	pack_u64(p, (uint64_t)cert->expires);
	pack_bool(p, cert->revoked);
	pack_str(p, cert->alg);
	pack_u32(p, cert->bits);
	pack_str(p, cert->seal_alg);
	pack_u32(p, cert->seal_bits);
	pack_u64(p, (uint64_t)cert->seal_until);
	pack_u32(p, cert->seal_err);
	pack_str(p, cert->seal_why.text);
	pack_span(p, buf_span(&cert->minimal));
	pack_u32(p, (uint32_t)cert->n_uids);
	for (size_t i = 0; i < cert->n_uids; i++) {
		pack_str(p, cert->uids[i].text);
		pack_str(p, cert->uids[i].addr);
		pack_bool(p, cert->uids[i].revoked);
	}
}

void
crypto_pgp_list_pack(struct packer *p, const struct crypto_pgp_list *list)
{
	pack_u32(p, (uint32_t)list->n);
	for (size_t i = 0; i < list->n; i++)
		pack_cert(p, &list->certs[i]);
}

/* A string of the heap without NUL inside; NULL on error. */
static char *
take_str(struct unpacker *u)
{
	struct span s = unpack_span(u);
	char *text;

	if (span_find_chr(s, 0, '\0') != s.len) {
		u->err = ERR_IPC;
		return NULL;
	}
	text = malloc(s.len + 1);
	if (text == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return text;
}

/* A string that fits into out[size] with its NUL. */
static void
take_text(struct unpacker *u, char *out, size_t size)
{
	struct span s = unpack_span(u);

	if (s.len >= size || span_find_chr(s, 0, '\0') != s.len)
		u->err = ERR_IPC;
	else
		snprintf(out, size, "%.*s", (int)s.len, (const char *)s.data);
}

static enum err
unpack_uid(struct unpacker *u, struct crypto_pgp_uid *uid)
{
	uid->text = take_str(u);
	uid->addr = take_str(u);
	uid->revoked = unpack_bool(u);
	if (u->err != ERR_OK)
		return u->err;
	if (uid->text == NULL || uid->addr == NULL)
		return ERR_NOMEM;
	if (uid->addr[0] == '\0') {
		free(uid->addr);
		uid->addr = NULL;
	}
	return ERR_OK;
}

static enum err
unpack_uids(struct unpacker *u, struct crypto_pgp_cert *cert)
{
	uint32_t n = unpack_count(u, UID_SIZE_MIN);
	enum err e = u->err;

	if (e != ERR_OK || n == 0)
		return e;
	cert->uids = calloc(n, sizeof(*cert->uids));
	if (cert->uids == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n && e == ERR_OK; i++)
		e = unpack_uid(u, &cert->uids[cert->n_uids++]);
	return e;
}

static enum err
unpack_cert(struct unpacker *u, struct crypto_pgp_cert *cert)
{
	struct span fpr, minimal;
	uint32_t seal_err;
	enum err e;

	buf_init(&cert->minimal, LIMIT_KEY_SIZE);
	cert->version = unpack_u32(u);
	fpr = unpack_span(u);
	cert->created = (int64_t)unpack_u64(u);
	cert->expires = (int64_t)unpack_u64(u);
	cert->revoked = unpack_bool(u);
	take_text(u, cert->alg, sizeof(cert->alg));
	cert->bits = unpack_u32(u);
	take_text(u, cert->seal_alg, sizeof(cert->seal_alg));
	cert->seal_bits = unpack_u32(u);
	cert->seal_until = (int64_t)unpack_u64(u);
	seal_err = unpack_u32(u);
	take_text(u, cert->seal_why.text, sizeof(cert->seal_why.text));
	minimal = unpack_span(u);
	if (u->err != ERR_OK)
		return u->err;
	if (fpr.len > sizeof(cert->fpr) || seal_err >= ERR_COUNT)
		return ERR_IPC;
	cert->seal_err = (enum err)seal_err;
	cert->fpr_len = fpr.len;
	if (fpr.len > 0)
		memcpy(cert->fpr, fpr.data, fpr.len);
	text_hex(fpr, cert->fpr_hex);
	e = buf_put(&cert->minimal, minimal);
	return e == ERR_OK ? unpack_uids(u, cert) : e;
}

enum err
crypto_pgp_list_unpack(struct unpacker *u, struct crypto_pgp_list *out)
{
	struct crypto_pgp_list list = {0};
	uint32_t n = unpack_count(u, CERT_SIZE_MIN);
	enum err e = u->err;

	if (e == ERR_OK && n > LIMIT_KEYS)
		e = ERR_IPC;
	if (e == ERR_OK && n > 0) {
		list.certs = calloc(n, sizeof(*list.certs));
		if (list.certs == NULL)
			e = ERR_NOMEM;
	}
	for (uint32_t i = 0; i < n && e == ERR_OK; i++)
		e = unpack_cert(u, &list.certs[list.n++]);
	if (e == ERR_OK) {
		*out = list;
		return ERR_OK;
	}
	crypto_pgp_list_clear(&list);
	return e == ERR_NOMEM ? e : ERR_IPC;
}
