/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Path validation on a PKI made here: one table of certificates, each with
 * what is right or wrong about it, and one table of questions. The idea of
 * the table is that of NIST's PKITS; the certificates are ours.
 */
#include "crypto/cert_path.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crypto/peer.h"
#include "tests/crypto/pki.h"

#define N(table) (sizeof(table) / sizeof(table[0]))
#define ALICE	 PKI_LEAF "subjectAltName=email:alice@example.com\n"
#define AKI	 "authorityKeyIdentifier=keyid\n"
#define UTF8_SAN                                                               \
	PKI_LEAF "subjectAltName=@alt\n[alt]\n"                                \
		 "otherName.1=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:"
#define EXPLICIT "policyConstraints=critical,requireExplicitPolicy:0\n"

static const struct pki_spec specs[] = {
    {"root", .ext = PKI_CA}, {"other root", .ext = PKI_CA},
    {"old root", .ext = PKI_CA, .to = PKI_NOW - 1}, {"root v1", .version = 1},
    {"root 1024", .ext = PKI_CA, .key = "RSA 1024"},
    {"ca", "root", .ext = PKI_CA AKI}, {"ca2", "ca", .ext = PKI_CA AKI},
    {"ca expired", "root", "ca", .ext = PKI_CA, .key = "=ca",
	.to = PKI_NOW - 1},
    {"ca future", "root", .ext = PKI_CA, .from = PKI_NOW + 1},
    {"ca orphan", "other root", "ca", .ext = PKI_CA, .key = "=ca"},
    {"ca length 0", "root",
	.ext = "basicConstraints=critical,CA:TRUE,pathlen:0\n"
	       "keyUsage=critical,keyCertSign\n"},
    {"ca below 0", "ca length 0", .ext = PKI_CA},
    {"ca not", "root",
	.ext = "basicConstraints=critical,CA:FALSE\n"
	       "keyUsage=critical,keyCertSign\n"},
    {"ca no bc", "root", .ext = "keyUsage=critical,keyCertSign\n"},
    {"ca v1", "root", .version = 1},
    {"ca no sign", "root",
	.ext = "basicConstraints=critical,CA:TRUE\n"
	       "keyUsage=critical,cRLSign\n"},
    {"ca eku mail", "root",
	.ext = PKI_CA "extendedKeyUsage=emailProtection,clientAuth\n"},
    {"ca eku any", "root",
	.ext = PKI_CA "extendedKeyUsage=anyExtendedKeyUsage\n"},
    {"ca eku server", "root", .ext = PKI_CA "extendedKeyUsage=serverAuth\n"},
    {"ca critical", "root", .ext = PKI_CA "1.2.3.4=critical,ASN1:NULL\n"},
    {"ca 1024", "root", .ext = PKI_CA, .key = "RSA 1024"},
    {"ca 2048", "root", .ext = PKI_CA, .key = "RSA 2048"},
    {"ca sha1", "root", .ext = PKI_CA, .md = "SHA1"},
    {"ca k256", "root", .ext = PKI_CA, .key = "secp256k1"},
    {"ca permits", "root",
	.ext = PKI_CA "nameConstraints=critical,permitted;email:example.com\n"},
    {"ca permits sub", "root",
	.ext =
	    PKI_CA "nameConstraints=critical,permitted;email:.example.com\n"},
    {"ca excludes", "root",
	.ext = PKI_CA "nameConstraints=critical,excluded;email:example.com\n"},
    {"ca one box", "root",
	.ext = PKI_CA
	"nameConstraints=critical,permitted;email:alice@example.com\n"},
    {"ca policy", "root",
	.ext = PKI_CA EXPLICIT "certificatePolicies=1.2.3.1\n"},
    {"ca policy none", "root", .ext = PKI_CA EXPLICIT},
    {"ca inhibit", "root",
	.ext = PKI_CA "policyConstraints=critical,requireExplicitPolicy:0\n"
		      "inhibitAnyPolicy=critical,0\n"
		      "certificatePolicies=1.2.3.1\n"},
    {"alice", "ca", .ext = ALICE}, {"alice deep", "ca2", .ext = ALICE},
    {"alice root", "root", .ext = ALICE},
    {"alice expired", "ca", .ext = ALICE, .to = PKI_NOW - 1},
    {"alice ends now", "ca", .ext = ALICE, .to = PKI_NOW},
    {"alice future", "ca", .ext = ALICE, .from = PKI_NOW + 1},
    {"alice starts now", "ca", .ext = ALICE, .from = PKI_NOW},
    {"alice other", "other root", .ext = ALICE}, {"alice self", .ext = ALICE},
    {"alice old root", "old root", .ext = ALICE},
    {"alice root v1", "root v1", .ext = ALICE},
    {"alice root 1024", "root 1024", .ext = ALICE},
    {"alice ca future", "ca future", .ext = ALICE},
    {"alice length 0", "ca length 0", .ext = ALICE},
    {"alice below 0", "ca below 0", .ext = ALICE},
    {"alice ca not", "ca not", .ext = ALICE},
    {"alice ca no bc", "ca no bc", .ext = ALICE},
    {"alice ca v1", "ca v1", .ext = ALICE},
    {"alice ca no sign", "ca no sign", .ext = ALICE},
    {"alice eku mail", "ca eku mail", .ext = ALICE},
    {"alice eku any", "ca eku any", .ext = ALICE},
    {"alice eku server", "ca eku server", .ext = ALICE},
    {"alice ca critical", "ca critical", .ext = ALICE},
    {"alice ca 1024", "ca 1024", .ext = ALICE},
    {"alice ca 2048", "ca 2048", .ext = ALICE},
    {"alice ca sha1", "ca sha1", .ext = ALICE},
    {"alice sha1", "ca", .ext = ALICE, .md = "SHA1"},
    {"alice ca k256", "ca k256", .ext = ALICE},
    {"alice permits", "ca permits", .ext = ALICE},
    {"alice permits sub", "ca permits sub", .ext = ALICE},
    {"sub permits sub", "ca permits sub",
	.ext = PKI_LEAF "subjectAltName=email:a@mail.example.com\n"},
    {"alice one box", "ca one box", .ext = ALICE},
    {"bob one box", "ca one box",
	.ext = PKI_LEAF "subjectAltName=email:bob@example.com\n"},
    {"bob permits", "ca permits",
	.ext = PKI_LEAF "subjectAltName=email:bob@example.org\n"},
    {"two permits", "ca permits",
	.ext = PKI_LEAF "subjectAltName=email:alice@example.com,"
			"email:alice@example.org\n"},
    {"dn permits", "ca permits", .ext = PKI_LEAF, .email = "alice@example.org"},
    {"dn permitted", "ca permits", .ext = PKI_LEAF,
	.email = "alice@example.com"},
    {"utf8 permits", "ca permits",
	.ext = UTF8_SAN "\xc3\xa9"
			"va@example.org\n"},
    {"alice excludes", "ca excludes", .ext = ALICE},
    {"bob excludes", "ca excludes",
	.ext = PKI_LEAF "subjectAltName=email:bob@example.org\n"},
    {"alice policy", "ca policy", .ext = ALICE "certificatePolicies=1.2.3.1\n"},
    {"alice policy 2", "ca policy",
	.ext = ALICE "certificatePolicies=1.2.3.2\n"},
    {"alice policy any", "ca policy",
	.ext = ALICE "certificatePolicies=2.5.29.32.0\n"},
    {"alice inhibit any", "ca inhibit",
	.ext = ALICE "certificatePolicies=2.5.29.32.0\n"},
    {"alice policy none", "ca policy none", .ext = ALICE},
    {"alice free policy", "ca", .ext = ALICE "certificatePolicies=1.2.3.1\n"},
    {"alice critical", "ca", .ext = ALICE "1.2.3.4=critical,ASN1:NULL\n"},
    {"alice 1024", "ca", .ext = "subjectAltName=email:alice@example.com\n",
	.key = "RSA 1024"},
    {"alice signs", "ca",
	.ext = "keyUsage=critical,digitalSignature\n"
	       "subjectAltName=email:alice@example.com\n"},
    {"alice binds", "ca",
	.ext = "keyUsage=critical,nonRepudiation\n"
	       "subjectAltName=email:alice@example.com\n"},
    {"alice seals", "ca",
	.ext = "keyUsage=critical,keyAgreement\n"
	       "subjectAltName=email:alice@example.com\n"},
    {"alice any", "ca",
	.ext = "extendedKeyUsage=anyExtendedKeyUsage\n"
	       "subjectAltName=email:alice@example.com\n"},
    {"alice server", "ca",
	.ext = "extendedKeyUsage=serverAuth\n"
	       "subjectAltName=email:alice@example.com\n"},
    {"eva", "ca",
	.ext = UTF8_SAN "\xc3\xa9"
			"va@example.com\n"},
    {"nobody", "ca", .ext = PKI_LEAF},
    {"forged", "ca", .ext = ALICE}, /* its signature is broken below */
};

static struct pki_cert certs[N(specs)];

static struct crypto_cert *
get(const char *name)
{
	return pki_find(certs, N(specs), name)->cert;
}

static void
forge(struct pki_cert *c)
{
	struct span der = crypto_cert_der(c->cert);
	uint8_t *copy = malloc(der.len);
	struct crypto_cert *bad = NULL;

	memcpy(copy, der.data, der.len);
	copy[der.len - 1] ^= 1;
	cr_assert_eq(
	    crypto_cert_parse(SPAN(copy, der.len), &bad, NULL), ERR_OK);
	crypto_cert_unref(c->cert);
	c->cert = bad;
	free(copy);
}

static void
setup(void)
{
	pki_make(specs, N(specs), certs);
	forge(pki_find(certs, N(specs), "forged"));
}

static void
teardown(void)
{
	pki_clear(certs, N(specs));
}

TestSuite(cert_path, .init = setup, .fini = teardown);

/* "ca,ca2" as certificates. */
static size_t
list(const char *names, struct crypto_cert **out, size_t max)
{
	char copy[256], *at = copy, *name;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", names == NULL ? "" : names);
	while ((name = strsep(&at, ",")) != NULL && n < max)
		if (name[0] != '\0')
			out[n++] = get(name);
	return n;
}

struct row {
	const char *leaf, *pool; /* pool NULL: every one that is made */
	enum err err;
	const char *why; /* a part of the phrase */
	enum crypto_purpose purpose;
	const char *addr, *policy;
	size_t len; /* of the path; 0: not looked at */
};

static void
ask(const struct row *row, const char *anchor_names, int64_t now,
    struct crypto_path *out)
{
	struct crypto_cert *pool[N(specs)], *roots[4];
	struct crypto_anchor anchors[4] = {{NULL, {NULL, 0}}};
	struct crypto_path_query q = {
	    .leaf = get(row->leaf),
	    .pool = pool,
	    .n_pool = list(row->pool, pool, N(pool)),
	    .anchors = anchors,
	    .n_anchors = list(anchor_names, roots, 4),
	    .purpose = row->purpose == 0 ? CRYPTO_FOR_SEAL : row->purpose,
	    .addr = row->addr == NULL ? SPAN(NULL, 0) : span_str(row->addr),
	    .now = now,
	    .policies = &row->policy,
	    .n_policies = row->policy != NULL,
	    .revocation = CRYPTO_REVOCATION_OFF,
	};

	for (size_t i = 0; i < q.n_anchors; i++)
		anchors[i].cert = roots[i];
	cr_expect_eq(crypto_path_check(&q, out), out->err);
	cr_expect_eq(out->err == ERR_OK, out->why.text[0] == '\0', "%s: %s",
	    row->leaf, out->why.text);
}

static void
check(const struct row *rows, size_t n, const char *anchors, int64_t now)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct crypto_path path;

		ask(r, anchors, now, &path);
		cr_expect_eq(path.err, r->err, "row %zu %s (%s): %s %s", i,
		    r->leaf, r->pool, err_name(path.err), path.why.text);
		if (r->why != NULL)
			cr_expect_not_null(strstr(path.why.text, r->why),
			    "row %zu %s: %s", i, r->leaf, path.why.text);
		if (r->len != 0)
			cr_expect_eq(path.n, r->len, "row %zu %s: %zu", i,
			    r->leaf, path.n);
		if (path.err == ERR_OK)
			cr_expect_eq(path.certs[0], get(r->leaf));
		crypto_path_clear(&path);
	}
}

Test(cert_path, finds_the_way_to_an_anchor)
{
	static const struct row rows[] = {
	    {"alice", "ca", .len = 3},
	    {"alice root", "", .len = 2},
	    {"alice deep", "ca,ca2", .len = 4},
	    {"alice deep", "ca2,other root,ca", .len = 4},
	    {"alice ends now", "ca", .err = ERR_OK},
	    {"alice starts now", "ca", .err = ERR_OK},
	    {"alice length 0", "ca length 0", .err = ERR_OK},
	    {"alice eku mail", "ca eku mail", .err = ERR_OK},
	    {"alice eku any", "ca eku any", .err = ERR_OK},
	    {"alice ca 2048", "ca 2048", .err = ERR_OK},
	    {"alice permits", "ca permits", .err = ERR_OK},
	    {"sub permits sub", "ca permits sub", .err = ERR_OK},
	    {"alice one box", "ca one box", .err = ERR_OK},
	    {"dn permitted", "ca permits", .addr = "alice@example.com"},
	    {"bob excludes", "ca excludes", .err = ERR_OK},
	    {"alice policy", "ca policy", .err = ERR_OK},
	    {"alice policy", "ca policy", .policy = "1.2.3.1"},
	    {"alice policy any", "ca policy", .err = ERR_OK},
	    {"alice any", "ca", .err = ERR_OK},
	    {"alice any", "ca", .purpose = CRYPTO_FOR_SIGN},
	    {"alice signs", "ca", .purpose = CRYPTO_FOR_SIGN},
	    {"alice binds", "ca", .purpose = CRYPTO_FOR_SIGN},
	    {"alice seals", "ca", .purpose = CRYPTO_FOR_SEAL},
	    {"alice", "ca", .addr = "alice@example.com"},
	    {"eva", "ca",
		.addr = "\xc3\xa9"
			"va@example.com"},
	    {"ca", "", .purpose = CRYPTO_FOR_ISSUE},
	    {"root", "", .purpose = CRYPTO_FOR_ISSUE, .len = 1},
	    /* a bad intermediate does not hide a good one */
	    {"alice", "ca expired,ca", .len = 3},
	    {"alice", "ca orphan,ca", .len = 3},
	    {"alice", "ca orphan,ca expired,ca", .len = 3},
	};

	check(rows, N(rows), "root", PKI_NOW);
}

Test(cert_path, says_why_there_is_no_way)
{
	static const struct row rows[] = {
	    {"alice", "", .err = ERR_KEY_UNTRUSTED, .why = "nobody we know",
		.len = 1},
	    {"alice deep", "ca2", .err = ERR_KEY_UNTRUSTED,
		.why = "nobody we know"},
	    {"alice other", "", .err = ERR_KEY_UNTRUSTED,
		.why = "nobody we know"},
	    {"alice other", "other root", .err = ERR_KEY_UNTRUSTED,
		.why = "no anchor"},
	    {"alice self", "", .err = ERR_KEY_UNTRUSTED, .why = "self-signed"},
	    {"forged", "ca", .err = ERR_KEY_UNTRUSTED,
		.why = "wrong signature"},
	    {"alice", "ca orphan", .err = ERR_KEY_UNTRUSTED,
		.why = "nobody we know"},
	    {"alice expired", "ca", .err = ERR_KEY_EXPIRED,
		.why = "certificate has expired"},
	    {"alice future", "ca", .err = ERR_KEY_EXPIRED,
		.why = "not valid yet"},
	    {"alice", "ca expired", .err = ERR_KEY_EXPIRED,
		.why = "\"CN=ca\" has expired"},
	    {"alice ca future", "ca future", .err = ERR_KEY_EXPIRED,
		.why = "issuing"},
	    {"alice below 0", "ca length 0,ca below 0", .err = ERR_KEY_UNUSABLE,
		.why = "as many levels"},
	    {"alice ca not", "ca not", .err = ERR_KEY_UNUSABLE, .why = "no CA"},
	    {"alice ca no bc", "ca no bc", .err = ERR_KEY_UNUSABLE,
		.why = "no CA"},
	    {"alice ca v1", "ca v1", .err = ERR_KEY_UNUSABLE, .why = "no CA"},
	    {"alice ca no sign", "ca no sign", .err = ERR_KEY_UNUSABLE,
		.why = NULL},
	    {"alice eku server", "ca eku server", .err = ERR_KEY_UNUSABLE,
		.why = "emailProtection"},
	    {"alice ca critical", "ca critical", .err = ERR_KEY_UNUSABLE,
		.why = "critical"},
	    {"alice ca 1024", "ca 1024", .err = ERR_KEY_UNUSABLE,
		.why = "weak a key"},
	    {"alice ca sha1", "ca sha1", .err = ERR_KEY_UNUSABLE,
		.why = "SHA-1"},
	    {"alice sha1", "ca", .err = ERR_KEY_UNUSABLE, .why = "SHA-1"},
	    {"alice ca k256", "ca k256", .err = ERR_UNSUPPORTED,
		.why = "curve"},
	    {"alice permits sub", "ca permits sub", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"bob one box", "ca one box", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"bob permits", "ca permits", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"two permits", "ca permits", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"dn permits", "ca permits", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"utf8 permits", "ca permits", .err = ERR_KEY_UNUSABLE,
		.why = "do not permit"},
	    {"alice excludes", "ca excludes", .err = ERR_KEY_UNUSABLE,
		.why = "exclude"},
	    {"alice policy 2", "ca policy", .err = ERR_KEY_UNTRUSTED,
		.why = "policy"},
	    {"alice policy", "ca policy", .err = ERR_KEY_UNTRUSTED,
		.why = "policy", .policy = "1.2.3.9"},
	    {"alice", "ca", .err = ERR_KEY_UNTRUSTED, .why = "policy",
		.policy = "1.2.3.1"},
	    {"alice inhibit any", "ca inhibit", .err = ERR_KEY_UNTRUSTED,
		.why = "policy"},
	    {"alice policy none", "ca policy none", .err = ERR_KEY_UNTRUSTED,
		.why = "policy"},
	    {"alice critical", "ca", .err = ERR_KEY_UNUSABLE,
		.why = "critical"},
	    {"alice 1024", "ca", .err = ERR_KEY_UNUSABLE, .why = "2048"},
	    {"alice 1024", "ca", .err = ERR_KEY_UNUSABLE, .why = "2048",
		.purpose = CRYPTO_FOR_SIGN},
	    {"alice signs", "ca", .err = ERR_KEY_UNUSABLE,
		.why = "keyAgreement"},
	    {"alice seals", "ca", .err = ERR_KEY_UNUSABLE, .why = "signing",
		.purpose = CRYPTO_FOR_SIGN},
	    {"alice server", "ca", .err = ERR_KEY_UNUSABLE,
		.why = "emailProtection"},
	    {"alice server", "ca", .err = ERR_KEY_UNUSABLE,
		.why = "emailProtection", .purpose = CRYPTO_FOR_SIGN},
	    {"alice", "ca", .err = ERR_KEY_UNUSABLE, .why = "no CA",
		.purpose = CRYPTO_FOR_ISSUE},
	    {"alice", "ca", .err = ERR_KEY_ADDR, .why = "does not carry",
		.addr = "bob@example.com"},
	    {"alice", "ca", .err = ERR_KEY_ADDR, .why = "does not carry",
		.addr = "alice@example.com "},
	    {"nobody", "ca", .err = ERR_KEY_ADDR, .why = "does not carry",
		.addr = "alice@example.com"},
	};

	check(rows, N(rows), "root", PKI_NOW);
}

Test(cert_path, an_anchor_has_a_floor_too)
{
	static const struct row no[] = {
	    {"alice old root", "", .err = ERR_KEY_EXPIRED, .why = "expired"},
	    {"alice root 1024", "", .err = ERR_KEY_UNUSABLE, .why = "weak"},
	};
	static const struct row yes[] = {
	    {"alice", "", .len = 2}, /* an intermediate that is believed */
	};

	check(no, N(no), "old root,root 1024", PKI_NOW);
	check(yes, N(yes), "ca", PKI_NOW);
}

Test(cert_path, both_times_count)
{
	static const struct {
		int64_t now, then;
		enum err err;
	} rows[] = {
	    {PKI_NOW, 0, ERR_OK},
	    {PKI_NOW, PKI_NOW - PKI_YEAR / 2, ERR_OK},
	    {PKI_NOW, PKI_NOW - 2 * PKI_YEAR, ERR_KEY_EXPIRED},
	    {PKI_NOW + 2 * PKI_YEAR, PKI_NOW, ERR_KEY_EXPIRED},
	    {PKI_NOW, PKI_NOW + 2 * PKI_YEAR, ERR_KEY_EXPIRED},
	};
	struct crypto_cert *pool[] = {get("ca")};
	struct crypto_anchor anchor = {get("root"), {NULL, 0}};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_path_query q = {.leaf = get("alice"),
		    .pool = pool,
		    .n_pool = 1,
		    .anchors = &anchor,
		    .n_anchors = 1,
		    .purpose = CRYPTO_FOR_SIGN,
		    .now = rows[i].now,
		    .then = rows[i].then,
		    .revocation = CRYPTO_REVOCATION_OFF};
		struct crypto_path path;

		cr_expect_eq(crypto_path_check(&q, &path), rows[i].err,
		    "row %zu: %s", i, path.why.text);
		crypto_path_clear(&path);
	}
}

Test(cert_path, an_anchor_of_a_domain_counts_for_that_domain_only)
{
	static const struct {
		const char *domain, *addr;
		enum err err;
	} rows[] = {
	    {"", "alice@example.com", ERR_OK},
	    {"", "", ERR_OK},
	    {"example.com", "alice@example.com", ERR_OK},
	    {"example.com", "", ERR_KEY_UNTRUSTED},
	    {"example.org", "alice@example.com", ERR_KEY_UNTRUSTED},
	    {"ple.com", "alice@example.com", ERR_KEY_UNTRUSTED},
	    {"mail.example.com", "alice@example.com", ERR_KEY_UNTRUSTED},
	    {"com", "alice@example.com", ERR_KEY_UNTRUSTED},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_anchor anchor = {
		    get("root"), span_str(rows[i].domain)};
		struct crypto_path_query q = {.leaf = get("alice root"),
		    .anchors = &anchor,
		    .n_anchors = 1,
		    .purpose = CRYPTO_FOR_SEAL,
		    .addr = span_str(rows[i].addr),
		    .now = PKI_NOW,
		    .revocation = CRYPTO_REVOCATION_OFF};
		struct crypto_path path;

		cr_expect_eq(crypto_path_check(&q, &path), rows[i].err,
		    "row %zu: %s", i, path.why.text);
		crypto_path_clear(&path);
	}
}

struct knowledge {
	const char *distrusted, *revoked, *good;
	unsigned asked;
};

static bool
knows(const char *names, const struct crypto_cert *cert)
{
	struct crypto_cert *found[4];
	size_t n = list(names, found, 4);

	for (size_t i = 0; i < n; i++)
		if (found[i] == cert)
			return true;
	return false;
}

static bool
know_distrust(void *ctx, const struct crypto_cert *cert)
{
	return knows(((struct knowledge *)ctx)->distrusted, cert);
}

static void
know_status(void *ctx, const struct crypto_cert *cert,
    const struct crypto_cert *issuer, int64_t now, struct crypto_status *out)
{
	struct knowledge *k = ctx;

	k->asked++;
	cr_expect_eq(now, PKI_NOW);
	cr_expect(span_eq(crypto_cert_info(cert)->issuer_der,
	    crypto_cert_info(issuer)->subject_der));
	if (knows(k->revoked, cert))
		out->state = CRYPTO_REVOKED_YES;
	else if (knows(k->good, cert))
		out->state = CRYPTO_REVOKED_NO;
}

Test(cert_path, what_is_known_beside_the_certificates_decides)
{
	static const struct {
		struct knowledge knows;
		enum crypto_revocation mode;
		enum err err;
		enum crypto_revoked state;
		const char *why;
	} rows[] = {
	    {{0}, CRYPTO_REVOCATION_OFF, ERR_OK, CRYPTO_REVOKED_UNKNOWN, ""},
	    {{0}, CRYPTO_REVOCATION_SOFT, ERR_OK, CRYPTO_REVOKED_UNKNOWN, ""},
	    {{0}, CRYPTO_REVOCATION_HARD, ERR_RUNG_FAILED,
		CRYPTO_REVOKED_UNKNOWN, "may be revoked"},
	    {{.good = "alice deep,ca,ca2"}, CRYPTO_REVOCATION_HARD, ERR_OK,
		CRYPTO_REVOKED_NO, ""},
	    {{.good = "alice deep,ca2"}, CRYPTO_REVOCATION_HARD,
		ERR_RUNG_FAILED, CRYPTO_REVOKED_UNKNOWN, "\"CN=ca\""},
	    {{.good = "alice deep,ca2"}, CRYPTO_REVOCATION_SOFT, ERR_OK,
		CRYPTO_REVOKED_UNKNOWN, ""},
	    {{.revoked = "alice deep"}, CRYPTO_REVOCATION_SOFT, ERR_KEY_REVOKED,
		CRYPTO_REVOKED_YES, "revoked by its issuer"},
	    {{.revoked = "alice deep"}, CRYPTO_REVOCATION_OFF, ERR_OK,
		CRYPTO_REVOKED_UNKNOWN, ""},
	    /* a revoked CA is not hidden by what is not known */
	    {{.revoked = "ca"}, CRYPTO_REVOCATION_HARD, ERR_KEY_REVOKED,
		CRYPTO_REVOKED_YES, "\"CN=ca\" is revoked"},
	    {{.revoked = "ca2", .good = "alice deep"}, CRYPTO_REVOCATION_SOFT,
		ERR_KEY_REVOKED, CRYPTO_REVOKED_YES, "\"CN=ca2\""},
	    /* the anchor is not asked for, but may be distrusted */
	    {{.revoked = "root"}, CRYPTO_REVOCATION_SOFT, ERR_OK,
		CRYPTO_REVOKED_UNKNOWN, ""},
	    {{.distrusted = "root"}, CRYPTO_REVOCATION_OFF, ERR_KEY_UNTRUSTED,
		CRYPTO_REVOKED_UNKNOWN, "distrusted"},
	    {{.distrusted = "ca2"}, CRYPTO_REVOCATION_OFF, ERR_KEY_UNTRUSTED,
		CRYPTO_REVOKED_UNKNOWN, "distrusted"},
	    {{.distrusted = "alice deep"}, CRYPTO_REVOCATION_OFF,
		ERR_KEY_UNTRUSTED, CRYPTO_REVOKED_UNKNOWN, "distrusted"},
	    {{.distrusted = "other root"}, CRYPTO_REVOCATION_OFF, ERR_OK,
		CRYPTO_REVOKED_UNKNOWN, ""},
	};
	struct crypto_cert *pool[] = {get("ca"), get("ca2")};
	struct crypto_anchor anchor = {get("root"), {NULL, 0}};

	for (size_t i = 0; i < N(rows); i++) {
		struct knowledge k = rows[i].knows;
		struct crypto_path_asks asks = {&k, know_distrust, know_status};
		struct crypto_path_query q = {.leaf = get("alice deep"),
		    .pool = pool,
		    .n_pool = 2,
		    .anchors = &anchor,
		    .n_anchors = 1,
		    .purpose = CRYPTO_FOR_SEAL,
		    .now = PKI_NOW,
		    .revocation = rows[i].mode,
		    .asks = &asks};
		struct crypto_path path;

		cr_expect_eq(crypto_path_check(&q, &path), rows[i].err,
		    "row %zu: %s %s", i, err_name(path.err), path.why.text);
		cr_expect_eq(path.revoked, rows[i].state, "row %zu", i);
		cr_expect_not_null(strstr(path.why.text, rows[i].why),
		    "row %zu: %s", i, path.why.text);
		if (rows[i].mode == CRYPTO_REVOCATION_OFF)
			cr_expect_eq(k.asked, 0, "row %zu", i);
		crypto_path_clear(&path);
	}
}

Test(cert_path, a_long_or_tangled_pool_ends_soon)
{
	struct pki_spec chain[16] = {{"c0", .ext = PKI_CA}};
	static const char names[][4] = {"c0", "c1", "c2", "c3", "c4", "c5",
	    "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14", "end"};
	struct pki_cert made[N(chain)];
	struct crypto_cert *pool[N(chain)];
	struct crypto_path path;

	for (size_t i = 1; i < N(chain); i++)
		chain[i] = (struct pki_spec){names[i], names[i - 1],
		    .ext = i + 1 == N(chain) ? PKI_LEAF : PKI_CA};
	pki_make(chain, N(chain), made);
	for (size_t i = 0; i < N(chain); i++)
		pool[i] = made[i].cert;
	for (size_t i = 1; i + 1 < N(chain); i++) {
		struct crypto_anchor anchor = {made[i].cert, {NULL, 0}};
		struct crypto_path_query q = {.leaf = made[N(chain) - 1].cert,
		    .pool = pool,
		    .n_pool = N(chain),
		    .anchors = &anchor,
		    .n_anchors = 1,
		    .purpose = CRYPTO_FOR_SEAL,
		    .now = PKI_NOW,
		    .revocation = CRYPTO_REVOCATION_OFF};
		enum err e = crypto_path_check(&q, &path);
		/* certificates from the leaf to the anchor */
		size_t len = N(chain) - i;

		cr_expect_eq(e == ERR_OK, len <= LIMIT_PATH_LEN, "%zu: %s", len,
		    path.why.text);
		cr_expect_leq(path.n, LIMIT_PATH_LEN);
		crypto_path_clear(&path);
	}
	pki_clear(made, N(chain));
}

/* CAs of one name and one key that issue each other: a search that
   tried every way would not end. */
Test(cert_path, cross_certificates_of_one_key_do_not_multiply)
{
	struct pki_spec mesh[LIMIT_PATH_POOL + 2] = {{"root x", .ext = PKI_CA}};
	static char names[N(mesh)][8];
	struct pki_cert made[N(mesh)];
	struct crypto_cert *pool[N(mesh)];
	struct crypto_path path;
	struct crypto_path_query q = {.pool = pool,
	    .n_pool = N(mesh),
	    .purpose = CRYPTO_FOR_SEAL,
	    .now = PKI_NOW,
	    .revocation = CRYPTO_REVOCATION_OFF};

	for (size_t i = 1; i < N(mesh); i++) {
		snprintf(names[i], sizeof(names[i]), "m%zu", i);
		mesh[i] = (struct pki_spec){names[i], i == 1 ? "root x" : "m1",
		    "mesh", .ext = PKI_CA, .key = i == 1 ? NULL : "=m1"};
	}
	mesh[N(mesh) - 1].ext = PKI_LEAF;
	mesh[N(mesh) - 1].subject = "leaf";
	mesh[N(mesh) - 1].key = NULL;
	pki_make(mesh, N(mesh), made);
	for (size_t i = 0; i < N(mesh); i++)
		pool[i] = made[i].cert;
	q.leaf = made[N(mesh) - 1].cert;
	cr_expect_eq(crypto_path_check(&q, &path), ERR_KEY_UNTRUSTED, "%s",
	    path.why.text);
	crypto_path_clear(&path);
	pki_clear(made, N(mesh));
}

Test(cert_path, anchors_of_a_file_count)
{
	struct crypto_anchors *a = NULL;
	struct crypto_path path;
	struct err_why why = {""};
	char dir[64];
	struct crypto_path_query q = {.leaf = get("alice root"),
	    .purpose = CRYPTO_FOR_SEAL,
	    .now = PKI_NOW,
	    .revocation = CRYPTO_REVOCATION_OFF};

	peer_dir_make(dir);
	peer_write(peer_path(dir, "none.pem"), span_str("# nothing\n"));
	peer_write(peer_path(dir, "ca.der"), crypto_cert_der(get("root")));
	cr_expect_eq(crypto_anchors_load(peer_path(dir, "gone"), &a, &why),
	    ERR_NOT_FOUND);
	cr_expect_eq(crypto_anchors_load(peer_path(dir, "none.pem"), &a, &why),
	    ERR_MALFORMED);
	cr_expect_null(a);
	cr_assert_eq(crypto_anchors_load(peer_path(dir, "ca.der"), &a, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(crypto_anchors_count(a), 1);
	cr_expect_eq(crypto_path_check(&q, &path), ERR_KEY_UNTRUSTED);
	crypto_path_clear(&path);
	q.system = a;
	cr_expect_eq(crypto_path_check(&q, &path), ERR_OK, "%s", path.why.text);
	cr_expect(path.by_system);
	cr_expect_eq(path.n, 2);
	crypto_path_clear(&path);
	crypto_anchors_free(a);
	peer_dir_remove(dir);
}

Test(cert_path, the_anchors_of_the_system_can_be_read)
{
	static const char file[] = "/etc/ssl/certs/ca-certificates.crt";
	struct crypto_anchors *a = NULL;
	struct err_why why = {""};
	enum err e = crypto_anchors_load(file, &a, &why);

	if (e == ERR_NOT_FOUND)
		cr_skip_test("the system has none");
	cr_assert_eq(e, ERR_OK, "%s", why.text);
	cr_expect_gt(crypto_anchors_count(a), 20);
	crypto_anchors_free(a);
}
