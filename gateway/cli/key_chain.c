/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key show` of a certificate: the way to its anchor, and what is
 * known of revocation on it, as the gateway itself would decide.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/text.h"
#include "crypto/revocation.h"
#include "gateway/certs.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "keystore/change.h"

enum { LINE_SIZE = 160 };

/* RFC 5280 §5.3.1 */
static const char *
reason_text(uint8_t reason)
{
	static const char *const name[] = {"no reason given", "key compromised",
	    "CA compromised", "affiliation changed", "superseded",
	    "no longer operates", "on hold", "no reason given",
	    "removed from list", "privilege withdrawn", "AA compromised"};

	return reason < sizeof(name) / sizeof(name[0]) ? name[reason] : name[0];
}

static const char *
state_name(enum crypto_revoked state)
{
	switch (state) {
	case CRYPTO_REVOKED_UNKNOWN:
		return "unknown";
	case CRYPTO_REVOKED_YES:
		return "revoked";
	case CRYPTO_REVOKED_NO:
		return "good";
	}
	return "unknown";
}

static void
status_text(const struct crypto_status *s, char out[LINE_SIZE])
{
	char date[CLI_DATE_SIZE];

	if (s->state == CRYPTO_REVOKED_YES) {
		cli_date(s->at, date);
		snprintf(out, LINE_SIZE, "revoked %s, %s", date,
		    reason_text(s->reason));
	} else if (s->state == CRYPTO_REVOKED_NO) {
		cli_date(s->until, date);
		snprintf(
		    out, LINE_SIZE, "not revoked, as known until %s", date);
	} else {
		snprintf(out, LINE_SIZE, "not known whether it is revoked");
	}
}

/* The last trouble in asking about a certificate of the path, if there was
   one. */
struct trouble {
	struct ks_store *store;
	char text[LINE_SIZE];
};

static enum err
read_trouble(void *ctx, const uint8_t id[KS_WANT_ID], const struct ks_want *w)
{
	struct trouble *t = ctx;

	(void)id;
	if (w->trouble.len > 0)
		snprintf(t->text, sizeof(t->text), "%.*s", (int)w->trouble.len,
		    (const char *)w->trouble.data);
	return ERR_OK;
}

static enum err
find_trouble(void *ctx, const struct ks_want *w)
{
	struct trouble *t = ctx;
	uint8_t id[KS_WANT_ID];
	enum err e;

	ks_want_id(w->kind, w->issuer, w->url, w->serial, id);
	e = ks_want_get(t->store, id, read_trouble, t);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
check(struct cli *cli, const struct ks_record *r, struct crypto_path *out)
{
	struct ks_path_query q = {.now = (int64_t)time(NULL),
	    .purpose = (r->good_for & KS_GOOD_SEAL)    ? CRYPTO_FOR_SEAL
		       : (r->good_for & KS_GOOD_ISSUE) ? CRYPTO_FOR_ISSUE
						       : CRYPTO_FOR_SIGN};
	struct err_why why = {""};
	enum err e = crypto_cert_parse(r->key, &q.leaf, &why);

	if (e != ERR_OK)
		return e;
	/* an anchor may be one for the domain of the address alone */
	if (r->n_addrs > 0)
		q.addr = r->addrs[0];
	/* what it says goes into out */
	if (certs_check(cli->certs, &q, out) == ERR_NOMEM)
		e = ERR_NOMEM;
	crypto_cert_unref(q.leaf);
	return e;
}

const char *
key_state(struct cli *cli, const struct ks_record *r)
{
	int64_t now = (int64_t)time(NULL);
	struct crypto_path p;
	enum err e;

	if (r->flaw == KS_FLAW_REVOKED)
		return "revoked";
	/* a list or an answer may say so of a certificate */
	if (r->kind == KS_SMIME && check(cli, r, &p) == ERR_OK) {
		e = p.err;
		crypto_path_clear(&p);
		if (e == ERR_KEY_REVOKED)
			return "revoked";
	}
	if (ks_record_is_over(r, now))
		return "expired";
	if (now < r->not_before)
		return "not yet";
	return r->flaw == KS_FLAW_NONE ? "" : "unfit";
}

static void
print_path(const struct crypto_path *p, bool asked)
{
	char line[LINE_SIZE];

	for (size_t i = 0; i < p->n; i++) {
		printf("%-12s ", i == 0 ? "path" : "");
		cli_put_text(span_str(crypto_cert_info(p->certs[i])->subject));
		if (i + 1 < p->n && asked) {
			status_text(&p->status[i], line);
			printf(" (%s)", line);
		} else if (i + 1 == p->n && p->err == ERR_OK) {
			printf(" (%s)",
			    p->by_system ? "anchor, of the file" : "anchor");
		}
		putchar('\n');
	}
}

void
key_chain_print(struct cli *cli, struct ks_store *s, const struct ks_record *r)
{
	struct trouble t = {.store = s};
	struct crypto_path p;

	if (r->kind != KS_SMIME || check(cli, r, &p) != ERR_OK)
		return;
	printf("%-12s ", "chain");
	cli_put_text(
	    span_str(p.err == ERR_OK ? "leads to an anchor" : p.why.text));
	putchar('\n');
	if (p.n > 1)
		print_path(&p, p.err == ERR_OK || p.err == ERR_KEY_REVOKED ||
				   p.err == ERR_RUNG_FAILED);
	if (ks_path_wants(&p, find_trouble, &t) == ERR_OK &&
	    t.text[0] != '\0') {
		printf("%-12s ", "revocation");
		cli_put_text(span_str(t.text));
		putchar('\n');
	}
	crypto_path_clear(&p);
}

static json_t *
cert_json(const struct crypto_path *p, size_t i)
{
	const struct crypto_cert_info *info = crypto_cert_info(p->certs[i]);
	const struct crypto_status *s = &p->status[i];
	char hex[2 * CRYPTO_CERT_FPR_SIZE + 1];

	text_hex(SPAN(info->fpr, CRYPTO_CERT_FPR_SIZE), hex);
	return json_pack("{s:s, s:o, s:s, s:I, s:I, s:i}", "fingerprint", hex,
	    "subject", cli_json_text(span_str(info->subject)), "revocation",
	    state_name(s->state), "revoked_at", (json_int_t)s->at, "until",
	    (json_int_t)s->until, "reason", (int)s->reason);
}

struct json_t *
key_chain_json(struct cli *cli, struct ks_store *s, const struct ks_record *r)
{
	struct trouble t = {.store = s};
	json_t *path;
	struct crypto_path p;

	if (r->kind != KS_SMIME || check(cli, r, &p) != ERR_OK)
		return json_null();
	path = json_array();
	for (size_t i = 0; i < p.n; i++)
		json_array_append_new(path, cert_json(&p, i));
	if (ks_path_wants(&p, find_trouble, &t) != ERR_OK)
		t.text[0] = '\0';
	path = json_pack("{s:s, s:o, s:s, s:o, s:o}", "result", err_name(p.err),
	    "why", cli_json_text(span_str(p.why.text)), "revocation",
	    state_name(p.revoked), "trouble", cli_json_text(span_str(t.text)),
	    "path", path);
	crypto_path_clear(&p);
	return path;
}
