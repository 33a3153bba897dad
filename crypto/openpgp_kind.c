/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Walk over the packets of a blob, armored or not, to its very end. Strict:
 * what GnuPG would merely warn about is "other" here, since the answer decides
 * whether a message counts as protected already. RFC 9580 §4.2, §6, §10.3.
 */
#include "crypto/openpgp_kind.h"

#include <string.h>

#include "crypto/openpgp_armor.h"
#include "crypto/openpgp_packet.h"

enum {
	TAG_PKESK = CRYPTO_PGP_TAG_PKESK,
	TAG_SIGNATURE = CRYPTO_PGP_TAG_SIGNATURE,
	TAG_SKESK = CRYPTO_PGP_TAG_SKESK,
	TAG_ONE_PASS = 4,
	TAG_COMPRESSED = 8,
	TAG_SED = 9,
	TAG_MARKER = CRYPTO_PGP_TAG_MARKER,
	TAG_LITERAL = 11,
	TAG_SEIPD = CRYPTO_PGP_TAG_SEIPD,
	TAG_AEAD = 20, /* GnuPG 2.3 before RFC 9580 */
	TAG_PADDING = CRYPTO_PGP_TAG_PADDING,

	HEAD = 64,	   /* octets of a body that are looked at */
	PARTIAL_MIN = 512, /* RFC 9580 §4.2.1.4: of the first part */
};

/* --- octets, out of armor or as they are --- */

struct reader {
	struct span in;
	size_t pos;
	bool armored;
	uint8_t got[3]; /* of the last group of base64 */
	unsigned at, n;
	bool ended; /* padding or checksum came */
	bool bad;
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* 0 to 63; -1 for anything else. */
static int
base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The next octet of armor that is no blank; -1 at the end. */
static int
next_char(struct reader *r)
{
	while (r->pos < r->in.len && is_blank(r->in.data[r->pos]))
		r->pos++;
	return r->pos < r->in.len ? r->in.data[r->pos++] : -1;
}

/* What may stand behind the data: a checksum of four characters, once. Its
   value does not matter (RFC 9580 §6.1). has_sign: its "=" was read. */
static void
read_checksum(struct reader *r, bool has_sign)
{
	int c = has_sign ? '=' : next_char(r);

	r->ended = true;
	if (c < 0)
		return;
	r->bad |= c != '=';
	for (int i = 0; i < 4; i++) {
		c = next_char(r);
		r->bad |= c < 0 || base64_value((uint8_t)c) < 0;
	}
	r->bad |= next_char(r) >= 0;
}

/* Two or three characters of a group have been read, then "=". */
static void
read_padding(struct reader *r, unsigned chars)
{
	if (chars < 2 || (chars == 2 && next_char(r) != '='))
		r->bad = true;
	r->n = chars - 1;
	read_checksum(r, false);
}

static void
read_group(struct reader *r)
{
	uint32_t bits = 0;
	unsigned chars = 0;

	r->at = 0;
	r->n = 0;
	while (chars < 4 && !r->ended && !r->bad) {
		int c = next_char(r);
		int value = c < 0 ? -1 : base64_value((uint8_t)c);

		if (c < 0 && chars == 0) {
			r->ended = true;
		} else if (c == '=' && chars == 0) {
			read_checksum(r, true);
		} else if (c == '=') {
			read_padding(r, chars);
		} else if (value < 0) {
			r->bad = true;
		} else {
			bits = bits << 6 | (uint32_t)value;
			chars++;
		}
	}
	if (chars == 4)
		r->n = 3;
	bits <<= 6 * (4 - chars);
	r->got[0] = (uint8_t)(bits >> 16);
	r->got[1] = (uint8_t)(bits >> 8);
	r->got[2] = (uint8_t)bits;
}

/* The next octet; -1 at the end and when something is wrong. */
static int
read_octet(struct reader *r)
{
	if (!r->armored)
		return r->pos < r->in.len ? r->in.data[r->pos++] : -1;
	if (r->at == r->n && !r->ended && !r->bad)
		read_group(r);
	return r->bad || r->at == r->n ? -1 : r->got[r->at++];
}

/* --- packets --- */

struct packet {
	unsigned tag;
	uint64_t left; /* of this part of the body */
	bool partial;  /* another length follows */
	bool to_end;   /* indeterminate length */
	uint64_t size; /* of the body, once it was read */
	uint8_t head[HEAD];
	size_t n_head;
};

/* Only these may have lengths that are not known beforehand (RFC 9580
   §4.2.1.4). */
static bool
is_data(unsigned tag)
{
	return tag == TAG_COMPRESSED || tag == TAG_SED || tag == TAG_LITERAL ||
	       tag == TAG_SEIPD || tag == TAG_AEAD;
}

static bool
read_number(struct reader *r, unsigned octets, uint64_t *out)
{
	uint64_t value = 0;

	while (octets-- > 0) {
		int c = read_octet(r);

		if (c < 0)
			return false;
		value = value << 8 | (unsigned)c;
	}
	*out = value;
	return true;
}

/* RFC 9580 §4.2.1 */
static bool
new_length(struct reader *r, struct packet *p)
{
	int first = read_octet(r), second;

	p->partial = false;
	if (first < 0)
		return false;
	if (first < 192) {
		p->left = (unsigned)first;
		return true;
	}
	if (first < 224) {
		second = read_octet(r);
		p->left =
		    ((uint64_t)(first - 192) << 8) + (unsigned)second + 192;
		return second >= 0;
	}
	if (first == 255)
		return read_number(r, 4, &p->left);
	p->partial = true;
	p->left = (uint64_t)1 << (first & 31);
	return is_data(p->tag);
}

/* RFC 9580 §4.2.2 */
static bool
old_length(struct reader *r, unsigned type, struct packet *p)
{
	if (type < 3)
		return read_number(r, 1u << type, &p->left);
	p->to_end = true;
	return is_data(p->tag);
}

/* Consume the body's current part, keeping its first octets. */
static bool
read_part(struct reader *r, struct packet *p)
{
	while (p->left > 0 || p->to_end) {
		int c = read_octet(r);

		if (c < 0)
			return p->to_end && !r->bad;
		if (p->n_head < HEAD)
			p->head[p->n_head++] = (uint8_t)c;
		p->size++;
		p->left--;
		/* the rest of what is there in one step */
		if (!r->armored && p->n_head == HEAD && !p->to_end) {
			if (p->left > r->in.len - r->pos)
				return false;
			r->pos += (size_t)p->left;
			p->size += p->left;
			p->left = 0;
		}
	}
	return true;
}

/* Read a whole packet. *end_out: there is none left. */
static bool
read_packet(struct reader *r, struct packet *p, bool *end_out)
{
	int c = read_octet(r);
	bool ok;

	*p = (struct packet){0};
	*end_out = c < 0;
	if (c < 0)
		return !r->bad;
	if ((c & 0x80) == 0)
		return false;
	p->tag =
	    (c & 0x40) != 0 ? (unsigned)c & 0x3f : ((unsigned)c >> 2) & 0x0f;
	ok = (c & 0x40) != 0 ? new_length(r, p)
			     : old_length(r, (unsigned)c & 3, p);
	if (ok && p->partial && p->left < PARTIAL_MIN)
		return false;
	while (ok) {
		bool more = p->partial;

		ok = read_part(r, p);
		if (!ok || !more)
			break;
		ok = new_length(r, p);
	}
	return ok;
}

/* --- what they say --- */

static void
add_recipient(struct crypto_pgp_structure *s, const uint8_t *key_id)
{
	static const uint8_t hidden[CRYPTO_PGP_KEY_ID];

	s->n_recipients++;
	if (key_id == NULL || memcmp(key_id, hidden, sizeof(hidden)) == 0)
		s->hidden = true;
	else if (s->n_key_ids < CRYPTO_PGP_KIND_RECIPIENTS)
		memcpy(s->key_id[s->n_key_ids++], key_id, CRYPTO_PGP_KEY_ID);
}

/* RFC 9580 §5.1 */
static bool
take_pkesk(const struct packet *p, struct crypto_pgp_structure *s)
{
	unsigned version = p->n_head > 0 ? p->head[0] : 0, len;

	if (version == 3) {
		if (p->n_head < 12)
			return false;
		add_recipient(s, p->head + 1);
		return true;
	}
	if (version != 6 || p->n_head < 4)
		return false;
	/* the length of: key version, fingerprint */
	len = p->head[1];
	if (len == 0)
		add_recipient(s, NULL);
	else if (p->n_head < 2 + len + 2)
		return false;
	else if (p->head[2] == 4 && len == 1 + 20)
		add_recipient(s, p->head + 3 + 20 - CRYPTO_PGP_KEY_ID);
	else if (p->head[2] == 6 && len == 1 + 32)
		add_recipient(s, p->head + 3);
	else
		return false;
	return true;
}

/* RFC 9580 §5.3 */
static bool
take_skesk(const struct packet *p, struct crypto_pgp_structure *s)
{
	s->password = true;
	return p->n_head >= 4 && p->head[0] >= 4 && p->head[0] <= 6;
}

/* Can it be ciphertext? That of 24 octets is seven-bit throughout once in
   16 million; text in its place always is. */
static bool
looks_encrypted(const struct packet *p, size_t from)
{
	for (size_t i = from; i < p->n_head; i++)
		if (p->head[i] >= 0x80)
			return true;
	return false;
}

/* RFC 9580 §5.7, §5.13 */
static bool
take_encrypted(const struct packet *p, struct crypto_pgp_structure *s)
{
	unsigned version = p->n_head > 0 ? p->head[0] : 0;
	/* version; prefix of a block and two octets; hash */
	const size_t v1_min = 1 + 10 + 22;

	s->authenticated = p->tag != TAG_SED;
	s->data_tag = p->tag;
	s->data_version = p->tag == TAG_SED ? 0 : version;
	if (p->tag == TAG_SED)
		return p->size >= 10 && looks_encrypted(p, 0);
	/* version, cipher, mode, chunk size; salt; tag */
	if (p->tag == TAG_SEIPD && version == 2)
		return p->size >= 4 + 32 + 16 && looks_encrypted(p, 4);
	if (p->tag == TAG_AEAD && version == 1)
		return p->size >= 4 + 15 + 16 && looks_encrypted(p, 4);
	return p->tag == TAG_SEIPD && version == 1 && p->size >= v1_min &&
	       looks_encrypted(p, 1);
}

/* Where a sequence of packets may stand (RFC 9580 §10.3). */
enum place {
	PLACE_START,
	PLACE_SESSION_KEYS, /* before encrypted data */
	PLACE_SIGNATURES,   /* before data, or alone */
	PLACE_ONE_PASS,	    /* before data, and as many signatures behind */
	PLACE_BEHIND_SIGNED,
	PLACE_KEYS,
	PLACE_END, /* nothing may follow */
	PLACE_WRONG,
};

struct walk {
	enum place place;
	unsigned n_open; /* one-pass signatures whose second half is missing */
	struct crypto_pgp_structure *s;
};

static bool
is_readable(unsigned tag)
{
	return tag == TAG_LITERAL || tag == TAG_COMPRESSED;
}

static enum place
at_start(struct walk *w, const struct packet *p)
{
	switch (p->tag) {
	case CRYPTO_PGP_TAG_SECRET_KEY:
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
		w->s->kind = CRYPTO_PGP_KIND_KEYS;
		return PLACE_KEYS;
	case TAG_LITERAL:
	case TAG_COMPRESSED:
		w->s->kind = CRYPTO_PGP_KIND_LITERAL;
		return PLACE_END;
	case TAG_SIGNATURE:
		w->s->kind = CRYPTO_PGP_KIND_SIGNATURE;
		return PLACE_SIGNATURES;
	case TAG_ONE_PASS:
		w->n_open = 1;
		return PLACE_ONE_PASS;
	case TAG_PKESK:
		return take_pkesk(p, w->s) ? PLACE_SESSION_KEYS : PLACE_WRONG;
	case TAG_SKESK:
		return take_skesk(p, w->s) ? PLACE_SESSION_KEYS : PLACE_WRONG;
	}
	return PLACE_WRONG;
}

static enum place
at_session_keys(struct walk *w, const struct packet *p)
{
	switch (p->tag) {
	case TAG_PKESK:
	case TAG_SKESK:
		return at_start(w, p);
	case TAG_SED:
	case TAG_SEIPD:
	case TAG_AEAD:
		if (!take_encrypted(p, w->s))
			return PLACE_WRONG;
		w->s->kind = CRYPTO_PGP_KIND_ENCRYPTED;
		return PLACE_END;
	}
	return PLACE_WRONG;
}

static enum place
at_signatures(struct walk *w, const struct packet *p)
{
	if (p->tag == TAG_SIGNATURE)
		return PLACE_SIGNATURES;
	if (!is_readable(p->tag))
		return PLACE_WRONG;
	w->s->kind = CRYPTO_PGP_KIND_SIGNED;
	return PLACE_END;
}

static enum place
at_one_pass(struct walk *w, const struct packet *p)
{
	if (p->tag == TAG_ONE_PASS) {
		w->n_open++;
		return PLACE_ONE_PASS;
	}
	return is_readable(p->tag) ? PLACE_BEHIND_SIGNED : PLACE_WRONG;
}

static enum place
behind_signed(struct walk *w, const struct packet *p)
{
	if (p->tag != TAG_SIGNATURE)
		return PLACE_WRONG;
	if (--w->n_open > 0)
		return PLACE_BEHIND_SIGNED;
	w->s->kind = CRYPTO_PGP_KIND_SIGNED;
	return PLACE_END;
}

static enum place
at_keys(const struct packet *p)
{
	switch (p->tag) {
	case CRYPTO_PGP_TAG_SIGNATURE:
	case CRYPTO_PGP_TAG_SECRET_KEY:
	case CRYPTO_PGP_TAG_PUBLIC_KEY:
	case CRYPTO_PGP_TAG_SECRET_SUBKEY:
	case CRYPTO_PGP_TAG_TRUST:
	case CRYPTO_PGP_TAG_USER_ID:
	case CRYPTO_PGP_TAG_PUBLIC_SUBKEY:
	case CRYPTO_PGP_TAG_ATTRIBUTE:
		return PLACE_KEYS;
	}
	return PLACE_WRONG;
}

static enum place
step(struct walk *w, const struct packet *p)
{
	/* RFC 9580 §5.8, §5.14: ignored wherever they stand, though behind
	   the end nothing is taken as part of the message */
	if ((p->tag == TAG_MARKER || p->tag == TAG_PADDING) &&
	    w->place != PLACE_END)
		return w->place;
	switch (w->place) {
	case PLACE_START:
		return at_start(w, p);
	case PLACE_SESSION_KEYS:
		return at_session_keys(w, p);
	case PLACE_SIGNATURES:
		return at_signatures(w, p);
	case PLACE_ONE_PASS:
		return at_one_pass(w, p);
	case PLACE_BEHIND_SIGNED:
		return behind_signed(w, p);
	case PLACE_KEYS:
		return at_keys(p);
	case PLACE_END:
	case PLACE_WRONG:
		break;
	}
	return PLACE_WRONG;
}

static bool
walk(struct reader *r, struct crypto_pgp_structure *s)
{
	struct walk w = {.s = s};
	struct packet p;
	bool end = false;

	while (w.place != PLACE_WRONG) {
		if (!read_packet(r, &p, &end))
			return false;
		if (end)
			return w.place == PLACE_END ||
			       w.place == PLACE_SIGNATURES ||
			       w.place == PLACE_KEYS;
		w.place = step(&w, &p);
	}
	return false;
}

void
crypto_pgp_structure(struct span blob, struct crypto_pgp_structure *out)
{
	struct reader r = {.in = blob};
	struct span text = span_trim(blob), signature;
	bool cleartext = false;

	*out = (struct crypto_pgp_structure){.kind = CRYPTO_PGP_KIND_OTHER};
	if (crypto_pgp_armor_is_cleartext(text)) {
		cleartext = crypto_pgp_armor_cleartext(text, &signature);
		if (!cleartext)
			return;
		text = signature;
	}
	if (crypto_pgp_armor_is(text)) {
		r.armored = true;
		if (!crypto_pgp_armor_body(text, &r.in))
			return;
	}
	if (!walk(&r, out))
		*out = (struct crypto_pgp_structure){
		    .kind = CRYPTO_PGP_KIND_OTHER};
	if (cleartext)
		out->kind = out->kind == CRYPTO_PGP_KIND_SIGNATURE
				? CRYPTO_PGP_KIND_CLEARTEXT
				: CRYPTO_PGP_KIND_OTHER;
}
