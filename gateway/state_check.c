/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a right configuration needs from the machine: users that exist,
 * certificates that can be read and fit their keys. Nothing is changed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "gateway/account_file.h"
#include "gateway/attached_page.h"
#include "gateway/config_private.h"
#include "gateway/groups.h"
#include "gateway/recovery.h"
#include "gateway/state.h"
#include "gateway/topology.h"
#include "gateway/users.h"
#include "net/tls_server.h"

enum { EXPIRY_WARN_DAYS = 14, ACCOUNTS_MAX = 256 << 20 };

static void
each_group(const struct conf *c,
    void (*cb)(void *arg, enum role_fd kind, unsigned which, const char *path),
    void *arg)
{
	size_t n;
	const char *const *names = policy_groups(c->policy, &n);

	for (size_t i = 0; i < n; i++)
		if (groups_path(names[i]) != NULL)
			cb(arg, ROLE_FD_GROUP, (unsigned)i,
			    groups_path(names[i]));
}

const char *
state_path(const char *path, char out[STATE_PATH])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t len = strlen(CONF_CREDENTIAL);

	if (strncmp(path, CONF_CREDENTIAL, len) != 0)
		return path;
	if (dir == NULL ||
	    snprintf(out, STATE_PATH, "%s/%s", dir, path + len) >= STATE_PATH)
		return NULL;
	return out;
}

/* A role has no credentials, and is handed the file: any name does there. */
static const char *
key_path(const char *path, char out[STATE_PATH])
{
	const char *where = state_path(path, out);

	return where == NULL ? path : where;
}

void
state_each_file(const struct conf *c, enum role_id role,
    void (*cb)(void *arg, enum role_fd kind, unsigned which, const char *path),
    void *arg)
{
	const struct conf_relay *r;
	char where[STATE_PATH];
	const struct conf_dmz *dmz;

	if (role == ROLE_PORTAL && c->portal.tls_cert != NULL) {
		cb(arg, ROLE_FD_TLS_CERT, 0, c->portal.tls_cert);
		cb(arg, ROLE_FD_TLS_KEY, 0, key_path(c->portal.tls_key, where));
	}
	dmz = c->portal_dmz.present ? &c->portal_dmz : &c->portal_gateway;
	if (role == ROLE_PORTAL && dmz->present) {
		cb(arg, ROLE_FD_TLS_CERT, 1, dmz->tls_cert);
		cb(arg, ROLE_FD_TLS_KEY, 1, key_path(dmz->tls_key, where));
	}
	for (size_t i = 0; role == ROLE_ACCOUNTS && i < c->n_listen; i++) {
		const struct conf_listen *l = &c->listen[i];

		if (l->users != NULL)
			cb(arg, ROLE_FD_USERS, (unsigned)i, l->users);
		if (l->recipients != NULL)
			cb(arg, ROLE_FD_RCPTS, (unsigned)i, l->recipients);
	}
	for (size_t i = 0; role == ROLE_LISTENER && i < c->n_listen; i++) {
		if (c->listen[i].tls_cert == NULL)
			continue;
		cb(arg, ROLE_FD_TLS_CERT, (unsigned)i, c->listen[i].tls_cert);
		cb(arg, ROLE_FD_TLS_KEY, (unsigned)i,
		    key_path(c->listen[i].tls_key, where));
		if (c->listen[i].client_ca != NULL)
			cb(arg, ROLE_FD_CLIENT_CA, (unsigned)i,
			    c->listen[i].client_ca);
	}
	if (role == ROLE_WORKER)
		each_group(c, cb, arg);
	if (role == ROLE_DISCOVERY && c->discovery.ldap.password_file != NULL)
		cb(arg, ROLE_FD_PASSWORD, 0, c->discovery.ldap.password_file);
	for (unsigned i = 0;
	     role == ROLE_RELAY && (r = conf_relay_at(c, i)) != NULL; i++)
		if (r->password_file != NULL)
			cb(arg, ROLE_FD_PASSWORD, i, r->password_file);
}

/* Nobody is there to type a passphrase. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	return 0;
}

/* Nobody looks at a server's certificate as often as its peers do. */
static void
check_expiry(struct conf_findings *f, unsigned line, const SSL_CTX *ctx,
    const char *cert)
{
	const ASN1_TIME *end =
	    X509_get0_notAfter(SSL_CTX_get0_certificate(ctx));
	int days, seconds;

	if (ASN1_TIME_diff(&days, &seconds, NULL, end) != 1)
		return;
	if (days < 0 || seconds < 0)
		conf_find(f, CONF_WARN, line,
		    "tls-cert: %s has expired: who verifies it does not "
		    "connect any more; renew it and reload",
		    cert);
	else if (days < EXPIRY_WARN_DAYS)
		conf_find(f, CONF_WARN, line,
		    "tls-cert: %s expires in %d days: renew it and reload",
		    cert, days);
}

enum err
state_cert_end(const char *path, int64_t *out_s)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
	enum err err = f == NULL ? ERR_IO : ERR_MALFORMED;
	struct tm tm;

	if (cert != NULL &&
	    ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1) {
		*out_s = (int64_t)timegm(&tm);
		err = ERR_OK;
	}
	X509_free(cert);
	if (f != NULL)
		fclose(f);
	ERR_clear_error();
	return err;
}

static void
check_pair(struct conf_findings *f, unsigned line, bool starts,
    const char *cert, const char *key)
{
	char where[STATE_PATH];
	SSL_CTX *ctx;

	if (cert == NULL || key == NULL)
		return;
	if (state_path(key, where) == NULL) {
		conf_find(f, starts ? CONF_ERROR : CONF_WARN, line,
		    "tls-key: %s: only what the service manager starts has "
		    "credentials (LoadCredential=%s:FILE)%s",
		    key, key + strlen(CONF_CREDENTIAL),
		    starts ? "" : "; it was not looked at");
		return;
	}
	key = state_path(key, where);
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL) {
		conf_find(f, CONF_ERROR, line, "out of memory");
		return;
	}
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		conf_find(f, CONF_ERROR, line,
		    "tls-cert: %s cannot be read, or is no PEM certificate",
		    cert);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		conf_find(f, CONF_ERROR, line,
		    "tls-key: %s cannot be read, or is not the PEM private key "
		    "(without passphrase) of %s",
		    key, cert);
	else
		check_expiry(f, line, ctx, cert);
	ERR_clear_error();
	SSL_CTX_free(ctx);
}

static void
check_password(struct conf_findings *f, unsigned line, const char *path)
{
	if (path != NULL && access(path, R_OK) != 0)
		conf_find(f, CONF_ERROR, line,
		    "password-file: %s cannot be read", path);
}

/* Are the files of users and recipients as they must be? */
static void
check_account_file(
    struct conf_findings *f, unsigned line, const char *path, bool is_list)
{
	struct arena *a = arena_new(ACCOUNTS_MAX);
	struct err_why why = {""};
	struct account_users users;
	struct account_list list;
	struct buf b;
	enum err e;

	if (a == NULL)
		fatal("out of memory");
	buf_init(&b, LIMIT_ACCOUNT_FILE);
	e = file_read_path(AT_FDCWD, path, &b);
	if (e == ERR_OK)
		e = account_file_is_whole(buf_span(&b), &why);
	if (e == ERR_OK)
		e = is_list
			? account_list_parse(buf_span(&b), a, &list, &why)
			: account_users_parse(buf_span(&b), a, &users, &why);
	if (e != ERR_OK)
		conf_find(f, CONF_ERROR, line, "%s: %s: %s",
		    is_list ? "recipients" : "users", path,
		    why.text[0] == '\0' ? err_text(e) : why.text);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_clear(&b);
	arena_free(a);
}

static void
check_client_ca(struct conf_findings *f, unsigned line, const char *path)
{
	struct err_why why = {""};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool old = false;
	enum err e;

	if (fd < 0) {
		conf_find(
		    f, CONF_ERROR, line, "client-ca: %s cannot be read", path);
		return;
	}
	e = net_tls_server_check_ca(fd, &old, &why);
	close(fd);
	if (e != ERR_OK)
		conf_find(f, CONF_ERROR, line,
		    "client-ca: %s: expected CA certificates and perhaps "
		    "revocation lists, PEM: %s",
		    path, why.text[0] == '\0' ? err_text(e) : why.text);
	else if (old)
		conf_find(f, CONF_WARN, line,
		    "client-ca: %s: a revocation list has expired: no "
		    "certificate of its CA is believed until there is a newer "
		    "one",
		    path);
}

static void
check_accounts(const struct conf *c, struct conf_findings *f)
{
	for (size_t i = 0; i < c->n_listen; i++) {
		const struct conf_listen *l = &c->listen[i];

		if (l->users != NULL)
			check_account_file(f, l->line, l->users, false);
		if (l->recipients != NULL)
			check_account_file(f, l->line, l->recipients, true);
		if (l->client_ca != NULL)
			check_client_ca(f, l->line, l->client_ca);
	}
}

/* Without it no rule could look into what it is to. */
static void
check_extract(const struct conf *c, struct conf_findings *f)
{
	if (c->extract.pdf != NULL && access(c->extract.pdf, X_OK) != 0)
		conf_find(f, CONF_ERROR, 0,
		    "extract: pdf: %s cannot be run: it is in the Debian "
		    "package poppler-utils",
		    c->extract.pdf);
}

/* Without it no worker starts. */
static void
check_attached(const struct conf *c, struct conf_findings *f)
{
	struct attached_page *page = NULL;
	struct err_why why = {""};

	if (policy_attaches(c->policy) &&
	    attached_page_load(c, &page, &why) != ERR_OK)
		conf_find(f, CONF_ERROR, 0, "%s", why.text);
	attached_page_free(page);
}

/* Its process would end, and the gateway with it. */
static void
check_page(const struct conf *c, struct conf_findings *f)
{
	const char *page =
	    c->portal.page != NULL ? c->portal.page : PKGDATADIR "/portal";
	char path[STATE_PATH];

	snprintf(path, sizeof(path), "%s/index.html", page);
	if (c->portal.n_address > 0 && access(path, F_OK) != 0)
		conf_find(f, CONF_WARN, c->portal.line,
		    "page: %s: %s, and no portal starts without it: install "
		    "it (make page, make install), or name its directory",
		    path, strerror(errno));
}

/* One that has expired is used on: nobody can open by another what is sealed
   to it, and mail does not wait for it. */
static void
check_recovery(const struct conf *c, struct conf_findings *f)
{
	int64_t now_s = (int64_t)(clock_unix_ms() / 1000);
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};

	if (recovery_load(c, &cert, &why) != ERR_OK)
		conf_find(f, CONF_ERROR, 0, "escrow: %s", why.text);
	else if (cert != NULL && crypto_cert_info(cert)->not_after < now_s)
		conf_find(f, CONF_WARN, 0,
		    "escrow: recovery-certificate: %s has expired: what is "
		    "kept is sealed to it all the same; name another one",
		    c->escrow.recovery);
	else if (cert != NULL && crypto_cert_info(cert)->not_before > now_s)
		conf_find(f, CONF_WARN, 0,
		    "escrow: recovery-certificate: %s is not valid yet",
		    c->escrow.recovery);
	if (cert != NULL && !c->portal.present)
		conf_find(f, CONF_WARN, 0,
		    "escrow: recovery-certificate does nothing without a "
		    "`portal` section");
	crypto_cert_unref(cert);
}

static void
bad_group(void *arg, const char *name, const char *why)
{
	conf_find(arg, CONF_ERROR, 0, "group \"%s\": %s", name, why);
}

void
state_check(const struct conf *c, bool starts, struct conf_findings *f)
{
	struct err_why why = {""};
	const struct conf_relay *r;
	struct groups *groups;
	struct users_id id;

	for (int role = ROLE_KEYS; role < ROLE_COUNT; role++) {
		if ((c->portal_gateway.present && role != ROLE_PORTAL) ||
		    users_find(c, (enum role_id)role, &id, &why) == ERR_OK)
			continue;
		conf_find(f, CONF_ERROR, 0, "users: %s", why.text);
		break;
	}
	for (size_t i = 0; i < c->n_listen; i++)
		check_pair(f, c->listen[i].line, starts, c->listen[i].tls_cert,
		    c->listen[i].tls_key);
	check_pair(
	    f, c->portal.line, starts, c->portal.tls_cert, c->portal.tls_key);
	check_pair(f, c->portal_dmz.line, starts, c->portal_dmz.tls_cert,
	    c->portal_dmz.tls_key);
	check_pair(f, c->portal_gateway.line, starts,
	    c->portal_gateway.tls_cert, c->portal_gateway.tls_key);
	for (unsigned i = 0; (r = conf_relay_at(c, i)) != NULL; i++)
		check_password(f, r->line, r->password_file);
	check_password(f, 0, c->discovery.ldap.password_file);
	check_accounts(c, f);
	check_extract(c, f);
	check_attached(c, f);
	check_page(c, f);
	check_recovery(c, f);
	groups = groups_new();
	groups_load(groups, c->policy, bad_group, f);
	groups_free(groups);
	conf_findings_sort(f);
}
