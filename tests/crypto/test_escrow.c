/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The writer against the vectors of docs/format-escrow.md. What a reader must
 * refuse is tested where the reader is: tests/e2e/test_page.mjs.
 */
#include "crypto/escrow.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "common/stream.h"
#include "common/text.h"

static const char message[] = "From: alice@example.org\r\n"
			      "Subject: Hello\r\n"
			      "\r\n"
			      "Good morning.\r\n";

static void
start(void)
{
	secret_init();
}

TestSuite(escrow, .init = start);

static struct secret *
counting_secret(void)
{
	struct secret *s = secret_new(CRYPTO_ESCROW_SECRET_SIZE);

	for (size_t i = 0; i < s->len; i++)
		s->data[i] = (uint8_t)i;
	return s;
}

static const struct crypto_escrow_part one_part = {
    .offset = 43,
    .length = 15,
    .type = {(const uint8_t *)"text/plain", 10},
};

static struct crypto_escrow
sample(void)
{
	struct crypto_escrow e = {
	    .message = SPAN_LIT(message),
	    .from = SPAN_LIT("alice@example.org"),
	    .subject = SPAN_LIT("Hello"),
	    .date_s = 1700000000,
	    .created_s = 1700000001,
	    .expires_s = 1702592001,
	    .parts = &one_part,
	    .n_parts = 1,
	};

	for (size_t i = 0; i < sizeof(e.id); i++)
		e.id[i] = (uint8_t)(0xa0 + i);
	return e;
}

static void
seal_into(const struct crypto_escrow *e, const struct secret *link,
    struct object_header *h, struct buf *out)
{
	int fd;

	buf_init(out, 1 << 24);
	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(crypto_escrow_seal_with(e, link, fd, h), ERR_OK);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(file_read_all(fd, out), ERR_OK);
	close(fd);
}

Test(escrow, keys_are_those_of_the_vectors)
{
	static const struct {
		const char *passphrase;
		const char *proof;
		const char *content;
	} rows[] = {
	    {NULL,
		"5d0a5026094ad21f9d77fceb87d2d1c7c2b783aed6ca78bc3e28ecc3353cc9"
		"44",
		"13a103a3da29b856a754cd04e04d588534c82264c63a040924bd656dac432c"
		"aa"},
	    {"correct horse",
		"0eb805b249695ce6a5a31fa74a2d4809bf50eb0fc67fc93fa62001b5337f28"
		"45",
		"57585a06a77c882e31241b95b59f5ad8d66f521ef927924223ed5a9d794a8c"
		"e5"},
	};
	struct secret *link = counting_secret();
	struct crypto_escrow e = sample();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct secret *proof, *content, *pass = NULL;
		char text[65];

		if (rows[i].passphrase != NULL)
			pass = secret_from(span_str(rows[i].passphrase));
		cr_assert_eq(
		    crypto_escrow_derive(link, pass, e.id, &proof, &content),
		    ERR_OK);
		text_hex(secret_span(proof), text);
		cr_expect_str_eq(text, rows[i].proof, "row %zu: %s", i, text);
		text_hex(secret_span(content), text);
		cr_expect_str_eq(text, rows[i].content, "row %zu: %s", i, text);
		secret_free(proof);
		secret_free(content);
		secret_free(pass);
	}
	secret_free(link);
}

/* Octets from first on. */
static struct secret *
secret_of(uint8_t first)
{
	struct secret *s = secret_new(32);

	for (size_t i = 0; i < s->len; i++)
		s->data[i] = (uint8_t)(first + i);
	return s;
}

/* The public key of the document. */
static struct pickup_account
sample_account(void)
{
	static const char hex[] =
	    "04c6559d416dfb56af714f146d917c24abf818b2fb121604129649848230a2d2"
	    "58b2a6d82dc6c6734cf092ffaa9fc012f10f7008d3952a08d5797e85feaba5d9"
	    "77";
	struct pickup_account a = {.public = {0}};

	for (size_t i = 0; i < sizeof(a.public); i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		a.public[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return a;
}

Test(escrow, the_factor_of_an_account_is_that_of_the_vector)
{
	struct pickup_account a = sample_account();
	struct crypto_escrow e = sample();
	struct secret *link = counting_secret(), *ours = secret_of(0x40);
	struct secret *shared = NULL;
	struct object_header h, read;
	uint8_t point[PICKUP_ACCOUNT_PUBLIC], id[PICKUP_ACCOUNT_ID];
	uint8_t proof[32];
	char text[131];
	struct buf out;

	cr_assert_eq(
	    crypto_escrow_account_with(&a, e.id, ours, point, &shared), ERR_OK);
	text_hex(secret_span(shared), text);
	cr_expect_str_eq(text,
	    "315d5ef175fd8e182b809b7914ea894f51d30e8c2066eb77c84b2aeb60c456e1");
	text_hex(SPAN(point, sizeof(point)), text);
	cr_expect_str_eq(text,
	    "0468ec7cf08cd4106e43b14de895426522bd0a45150c027e45c7953434d747e7"
	    "bae3af39a88ebbee8679bb61e7845c3a89cb9b5a3237c3fdb0b0587dbaf41511"
	    "8d");
	pickup_account_id(&a, id);
	text_hex(SPAN(id, sizeof(id)), text);
	cr_expect_str_eq(text, "f9d9df39cca0f30ec2ee45aa85af0a49");

	e.factor = OBJECT_FACTOR_ACCOUNT;
	e.shared = shared;
	e.account = &a;
	seal_into(&e, link, &h, &out);
	for (size_t i = 0; i < sizeof(proof); i++) {
		static const char hex[] =
		    "77af6613a6560fbb7d8bd02acf04ba581556d6174f4b30e6c377d15c6e"
		    "7e2bef";
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		proof[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	digest_sha256(&(struct span){proof, sizeof(proof)}, 1, proof);
	cr_expect_eq(memcmp(h.proof_hash, proof, sizeof(proof)), 0);
	cr_assert_eq(object_header_parse(buf_span(&out), &read), ERR_OK);
	cr_expect_eq(read.factor, OBJECT_FACTOR_ACCOUNT);
	cr_expect_eq(memcmp(read.account, id, sizeof(read.account)), 0);
	buf_clear(&out);
	secret_free(shared);
	secret_free(ours);
	secret_free(link);
}

Test(escrow, every_object_of_an_account_has_a_factor_of_its_own)
{
	struct pickup_account a = sample_account();
	struct crypto_escrow e = sample();
	struct secret *one = NULL, *two = NULL;
	uint8_t at[PICKUP_ACCOUNT_PUBLIC], to[PICKUP_ACCOUNT_PUBLIC];

	cr_assert_eq(crypto_escrow_account(&a, e.id, at, &one), ERR_OK);
	cr_assert_eq(crypto_escrow_account(&a, e.id, to, &two), ERR_OK);
	cr_expect(!secret_eq(one, two));
	cr_expect_neq(memcmp(at, to, sizeof(at)), 0);
	secret_free(one);
	secret_free(two);
}

Test(escrow, a_point_off_the_curve_is_no_account)
{
	static const size_t at[] = {0, 1, 32, 33, 64};
	struct crypto_escrow e = sample();
	uint8_t point[PICKUP_ACCOUNT_PUBLIC];

	cr_expect(pickup_account_is_sound(
	    &(struct pickup_account[]){sample_account()}[0]));
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct pickup_account a = sample_account();
		struct secret *shared = NULL;

		a.public[at[i]] ^= 1;
		cr_expect_not(pickup_account_is_sound(&a), "%zu", at[i]);
		cr_expect_eq(crypto_escrow_account(&a, e.id, point, &shared),
		    ERR_CRYPTO, "%zu", at[i]);
		cr_expect_null(shared);
	}
	cr_expect_not(
	    pickup_account_is_sound(&(struct pickup_account){.public = {0}}));
	cr_expect_not(
	    pickup_account_is_sound(&(struct pickup_account){.public = {4}}));
}

Test(escrow, an_account_is_the_only_factor_beside_the_link)
{
	struct pickup_account a = sample_account();
	struct crypto_escrow e = sample();
	struct secret *shared = secret_of(1), *link = NULL;
	struct object_header h;
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	e.factor = OBJECT_FACTOR_ACCOUNT;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_USAGE);
	e.shared = shared;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_USAGE);
	e.account = &a;
	e.factor = OBJECT_FACTOR_NONE;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_USAGE);
	e.factor = OBJECT_FACTOR_ACCOUNT;
	e.passphrase = shared;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_USAGE);
	cr_expect_null(link);
	secret_free(shared);
	close(fd);
}

Test(escrow, object_is_that_of_the_vector)
{
	struct secret *link = counting_secret();
	struct crypto_escrow e = sample();
	struct object_header h;
	uint8_t digest[DIGEST_SIZE];
	struct span whole;
	struct buf out;
	char text[65];

	seal_into(&e, link, &h, &out);
	whole = buf_span(&out);
	digest_sha256(&whole, 1, digest);
	text_hex(SPAN(digest, sizeof(digest)), text);
	cr_assert_eq(out.len, object_total_size(&h));
	cr_expect_str_eq(text,
	    "b28ba412c4ccaaf7e700279bca04032aa8878530809130954fd513fc57bff3aa",
	    "%s", text);
	buf_clear(&out);
	secret_free(link);
}

Test(escrow, link_text_names_the_kind)
{
	struct secret *link = counting_secret();
	char text[CRYPTO_ESCROW_LINK_SIZE + 1] = "";

	crypto_escrow_link_text(link, OBJECT_FACTOR_NONE, text);
	cr_expect_str_eq(text, "EAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f");
	crypto_escrow_link_text(link, OBJECT_FACTOR_PASSPHRASE, text);
	cr_expect_str_eq(text, "EQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f");
	secret_free(link);
}

/* The index of an object, opened with the keys of its link. */
static char *
open_index(const struct buf *object, const struct secret *link)
{
	struct secret *proof, *content;
	struct object_header h;
	struct stream *s;
	uint8_t *text;

	cr_assert_eq(object_header_parse(buf_span(object), &h), ERR_OK);
	cr_assert_eq(
	    crypto_escrow_derive(link, NULL, h.id, &proof, &content), ERR_OK);
	s = stream_new(content, (const uint8_t[7]){0, 0, 0, 0, 0, 0, 1},
	    SPAN(object->data, OBJECT_HEADER_AD_SIZE));
	text = calloc(1, h.index_size + 1);
	cr_assert_eq(
	    stream_open(s, 0, true,
		SPAN(object->data + OBJECT_HEADER_SIZE, h.index_size + 16),
		text),
	    ERR_OK);
	stream_free(s);
	secret_free(proof);
	secret_free(content);
	return (char *)text;
}

Test(escrow, index_holds_whatever_mail_brings)
{
	static const struct {
		const char *name;
		struct span in;
		const char *want;
	} rows[] = {
	    {"quotes", SPAN_LIT("a\"b\\c"), "\"a\\\"b\\\\c\""},
	    {"controls", SPAN_LIT("a\r\n\tb\x7f"),
		"\"a\\u000d\\u000a\\u0009b\\u007f\""},
	    {"NUL", SPAN_LIT("a\0b"), "\"a\\u0000b\""},
	    {"UTF-8", SPAN_LIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x92"),
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x92\""},
	    {"Latin-1", SPAN_LIT("caf\xe9!"), "\"caf\xef\xbf\xbd!\""},
	    {"cut", SPAN_LIT("a\xe2\x82"), "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"overlong", SPAN_LIT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"surrogate", SPAN_LIT("\xed\xa0\x80"),
		"\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	    {"script", SPAN_LIT("</script>"), "\"</script>\""},
	};
	struct secret *link = counting_secret();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct crypto_escrow e = sample();
		struct object_header h;
		struct buf out;
		char *json, *at;

		e.subject = rows[i].in;
		seal_into(&e, link, &h, &out);
		json = open_index(&out, link);
		at = strstr(json, "\"subject\":");
		cr_assert_not_null(at, "%s", rows[i].name);
		cr_expect_eq(
		    strncmp(at + 10, rows[i].want, strlen(rows[i].want)), 0,
		    "%s: %s", rows[i].name, at);
		free(json);
		buf_clear(&out);
	}
	secret_free(link);
}

Test(escrow, message_of_many_chunks_has_the_stated_size)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
	struct secret *link = counting_secret();
	uint8_t *octets = calloc(1, 200000);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct crypto_escrow e = sample();
		struct object_header h;
		struct buf out;

		e.message = SPAN(octets, sizes[i]);
		e.n_parts = 0;
		seal_into(&e, link, &h, &out);
		cr_expect_eq(out.len, object_total_size(&h), "%zu", sizes[i]);
		cr_expect_eq(h.body_size, sizes[i], "%zu", sizes[i]);
		buf_clear(&out);
	}
	free(octets);
	secret_free(link);
}

Test(escrow, refuses_what_cannot_be_sealed)
{
	struct crypto_escrow e = sample();
	struct crypto_escrow_part outside = one_part;
	struct secret *link = NULL;
	struct object_header h;
	uint8_t *big;
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	outside.length = sizeof(message);
	e.parts = &outside;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_MALFORMED);
	outside.offset = UINT64_MAX;
	outside.length = 2;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_MALFORMED);
	e = sample();
	e.expires_s = e.created_s;
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_USAGE);
	e = sample();
	big = calloc(1, 2 << 20);
	e.subject = SPAN(big, 2 << 20);
	cr_expect_eq(crypto_escrow_seal(&e, fd, &h, &link), ERR_TOO_BIG);
	free(big);
	e = sample();
	close(fd);
	cr_expect_neq(crypto_escrow_seal(&e, fd, &h, &link), ERR_OK);
	cr_expect_null(link);
}

Test(escrow, two_links_have_nothing_in_common)
{
	struct crypto_escrow e = sample();
	struct secret *a, *b;
	struct object_header h, k;
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(crypto_escrow_seal(&e, fd, &h, &a), ERR_OK);
	cr_assert_eq(crypto_escrow_seal(&e, fd, &k, &b), ERR_OK);
	cr_expect(!secret_eq(a, b));
	cr_expect_neq(memcmp(h.proof_hash, k.proof_hash, 32), 0);
	secret_free(a);
	secret_free(b);
	close(fd);
}
