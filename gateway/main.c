/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * sealgated(8): check the configuration, or run the gateway. The same program
 * is every process of it; which one, the supervisor says with --role.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/secret.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/proof.h"
#include "gateway/role.h"
#include "gateway/sandbox.h"
#include "gateway/state.h"
#include "gateway/supervisor.h"

enum { CHANNEL_FD = 3 };

static const struct {
	enum role_id id;
	int (*main)(struct role *r);
} roles[] = {
    {ROLE_KEYS, keys_main},
    {ROLE_STORE, store_main},
    {ROLE_PGP, pgp_main},
    {ROLE_DISCOVERY, discovery_main},
    {ROLE_WORKER, worker_main},
    {ROLE_OPENER, opener_main},
    {ROLE_ISSUER, issuer_main},
    {ROLE_ACCOUNTS, accounts_main},
    {ROLE_EXTRACT, extract_main},
    {ROLE_RELAY, relay_main},
    {ROLE_PORTAL, portal_main},
    {ROLE_CONTROL, control_main},
    {ROLE_LISTENER, listener_main},
    {ROLE_ADMISSION, admission_main},
};

#ifdef WITH_SANITIZERS
/* The leak checker traces its process, which the walls forbid; unit tests look
   for leaks. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int
run_role(const char *name, const char *index_text)
{
	uint64_t index;

	if (index_text == NULL ||
	    text_number(span_str(index_text), 0, 2 * LIMIT_WORKERS_MAX,
		&index) != ERR_OK ||
	    fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) == -1)
		return EX_USAGE;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct role *r;
		int rc;

		if (strcmp(role_name(roles[i].id), name) != 0)
			continue;
		r = role_boot(roles[i].id, (unsigned)index, CHANNEL_FD);
		rc = roles[i].main(r);
		role_free(r);
		return rc;
	}
	return EX_USAGE;
}

static void
print_findings(const struct conf_findings *f)
{
	char line[1024];

	for (size_t i = 0; i < f->n; i++)
		fprintf(stderr, "%s\n",
		    conf_finding_text(f, i, line, sizeof(line)));
	if (f->lost > 0)
		fprintf(stderr, "%s: and %zu more\n", f->file, f->lost);
}

/* The configuration, or NULL after saying what is wrong with it. */
static struct conf *
load(const char *path, bool check)
{
	struct conf_findings f;
	struct conf *c = NULL;
	size_t tests;

	conf_findings_init(&f);
	if (conf_load(path, &f, &c) == ERR_OK)
		state_check(c, !check, &f);
	if (check && c != NULL && !c->portal_gateway.present)
		proof_run_tests(c, &f, &tests);
	print_findings(&f);
	if (f.n_errors > 0) {
		conf_free(c);
		c = NULL;
	}
	conf_findings_clear(&f);
	return c;
}

static int
usage(FILE *out, int status)
{
	fputs("usage: sealgated [-nV] [-f FILE] [--role portal]\n"
	      "  -f FILE  the configuration; else SEALGATE_CONF, else\n"
	      "           " SYSCONFDIR "/sealgate/sealgate.conf\n"
	      "  --role portal\n"
	      "           be the portal of a gateway on another machine\n"
	      "  -n       check the configuration and exit\n"
	      "  -V       print the version\n",
	    out);
	return status;
}

/* Is the configuration that of what is to run? */
static bool
is_meant(const struct conf *c, bool portal)
{
	if (!portal || c->portal_gateway.present)
		return true;
	fprintf(stderr,
	    "%s: --role portal is for the portal of a gateway on another "
	    "machine: expected a section portal gateway\n",
	    c->file);
	return false;
}

static void
print_proof(const struct conf *c)
{
	if (c->portal_gateway.present)
		printf("portal of a gateway on another machine: no mail passes "
		       "here, and nothing here opens what is kept\n");
	else
		proof_print(c, stdout);
}

static int
run(const char *path, bool check, bool portal)
{
	struct conf *c;

	sandbox_limits();
	secret_init();
	c = load(path, check);
	if (c == NULL)
		return check ? 1 : EX_CONFIG;
	if (!is_meant(c, portal)) {
		conf_free(c);
		return EX_CONFIG;
	}
	if (!check)
		return supervisor_run(c);
	print_proof(c);
	conf_free(c);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"role", required_argument, NULL, 'R'},
	    {"index", required_argument, NULL, 'I'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	const char *path = getenv("SEALGATE_CONF");
	const char *role = NULL, *index = NULL;
	bool check = false;
	int opt;

	if (path == NULL || *path == '\0')
		path = SYSCONFDIR "/sealgate/sealgate.conf";
	while ((opt = getopt_long(argc, argv, "f:hnV", longs, NULL)) != -1) {
		switch (opt) {
		case 'f':
			path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'R':
			role = optarg;
			break;
		case 'I':
			index = optarg;
			break;
		case 'h':
			return usage(stdout, 0);
		case 'V':
			printf("sealgated %s\n", PACKAGE_VERSION);
			return 0;
		default:
			return usage(stderr, EX_USAGE);
		}
	}
	if (optind != argc)
		return usage(stderr, EX_USAGE);
	if (role != NULL && index != NULL)
		return run_role(role, index);
	/* by its own start: the supervisor says which of a role it is */
	if (role != NULL && strcmp(role, role_name(ROLE_PORTAL)) != 0)
		return usage(stderr, EX_USAGE);
	return run(path, check, role != NULL);
}
