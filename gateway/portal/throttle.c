/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A brake on wrong proofs: for each client and for each object a bucket of
 * tokens that refills with time. The buckets are a fixed table addressed by a
 * keyed hash, so that strangers can neither make it grow nor choose whom they
 * share a bucket with; who does share one waits a little more. The table is a
 * mapped file: a restart forgives nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"

enum { BUCKETS = 16384 };

struct bucket {
	uint32_t spent; /* tokens, at stamp */
	uint64_t stamp_ms;
};

struct portal_throttle {
	uint8_t key[16];
	struct bucket clients[BUCKETS];
	struct bucket objects[BUCKETS];
};

static struct portal_throttle *
map_file(int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) != 0)
		return NULL;
	/* of another size it is not ours; new octets are zero */
	if (st.st_size != (off_t)sizeof(struct portal_throttle) &&
	    ftruncate(fd, 0) != 0)
		return NULL;
	/* all of it is on disk before it is mapped: a page without a place
	   there would be the end of this process once the disk is full */
	do
		errno = posix_fallocate(fd, 0, sizeof(struct portal_throttle));
	while (errno == EINTR);
	if (errno != 0)
		return NULL;
	map = mmap(NULL, sizeof(struct portal_throttle), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	return map;
}

static struct portal_throttle *
open_file(const char *dir)
{
	struct portal_throttle *t = NULL;
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = at < 0 ? -1
			: openat(at, "attempts",
			      O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	int saved;

	if (fd >= 0)
		t = map_file(fd);
	/* the caller says why */
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (at >= 0)
		close(at);
	errno = saved;
	return t;
}

struct portal_throttle *
portal_throttle_new(const char *dir)
{
	static const uint8_t none[16];
	struct portal_throttle *t = open_file(dir);

	if (t != NULL && memcmp(t->key, none, sizeof(none)) == 0)
		random_octets(t->key, sizeof(t->key));
	return t;
}

void
portal_throttle_free(struct portal_throttle *t)
{
	if (t != NULL)
		munmap(t, sizeof(*t));
}

static size_t
place(const struct portal_throttle *t, struct span who)
{
	struct span parts[] = {SPAN(t->key, sizeof(t->key)), who};
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(parts, 2, digest);
	return ((size_t)digest[0] << 8 | digest[1]) % BUCKETS;
}

static uint32_t
spent_now(struct bucket *b, uint64_t now_ms, uint64_t refill_ms)
{
	uint64_t back;

	/* a clock that was set back must lock nobody out for long */
	if (b->stamp_ms > now_ms)
		b->stamp_ms = now_ms;
	back = (now_ms - b->stamp_ms) / refill_ms;
	return back >= b->spent ? 0 : b->spent - (uint32_t)back;
}

bool
portal_throttle_allows(struct portal_throttle *t, struct span client,
    struct span object, uint64_t now_ms)
{
	return spent_now(&t->clients[place(t, client)], now_ms,
		   LIMIT_PROOF_CLIENT_MS) < LIMIT_PROOF_CLIENT &&
	       spent_now(&t->objects[place(t, object)], now_ms,
		   LIMIT_PROOF_OBJECT_MS) < LIMIT_PROOF_OBJECT;
}

static void
spend(struct bucket *b, uint64_t now_ms, uint64_t refill_ms)
{
	b->spent = spent_now(b, now_ms, refill_ms) + 1;
	b->stamp_ms = now_ms;
}

void
portal_throttle_spend(struct portal_throttle *t, struct span client,
    struct span object, uint64_t now_ms)
{
	spend(&t->clients[place(t, client)], now_ms, LIMIT_PROOF_CLIENT_MS);
	spend(&t->objects[place(t, object)], now_ms, LIMIT_PROOF_OBJECT_MS);
}
