/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octet by octet into locked memory: a buffered reader would leave copies.
 */
#include "gateway/cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/file.h"
#include "common/secret.h"
#include "gateway/cli/cli.h"

enum { PASSPHRASE_MAX = 255 }; /* octets: what gpg-agent takes */

enum err
cli_passphrase_file(struct cli_passphrase *p, const char *path)
{
	if (p->fd >= 0) {
		cli_say("one passphrase is enough");
		return ERR_USAGE;
	}
	p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (p->fd >= 0)
		return ERR_OK;
	cli_say("%s: %s", path, strerror(errno));
	return err_from_errno(errno);
}

enum err
cli_passphrase_fd(struct cli_passphrase *p, const char *number)
{
	char *end;
	long fd = strtol(number, &end, 10);

	if (p->fd >= 0 || end == number || *end != '\0' || fd < 0 ||
	    fd > 0xffff) {
		cli_say("--passphrase-fd takes the number of one descriptor");
		return ERR_USAGE;
	}
	p->fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	if (p->fd >= 0)
		return ERR_OK;
	cli_say("descriptor %s: %s", number, strerror(errno));
	return err_from_errno(errno);
}

/* Read up to the end of a line. */
static enum err
read_line(int fd, struct secret **out, struct err_why *why)
{
	struct secret *room = secret_new(PASSPHRASE_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;
	enum err e = ERR_OK;

	if (room == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	while (len <= PASSPHRASE_MAX) {
		n = read(fd, room->data + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || room->data[len] == '\n')
			break;
		len++;
	}
	if (n < 0)
		e = err_why(why, ERR_IO, "cannot read the passphrase: %s",
		    strerror(errno));
	else if (len > PASSPHRASE_MAX)
		e = err_why(why, ERR_TOO_BIG,
		    "a passphrase of more than %d octets", PASSPHRASE_MAX);
	if (len > 0 && len <= PASSPHRASE_MAX && room->data[len - 1] == '\r')
		len--;
	/* an empty one is none */
	if (e == ERR_OK && len == 0)
		e = err_why(why, ERR_PASSPHRASE, "the passphrase is empty");
	if (e == ERR_OK) {
		*out = secret_from(SPAN(room->data, len));
		e = *out == NULL ? ERR_NOMEM : ERR_OK;
	}
	secret_free(room);
	return e;
}

static enum err
put(int fd, const char *text)
{
	return file_write_all(fd, span_str(text));
}

/* Signals that would end the program wait until the echo is on again. */
static enum err
ask(int tty, const char *what, struct secret **out, struct err_why *why)
{
	struct termios before, silent;
	sigset_t block, old;
	enum err e;

	if (tcgetattr(tty, &before) != 0)
		return err_why(why, ERR_PASSPHRASE, "no terminal to ask at");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	silent.c_lflag |= ICANON | ECHONL;
	sigfillset(&block);
	sigprocmask(SIG_BLOCK, &block, &old);
	/* before the question: setting it drops what was typed until then */
	e = tcsetattr(tty, TCSAFLUSH, &silent) == 0 ? ERR_OK : ERR_IO;
	if (e == ERR_OK)
		e = put(tty, "Passphrase for ");
	if (e == ERR_OK)
		e = put(tty, what);
	if (e == ERR_OK)
		e = put(tty, ": ");
	if (e == ERR_OK)
		e = read_line(tty, out, why);
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return e;
}

enum err
cli_passphrase_get(struct cli_passphrase *p, const char *what,
    const struct secret **out, struct err_why *why)
{
	enum err e = ERR_OK;
	int tty;

	if (p->text == NULL && p->fd >= 0) {
		e = read_line(p->fd, &p->text, why);
	} else if (p->text == NULL) {
		tty = isatty(STDIN_FILENO)
			  ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
			  : -1;
		if (tty < 0)
			return err_why(why, ERR_PASSPHRASE,
			    "it has a passphrase: give it with "
			    "--passphrase-file or --passphrase-fd");
		e = ask(tty, what, &p->text, why);
		close(tty);
	}
	if (e == ERR_OK)
		*out = p->text;
	return e;
}

void
cli_passphrase_forget(struct cli_passphrase *p)
{
	if (p->fd >= 0)
		return;
	secret_free(p->text);
	p->text = NULL;
}

void
cli_passphrase_clear(struct cli_passphrase *p)
{
	secret_free(p->text);
	p->text = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
