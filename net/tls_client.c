/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenSSL as a client: names and TLSA records to verify, and a small cache of
 * sessions to resume. A session is resumed only under the expectations it was
 * verified with, for its verdict is resumed, too.
 */
#include "net/tls_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/text.h"
#include "net/tlsa.h"

/* Debian's ca-certificates, in one file: nothing can be opened later. */
#define SYSTEM_ANCHORS "/etc/ssl/certs/ca-certificates.crt"

#define CIPHERS_STRICT                                                         \
	"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK"
#define CIPHERS_ANY "HIGH:!aNULL:!eNULL:!PSK:!SRP"

enum {
	SESSIONS = 256, /* servers remembered; another takes its place */
};

/* What the first handshake matched; a resumed one does not show it again. */
struct matched {
	char name[NET_TLS_NAME_MAX];
	char record[NET_TLS_RECORD_MAX];
};

struct session {
	uint8_t key[DIGEST_SIZE];
	SSL_SESSION *session;
	struct matched matched;
};

struct net_tls_clients {
	SSL_CTX *ctx;
	struct session sessions[SESSIONS];
};

struct net_tls_client {
	struct net_tls_clients *all;
	SSL *ssl;
	uint8_t key[DIGEST_SIZE]; /* of the session, see session_key() */
	bool by_name;		  /* names were given */
	bool by_dane;		  /* TLSA records were */
	struct matched resumed;	  /* of the session that is resumed */
};

/* The server and everything expected of it. */
static void
session_key(const struct net_tls_expect *x, uint8_t out[DIGEST_SIZE])
{
	struct span parts[NET_TLS_NAMES_MAX + 6];
	size_t n = 0;

	parts[n++] = SPAN(x->peer, strlen(x->peer) + 1);
	parts[n++] = SPAN(&x->strict, sizeof(x->strict));
	if (x->sni != NULL)
		parts[n++] = SPAN(x->sni, strlen(x->sni) + 1);
	parts[n++] = SPAN_LIT("|");
	for (size_t i = 0; i < x->n_names; i++)
		parts[n++] = SPAN(x->names[i], strlen(x->names[i]) + 1);
	if (x->tlsa != NULL) {
		parts[n++] = SPAN(x->base, strlen(x->base) + 1);
		parts[n++] = SPAN(
		    x->tlsa->record, x->tlsa->n * sizeof(x->tlsa->record[0]));
	}
	digest_sha256(parts, n, out);
}

static struct session *
session_of(struct net_tls_clients *all, const uint8_t key[DIGEST_SIZE])
{
	return &all->sessions[key[0] % SESSIONS];
}

static enum net_tls_fault
fault_of(long rc)
{
	switch (rc) {
	case X509_V_OK:
		return NET_TLS_FAULT_NONE;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return NET_TLS_FAULT_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return NET_TLS_FAULT_EXPIRED;
	case X509_V_ERR_DANE_NO_MATCH:
		return NET_TLS_FAULT_DANE;
	default:
		return NET_TLS_FAULT_TRUST;
	}
}

/* A name that does not match is found before the time is looked at. */
enum net_tls_fault
net_tls_client_fault(const struct net_tls_client *t, const char *name)
{
	enum net_tls_fault f = fault_of(SSL_get_verify_result(t->ssl));
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	if (cert == NULL)
		return NET_TLS_FAULT_TRUST;
	if (f != NET_TLS_FAULT_NONE && f != NET_TLS_FAULT_NAME)
		return f;
	if (X509_check_host(
		cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1)
		return NET_TLS_FAULT_NAME;
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0 ||
	    X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		return NET_TLS_FAULT_EXPIRED;
	return NET_TLS_FAULT_NONE;
}

/* --- what a certificate says of itself --- */

static bool
is_for(X509 *cert, const char *name)
{
	return X509_check_ip_asc(cert, name, 0) == 1 ||
	       X509_check_host(cert, name, 0,
		   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static void
add_name(char *out, size_t size, const ASN1_STRING *name)
{
	size_t len = strlen(out);
	int n = ASN1_STRING_length(name);

	if (n > 0 && (size_t)n + 1 < size - len)
		snprintf(out + len, size - len, "%s%.*s", len > 0 ? " " : "", n,
		    (const char *)ASN1_STRING_get0_data(name));
}

/* RFC 6125 6.4.4: the common name counts where there are no DNS names. */
static void
list_names(X509 *cert, char *out, size_t size)
{
	GENERAL_NAMES *all =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS)
			add_name(out, size, g->d.dNSName);
	}
	if (out[0] == '\0' && at >= 0)
		add_name(out, size,
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	GENERAL_NAMES_free(all);
}

static int64_t
seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void
net_tls_client_shown(const struct net_tls_client *t, const char *const *names,
    size_t n_names, struct net_tls_shown *out)
{
	long rc = SSL_get_verify_result(t->ssl);
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	memset(out, 0, sizeof(*out));
	out->chain = cert == NULL ? NET_TLS_FAULT_TRUST : fault_of(rc);
	if (out->chain != NET_TLS_FAULT_NONE)
		snprintf(out->reason, sizeof(out->reason), "%s",
		    cert == NULL ? "no certificate"
				 : X509_verify_cert_error_string(rc));
	if (cert == NULL)
		return;
	for (size_t i = 0; i < n_names; i++)
		out->named = out->named || is_for(cert, names[i]);
	list_names(cert, out->names, sizeof(out->names));
	out->begin_s = seconds_of(X509_get0_notBefore(cert));
	out->end_s = seconds_of(X509_get0_notAfter(cert));
	ERR_clear_error();
}

/* "3 1 1 0123…" */
static void
record_text(const struct net_tls_client *t, char out[NET_TLS_RECORD_MAX])
{
	uint8_t usage, selector, matching;
	const unsigned char *data;
	size_t len;

	if (SSL_get0_dane_tlsa(
		t->ssl, &usage, &selector, &matching, &data, &len) < 0)
		return;
	snprintf(out, NET_TLS_RECORD_MAX, "%d %d %d ", usage % 10,
	    selector % 10, matching % 10);
	text_hex(SPAN(data, len < 64 ? len : 64), out + 6);
}

static void
find_matched(const struct net_tls_client *t, struct matched *out)
{
	const char *name;

	if (SSL_session_reused(t->ssl) == 1) {
		*out = t->resumed;
		return;
	}
	memset(out, 0, sizeof(*out));
	if (SSL_get_verify_result(t->ssl) != X509_V_OK)
		return;
	name = SSL_get0_peername(t->ssl);
	if (name != NULL)
		snprintf(out->name, sizeof(out->name), "%s", name);
	if (t->by_dane)
		record_text(t, out->record);
}

/* OpenSSL hands over a session (a ticket of TLS 1.3 arrives with the first
   octets read). A copy is kept: hardly any mail server says close_notify, and
   a connection that is cut spoils the session that it has. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct net_tls_client *t = SSL_get_app_data(ssl);
	struct session *s = session_of(t->all, t->key);
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	if (copy == NULL)
		return 0;
	SSL_SESSION_free(s->session);
	s->session = copy;
	memcpy(s->key, t->key, sizeof(s->key));
	find_matched(t, &s->matched);
	return 0;
}

/* Without the system's file nobody can be verified by a name, and everything
   else works; without one that was asked for, nothing starts. */
static enum err
load_anchors(SSL_CTX *ctx, const char *file, struct err_why *why)
{
	const char *from = file == NULL ? SYSTEM_ANCHORS : file;

	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx, from) == 1)
		return ERR_OK;
	ERR_clear_error();
	if (file == NULL)
		return ERR_OK;
	return err_why(
	    why, ERR_TLS, "%s: no certificates in PEM can be read", file);
}

enum err
net_tls_clients_believe(
    struct net_tls_clients *all, const char *file, struct err_why *why)
{
	return load_anchors(all->ctx, file, why);
}

enum err
net_tls_clients_new(
    const char *anchors_file, struct net_tls_clients **out, struct err_why *why)
{
	struct net_tls_clients *all = calloc(1, sizeof(*all));
	enum err e;

	if (all == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	all->ctx = SSL_CTX_new(TLS_client_method());
	if (all->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(all->ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_dane_enable(all->ctx) != 1)
		e = err_why(why, ERR_TLS, "OpenSSL does not start");
	else
		e = load_anchors(all->ctx, anchors_file, why);
	if (e != ERR_OK) {
		net_tls_clients_free(all);
		return e;
	}
	/* the handshake goes on with anybody; the verdict is asked for later */
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
	struct session *s = session_of(t->all, t->key);

	if (s->session == NULL || memcmp(s->key, t->key, sizeof(s->key)) != 0)
		return;
	(void)SSL_set_session(t->ssl, s->session);
	t->resumed = s->matched;
	SSL_SESSION_free(s->session);
	s->session = NULL;
}

/* RFC 7672 3.1.1: the names in a certificate that DANE-EE vouches for do not
   matter; 3.2.2: below DANE-TA it must have the base's name or one of ours. */
static bool
expect_records(SSL *ssl, const struct net_tls_expect *x)
{
	const struct net_tlsa_record *r;
	bool any = false;

	if (SSL_dane_enable(ssl, x->base) != 1)
		return false;
	(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < x->tlsa->n; i++) {
		r = &x->tlsa->record[i];
		if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
			r->data, r->len) == 1)
			any = true;
	}
	/* without one the handshake would be verified as if DANE had not been
	   asked for */
	return any;
}

static bool
expect(struct net_tls_client *t, const struct net_tls_expect *x)
{
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (x->sni != NULL && SSL_set_tlsext_host_name(t->ssl, x->sni) != 1)
		return false;
	if (x->tlsa != NULL && !expect_records(t->ssl, x))
		return false;
	for (size_t i = 0; i < x->n_names; i++)
		if (SSL_add1_host(t->ssl, x->names[i]) != 1)
			return false;
	t->by_dane = x->tlsa != NULL;
	t->by_name = x->n_names > 0;
	return SSL_set_cipher_list(
		   t->ssl, x->strict ? CIPHERS_STRICT : CIPHERS_ANY) == 1;
}

struct net_tls_client *
net_tls_client_new(
    struct net_tls_clients *all, int fd, const struct net_tls_expect *x)
{
	struct net_tls_client *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->all = all;
	session_key(x, t->key);
	t->ssl = SSL_new(all->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 || !expect(t, x)) {
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

/* A resumed session has the verdict of its first handshake, made under the
   same expectations; which record matched is not known any more. */
enum net_tls_proof
net_tls_client_proof(const struct net_tls_client *t, struct err_why *why)
{
	long rc = SSL_get_verify_result(t->ssl);
	bool resumed = SSL_session_reused(t->ssl) == 1;

	if (!t->by_dane && !t->by_name) {
		(void)err_why(why, ERR_TLS, "nothing is known to verify it by");
		return NET_TLS_UNVERIFIED;
	}
	if (rc != X509_V_OK) {
		(void)err_why(
		    why, ERR_TLS, "%s", X509_verify_cert_error_string(rc));
		return NET_TLS_UNVERIFIED;
	}
	if (!t->by_dane)
		return NET_TLS_NAME;
	if (!resumed && SSL_get0_dane_authority(t->ssl, NULL, NULL) < 0) {
		(void)err_why(why, ERR_TLS, "no TLSA record matches");
		return NET_TLS_UNVERIFIED;
	}
	return NET_TLS_DANE;
}

static void
fingerprint(const struct net_tls_client *t, char out[2 * DIGEST_SIZE + 1])
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	uint8_t octets[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	out[0] = '\0';
	if (cert != NULL &&
	    X509_digest(cert, EVP_sha256(), octets, &len) == 1 &&
	    len == DIGEST_SIZE)
		text_hex(SPAN(octets, len), out);
}

void
net_tls_client_facts(const struct net_tls_client *t, struct net_tls_facts *out)
{
	const char *cipher = SSL_get_cipher_name(t->ssl);
	struct matched m;

	memset(out, 0, sizeof(*out));
	out->proof = net_tls_client_proof(t, NULL);
	out->fault = fault_of(SSL_get_verify_result(t->ssl));
	out->resumed = SSL_session_reused(t->ssl) == 1;
	snprintf(out->protocol, sizeof(out->protocol), "%s",
	    SSL_get_version(t->ssl));
	snprintf(out->cipher, sizeof(out->cipher), "%s",
	    cipher == NULL ? "" : cipher);
	fingerprint(t, out->cert);
	find_matched(t, &m);
	if (out->proof != NET_TLS_UNVERIFIED)
		memcpy(out->name, m.name, sizeof(out->name));
	if (out->proof == NET_TLS_DANE)
		memcpy(out->record, m.record, sizeof(out->record));
}

/* "dane 3 1 1", "name mx.example.org", "unverified". */
static void
proof_text(const struct net_tls_facts *f, char *out, size_t size)
{
	switch (f->proof) {
	case NET_TLS_UNVERIFIED:
		break;
	case NET_TLS_NAME:
		snprintf(out, size, "name%s%.120s",
		    f->name[0] == '\0' ? "" : " ", f->name);
		return;
	case NET_TLS_DANE:
		snprintf(out, size, "dane%s%.5s",
		    f->record[0] == '\0' ? "" : " ", f->record);
		return;
	}
	snprintf(out, size, "unverified");
}

void
net_tls_client_text(const struct net_tls_client *t, char out[NET_TLS_TEXT_MAX])
{
	struct net_tls_facts f;
	char proof[140];

	net_tls_client_facts(t, &f);
	proof_text(&f, proof, sizeof(proof));
	snprintf(out, NET_TLS_TEXT_MAX, "%s %s %s%s%s%s", f.protocol,
	    f.cipher[0] == '\0' ? "?" : f.cipher, proof,
	    f.resumed ? " resumed" : "",
	    f.cert[0] == '\0' ? "" : " sha256:", f.cert);
}
