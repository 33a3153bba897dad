/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table of answers: "a" and an address, "d" and a domain
 * (docs/format-keystore.md).
 */
#include "keystore/answers.h"

#include <string.h>

#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	NOTES_VERSION = 2, /* 1: without what the domain said */
	DOMAINS_VERSION = 1,
	ROW_ADDR = 'a',
	ROW_DOMAIN = 'd',
	ROW_MAX = 2048, /* octets of a value */
};

/* What a source has done for a domain. */
struct of_domain {
	enum ks_source source;
	bool answered;	       /* it has, ever */
	uint32_t failures;     /* since it last answered */
	int64_t first_failure; /* of these; Unix seconds */
	int64_t last_failure;
};

struct rows {
	struct ks_answer_note note[KS_ANSWERS_MAX];
	size_t n_notes;
	struct of_domain domain[KS_ANSWERS_MAX];
	size_t n_domains;
};

/* The local part under which the key of a whole domain is found. */
static const struct span domain_local = {(const uint8_t *)"_domain@", 8};

static enum err
row_key(uint8_t type, struct span name, struct buf *out)
{
	if (name.len == 0 || name.len > KS_ADDR_MAX)
		return ERR_MALFORMED;
	if (buf_put(out, SPAN(&type, 1)) != ERR_OK)
		return ERR_NOMEM;
	return buf_put(out, name);
}

/* --- octets --- */

static bool
is_source(uint8_t v)
{
	return v >= KS_SOURCE_MANUAL && v <= KS_SOURCE_HARVEST;
}

static enum err
read_notes(void *ctx, struct span key, struct span value)
{
	struct rows *r = ctx;
	struct unpacker u;
	uint8_t version, source, answer;

	(void)key;
	unpack_begin(&u, value);
	version = unpack_u8(&u);
	r->n_notes = unpack_u8(&u);
	if (version < 1 || version > NOTES_VERSION ||
	    r->n_notes > KS_ANSWERS_MAX) {
		r->n_notes = 0;
		return ERR_DB_BROKEN;
	}
	for (size_t i = 0; i < r->n_notes; i++) {
		source = unpack_u8(&u);
		answer = unpack_u8(&u);
		r->note[i].reached = unpack_bool(&u);
		r->note[i].domain_failed = version > 1 && unpack_bool(&u);
		r->note[i].at = (int64_t)unpack_u64(&u);
		r->note[i].until = (int64_t)unpack_u64(&u);
		r->note[i].source = (enum ks_source)source;
		r->note[i].answer = (enum ks_answer)answer;
		if (!is_source(source) || answer > KS_ANSWER_FOUND)
			u.err = ERR_IPC;
	}
	if (unpack_end(&u) == ERR_OK)
		return ERR_OK;
	r->n_notes = 0;
	return ERR_DB_BROKEN;
}

static enum err
read_domains(void *ctx, struct span key, struct span value)
{
	struct rows *r = ctx;
	struct unpacker u;
	uint8_t version, source;

	(void)key;
	unpack_begin(&u, value);
	version = unpack_u8(&u);
	r->n_domains = unpack_u8(&u);
	if (version != DOMAINS_VERSION || r->n_domains > KS_ANSWERS_MAX) {
		r->n_domains = 0;
		return ERR_DB_BROKEN;
	}
	for (size_t i = 0; i < r->n_domains; i++) {
		source = unpack_u8(&u);
		r->domain[i].source = (enum ks_source)source;
		r->domain[i].answered = unpack_bool(&u);
		r->domain[i].failures = unpack_u32(&u);
		r->domain[i].first_failure = (int64_t)unpack_u64(&u);
		r->domain[i].last_failure = (int64_t)unpack_u64(&u);
		if (!is_source(source))
			u.err = ERR_IPC;
	}
	if (unpack_end(&u) == ERR_OK)
		return ERR_OK;
	r->n_domains = 0;
	return ERR_DB_BROKEN;
}

static enum err
get(struct ks_store *s, uint8_t type, struct span name, ks_row_visit *read,
    struct rows *r)
{
	struct buf key;
	enum err e;

	buf_init(&key, KS_ADDR_MAX + 1);
	e = row_key(type, name, &key);
	if (e == ERR_OK)
		e = s->ops->row_get(s, KS_ROW_ANSWER, buf_span(&key), read, r);
	buf_clear(&key);
	return e;
}

static enum err
write(struct ks_store *s, uint8_t type, struct span name, struct buf *value)
{
	struct buf key;
	enum err e;

	buf_init(&key, KS_ADDR_MAX + 1);
	e = row_key(type, name, &key);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_ANSWER, buf_span(&key), buf_span(value));
	buf_clear(&key);
	return e;
}

static enum err
write_notes(struct ks_store *s, struct span addr, const struct rows *r)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, ROW_MAX);
	pack_begin(&p, &b);
	pack_u8(&p, NOTES_VERSION);
	pack_u8(&p, (uint8_t)r->n_notes);
	for (size_t i = 0; i < r->n_notes; i++) {
		pack_u8(&p, (uint8_t)r->note[i].source);
		pack_u8(&p, (uint8_t)r->note[i].answer);
		pack_bool(&p, r->note[i].reached);
		pack_bool(&p, r->note[i].domain_failed);
		pack_u64(&p, (uint64_t)r->note[i].at);
		pack_u64(&p, (uint64_t)r->note[i].until);
	}
	e = pack_end(&p);
	if (e == ERR_OK)
		e = write(s, ROW_ADDR, addr, &b);
	buf_clear(&b);
	return e;
}

static enum err
write_domains(struct ks_store *s, struct span domain, const struct rows *r)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, ROW_MAX);
	pack_begin(&p, &b);
	pack_u8(&p, DOMAINS_VERSION);
	pack_u8(&p, (uint8_t)r->n_domains);
	for (size_t i = 0; i < r->n_domains; i++) {
		pack_u8(&p, (uint8_t)r->domain[i].source);
		pack_bool(&p, r->domain[i].answered);
		pack_u32(&p, r->domain[i].failures);
		pack_u64(&p, (uint64_t)r->domain[i].first_failure);
		pack_u64(&p, (uint64_t)r->domain[i].last_failure);
	}
	e = pack_end(&p);
	if (e == ERR_OK)
		e = write(s, ROW_DOMAIN, domain, &b);
	buf_clear(&b);
	return e;
}

/* --- keeping --- */

static enum err
keep_note(struct rows *r, const struct ks_answer_note *note)
{
	size_t i = 0;

	while (i < r->n_notes && r->note[i].source != note->source)
		i++;
	if (i == KS_ANSWERS_MAX)
		return ERR_LIMIT;
	if (i == r->n_notes)
		r->n_notes++;
	r->note[i] = *note;
	return ERR_OK;
}

static enum err
count_domain(struct rows *r, const struct ks_answer_note *note)
{
	struct of_domain *d;
	size_t i = 0;

	while (i < r->n_domains && r->domain[i].source != note->source)
		i++;
	if (i == KS_ANSWERS_MAX)
		return ERR_LIMIT;
	d = &r->domain[i];
	if (i == r->n_domains) {
		r->n_domains++;
		*d = (struct of_domain){.source = note->source};
	}
	if (note->reached) {
		*d = (struct of_domain){
		    .source = note->source, .answered = true};
		return ERR_OK;
	}
	if (note->answer != KS_ANSWER_FAILED)
		return ERR_OK;
	if (d->failures == 0)
		d->first_failure = note->at;
	if (d->failures < UINT32_MAX)
		d->failures++;
	d->last_failure = note->at;
	return ERR_OK;
}

/* Does the question stand for the whole domain? */
static bool
is_for_domain(struct span addr)
{
	return span_starts_caseeq(addr, "_domain@");
}

static enum err
count(struct ks_store *s, struct span name, const struct ks_answer_note *note,
    size_t n)
{
	struct rows r = {.n_notes = 0};
	enum err e = get(s, ROW_DOMAIN, name, read_domains, &r);

	if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		e = count_domain(&r, &note[i]);
	return e == ERR_OK ? write_domains(s, name, &r) : e;
}

enum err
ks_answer_put(struct ks_store *s, struct span addr,
    const struct ks_answer_note *note, size_t n)
{
	struct rows r = {.n_notes = 0};
	enum err e = get(s, ROW_ADDR, addr, read_notes, &r);

	if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		if (!is_source((uint8_t)note[i].source))
			return ERR_MALFORMED;
		e = keep_note(&r, &note[i]);
	}
	if (e == ERR_OK)
		e = write_notes(s, addr, &r);
	if (e == ERR_OK)
		e = count(s, ks_addr_domain(addr), note, n);
	/* a source may answer for every user and never for the domain */
	if (e == ERR_OK && is_for_domain(addr))
		e = count(s, addr, note, n);
	return e;
}

/* --- telling --- */

static const struct ks_answer_note *
noted(const struct rows *r, enum ks_source source, int64_t now)
{
	for (size_t i = 0; i < r->n_notes; i++)
		/* from the future: the clock was set back */
		if (r->note[i].source == source && now < r->note[i].until &&
		    now >= r->note[i].at)
			return &r->note[i];
	return NULL;
}

static bool
never_came(const struct rows *r, enum ks_source source)
{
	for (size_t i = 0; i < r->n_domains; i++) {
		const struct of_domain *d = &r->domain[i];

		if (d->source == source)
			return !d->answered &&
			       d->failures >= KS_ANSWER_FAILURES &&
			       d->last_failure - d->first_failure >=
				   KS_ANSWER_FAILURES_S;
	}
	return false;
}

bool
ks_answer_domain_never_came(
    struct ks_store *s, struct span addr, enum ks_source source)
{
	struct span domain = ks_addr_domain(addr);
	struct rows r = {.n_notes = 0};
	struct buf name;
	bool never;

	buf_init(&name, KS_ADDR_MAX);
	never =
	    buf_put(&name, domain_local) == ERR_OK &&
	    buf_put(&name, domain) == ERR_OK &&
	    get(s, ROW_DOMAIN, buf_span(&name), read_domains, &r) == ERR_OK &&
	    never_came(&r, source);
	buf_clear(&name);
	return never;
}

static enum ks_answer
answer_of(struct ks_store *s, struct span addr, const struct rows *r,
    enum ks_source source, int64_t now)
{
	const struct ks_answer_note *note = noted(r, source, now);

	if (note != NULL && note->answer != KS_ANSWER_FAILED)
		return note->domain_failed &&
			       !ks_answer_domain_never_came(s, addr, source)
			   ? KS_ANSWER_FAILED
			   : note->answer;
	return never_came(r, source) ? KS_ANSWER_ABSENT : KS_ANSWER_FAILED;
}

enum err
ks_answers_at(struct ks_store *s, struct span addr, int64_t now,
    const enum ks_source *source, size_t n, struct ks_remote *out)
{
	struct rows r = {.n_notes = 0};
	enum err e = get(s, ROW_ADDR, addr, read_notes, &r);

	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = get(s, ROW_DOMAIN, ks_addr_domain(addr), read_domains, &r);
	if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	for (size_t i = 0; i < n; i++)
		out[i] = (struct ks_remote){source[i],
		    e == ERR_OK ? answer_of(s, addr, &r, source[i], now)
				: KS_ANSWER_FAILED};
	return e;
}

enum err
ks_answer_get(struct ks_store *s, struct span addr, struct ks_answer_note *out,
    size_t *n_out)
{
	struct rows r = {.n_notes = 0};
	enum err e = get(s, ROW_ADDR, addr, read_notes, &r);

	if (e != ERR_OK)
		return e;
	memcpy(out, r.note, r.n_notes * sizeof(*out));
	*n_out = r.n_notes;
	return ERR_OK;
}

/* --- forgetting --- */

struct walk {
	int64_t before;
	bool is_over;
};

static enum err
look(void *ctx, struct span key, struct span value, bool *drop)
{
	struct walk *w = ctx;
	struct rows r = {.n_notes = 0};

	*drop = false;
	if (key.len == 0 || key.data[0] != ROW_ADDR)
		return ERR_OK;
	if (read_notes(&r, key, value) != ERR_OK)
		return ERR_OK; /* damage is told by who looks it up */
	*drop = true;
	for (size_t i = 0; i < r.n_notes; i++)
		if (r.note[i].until >= w->before)
			*drop = false;
	return ERR_OK;
}

enum err
ks_answers_forget(
    struct ks_store *s, int64_t now, unsigned max, struct buf *from)
{
	struct walk w = {.before = now - KS_ANSWERS_KEEP_S};

	return s->ops->row_sweep(s, KS_ROW_ANSWER, from, max, look, &w);
}
