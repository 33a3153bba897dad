/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Recovery of objects: by the private key of the certificate, of the object it
 * was sealed for, as long as nothing was changed.
 */
#include "crypto/escrow_recovery.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "common/stream.h"
#include "crypto/cert.h"
#include "crypto/escrow.h"
#include "crypto/pkcs12.h"
#include "tests/crypto/peer.h"

enum { SIZE = 200000 };

static void
start(void)
{
	secret_init();
	stream_init();
}

TestSuite(escrow_recovery, .init = start);

static struct crypto_cert *
cert_of(const char *name)
{
	char file[64];
	struct crypto_cert *cert = NULL;
	struct buf b;

	snprintf(file, sizeof(file), "%s.der", name);
	b = peer_read(peer_data(file));
	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK);
	buf_clear(&b);
	return cert;
}

static void
bundle_of(const char *name, struct crypto_bundle *out)
{
	char file[64];
	struct buf all, key;

	snprintf(file, sizeof(file), "%s.pem", name);
	all = peer_read(peer_data(file));
	snprintf(file, sizeof(file), "%s.key", name);
	key = peer_read(peer_data(file));
	all.max += key.len;
	cr_assert_eq(buf_put(&all, buf_span(&key)), ERR_OK);
	cr_assert_eq(
	    crypto_bundle_open(buf_span(&all), NULL, out, NULL), ERR_OK);
	buf_clear(&all);
	buf_clear(&key);
}

struct sealed {
	struct crypto_escrow e;
	struct buf message, object, cms;
};

static void
seal(struct sealed *s, const char *cert)
{
	static const struct crypto_escrow_part part = {.length = 10};
	struct crypto_cert *c = cert_of(cert);
	struct object_header h;
	struct secret *link;
	int fd;

	s->message = peer_octets(SIZE);
	buf_init(&s->object, 1 << 20);
	buf_init(&s->cms, 1 << 14);
	s->e = (struct crypto_escrow){.message = buf_span(&s->message),
	    .from = SPAN_LIT("a@example.org"),
	    .created_s = 1,
	    .expires_s = 2,
	    .parts = &part,
	    .n_parts = 1,
	    .recovery = c,
	    .recovery_out = &s->cms};
	crypto_escrow_new_id(s->e.id);
	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(crypto_escrow_seal(&s->e, fd, &h, &link), ERR_OK);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(file_read_all(fd, &s->object), ERR_OK);
	close(fd);
	secret_free(link);
	crypto_cert_unref(c);
}

static void
clear(struct sealed *s)
{
	buf_clear(&s->message);
	buf_clear(&s->object);
	buf_clear(&s->cms);
}

Test(escrow_recovery, opens_by_the_private_key)
{
	static const char *const names[] = {"rsa2048", "p256", "p521"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct crypto_bundle bundle = {.n_keys = 0};
		struct secret *content = NULL;
		struct memfd_map map = {0};
		struct sealed s;
		int fd;

		seal(&s, names[i]);
		bundle_of(names[i], &bundle);
		cr_assert_eq(crypto_recovery_open(buf_span(&s.cms), &bundle,
				 s.e.id, &content, NULL),
		    ERR_OK, "%s", names[i]);
		cr_assert_eq(
		    crypto_escrow_open(buf_span(&s.object), content, &fd),
		    ERR_OK);
		cr_assert_eq(memfd_map(fd, SIZE, &map), ERR_OK);
		cr_expect(span_eq(map.data, buf_span(&s.message)));
		memfd_unmap(&map);
		close(fd);
		secret_free(content);
		crypto_bundle_clear(&bundle);
		clear(&s);
	}
}

Test(escrow_recovery, opens_by_nothing_else)
{
	struct crypto_bundle own = {.n_keys = 0}, other = {.n_keys = 0};
	struct secret *content = NULL;
	struct sealed s;
	uint8_t id[OBJECT_ID_SIZE];

	seal(&s, "rsa2048");
	bundle_of("rsa2048", &own);
	bundle_of("rsa3072", &other);
	cr_expect_neq(crypto_recovery_open(
			  buf_span(&s.cms), &other, s.e.id, &content, NULL),
	    ERR_OK);
	memcpy(id, s.e.id, sizeof(id));
	id[15] ^= 1;
	cr_expect_eq(
	    crypto_recovery_open(buf_span(&s.cms), &own, id, &content, NULL),
	    ERR_BAD_SEAL);
	for (size_t i = 0; i < s.cms.len; i += 7) {
		s.cms.data[i] ^= 1;
		cr_expect(crypto_recovery_open(buf_span(&s.cms), &own, s.e.id,
			      &content, NULL) != ERR_OK ||
			      content != NULL,
		    "octet %zu", i);
		secret_free(content);
		content = NULL;
		s.cms.data[i] ^= 1;
	}
	cr_expect_neq(
	    crypto_recovery_open(SPAN(NULL, 0), &own, s.e.id, &content, NULL),
	    ERR_OK);
	crypto_bundle_clear(&own);
	crypto_bundle_clear(&other);
	clear(&s);
}

Test(escrow_recovery, gives_nothing_of_an_object_that_was_changed)
{
	struct crypto_bundle bundle = {.n_keys = 0};
	struct secret *content = NULL, *wrong = secret_random(STREAM_KEY);
	struct object_header h;
	struct sealed s;
	int fd;

	seal(&s, "p256");
	bundle_of("p256", &bundle);
	cr_assert_eq(crypto_recovery_open(
			 buf_span(&s.cms), &bundle, s.e.id, &content, NULL),
	    ERR_OK);
	cr_assert_eq(object_header_parse(buf_span(&s.object), &h), ERR_OK);
	cr_expect_eq(
	    crypto_escrow_open(buf_span(&s.object), wrong, &fd), ERR_BAD_SEAL);
	for (size_t at = (size_t)object_body_offset(&h); at < s.object.len;
	     at += 9973) {
		s.object.data[at] ^= 1;
		cr_expect_eq(
		    crypto_escrow_open(buf_span(&s.object), content, &fd),
		    ERR_BAD_SEAL, "octet %zu", at);
		s.object.data[at] ^= 1;
	}
	s.object.len--;
	cr_expect_eq(crypto_escrow_open(buf_span(&s.object), content, &fd),
	    ERR_MALFORMED);
	s.object.len = 50;
	cr_expect_eq(crypto_escrow_open(buf_span(&s.object), content, &fd),
	    ERR_MALFORMED);
	secret_free(content);
	secret_free(wrong);
	crypto_bundle_clear(&bundle);
	clear(&s);
}

Test(escrow_recovery, wants_a_certificate_that_can)
{
	static const struct {
		const char *name;
		enum err err;
	} rows[] = {
	    {"rsa2048", ERR_OK},
	    {"rsa3072", ERR_OK},
	    {"p256", ERR_OK},
	    {"signonly", ERR_KEY_UNUSABLE},
	    {"rsa1024", ERR_KEY_UNUSABLE},
	    {"ed25519", ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_cert *cert = cert_of(rows[i].name);

		cr_expect_eq(crypto_recovery_check(cert, NULL), rows[i].err,
		    "%s", rows[i].name);
		crypto_cert_unref(cert);
	}
}
