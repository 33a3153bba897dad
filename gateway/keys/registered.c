/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A hash table with a limit: those who register are ours, but what they
 * register follows from what strangers send.
 */
#include "gateway/keys/registered.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "crypto/verdict.h"
#include "gateway/proto.h"

enum {
	BUCKETS = 1024,
	/* of one message: in each of its layers, S/MIME and OpenPGP */
	TRIES_MAX = LIMIT_DECRYPT_TRIES * 2 * CRYPTO_VERDICT_LAYERS,
};

struct row {
	struct row *next;
	uint64_t id;
	enum role_id by;
	bool open;
	unsigned tries;
	size_t n_addr;
	char **addr; /* in the same allocation */
};

struct keys_registered {
	struct row *bucket[BUCKETS];
	size_t n;
	size_t n_addrs;
};

static struct row *const *
bucket_of(const struct keys_registered *r, uint64_t id)
{
	/* the low bits of an id are random */
	return &r->bucket[id % BUCKETS];
}

struct keys_registered *
keys_registered_new(void)
{
	struct keys_registered *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	return r;
}

/* Remove what by has registered; under one id, or all of it. */
static void
drop(struct keys_registered *r, struct row **at, enum role_id by,
    const uint64_t *id)
{
	struct row *row;

	while ((row = *at) != NULL) {
		if (row->by != by || (id != NULL && row->id != *id)) {
			at = &row->next;
			continue;
		}
		*at = row->next;
		r->n--;
		r->n_addrs -= row->n_addr;
		free(row);
	}
}

void
keys_registered_free(struct keys_registered *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (int by = 0; by < ROLE_COUNT; by++)
			drop(r, &r->bucket[i], (enum role_id)by, NULL);
	free(r);
}

/* A copy of the addresses in one piece. */
static struct row *
row_new(enum role_id by, uint64_t id, const struct proto_register *m)
{
	size_t size = sizeof(struct row) + m->n_addr * sizeof(char *);
	struct row *row;
	char *text;

	for (uint32_t i = 0; i < m->n_addr; i++)
		size += strlen(m->addr[i]) + 1;
	row = calloc(1, size);
	if (row == NULL)
		return NULL;
	row->id = id;
	row->by = by;
	row->open = m->open;
	row->n_addr = m->n_addr;
	row->addr = (char **)(void *)(row + 1);
	text = (char *)(row->addr + m->n_addr);
	for (uint32_t i = 0; i < m->n_addr; i++) {
		size_t len = strlen(m->addr[i]) + 1;

		memcpy(text, m->addr[i], len);
		row->addr[i] = text;
		text += len;
	}
	return row;
}

enum err
keys_registered_put(struct keys_registered *r, enum role_id by, uint64_t id,
    const struct proto_register *m)
{
	struct row **at = (struct row **)(uintptr_t)bucket_of(r, id);
	struct row *row;

	if (id == 0) {
		for (size_t i = 0; i < BUCKETS; i++)
			drop(r, &r->bucket[i], by, NULL);
		return m->n_addr == 0 ? ERR_OK : ERR_IPC;
	}
	drop(r, at, by, &id);
	if (r->n >= LIMIT_REGISTERED ||
	    m->n_addr > LIMIT_REGISTERED_ADDRS - r->n_addrs)
		return ERR_LIMIT;
	row = row_new(by, id, m);
	if (row == NULL)
		return ERR_NOMEM;
	row->next = *at;
	*at = row;
	r->n++;
	r->n_addrs += row->n_addr;
	return ERR_OK;
}

void
keys_registered_drop(struct keys_registered *r, enum role_id by, uint64_t id)
{
	drop(r, (struct row **)(uintptr_t)bucket_of(r, id), by, &id);
}

bool
keys_registered_has(const struct keys_registered *r, uint64_t id)
{
	for (const struct row *row = *bucket_of(r, id); row != NULL;
	     row = row->next)
		if (row->id == id)
			return true;
	return false;
}

const char *
keys_registered_find(const struct keys_registered *r, uint64_t id, bool open,
    bool (*test)(const void *ctx, const char *addr), const void *ctx)
{
	for (const struct row *row = *bucket_of(r, id); row != NULL;
	     row = row->next) {
		if (row->id != id || row->open != open)
			continue;
		for (size_t i = 0; i < row->n_addr; i++)
			if (test(ctx, row->addr[i]))
				return row->addr[i];
	}
	return NULL;
}

enum err
keys_registered_try(struct keys_registered *r, uint64_t id)
{
	for (struct row *row = *bucket_of(r, id); row != NULL; row = row->next)
		if (row->id == id && row->open)
			return ++row->tries > TRIES_MAX ? ERR_PERMISSION
							: ERR_OK;
	return ERR_PERMISSION;
}
