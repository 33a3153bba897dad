/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The certificates by which a gateway and its portal in a DMZ know each other:
 * those that are there are taken, others are made, in memory first, because
 * each configuration has the fingerprint of the other's. What the portal's
 * machine needs is left in a directory of its own beside the configuration,
 * unless the portal was set up there and told its fingerprint. The bytes that
 * go over the link are described in docs/format-dmz.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/issue.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/setup.h"
#include "gateway/conf.h"
#include "gateway/users.h"

/* Nobody looks at the dates; somebody may look at the certificate. */
enum { YEARS_S = 3650 * 86400, BEFORE_S = 86400, PEM_MAX = 64 * 1024 };

enum err
setup_leave(int dir, const char *name, struct span text, mode_t mode)
{
	enum err e = file_create_synced(dir, name, text, mode, false);
	struct buf old;

	if (e != ERR_EXISTS)
		return e;
	buf_init(&old, PEM_MAX);
	if (file_read_path(dir, name, &old) == ERR_OK &&
	    span_eq(buf_span(&old), text))
		e = ERR_OK;
	buf_clear(&old);
	return e;
}

/* --- one pair */

static bool
is_there(int dir, const char *name)
{
	struct stat st;

	return dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err
take_fingerprint(struct span cert, char fpr[SETUP_FPR])
{
	struct crypto_cert *parsed = NULL;
	struct err_why why = {""};
	enum err e = crypto_cert_parse(cert, &parsed, &why);

	if (e == ERR_OK)
		text_hex(
		    SPAN(crypto_cert_info(parsed)->fpr, CRYPTO_CERT_FPR_SIZE),
		    fpr);
	crypto_cert_unref(parsed);
	return e;
}

static enum err
issue(const struct crypto_private *key, const char *name, struct buf *pem)
{
	const struct crypto_issuer self = {.key = crypto_private_pkey(key)};
	int64_t now = (int64_t)time(NULL);
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_LINK,
	    .name = name,
	    .not_before = now - BEFORE_S,
	    .not_after = now + YEARS_S};
	struct err_why why = {""};
	struct buf spki, der;
	enum err e;

	buf_init(&spki, CRYPTO_SPKI_MAX);
	buf_init(&der, CRYPTO_ISSUED_MAX);
	e = crypto_own_key_public(key, &spki);
	what.spki = buf_span(&spki);
	if (e == ERR_OK)
		e = crypto_issue_cert(&what, &self, &der, &why);
	if (e == ERR_OK)
		e = crypto_pem_put("CERTIFICATE", buf_span(&der), pem);
	buf_clear(&spki);
	buf_clear(&der);
	return e;
}

/* A key that an interrupted run has left, or a new one. */
static enum err
find_key(int dir, struct buf *pem, struct secret **out)
{
	struct buf old;
	enum err e;

	if (is_there(dir, SETUP_LINK_KEY)) {
		buf_init(&old, PEM_MAX);
		e = file_read_path(dir, SETUP_LINK_KEY, &old);
		if (e == ERR_OK)
			e = crypto_own_key_read(buf_span(&old), out);
		if (old.data != NULL)
			secret_wipe(old.data, old.cap);
		buf_clear(&old);
		return e;
	}
	e = crypto_own_key_new(CRYPTO_OWN_P256, out);
	return e == ERR_OK
		   ? crypto_pem_put("PRIVATE KEY", secret_span(*out), pem)
		   : e;
}

static enum err
make_pair(int dir, const char *name, struct setup_pair *p)
{
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	enum err e = crypto_private_init();

	if (e == ERR_OK)
		e = find_key(dir, &p->key, &octets);
	if (e == ERR_OK)
		e = crypto_private_parse(secret_span(octets), &key);
	if (e == ERR_OK)
		e = issue(key, name, &p->cert);
	if (e == ERR_OK)
		e = take_fingerprint(buf_span(&p->cert), p->fpr);
	crypto_private_free(key);
	secret_free(octets);
	return e;
}

/* dir is -1 when it is not there yet. */
static enum err
find_pair(int dir, const char *name, struct setup_pair *p)
{
	struct buf cert;
	enum err e;

	if (!is_there(dir, SETUP_LINK_CERT))
		return make_pair(dir, name, p);
	if (!is_there(dir, SETUP_LINK_KEY)) {
		cli_say(SETUP_LINK_CERT " is there without " SETUP_LINK_KEY
					": move it away");
		return ERR_CONFIG;
	}
	buf_init(&cert, PEM_MAX);
	e = file_read_path(dir, SETUP_LINK_CERT, &cert);
	if (e == ERR_OK)
		e = take_fingerprint(buf_span(&cert), p->fpr);
	buf_clear(&cert);
	return e;
}

/* The key before the certificate: what is there without the other is what
   find_pair() goes on with. */
static enum err
write_pair(int dir, const struct setup_pair *p)
{
	enum err e = ERR_OK;

	if (p->key.len > 0)
		e = file_create_synced(
		    dir, SETUP_LINK_KEY, buf_span(&p->key), 0400, false);
	if (e == ERR_OK && p->cert.len > 0)
		e = file_create_synced(
		    dir, SETUP_LINK_CERT, buf_span(&p->cert), 0644, false);
	return e;
}

/* --- both ends */

void
setup_link_init(struct setup_link *l)
{
	struct setup_pair *const pairs[] = {&l->ours, &l->theirs};

	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < 2; i++) {
		buf_init(&pairs[i]->key, PEM_MAX);
		buf_init(&pairs[i]->cert, PEM_MAX);
	}
	buf_init(&l->conf, SETUP_TEXT_MAX);
}

void
setup_link_clear(struct setup_link *l)
{
	struct setup_pair *const pairs[] = {&l->ours, &l->theirs};

	for (size_t i = 0; i < 2; i++) {
		if (pairs[i]->key.data != NULL)
			secret_wipe(pairs[i]->key.data, pairs[i]->key.cap);
		buf_clear(&pairs[i]->key);
		buf_clear(&pairs[i]->cert);
	}
	buf_clear(&l->conf);
}

/* The portal's configuration as it will stand on its machine: whether it is
   right can be seen here, whether its files are there cannot. */
static enum err
make_conf(const struct setup *s, struct setup_link *l)
{
	struct setup there = *s;
	struct conf_findings f;
	struct conf *conf = NULL;
	char line[SETUP_VALUE * 4];
	enum err e;

	there.alone = true;
	setup_url_name(s->portal, there.hostname);
	snprintf(there.state, sizeof(there.state), SETUP_PORTAL_STATE);
	snprintf(there.users, sizeof(there.users), SETUP_USERS);
	snprintf(there.peer, sizeof(there.peer), "%s", l->ours.fpr);
	snprintf(there.link_cert, sizeof(there.link_cert),
	    SETUP_DIR SETUP_LINK_CERT);
	snprintf(
	    there.link_key, sizeof(there.link_key), SETUP_DIR SETUP_LINK_KEY);
	e = setup_text(&there, &l->conf);
	conf_findings_init(&f);
	if (e == ERR_OK)
		e = conf_parse(
		    buf_span(&l->conf), SETUP_PORTAL_CONF, &f, &conf);
	for (size_t i = 0; i < f.n; i++)
		cli_say("%s", conf_finding_text(&f, i, line, sizeof(line)));
	conf_findings_clear(&f);
	conf_free(conf);
	return e;
}

/* -1 when it is not there. */
static int
open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum err
setup_link_find(struct setup *s, const char *dir_path, struct setup_link *l)
{
	int dir, sub;
	enum err e;

	if (!s->alone && s->dmz[0] == '\0')
		return ERR_OK;
	l->present = true;
	l->bundle = !s->alone && s->peer[0] == '\0';
	dir = open_dir(AT_FDCWD, dir_path);
	sub = l->bundle && dir >= 0 ? open_dir(dir, SETUP_DMZ_DIR) : -1;
	e = find_pair(dir, s->hostname, &l->ours);
	if (e == ERR_OK && l->bundle)
		e = find_pair(sub, "sealgate-portal", &l->theirs);
	if (e != ERR_OK && e != ERR_CONFIG) {
		cli_say("%s%s: %s", dir_path, SETUP_LINK_CERT, err_text(e));
		e = ERR_CONFIG;
	}
	if (e == ERR_OK && l->bundle) {
		snprintf(s->peer, sizeof(s->peer), "%s", l->theirs.fpr);
		e = make_conf(s, l);
	}
	if (sub >= 0)
		close(sub);
	if (dir >= 0)
		close(dir);
	return e;
}

/* A service that is never root reads it by its group. */
static enum err
share_key(int dir, const struct conf *conf, struct err_why *why)
{
	struct users_id id;
	enum err e;

	if (!users_change())
		return ERR_OK;
	e = users_find(conf, ROLE_PORTAL, &id, why);
	if (e == ERR_OK && (fchownat(dir, SETUP_LINK_KEY, (uid_t)-1, id.gid,
				AT_SYMLINK_NOFOLLOW) != 0 ||
			       fchmodat(dir, SETUP_LINK_KEY, 0440, 0) != 0))
		e = err_from_errno(errno);
	return e;
}

static enum err
write_bundle(int dir, const struct setup_link *l, struct err_why *why)
{
	int sub;
	enum err e;

	if (mkdirat(dir, SETUP_DMZ_DIR, 0700) != 0 && errno != EEXIST)
		return err_from_errno(errno);
	sub = open_dir(dir, SETUP_DMZ_DIR);
	if (sub < 0)
		return err_from_errno(errno);
	setup_sweep(sub);
	e = write_pair(sub, &l->theirs);
	if (e == ERR_OK)
		e = setup_leave(
		    sub, SETUP_PORTAL_CONF, buf_span(&l->conf), 0644);
	if (e == ERR_EXISTS)
		e = err_why(why, e,
		    SETUP_DMZ_DIR "/" SETUP_PORTAL_CONF
				  " is there, and is another one: move it "
				  "away");
	close(sub);
	return e;
}

enum err
setup_link_write(int dir, const struct setup_link *l, const struct conf *conf,
    struct err_why *why)
{
	enum err e = l->present ? write_pair(dir, &l->ours) : ERR_OK;

	if (e == ERR_OK && l->present && conf->portal_gateway.present)
		e = share_key(dir, conf, why);
	if (e == ERR_OK && l->bundle)
		e = write_bundle(dir, l, why);
	return e;
}
