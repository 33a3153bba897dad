/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A word with gpg-agent itself. gpg and GPGME do not tell a question for the
 * old passphrase from one for the new; the agent does. Assuan: lines of at most
 * 1000 octets, "%" escapes in data.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/secret.h"
#include "crypto/openpgp_private.h"

enum {
	LINE = 1002,
	LINES_MAX = 100, /* of an answer */
	END_MS = 3000,	 /* for an agent to end */
	END_STEP_MS = 10,
	/* numbers of libgpg-error in an answer; the upper octets say who */
	CODE_BAD_PASSPHRASE = 11,
	CODE_NO_SECKEY = 17,
	CODE_CANCELED = 99,
	CODE_NO_PASSPHRASE = 177,
	CODE_ASSUAN_CANCELED = 277,
};

struct agent {
	int fd;
	uint64_t end; /* clock_steady_ms() */
	char line[LINE + 1];
};

static enum err
say(struct agent *a, struct span octets)
{
	enum err e = file_write_all(a->fd, octets);

	return e == ERR_OK ? e : ERR_ENGINE;
}

/* The next line, without its end. Octet by octet: there are few. */
static enum err
hear(struct agent *a)
{
	size_t len = 0;

	while (len < LINE) {
		struct pollfd p = {.fd = a->fd, .events = POLLIN};
		uint64_t now = clock_steady_ms();
		char c;

		if (now >= a->end)
			return ERR_TIMEOUT;
		if (poll(&p, 1, (int)(a->end - now)) <= 0)
			continue;
		if (read(a->fd, &c, 1) != 1)
			return ERR_ENGINE;
		if (c == '\n') {
			a->line[len] = '\0';
			return ERR_OK;
		}
		a->line[len++] = c;
	}
	return ERR_ENGINE;
}

static bool
begins(const struct agent *a, const char *word)
{
	size_t n = strlen(word);

	return strncmp(a->line, word, n) == 0 &&
	       (a->line[n] == '\0' || a->line[n] == ' ');
}

/* "D " and the octets, then "END". */
static enum err
say_passphrase(struct agent *a, const struct secret *passphrase)
{
	static const char hex[] = "0123456789ABCDEF";
	struct secret *line = secret_new(LINE);
	size_t n = 2;
	enum err e;

	if (line == NULL)
		return ERR_NOMEM;
	memcpy(line->data, "D ", 2);
	for (size_t i = 0; i < passphrase->len && n + 4 < LINE; i++) {
		line->data[n++] = '%';
		line->data[n++] = (uint8_t)hex[passphrase->data[i] >> 4];
		line->data[n++] = (uint8_t)hex[passphrase->data[i] & 15];
	}
	line->data[n++] = '\n';
	e = say(a, SPAN(line->data, n));
	if (e == ERR_OK)
		e = say(a, SPAN_LIT("END\n"));
	secret_free(line);
	return e;
}

static enum err
error_of(const char *line, struct err_why *why)
{
	unsigned long code = strtoul(line + 4, NULL, 10) & 0xffff;

	switch (code) {
	case CODE_BAD_PASSPHRASE:
		return err_why(why, ERR_PASSPHRASE, "the passphrase is wrong");
	case CODE_CANCELED:
	case CODE_NO_PASSPHRASE:
	case CODE_ASSUAN_CANCELED:
		return err_why(why, ERR_PASSPHRASE,
		    "the key has a passphrase, which is needed");
	case CODE_NO_SECKEY:
		return err_why(why, ERR_NO_KEY, "the secret part is not there");
	}
	return err_why(why, ERR_ENGINE, "gpg-agent: %.100s", line);
}

/* What the agent may be told when it asks; NULL: there is none. */
struct words {
	const struct secret *old; /* opens the key */
	const struct secret *new; /* locks it from now on */
};

/* Answer questions until the command has ended. */
static enum err
finish(struct agent *a, const struct words *w, struct err_why *why)
{
	for (int i = 0; i < LINES_MAX; i++) {
		enum err e = hear(a);

		if (e != ERR_OK)
			return err_why(why, e, "gpg-agent: %s", err_text(e));
		if (begins(a, "OK"))
			return ERR_OK;
		if (begins(a, "ERR"))
			return error_of(a->line, why);
		if (begins(a, "INQUIRE PASSPHRASE"))
			e = w->old == NULL ? say(a, SPAN_LIT("CAN\n"))
					   : say_passphrase(a, w->old);
		else if (begins(a, "INQUIRE NEW_PASSPHRASE"))
			e = w->new == NULL ? say(a, SPAN_LIT("END\n"))
					   : say_passphrase(a, w->new);
		else if (begins(a, "INQUIRE"))
			e = say(a, SPAN_LIT("CAN\n"));
		if (e != ERR_OK)
			return err_why(why, e, "gpg-agent: %s", err_text(e));
	}
	return err_why(why, ERR_ENGINE, "gpg-agent does not come to an end");
}

static enum err
dial(const char *home, int *fd_out, struct err_why *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_why(why, err_from_errno(errno), "no socket");
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/S.gpg-agent", home);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return err_why(why, ERR_ENGINE, "gpg-agent is not there");
	}
	*fd_out = fd;
	return ERR_OK;
}

void
crypto_pgp_agent_end(const struct pgp_side *side)
{
	const struct words none = {NULL, NULL};
	struct agent a = {.end = clock_steady_ms() + END_MS};
	struct err_why why;

	if (dial(side->home, &a.fd, &why) != ERR_OK)
		return;
	if (finish(&a, &none, &why) == ERR_OK &&
	    say(&a, SPAN_LIT("KILLAGENT\n")) == ERR_OK)
		(void)finish(&a, &none, &why);
	close(a.fd);
	/* it removes its sockets, and then nobody answers there */
	while (clock_steady_ms() < a.end &&
	       dial(side->home, &a.fd, &why) == ERR_OK) {
		close(a.fd);
		(void)poll(NULL, 0, END_STEP_MS);
	}
}

/* Change what a key opens with. */
static enum err
change(struct crypto_pgp *pgp, const char *keygrip, const struct words *w,
    struct err_why *why)
{
	const struct words none = {NULL, NULL};
	struct agent a = {.end = clock_steady_ms() + pgp->timeout_ms};
	char command[128];
	enum err e = dial(pgp->sign.home, &a.fd, why);

	if (e != ERR_OK)
		return e;
	snprintf(command, sizeof(command), "PASSWD %.64s\n", keygrip);
	e = finish(&a, &none, why); /* the greeting */
	if (e == ERR_OK)
		e = say(&a, SPAN_LIT("OPTION pinentry-mode=loopback\n"));
	if (e == ERR_OK)
		e = finish(&a, &none, why);
	if (e == ERR_OK)
		e = say(&a, span_str(command));
	if (e == ERR_OK)
		e = finish(&a, w, why);
	close(a.fd);
	return e;
}

enum err
crypto_pgp_agent_unlock(struct crypto_pgp *pgp, const char *keygrip,
    const struct secret *passphrase, struct err_why *why)
{
	const struct words w = {.old = passphrase};

	return change(pgp, keygrip, &w, why);
}

enum err
crypto_pgp_agent_lock(struct crypto_pgp *pgp, const char *keygrip,
    const struct secret *passphrase, struct err_why *why)
{
	const struct words w = {.new = passphrase};

	return change(pgp, keygrip, &w, why);
}
