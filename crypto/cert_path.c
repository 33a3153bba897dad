/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Path validation. OpenSSL builds and checks one path; what it does not look
 * at (purpose as mail software means it: cert_purpose.c; distrust, revocation
 * as we keep it) is checked on the path it found. A path that fails because of
 * an intermediate is tried again without that one, a bounded number of times,
 * so that a bad certificate never hides a good path and never costs more than a
 * fixed number of walks. RFC 5280 §6, RFC 8550 §4.
 */
#include "crypto/cert_path.h"

#include <fcntl.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/file.h"
#include "crypto/cert_private.h"

enum {
	RETRIES = 8,	/* intermediates given up for one answer */
	AUTH_LEVEL = 2, /* 112 bits: RSA 2048, no SHA-1, no MD5 */
};

struct crypto_anchors {
	struct crypto_cert *certs[LIMIT_ANCHORS];
	size_t n;
};

/* One question while it is being answered. */
struct walk {
	const struct crypto_path_query *q;
	int64_t at;
	bool skip[LIMIT_PATH_POOL]; /* intermediates given up */
	STACK_OF(X509) * trusted, *pool;
	struct crypto_path *out;
};

enum err
crypto_anchors_load(
    const char *file, struct crypto_anchors **out, struct err_why *why)
{
	struct crypto_anchors *a = calloc(1, sizeof(*a));
	struct buf text;
	enum err e;

	if (a == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	buf_init(&text, LIMIT_KEYS_SIZE);
	e = file_read_path(AT_FDCWD, file, &text);
	if (e != ERR_OK)
		err_why(why, e, "%s: %s", file, err_text(e));
	else
		e = crypto_cert_parse_all(
		    buf_span(&text), a->certs, LIMIT_ANCHORS, &a->n, why);
	buf_clear(&text);
	if (e == ERR_OK)
		*out = a;
	else
		crypto_anchors_free(a);
	return e;
}

void
crypto_anchors_free(struct crypto_anchors *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++)
		crypto_cert_unref(a->certs[i]);
	free(a);
}

size_t
crypto_anchors_count(const struct crypto_anchors *a)
{
	return a->n;
}

/* The address is there as it is, or it is not there: info has only addresses
   that the one parser has taken, in its own form. */
static enum err
check_addr(const struct crypto_path_query *q, struct err_why *why)
{
	const struct crypto_cert_info *info = &q->leaf->info;

	if (q->addr.len == 0)
		return ERR_OK;
	for (size_t i = 0; i < info->n_addrs; i++)
		if (span_eq(span_str(info->addrs[i]), q->addr))
			return ERR_OK;
	return err_why(
	    why, ERR_KEY_ADDR, "the certificate does not carry the address");
}

/* --- the path --- */

static bool
anchor_counts(const struct crypto_path_query *q, const struct crypto_anchor *a)
{
	size_t at = q->addr.len;

	if (a->domain.len == 0)
		return true;
	while (at > 0 && q->addr.data[at - 1] != '@')
		at--;
	return at > 0 &&
	       span_eq(SPAN(q->addr.data + at, q->addr.len - at), a->domain);
}

static enum err
collect_trusted(struct walk *w)
{
	const struct crypto_path_query *q = w->q;

	w->trusted = sk_X509_new_null();
	if (w->trusted == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < q->n_anchors; i++)
		if (anchor_counts(q, &q->anchors[i]) &&
		    sk_X509_push(w->trusted, q->anchors[i].cert->x509) <= 0)
			return ERR_NOMEM;
	for (size_t i = 0; q->system != NULL && i < q->system->n; i++)
		if (sk_X509_push(w->trusted, q->system->certs[i]->x509) <= 0)
			return ERR_NOMEM;
	return ERR_OK;
}

static size_t
pool_size(const struct walk *w)
{
	return w->q->n_pool < LIMIT_PATH_POOL ? w->q->n_pool : LIMIT_PATH_POOL;
}

static enum err
collect_pool(struct walk *w)
{
	sk_X509_free(w->pool);
	w->pool = sk_X509_new_null();
	if (w->pool == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < pool_size(w); i++)
		if (!w->skip[i] &&
		    sk_X509_push(w->pool, w->q->pool[i]->x509) <= 0)
			return ERR_NOMEM;
	return ERR_OK;
}

/* OpenSSL returns the very objects it was given. */
static struct crypto_cert *
cert_of(const struct walk *w, const X509 *x)
{
	const struct crypto_path_query *q = w->q;

	if (q->leaf->x509 == x)
		return q->leaf;
	for (size_t i = 0; i < pool_size(w); i++)
		if (q->pool[i]->x509 == x)
			return q->pool[i];
	for (size_t i = 0; i < q->n_anchors; i++)
		if (q->anchors[i].cert->x509 == x)
			return q->anchors[i].cert;
	for (size_t i = 0; q->system != NULL && i < q->system->n; i++)
		if (q->system->certs[i]->x509 == x)
			return q->system->certs[i];
	return NULL;
}

static bool
is_system(const struct walk *w, const struct crypto_cert *cert)
{
	for (size_t i = 0; i < w->q->n_anchors; i++)
		if (w->q->anchors[i].cert == cert)
			return false;
	return true;
}

static void
drop_certs(struct crypto_path *p)
{
	for (size_t i = 0; i < p->n; i++)
		crypto_cert_unref(p->certs[i]);
	p->n = 0;
}

static void
take_chain(struct walk *w, STACK_OF(X509) * chain)
{
	struct crypto_path *out = w->out;
	struct crypto_cert *cert;

	drop_certs(out);
	for (int i = 0; i < sk_X509_num(chain) && out->n < LIMIT_PATH_LEN;
	     i++) {
		cert = cert_of(w, sk_X509_value(chain, i));
		if (cert == NULL)
			break;
		out->certs[out->n++] = crypto_cert_ref(cert);
	}
}

/* X509_V_ERR_* in our words. */
static const struct {
	int code;
	enum err err;
	const char *text;
} verify_errors[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, ERR_KEY_EXPIRED, "has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, ERR_KEY_EXPIRED, "is not valid yet"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ERR_KEY_UNTRUSTED,
	"was issued by nobody we know"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ERR_KEY_UNTRUSTED,
	"was issued by nobody we know"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERR_KEY_UNTRUSTED,
	"was issued by nobody we know"},
    {X509_V_ERR_CERT_UNTRUSTED, ERR_KEY_UNTRUSTED,
	"leads to no configured anchor"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ERR_KEY_UNTRUSTED,
	"is self-signed and no anchor"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ERR_KEY_UNTRUSTED,
	"is self-signed and no anchor"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, ERR_KEY_UNTRUSTED,
	"has a wrong signature"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, ERR_KEY_UNTRUSTED,
	"stands at the end of too long a path"},
    {X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, ERR_KEY_UNTRUSTED,
	"has a signature of another algorithm than its issuer's key"},
    {X509_V_ERR_INVALID_CA, ERR_KEY_UNUSABLE, "is no CA certificate"},
    {X509_V_ERR_INVALID_NON_CA, ERR_KEY_UNUSABLE, "is a CA certificate"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, ERR_KEY_UNUSABLE,
	"may not issue as many levels as there are"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, ERR_KEY_UNUSABLE,
	"may not issue certificates (keyCertSign)"},
    {X509_V_ERR_PERMITTED_VIOLATION, ERR_KEY_UNUSABLE,
	"has a name that the constraints of its issuers do not permit"},
    {X509_V_ERR_EXCLUDED_VIOLATION, ERR_KEY_UNUSABLE,
	"has a name that the constraints of its issuers exclude"},
    {X509_V_ERR_SUBTREE_MINMAX, ERR_KEY_UNUSABLE,
	"has name constraints of an unknown form"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, ERR_KEY_UNUSABLE,
	"has name constraints of an unknown form"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, ERR_KEY_UNUSABLE,
	"has name constraints of an unknown form"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, ERR_KEY_UNUSABLE,
	"has a name that cannot be compared with name constraints"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, ERR_KEY_UNUSABLE, "has too weak a key"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, ERR_KEY_UNUSABLE, "has too weak a key"},
    {X509_V_ERR_CA_MD_TOO_WEAK, ERR_KEY_UNUSABLE,
	"is signed with too weak a digest (SHA-1 or MD5)"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, ERR_KEY_UNUSABLE,
	"has a critical extension that is not known"},
    {X509_V_ERR_INVALID_EXTENSION, ERR_KEY_UNUSABLE,
	"has a malformed extension"},
    {X509_V_ERR_INVALID_POLICY_EXTENSION, ERR_KEY_UNUSABLE,
	"has a malformed policy extension"},
    {X509_V_ERR_NO_EXPLICIT_POLICY, ERR_KEY_UNTRUSTED,
	"was issued under no policy that is accepted"},
    {X509_V_ERR_OUT_OF_MEM, ERR_NOMEM, "could not be checked"},
};

/* "CN=Some CA" is named when it is not the leaf that err speaks of. */
static enum err
say(struct crypto_path *out, size_t fault, enum err e, const char *text)
{
	const struct crypto_cert *at =
	    fault < out->n ? out->certs[fault] : NULL;

	if (at == NULL || fault == 0)
		err_why(&out->why, e, "the certificate %s", text);
	else
		err_why(&out->why, e, "the issuing certificate \"%.120s\" %s",
		    at->info.subject, text);
	out->fault = at == NULL ? 0 : fault;
	return e;
}

static enum err
translate(struct walk *w, const X509_STORE_CTX *ctx)
{
	int code = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	size_t fault = depth > 0 ? (size_t)depth : 0;

	for (size_t i = 0; i < sizeof(verify_errors) / sizeof(verify_errors[0]);
	     i++)
		if (verify_errors[i].code == code)
			return say(w->out, fault, verify_errors[i].err,
			    verify_errors[i].text);
	say(w->out, fault, ERR_KEY_UNTRUSTED, "cannot be verified");
	return err_why(&w->out->why, ERR_KEY_UNTRUSTED, "%s",
	    X509_verify_cert_error_string(code));
}

/* With no policy wanted any will do; OpenSSL has to be told so where a CA
   requires one. */
static enum err
add_policies(X509_VERIFY_PARAM *param, const struct crypto_path_query *q)
{
	static const char *const any[] = {"2.5.29.32.0"};
	const char *const *policies = q->n_policies > 0 ? q->policies : any;
	size_t n = q->n_policies > 0 ? q->n_policies : 1;

	for (size_t i = 0; i < n; i++) {
		ASN1_OBJECT *oid = OBJ_txt2obj(policies[i], 1);

		if (oid == NULL)
			return ERR_CONFIG;
		if (X509_VERIFY_PARAM_add0_policy(param, oid) != 1) {
			ASN1_OBJECT_free(oid);
			return ERR_NOMEM;
		}
	}
	return ERR_OK;
}

/* RFC 5280 §4.1.2.5: the last second is valid; OpenSSL takes it for the first
   that is not. */
static int
on_error(int ok, X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);

	if (ok == 1 || x == NULL ||
	    X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_HAS_EXPIRED)
		return ok;
	return ASN1_TIME_cmp_time_t(X509_get0_notAfter(x),
		   X509_VERIFY_PARAM_get_time(param)) == 0;
}

static enum err
set_params(X509_STORE_CTX *ctx, const struct walk *w)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	/* Without policy processing OpenSSL takes paths that RFC 5280 §6.1
	   refuses, whatever policies are wanted. */
	unsigned long flags = X509_V_FLAG_POLICY_CHECK |
			      X509_V_FLAG_PARTIAL_CHAIN |
			      X509_V_FLAG_TRUSTED_FIRST;

	if (w->q->n_policies > 0)
		flags |= X509_V_FLAG_EXPLICIT_POLICY;
	X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_time(param, (time_t)w->at);
	X509_VERIFY_PARAM_set_depth(param, (int)LIMIT_PATH_LEN - 2);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	/* The common name of a person is no host name. */
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return add_policies(param, w->q);
}

/* One path by OpenSSL, into w->out. */
static enum err
build(struct walk *w)
{
	X509_STORE *none = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum err e = collect_pool(w);

	if (none == NULL || ctx == NULL || e != ERR_OK ||
	    X509_STORE_CTX_init(ctx, none, w->q->leaf->x509, w->pool) != 1) {
		e = err_why(&w->out->why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
		goto out;
	}
	X509_STORE_CTX_set0_trusted_stack(ctx, w->trusted);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	e = set_params(ctx, w);
	if (e != ERR_OK) {
		err_why(&w->out->why, e, "a policy is no object identifier");
		goto out;
	}
	if (X509_verify_cert(ctx) == 1) {
		take_chain(w, X509_STORE_CTX_get0_chain(ctx));
		goto out;
	}
	take_chain(w, X509_STORE_CTX_get0_chain(ctx));
	e = translate(w, ctx);
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(none);
	ERR_clear_error();
	return e;
}

/* --- what is asked of the path that was found --- */

static bool
is_distrusted(const struct crypto_path_query *q, const struct crypto_cert *cert)
{
	return q->asks != NULL && q->asks->distrusted != NULL &&
	       q->asks->distrusted(q->asks->ctx, cert);
}

static enum err
check_chain(struct walk *w)
{
	struct crypto_path *out = w->out;
	struct err_why why = {""};
	enum err e;

	for (size_t i = 0; i < out->n; i++) {
		if (is_distrusted(w->q, out->certs[i]))
			return say(out, i, ERR_KEY_UNTRUSTED,
			    "is distrusted by an administrator");
		/* What an anchor says of itself is no constraint: it is
		   believed because somebody configured it. */
		if (i == 0 || i + 1 == out->n)
			continue;
		e = crypto_cert_check_purpose(
		    out->certs[i], CRYPTO_FOR_ISSUE, &why);
		if (e != ERR_OK) {
			out->fault = i;
			return err_why(&out->why, e,
			    "the issuing certificate \"%.120s\": %s",
			    out->certs[i]->info.subject, why.text);
		}
	}
	return ERR_OK;
}

/* The whole path is asked for, so that a revoked CA is not hidden by a leaf of
   which nothing is known. */
static enum err
check_revocation(struct walk *w)
{
	const struct crypto_path_query *q = w->q;
	struct crypto_path *out = w->out;
	size_t unknown = SIZE_MAX, n = out->n > 0 ? out->n - 1 : 0;

	if (q->revocation == CRYPTO_REVOCATION_OFF)
		return ERR_OK;
	for (size_t i = 0; i < n; i++)
		if (q->asks != NULL && q->asks->status != NULL)
			q->asks->status(q->asks->ctx, out->certs[i],
			    out->certs[i + 1], q->now, &out->status[i]);
	for (size_t i = 0; i < n; i++) {
		if (out->status[i].state == CRYPTO_REVOKED_YES) {
			out->revoked = CRYPTO_REVOKED_YES;
			return say(out, i, ERR_KEY_REVOKED,
			    "is revoked by its issuer");
		}
		if (out->status[i].state == CRYPTO_REVOKED_UNKNOWN &&
		    unknown == SIZE_MAX)
			unknown = i;
	}
	if (unknown == SIZE_MAX) {
		out->revoked = CRYPTO_REVOKED_NO;
		return ERR_OK;
	}
	if (q->revocation == CRYPTO_REVOCATION_SOFT)
		return ERR_OK;
	return say(out, unknown, ERR_RUNG_FAILED,
	    "may be revoked: no valid list or answer of its issuer is at hand");
}

/* --- the answer --- */

static void
reset(struct crypto_path *p)
{
	drop_certs(p);
	*p = (struct crypto_path){.err = ERR_KEY_UNTRUSTED};
}

static enum err
try_once(struct walk *w)
{
	enum err e;

	reset(w->out);
	e = build(w);
	if (e == ERR_OK)
		e = check_chain(w);
	if (e == ERR_OK)
		e = check_revocation(w);
	if (e == ERR_OK)
		w->out->by_system =
		    w->out->n > 0 && is_system(w, w->out->certs[w->out->n - 1]);
	w->out->err = e;
	return e;
}

/* Give up the intermediate at which the path failed. False if it is none. */
static bool
give_up(struct walk *w)
{
	const struct crypto_path *p = w->out;
	bool found = false;

	if (p->fault == 0 || p->fault >= p->n || p->err == ERR_NOMEM)
		return false;
	for (size_t i = 0; i < pool_size(w); i++)
		if (w->q->pool[i] == p->certs[p->fault] && !w->skip[i]) {
			w->skip[i] = true;
			found = true;
		}
	return found;
}

/* What the first path failed of is what a person is told. */
static enum err
walk_at(const struct crypto_path_query *q, int64_t at, struct crypto_path *out)
{
	struct crypto_path again = {.n = 0};
	struct walk w = {.q = q, .at = at, .out = out};
	enum err e = collect_trusted(&w);

	if (e == ERR_OK)
		e = try_once(&w);
	else
		out->err = err_why(&out->why, e, "%s", err_text(e));
	for (unsigned i = 0; e != ERR_OK && i < RETRIES; i++) {
		if (!give_up(&w))
			break;
		w.out = &again;
		e = try_once(&w);
	}
	if (e == ERR_OK && w.out == &again) {
		drop_certs(out);
		*out = again;
		again.n = 0;
	}
	drop_certs(&again);
	sk_X509_free(w.trusted);
	sk_X509_free(w.pool);
	return out->err;
}

/* RFC 8551 §4: it has to have been valid when it was used, too. */
static enum err
check_then(const struct crypto_path_query *q, struct crypto_path *out)
{
	struct crypto_path then = {.n = 0};
	enum err e = walk_at(q, q->then, &then);

	if (e != ERR_OK) {
		out->fault = then.fault;
		out->err = err_why(
		    &out->why, e, "when it was used: %.220s", then.why.text);
	}
	crypto_path_clear(&then);
	return e;
}

enum err
crypto_path_check(const struct crypto_path_query *q, struct crypto_path *out)
{
	struct err_why why = {""};
	enum err e;

	*out = (struct crypto_path){.err = ERR_KEY_UNTRUSTED};
	e = crypto_cert_check_purpose(q->leaf, q->purpose, &why);
	if (e == ERR_OK)
		e = check_addr(q, &why);
	if (e != ERR_OK) {
		out->certs[out->n++] = crypto_cert_ref(q->leaf);
		out->err = err_why(&out->why, e, "%s", why.text);
		return e;
	}
	e = walk_at(q, q->now, out);
	if (e == ERR_OK && q->then != 0 && q->then != q->now)
		e = check_then(q, out);
	return e;
}

void
crypto_path_clear(struct crypto_path *p)
{
	if (p == NULL)
		return;
	drop_certs(p);
	*p = (struct crypto_path){.err = ERR_KEY_UNTRUSTED};
}
