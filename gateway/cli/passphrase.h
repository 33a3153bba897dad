/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A passphrase from whoever runs `sealgate`: a file, a descriptor, or asked for
 * at the terminal without echo. Never from the command line, which every
 * process of the machine can read.
 */
#ifndef GATEWAY_CLI_PASSPHRASE_H
#define GATEWAY_CLI_PASSPHRASE_H

#include "common/err.h"

struct secret;

/* Zeroed but for fd, which is -1: the terminal is asked. */
struct cli_passphrase {
	int fd;
	struct secret *text; /* once it is known */
};

/* Take it from there: options --passphrase-file and --passphrase-fd. While the
   caller's rights are still there. ERR_USAGE for a number that is none, and
   when it was said already; what is wrong is said. */
enum err cli_passphrase_file(
    struct cli_passphrase *p, const char *path) MUST_CHECK;
enum err cli_passphrase_fd(
    struct cli_passphrase *p, const char *number) MUST_CHECK;

/* Its first line, without the line's end; asked for once. what: the name of
   the file it is for. Borrowed. ERR_PASSPHRASE when there is no terminal
   either, ERR_TOO_BIG, ERR_IO. */
enum err cli_passphrase_get(struct cli_passphrase *p, const char *what,
    const struct secret **out, struct err_why *why) MUST_CHECK;
/* What was asked for at the terminal was wrong: forget it, so that the next
   file is asked for anew. */
void cli_passphrase_forget(struct cli_passphrase *p);
void cli_passphrase_clear(struct cli_passphrase *p);

#endif
