/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The key that signs checkpoints. Its private half is a file in the directory
 * of the log, sealed for the process that keeps keys; it exists from one
 * rotation to the next, so that whoever takes over the machine cannot sign
 * anew what was signed before. Ed25519 (RFC 8032).
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/stream.h"
#include "common/text.h"
#include "gateway/store/audit_private.h"
#include "gateway/store/audit_rec.h"

enum { NAME_SIZE = 40, KEY_FILE_MAX = 1024 };

static const uint8_t no_key[SIGN_PUB];

static void
key_name(const uint8_t pub[SIGN_PUB], char out[NAME_SIZE])
{
	char hex[17];

	text_hex(SPAN(pub, 8), hex);
	snprintf(out, NAME_SIZE, "signing-%s.key", hex);
}

/* Overwritten before it is unlinked; what the file system keeps of old blocks
   beyond that is still sealed. */
static void
destroy(struct store_audit *a, const char *name)
{
	static const uint8_t zeros[KEY_FILE_MAX];
	int fd = openat(a->dir_fd, name, O_WRONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size <= KEY_FILE_MAX &&
	    file_write_all(fd, SPAN(zeros, (size_t)st.st_size)) == ERR_OK)
		fsync(fd);
	close(fd);
	unlinkat(a->dir_fd, name, 0);
}

void
audit_key_sweep(struct store_audit *a)
{
	char mine[NAME_SIZE];
	int fd = openat(a->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	key_name(a->head.key, mine);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "signing-", 8) == 0 &&
		    strcmp(e->d_name, mine) != 0)
			destroy(a, e->d_name);
	closedir(d);
}

void
store_audit_set_pub(struct store_audit *a, const struct sealed_pub *pub)
{
	a->pub = *pub;
}

bool
store_audit_has_key(const struct store_audit *a)
{
	return a->key != NULL;
}

void
store_audit_renew_key(struct store_audit *a)
{
	a->renew = true;
}

static enum err
read_key(struct store_audit *a, struct buf *out)
{
	char name[NAME_SIZE];

	if (memcmp(a->head.key, no_key, SIGN_PUB) == 0)
		return ERR_NOT_FOUND;
	key_name(a->head.key, name);
	return file_read_path(a->dir_fd, name, out);
}

enum err
store_audit_key_header(struct store_audit *a, struct buf *out)
{
	struct buf b;
	enum err e;

	buf_init(&b, KEY_FILE_MAX);
	e = read_key(a, &b);
	if (e == ERR_OK && b.len < SEALED_HEADER)
		e = ERR_BAD_SEAL;
	if (e == ERR_OK)
		e = buf_put(out, SPAN(b.data, SEALED_HEADER));
	buf_clear(&b);
	return e;
}

/* The text goes straight into locked memory. */
enum err
audit_unseal(const struct secret *content_key, struct span ad,
    struct span sealed, size_t size, struct secret **out)
{
	struct sealed_reader *r = NULL;
	struct secret *chunk = secret_new(STREAM_CHUNK), *key = NULL;
	size_t len = 0, end = 1;
	enum err e = chunk == NULL ? ERR_NOMEM : ERR_OK;

	if (e == ERR_OK)
		r = sealed_reader_new(content_key, ad, sealed);
	if (e == ERR_OK)
		e = r == NULL ? ERR_BAD_SEAL
			      : sealed_reader_next(r, chunk->data, &len);
	if (e == ERR_OK && len == size)
		key = secret_from(SPAN(chunk->data, len));
	if (e == ERR_OK)
		e = sealed_reader_next(r, chunk->data, &end);
	if (e == ERR_OK && (key == NULL || end != 0))
		e = ERR_BAD_SEAL;
	sealed_reader_free(r);
	secret_free(chunk);
	if (e != ERR_OK) {
		secret_free(key);
		return e;
	}
	*out = key;
	return ERR_OK;
}

enum err
store_audit_open_key(struct store_audit *a, const struct secret *content_key)
{
	uint8_t pub[SIGN_PUB];
	struct secret *key = NULL;
	struct buf b;
	enum err e;

	buf_init(&b, KEY_FILE_MAX);
	e = read_key(a, &b);
	if (e == ERR_OK)
		e = audit_unseal(content_key, SPAN(a->head.key, SIGN_PUB),
		    buf_span(&b), SIGN_SECRET, &key);
	buf_clear(&b);
	if (e != ERR_OK)
		return e;
	sign_public(key, pub);
	if (memcmp(pub, a->head.key, SIGN_PUB) != 0) {
		secret_free(key);
		return ERR_BAD_SEAL;
	}
	secret_free(a->key);
	a->key = key;
	return ERR_OK;
}

enum err
audit_key_make(struct store_audit *a)
{
	struct secret *key = NULL;
	uint8_t pub[SIGN_PUB];
	char name[NAME_SIZE];
	struct buf b;
	enum err e;

	if (a->pub.purpose != SEALED_AUDIT)
		return ERR_NO_KEY;
	buf_init(&b, KEY_FILE_MAX);
	e = sign_keypair(pub, &key);
	if (e == ERR_OK)
		e = sealed_seal(
		    &a->pub, SPAN(pub, SIGN_PUB), secret_span(key), &b);
	key_name(pub, name);
	if (e == ERR_OK)
		e = file_create_synced(
		    a->dir_fd, name, buf_span(&b), 0600, false);
	buf_clear(&b);
	if (e != ERR_OK) {
		secret_free(key);
		log_event(LOG_LVL_ERR, NULL, "audit-key", KV_ERR(e));
		return e;
	}
	secret_free(a->next_key);
	a->next_key = key;
	memcpy(a->next_pub, pub, SIGN_PUB);
	return ERR_OK;
}

enum err
audit_key_record(struct store_audit *a, struct db_txn *txn, bool first_of_file)
{
	const struct secret *by = a->key != NULL ? a->key : a->next_key;
	const uint8_t *by_pub = a->key != NULL ? a->head.key : a->next_pub;
	char text[STORE_SIGNED_MAX], time[TEXT_TIME_SIZE];
	uint64_t now = clock_unix_ms();
	uint8_t sig[SIGN_SIZE];
	struct store_rec r;
	struct span rec;
	enum err e;

	text_time_ms(now, time);
	sign_make(by,
	    store_line_signed(a->head.seq + 1, span_str(time), a->head.hash,
		a->next_pub, text),
	    sig);
	store_rec_begin(&r, "audit-key");
	store_rec_hex(&r, "key", SPAN(a->next_pub, SIGN_PUB));
	store_rec_hex(&r, "by", SPAN(by_pub, SIGN_PUB));
	store_rec_hex(&r, "sig", SPAN(sig, SIGN_SIZE));
	e = store_rec_end(&r, &rec);
	if (e == ERR_OK)
		e = audit_append(a, txn, rec, now, first_of_file);
	store_rec_clear(&r);
	if (e != ERR_OK)
		return e;
	memcpy(a->head.key, a->next_pub, SIGN_PUB);
	/* its signature is worth a checkpoint's */
	a->head.since = 0;
	a->signing = true;
	return ERR_OK;
}

enum err
audit_checkpoint_record(struct store_audit *a, struct db_txn *txn)
{
	char text[STORE_SIGNED_MAX], time[TEXT_TIME_SIZE];
	uint64_t now = clock_unix_ms();
	uint8_t sig[SIGN_SIZE];
	struct store_rec r;
	struct span rec;
	enum err e;

	text_time_ms(now, time);
	sign_make(a->key,
	    store_line_signed(
		a->head.seq + 1, span_str(time), a->head.hash, NULL, text),
	    sig);
	store_rec_begin(&r, "audit-checkpoint");
	store_rec_hex(&r, "key", SPAN(a->head.key, SIGN_PUB));
	store_rec_hex(&r, "sig", SPAN(sig, SIGN_SIZE));
	e = store_rec_end(&r, &rec);
	if (e == ERR_OK)
		e = audit_append(a, txn, rec, now, false);
	store_rec_clear(&r);
	if (e != ERR_OK)
		return e;
	a->head.since = 0;
	a->signing = true;
	return ERR_OK;
}

void
audit_key_settle(struct store_audit *a, bool good)
{
	struct secret *out = good ? a->key : a->next_key;
	char name[NAME_SIZE];

	key_name(good ? a->durable.key : a->next_pub, name);
	if (good) {
		a->key = a->next_key;
		a->renew = false;
	}
	a->next_key = NULL;
	secret_free(out);
	destroy(a, name);
}
