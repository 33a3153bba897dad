/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files that hold many keys, cut into pieces, so that what is wrong with one is
 * told of that one and the rest is in: PEM, PKCS#7, LDIF, keyrings, keyboxes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cms_certs.h"
#include "crypto/ldif.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_packet.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/key_pool.h"
#include "mime/base64.h"

enum {
	PGP_BULK = 128 * 1024,	/* octets; from here on it is cut */
	PGP_PIECE = 512 * 1024, /* octets that gpg gets at once */
	PGP_PIECE_KEYS = 200,
	PKCS7_CERTS = 4000,
	PIECE_MEMORY = 64 << 20,
	NAME_SIZE = 1024,
};

/* What a piece is called in what is said about it. */
static const char *
name_piece(char out[NAME_SIZE], const char *file, const char *what, size_t n)
{
	snprintf(out, NAME_SIZE, "%s, %s %zu", file, what, n);
	return out;
}

/* --- PKCS#7 --- */

/* SEQUENCE, then the object identifier signedData (RFC 5652 section 5.1). */
static bool
is_signed_data(struct span in)
{
	struct span oid =
	    SPAN_LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02");
	struct span begin = SPAN(in.data, in.len < 32 ? in.len : 32);

	return in.len > 16 && in.data[0] == 0x30 &&
	       span_find(begin, 0, oid) < begin.len;
}

static enum err
import_pkcs7(struct key_import *im, const char *file, struct span in)
{
	struct crypto_cert **certs = calloc(PKCS7_CERTS, sizeof(*certs));
	struct arena *arena = arena_new(PIECE_MEMORY);
	size_t n = 0;
	enum err e;

	if (certs == NULL || arena == NULL)
		fatal("out of memory");
	e = crypto_cms_certs(in, certs, PKCS7_CERTS, &n);
	if (e != ERR_OK)
		key_import_refuse(im, file, e, "");
	else
		e = key_import_certs(im, file, certs, n, arena);
	arena_free(arena);
	free(certs);
	return e;
}

/* --- PEM --- */

struct block {
	struct span all;   /* with its two lines */
	struct span label; /* "CERTIFICATE" */
	struct span text;
};

/* The next "-----BEGIN X-----" to its end. False when there is none. */
static bool
next_block(struct span in, size_t *at, struct block *out)
{
	struct span begin = SPAN_LIT("-----BEGIN "),
		    end = SPAN_LIT("-----END ");
	struct span dashes = SPAN_LIT("-----");
	size_t from = span_find(in, *at, begin), label, text, stop, last;

	if (from >= in.len)
		return false;
	label = from + begin.len;
	text = span_find(in, label, dashes);
	stop = text < in.len ? span_find(in, text, end) : in.len;
	last = stop < in.len ? span_find(in, stop + end.len, dashes) : in.len;
	if (last >= in.len)
		return false;
	last += dashes.len;
	out->all = SPAN(in.data + from, last - from);
	out->label = SPAN(in.data + label, text - label);
	out->text = SPAN(in.data + text + dashes.len, stop - text - dashes.len);
	*at = last;
	return true;
}

static size_t
count_blocks(struct span in)
{
	struct block b;
	size_t at = 0, n = 0;

	while (n < 2 && next_block(in, &at, &b))
		n++;
	return n;
}

static enum err
import_block(struct key_import *im, const char *name, const struct block *b)
{
	struct buf der;
	enum err e;

	if (!span_eq(b->label, SPAN_LIT("PKCS7")) &&
	    !span_eq(b->label, SPAN_LIT("CMS")))
		return key_import_octets(im, name, b->all);
	buf_init(&der, LIMIT_KEYS_SIZE);
	e = mime_base64_decode(b->text, &der);
	if (e == ERR_OK)
		e = import_pkcs7(im, name, buf_span(&der));
	else
		key_import_refuse(im, name, ERR_MALFORMED, "");
	buf_clear(&der);
	return e;
}

static enum err
import_pem(struct key_import *im, const char *file, struct span in)
{
	enum err e, result = ERR_OK;
	char name[NAME_SIZE];
	struct block b;
	size_t at = 0;

	for (size_t n = 1; next_block(in, &at, &b); n++) {
		e = import_block(im, name_piece(name, file, "block", n), &b);
		result = result != ERR_OK ? result : e;
		key_import_at(im, at);
	}
	return result;
}

/* --- LDIF --- */

static enum err
import_value(struct key_import *im, const char *file,
    const struct ldif_value *v, bool *was_key)
{
	char name[NAME_SIZE];

	*was_key = true;
	(void)name_piece(name, file, "line", v->line);
	if (span_caseeq_str(v->name, "userCertificate") ||
	    span_caseeq_str(v->name, "cACertificate") ||
	    span_caseeq_str(v->name, "pgpKey"))
		return key_import_octets(im, name, v->octets);
	if (span_caseeq_str(v->name, "userSMIMECertificate"))
		return is_signed_data(v->octets)
			   ? import_pkcs7(im, name, v->octets)
			   : key_import_octets(im, name, v->octets);
	*was_key = false;
	return ERR_OK;
}

static enum err
import_ldif(struct key_import *im, const char *file, struct span in)
{
	enum err e, result = ERR_OK;
	struct ldif_value v = {0};
	char name[NAME_SIZE];
	size_t keys = 0;
	struct ldif l;
	bool was_key;

	ldif_init(&l, in);
	for (;;) {
		e = ldif_next(&l, &v);
		if (e == ERR_NOT_FOUND || e == ERR_NOMEM)
			break;
		if (e != ERR_OK) {
			key_import_refuse(
			    im, name_piece(name, file, "line", v.line), e, "");
		} else {
			e = import_value(im, file, &v, &was_key);
			keys += was_key;
		}
		result = result != ERR_OK ? result : e;
		key_import_at(im, in.len - l.rest.len);
	}
	ldif_clear(&l);
	if (e == ERR_NOMEM)
		return e;
	if (keys == 0 && result == ERR_OK) {
		result = ERR_NO_KEY;
		key_import_refuse(im, file, result,
		    "no userCertificate, userSMIMECertificate or pgpKey in it");
	}
	return result;
}

/* --- OpenPGP --- */

/* The octets up to the next primary key. 0: what comes is no packet. */
static size_t
key_size(struct span in)
{
	struct crypto_pgp_packet p;
	size_t n = 0;

	while (n < in.len) {
		if (crypto_pgp_packet_next(SPAN(in.data + n, in.len - n), &p) !=
		    ERR_OK)
			return 0;
		if (n > 0 && p.tag == CRYPTO_PGP_TAG_PUBLIC_KEY)
			return n;
		n += p.size;
	}
	return n;
}

/* One key that gpg does not like must not take others along. */
static enum err
import_pieces(struct key_import *im, const char *file, struct span in,
    size_t from, size_t n)
{
	enum err e, result = ERR_OK;
	char name[NAME_SIZE];

	for (size_t i = 0; i < n; i++) {
		size_t size = key_size(in);

		e = key_import_octets(im,
		    name_piece(name, file, "key", from + i),
		    SPAN(in.data, size));
		result = result != ERR_OK ? result : e;
		in = SPAN(in.data + size, in.len - size);
	}
	return result;
}

/* Some keys of a keyring. */
struct piece {
	struct span octets;
	size_t nth, n; /* the first of them, and how many */
	size_t end;    /* in the keyring */
};

struct keyring {
	struct key_import *im;
	const char *file;
	struct span in;
	size_t at, nth; /* of what is cut next */
	bool damaged;	/* no key begins at `at` */
	struct key_pool *pool;
	struct piece piece[KEY_POOL_MAX]; /* what the pool has, as a ring */
	size_t put, taken;
	enum err result;
};

/* As many keys as gpg gets at once. */
static struct piece
cut(struct keyring *k)
{
	struct piece p = {.nth = k->nth};
	size_t size = 0;

	while (p.n < PGP_PIECE_KEYS && k->at + size < k->in.len) {
		size_t one = key_size(
		    SPAN(k->in.data + k->at + size, k->in.len - k->at - size));

		if (one == 0 || (p.n > 0 && size + one > PGP_PIECE))
			break;
		size += one;
		p.n++;
	}
	p.octets = SPAN(k->in.data + k->at, size);
	k->damaged = p.n == 0;
	k->at += size;
	k->nth += p.n;
	p.end = k->at;
	return p;
}

static void
note(struct keyring *k, enum err e)
{
	k->result = k->result != ERR_OK ? k->result : e;
}

/* Take the oldest piece from the pool and keep what is in it. */
static void
keep(struct keyring *k)
{
	const struct piece *p = &k->piece[k->taken++ % KEY_POOL_MAX];
	struct crypto_pgp_list list = {0};
	struct err_why why = {""};
	char name[NAME_SIZE];
	enum err e = key_pool_take(k->pool, &list, &why);

	if (!k->im->broken) {
		e = key_import_listed(k->im,
		    p->n > 1 ? k->file
			     : name_piece(name, k->file, "key", p->nth),
		    &list, e, &why, p->n);
		if (e == ERR_AGAIN)
			e = import_pieces(
			    k->im, k->file, p->octets, p->nth, p->n);
		key_import_at(k->im, p->end);
	}
	crypto_pgp_list_clear(&list);
	note(k, e);
}

static enum err
import_keyring(struct key_import *im, const char *file, struct span in)
{
	struct keyring k = {.im = im, .file = file, .in = in, .nth = 1};
	struct err_why why = {""};
	char name[NAME_SIZE];
	struct piece p;
	enum err e = key_pool_open(&k.pool, &why);

	if (e != ERR_OK) {
		key_import_refuse(im, file, e, why.text);
		return e;
	}
	while (!im->broken && !k.damaged && k.at < in.len) {
		if (!key_pool_has_room(k.pool)) {
			keep(&k);
			continue;
		}
		p = cut(&k);
		if (p.n == 0)
			break;
		k.piece[k.put++ % KEY_POOL_MAX] = p;
		key_pool_put(k.pool, p.octets);
	}
	while (key_pool_count(k.pool) > 0)
		keep(&k);
	key_pool_close(k.pool);
	if (k.damaged) {
		key_import_refuse(im, name_piece(name, file, "octet", k.at),
		    ERR_MALFORMED,
		    "no key begins there: nothing behind it was read");
		note(&k, ERR_MALFORMED);
	}
	return k.result;
}

static uint32_t
u32_at(struct span in, size_t at)
{
	return (uint32_t)in.data[at] << 24 | (uint32_t)in.data[at + 1] << 16 |
	       (uint32_t)in.data[at + 2] << 8 | in.data[at + 3];
}

/* The files of GnuPG that have all public keys: blobs with their length in
   front, those of type 2 with place and length of the key at octet 8. */
static bool
is_keybox(struct span in)
{
	return in.len >= 32 && span_eq(SPAN(in.data + 8, 4), SPAN_LIT("KBXf"));
}

static enum err
import_keybox(struct key_import *im, const char *file, struct span in)
{
	enum { TYPE_AT = 4, PLACE_AT = 8, LEN_AT = 12, HEAD = 16, PGP = 2 };
	enum err e = ERR_OK;
	struct buf keys;
	size_t at = 0;

	buf_init(&keys, in.len);
	while (e == ERR_OK && at < in.len) {
		uint32_t size, place, len;

		size = in.len - at < HEAD ? 0 : u32_at(in, at);
		if (size < HEAD || size > in.len - at) {
			e = ERR_MALFORMED;
			break;
		}
		place = u32_at(in, at + PLACE_AT);
		len = u32_at(in, at + LEN_AT);
		if (in.data[at + TYPE_AT] == PGP &&
		    (place > size || len > size - place))
			e = ERR_MALFORMED;
		else if (in.data[at + TYPE_AT] == PGP)
			e = buf_put(&keys, SPAN(in.data + at + place, len));
		at += size;
	}
	if (e != ERR_OK)
		key_import_refuse(im, file, e, "damaged keybox");
	else
		e = import_keyring(im, file, buf_span(&keys));
	buf_clear(&keys);
	return e;
}

/* --- which it is --- */

enum err
key_import_bulk(struct key_import *im, const char *file, struct span in)
{
	struct buf binary;
	enum err e;

	if (is_keybox(in))
		return import_keybox(im, file, in);
	if (is_signed_data(in))
		return import_pkcs7(im, file, in);
	if (ldif_is(in))
		return import_ldif(im, file, in);
	if (key_import_is_bundle(in) || in.len == 0)
		return key_import_octets(im, file, in);
	if (!key_import_is_pgp(in)) {
		struct block b = {0};
		size_t at = 0, n = count_blocks(in);

		if (n > 1 || (next_block(in, &at, &b) &&
				 !span_eq(b.label, SPAN_LIT("CERTIFICATE"))))
			return import_pem(im, file, in);
		return key_import_octets(im, file, in);
	}
	if (in.len < PGP_BULK)
		return key_import_octets(im, file, in);
	buf_init(&binary, in.len);
	e = crypto_pgp_dearmor(in, &binary, NULL);
	if (e == ERR_OK)
		e = import_keyring(im, file, buf_span(&binary));
	else
		e = key_import_octets(im, file, in);
	buf_clear(&binary);
	return e;
}
