/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificate revocation lists: verified against their issuer, then boiled
 * down to a sorted table that any process can search without parsing anything.
 * Complete lists of one issuer only: delta, indirect and partial ones are
 * recognised and refused. RFC 5280 §5, §6.3.
 */
#include "crypto/revocation.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/pack.h"
#include "crypto/cert_private.h"

static const int64_t SKEW_S = 300;

/* --- where to ask --- */

static bool
is_web(const char *url)
{
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return false;
	for (const char *p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return false;
	return strlen(url) <= LIMIT_REVOCATION_URL;
}

/* URLs in a certificate may hold NUL or anything else. */
static void
add_url(
    const ASN1_STRING *text, struct arena *arena, const char **urls, size_t *n)
{
	struct span raw =
	    SPAN(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	char *url;

	if (*n == CRYPTO_URLS_MAX || span_find_chr(raw, 0, '\0') != raw.len)
		return;
	url = arena_span_str(arena, raw);
	if (url == NULL || !is_web(url))
		return;
	urls[(*n)++] = url;
}

static void
add_point(const DIST_POINT *point, struct arena *arena,
    struct crypto_revocation_urls *out)
{
	const DIST_POINT_NAME *name = point->distpoint;

	/* RFC 5280 §4.2.1.13: lists of another issuer, or for some reasons
	   only, are indirect and partial ones. */
	if (name == NULL || name->type != 0 || point->CRLissuer != NULL ||
	    point->reasons != NULL)
		return;
	for (int i = 0; i < sk_GENERAL_NAME_num(name->name.fullname); i++) {
		const GENERAL_NAME *g =
		    sk_GENERAL_NAME_value(name->name.fullname, i);

		if (g->type == GEN_URI)
			add_url(g->d.uniformResourceIdentifier, arena,
			    out->list, &out->n_lists);
	}
}

void
crypto_revocation_urls(const struct crypto_cert *cert, struct arena *arena,
    struct crypto_revocation_urls *out)
{
	CRL_DIST_POINTS *points = X509_get_ext_d2i(
	    cert->x509, NID_crl_distribution_points, NULL, NULL);
	AUTHORITY_INFO_ACCESS *aia =
	    X509_get_ext_d2i(cert->x509, NID_info_access, NULL, NULL);

	*out = (struct crypto_revocation_urls){.n_lists = 0};
	for (int i = 0; i < sk_DIST_POINT_num(points); i++)
		add_point(sk_DIST_POINT_value(points, i), arena, out);
	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(aia); i++) {
		const ACCESS_DESCRIPTION *d =
		    sk_ACCESS_DESCRIPTION_value(aia, i);

		if (OBJ_obj2nid(d->method) == NID_ad_OCSP &&
		    d->location->type == GEN_URI)
			add_url(d->location->d.uniformResourceIdentifier, arena,
			    out->ocsp, &out->n_ocsp);
	}
	CRL_DIST_POINTS_free(points);
	AUTHORITY_INFO_ACCESS_free(aia);
	ERR_clear_error();
}

/* --- reading a list --- */

static X509_CRL *
parse(struct span in)
{
	const unsigned char *p = in.data;
	X509_CRL *crl = NULL;
	BIO *bio;

	if (in.len > 1 && in.data[0] == 0x30 && in.data[1] >= 0x80) {
		crl = d2i_X509_CRL(NULL, &p, (long)in.len);
		if (crl != NULL && p != in.data + in.len) {
			X509_CRL_free(crl);
			crl = NULL;
		}
		return crl;
	}
	bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (bio != NULL)
		crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return crl;
}

bool
crypto_digest_is_weak(int signature_nid)
{
	int md = NID_undef, key = NID_undef;

	if (OBJ_find_sigid_algs(signature_nid, &md, &key) != 1)
		return true;
	switch (md) {
	case NID_undef: /* RSA-PSS and EdDSA say it elsewhere */
		return signature_nid != NID_rsassaPss &&
		       signature_nid != NID_ED25519 &&
		       signature_nid != NID_ED448;
	case NID_sha224:
	case NID_sha256:
	case NID_sha384:
	case NID_sha512:
	case NID_sha3_256:
	case NID_sha3_384:
	case NID_sha3_512:
		return false;
	}
	return true;
}

static enum err
check_signature(
    X509_CRL *crl, const struct crypto_cert *issuer, struct err_why *why)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer->x509);

	if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
		X509_get_subject_name(issuer->x509)) != 0)
		return err_why(
		    why, ERR_KEY_UNTRUSTED, "the list is of another issuer");
	/* §6.3.3 (f) */
	if ((X509_get_key_usage(issuer->x509) & KU_CRL_SIGN) == 0)
		return err_why(why, ERR_KEY_UNTRUSTED,
		    "its issuer's keyUsage does not allow cRLSign");
	if (crypto_digest_is_weak(X509_CRL_get_signature_nid(crl)))
		return err_why(why, ERR_CRYPTO,
		    "the list is signed with too weak a digest");
	if (key == NULL || X509_CRL_verify(crl, key) != 1)
		return err_why(
		    why, ERR_KEY_UNTRUSTED, "the list has a wrong signature");
	return ERR_OK;
}

static enum err
check_time(
    X509_CRL *crl, int64_t now, struct crypto_list *out, struct err_why *why)
{
	enum err e =
	    crypto_cert_time(X509_CRL_get0_lastUpdate(crl), &out->from, why);

	/* §5.1.2.5: nextUpdate has to be there */
	if (e == ERR_OK && X509_CRL_get0_nextUpdate(crl) == NULL)
		e = err_why(
		    why, ERR_MALFORMED, "the list has no time of the next one");
	if (e == ERR_OK)
		e = crypto_cert_time(
		    X509_CRL_get0_nextUpdate(crl), &out->until, why);
	if (e != ERR_OK)
		return e;
	if (out->from > now + SKEW_S)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the list is of the future");
	if (out->until <= now)
		return err_why(why, ERR_KEY_EXPIRED, "the list is out of date");
	return ERR_OK;
}

static bool
names_url(const DIST_POINT_NAME *name, const char *url)
{
	if (name->type != 0)
		return false;
	for (int i = 0; i < sk_GENERAL_NAME_num(name->name.fullname); i++) {
		const GENERAL_NAME *g =
		    sk_GENERAL_NAME_value(name->name.fullname, i);
		const ASN1_STRING *s = g->d.ia5;

		if (g->type == GEN_URI && *url != '\0' &&
		    span_eq(SPAN(ASN1_STRING_get0_data(s),
				(size_t)ASN1_STRING_length(s)),
			span_str(url)))
			return true;
	}
	return false;
}

/* §5.2.5 */
static enum err
check_point(const ISSUING_DIST_POINT *idp, const char *url,
    struct crypto_list *out, struct err_why *why)
{
	if (idp->indirectCRL > 0 || idp->onlysomereasons != NULL ||
	    idp->onlyattr > 0)
		return err_why(why, ERR_UNSUPPORTED,
		    "the list is indirect, or for some reasons or attributes "
		    "only");
	if (idp->onlyuser > 0 && idp->onlyCA > 0)
		return err_why(
		    why, ERR_MALFORMED, "the list is for no certificates");
	if (idp->onlyuser > 0)
		out->scope = CRYPTO_LIST_USERS;
	if (idp->onlyCA > 0)
		out->scope = CRYPTO_LIST_CAS;
	/* A part of an issuer's lists must not pass for another part. */
	if (idp->distpoint != NULL && !names_url(idp->distpoint, url))
		return err_why(why, ERR_NOT_FOUND,
		    "the list says that it is for another place");
	return ERR_OK;
}

static enum err
check_extensions(X509_CRL *crl, const char *url, struct crypto_list *out,
    struct err_why *why)
{
	ISSUING_DIST_POINT *idp;
	int crit = -1;
	enum err e = ERR_OK;

	out->scope = CRYPTO_LIST_USERS | CRYPTO_LIST_CAS;
	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return err_why(why, ERR_UNSUPPORTED,
		    "the list tells only differences to another (delta CRL)");
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *ext = X509_CRL_get_ext(crl, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));

		if (X509_EXTENSION_get_critical(ext) > 0 &&
		    nid != NID_issuing_distribution_point &&
		    nid != NID_authority_key_identifier &&
		    nid != NID_crl_number)
			return err_why(why, ERR_UNSUPPORTED,
			    "the list has a critical extension that is not "
			    "known");
	}
	idp = X509_CRL_get_ext_d2i(
	    crl, NID_issuing_distribution_point, &crit, NULL);
	if (idp == NULL && crit != -1)
		return err_why(why, ERR_MALFORMED,
		    "the list's distribution point is malformed");
	if (idp != NULL)
		e = check_point(idp, url, out, why);
	ISSUING_DIST_POINT_free(idp);
	return e;
}

static void
digest_serial(struct span serial, uint8_t out[DIGEST_SIZE])
{
	digest_sha256(&serial, 1, out);
}

static enum err
put_entry(X509_REVOKED *rev, struct buf *out, struct err_why *why)
{
	const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(rev);
	ASN1_ENUMERATED *reason;
	uint8_t digest[DIGEST_SIZE];
	struct packer p;
	int64_t at = 0;
	int crit = -1;
	long number = 0;
	enum err e =
	    crypto_cert_time(X509_REVOKED_get0_revocationDate(rev), &at, why);

	if (e != ERR_OK)
		return e;
	for (int i = 0; i < X509_REVOKED_get_ext_count(rev); i++) {
		X509_EXTENSION *ext = X509_REVOKED_get_ext(rev, i);

		/* certificateIssuer (indirect lists) among them */
		if (X509_EXTENSION_get_critical(ext) > 0)
			return err_why(why, ERR_UNSUPPORTED,
			    "an entry has a critical extension that is not "
			    "known");
	}
	reason = X509_REVOKED_get_ext_d2i(rev, NID_crl_reason, &crit, NULL);
	if (reason != NULL)
		number = ASN1_ENUMERATED_get(reason);
	ASN1_ENUMERATED_free(reason);
	digest_serial(SPAN(ASN1_STRING_get0_data(serial),
			  (size_t)ASN1_STRING_length(serial)),
	    digest);
	pack_begin(&p, out);
	pack_raw(&p, digest, CRYPTO_LIST_DIGEST);
	pack_u64(&p, (uint64_t)at);
	pack_u8(&p, number >= 0 && number <= 10 ? (uint8_t)number : 0);
	return pack_end(&p);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, CRYPTO_LIST_DIGEST);
}

static enum err
take_entries(X509_CRL *crl, struct crypto_list *out, struct err_why *why)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(crl);
	int n = sk_X509_REVOKED_num(all);
	enum err e = ERR_OK;

	if (n > (int)LIMIT_CRL_ENTRIES)
		return err_why(
		    why, ERR_LIMIT, "more than %u entries", LIMIT_CRL_ENTRIES);
	for (int i = 0; i < n && e == ERR_OK; i++)
		e = put_entry(
		    sk_X509_REVOKED_value(all, i), &out->entries, why);
	if (e == ERR_OK && n > 0)
		qsort(out->entries.data, (size_t)n, CRYPTO_LIST_ENTRY, compare);
	return e;
}

enum err
crypto_list_take(X509_CRL *crl, const char *url, int64_t now,
    struct crypto_list *out, struct err_why *why)
{
	struct crypto_list list = {.scope = 0};
	enum err e;

	buf_init(&list.entries, (size_t)LIMIT_CRL_ENTRIES * CRYPTO_LIST_ENTRY);
	e = check_time(crl, now, &list, why);
	if (e == ERR_OK)
		e = check_extensions(crl, url, &list, why);
	if (e == ERR_OK)
		e = take_entries(crl, &list, why);
	if (e == ERR_OK)
		*out = list;
	else
		buf_clear(&list.entries);
	return e;
}

enum err
crypto_list_read(struct span in, const struct crypto_cert *issuer,
    const char *url, int64_t now, struct crypto_list *out, struct err_why *why)
{
	X509_CRL *crl;
	enum err e;

	if (in.len > LIMIT_CRL_SIZE)
		return err_why(why, ERR_TOO_BIG,
		    "a revocation list of more than %u octets", LIMIT_CRL_SIZE);
	crl = parse(in);
	if (crl == NULL)
		e = err_why(why, ERR_MALFORMED, "not a revocation list");
	else
		e = check_signature(crl, issuer, why);
	if (e == ERR_OK)
		e = crypto_list_take(crl, url, now, out, why);
	X509_CRL_free(crl);
	ERR_clear_error();
	return e;
}

enum err
crypto_list_issuer(struct span in, struct buf *out, struct err_why *why)
{
	unsigned char *der = NULL;
	X509_CRL *crl = NULL;
	enum err e = ERR_OK;
	int len = -1;

	if (in.len > LIMIT_CRL_SIZE)
		return err_why(why, ERR_TOO_BIG,
		    "a revocation list of more than %u octets", LIMIT_CRL_SIZE);
	crl = parse(in);
	if (crl != NULL)
		len = i2d_X509_NAME(X509_CRL_get_issuer(crl), &der);
	if (len < 0)
		e = err_why(why, ERR_MALFORMED, "not a revocation list");
	else
		e = buf_put(out, SPAN(der, (size_t)len));
	OPENSSL_free(der);
	X509_CRL_free(crl);
	ERR_clear_error();
	return e;
}

void
crypto_list_clear(struct crypto_list *l)
{
	buf_clear(&l->entries);
}

void
crypto_list_find(
    struct span entries, struct span serial, struct crypto_status *out)
{
	uint8_t digest[DIGEST_SIZE];
	const uint8_t *found;
	struct unpacker u;

	digest_serial(serial, digest);
	found = entries.len == 0 ? NULL
				 : bsearch(digest, entries.data,
				       entries.len / CRYPTO_LIST_ENTRY,
				       CRYPTO_LIST_ENTRY, compare);
	if (found == NULL) {
		out->state = CRYPTO_REVOKED_NO;
		return;
	}
	out->state = CRYPTO_REVOKED_YES;
	unpack_begin(&u, SPAN(found + CRYPTO_LIST_DIGEST,
			     CRYPTO_LIST_ENTRY - CRYPTO_LIST_DIGEST));
	out->at = (int64_t)unpack_u64(&u);
	out->reason = unpack_u8(&u);
}
