/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Armor and packet framing, so much of OpenPGP as tells certificates apart
 * before GnuPG sees them: secret keys, sizes, versions it does not know.
 * RFC 9580 §4.2, §5.5, §6.
 */
#include "crypto/openpgp_packet.h"

#include <string.h>

#include <openssl/evp.h>

#include "common/limits.h"
#include "mime/base64.h"

#define ARMOR_BEGIN  "-----BEGIN PGP "
#define ARMOR_PUBLIC "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define ARMOR_SECRET "-----BEGIN PGP PRIVATE KEY BLOCK-----"
#define END_PUBLIC   "-----END PGP PUBLIC KEY BLOCK-----"
#define END_SECRET   "-----END PGP PRIVATE KEY BLOCK-----"

static size_t
number(const uint8_t *p, size_t n)
{
	size_t value = 0;

	while (n-- > 0)
		value = value << 8 | *p++;
	return value;
}

/* RFC 9580 §4.2.2: 1, 2 or 4 octets, told by the header's last two bits. */
static bool
old_length(struct span in, size_t *header_out, size_t *len_out)
{
	size_t n = (size_t)1 << (in.data[0] & 3);

	if (n == 8 || in.len < 1 + n)
		return false;
	*header_out = 1 + n;
	*len_out = number(in.data + 1, n);
	return true;
}

/* RFC 9580 §4.2.1 */
static bool
new_length(struct span in, size_t *header_out, size_t *len_out)
{
	uint8_t first;

	if (in.len < 2)
		return false;
	first = in.data[1];
	if (first < 192) {
		*header_out = 2;
		*len_out = first;
		return true;
	}
	if (first < 224) {
		if (in.len < 3)
			return false;
		*header_out = 3;
		*len_out = ((size_t)(first - 192) << 8) + in.data[2] + 192;
		return true;
	}
	if (first != 255 || in.len < 6)
		return false;
	*header_out = 6;
	*len_out = number(in.data + 2, 4);
	return true;
}

enum err
crypto_pgp_packet_next(struct span in, struct crypto_pgp_packet *out)
{
	size_t header = 0, len = 0;
	bool is_new, ok;

	if (in.len == 0 || (in.data[0] & 0x80) == 0)
		return ERR_MALFORMED;
	is_new = (in.data[0] & 0x40) != 0;
	ok = is_new ? new_length(in, &header, &len)
		    : old_length(in, &header, &len);
	if (!ok || len > in.len - header)
		return ERR_MALFORMED;
	out->tag = is_new ? in.data[0] & 0x3f : (in.data[0] >> 2) & 0x0f;
	out->body = SPAN(in.data + header, len);
	out->size = header + len;
	return ERR_OK;
}

/* The line at pos without its end; *next is where the following one starts. */
static struct span
line_at(struct span in, size_t pos, size_t *next)
{
	size_t end = span_find_chr(in, pos, '\n');
	struct span line = SPAN(in.data + pos, end - pos);

	*next = end < in.len ? end + 1 : end;
	/* RFC 9580 §6.2: blanks at the end of armor lines do not count */
	while (
	    line.len > 0 && memchr(" \t\r", line.data[line.len - 1], 3) != NULL)
		line.len--;
	return line;
}

static enum err
decode_body(struct span body, struct buf *out, struct err_why *why)
{
	enum err e = mime_base64_decode(body, out);

	if (e == ERR_MALFORMED)
		return err_why(why, e, "the key block is damaged");
	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	return ERR_OK;
}

/* Decode the block whose first line stands before pos and whose last line is
   end; *next is behind it. */
static enum err
dearmor_block(struct span in, size_t pos, const char *end, size_t *next,
    struct buf *out, struct err_why *why)
{
	bool in_headers = true, in_body = false;
	size_t from = in.len, to = in.len;

	while (pos < in.len) {
		struct span line = line_at(in, pos, next);

		if (span_eq_str(line, end)) {
			if (in_body)
				to = pos;
			return from > to ? err_why(why, ERR_MALFORMED,
					       "an empty key block")
					 : decode_body(
					       SPAN(in.data + from, to - from),
					       out, why);
		}
		/* headers "Name: value" end at an empty line; the checksum
		   "=abcd" is not looked at (RFC 9580 §6.1) */
		if (in_headers && line.len == 0) {
			in_headers = false;
			in_body = true;
			from = *next;
		} else if (in_headers &&
			   span_find(line, 0, SPAN_LIT(": ")) == line.len &&
			   line.data[line.len - 1] != ':') {
			in_headers = false;
			in_body = true;
			from = pos;
		} else if (in_body && line.len > 0 && line.data[0] == '=') {
			in_body = false;
			to = pos;
		} else if (!in_headers && !in_body && line.len > 0) {
			break;
		}
		pos = *next;
	}
	return err_why(why, ERR_MALFORMED, "the key block has no proper end");
}

/* One block; secret tells which kind is wanted. */
static enum err
dearmor_line(struct span in, struct span line, size_t *next, bool secret,
    struct buf *out, struct err_why *why)
{
	if (span_eq_str(line, ARMOR_PUBLIC))
		return secret ? err_why(why, ERR_MALFORMED,
				    "a public key beside secret ones")
			      : dearmor_block(
				    in, *next, END_PUBLIC, next, out, why);
	if (span_eq_str(line, ARMOR_SECRET))
		return secret
			   ? dearmor_block(
				 in, *next, END_SECRET, next, out, why)
			   : err_why(why, ERR_PERMISSION, "it is a secret key");
	if (span_starts_caseeq(line, ARMOR_BEGIN))
		return err_why(
		    why, ERR_MALFORMED, "an OpenPGP block that is no key");
	return ERR_OK;
}

static enum err
dearmor(struct span in, bool secret, struct buf *out, struct err_why *why)
{
	size_t before = out->len, pos = 0, next = 0;
	enum err e = ERR_OK;

	if (in.len > 0 && (in.data[0] & 0x80) != 0) {
		e = buf_put(out, in);
		return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
	}
	while (e == ERR_OK && pos < in.len) {
		struct span line = line_at(in, pos, &next);

		e = dearmor_line(in, line, &next, secret, out, why);
		pos = next;
	}
	if (e == ERR_OK && out->len == before)
		e = err_why(why, ERR_NO_KEY, "no OpenPGP key in it");
	if (e != ERR_OK)
		out->len = before;
	return e;
}

enum err
crypto_pgp_dearmor(struct span in, struct buf *out, struct err_why *why)
{
	return dearmor(in, false, out, why);
}

enum err
crypto_pgp_dearmor_secret(struct span in, struct buf *out, struct err_why *why)
{
	return dearmor(in, true, out, why);
}

/* May a packet of this type stand in a certificate behind its first one? */
static bool
is_member(unsigned tag)
{
	switch (tag) {
	case CRYPTO_PGP_TAG_SIGNATURE:
	case CRYPTO_PGP_TAG_TRUST:
	case CRYPTO_PGP_TAG_USER_ID:
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
	case CRYPTO_PGP_TAG_ATTRIBUTE:
	case CRYPTO_PGP_TAG_MARKER:
	case CRYPTO_PGP_TAG_PADDING:
		return true;
	}
	return false;
}

/* first: the type of packet that each key begins with. */
static enum err
check_packet(const struct crypto_pgp_packet *p, unsigned first, size_t n,
    struct err_why *why)
{
	bool secret = first == CRYPTO_PGP_TAG_SECRET_KEY;

	if (!secret && (p->tag == CRYPTO_PGP_TAG_SECRET_KEY ||
			   p->tag == CRYPTO_PGP_TAG_SECRET_SUBKEY))
		return err_why(why, ERR_PERMISSION, "it is a secret key");
	if (p->tag == first)
		return p->body.len > 0
			   ? ERR_OK
			   : err_why(why, ERR_MALFORMED, "an empty key packet");
	if (n > 0 && secret && p->tag == CRYPTO_PGP_TAG_SECRET_SUBKEY)
		return ERR_OK;
	if (n == 0 || !is_member(p->tag))
		return err_why(why, ERR_MALFORMED,
		    "a packet of type %u where a key was expected", p->tag);
	return ERR_OK;
}

static enum err
split(struct span in, unsigned first, struct crypto_pgp_piece *out, size_t max,
    size_t *n_out, struct err_why *why)
{
	struct crypto_pgp_packet p;
	size_t n = 0, pos = 0;
	enum err e;

	for (; pos < in.len; pos += p.size) {
		e = crypto_pgp_packet_next(
		    SPAN(in.data + pos, in.len - pos), &p);
		if (e != ERR_OK)
			return err_why(why, e, "a damaged OpenPGP packet");
		e = check_packet(&p, first, n, why);
		if (e != ERR_OK)
			return e;
		if (p.tag == first) {
			if (n == max)
				return err_why(
				    why, ERR_LIMIT, "more than %zu keys", max);
			out[n].octets = SPAN(in.data + pos, 0);
			out[n++].key = p.body;
		}
		out[n - 1].octets.len += p.size;
		if (out[n - 1].octets.len > LIMIT_KEY_SIZE)
			return err_why(why, ERR_TOO_BIG,
			    "a key of more than %u octets", LIMIT_KEY_SIZE);
	}
	if (n == 0)
		return err_why(why, ERR_NO_KEY, "no OpenPGP key in it");
	*n_out = n;
	return ERR_OK;
}

enum err
crypto_pgp_split(struct span in, struct crypto_pgp_piece *out, size_t max,
    size_t *n_out, struct err_why *why)
{
	return split(in, CRYPTO_PGP_TAG_PUBLIC_KEY, out, max, n_out, why);
}

enum err
crypto_pgp_split_secret(struct span in, struct crypto_pgp_piece *out,
    size_t max, size_t *n_out, struct err_why *why)
{
	return split(in, CRYPTO_PGP_TAG_SECRET_KEY, out, max, n_out, why);
}

enum err
crypto_pgp_fpr(struct span key, uint8_t out[32], size_t *len_out)
{
	/* the octets in front of the key: 0x99 and a length of two octets in
	   v4; 0x9a (v5), 0x9b (v6) and a length of four */
	uint8_t head[5] = {0x99, (uint8_t)(key.len >> 8), (uint8_t)key.len};
	size_t head_len = 3;
	const EVP_MD *md = EVP_sha1();
	unsigned version = key.data[0], size = 0;
	EVP_MD_CTX *ctx = NULL;
	bool ok;

	if ((version != 4 && version != 5 && version != 6) ||
	    (version == 4 && key.len > 0xffff)) {
		*len_out = 0;
		return ERR_OK;
	}
	if (version != 4) {
		head[0] = version == 5 ? 0x9a : 0x9b;
		for (size_t i = 0; i < 4; i++)
			head[1 + i] = (uint8_t)(key.len >> (24 - 8 * i));
		head_len = 5;
		md = EVP_sha256();
	}
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
	     EVP_DigestUpdate(ctx, head, head_len) == 1 &&
	     EVP_DigestUpdate(ctx, key.data, key.len) == 1 &&
	     EVP_DigestFinal_ex(ctx, out, &size) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return ERR_CRYPTO;
	*len_out = size;
	return ERR_OK;
}

size_t
crypto_pgp_key_ids(struct span cert, uint8_t (*out)[8], size_t max)
{
	struct crypto_pgp_packet p;
	uint8_t fpr[32];
	size_t n = 0, len;

	for (size_t pos = 0; pos < cert.len && n < max; pos += p.size) {
		if (crypto_pgp_packet_next(
			SPAN(cert.data + pos, cert.len - pos), &p) != ERR_OK)
			break;
		if ((p.tag == CRYPTO_PGP_TAG_PUBLIC_KEY ||
			p.tag == CRYPTO_PGP_TAG_PUBLIC_SUBKEY) &&
		    p.body.len > 0 &&
		    crypto_pgp_fpr(p.body, fpr, &len) == ERR_OK && len == 20)
			memcpy(out[n++], fpr + 12, 8);
	}
	return n;
}

struct span
crypto_pgp_uid_addr(struct span uid)
{
	size_t open = span_find_chr(uid, 0, '<');
	size_t close = span_find_chr(uid, 0, '>');

	if (open == uid.len && close == uid.len)
		return uid;
	/* with more than one pair of brackets parsers would not agree */
	if (open < close && close == uid.len - 1 &&
	    span_find_chr(uid, open + 1, '<') == uid.len)
		return SPAN(uid.data + open + 1, close - open - 1);
	return SPAN(NULL, 0);
}
