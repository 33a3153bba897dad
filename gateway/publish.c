/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The directory as it must be, file by file, and what is in it too much. Each
 * file is replaced in one step; an interrupted run is made good by the next.
 * Web Key Directory: draft-koch-openpgp-webkey-service-21 §3.1, §4.5.
 */
#include "gateway/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/openpgp_uid.h"
#include "gateway/ca.h"
#include "gateway/conf.h"
#include "keystore/own.h"
#include "mime/base64.h"

enum {
	MEMORY = 256 << 20, /* octets: all published keys and lists */
	FILE_MAX = KS_CRL_MAX,
	NAME_SIZE = 1024, /* of a path below the directory */
	DEPTH = 4,
};

/* A file as it must be. */
struct file {
	const char *name; /* below the directory */
	size_t place;	  /* in the order they were put */
	struct buf octets;
};

struct sync {
	const struct conf *conf;
	struct ks_store *store;
	struct arena *arena;
	int64_t now;
	int dir;
	struct file *files;
	size_t n, max;
};

static enum err
put_file(struct sync *s, const char *name, struct span octets)
{
	struct file *more;

	if (name == NULL)
		return ERR_NOMEM;
	if (s->n == s->max) {
		more =
		    reallocarray(s->files, s->max * 2 + 64, sizeof(*s->files));
		if (more == NULL)
			return ERR_NOMEM;
		s->files = more;
		s->max = s->max * 2 + 64;
	}
	s->files[s->n] = (struct file){.name = name, .place = s->n};
	buf_init(&s->files[s->n].octets, FILE_MAX);
	return buf_put(&s->files[s->n++].octets, octets);
}

static int
by_name(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x->place < y->place ? -1 : 1;
}

/* Sort, and make one of those with the same name, in their order. */
static enum err
merge_files(struct sync *s)
{
	size_t n = 0;
	enum err e = ERR_OK;

	if (s->n > 0)
		qsort(s->files, s->n, sizeof(*s->files), by_name);
	for (size_t i = 0; i < s->n; i++) {
		struct file *last = &s->files[n - (n > 0)];

		if (n == 0 || strcmp(last->name, s->files[i].name) != 0) {
			s->files[n++] = s->files[i];
			continue;
		}
		if (e == ERR_OK)
			e = buf_put(
			    &last->octets, buf_span(&s->files[i].octets));
		buf_clear(&s->files[i].octets);
	}
	s->n = n;
	return e;
}

static int
is_named(const void *name, const void *file)
{
	return strcmp(name, ((const struct file *)file)->name);
}

/* --- lists --- */

static enum err
put_list(void *ctx, const struct ks_ca *ca)
{
	struct sync *s = ctx;
	char name[CA_LIST_NAME];

	if (ca->crl.len == 0)
		return ERR_OK;
	ca_list_name(ca->fpr, name);
	return put_file(s, arena_printf(s->arena, "crl/%s", name), ca->crl);
}

/* --- Web Key Directory --- */

void
publish_hash(struct span addr, char out[PUBLISH_HASH])
{
	struct span domain = ks_addr_domain(addr);
	uint8_t digest[DIGEST_SHA1_SIZE];

	/* ASCII letters are in lower case already */
	digest_sha1(SPAN(addr.data, addr.len - domain.len - 1), digest);
	text_zbase32(SPAN(digest, sizeof(digest)), out);
}

struct gather {
	struct sync *sync;
	struct ks_record **list;
	size_t n, max;
};

/* What is worth giving out: keys that can be sealed to, and revoked ones, so
   that others learn of it. */
static bool
is_worth(const struct sync *s, const struct ks_record *r)
{
	if (r->kind != KS_OPENPGP || r->trust < KS_TRUSTED)
		return false;
	if (r->flaw == KS_FLAW_REVOKED)
		return true;
	return r->flaw == KS_FLAW_NONE &&
	       (r->not_after == 0 || r->not_after > s->now);
}

static enum err
gather_key(void *ctx, struct span fpr)
{
	struct gather *g = ctx;
	struct ks_record *r, **more;
	enum err e = ks_get(g->sync->store, fpr, g->sync->arena, &r);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (!is_worth(g->sync, r))
		return ERR_OK;
	if (g->n == g->max) {
		more = reallocarray(g->list, g->max * 2 + 64, sizeof(*g->list));
		if (more == NULL)
			return ERR_NOMEM;
		g->list = more;
		g->max = g->max * 2 + 64;
	}
	g->list[g->n++] = r;
	return ERR_OK;
}

/* The same order everywhere: usable before revoked, newer before older. */
static int
compare(const void *a, const void *b)
{
	const struct ks_record *x = *(const struct ks_record *const *)a;
	const struct ks_record *y = *(const struct ks_record *const *)b;

	if ((x->flaw == KS_FLAW_NONE) != (y->flaw == KS_FLAW_NONE))
		return x->flaw == KS_FLAW_NONE ? -1 : 1;
	if (x->not_before != y->not_before)
		return x->not_before > y->not_before ? -1 : 1;
	return memcmp(x->fpr.data, y->fpr.data,
	    x->fpr.len < y->fpr.len ? x->fpr.len : y->fpr.len);
}

static enum err
put_key(struct sync *s, const struct ks_record *r, struct span addr)
{
	struct span domain = ks_addr_domain(addr);
	char hash[PUBLISH_HASH];
	struct buf one;
	enum err e;

	if (domain.len == 0 || !conf_domain_is_ours(s->conf, domain))
		return ERR_OK;
	publish_hash(addr, hash);
	buf_init(&one, KS_KEY_MAX);
	e = crypto_pgp_only_addr(r->key, addr, s->arena, &one);
	if (e == ERR_OK)
		e = put_file(s,
		    arena_printf(s->arena, "wkd/%.*s/hu/%s", (int)domain.len,
			(const char *)domain.data, hash),
		    buf_span(&one));
	/* there as long as there is a key */
	if (e == ERR_OK)
		e = put_file(s,
		    arena_printf(s->arena, "wkd/%.*s/policy", (int)domain.len,
			(const char *)domain.data),
		    SPAN(NULL, 0));
	buf_clear(&one);
	/* an address that only the administrator gave it */
	return e == ERR_KEY_ADDR ? ERR_OK : e;
}

static enum err
put_keys(struct sync *s)
{
	struct gather g = {.sync = s};
	enum err e = ks_published_each(s->store, gather_key, &g);

	if (e == ERR_OK && g.n > 0)
		qsort(g.list, g.n, sizeof(*g.list), compare);
	for (size_t i = 0; i < g.n && e == ERR_OK; i++)
		for (size_t k = 0; k < g.list[i]->n_addrs && e == ERR_OK; k++)
			e = put_key(s, g.list[i], g.list[i]->addrs[k]);
	free(g.list);
	return e;
}

/* --- the directory --- */

/* Every directory above the file; each is open to all who can reach it. The
   set-group bit of the directory above is inherited; asking for it is refused
   where the service manager forbids such modes. */
static enum err
make_above(const struct sync *s, const char *name)
{
	mode_t mask = umask(0002);
	enum err e = ERR_OK;
	char part[NAME_SIZE];

	for (const char *p = name; e == ERR_OK && (p = strchr(p, '/')) != NULL;
	     p++) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - name), name);
		if (mkdirat(s->dir, part, 0775) != 0 && errno != EEXIST)
			e = err_from_errno(errno);
	}
	umask(mask);
	return e;
}

static enum err
write_file(const struct sync *s, const struct file *f)
{
	const char *slash = strrchr(f->name, '/');
	char dir[NAME_SIZE];
	struct buf old;
	bool same;
	enum err e;
	int fd;

	buf_init(&old, FILE_MAX);
	same = file_read_path(s->dir, f->name, &old) == ERR_OK &&
	       span_eq(buf_span(&old), buf_span(&f->octets));
	buf_clear(&old);
	if (same)
		return ERR_OK;
	e = make_above(s, f->name);
	if (e != ERR_OK)
		return e;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - f->name), f->name);
	fd = openat(s->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	e = file_create_synced(fd, slash + 1, buf_span(&f->octets), 0644, true);
	close(fd);
	return e;
}

static bool
is_wanted(const struct sync *s, const char *name)
{
	return s->n > 0 && bsearch(name, s->files, s->n, sizeof(*s->files),
			       is_named) != NULL;
}

/* Remove what is there and not wanted; directories when they are empty. */
static void
sweep(const struct sync *s, const char *below, unsigned depth)
{
	int fd = openat(s->dir, below[0] == '\0' ? "." : below,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[NAME_SIZE];
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s%s%s", below,
		    below[0] == '\0' ? "" : "/", e->d_name);
		if (is_wanted(s, name) || unlinkat(s->dir, name, 0) == 0 ||
		    depth == DEPTH)
			continue;
		sweep(s, name, depth + 1);
		(void)unlinkat(s->dir, name, AT_REMOVEDIR);
	}
	closedir(d);
}

static enum err
make_files(struct sync *s)
{
	enum err e = ks_ca_each(s->store, put_list, s);

	if (e == ERR_OK)
		e = put_keys(s);
	if (e == ERR_OK)
		e = merge_files(s);
	/* without all of them nothing can be told to be too much */
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < s->n && e == ERR_OK; i++)
		e = write_file(s, &s->files[i]);
	/* what was published must go even where something new does not fit */
	sweep(s, "", 0);
	return e;
}

enum err
publish_sync(const struct conf *conf, struct ks_store *store, int64_t now,
    struct err_why *why)
{
	struct sync s = {.conf = conf, .store = store, .now = now};
	mode_t mask = umask(022);
	enum err e = ERR_OK;

	s.dir = open(conf->paths.publish, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0) {
		e = err_from_errno(errno);
		umask(mask);
		return err_why(
		    why, e, "%s: %s", conf->paths.publish, err_text(e));
	}
	s.arena = arena_new(MEMORY);
	if (s.arena == NULL)
		e = ERR_NOMEM;
	/* who comes second reads the store after who came first has written */
	else if (flock(s.dir, LOCK_EX) != 0)
		e = err_from_errno(errno);
	if (e == ERR_OK)
		e = make_files(&s);
	for (size_t i = 0; i < s.n; i++)
		buf_clear(&s.files[i].octets);
	free(s.files);
	arena_free(s.arena);
	close(s.dir);
	umask(mask);
	return e == ERR_OK ? e
			   : err_why(why, e, "%s: %s", conf->paths.publish,
				 err_text(e));
}

/* --- DNS --- */

/* RFC 7929 §3, RFC 8162 §3: SHA-256 of the local part, its first 28 octets. */
static enum err
put_owner(
    struct span addr, struct span domain, const char *label, struct buf *out)
{
	struct span local = SPAN(addr.data, addr.len - domain.len - 1);
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * 28 + 1];

	digest_sha256(&local, 1, digest);
	text_hex(SPAN(digest, 28), hex);
	return buf_printf(out, "%s.%s.%.*s. 3600 IN ", hex, label,
	    (int)domain.len, (const char *)domain.data);
}

static enum err
put_hex(struct span s, struct buf *out)
{
	enum err e = ERR_OK;
	char hex[3];

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		text_hex(SPAN(s.data + i, 1), hex);
		e = buf_puts(out, hex);
	}
	return e;
}

/* The whole certificate, on the word of the domain alone: 3 0 0. */
static enum err
put_smimea(const struct ks_record *r, struct span addr, struct span domain,
    struct buf *out)
{
	enum err e = put_owner(addr, domain, "_smimecert", out);

	if (e == ERR_OK)
		e = buf_puts(out, "SMIMEA 3 0 0 ");
	if (e == ERR_OK)
		e = put_hex(r->key, out);
	return e == ERR_OK ? buf_putc(out, '\n') : e;
}

static enum err
put_openpgpkey(const struct ks_record *r, struct span addr, struct span domain,
    struct arena *arena, struct buf *out)
{
	struct buf one, lines;
	enum err e;

	buf_init(&one, KS_KEY_MAX);
	buf_init(&lines, 2 * KS_KEY_MAX);
	e = crypto_pgp_only_addr(r->key, addr, arena, &one);
	if (e == ERR_OK)
		e = mime_base64_encode(buf_span(&one), &lines);
	if (e == ERR_OK)
		e = put_owner(addr, domain, "_openpgpkey", out);
	if (e == ERR_OK)
		e = buf_puts(out, "OPENPGPKEY ");
	for (size_t i = 0; i < lines.len && e == ERR_OK; i++)
		if (lines.data[i] != '\r' && lines.data[i] != '\n')
			e = buf_putc(out, lines.data[i]);
	if (e == ERR_OK)
		e = buf_putc(out, '\n');
	buf_clear(&one);
	buf_clear(&lines);
	return e;
}

enum err
publish_dns(const struct conf *conf, const struct ks_record *r,
    struct arena *arena, struct buf *out, size_t *n_out)
{
	size_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; i < r->n_addrs && e == ERR_OK; i++) {
		struct span domain = ks_addr_domain(r->addrs[i]);

		if (domain.len == 0 || !conf_domain_is_ours(conf, domain))
			continue;
		e = r->kind == KS_SMIME
			? put_smimea(r, r->addrs[i], domain, out)
			: put_openpgpkey(r, r->addrs[i], domain, arena, out);
		n += e == ERR_OK;
		if (e == ERR_KEY_ADDR)
			e = ERR_OK;
	}
	if (e == ERR_OK)
		*n_out = n;
	return e;
}
