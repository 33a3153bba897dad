/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A file that is being written changes again: what is half there is read once
 * more with the next question. One that cannot be read, is empty or ends in the
 * middle of a line leaves what was known.
 */
#include "gateway/accounts/source.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/secret.h"

enum { ARENA_MAX = 256 << 20 };

void
accounts_source_init(struct accounts_source *s, bool is_list)
{
	*s = (struct accounts_source){.fd = -1, .is_list = is_list};
}

void
accounts_source_clear(struct accounts_source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	arena_free(s->content.arena);
	accounts_source_init(s, s->is_list);
}

void
accounts_source_open(struct accounts_source *s, int fd)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->read = false;
}

static enum err
read_all(int fd, struct buf *out)
{
	uint8_t *p;
	ssize_t n;
	enum err e;

	do {
		e = buf_reserve(out, 65536, &p);
		if (e != ERR_OK)
			return e;
		n = pread(fd, p, 65536, (off_t)out->len);
		if (n > 0)
			buf_grow(out, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_from_errno(errno) : ERR_OK;
}

static enum err
parse(const struct accounts_source *s, struct span text,
    struct accounts_content *out, struct err_why *why)
{
	struct accounts_content c = {.arena = arena_new(ARENA_MAX)};
	enum err e;

	if (c.arena == NULL)
		return ERR_NOMEM;
	e = account_file_is_whole(text, why);
	if (e == ERR_OK)
		e = s->is_list
			? account_list_parse(text, c.arena, &c.list, why)
			: account_users_parse(text, c.arena, &c.users, why);
	if (e != ERR_OK) {
		arena_free(c.arena);
		return e;
	}
	*out = c;
	return ERR_OK;
}

enum err
accounts_source_refresh(struct accounts_source *s, struct err_why *why)
{
	struct accounts_content fresh;
	struct stat st;
	struct buf b;
	enum err e;

	if (s->fd < 0)
		return err_why(why, ERR_NOT_FOUND, "there is no file");
	if (fstat(s->fd, &st) != 0)
		return err_why(why, ERR_IO, "it cannot be looked at");
	if (s->read && file_is_as_before(&st, &s->seen))
		return ERR_OK;
	buf_init(&b, LIMIT_ACCOUNT_FILE);
	e = read_all(s->fd, &b);
	if (e == ERR_OK)
		e = parse(s, buf_span(&b), &fresh, why);
	else
		(void)err_why(why, e, "%s", err_text(e));
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_clear(&b);
	/* said once; it is read again when it changes again */
	s->read = true;
	s->seen = st;
	if (e != ERR_OK)
		return e;
	arena_free(s->content.arena);
	s->content = fresh;
	return ERR_OK;
}
