/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenSSL between two machines that know each other. The fingerprint takes the
 * place of the whole verification (SSL_CTX_set_cert_verify_callback(3)).
 */
#include "net/tls_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/secret.h"
#include "net/tls_private.h"

struct net_tls_peers {
	SSL_CTX *ctx;
	const uint8_t (*known)[DIGEST_SIZE];
	size_t n_known;
};

struct net_tls_peer {
	SSL *ssl;
	bool broken; /* no goodbye after a fatal error (SSL_shutdown(3)) */
};

/* What OpenSSL asks once the other side has proven that it has the private key
   of this certificate. */
static int
is_known(X509_STORE_CTX *ctx, void *arg)
{
	const struct net_tls_peers *all = arg;
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (cert != NULL &&
	    X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
	    len == DIGEST_SIZE)
		for (size_t i = 0; i < all->n_known; i++)
			if (memcmp(digest, all->known[i], DIGEST_SIZE) == 0)
				return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

static enum err
configure(struct net_tls_peers *all)
{
	SSL_CTX *ctx = all->ctx;

	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, is_known, all);
	return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
		       SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1
		   ? ERR_OK
		   : ERR_TLS;
}

enum err
net_tls_peers_new(int cert_fd, int key_fd, const uint8_t (*known)[DIGEST_SIZE],
    size_t n_known, struct net_tls_peers **out, struct err_why *why)
{
	struct net_tls_peers *all = calloc(1, sizeof(*all));
	enum err e;

	if (all == NULL)
		return ERR_NOMEM;
	ERR_clear_error();
	all->known = known;
	all->n_known = n_known;
	all->ctx = SSL_CTX_new(TLS_method());
	e = all->ctx == NULL ? ERR_NOMEM : configure(all);
	if (e == ERR_OK)
		e = net_tls_load_pair(all->ctx, cert_fd, key_fd, why);
	ERR_clear_error();
	if (e != ERR_OK) {
		net_tls_peers_free(all);
		return e;
	}
	*out = all;
	return ERR_OK;
}

void
net_tls_peers_free(struct net_tls_peers *all)
{
	if (all == NULL)
		return;
	SSL_CTX_free(all->ctx);
	free(all);
}

enum err
net_tls_peer_new(
    struct net_tls_peers *all, int fd, bool called, struct net_tls_peer **out)
{
	struct net_tls_peer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ERR_NOMEM;
	t->ssl = SSL_new(all->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
		SSL_free(t->ssl);
		free(t);
		return ERR_NOMEM;
	}
	if (called)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	*out = t;
	return ERR_OK;
}

void
net_tls_peer_free(struct net_tls_peer *t)
{
	if (t == NULL)
		return;
	ERR_clear_error();
	if (!t->broken && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	SSL_free(t->ssl);
	free(t);
}

/* What went wrong, in words for who has to mend it. */
static void
say_why(int kind, struct err_why *why)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);
	int number = ERR_GET_REASON(code);

	if (number == SSL_R_CERTIFICATE_VERIFY_FAILED)
		(void)!err_why(why, ERR_TLS,
		    "its certificate is not one of those in peer");
	else if (number == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		(void)!err_why(why, ERR_TLS, "it has shown no certificate");
	else if (reason != NULL)
		(void)!err_why(why, ERR_TLS, "TLS: %s", reason);
	else if (kind == SSL_ERROR_SYSCALL && errno != 0)
		(void)!err_why(why, ERR_TLS, "%s", strerror(errno));
	else
		(void)!err_why(why, ERR_TLS, "it was cut");
}

static enum net_io
translate(struct net_tls_peer *t, int rc, struct err_why *why)
{
	int kind = SSL_get_error(t->ssl, rc);

	switch (kind) {
	case SSL_ERROR_WANT_READ:
		return NET_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return NET_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return NET_IO_CLOSED;
	default:
		t->broken = true;
		say_why(kind, why);
		ERR_clear_error();
		return NET_IO_FAILED;
	}
}

enum net_io
net_tls_peer_handshake(struct net_tls_peer *t, struct err_why *why)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(t->ssl);
	return rc == 1 ? NET_IO_DONE : translate(t, rc, why);
}

enum net_io
net_tls_peer_read(struct net_tls_peer *t, uint8_t *out, size_t size, size_t *n,
    struct err_why *why)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(t->ssl, out, size, n);
	return rc == 1 ? NET_IO_DONE : translate(t, rc, why);
}

enum net_io
net_tls_peer_write(
    struct net_tls_peer *t, struct span s, size_t *n, struct err_why *why)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(t->ssl, s.data, s.len, n);
	return rc == 1 ? NET_IO_DONE : translate(t, rc, why);
}
