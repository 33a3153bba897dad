/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who a server is taken for: by its chain and names, by TLSA records, after a
 * resumed session. The server is OpenSSL's, in the same thread. */
#include "net/tls_client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/digest.h"
#include "net/tlsa.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static EVP_PKEY *ca_key, *key;
static X509 *ca, *leaf, *late;
static char anchors[] = "/tmp/sgtest.XXXXXX";

static X509 *
make_cert(
    EVP_PKEY *k, const char *dns, X509 *issuer, EVP_PKEY *issuer_key, long days)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	char san[300];
	X509_EXTENSION *ext;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), issuer == NULL ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -30 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)dns, -1, -1, 0);
	X509_set_issuer_name(
	    x, issuer == NULL ? name : X509_get_subject_name(issuer));
	X509_set_pubkey(x, k);
	snprintf(san, sizeof(san), "DNS:%s", dns);
	ext = issuer == NULL
		  ? X509V3_EXT_conf_nid(
			NULL, NULL, NID_basic_constraints, "critical,CA:TRUE")
		  : X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	cr_assert(X509_sign(x, issuer_key, EVP_sha256()) > 0);
	return x;
}

static void
setup(void)
{
	int fd = mkstemp(anchors);
	FILE *f;

	ca_key = EVP_EC_gen("P-256");
	key = EVP_EC_gen("P-256");
	ca = make_cert(ca_key, "Test CA", NULL, ca_key, 10);
	leaf = make_cert(key, "mx.example.org", ca, ca_key, 10);
	late = make_cert(key, "mx.example.org", ca, ca_key, -1);
	f = fdopen(fd, "w");
	cr_assert(f != NULL && PEM_write_X509(f, ca) == 1);
	fclose(f);
}

static void
teardown(void)
{
	unlink(anchors);
	X509_free(ca);
	X509_free(leaf);
	X509_free(late);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
}

static struct net_tlsa_record
record_of(X509 *x, uint8_t usage, uint8_t selector)
{
	struct net_tlsa_record r = {usage, selector, 1, DIGEST_SIZE, {0}};
	unsigned char *der = NULL;
	int len = selector == 0
		      ? i2d_X509(x, &der)
		      : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	struct span all = SPAN(der, (size_t)len);

	cr_assert_gt(len, 0);
	digest_sha256(&all, 1, r.data);
	OPENSSL_free(der);
	return r;
}

static SSL_CTX *
make_server(X509 *cert, const char *ciphers)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	cr_assert(SSL_CTX_use_certificate(ctx, cert) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_up_ref(ca);
	cr_assert_eq(SSL_CTX_add_extra_chain_cert(ctx, ca), 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	if (ciphers != NULL) {
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		cr_assert_eq(SSL_CTX_set_cipher_list(ctx, ciphers), 1);
	}
	return ctx;
}

/* One session; what was proven goes to *proof, what is said of it to text. A
   line is sent to the client, so that tickets arrive. */
static enum net_io
talk(struct net_tls_clients *all, SSL_CTX *server,
    const struct net_tls_expect *x, enum net_tls_proof *proof,
    char text[NET_TLS_TEXT_MAX], struct err_why *why)
{
	struct net_tls_client *c;
	enum net_io io = NET_IO_WANT_READ;
	SSL *ssl = SSL_new(server);
	uint8_t line[16];
	size_t n;
	int fd[2];

	cr_assert_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	SSL_set_fd(ssl, fd[1]);
	SSL_set_accept_state(ssl);
	c = net_tls_client_new(all, fd[0], x);
	cr_assert_not_null(c);
	for (int i = 0; i < 20 && io != NET_IO_DONE && io != NET_IO_FAILED;
	     i++) {
		io = net_tls_client_handshake(c, why);
		(void)SSL_do_handshake(ssl);
	}
	if (io == NET_IO_DONE) {
		cr_assert_eq(SSL_do_handshake(ssl), 1);
		cr_assert_eq(SSL_write(ssl, "hello", 5), 5);
		cr_assert_eq(
		    net_tls_client_read(c, line, sizeof(line), &n, why),
		    NET_IO_DONE);
		*proof = net_tls_client_proof(c, why);
		net_tls_client_text(c, text);
	}
	net_tls_client_free(c);
	SSL_free(ssl);
	close(fd[0]);
	close(fd[1]);
	return io;
}

/* What the server has shown, nothing being expected of it. */
static void
look(struct net_tls_clients *all, X509 *cert, const char *name,
    struct net_tls_shown *out)
{
	SSL_CTX *server = make_server(cert, NULL);
	struct net_tls_expect x = {.sni = "mx.example.org", .peer = name};
	struct net_tls_client *c;
	struct err_why why = {""};
	enum net_io io = NET_IO_WANT_READ;
	SSL *ssl = SSL_new(server);
	int fd[2];

	cr_assert_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	SSL_set_fd(ssl, fd[1]);
	SSL_set_accept_state(ssl);
	c = net_tls_client_new(all, fd[0], &x);
	for (int i = 0; i < 20 && io != NET_IO_DONE; i++) {
		io = net_tls_client_handshake(c, &why);
		(void)SSL_do_handshake(ssl);
	}
	cr_assert_eq(io, NET_IO_DONE, "%s", why.text);
	net_tls_client_shown(c, &name, 1, out);
	net_tls_client_free(c);
	SSL_free(ssl);
	SSL_CTX_free(server);
	close(fd[0]);
	close(fd[1]);
}

Test(tls_client, what_a_certificate_says_of_itself_is_told, .init = setup,
    .fini = teardown)
{
	static const struct {
		const char *what, *name;
		bool late, trusted, named;
		enum net_tls_fault chain;
	} row[] = {
	    {"all right", "mx.example.org", false, true, true,
		NET_TLS_FAULT_NONE},
	    {"another name", "mx.example.net", false, true, false,
		NET_TLS_FAULT_NONE},
	    {"an address", "192.0.2.1", false, true, false, NET_TLS_FAULT_NONE},
	    {"an unknown CA", "mx.example.org", false, false, true,
		NET_TLS_FAULT_TRUST},
	    {"over", "mx.example.org", true, true, true, NET_TLS_FAULT_EXPIRED},
	    {"all of it", "mx.example.net", true, false, false,
		NET_TLS_FAULT_TRUST},
	};
	struct net_tls_clients *own, *others;
	struct net_tls_shown shown;
	struct err_why why;
	time_t now = time(NULL);

	cr_assert_eq(net_tls_clients_new(NULL, &own, &why), ERR_OK);
	cr_assert_eq(net_tls_clients_new(NULL, &others, &why), ERR_OK);
	cr_assert_eq(net_tls_clients_believe(own, anchors, &why), ERR_OK);
	cr_assert_eq(
	    net_tls_clients_believe(others, "/nonexistent", &why), ERR_TLS);
	for (size_t i = 0; i < N(row); i++) {
		look(row[i].trusted ? own : others, row[i].late ? late : leaf,
		    row[i].name, &shown);
		cr_expect_eq(shown.named, row[i].named, "%s", row[i].what);
		cr_expect_eq(shown.chain, row[i].chain, "%s: %s", row[i].what,
		    shown.reason);
		cr_expect_eq(shown.reason[0] == '\0',
		    row[i].chain == NET_TLS_FAULT_NONE, "%s", row[i].what);
		cr_expect_str_eq(shown.names, "mx.example.org");
		cr_expect(shown.begin_s < now, "%s", row[i].what);
		cr_expect_eq(shown.end_s < now, row[i].late, "%s", row[i].what);
	}
	net_tls_clients_free(own);
	net_tls_clients_free(others);
}

enum records { NONE, EE_KEY, EE_CERT, TA, WRONG, WRONG_AND_TA };

static const struct {
	const char *name;
	const char *sni;
	const char *expected; /* a name; NULL: none */
	enum records records;
	bool late;
	bool system; /* the system's anchors instead of the test's */
	enum net_tls_proof proof;
	const char *says;
} rows[] = {
    {"chain and name", "mx.example.org", "mx.example.org", NONE, false, false,
	NET_TLS_NAME, "name mx.example.org"},
    {"another name", "mx.example.org", "mx.example.net", NONE, false, false,
	NET_TLS_UNVERIFIED, "unverified"},
    {"an unknown CA", "mx.example.org", "mx.example.org", NONE, false, true,
	NET_TLS_UNVERIFIED, "unverified"},
    {"too late", "mx.example.org", "mx.example.org", NONE, true, false,
	NET_TLS_UNVERIFIED, "unverified"},
    {"nothing expected", NULL, NULL, NONE, false, false, NET_TLS_UNVERIFIED,
	"unverified"},
    {"DANE-EE, the key", "mx.example.org", NULL, EE_KEY, false, true,
	NET_TLS_DANE, "dane 3 1 1"},
    {"DANE-EE, the certificate", "mx.example.org", NULL, EE_CERT, false, true,
	NET_TLS_DANE, "dane 3 0 1"},
    {"DANE-EE looks at no dates (RFC 7672 3.1.1)", "mx.example.org", NULL,
	EE_KEY, true, true, NET_TLS_DANE, "dane 3 1 1"},
    {"DANE-EE looks at no names", "mail.example.net", NULL, EE_KEY, false, true,
	NET_TLS_DANE, "dane 3 1 1"},
    {"DANE-TA, the name at the base", "mx.example.org", NULL, TA, false, true,
	NET_TLS_DANE, "dane 2 0 1"},
    {"DANE-TA with another base, and the next hop's name", "mail.example.net",
	"mx.example.org", TA, false, true, NET_TLS_DANE, "dane 2 0 1"},
    {"DANE-TA looks at names", "mail.example.net", NULL, TA, false, true,
	NET_TLS_UNVERIFIED, "unverified"},
    {"DANE-TA looks at dates", "mx.example.org", NULL, TA, true, true,
	NET_TLS_UNVERIFIED, "unverified"},
    {"no record matches, though the name does", "mx.example.org",
	"mx.example.org", WRONG, false, false, NET_TLS_UNVERIFIED,
	"unverified"},
    {"one of two matches", "mx.example.org", NULL, WRONG_AND_TA, false, true,
	NET_TLS_DANE, "dane 2 0 1"},
};

static void
fill_records(enum records r, X509 *cert, struct net_tlsa *out)
{
	memset(out, 0, sizeof(*out));
	if (r == EE_KEY || r == EE_CERT)
		out->record[out->n++] = record_of(cert, 3, r == EE_KEY);
	if (r == WRONG || r == WRONG_AND_TA)
		out->record[out->n++] = record_of(ca, 3, 1);
	if (r == TA || r == WRONG_AND_TA)
		out->record[out->n++] = record_of(ca, 2, 0);
}

Test(tls_client, a_server_is_who_it_proves_to_be, .init = setup,
    .fini = teardown)
{
	struct net_tls_clients *own, *system_wide;
	char text[NET_TLS_TEXT_MAX];
	enum net_tls_proof proof;
	struct err_why why;

	cr_assert_eq(net_tls_clients_new(anchors, &own, &why), ERR_OK);
	cr_assert_eq(net_tls_clients_new(NULL, &system_wide, &why), ERR_OK);
	for (size_t i = 0; i < N(rows); i++) {
		X509 *cert = rows[i].late ? late : leaf;
		SSL_CTX *server = make_server(cert, NULL);
		struct net_tlsa tlsa;
		struct net_tls_expect x = {.sni = rows[i].sni,
		    .peer = rows[i].name,
		    .names = {rows[i].expected},
		    .n_names = rows[i].expected == NULL ? 0 : 1,
		    .base = rows[i].sni,
		    .strict = true};

		fill_records(rows[i].records, cert, &tlsa);
		x.tlsa = tlsa.n == 0 ? NULL : &tlsa;
		/* the second time it is resumed: the same verdict */
		for (int k = 0; k < 2; k++) {
			why.text[0] = '\0';
			cr_assert_eq(talk(rows[i].system ? system_wide : own,
					 server, &x, &proof, text, &why),
			    NET_IO_DONE, "%s: %s", rows[i].name, why.text);
			cr_expect_eq(proof, rows[i].proof, "%s, %d: %s %s",
			    rows[i].name, k, text, why.text);
			cr_expect_eq(why.text[0] == '\0',
			    proof != NET_TLS_UNVERIFIED, "%s", rows[i].name);
			cr_expect_eq(strstr(text, "resumed") != NULL, k == 1,
			    "%s: %s", rows[i].name, text);
			cr_expect_not_null(strstr(text, rows[i].says),
			    "%s, %d: %s", rows[i].name, k, text);
			cr_expect_not_null(strstr(text, "sha256:"));
		}
		SSL_CTX_free(server);
	}
	net_tls_clients_free(own);
	net_tls_clients_free(system_wide);
}

/* A session that was had without an expectation proves nothing under one. */
Test(tls_client, a_session_is_not_resumed_under_another_expectation,
    .init = setup, .fini = teardown)
{
	struct net_tls_clients *all;
	char text[NET_TLS_TEXT_MAX];
	enum net_tls_proof proof;
	struct err_why why;
	SSL_CTX *server;
	struct net_tlsa tlsa;
	struct net_tls_expect x = {.sni = "mx.example.org",
	    .peer = "p",
	    .names = {"mx.example.org"},
	    .n_names = 1};

	server = make_server(leaf, NULL);
	cr_assert_eq(net_tls_clients_new(anchors, &all, &why), ERR_OK);
	cr_assert_eq(talk(all, server, &x, &proof, text, &why), NET_IO_DONE);
	cr_assert_eq(proof, NET_TLS_NAME);
	fill_records(WRONG, leaf, &tlsa);
	x.tlsa = &tlsa;
	x.base = x.sni;
	cr_assert_eq(talk(all, server, &x, &proof, text, &why), NET_IO_DONE);
	cr_expect_eq(proof, NET_TLS_UNVERIFIED, "%s", text);
	cr_expect_null(strstr(text, "resumed"), "%s", text);
	net_tls_clients_free(all);
	SSL_CTX_free(server);
}

Test(tls_client, strict_is_forward_secret_and_authenticated, .init = setup,
    .fini = teardown)
{
	struct net_tls_clients *all;
	char text[NET_TLS_TEXT_MAX];
	enum net_tls_proof proof;
	struct err_why why = {""};
	SSL_CTX *server = make_server(leaf, "ECDHE-ECDSA-AES256-SHA384");
	struct net_tls_expect x = {.sni = "mx.example.org", .peer = "p"};

	cr_assert_eq(net_tls_clients_new(anchors, &all, &why), ERR_OK);
	cr_expect_eq(talk(all, server, &x, &proof, text, &why), NET_IO_DONE,
	    "%s", why.text);
	x.strict = true;
	cr_expect_eq(talk(all, server, &x, &proof, text, &why), NET_IO_FAILED);
	cr_expect_neq(why.text[0], '\0');
	net_tls_clients_free(all);
	SSL_CTX_free(server);
}

Test(tls_client, anchors_that_cannot_be_read_are_refused)
{
	struct net_tls_clients *all;
	struct err_why why = {""};

	cr_expect_eq(
	    net_tls_clients_new("/nonexistent/ca.pem", &all, &why), ERR_TLS);
	cr_expect_not_null(strstr(why.text, "/nonexistent/ca.pem"));
	cr_expect_eq(net_tls_clients_new("/dev/null", &all, &why), ERR_TLS);
}
