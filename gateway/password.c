/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The first line of a file, without its end.
 */
#include "gateway/password.h"

#include <unistd.h>

#include "common/secret.h"

enum err
password_read(
    int fd, const char *path, struct secret **out, struct err_why *why)
{
	uint8_t line[PASSWORD_MAX + 2];
	ssize_t n = fd < 0 ? -1 : pread(fd, line, sizeof(line), 0);
	enum err e = ERR_CONFIG;
	size_t len = 0;

	while (n > 0 && len < (size_t)n && line[len] != '\n' &&
	       line[len] != '\r' && line[len] != '\0')
		len++;
	if (n < 0)
		(void)err_why(why, e, "password-file: %s cannot be read", path);
	else if (len == 0)
		(void)err_why(
		    why, e, "password-file: %s begins with no password", path);
	else if (len > PASSWORD_MAX)
		(void)err_why(why, e,
		    "password-file: %s: expected at most %d octets in a line",
		    path, PASSWORD_MAX);
	else
		e = ERR_OK;
	if (e == ERR_OK) {
		*out = secret_from(SPAN(line, len));
		if (*out == NULL)
			e = err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	}
	secret_wipe(line, sizeof(line));
	return e;
}
