/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Asking a responder about one certificate, and what may be believed of its
 * answer. RFC 6960, nonce RFC 8954.
 */
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "crypto/cert_private.h"
#include "crypto/revocation.h"

static const int64_t SKEW_S = 300;
/* What an answer without nextUpdate is worth (RFC 6960 §4.2.2.1 leaves it to
   the one who asks). */
static const int64_t NO_NEXT_S = 24 * 3600;

/* OpenSSL's own function fills the nonce in at a place of its choice. As the
   only extension it is the last thing in the request. */
static bool
add_nonce(OCSP_REQUEST *req)
{
	unsigned char zero[CRYPTO_NONCE_SIZE] = {0};

	return OCSP_request_add1_nonce(req, zero, sizeof(zero)) == 1;
}

static OCSP_CERTID *
make_id(const struct crypto_cert *issuer, struct span serial)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	OCSP_CERTID *id = NULL;

	/* SHA-1 here is a name, not a protection; many responders know no
	   other (RFC 5019 §2.1.1). */
	if (number != NULL &&
	    ASN1_STRING_set(number, serial.data, (int)serial.len) == 1)
		id = OCSP_cert_id_new(EVP_sha1(),
		    X509_get_subject_name(issuer->x509),
		    X509_get0_pubkey_bitstr(issuer->x509), number);
	ASN1_INTEGER_free(number);
	return id;
}

enum err
crypto_ocsp_request(
    const struct crypto_cert *issuer, struct span serial, struct buf *out)
{
	OCSP_REQUEST *req = OCSP_REQUEST_new();
	OCSP_CERTID *id = NULL;
	unsigned char *der = NULL;
	enum err e = ERR_NOMEM;
	int len;

	if (serial.len == 0 || serial.len > LIMIT_SERIAL) {
		e = ERR_LIMIT;
		goto out;
	}
	id = make_id(issuer, serial);
	if (req == NULL || id == NULL)
		goto out;
	if (OCSP_request_add0_id(req, id) == NULL)
		goto out;
	id = NULL;
	if (!add_nonce(req))
		goto out;
	len = i2d_OCSP_REQUEST(req, &der);
	if (len < CRYPTO_NONCE_SIZE)
		goto out;
	e = buf_put(out, SPAN(der, (size_t)len));
out:
	OPENSSL_free(der);
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(req);
	ERR_clear_error();
	return e;
}

struct answer {
	OCSP_REQUEST *req;
	OCSP_RESPONSE *resp;
	OCSP_BASICRESP *basic;
};

/* The request as it was sent. */
static enum err
rebuild(struct answer *a, const struct crypto_cert *issuer, struct span serial,
    struct span nonce, struct err_why *why)
{
	const unsigned char *p;
	struct buf der;
	enum err e;

	buf_init(&der, LIMIT_OCSP_SIZE);
	e = nonce.len == CRYPTO_NONCE_SIZE
		? crypto_ocsp_request(issuer, serial, &der)
		: ERR_LIMIT;
	if (e == ERR_OK) {
		memcpy(der.data + der.len - CRYPTO_NONCE_SIZE, nonce.data,
		    CRYPTO_NONCE_SIZE);
		p = der.data;
		a->req = d2i_OCSP_REQUEST(NULL, &p, (long)der.len);
	}
	buf_clear(&der);
	if (a->req == NULL)
		return err_why(why, e == ERR_OK ? ERR_NOMEM : e,
		    "no request can be made for it");
	return ERR_OK;
}

static enum err
parse(struct answer *a, struct span in, struct err_why *why)
{
	const unsigned char *p = in.data;
	int status;

	a->resp = d2i_OCSP_RESPONSE(NULL, &p, (long)in.len);
	if (a->resp == NULL || p != in.data + in.len)
		return err_why(why, ERR_MALFORMED, "not an OCSP answer");
	status = OCSP_response_status(a->resp);
	if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return err_why(why, ERR_AGAIN, "the responder says: %s",
		    OCSP_response_status_str(status));
	a->basic = OCSP_response_get1_basic(a->resp);
	if (a->basic == NULL)
		return err_why(
		    why, ERR_MALFORMED, "an OCSP answer of an unknown type");
	return ERR_OK;
}

/* The issuer is the only anchor: the answer is its own, or that of a responder
   it has issued a certificate for this purpose (RFC 6960 §4.2.2.2). */
static enum err
check_signature(struct answer *a, const struct crypto_cert *issuer, int64_t now,
    struct err_why *why)
{
	X509_STORE *store = X509_STORE_new();
	const X509_ALGOR *alg = OCSP_resp_get0_tbs_sigalg(a->basic);
	STACK_OF(X509) *none = sk_X509_new_null();
	X509_VERIFY_PARAM *param;
	enum err e = ERR_NOMEM;

	if (store == NULL || none == NULL ||
	    X509_STORE_add_cert(store, issuer->x509) != 1 ||
	    sk_X509_push(none, issuer->x509) <= 0)
		goto out;
	param = X509_STORE_get0_param(store);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_auth_level(param, 2);
	X509_VERIFY_PARAM_set_depth(param, 1);
	if (crypto_digest_is_weak(OBJ_obj2nid(alg->algorithm)))
		e = err_why(why, ERR_CRYPTO,
		    "the answer is signed with too weak a digest");
	else if (OCSP_basic_verify(a->basic, none, store, 0) != 1)
		e = err_why(why, ERR_KEY_UNTRUSTED,
		    "the answer is not signed by the issuer or for it");
	else
		e = ERR_OK;
out:
	sk_X509_free(none);
	X509_STORE_free(store);
	return e;
}

static enum err
check_nonce(struct answer *a, struct err_why *why)
{
	/* -1: only in the request; 1: equal; 2 and 3: not in it */
	int rc = OCSP_check_nonce(a->req, a->basic);

	return rc != 0 ? ERR_OK
		       : err_why(why, ERR_BAD_SEAL,
			     "the answer is to another request");
}

static enum err
take_times(const ASN1_GENERALIZEDTIME *this, const ASN1_GENERALIZEDTIME *next,
    int64_t now, struct crypto_status *out, int64_t *from, struct err_why *why)
{
	int64_t start, until;
	enum err e = crypto_cert_time(this, &start, why);

	until = start + NO_NEXT_S;
	if (e == ERR_OK && next != NULL)
		e = crypto_cert_time(next, &until, why);
	if (e != ERR_OK)
		return e;
	if (start > now + SKEW_S)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the answer is of the future");
	if (until <= now || until < start)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the answer is out of date");
	*from = start;
	out->until = until;
	return ERR_OK;
}

static enum err
take_status(struct answer *a, int64_t now, struct crypto_status *out,
    int64_t *from, struct err_why *why)
{
	OCSP_CERTID *id =
	    OCSP_onereq_get0_id(OCSP_request_onereq_get0(a->req, 0));
	ASN1_GENERALIZEDTIME *revoked = NULL, *this = NULL, *next = NULL;
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
	int status = -1, reason = -1;
	enum err e;

	if (OCSP_resp_find_status(
		a->basic, id, &status, &reason, &revoked, &this, &next) != 1)
		return err_why(why, ERR_NOT_FOUND,
		    "the answer is about other certificates");
	e = take_times(this, next, now, &s, from, why);
	if (e == ERR_OK && status == V_OCSP_CERTSTATUS_REVOKED &&
	    revoked != NULL)
		e = crypto_cert_time(revoked, &s.at, why);
	if (e != ERR_OK)
		return e;
	if (status == V_OCSP_CERTSTATUS_REVOKED) {
		s.state = CRYPTO_REVOKED_YES;
		s.reason = reason >= 0 && reason <= 10 ? (uint8_t)reason : 0;
	} else if (status == V_OCSP_CERTSTATUS_GOOD) {
		s.state = CRYPTO_REVOKED_NO;
	}
	*out = s;
	return ERR_OK;
}

enum err
crypto_ocsp_read(struct span in, const struct crypto_cert *issuer,
    struct span serial, struct span nonce, int64_t now,
    struct crypto_status *out, int64_t *from, struct err_why *why)
{
	struct answer a = {NULL, NULL, NULL};
	enum err e;

	if (in.len > LIMIT_OCSP_SIZE)
		return err_why(why, ERR_TOO_BIG,
		    "an OCSP answer of more than %u octets", LIMIT_OCSP_SIZE);
	e = parse(&a, in, why);
	if (e == ERR_OK)
		e = rebuild(&a, issuer, serial, nonce, why);
	if (e == ERR_OK)
		e = check_signature(&a, issuer, now, why);
	if (e == ERR_OK)
		e = check_nonce(&a, why);
	if (e == ERR_OK)
		e = take_status(&a, now, out, from, why);
	OCSP_BASICRESP_free(a.basic);
	OCSP_RESPONSE_free(a.resp);
	OCSP_REQUEST_free(a.req);
	ERR_clear_error();
	return e;
}
