/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one list of errors (err.def), their class and how they are said in SMTP
 * (RFC 5321, RFC 3463), and the reason text that goes to a person.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdarg.h>

#define MUST_CHECK	      __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))

enum err {
	ERR_OK = 0,
#define ERR(code, class, smtp, status, text) code,
#include "common/err.def"
#undef ERR
	ERR_COUNT
};

/* The zero value is what an unknown error is taken for. */
enum err_class {
	ERR_CLASS_INTERNAL,
	ERR_CLASS_TEMP,
	ERR_CLASS_PERM,
	ERR_CLASS_MALFORMED,
	ERR_CLASS_POLICY,
	ERR_CLASS_CRYPTO,
};

/* The reason a person needs. Filled only on failure; text from outside is
   escaped by whoever prints it. */
struct err_why {
	char text[256];
};

/* "ERR_NO_KEY"; "ERR_?" for a code that is not in the list. */
const char *err_name(enum err e);
/* One phrase in lower case, for a person. */
const char *err_text(enum err e);
enum err_class err_class(enum err e);
/* The reply code and the enhanced status (RFC 3463) that tell an SMTP client.
   An unknown code is 451 4.3.0: it holds, it never loses. */
int err_smtp(enum err e);
const char *err_status(enum err e);

/* The code whose name is given, as err_name() says it; ERR_INTERNAL if none. */
enum err err_by_name(const char *name);
/* The code for an errno value: ENOSPC and EDQUOT are ERR_DISK_FULL, ... */
enum err err_from_errno(int no);

/* Write the reason; cut at the end of the buffer. why may be NULL. Returns e,
   so that a failure is said and returned in one line. */
enum err err_why(struct err_why *why, enum err e, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Say it on standard error and abort. For start-up and broken invariants
   only, never for input. */
_Noreturn void fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
