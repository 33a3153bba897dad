/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenSSL as a client, and a small cache of sessions to resume.
 */
#include "net/tls_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	SESSIONS = 256, /* servers remembered; another takes its place */
	PEER_MAX = 320,
};

struct session {
	char peer[PEER_MAX];
	SSL_SESSION *session;
};

struct net_tls_clients {
	SSL_CTX *ctx;
	struct session sessions[SESSIONS];
};

struct net_tls_client {
	struct net_tls_clients *all;
	SSL *ssl;
	char peer[PEER_MAX];
};

/* FNV-1a: which place in the cache a server has. */
static struct session *
session_of(struct net_tls_clients *all, const char *peer)
{
	uint32_t h = 2166136261u;

	for (const char *p = peer; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &all->sessions[h % SESSIONS];
}

/* OpenSSL hands over a session (a ticket of TLS 1.3 arrives with the first
   octets read). A copy is kept: hardly any mail server says close_notify, and
   a connection that is cut spoils the session that it has. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct net_tls_client *t = SSL_get_app_data(ssl);
	struct session *s = session_of(t->all, t->peer);
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	if (copy == NULL)
		return 0;
	SSL_SESSION_free(s->session);
	s->session = copy;
	memcpy(s->peer, t->peer, sizeof(s->peer));
	return 0;
}

enum err
net_tls_clients_new(struct net_tls_clients **out)
{
	struct net_tls_clients *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return ERR_NOMEM;
	all->ctx = SSL_CTX_new(TLS_client_method());
	if (all->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(all->ctx, TLS1_2_VERSION) != 1) {
		net_tls_clients_free(all);
		return ERR_TLS;
	}
	SSL_CTX_set_verify(all->ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_options(
	    all->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(all->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				       SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(
	    all->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(all->ctx, on_session);
	*out = all;
	return ERR_OK;
}

void
net_tls_clients_free(struct net_tls_clients *all)
{
	if (all == NULL)
		return;
	for (int i = 0; i < SESSIONS; i++)
		SSL_SESSION_free(all->sessions[i].session);
	SSL_CTX_free(all->ctx);
	free(all);
}

/* A ticket is used once (RFC 8446 C.4): the server sends a new one. */
static void
resume(struct net_tls_client *t)
{
	struct session *s = session_of(t->all, t->peer);

	if (s->session == NULL || strcmp(s->peer, t->peer) != 0)
		return;
	(void)SSL_set_session(t->ssl, s->session);
	SSL_SESSION_free(s->session);
	s->session = NULL;
}

struct net_tls_client *
net_tls_client_new(
    struct net_tls_clients *all, int fd, const char *name, const char *peer)
{
	struct net_tls_client *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->all = all;
	snprintf(t->peer, sizeof(t->peer), "%s", peer);
	t->ssl = SSL_new(all->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 ||
	    (name != NULL && SSL_set_tlsext_host_name(t->ssl, name) != 1)) {
		net_tls_client_free(t);
		return NULL;
	}
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	resume(t);
	return t;
}

void
net_tls_client_free(struct net_tls_client *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

/* What OpenSSL's answer means, and why it failed. */
static enum net_io
outcome(struct net_tls_client *t, int rc, struct err_why *why)
{
	unsigned long code;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_NONE:
		return NET_IO_DONE;
	case SSL_ERROR_WANT_READ:
		return NET_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return NET_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return NET_IO_CLOSED;
	default:
		break;
	}
	code = ERR_peek_last_error();
	if (code != 0 && ERR_reason_error_string(code) != NULL)
		(void)err_why(
		    why, ERR_TLS, "%s", ERR_reason_error_string(code));
	else
		(void)err_why(why, ERR_TLS, "the connection was cut");
	return NET_IO_FAILED;
}

enum net_io
net_tls_client_handshake(struct net_tls_client *t, struct err_why *why)
{
	ERR_clear_error();
	return outcome(t, SSL_do_handshake(t->ssl), why);
}

enum net_io
net_tls_client_read(struct net_tls_client *t, uint8_t *out, size_t size,
    size_t *n, struct err_why *why)
{
	ERR_clear_error();
	return outcome(t, SSL_read_ex(t->ssl, out, size, n), why);
}

enum net_io
net_tls_client_write(
    struct net_tls_client *t, struct span s, size_t *n, struct err_why *why)
{
	ERR_clear_error();
	return outcome(t, SSL_write_ex(t->ssl, s.data, s.len, n), why);
}

void
net_tls_client_bye(struct net_tls_client *t)
{
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

void
net_tls_client_text(const struct net_tls_client *t, char out[NET_TLS_TEXT_MAX])
{
	const char *cipher = SSL_get_cipher_name(t->ssl);

	snprintf(out, NET_TLS_TEXT_MAX, "%s %s unverified%s",
	    SSL_get_version(t->ssl), cipher == NULL ? "?" : cipher,
	    SSL_session_reused(t->ssl) ? " resumed" : "");
}
