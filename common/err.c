/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Look-ups in the list of errors. Logging is log.c's.
 */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_TEMP	ERR_CLASS_TEMP
#define CLASS_PERM	ERR_CLASS_PERM
#define CLASS_MALFORMED ERR_CLASS_MALFORMED
#define CLASS_POLICY	ERR_CLASS_POLICY
#define CLASS_CRYPTO	ERR_CLASS_CRYPTO
#define CLASS_INTERNAL	ERR_CLASS_INTERNAL

static const struct row {
	const char *name;
	enum err_class class;
	int smtp;
	const char *status;
	const char *text;
} rows[ERR_COUNT] = {
    [ERR_OK] = {"ERR_OK", ERR_CLASS_TEMP, 250, "2.0.0", "no error"},
#define ERR(code, class, smtp, status, text)                                   \
	[code] = {#code, CLASS_##class, smtp, status, text},
#include "common/err.def"
#undef ERR
};

static const struct row unknown = {
    "ERR_?", ERR_CLASS_INTERNAL, 451, "4.3.0", "unknown error"};

static const struct row *
row_of(enum err e)
{
	if ((unsigned)e >= ERR_COUNT)
		return &unknown;
	return &rows[e];
}

const char *
err_name(enum err e)
{
	return row_of(e)->name;
}

const char *
err_text(enum err e)
{
	return row_of(e)->text;
}

enum err_class
err_class(enum err e)
{
	return row_of(e)->class;
}

int
err_smtp(enum err e)
{
	return row_of(e)->smtp;
}

const char *
err_status(enum err e)
{
	return row_of(e)->status;
}

enum err
err_by_name(const char *name)
{
	for (unsigned e = 0; e < ERR_COUNT; e++)
		if (strcmp(rows[e].name, name) == 0)
			return (enum err)e;
	return ERR_INTERNAL;
}

enum err
err_from_errno(int no)
{
	switch (no) {
	case ENOMEM:
	case ENOBUFS:
		return ERR_NOMEM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_DISK_FULL;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_PERMISSION;
	case EAGAIN:
		return ERR_AGAIN;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EPIPE:
	case ECONNRESET:
		return ERR_CLOSED;
	case EMFILE:
	case ENFILE:
		return ERR_BUSY;
	default:
		return ERR_IO;
	}
}

enum err
err_why(struct err_why *why, enum err e, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return e;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return e;
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("fatal: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}
