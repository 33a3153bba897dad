/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * First the places of the lines, file by file, then the lines themselves.
 */
#include "gateway/store/audit_search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/store/audit_index.h"
#include "gateway/store/audit_reader.h"

enum {
	LINE_GUESS = 4096,
	AHEAD = 64, /* lines that are asked of the disk at once */
};

/* Places of lines in one file, rising. */
struct places {
	uint64_t first; /* of the file */
	uint64_t *at;
	size_t n, cap;
};

struct search {
	const struct store_search *q;
	int dir_fd;
	struct store_searched done;
	struct buf line; /* that is looked at */
};

/* --- does a line match? --- */

struct match {
	const struct store_search *q;
	unsigned found; /* bits by enum store_term */
};

static void
look_at_term(void *arg, enum store_term t, struct span value)
{
	struct match *m = arg;

	if (m->q->term[t].len > 0 &&
	    (store_term_eq(m->q->term[t], value) ||
		(m->q->alias[t].len > 0 &&
		    store_term_eq(m->q->alias[t], value))))
		m->found |= 1u << t;
}

/* A time against the beginning of one. */
static int
compare_time(struct span time, struct span with)
{
	size_t n = with.len < time.len ? with.len : time.len;

	return memcmp(time.data, with.data, n);
}

static bool
time_matches(const struct store_search *q, struct span first, struct span last)
{
	return (q->since.len == 0 || compare_time(last, q->since) >= 0) &&
	       (q->until.len == 0 || compare_time(first, q->until) < 0);
}

static bool
matches(const struct store_search *q, const struct store_line *l)
{
	struct match m = {.q = q};
	unsigned wanted = 0;

	if ((q->number != 0 && l->seq != q->number) || l->seq < q->from ||
	    !time_matches(q, l->time, l->time))
		return false;
	for (int t = 0; t < STORE_TERM_COUNT; t++)
		wanted |= q->term[t].len > 0 ? 1u << t : 0;
	if (wanted != 0)
		store_terms_each(l->rec, look_at_term, &m);
	return m.found == wanted;
}

/* --- places --- */

static enum err
add_place(struct places *p, uint64_t at)
{
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 64 : 2 * p->cap;
		uint64_t *more = realloc(p->at, cap * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		p->at = more;
		p->cap = cap;
	}
	p->at[p->n++] = at;
	return ERR_OK;
}

/* Read on to the newline: a line is mostly short. */
static enum err
line_at(struct search *s, int fd, uint64_t at, struct span *out)
{
	size_t from = 0;
	enum err e;

	buf_reset(&s->line);
	for (;;) {
		uint8_t *to;
		ssize_t n;
		size_t end;

		e = buf_reserve(&s->line, LINE_GUESS, &to);
		if (e != ERR_OK)
			return ERR_NOT_FOUND; /* longer than any line */
		do
			n = pread(fd, to, LINE_GUESS, (off_t)(at + from));
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n < 0 ? err_from_errno(errno) : ERR_NOT_FOUND;
		buf_grow(&s->line, (size_t)n);
		s->done.octets_read += (uint64_t)n;
		end = span_find_chr(buf_span(&s->line), from, '\n');
		from += (size_t)n;
		if (end < s->line.len) {
			*out = SPAN(s->line.data, end);
			return ERR_OK;
		}
	}
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Lines of a block that may have a term: two stretches of its entries. */
struct few {
	size_t first[2], end[2];
	size_t n;
};

static struct few
lines_with(
    const struct search *s, const struct store_index_view *v, enum store_term t)
{
	const struct span text[2] = {s->q->term[t], s->q->alias[t]};
	struct few f = {.n = 0};

	for (int i = 0; i < 2 && text[i].len > 0; i++) {
		store_index_view_find(
		    v, store_term_hash(t, text[i]), &f.first[i], &f.end[i]);
		f.n += f.end[i] - f.first[i];
	}
	return f;
}

/* The term that fewest lines of the block have; false: none was asked for. */
static bool
rarest(
    const struct search *s, const struct store_index_view *v, struct few *out)
{
	bool any = false;

	for (int t = 0; t < STORE_TERM_COUNT; t++) {
		struct few f;

		if (s->q->term[t].len == 0)
			continue;
		f = lines_with(s, v, (enum store_term)t);
		if (!any || f.n < out->n)
			*out = f;
		any = true;
	}
	return any;
}

/* By the index: every line it names is looked at. */
static enum err
look_at_entries(struct search *s, int fd, const struct store_index_view *v,
    size_t first, size_t end, struct places *out)
{
	struct store_line l;
	struct span line;
	enum err e = ERR_OK;

	/* the disk has all of them to do while the first is waited for */
	for (size_t i = first; end - first < AHEAD && i < end; i++)
		(void)!posix_fadvise(fd, (off_t)store_index_view_at(v, i),
		    LINE_GUESS, POSIX_FADV_WILLNEED);
	for (size_t i = first; e == ERR_OK && i < end; i++) {
		uint64_t at = store_index_view_at(v, i);

		e = line_at(s, fd, at, &line);
		if (e == ERR_NOT_FOUND) {
			s->done.malformed++;
			e = ERR_OK;
		} else if (e == ERR_OK &&
			   store_line_parse(line, &l) != ERR_OK) {
			s->done.malformed++;
		} else if (e == ERR_OK && matches(s->q, &l)) {
			e = add_place(out, at);
		}
	}
	return e;
}

/* A line that has the term and what may stand for it counts once. */
static void
put_in_order(struct places *p)
{
	size_t n = 0;

	if (p->n == 0)
		return;
	qsort(p->at, p->n, sizeof(p->at[0]), by_number);
	for (size_t i = 0; i < p->n; i++)
		if (n == 0 || p->at[n - 1] != p->at[i])
			p->at[n++] = p->at[i];
	p->n = n;
}

static enum err
look_up(struct search *s, int fd, const struct store_index_view *v,
    const struct few *f, struct places *out)
{
	enum err e = ERR_OK;

	for (int i = 0; e == ERR_OK && i < 2; i++)
		e = look_at_entries(s, fd, v, f->first[i], f->end[i], out);
	return e;
}

/* By reading it all, from one place to another. */
static enum err
read_through(struct search *s, uint64_t from, uint64_t to, struct places *out)
{
	struct store_reader *r = NULL;
	struct store_line l;
	struct span line;
	bool whole;
	enum err e = store_reader_open(s->dir_fd, out->first, &r);

	if (e == ERR_OK)
		e = store_reader_seek(r, from);
	while (e == ERR_OK && store_reader_offset(r) < to) {
		uint64_t at = store_reader_offset(r);

		e = store_reader_next(r, &line, &whole);
		if (e != ERR_OK || !whole)
			break;
		s->done.octets_read += line.len + 1;
		if (store_line_parse(line, &l) != ERR_OK)
			s->done.malformed++;
		else if (matches(s->q, &l))
			e = add_place(out, at);
	}
	store_reader_close(r);
	/* a line that no writer makes ends what can be read of the file */
	if (e == ERR_TOO_BIG)
		s->done.malformed++;
	return e == ERR_NOT_FOUND || e == ERR_TOO_BIG ? ERR_OK : e;
}

static bool
block_may_match(const struct store_search *q, const struct store_index_view *v)
{
	return time_matches(q, v->first_time, v->last_time) &&
	       q->from < v->first_seq + v->n_lines &&
	       (q->number == 0 || (q->number >= v->first_seq &&
				      q->number < v->first_seq + v->n_lines));
}

static enum err
search_block(struct search *s, int fd, const struct store_index_view *v,
    struct places *out)
{
	struct few f = {.n = 0};

	if (!block_may_match(s->q, v))
		return ERR_OK;
	if (rarest(s, v, &f))
		return look_up(s, fd, v, &f, out);
	return read_through(s, v->from, v->to, out);
}

static enum err
open_log(int dir_fd, uint64_t first, int *fd_out, uint64_t *size_out)
{
	char name[STORE_AUDIT_NAME];
	struct stat st;
	int fd;

	store_audit_file_name(first, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	if (fstat(fd, &st) != 0) {
		close(fd);
		return err_from_errno(errno);
	}
	*fd_out = fd;
	*size_out = (uint64_t)st.st_size;
	return ERR_OK;
}

/* Blocks that the file still has; *to_out is where they end. */
static size_t
count_blocks(const struct store_index_file *f, uint64_t size, uint64_t *to_out)
{
	struct store_index_view v;
	size_t n = 0;

	*to_out = 0;
	while (store_index_file_view(f, n, &v) && v.to <= size) {
		*to_out = v.to;
		n++;
	}
	return n;
}

/* From its end, until there are enough; 0: all. */
static enum err
search_file(struct search *s, uint64_t enough, struct places *out)
{
	struct store_index_file *f = NULL;
	struct store_index_view v;
	uint64_t size = 0, to = 0, before;
	size_t n = 0;
	int fd = -1;
	enum err e = open_log(s->dir_fd, out->first, &fd, &size);

	if (e == ERR_OK)
		e = store_index_file_open(s->dir_fd, out->first, &f);
	if (e == ERR_OK)
		n = count_blocks(f, size, &to);
	before = s->done.octets_read;
	if (e == ERR_OK && to < size)
		e = read_through(s, to, size, out);
	s->done.octets_unindexed += s->done.octets_read - before;
	while (e == ERR_OK && n > 0 && (enough == 0 || out->n < enough)) {
		n--;
		if (store_index_file_view(f, n, &v))
			e = search_block(s, fd, &v, out);
	}
	put_in_order(out);
	store_index_file_close(f);
	if (fd >= 0)
		close(fd);
	return e;
}

/* --- what was found --- */

static enum err
emit(struct search *s, const struct places *p, size_t skip)
{
	struct store_line l;
	struct span line;
	uint64_t size;
	int fd = -1;
	enum err e;

	if (p->n <= skip)
		return ERR_OK;
	e = open_log(s->dir_fd, p->first, &fd, &size);
	for (size_t i = skip; e == ERR_OK && i < p->n; i++) {
		e = line_at(s, fd, p->at[i], &line);
		if (e == ERR_NOT_FOUND ||
		    (e == ERR_OK && store_line_parse(line, &l) != ERR_OK)) {
			e = ERR_OK; /* it was here a moment ago */
			break;
		}
		if (e != ERR_OK)
			break;
		s->q->on_line(s->q->arg, line, &l);
		s->done.found++;
	}
	if (fd >= 0)
		close(fd);
	return e;
}

/* Most files do not have the word, and waiting for each of them to say so takes
   the longest. */
static void
prefetch(const struct search *s, const uint64_t *first, size_t n)
{
	const struct span *const text[2] = {s->q->term, s->q->alias};

	for (int k = 0; k < 2; k++)
		for (int t = 0; t < STORE_TERM_COUNT; t++)
			for (size_t i = 0; text[k][t].len > 0 && i < n; i++)
				store_index_prefetch(s->dir_fd, first[i],
				    store_term_hash(
					(enum store_term)t, text[k][t]));
}

static enum err
search_all(struct search *s, const uint64_t *first, size_t n)
{
	enum err e = ERR_OK;

	if (s->q->number == 0)
		prefetch(s, first, n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct places p = {.first = first[i]};

		/* files are named by their first line */
		if (s->q->number != 0 &&
		    (s->q->number < first[i] ||
			(i + 1 < n && s->q->number >= first[i + 1])))
			continue;
		if (i + 1 < n && s->q->from >= first[i + 1])
			continue;
		e = search_file(s, 0, &p);
		if (e == ERR_OK)
			e = emit(s, &p, 0);
		free(p.at);
	}
	return e;
}

/* From the newest file backwards, until there are enough. */
static enum err
search_last(struct search *s, const uint64_t *first, size_t n)
{
	struct places *p = calloc(n == 0 ? 1 : n, sizeof(*p));
	uint64_t found = 0;
	size_t i = n;
	enum err e = p == NULL ? ERR_NOMEM : ERR_OK;

	while (e == ERR_OK && i > 0 && found < s->q->last) {
		i--;
		p[i].first = first[i];
		e = search_file(s, s->q->last - found, &p[i]);
		found += p[i].n;
	}
	for (size_t k = i; e == ERR_OK && k < n; k++)
		e = emit(s, &p[k],
		    k == i && found > s->q->last ? found - s->q->last : 0);
	for (size_t k = i; p != NULL && k < n; k++)
		free(p[k].at);
	free(p);
	return e;
}

enum err
store_audit_search(
    int dir_fd, const struct store_search *q, struct store_searched *out)
{
	struct search s = {.q = q, .dir_fd = dir_fd};
	uint64_t *first = NULL;
	size_t n = 0;
	enum err e = store_audit_files(dir_fd, &first, &n);

	buf_init(&s.line, STORE_LINE_MAX + LINE_GUESS);
	if (e == ERR_OK)
		e = q->last != 0 ? search_last(&s, first, n)
				 : search_all(&s, first, n);
	buf_clear(&s.line);
	free(first);
	if (e == ERR_OK)
		*out = s.done;
	return e;
}
