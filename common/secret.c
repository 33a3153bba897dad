/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Secrets on libsodium's guarded, locked allocations. Those are a dozen system
 * calls each, and every message has a content key or two: freed memory of the
 * length of a key is cleared and kept for the next one.
 */
#include "common/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_LEN = 32, KEPT_MAX = 8 };

/* Clear, guarded and locked; of this length only, so that a secret ends at its
   guard page whichever it was before. */
static struct {
	pthread_mutex_t lock;
	uint8_t *data[KEPT_MAX];
	size_t n;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint8_t *
take_kept(size_t len)
{
	uint8_t *data = NULL;

	if (len != KEPT_LEN)
		return NULL;
	pthread_mutex_lock(&kept.lock);
	if (kept.n > 0)
		data = kept.data[--kept.n];
	pthread_mutex_unlock(&kept.lock);
	return data;
}

static bool
keep(uint8_t *data, size_t len)
{
	bool room;

	if (len != KEPT_LEN)
		return false;
	sodium_memzero(data, len);
	pthread_mutex_lock(&kept.lock);
	room = kept.n < KEPT_MAX;
	if (room)
		kept.data[kept.n++] = data;
	pthread_mutex_unlock(&kept.lock);
	return room;
}

void
secret_init(void)
{
	if (sodium_init() < 0)
		fatal("libsodium does not start");
}

struct secret *
secret_new(size_t len)
{
	struct secret *s = malloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->data = take_kept(len);
	if (s->data == NULL)
		s->data = sodium_malloc(len);
	if (s->data == NULL) {
		free(s);
		return NULL;
	}
	memset(s->data, 0, len);
	s->len = len;
	return s;
}

struct secret *
secret_random(size_t len)
{
	struct secret *s = secret_new(len);

	if (s != NULL)
		randombytes_buf(s->data, len);
	return s;
}

struct secret *
secret_from(struct span from)
{
	struct secret *s = secret_new(from.len);

	if (s != NULL && from.len > 0)
		memcpy(s->data, from.data, from.len);
	return s;
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	if (!keep(s->data, s->len))
		sodium_free(s->data);
	free(s);
}

bool
secret_eq_span(struct span a, struct span b)
{
	return a.len == b.len && sodium_memcmp(a.data, b.data, a.len) == 0;
}

struct span
secret_span(const struct secret *s)
{
	return SPAN(s->data, s->len);
}

bool
secret_eq(const struct secret *a, const struct secret *b)
{
	return secret_eq_span(secret_span(a), secret_span(b));
}

void
secret_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void
random_octets(void *out, size_t len)
{
	randombytes_buf(out, len);
}

uint64_t
random_u64(void)
{
	uint64_t v;

	random_octets(&v, sizeof(v));
	return v;
}
