/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Two machines that know each other by their certificates, and others that they
 * do not know.
 */
#include "net/tls_peer.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

struct machine {
	int cert_fd, key_fd;
	uint8_t known[1][DIGEST_SIZE]; /* its certificate */
};

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

/* valid_s < 0: its time is over. */
static void
make(struct machine *m, long valid_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *cert = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	unsigned len;

	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), valid_s);
	X509_set_pubkey(x, key);
	cr_assert(X509_sign(x, key, EVP_sha256()) > 0);
	cr_assert_eq(X509_digest(x, EVP_sha256(), m->known[0], &len), 1);
	PEM_write_bio_X509(cert, x);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	m->cert_fd = memfd_of(cert);
	m->key_fd = memfd_of(pem);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* Does the handshake end well for both, so that a word gets through? */
static bool
talk(struct net_tls_peer *a, struct net_tls_peer *b, struct err_why *why)
{
	enum net_io ia = NET_IO_WANT_READ, ib = NET_IO_WANT_READ;
	uint8_t got[8];
	size_t n;

	for (unsigned i = 0; i < 20; i++) {
		if (ia != NET_IO_DONE && ia != NET_IO_FAILED)
			ia = net_tls_peer_handshake(a, why);
		if (ib != NET_IO_DONE && ib != NET_IO_FAILED)
			ib = net_tls_peer_handshake(b, why);
	}
	if (ia != NET_IO_DONE || ib != NET_IO_DONE)
		return false;
	return net_tls_peer_write(b, SPAN_LIT("word"), &n, why) ==
		   NET_IO_DONE &&
	       net_tls_peer_read(a, got, sizeof(got), &n, why) == NET_IO_DONE &&
	       n == 4;
}

Test(tls_peer, they_know_each_other_or_do_not_talk)
{
	struct machine inside, outside, old, stranger;
	const struct {
		const char *name;
		const struct machine *calls, *called;
		const struct machine *caller_knows, *called_knows;
		bool ok;
	} rows[] = {
	    {"both", &inside, &outside, &outside, &inside, true},
	    {"dates are not looked at", &inside, &old, &old, &inside, true},
	    {"a stranger calls", &stranger, &outside, &outside, &inside, false},
	    {"a stranger is called", &inside, &stranger, &outside, &inside,
		false},
	    {"strangers to each other", &stranger, &stranger, &outside, &inside,
		false},
	    {"the same on both sides", &inside, &inside, &outside, &inside,
		false},
	};

	make(&inside, 3600);
	make(&outside, 3600);
	make(&old, -3600);
	make(&stranger, 3600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_tls_peers *x = NULL, *y = NULL;
		struct net_tls_peer *a = NULL, *b = NULL;
		struct err_why why = {""};
		int fd[2];

		cr_assert_eq(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
		cr_assert_eq(net_tls_peers_new(rows[i].calls->cert_fd,
				 rows[i].calls->key_fd,
				 (const uint8_t(*)[DIGEST_SIZE])rows[i]
				     .caller_knows->known,
				 1, &x, &why),
		    ERR_OK, "%s", why.text);
		cr_assert_eq(net_tls_peers_new(rows[i].called->cert_fd,
				 rows[i].called->key_fd,
				 (const uint8_t(*)[DIGEST_SIZE])rows[i]
				     .called_knows->known,
				 1, &y, &why),
		    ERR_OK, "%s", why.text);
		cr_assert_eq(net_tls_peer_new(x, fd[0], false, &a), ERR_OK);
		cr_assert_eq(net_tls_peer_new(y, fd[1], true, &b), ERR_OK);
		cr_expect_eq(talk(a, b, &why), rows[i].ok, "%s: %s",
		    rows[i].name, why.text);
		net_tls_peer_free(a);
		net_tls_peer_free(b);
		net_tls_peers_free(x);
		net_tls_peers_free(y);
		close(fd[0]);
		close(fd[1]);
	}
}

/* As anybody can: without a certificate, or with TLS 1.2. */
Test(tls_peer, nobody_gets_in_without_a_certificate_or_with_old_tls)
{
	static const struct {
		const char *name;
		int version;
	} rows[] = {
	    {"no certificate", TLS1_3_VERSION},
	    {"TLS 1.2", TLS1_2_VERSION},
	};
	struct machine inside, outside;

	make(&inside, 3600);
	make(&outside, 3600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		struct net_tls_peers *y = NULL;
		struct net_tls_peer *b = NULL;
		struct err_why why = {""};
		enum net_io io = NET_IO_WANT_READ;
		SSL *ssl;
		int fd[2];

		cr_assert_eq(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
		SSL_CTX_set_max_proto_version(ctx, rows[i].version);
		cr_assert_eq(net_tls_peers_new(outside.cert_fd, outside.key_fd,
				 (const uint8_t(*)[DIGEST_SIZE])inside.known, 1,
				 &y, &why),
		    ERR_OK, "%s", why.text);
		cr_assert_eq(net_tls_peer_new(y, fd[1], true, &b), ERR_OK);
		ssl = SSL_new(ctx);
		SSL_set_fd(ssl, fd[0]);
		for (unsigned k = 0; k < 20 && io != NET_IO_FAILED; k++) {
			(void)SSL_connect(ssl);
			io = net_tls_peer_handshake(b, &why);
			cr_assert_neq(io, NET_IO_DONE, "%s", rows[i].name);
		}
		cr_expect_eq(io, NET_IO_FAILED, "%s", rows[i].name);
		cr_expect_neq(why.text[0], '\0');
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		net_tls_peer_free(b);
		net_tls_peers_free(y);
		close(fd[0]);
		close(fd[1]);
	}
}
