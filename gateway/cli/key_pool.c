/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A ring of pieces that is filled at one end and emptied at the other. Each
 * thread has a gpg and a home of its own; nothing else is shared but the ring.
 */
#include "gateway/cli/key_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/openpgp.h"
#include "gateway/cli/gpg.h"

enum {
	/* nobody waits while there is work */
	THREADS_MAX = KEY_POOL_MAX / 2,
};

struct slot {
	struct span piece;
	struct crypto_pgp_list list;
	struct err_why why;
	enum err err;
	bool done;
};

struct worker {
	struct key_pool *pool;
	struct cli_gpg gpg;
	pthread_t thread;
	bool runs;
};

struct key_pool {
	struct worker worker[THREADS_MAX];
	struct slot slot[KEY_POOL_MAX];
	size_t n_workers;
	/* under lock; each counts on without end */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t put, begun;
	size_t taken; /* of the caller alone */
	bool closing;
};

/* The next piece that nobody has begun; NULL: it is over. */
static struct slot *
next(struct key_pool *p)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->closing && p->begun == p->put)
		pthread_cond_wait(&p->changed, &p->lock);
	if (!p->closing)
		s = &p->slot[p->begun++ % KEY_POOL_MAX];
	pthread_mutex_unlock(&p->lock);
	return s;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct slot *s;

	while ((s = next(w->pool)) != NULL) {
		enum err e = crypto_pgp_inspect(
		    w->gpg.engine, s->piece, &s->list, &s->why);

		pthread_mutex_lock(&w->pool->lock);
		s->err = e;
		s->done = true;
		pthread_cond_broadcast(&w->pool->changed);
		pthread_mutex_unlock(&w->pool->lock);
	}
	return NULL;
}

static size_t
count_processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (size_t)n;
}

static enum err
start(struct worker *w, struct err_why *why)
{
	enum err e = cli_gpg_open(&w->gpg, why);

	if (e == ERR_OK && pthread_create(&w->thread, NULL, work, w) != 0)
		e = err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	w->runs = e == ERR_OK;
	return e;
}

enum err
key_pool_open(struct key_pool **out, struct err_why *why)
{
	struct key_pool *p = calloc(1, sizeof(*p));
	size_t n = count_processors();
	enum err e = ERR_OK;

	if (p == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	while (p->n_workers < n && e == ERR_OK) {
		p->worker[p->n_workers].pool = p;
		e = start(&p->worker[p->n_workers++], why);
	}
	if (e == ERR_OK)
		*out = p;
	else
		key_pool_close(p);
	return e;
}

void
key_pool_close(struct key_pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->n_workers; i++) {
		if (p->worker[i].runs)
			pthread_join(p->worker[i].thread, NULL);
		cli_gpg_close(&p->worker[i].gpg);
	}
	for (size_t i = 0; i < KEY_POOL_MAX; i++)
		crypto_pgp_list_clear(&p->slot[i].list);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

size_t
key_pool_count(const struct key_pool *p)
{
	return p->put - p->taken;
}

bool
key_pool_has_room(const struct key_pool *p)
{
	return key_pool_count(p) < 2 * p->n_workers;
}

void
key_pool_put(struct key_pool *p, struct span piece)
{
	pthread_mutex_lock(&p->lock);
	p->slot[p->put++ % KEY_POOL_MAX] = (struct slot){.piece = piece};
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

enum err
key_pool_take(
    struct key_pool *p, struct crypto_pgp_list *out, struct err_why *why)
{
	struct slot *s = &p->slot[p->taken++ % KEY_POOL_MAX];
	enum err e;

	pthread_mutex_lock(&p->lock);
	while (!s->done)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	e = s->err;
	if (e == ERR_OK)
		*out = s->list;
	else
		*why = s->why;
	*s = (struct slot){.done = false};
	return e;
}
