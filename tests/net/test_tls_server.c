/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which files make a server. The connections themselves are tested with the
 * listener (tests/gateway/test_listener_tls.c).
 */
#include "net/tls_server.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

static EVP_PKEY *key, *other;

static int
memfd_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int fd = memfd_create("pem", MFD_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, data, (size_t)len) == len);
	BIO_free(bio);
	return fd;
}

static void
put_cert(BIO *bio, EVP_PKEY *k)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"gw.example.com", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, k);
	cr_assert(X509_sign(x, k, EVP_sha256()) > 0);
	PEM_write_bio_X509(bio, x);
	X509_free(x);
}

enum file {
	LEAF,
	CHAIN,
	BROKEN_CHAIN,
	KEY,
	OTHER_KEY,
	LOCKED_KEY,
	TEXT,
	EMPTY
};

static int
make(enum file f)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (f == LEAF || f == CHAIN || f == BROKEN_CHAIN)
		put_cert(bio, key);
	if (f == CHAIN)
		put_cert(bio, other);
	if (f == BROKEN_CHAIN)
		BIO_puts(bio, "-----BEGIN CERTIFICATE-----\nAAAA\n"
			      "-----END CERTIFICATE-----\n");
	if (f == KEY || f == OTHER_KEY)
		PEM_write_bio_PrivateKey(
		    bio, f == KEY ? key : other, NULL, NULL, 0, NULL, NULL);
	if (f == LOCKED_KEY)
		PEM_write_bio_PrivateKey(bio, key, EVP_aes_256_cbc(),
		    (const unsigned char *)"secret", 6, NULL, NULL);
	if (f == TEXT)
		BIO_puts(bio, "not PEM at all\n");
	return memfd_of(bio);
}

Test(tls_server, only_a_certificate_and_its_open_key_will_do)
{
	static const struct {
		const char *name;
		enum file cert, key;
		bool ok;
	} rows[] = {
	    {"a certificate", LEAF, KEY, true},
	    {"with its chain", CHAIN, KEY, true},
	    {"a chain that ends in nonsense", BROKEN_CHAIN, KEY, false},
	    {"another key", LEAF, OTHER_KEY, false},
	    {"a key with a passphrase", LEAF, LOCKED_KEY, false},
	    {"no key", LEAF, EMPTY, false},
	    {"text for a key", LEAF, TEXT, false},
	    {"text for a certificate", TEXT, KEY, false},
	    {"no certificate", EMPTY, KEY, false},
	    {"exchanged", KEY, LEAF, false},
	};
	struct net_tls_server *s;
	struct err_why why;
	int cert_fd, key_fd;
	enum err e;

	key = EVP_EC_gen("P-256");
	other = EVP_EC_gen("P-256");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cert_fd = make(rows[i].cert);
		key_fd = make(rows[i].key);
		s = NULL;
		why.text[0] = '\0';
		/* twice: the descriptors are read from their beginning */
		for (int k = 0; k < 2; k++) {
			net_tls_server_unref(s);
			s = NULL;
			e = net_tls_server_new(cert_fd, key_fd, &s, &why);
			cr_assert_eq(e, rows[i].ok ? ERR_OK : ERR_TLS,
			    "%s: %s %s", rows[i].name, err_name(e), why.text);
		}
		cr_assert(rows[i].ok || (s == NULL && why.text[0] != '\0'),
		    "%s", rows[i].name);
		net_tls_server_unref(s);
		close(cert_fd);
		close(key_fd);
	}
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

Test(tls_server, a_revocation_list_that_cannot_be_read_is_not_left_out)
{
	static const char list[] = "-----BEGIN X509 CRL-----\nAAAA\n"
				   "-----END X509 CRL-----\n";
	struct net_tls_server *s = NULL;
	struct err_why why;
	int cert_fd, key_fd, ca_fd;

	key = EVP_EC_gen("P-256");
	cert_fd = make(LEAF);
	key_fd = make(KEY);
	cr_assert_eq(net_tls_server_new(cert_fd, key_fd, &s, &why), ERR_OK);
	cr_expect_eq(net_tls_server_believe(s, cert_fd, &why), ERR_OK);
	ca_fd = make(LEAF);
	cr_assert(lseek(ca_fd, 0, SEEK_END) > 0);
	cr_assert_eq(
	    write(ca_fd, list, sizeof(list) - 1), (ssize_t)sizeof(list) - 1);
	cr_expect_eq(net_tls_server_believe(s, ca_fd, &why), ERR_TLS);
	net_tls_server_unref(s);
	close(cert_fd);
	close(key_fd);
	close(ca_fd);
	EVP_PKEY_free(key);
}
