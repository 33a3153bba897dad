/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate user hash`: a line for the file of users of `listen outbound`. The
 * file itself is the administrator's to keep.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/account_file.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/passphrase.h"
#include "gateway/password_hash.h"

/* The password as a string of its own, wiped by the caller. */
static enum err
get_password(struct cli_passphrase *p, const char *name,
    char out[LIMIT_ACCOUNT_NAME + 1], struct err_why *why)
{
	const struct secret *s;
	struct span text;
	enum err e = cli_passphrase_get(p, name, &s, why);

	if (e != ERR_OK)
		return e;
	text = secret_span(s);
	if (text.len == 0 || text.len > LIMIT_ACCOUNT_NAME ||
	    memchr(text.data, '\0', text.len) != NULL)
		return err_why(why, ERR_PASSPHRASE,
		    "expected a password of 1 to %u octets",
		    LIMIT_ACCOUNT_NAME);
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return ERR_OK;
}

/* "NAME:HASH[:ADDRESS...]", which the reader of the file must like. */
static enum err
make_line(const char *name, const char *hash, int n_from, char **from,
    struct buf *out, struct err_why *why)
{
	struct arena *a = arena_new(1 << 20);
	struct account_users users;
	enum err e;

	if (a == NULL)
		return ERR_NOMEM;
	e = buf_printf(out, "%s:%s", name, hash);
	for (int i = 0; e == ERR_OK && i < n_from; i++)
		e = buf_printf(out, "%s%s", i == 0 ? ":" : " ", from[i]);
	if (e == ERR_OK)
		e = account_users_parse(buf_span(out), a, &users, why);
	if (e == ERR_OK && users.n != 1)
		e = err_why(why, ERR_USAGE, "expected a name of one line");
	arena_free(a);
	return e;
}

static int
print_line(const struct cli *cli, const struct buf *line)
{
	struct span s = buf_span(line);
	json_t *j;

	if (!cli->json) {
		printf("%.*s\n", (int)s.len, (const char *)s.data);
		return CLI_DONE;
	}
	j = json_pack("{s:o}", "line", cli_json_text(s));
	if (j == NULL)
		return CLI_FAILED;
	json_dumpf(j, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(j);
	return CLI_DONE;
}

static int
hash(struct cli *cli, struct cli_passphrase *p, int argc, char **argv)
{
	char password[LIMIT_ACCOUNT_NAME + 1] = "", text[PASSWORD_HASH_SIZE];
	struct err_why why = {""};
	struct buf line;
	enum err e = get_password(p, argv[0], password, &why);
	int rc;

	buf_init(&line, LIMIT_ACCOUNT_LINE);
	if (e == ERR_OK)
		e = password_hash(password, text);
	secret_wipe(password, sizeof(password));
	if (e == ERR_OK)
		e = make_line(argv[0], text, argc - 1, argv + 1, &line, &why);
	rc = e == ERR_OK ? print_line(cli, &line) : cli_status(e);
	if (e != ERR_OK)
		cli_say("%s", why.text[0] != '\0' ? why.text : err_text(e));
	buf_clear(&line);
	return rc;
}

int
cli_user_hash(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0},
	};
	struct cli_passphrase p = {.fd = -1};
	enum err e = ERR_OK;
	int c, rc;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		e = c == 'p'   ? cli_passphrase_file(&p, optarg)
		    : c == 'd' ? cli_passphrase_fd(&p, optarg)
			       : ERR_USAGE;
	if (e != ERR_OK || optind == argc)
		rc = cli_usage(cli);
	else
		rc = hash(cli, &p, argc - optind, argv + optind);
	cli_passphrase_clear(&p);
	return rc;
}
