/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The certificate that visitors are shown. It can be exchanged while others
 * are at work: libmicrohttpd reads one at its start and never again, unless a
 * function of ours hands GnuTLS what to show. That function has no argument,
 * so what it hands out is this process's.
 */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/portal/http_private.h"

enum {
	CHAIN_MAX = 16,
	/* Longer than any handshake, which may still use what it was given. */
	RETIRED_MS = 15 * 60 * 1000,
};

struct certificate {
	struct certificate *next;
	uint64_t retired_ms; /* of all but the first */
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned n;
	gnutls_privkey_t key;
};

/* The one that is shown, and behind it those before it. */
static struct certificate *shown;

static void
certificate_free(struct certificate *c)
{
	for (unsigned i = 0; i < c->n; i++)
		gnutls_pcert_deinit(&c->chain[i]);
	if (c->key != NULL)
		gnutls_privkey_deinit(c->key);
	free(c);
}

static void
forget_old(uint64_t now_ms)
{
	struct certificate **at = &shown->next, *old;

	while ((old = *at) != NULL) {
		if (now_ms - old->retired_ms < RETIRED_MS) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		certificate_free(old);
	}
}

/* Do the two belong together? GnuTLS looks only here. */
static int
check_pair(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t cred;
	int rc = gnutls_certificate_allocate_credentials(&cred);

	if (rc < 0)
		return rc;
	rc = gnutls_certificate_set_x509_key_mem(
	    cred, cert, key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(cred);
	return rc;
}

static int
load(struct certificate *c, const gnutls_datum_t *cert,
    const gnutls_datum_t *key)
{
	unsigned n = CHAIN_MAX;
	int rc = check_pair(cert, key);

	if (rc >= 0)
		rc = gnutls_pcert_list_import_x509_raw(
		    c->chain, &n, cert, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return rc;
	c->n = n;
	rc = gnutls_privkey_init(&c->key);
	return rc < 0 ? rc
		      : gnutls_privkey_import_x509_raw(
			    c->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

enum err
portal_certificate_show(const char *cert, const char *key, struct err_why *why)
{
	gnutls_datum_t c = {
	    (unsigned char *)(uintptr_t)cert, (unsigned)strlen(cert)};
	gnutls_datum_t k = {
	    (unsigned char *)(uintptr_t)key, (unsigned)strlen(key)};
	struct certificate *new = calloc(1, sizeof(*new));
	uint64_t now_ms = clock_steady_ms();
	int rc;

	if (new == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	rc = load(new, &c, &k);
	if (rc < 0) {
		certificate_free(new);
		return err_why(why, ERR_TLS,
		    "tls-cert and tls-key of the portal: %s",
		    gnutls_strerror(rc));
	}
	if (shown != NULL)
		shown->retired_ms = now_ms;
	new->next = shown;
	shown = new;
	forget_old(now_ms);
	return ERR_OK;
}

void
portal_certificate_forget(void)
{
	struct certificate *c;

	while ((c = shown) != NULL) {
		shown = c->next;
		certificate_free(c);
	}
}

int
portal_certificate_give(gnutls_session_t session, const gnutls_datum_t *issuers,
    int n_issuers, const gnutls_pk_algorithm_t *algs, int n_algs,
    gnutls_pcert_st **chain, unsigned *n, gnutls_privkey_t *key)
{
	(void)session;
	(void)issuers;
	(void)n_issuers;
	(void)algs;
	(void)n_algs;
	if (shown == NULL)
		return -1;
	*chain = shown->chain;
	*n = shown->n;
	*key = shown->key;
	return 0;
}
