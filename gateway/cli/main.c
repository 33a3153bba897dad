/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate`: global options, then one of the verbs of verbs.c.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/secret.h"
#include "gateway/certs.h"
#include "gateway/cli/cli.h"
#include "gateway/conf.h"

static void
print_help(void)
{
	puts("usage: sealgate [-f FILE] [--json] VERB [ARGUMENT...]\n");
	for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
		printf("  sealgate %s%s%s %s\n      %s\n",
		    v->noun == NULL ? "" : v->noun, v->noun == NULL ? "" : " ",
		    v->name, v->args, v->help);
	}
	puts(
	    "\n-f FILE      configuration (else SEALGATE_CONF, else " SYSCONFDIR
	    "/sealgate/sealgate.conf)\n"
	    "--json       machine-readable output\n"
	    "Exit status: 0 done, 1 no, 2 wrong usage, 3 could not.");
}

/* Global options may stand anywhere before "--". They are taken out; what is
   left is counted. -1: an option without its value. */
static int
take_globals(struct cli *cli, int argc, char **argv, bool *help)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			while (i < argc)
				argv[n++] = argv[i++];
		} else if (strcmp(argv[i], "--json") == 0) {
			cli->json = true;
		} else if (strcmp(argv[i], "--help") == 0 ||
			   strcmp(argv[i], "-h") == 0) {
			*help = true;
		} else if (strcmp(argv[i], "-f") != 0) {
			argv[n++] = argv[i];
		} else if (++i < argc) {
			cli->conf_path = argv[i];
		} else {
			return -1;
		}
	}
	return n;
}

/* The row of the verb and how many words it has. */
static const struct cli_verb *
find_verb(int argc, char **argv, int *words)
{
	for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
		*words = v->noun == NULL ? 1 : 2;
		if (argc < *words ||
		    (v->noun != NULL && strcmp(v->noun, argv[0]) != 0))
			continue;
		if (strcmp(v->name, argv[*words - 1]) == 0)
			return v;
	}
	return NULL;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	int words = 0;

	cli->verb = find_verb(argc, argv, &words);
	if (cli->verb == NULL) {
		cli_say(argc == 0 ? "a verb is missing, see sealgate --help"
				  : "unknown verb, see sealgate --help");
		return CLI_USAGE;
	}
	return cli->verb->run(cli, argc - words + 1, argv + words - 1);
}

/* Keys and messages pass through this process. */
static void
no_core_dumps(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char **argv)
{
	struct cli cli = {
	    .conf_path = getenv("SEALGATE_CONF"), .uid = getuid()};
	bool help = false;
	int n, status;

	no_core_dumps();
	secret_init();
	setlocale(LC_CTYPE, "");
	if (cli.conf_path == NULL)
		cli.conf_path = SYSCONFDIR "/sealgate/sealgate.conf";
	n = take_globals(&cli, argc - 1, argv + 1, &help);
	if (n < 0) {
		cli_say("-f needs a file");
		return CLI_USAGE;
	}
	if (help) {
		print_help();
		return CLI_DONE;
	}
	status = run(&cli, n, argv + 1);
	certs_free(cli.certs);
	conf_free(cli.conf);
	if (fflush(stdout) != 0) {
		cli_say("cannot write the output");
		return CLI_FAILED;
	}
	return status;
}
