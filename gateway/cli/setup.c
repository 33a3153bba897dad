/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate setup`: from nothing to a configuration that is right and a master
 * key. What options do not say is found on this machine or asked for at the
 * terminal. Nothing that is there is ever overwritten, and nothing is written
 * before the whole is known to be good.
 */
#include "gateway/cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/cli/cli.h"
#include "gateway/conf.h"
#include "gateway/proof.h"
#include "gateway/state.h"

enum { TEXT_MAX = 64 * 1024, PATH_SIZE = 1024 };

struct wish {
	struct setup s;
	const char *etc;
	bool dry_run;
	bool no_portal; /* it was said, so nobody is asked */
};

/* Can it stand in quotes, as one word? */
static bool
set(char *to, const char *value)
{
	size_t len = strlen(value);

	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' ||
		    value[i] == '\\')
			return false;
	if (len == 0 || len >= SETUP_VALUE)
		return false;
	memcpy(to, value, len + 1);
	return true;
}

static bool
add_domain(struct setup *s, const char *value)
{
	return s->n_domain < SETUP_DOMAINS &&
	       set(s->domain[s->n_domain], value) && ++s->n_domain > 0;
}

/* --- options */

enum setup_option {
	O_HOSTNAME = 256,
	O_DOMAIN,
	O_MAIL_SERVER,
	O_LISTEN,
	O_NEXT_HOP,
	O_INBOUND,
	O_TLS_CERT,
	O_TLS_KEY,
	O_PORTAL,
	O_PORTAL_ADDRESS,
	O_PORTAL_CERT,
	O_PORTAL_KEY,
	O_STATE,
	O_USERS,
	O_SIGN,
	O_ETC,
	O_DRY_RUN,
};

static const struct option options[] = {
    {"hostname", required_argument, NULL, O_HOSTNAME},
    {"domain", required_argument, NULL, O_DOMAIN},
    {"mail-server", required_argument, NULL, O_MAIL_SERVER},
    {"listen", required_argument, NULL, O_LISTEN},
    {"next-hop", required_argument, NULL, O_NEXT_HOP},
    {"inbound", required_argument, NULL, O_INBOUND},
    {"tls-cert", required_argument, NULL, O_TLS_CERT},
    {"tls-key", required_argument, NULL, O_TLS_KEY},
    {"portal", required_argument, NULL, O_PORTAL},
    {"portal-address", required_argument, NULL, O_PORTAL_ADDRESS},
    {"portal-cert", required_argument, NULL, O_PORTAL_CERT},
    {"portal-key", required_argument, NULL, O_PORTAL_KEY},
    {"state", required_argument, NULL, O_STATE},
    {"users", required_argument, NULL, O_USERS},
    {"sign", no_argument, NULL, O_SIGN},
    {"etc", required_argument, NULL, O_ETC},
    {"dry-run", no_argument, NULL, O_DRY_RUN},
    {NULL, 0, NULL, 0},
};

/* Where an option's value goes; NULL: it has none, or is no text. */
static char *
place(struct setup *s, int option)
{
	switch ((enum setup_option)option) {
	case O_HOSTNAME:
		return s->hostname;
	case O_MAIL_SERVER:
		return s->mail_server;
	case O_LISTEN:
		return s->listen;
	case O_NEXT_HOP:
		return s->next_hop;
	case O_INBOUND:
		return s->inbound;
	case O_TLS_CERT:
		return s->tls_cert;
	case O_TLS_KEY:
		return s->tls_key;
	case O_PORTAL:
		return s->portal;
	case O_PORTAL_ADDRESS:
		return s->portal_address;
	case O_PORTAL_CERT:
		return s->portal_cert;
	case O_PORTAL_KEY:
		return s->portal_key;
	case O_STATE:
		return s->state;
	case O_USERS:
		return s->users;
	case O_DOMAIN:
	case O_SIGN:
	case O_ETC:
	case O_DRY_RUN:
		break;
	}
	return NULL;
}

static bool
take_option(struct wish *w, int option, const char *value)
{
	char *to = place(&w->s, option);

	if (option == O_SIGN)
		w->s.sign = true;
	else if (option == O_DRY_RUN)
		w->dry_run = true;
	else if (option == O_ETC)
		w->etc = value;
	else if (option == O_DOMAIN)
		return add_domain(&w->s, value);
	else if (option == O_PORTAL && strcmp(value, "none") == 0)
		w->no_portal = true;
	else
		return to != NULL && set(to, value);
	return true;
}

static enum err
read_options(struct wish *w, int argc, char **argv)
{
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (c == '?')
			return ERR_USAGE;
		if (!take_option(w, c, optarg)) {
			cli_say("--%s: expected one word without quotes, not "
				"\"%s\"%s",
			    options[index].name, optarg,
			    c == O_DOMAIN ? ", 16 times at most" : "");
			return ERR_USAGE;
		}
	}
	return optind == argc ? ERR_OK : ERR_USAGE;
}

/* --- questions */

/* Ask until the answer can be used; an empty one takes what is there. */
static enum err
ask(const char *question, const char *hint, char *to)
{
	char line[SETUP_VALUE + 2];

	for (;;) {
		fprintf(stderr, "%s%s%s%s: ", question,
		    to[0] == '\0' && hint[0] == '\0' ? "" : " [",
		    to[0] == '\0' ? hint : to,
		    to[0] == '\0' && hint[0] == '\0' ? "" : "]");
		if (fgets(line, sizeof(line), stdin) == NULL)
			return ERR_CLOSED;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' && (to[0] != '\0' || hint[0] != '\0'))
			return ERR_OK;
		if (set(to, line))
			return ERR_OK;
		fputs("One word, without quotes.\n", stderr);
	}
}

static enum err
ask_all(struct wish *w)
{
	struct setup *s = &w->s;
	enum err e;

	fputs("An empty answer takes what stands in brackets.\n", stderr);
	e = ask("Name of this gateway in the DNS", "", s->hostname);
	if (e == ERR_OK)
		e = ask("Your mail domain (more of them with --domain)", "",
		    s->domain[0]);
	if (e == ERR_OK && s->n_domain == 0)
		s->n_domain = 1;
	if (e == ERR_OK)
		e = ask("Your mail server, HOST:PORT", "", s->mail_server);
	if (e == ERR_OK)
		e = ask("Where it hands mail in, ADDRESS:PORT", "", s->listen);
	if (e == ERR_OK)
		e = ask("Where mail goes, mx or HOST:PORT", "", s->next_hop);
	if (e == ERR_OK && s->inbound[0] == '\0')
		e = ask("Where mail from outside comes in, ADDRESS:PORT",
		    "not here", s->inbound);
	if (e == ERR_OK && s->portal[0] == '\0' && !w->no_portal)
		e = ask("Where recipients without keys pick mail up, "
			"https://HOST",
		    "nowhere: such mail is held", s->portal);
	return e;
}

static void
set_default(char *to, const char *value)
{
	if (to[0] == '\0')
		snprintf(to, SETUP_VALUE, "%s", value);
}

/* What nobody says is so; before anything is asked. */
static void
fill_in(struct wish *w)
{
	struct setup *s = &w->s;

	setup_find(s, w->etc);
	set_default(s->mail_server, "127.0.0.1:25");
	set_default(s->listen, "127.0.0.1:10025");
	set_default(s->next_hop, "mx");
	set_default(s->state, "/var/lib/sealgate");
	if (geteuid() == 0)
		set_default(s->users, "sealgate");
}

static enum err
complete(struct wish *w)
{
	struct setup *s = &w->s;
	enum err e = ERR_OK;

	fill_in(w);
	if (isatty(STDIN_FILENO))
		e = ask_all(w);
	if (e == ERR_OK && (s->hostname[0] == '\0' || s->n_domain == 0)) {
		cli_say(
		    "--hostname and --domain are needed: they are not to be "
		    "found on this machine");
		e = ERR_USAGE;
	}
	set_default(s->portal_address,
	    s->portal_cert[0] != '\0' ? "0.0.0.0:443" : "127.0.0.1:8443");
	return e;
}

/* --- files */

/* The configuration as sealgated would read it; what is wrong is said. */
static enum err
check(struct cli *cli, const struct buf *text, struct conf **out)
{
	struct conf_findings f;
	char line[PATH_SIZE];
	size_t tests;
	enum err e;

	conf_findings_init(&f);
	e = conf_parse(buf_span(text), cli->conf_path, &f, out);
	if (e == ERR_OK) {
		state_check(*out, &f);
		proof_run_tests(*out, &f, &tests);
	}
	if (e == ERR_OK && f.n_errors > 0)
		e = ERR_CONFIG;
	for (size_t i = 0; i < f.n; i++)
		cli_say("%s", conf_finding_text(&f, i, line, sizeof(line)));
	conf_findings_clear(&f);
	return e;
}

/* The directory of the configuration, made if it is not there. */
static enum err
open_above(const char *path, int *out)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_SIZE];

	snprintf(dir, sizeof(dir), "%.*s",
	    slash == NULL ? 1 : (int)(slash - path + 1),
	    slash == NULL ? "." : path);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return err_from_errno(errno);
	*out = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? err_from_errno(errno) : ERR_OK;
}

/* The master key first: a configuration without it would look finished. */
static enum err
write_all(
    const struct cli *cli, const struct conf *conf, const struct buf *text)
{
	struct err_why why = {""};
	struct stat st;
	const char *slash = strrchr(cli->conf_path, '/');
	bool had = stat(conf->master_key, &st) == 0;
	int fd = -1, dir = -1;
	enum err e = open_above(cli->conf_path, &dir);

	if (e == ERR_OK)
		e = state_master_key(conf, &fd, &why);
	if (e == ERR_OK)
		e = file_create_synced(dir,
		    slash == NULL ? cli->conf_path : slash + 1, buf_span(text),
		    0644, false);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	if (e != ERR_OK) {
		cli_say("%s: %s", cli->conf_path,
		    why.text[0] != '\0' ? why.text : err_text(e));
		return e;
	}
	printf("%s is the configuration.\n", cli->conf_path);
	if (had)
		printf("%s is the master key, as it was.\n", conf->master_key);
	else
		printf("%s is the master key. COPY IT OFF THIS MACHINE NOW: "
		       "without it nobody\ncan read what the gateway keeps, "
		       "backups included.\n",
		    conf->master_key);
	return e;
}

static enum err
make(struct cli *cli, const struct wish *w)
{
	struct conf *conf = NULL;
	struct buf text;
	enum err e;

	buf_init(&text, TEXT_MAX);
	e = setup_text(&w->s, &text);
	if (e == ERR_OK)
		e = check(cli, &text, &conf);
	if (e == ERR_OK && w->dry_run)
		printf("%.*s", (int)text.len, (const char *)text.data);
	else if (e == ERR_OK)
		e = write_all(cli, conf, &text);
	else
		cli_say("nothing was written");
	if (e == ERR_OK && !w->dry_run) {
		if (w->s.server != SETUP_OTHER)
			printf("The mail server of this machine is %s.\n",
			    setup_server_name(w->s.server));
		setup_next_steps(&w->s, cli->conf_path, stdout);
	}
	conf_free(conf);
	buf_clear(&text);
	return e;
}

int
cli_setup(struct cli *cli, int argc, char **argv)
{
	struct wish w = {.etc = "/etc"};
	struct stat st;
	enum err e;

	/* what a daemon would log is said here */
	log_init("setup", 0, LOG_LVL_ERR, false);
	e = read_options(&w, argc, argv);
	if (e == ERR_USAGE)
		return cli_usage(cli);
	if (!w.dry_run && lstat(cli->conf_path, &st) == 0) {
		cli_say("%s is there already, and stays as it is: sealgated -n "
			"checks it, -f FILE sets up another one",
		    cli->conf_path);
		return CLI_NO;
	}
	e = complete(&w);
	if (e == ERR_OK)
		e = make(cli, &w);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}
