/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/backup.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "common/stream.h"
#include "crypto/cert.h"
#include "crypto/cms_form.h"
#include "crypto/cms_seal.h"
#include "crypto/pkcs12.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum {
	HEADER_AT = 20, /* magic and length stand before it */
	SEALED_CHUNK = STREAM_CHUNK + STREAM_TAG,
	/* three chunks, the last of them short */
	SIZE = 2 * STREAM_CHUNK + 1000,
	ROOM = 1 << 20,
};

static struct crypto_cert *cert;
static struct crypto_bundle bundle;
static struct secret *pass;
static struct buf text;

static void
setup(void)
{
	struct buf pem, key;

	secret_init();
	pem = peer_read(peer_data("p256.pem"));
	key = peer_read(peer_data("p256.key"));
	key.max += pem.len;
	cr_assert_eq(buf_put(&key, buf_span(&pem)), ERR_OK);
	cr_assert_eq(
	    crypto_bundle_open(buf_span(&key), NULL, &bundle, NULL), ERR_OK);
	cert = bundle.certs[0];
	pass = secret_from(SPAN_LIT("a passphrase"));
	text = peer_octets(SIZE);
	buf_clear(&pem);
	buf_clear(&key);
}

static void
teardown(void)
{
	crypto_bundle_clear(&bundle);
	secret_free(pass);
	buf_clear(&text);
}

TestSuite(backup, .init = setup, .fini = teardown);

static int64_t
now(void)
{
	return (int64_t)(clock_unix_ms() / 1000);
}

/* A file in memory that has these octets and is read from its beginning. */
static int
file_of(struct span s)
{
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(file_write_all(fd, s), ERR_OK);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Seal len octets of the text, in pieces of this size. The caller clears. */
static struct buf
sealed(bool by_pass, size_t len, size_t piece)
{
	struct crypto_backup *b;
	struct buf out;
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(crypto_backup_create(fd, by_pass ? pass : NULL,
			 by_pass ? NULL : cert, now(), &b, NULL),
	    ERR_OK);
	for (size_t at = 0; at < len; at += piece)
		cr_assert_eq(crypto_backup_put(
				 b, SPAN(text.data + at,
					len - at < piece ? len - at : piece)),
		    ERR_OK);
	cr_assert_eq(crypto_backup_finish(b), ERR_OK);
	crypto_backup_free(b);
	buf_init(&out, ROOM);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(file_read_all(fd, &out), ERR_OK);
	close(fd);
	return out;
}

/* Read it in pieces of this size up to what ends it: ERR_NOT_FOUND is the
   orderly end. *same: what came was the beginning of the text. */
static enum err
read_back(struct span file, const struct secret *with, size_t piece,
    size_t *got, bool *same)
{
	struct crypto_backup *b = NULL;
	uint8_t *p = malloc(piece);
	bool needs_key;
	int fd = file_of(file);
	enum err e =
	    crypto_backup_open(fd, with, &bundle, &needs_key, &b, NULL);

	*got = 0;
	*same = true;
	while (e == ERR_OK) {
		e = crypto_backup_get(b, p, piece);
		if (e != ERR_OK)
			break;
		if (*got + piece > text.len ||
		    memcmp(p, text.data + *got, piece) != 0)
			*same = false;
		*got += piece;
	}
	/* who asks again is not told that all was well */
	if (b != NULL)
		cr_expect_eq(crypto_backup_get(b, p, piece), e);
	crypto_backup_free(b);
	free(p);
	close(fd);
	return e;
}

Test(backup, comes_back_whatever_its_size_and_pieces)
{
	static const size_t sizes[] = {0, 1, STREAM_CHUNK - 1, STREAM_CHUNK,
	    STREAM_CHUNK + 1, 2 * STREAM_CHUNK, SIZE};

	for (size_t i = 0; i < N(sizes); i++) {
		struct buf file = sealed(false, sizes[i], i % 2 ? 1000 : ROOM);
		size_t got;
		bool same;

		cr_expect_eq(read_back(buf_span(&file), NULL, 1, &got, &same),
		    ERR_NOT_FOUND, "%zu octets", sizes[i]);
		cr_expect(
		    same && got == sizes[i], "%zu octets: %zu", sizes[i], got);
		buf_clear(&file);
	}
}

Test(backup, a_passphrase_opens_it_and_no_other)
{
	struct secret *other = secret_from(SPAN_LIT("b passphrase"));
	struct buf file = sealed(true, SIZE, ROOM);
	size_t got;
	bool same;

	cr_expect_eq(
	    read_back(buf_span(&file), pass, 8, &got, &same), ERR_NOT_FOUND);
	cr_expect(same && got == SIZE);
	cr_expect_eq(
	    read_back(buf_span(&file), other, 8, &got, &same), ERR_BAD_SEAL);
	cr_expect_eq(got, 0);
	secret_free(other);
	buf_clear(&file);
}

/* Nothing but whole chunks comes out of what was altered, and no end. */
Test(backup, what_was_cut_or_put_together_anew_does_not_end)
{
	struct buf file = sealed(false, SIZE, ROOM);
	size_t head = HEADER_AT + file.data[18] * 256u + file.data[19];
	const struct {
		const char *what;
		size_t from[4], to[4]; /* the parts that are kept, in order */
	} rows[] = {
	    {"without its last octet", {0}, {file.len - 1}},
	    {"without its last chunk", {0}, {head + 2 * SEALED_CHUNK}},
	    {"one octet of the last", {0}, {head + 2 * SEALED_CHUNK + 1}},
	    {"a tag of the last", {0}, {head + 2 * SEALED_CHUNK + STREAM_TAG}},
	    {"one chunk", {0}, {head + SEALED_CHUNK}},
	    {"no chunk", {0}, {head}},
	    {"less than a tag", {0}, {head + STREAM_TAG - 1}},
	    {"half a header", {0}, {head - 10}},
	    {"no header", {0}, {HEADER_AT}},
	    {"half a length", {0}, {HEADER_AT - 2}},
	    {"half a magic", {0}, {8}},
	    {"nothing", {0}, {0}},
	    {"one octet more", {0, 0}, {file.len, 1}},
	    {"a chunk more", {0, head}, {file.len, head + SEALED_CHUNK}},
	    {"the first twice", {0, head}, {head + SEALED_CHUNK, file.len}},
	    {"without the first", {0, head + SEALED_CHUNK}, {head, file.len}},
	    {"first and second exchanged",
		{0, head + SEALED_CHUNK, head, head + 2 * SEALED_CHUNK},
		{head, head + 2 * SEALED_CHUNK, head + SEALED_CHUNK, file.len}},
	    {"only the last", {0, head + 2 * SEALED_CHUNK}, {head, file.len}},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct buf bad;
		size_t got;
		bool same;
		enum err e;

		buf_init(&bad, ROOM);
		for (size_t k = 0; k < 4; k++)
			cr_assert_eq(
			    buf_put(&bad, SPAN(file.data + rows[i].from[k],
					      rows[i].to[k] - rows[i].from[k])),
			    ERR_OK);
		e = read_back(buf_span(&bad), NULL, 8, &got, &same);
		cr_expect(e == ERR_BAD_SEAL || e == ERR_MALFORMED, "%s: %s",
		    rows[i].what, err_name(e));
		cr_expect(same, "%s", rows[i].what);
		buf_clear(&bad);
	}
	buf_clear(&file);
}

Test(backup, an_octet_that_was_altered_opens_nothing_behind_it)
{
	struct buf file = sealed(false, SIZE, ROOM);
	size_t head = HEADER_AT + file.data[18] * 256u + file.data[19];
	const size_t places[] = {0, 15, 16, 19, HEADER_AT, HEADER_AT + 1,
	    HEADER_AT + 40, head - 7, head - 1, head, head + STREAM_CHUNK,
	    head + SEALED_CHUNK - 1, head + SEALED_CHUNK,
	    head + 2 * SEALED_CHUNK, file.len - STREAM_TAG, file.len - 1};

	for (size_t i = 0; i < N(places); i++) {
		size_t got, whole = places[i] < head
					? 0
					: (places[i] - head) / SEALED_CHUNK;
		bool same;

		file.data[places[i]] ^= 0x40;
		cr_expect_neq(read_back(buf_span(&file), NULL, 8, &got, &same),
		    ERR_NOT_FOUND, "octet %zu", places[i]);
		cr_expect(same && got <= whole * STREAM_CHUNK,
		    "octet %zu: %zu came", places[i], got);
		file.data[places[i]] ^= 0x40;
	}
	buf_clear(&file);
}

#define MAGIC  "sealgate-backup\n"
#define SALT   "0123456789abcdef"
#define PREFIX "1234567"

Test(backup, a_header_of_a_stranger)
{
	static const struct {
		const char *what;
		struct span file;
		enum err err;
	} rows[] = {
	    {"kind 0", SPAN_LIT(MAGIC "\0\0\0\x08\0" PREFIX), ERR_UNSUPPORTED},
	    {"kind 3", SPAN_LIT(MAGIC "\0\0\0\x08\3" PREFIX), ERR_UNSUPPORTED},
	    {"no header", SPAN_LIT(MAGIC "\0\0\0\0"), ERR_UNSUPPORTED},
	    {"no rounds", SPAN_LIT(MAGIC "\0\0\0\x1c\1" SALT "\0\0\0\0" PREFIX),
		ERR_MALFORMED},
	    {"rounds for an hour",
		SPAN_LIT(MAGIC "\0\0\0\x1c\1" SALT "\xff\xff\xff\xff" PREFIX),
		ERR_MALFORMED},
	    {"one more than may be",
		SPAN_LIT(MAGIC "\0\0\0\x1c\1" SALT "\0\x98\x96\x81" PREFIX),
		ERR_MALFORMED},
	    {"a short prefix",
		SPAN_LIT(MAGIC "\0\0\0\x1b\1" SALT "\0\0\0\1"
			       "123456"),
		ERR_MALFORMED},
	    {"an octet behind it",
		SPAN_LIT(MAGIC "\0\0\0\x1d\1" SALT "\0\0\0\1" PREFIX "x"),
		ERR_MALFORMED},
	    {"a message longer than the header",
		SPAN_LIT(MAGIC "\0\0\0\x0c\2\0\0\0\xff" PREFIX), ERR_MALFORMED},
	    {"a length that wraps",
		SPAN_LIT(MAGIC "\0\0\0\x0c\2\xff\xff\xff\xff" PREFIX),
		ERR_MALFORMED},
	    {"a header longer than may be", SPAN_LIT(MAGIC "\0\0\x40\1\1"),
		ERR_MALFORMED},
	    {"one of four gigabytes", SPAN_LIT(MAGIC "\xff\xff\xff\xff\1"),
		ERR_MALFORMED},
	    {"a header longer than the file",
		SPAN_LIT(MAGIC "\0\0\0\x1c\1" SALT), ERR_MALFORMED},
	    {"another magic", SPAN_LIT("sealgate-backup\r\0\0\0\x08\3" PREFIX),
		ERR_MALFORMED},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_backup *b = NULL;
		bool needs_key;
		int fd = file_of(rows[i].file);
		enum err e =
		    crypto_backup_open(fd, pass, &bundle, &needs_key, &b, NULL);

		cr_expect_eq(
		    e, rows[i].err, "%s: %s", rows[i].what, err_name(e));
		cr_expect_null(b, "%s", rows[i].what);
		crypto_backup_free(b);
		close(fd);
	}
}

/* The key of one that is sealed to a certificate is in a message of its own. */
Test(backup, a_key_that_is_none_opens_nothing)
{
	static const struct {
		const char *what;
		size_t size;
		enum crypto_cms_cipher cipher;
		const char *cert; /* NULL: that of the bundle */
		bool good;
	} rows[] = {
	    {"as it should be", STREAM_KEY, CRYPTO_CMS_AES256_GCM, NULL, true},
	    {"shorter", STREAM_KEY - 1, CRYPTO_CMS_AES256_GCM, NULL, false},
	    {"longer", STREAM_KEY + 1, CRYPTO_CMS_AES256_GCM, NULL, false},
	    {"one octet", 1, CRYPTO_CMS_AES256_GCM, NULL, false},
	    {"without a tag", STREAM_KEY, CRYPTO_CMS_AES256_CBC, NULL, false},
	    {"for somebody else", STREAM_KEY, CRYPTO_CMS_AES256_GCM, "p384.der",
		false},
	};

	for (size_t i = 0; i < N(rows); i++) {
		const struct crypto_cms_form form = {.cipher = rows[i].cipher};
		struct crypto_cert *other = NULL, *to = cert;
		struct crypto_backup *b = NULL;
		struct buf cms, file, der;
		bool needs_key;
		enum err e;
		int fd;

		if (rows[i].cert != NULL) {
			der = peer_read(peer_data(rows[i].cert));
			cr_assert_eq(
			    crypto_cert_parse(buf_span(&der), &other, NULL),
			    ERR_OK);
			buf_clear(&der);
			to = other;
		}
		buf_init(&cms, ROOM);
		buf_init(&file, ROOM);
		cr_assert_eq(crypto_cms_seal_buf(&to, 1, &form, now(),
				 SPAN(text.data, rows[i].size), &cms, NULL),
		    ERR_OK, "%s", rows[i].what);
		cr_assert_eq(
		    buf_printf(&file, MAGIC "%c%c%c%c\2%c%c%c%c", 0, 0,
			(int)((cms.len + 12) >> 8), (int)(cms.len + 12) & 255,
			0, 0, (int)(cms.len >> 8), (int)cms.len & 255),
		    ERR_OK);
		cr_assert_eq(buf_put(&file, buf_span(&cms)), ERR_OK);
		cr_assert_eq(buf_put(&file, SPAN_LIT(PREFIX)), ERR_OK);
		fd = file_of(buf_span(&file));
		e = crypto_backup_open(fd, NULL, &bundle, &needs_key, &b, NULL);
		cr_expect_eq(e == ERR_OK, rows[i].good, "%s: %s", rows[i].what,
		    err_name(e));
		cr_expect_eq(b != NULL, rows[i].good, "%s", rows[i].what);
		crypto_backup_free(b);
		close(fd);
		crypto_cert_unref(other);
		buf_clear(&cms);
		buf_clear(&file);
	}
}

Test(backup, an_item_that_is_cut_by_the_end_is_no_orderly_end)
{
	struct buf file = sealed(false, 10, 10);
	size_t got;
	bool same;

	cr_expect_eq(
	    read_back(buf_span(&file), NULL, 8, &got, &same), ERR_BAD_SEAL);
	cr_expect(same && got == 8);
	buf_clear(&file);
}

Test(backup, says_what_opens_it)
{
	struct buf by_pass = sealed(true, 1, 1), by_cert = sealed(false, 1, 1);
	int pass_fd = file_of(buf_span(&by_pass));
	int cert_fd = file_of(buf_span(&by_cert));
	struct err_why why = {""};
	struct crypto_backup *b = NULL;
	bool needs_key = true;

	cr_expect_eq(
	    crypto_backup_open(pass_fd, NULL, &bundle, &needs_key, &b, &why),
	    ERR_PASSPHRASE);
	cr_expect(!needs_key && strstr(why.text, "passphrase") != NULL);
	cr_expect_eq(
	    crypto_backup_open(cert_fd, pass, NULL, &needs_key, &b, &why),
	    ERR_NO_KEY);
	cr_expect(needs_key && strstr(why.text, "certificate") != NULL);
	cr_expect_null(b);
	close(pass_fd);
	close(cert_fd);
	buf_clear(&by_pass);
	buf_clear(&by_cert);
}

/* A backup that is not whole is never taken for one that is. */
Test(backup, a_full_disk_is_told_at_every_step)
{
	int full = open("/dev/full", O_WRONLY), fd;
	struct crypto_backup *b = NULL;
	int64_t t = now();

	cr_assert_neq(full, -1);
	cr_expect_eq(
	    crypto_backup_create(full, NULL, cert, t, &b, NULL), ERR_DISK_FULL);
	cr_expect_null(b);
	for (size_t len = 0; len <= SIZE; len += SIZE) {
		cr_assert_eq(memfd_new(&fd), ERR_OK);
		cr_assert_eq(
		    crypto_backup_create(fd, NULL, cert, t, &b, NULL), ERR_OK);
		cr_assert_eq(dup2(full, fd), fd);
		if (len > 0)
			cr_expect_eq(crypto_backup_put(b, SPAN(text.data, len)),
			    ERR_DISK_FULL);
		else
			cr_expect_eq(crypto_backup_finish(b), ERR_DISK_FULL);
		crypto_backup_free(b);
		close(fd);
	}
	close(full);
}

Test(backup, a_file_that_cannot_be_read_is_no_malformed_one)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY);
	struct buf file = sealed(false, SIZE, ROOM);
	int fd = file_of(buf_span(&file));
	struct crypto_backup *b = NULL;
	bool needs_key;
	char c;
	enum err e;

	cr_assert_neq(dir, -1);
	e = crypto_backup_open(dir, pass, &bundle, &needs_key, &b, NULL);
	cr_expect(e != ERR_OK && e != ERR_MALFORMED, "%s", err_name(e));
	cr_assert_eq(
	    crypto_backup_open(fd, NULL, &bundle, &needs_key, &b, NULL),
	    ERR_OK);
	cr_assert_eq(dup2(dir, fd), fd);
	e = crypto_backup_get(b, &c, 1);
	cr_expect(e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_BAD_SEAL, "%s",
	    err_name(e));
	crypto_backup_free(b);
	close(fd);
	close(dir);
	buf_clear(&file);
}
