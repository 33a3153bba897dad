/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Users and passwords of next hops.
 */
#include "gateway/relay/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/arena.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/password.h"
#include "gateway/relay/route.h"

enum {
	/* NUL, user, NUL, password */
	PLAIN_MAX = LIMIT_LOGIN_USER + PASSWORD_MAX + 2,
};

struct login {
	struct login *next;
	char host[NET_DNS_NAME_MAX];
	uint16_t port;
	char user[RELAY_USER_MAX];
	struct secret *password;
};

struct relay_logins {
	struct login *first;
};

static enum err
add(struct relay_logins *l, const struct conf_relay *r, int fd,
    struct err_why *why)
{
	struct secret *password;
	struct login *one;
	enum err e = password_read(fd, r->password_file, &password, why);

	if (e != ERR_OK)
		return e;
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		fatal("out of memory");
	snprintf(one->host, sizeof(one->host), "%s", r->host);
	snprintf(one->user, sizeof(one->user), "%s", r->user);
	one->port = r->port;
	one->password = password;
	one->next = l->first;
	l->first = one;
	return ERR_OK;
}

enum err
relay_logins_new(const struct conf *c, int (*take)(void *arg, unsigned which),
    void *arg, struct relay_logins **out, struct err_why *why)
{
	struct relay_logins *l = calloc(1, sizeof(*l));
	const struct conf_relay *r;
	enum err e = ERR_OK;
	int fd;

	if (l == NULL)
		fatal("out of memory");
	for (unsigned i = 0; e == ERR_OK && (r = conf_relay_at(c, i)) != NULL;
	     i++) {
		if (r->user == NULL)
			continue;
		fd = take == NULL ? -1 : take(arg, i);
		e = add(l, r, fd, why);
		if (fd >= 0)
			close(fd);
	}
	if (e == ERR_OK)
		*out = l;
	else
		relay_logins_free(l);
	return e;
}

void
relay_logins_free(struct relay_logins *l)
{
	struct login *one;

	if (l == NULL)
		return;
	while ((one = l->first) != NULL) {
		l->first = one->next;
		secret_free(one->password);
		free(one);
	}
	free(l);
}

/* "AUTH PLAIN " and base64 of NUL, user, NUL, password. */
static struct secret *
make_line(const struct login *one)
{
	static const char verb[] = "AUTH PLAIN ";
	uint8_t plain[PLAIN_MAX];
	size_t user = strlen(one->user), n = 0, verb_len = sizeof(verb) - 1;
	struct secret *wide, *line = NULL;

	plain[n++] = '\0';
	memcpy(plain + n, one->user, user);
	n += user;
	plain[n++] = '\0';
	memcpy(plain + n, one->password->data, one->password->len);
	n += one->password->len;
	/* EVP_EncodeBlock() ends with a NUL */
	wide = secret_new(verb_len + 4 * ((n + 2) / 3) + 1);
	if (wide != NULL) {
		memcpy(wide->data, verb, verb_len);
		if (EVP_EncodeBlock(wide->data + verb_len, plain, (int)n) ==
		    (int)(wide->len - verb_len - 1))
			line = secret_from(SPAN(wide->data, wide->len - 1));
	}
	secret_free(wide);
	secret_wipe(plain, sizeof(plain));
	return line;
}

struct secret *
relay_login_line(const struct relay_logins *l, const struct relay_target *t)
{
	const struct login *one = l == NULL ? NULL : l->first;

	for (; one != NULL; one = one->next)
		if (one->port == t->port && strcmp(one->host, t->host) == 0 &&
		    strcmp(one->user, t->user) == 0)
			return make_line(one);
	return NULL;
}
