/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The key of the pseudonyms: a file beside the log, sealed to the purpose
 * `audit`. It is made once; without it the pseudonyms are what they look like.
 */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/siv.h"
#include "common/stream.h"
#include "gateway/store/audit_private.h"
#include "gateway/store/audit_pseudonym.h"

enum { KEY_FILE_MAX = 1024 };

static const struct span ad = {
    (const uint8_t *)"sealgate audit pseudonyms 1", 27};

enum err
store_pseudonym_key_make(int dir_fd, const struct sealed_pub *pub)
{
	struct secret *key = secret_random(SIV_KEY);
	struct buf b;
	enum err e = key == NULL ? ERR_NOMEM : ERR_OK;

	buf_init(&b, KEY_FILE_MAX);
	if (e == ERR_OK)
		e = sealed_seal(pub, ad, secret_span(key), &b);
	if (e == ERR_OK)
		e = file_create_synced(
		    dir_fd, STORE_PSEUDONYM_FILE, buf_span(&b), 0600, false);
	secret_free(key);
	buf_clear(&b);
	return e;
}

static enum err
read_file(int dir_fd, struct buf *out)
{
	enum err e = file_read_path(dir_fd, STORE_PSEUDONYM_FILE, out);

	return e == ERR_OK && out->len < SEALED_HEADER ? ERR_BAD_SEAL : e;
}

enum err
store_pseudonym_key_header(int dir_fd, struct buf *out)
{
	struct buf b;
	enum err e;

	buf_init(&b, KEY_FILE_MAX);
	e = read_file(dir_fd, &b);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(b.data, SEALED_HEADER));
	buf_clear(&b);
	return e;
}

enum err
store_pseudonym_key_open(
    int dir_fd, const struct secret *content_key, struct secret **out)
{
	struct buf b;
	enum err e;

	buf_init(&b, KEY_FILE_MAX);
	e = read_file(dir_fd, &b);
	if (e == ERR_OK)
		e = audit_unseal(content_key, ad, buf_span(&b), SIV_KEY, out);
	buf_clear(&b);
	return e;
}

enum err
store_pseudonym_key_aside(int dir_fd)
{
	char name[64];

	snprintf(name, sizeof(name), STORE_PSEUDONYM_FILE ".%llu",
	    (unsigned long long)clock_unix_ms());
	if (renameat(dir_fd, STORE_PSEUDONYM_FILE, dir_fd, name) != 0)
		return err_from_errno(errno);
	return file_sync_dir(dir_fd);
}

/* --- in the hands of the log --- */

void
store_audit_set_pseudonyms(struct store_audit *a, bool on)
{
	a->pseudonyms = on;
}

bool
store_audit_wants_pseudonyms(const struct store_audit *a)
{
	return a->pseudonyms && a->pseudonym_key == NULL;
}

enum err
store_audit_pseudonym_header(struct store_audit *a, struct buf *out)
{
	enum err e = store_pseudonym_key_header(a->dir_fd, out);

	if (e != ERR_NOT_FOUND)
		return e;
	e = store_pseudonym_key_make(a->dir_fd, &a->pub);
	return e != ERR_OK ? e : store_pseudonym_key_header(a->dir_fd, out);
}

enum err
store_audit_open_pseudonyms(
    struct store_audit *a, const struct secret *content_key)
{
	struct secret *key = NULL;
	enum err e = store_pseudonym_key_open(a->dir_fd, content_key, &key);

	if (e != ERR_OK)
		return e;
	secret_free(a->pseudonym_key);
	a->pseudonym_key = key;
	return ERR_OK;
}

enum err
store_audit_renew_pseudonyms(struct store_audit *a)
{
	/* what does not open twice is not the file's fault */
	if (a->pseudonyms_renewed)
		return ERR_BAD_SEAL;
	a->pseudonyms_renewed = true;
	return store_pseudonym_key_aside(a->dir_fd);
}
