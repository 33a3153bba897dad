/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate queue salvage`: entries out of an environment that was moved
 * aside, back into the queue, held. What the audit log calls delivered is left
 * out. A child does the reading, as the user of store; who asks the gateway
 * reads nothing that strangers wrote.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/queue_private.h"
#include "gateway/conf.h"

/* Said with what was taken: the log is written once a second. */
static const char note[] =
    "what was delivered in the last second before the fault may not be in the "
    "audit log and may be here once more";

struct tally {
	json_int_t taken, present, done, refused;
	json_int_t told; /* senders, of what had failed */
};

static void
ask_one(struct cli *cli, const char *name, const struct cli_salvaged *word,
    struct tally *t)
{
	bool owed = word->kind == CLI_SALVAGED_OWED;
	json_t *answer = NULL, *bad = NULL;
	char text[TEXT_ID_SIZE];
	int status;

	text_id(word->n, text);
	status = cli_ask(cli,
	    json_pack("{s:s, s:s, s:s}", "verb",
		owed ? "queue-salvage-owed" : "queue-salvage", "id", text,
		"directory", name),
	    &answer, &bad);
	if (status == CLI_DONE) {
		t->taken += owed ? 0 : 1;
		t->told += owed ? 1 : 0;
	} else if (strcmp(cli_member(bad, "err"), err_name(ERR_EXISTS)) == 0) {
		t->present += owed ? 0 : 1;
	} else {
		t->refused++;
		cli_say("%s: %s", text, cli_member(bad, "text"));
	}
	json_decref(answer);
	json_decref(bad);
}

/* True when the child has told everything. */
static bool
ask_all(struct cli *cli, const char *name, int fd, struct tally *t)
{
	struct cli_salvaged word;

	while (recv(fd, &word, sizeof(word), MSG_WAITALL) ==
	       (ssize_t)sizeof(word)) {
		if (word.kind == CLI_SALVAGED_END) {
			t->done = (json_int_t)word.n;
			return true;
		}
		ask_one(cli, name, &word, t);
	}
	return false;
}

static void
put_tally(struct cli *cli, const char *name, const struct tally *t)
{
	if (cli->json) {
		cli_put_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}",
		    "directory", name, "taken", t->taken, "present", t->present,
		    "done", t->done, "refused", t->refused, "told", t->told,
		    "note", note));
		return;
	}
	printf("%s: %lld taken into the queue, held; %lld are there already, "
	       "%lld were delivered or deleted, %lld refused\n",
	    name, (long long)t->taken, (long long)t->present,
	    (long long)t->done, (long long)t->refused);
	if (t->told > 0)
		printf("Of %lld messages the sender is told now what had "
		       "failed.\n",
		    (long long)t->told);
	if (t->taken > 0)
		printf("Note: %s.\n", note);
}

static int
salvage(struct cli *cli, const struct conf *conf, const char *name)
{
	struct tally t = {0};
	bool whole;
	int fd[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) {
		cli_say("%s", strerror(errno));
		return CLI_FAILED;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		_exit(cli_salvage_child(cli, conf, name, fd[1]));
	}
	close(fd[1]);
	whole = pid > 0 && ask_all(cli, name, fd[0], &t);
	close(fd[0]);
	if (pid > 0 && waitpid(pid, &status, 0) != pid)
		whole = false;
	if (!whole || t.taken + t.present + t.done + t.refused + t.told > 0)
		put_tally(cli, name, &t);
	else if (!cli->json)
		printf("%s: nothing found\n", name);
	else
		put_tally(cli, name, &t);
	return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		       t.refused == 0
		   ? CLI_DONE
		   : CLI_FAILED;
}

/* A name as store gives it, and nothing that leads elsewhere. */
static bool
is_aside(const char *name)
{
	uint64_t when;

	return strncmp(name, "broken-", 7) == 0 &&
	       text_number(span_str(name + 7), 0, UINT64_MAX, &when) == ERR_OK;
}

/* All that were moved aside. */
static int
salvage_all(struct cli *cli, const struct conf *conf)
{
	DIR *d = opendir(conf->paths.spool);
	struct dirent *e;
	int status = CLI_NO, s;

	if (d == NULL) {
		cli_say("%s: %s", conf->paths.spool, strerror(errno));
		return CLI_FAILED;
	}
	while ((e = readdir(d)) != NULL) {
		if (!is_aside(e->d_name))
			continue;
		s = salvage(cli, conf, e->d_name);
		status = status == CLI_NO || s > status ? s : status;
	}
	closedir(d);
	if (status == CLI_NO)
		cli_say("nothing was moved aside");
	return status;
}

int
cli_queue_salvage(struct cli *cli, int argc, char **argv)
{
	const struct conf *conf;
	int status = CLI_DONE, s;

	if (cli_conf(cli, &conf) != ERR_OK)
		return CLI_FAILED;
	if (argc == 1)
		return salvage_all(cli, conf);
	for (int i = 1; i < argc; i++) {
		if (!is_aside(argv[i]))
			return cli_usage(cli);
		s = salvage(cli, conf, argv[i]);
		status = s > status ? s : status;
	}
	return status;
}
