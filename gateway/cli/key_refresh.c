/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate key refresh`: let the gateway ask its sources again, for addresses
 * that are named or for those of keys that sources have brought.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"

enum { MEMORY = 512 << 20 };

struct refresh {
	struct cli *cli;
	struct key_filter filter;
	struct arena *arena;
	const char **addrs;
	size_t n, cap;
	json_t *json;
	FILE *out; /* of the process that reads the keystore */
};

static enum err
add(struct refresh *r, const char *addr)
{
	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? 256 : 2 * r->cap;
		const char **more = realloc(r->addrs, cap * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		r->addrs = more;
		r->cap = cap;
	}
	r->addrs[r->n++] = addr;
	return ERR_OK;
}

/* One question brings all keys of an address: they go out line by line. */
static enum err
collect(void *ctx, const struct ks_record *rec)
{
	const struct refresh *r = ctx;

	if (rec->source <= KS_SOURCE_CA || rec->source == KS_SOURCE_HARVEST ||
	    !key_filter_fits(&r->filter, rec))
		return ERR_OK;
	for (size_t i = 0; i < rec->n_addrs; i++)
		if (fwrite(rec->addrs[i].data, 1, rec->addrs[i].len, r->out) !=
			rec->addrs[i].len ||
		    putc('\n', r->out) == EOF)
			return ERR_IO;
	return ERR_OK;
}

static int
list_all(struct refresh *r, int fd)
{
	struct ks_store *s = NULL;
	enum err e = cli_keystore(r->cli, false, &s);

	r->out = fdopen(fd, "w");
	if (r->out == NULL)
		return CLI_FAILED;
	if (e == ERR_OK)
		e = ks_each(s, SPAN(NULL, 0), collect, r);
	if (fclose(r->out) != 0 && e == ERR_OK)
		e = ERR_IO;
	ks_close(s);
	return cli_status(e);
}

static enum err
read_list(struct refresh *r, int fd)
{
	FILE *in = fdopen(fd, "r");
	char line[KS_ADDR_MAX + 2];
	enum err e = in == NULL ? ERR_NOMEM : ERR_OK;

	while (e == ERR_OK && fgets(line, sizeof(line), in) != NULL) {
		char *addr;

		line[strcspn(line, "\n")] = '\0';
		addr = arena_strdup(r->arena, line);
		e = addr == NULL ? ERR_NOMEM : add(r, addr);
	}
	if (in != NULL)
		fclose(in);
	return e;
}

/* The keystore is read as its owner, the gateway is asked as who called: two
   processes. */
static int
find_all(struct refresh *r)
{
	int fds[2], status = 0;
	pid_t pid;
	enum err e;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return CLI_FAILED;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(list_all(r, fds[1]));
	}
	close(fds[1]);
	e = pid < 0 ? ERR_NOMEM : read_list(r, fds[0]);
	if (pid < 0)
		close(fds[0]);
	else
		(void)waitpid(pid, &status, 0);
	if (e != ERR_OK)
		return cli_status(e);
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
ask(struct refresh *r, const char *addr)
{
	json_t *answer = NULL;
	int status = cli_ask(r->cli,
	    json_pack("{s:s, s:o}", "verb", "key lookup", "address",
		cli_json_text(span_str(addr))),
	    &answer, NULL);
	size_t i;
	json_t *s;

	if (status != CLI_DONE)
		return status;
	if (r->json != NULL) {
		json_object_del(answer, "ok");
		json_array_append(r->json, answer);
		json_decref(answer);
		return CLI_DONE;
	}
	cli_put_text(span_str(addr));
	putchar(':');
	json_array_foreach(json_object_get(answer, "sources"), i, s)
	{
		printf("%s %s ", i == 0 ? "" : ",", cli_member(s, "source"));
		cli_put_text(span_str(cli_member(s, "answer")));
	}
	putchar('\n');
	json_decref(answer);
	return CLI_DONE;
}

static int
ask_all(struct refresh *r)
{
	int status = CLI_DONE;

	qsort(r->addrs, r->n, sizeof(*r->addrs), compare);
	for (size_t i = 0; i < r->n && status <= CLI_NO; i++)
		if (i == 0 || strcmp(r->addrs[i - 1], r->addrs[i]) != 0)
			status = key_worse(status, ask(r, r->addrs[i]));
	return status;
}

int
cli_key_refresh(struct cli *cli, int argc, char **argv)
{
	struct refresh r = {.cli = cli, .arena = arena_new(MEMORY)};
	int at = key_filter_read(&r.filter, argc, argv), status;
	enum err e = ERR_OK;

	if (r.filter.deleted)
		at = -1;
	for (int i = at; at > 0 && i < argc && e == ERR_OK; i++)
		e = add(&r, argv[i]);
	if (at < 0) {
		status = cli_usage(cli);
	} else {
		status = cli_status(e);
		if (status == CLI_DONE && r.n == 0)
			status = find_all(&r);
		r.json = cli->json ? json_array() : NULL;
		if (status == CLI_DONE)
			status = ask_all(&r);
		if (r.json != NULL)
			key_print_json(r.json);
	}
	key_filter_clear(&r.filter);
	free(r.addrs);
	arena_free(r.arena);
	return status;
}
