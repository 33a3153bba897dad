/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenSSL as a TLS server. Its error queue is emptied before each call, or
 * SSL_get_error() would report what another connection left there.
 */
#include "net/tls_server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/limits.h"
#include "common/secret.h"
#include "net/tls_private.h"

struct net_tls_server {
	SSL_CTX *ctx;
	unsigned refs;
	bool believes; /* client certificates are asked for */
};

struct net_tls_server_conn {
	SSL *ssl;
	struct net_tls_server *server;
	bool broken; /* no goodbye after a fatal error (SSL_shutdown(3)) */
};

/* RFC 9325 4.2: ephemeral key agreement and AEAD only. */
static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";

static enum err
tls_why(struct err_why *why, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	return err_why(why, ERR_TLS, "%s: %s", what,
	    reason == NULL ? "unknown error" : reason);
}

/* The whole file into memory that is wiped by the caller. */
static enum err
read_pem(int fd, struct buf *out)
{
	uint8_t *p;
	ssize_t n;
	enum err e;

	do {
		e = buf_reserve(out, 4096, &p);
		if (e != ERR_OK)
			return e;
		n = pread(fd, p, 4096, (off_t)out->len);
		if (n > 0)
			buf_grow(out, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_from_errno(errno) : ERR_OK;
}

/* A key that needs a passphrase is refused rather than asked about. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	return -1;
}

static bool
add_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *x;

	while (
	    (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			return false;
		}
	}
	/* the end of the file is an error of its own */
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static enum err
use_cert(SSL_CTX *ctx, struct span pem, struct err_why *why)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *leaf = NULL;
	enum err e = ERR_OK;

	if (bio == NULL)
		return ERR_NOMEM;
	leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
	if (leaf == NULL || SSL_CTX_use_certificate(ctx, leaf) != 1 ||
	    !add_chain(ctx, bio))
		e = tls_why(why, "certificate");
	ERR_clear_error();
	X509_free(leaf);
	BIO_free(bio);
	return e;
}

static enum err
use_key(SSL_CTX *ctx, struct span pem, struct err_why *why)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = NULL;
	enum err e = ERR_OK;

	if (bio == NULL)
		return ERR_NOMEM;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (key == NULL || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		e = tls_why(why, "private key");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return e;
}

enum err
net_tls_load_pair(SSL_CTX *ctx, int cert_fd, int key_fd, struct err_why *why)
{
	struct buf pem;
	enum err e;

	buf_init(&pem, LIMIT_KEY_SIZE);
	e = read_pem(cert_fd, &pem);
	if (e == ERR_OK)
		e = use_cert(ctx, buf_span(&pem), why);
	buf_clear(&pem);
	if (e != ERR_OK)
		return e;
	/* all the room at once, so that no copy is left behind by growing */
	{
		uint8_t *p;

		e = buf_reserve(&pem, 64 * 1024, &p);
	}
	if (e == ERR_OK)
		e = read_pem(key_fd, &pem);
	if (e == ERR_OK)
		e = use_key(ctx, buf_span(&pem), why);
	if (pem.data != NULL)
		secret_wipe(pem.data, pem.cap);
	buf_clear(&pem);
	return e;
}

static enum err
configure(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, ciphers_12) != 1)
		return ERR_TLS;
	return ERR_OK;
}

enum err
net_tls_server_new(
    int cert_fd, int key_fd, struct net_tls_server **out, struct err_why *why)
{
	struct net_tls_server *s = calloc(1, sizeof(*s));
	enum err e = ERR_NOMEM;

	ERR_clear_error();
	if (s == NULL)
		return e;
	s->refs = 1;
	s->ctx = SSL_CTX_new(TLS_server_method());
	if (s->ctx != NULL)
		e = configure(s->ctx);
	if (e == ERR_OK)
		e = net_tls_load_pair(s->ctx, cert_fd, key_fd, why);
	else
		tls_why(why, "TLS");
	ERR_clear_error();
	if (e != ERR_OK) {
		net_tls_server_unref(s);
		return e;
	}
	*out = s;
	return ERR_OK;
}

/* A bad certificate is none: whoever must have one is told later. */
static int
go_on_anyway(int ok, X509_STORE_CTX *ctx)
{
	return 1;
}

static enum err
add_anchors(SSL_CTX *ctx, struct span pem, struct err_why *why)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	unsigned n = 0;
	X509 *x;
	bool ok = bio != NULL;

	while (ok && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) !=
			 NULL) {
		ok = X509_STORE_add_cert(store, x) == 1 &&
		     SSL_CTX_add_client_CA(ctx, x) == 1;
		X509_free(x);
		n++;
	}
	BIO_free(bio);
	if (!ok || n == 0)
		return tls_why(why, "CA certificates");
	return ERR_OK;
}

/* Where there is a list of what was revoked, each CA must have one that is
   still good (RFC 5280 6.3), or nothing it has issued is believed. */
static enum err
add_lists(SSL_CTX *ctx, struct span pem, bool *old, struct err_why *why)
{
	/* of the certificate, and of each CA above it */
	const unsigned long all =
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	unsigned n = 0;
	X509_CRL *list;
	bool ok = bio != NULL;

	while (ok && (list = PEM_read_bio_X509_CRL(
			  bio, NULL, no_passphrase, NULL)) != NULL) {
		const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);

		ok = X509_STORE_add_crl(store, list) == 1;
		*old = *old || next == NULL || X509_cmp_current_time(next) < 0;
		X509_CRL_free(list);
		n++;
	}
	BIO_free(bio);
	if (ok) /* the end of the file is an error of its own */
		ok = ERR_GET_REASON(ERR_peek_last_error()) ==
		     PEM_R_NO_START_LINE;
	if (ok && n > 0)
		ok = X509_STORE_set_flags(store, all) == 1;
	return ok ? ERR_OK : tls_why(why, "revocation lists");
}

static enum err
read_authorities(SSL_CTX *ctx, int fd, bool *old, struct err_why *why)
{
	struct buf pem;
	enum err e;

	ERR_clear_error();
	*old = false;
	buf_init(&pem, LIMIT_KEY_SIZE);
	e = read_pem(fd, &pem);
	if (e == ERR_OK)
		e = add_anchors(ctx, buf_span(&pem), why);
	if (e == ERR_OK)
		e = add_lists(ctx, buf_span(&pem), old, why);
	buf_clear(&pem);
	ERR_clear_error();
	return e;
}

enum err
net_tls_server_check_ca(int ca_fd, bool *old, struct err_why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	bool expired;
	enum err e;

	if (ctx == NULL)
		return ERR_NOMEM;
	e = read_authorities(ctx, ca_fd, &expired, why);
	SSL_CTX_free(ctx);
	if (e == ERR_OK)
		*old = expired;
	return e;
}

enum err
net_tls_server_believe(struct net_tls_server *s, int ca_fd, struct err_why *why)
{
	static const unsigned char context[] = "sealgate";
	bool old;
	enum err e = read_authorities(s->ctx, ca_fd, &old, why);

	if (e != ERR_OK)
		return e;
	SSL_CTX_set_session_id_context(s->ctx, context, sizeof(context) - 1);
	SSL_CTX_set_purpose(s->ctx, X509_PURPOSE_SSL_CLIENT);
	SSL_CTX_set_verify(
	    s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, go_on_anyway);
	s->believes = true;
	return ERR_OK;
}

struct net_tls_server *
net_tls_server_ref(struct net_tls_server *s)
{
	s->refs++;
	return s;
}

void
net_tls_server_unref(struct net_tls_server *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	SSL_CTX_free(s->ctx);
	free(s);
}

enum err
net_tls_server_conn_new(
    struct net_tls_server *s, int fd, struct net_tls_server_conn **out)
{
	struct net_tls_server_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	c->ssl = SSL_new(s->ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1) {
		SSL_free(c->ssl);
		free(c);
		return ERR_NOMEM;
	}
	SSL_set_accept_state(c->ssl);
	c->server = net_tls_server_ref(s);
	*out = c;
	return ERR_OK;
}

void
net_tls_server_conn_free(struct net_tls_server_conn *c)
{
	if (c == NULL)
		return;
	ERR_clear_error();
	if (!c->broken && SSL_is_init_finished(c->ssl))
		SSL_shutdown(c->ssl);
	ERR_clear_error();
	SSL_free(c->ssl);
	net_tls_server_unref(c->server);
	free(c);
}

static enum net_io
translate(struct net_tls_server_conn *c, int rc)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return NET_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return NET_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return NET_IO_CLOSED;
	default:
		c->broken = true;
		ERR_clear_error();
		return NET_IO_FAILED;
	}
}

enum net_io
net_tls_server_handshake(struct net_tls_server_conn *c)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	return rc == 1 ? NET_IO_DONE : translate(c, rc);
}

enum net_io
net_tls_server_read(
    struct net_tls_server_conn *c, uint8_t *out, size_t out_size, size_t *n)
{
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(c->ssl, out, out_size, n);
	return rc == 1 ? NET_IO_DONE : translate(c, rc);
}

enum net_io
net_tls_server_write(struct net_tls_server_conn *c, struct span s, size_t *n)
{
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(c->ssl, s.data, s.len, n);
	return rc == 1 ? NET_IO_DONE : translate(c, rc);
}

bool
net_tls_server_has_pending(const struct net_tls_server_conn *c)
{
	return SSL_has_pending(c->ssl) == 1;
}

static enum err
append_addrs(X509 *x, struct buf *out)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	enum err e = ERR_OK;

	for (int i = 0; e == ERR_OK && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		struct span s;

		if (n->type != GEN_EMAIL)
			continue;
		s = SPAN(ASN1_STRING_get0_data(n->d.rfc822Name),
		    (size_t)ASN1_STRING_length(n->d.rfc822Name));
		/* what could be read in two ways is no address */
		if (memchr(s.data, '\n', s.len) != NULL ||
		    memchr(s.data, '\0', s.len) != NULL)
			continue;
		if (out->len > 0)
			e = buf_put(out, SPAN_LIT("\n"));
		if (e == ERR_OK)
			e = buf_put(out, s);
	}
	GENERAL_NAMES_free(names);
	return e;
}

enum err
net_tls_server_client_addrs(
    const struct net_tls_server_conn *c, struct buf *out)
{
	X509 *x = NULL;
	enum err e = ERR_OK;

	if (c->server->believes && SSL_get_verify_result(c->ssl) == X509_V_OK)
		x = SSL_get1_peer_certificate(c->ssl);
	if (x != NULL)
		e = append_addrs(x, out);
	X509_free(x);
	ERR_clear_error();
	return e;
}

void
net_tls_server_describe(
    const struct net_tls_server_conn *c, char *out, size_t out_size)
{
	snprintf(out, out_size, "%s %s", SSL_get_version(c->ssl),
	    SSL_CIPHER_get_name(SSL_get_current_cipher(c->ssl)));
}
