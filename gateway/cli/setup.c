/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate setup`: from nothing to a configuration that is right, a master key
 * and, where they are wanted, a CA and keys of the domains. What options do not
 * say is found on this machine or asked for at the terminal. Nothing that is
 * there is ever overwritten, and nothing is written before the whole is known
 * to be good. The configuration is written last: as long as it is not there
 * the command can be run again, and goes on where it was interrupted.
 */
#include "gateway/cli/setup.h"

#include <dirent.h>
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
	O_RUNTIME,
	O_USERS,
	O_SIGN,
	O_DOMAIN_KEYS,
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
    {"runtime", required_argument, NULL, O_RUNTIME},
    {"users", required_argument, NULL, O_USERS},
    {"sign", no_argument, NULL, O_SIGN},
    {"domain-keys", no_argument, NULL, O_DOMAIN_KEYS},
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
	case O_RUNTIME:
		return s->runtime;
	case O_USERS:
		return s->users;
	case O_DOMAIN:
	case O_SIGN:
	case O_DOMAIN_KEYS:
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
	else if (option == O_DOMAIN_KEYS)
		w->s.domain_keys = true;
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

/* Nothing but yes is one. */
static enum err
ask_yes(const char *question, bool *out)
{
	char answer[SETUP_VALUE] = "";
	enum err e = ERR_OK;

	if (*out)
		return ERR_OK;
	do {
		answer[0] = '\0';
		e = ask(question, "no", answer);
	} while (e == ERR_OK && answer[0] != '\0' &&
		 strcmp(answer, "yes") != 0 && strcmp(answer, "no") != 0);
	if (e == ERR_OK)
		*out = strcmp(answer, "yes") == 0;
	return e;
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
	if (e == ERR_OK)
		e = ask_yes("Sign what leaves, with certificates of a CA that "
			    "is made here, yes or no",
		    &s->sign);
	if (e == ERR_OK)
		e = ask_yes("Make keys of your domains, for partners whose "
			    "gateway seals to all of you, yes or no",
		    &s->domain_keys);
	return e;
}

static void
set_default(char *to, const char *value)
{
	if (to[0] == '\0')
		snprintf(to, SETUP_VALUE, "%s", value);
}

/* Where an ordinary user may write: beside the configuration. */
static void
set_beside(char *to, const char *conf, const char *name)
{
	const char *slash = strrchr(conf, '/');
	char dir[PATH_SIZE], cwd[PATH_SIZE] = "";
	int len = slash == NULL ? 0 : (int)(slash - conf);

	if (to[0] != '\0')
		return;
	while (strncmp(conf, "./", 2) == 0 && len > 0) {
		conf += 2;
		len = len > 2 ? len - 2 : 0;
	}
	if (conf[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return;
	if (snprintf(dir, sizeof(dir), "%s%s%.*s/%s", cwd,
		conf[0] == '/' || len == 0 ? "" : "/", len, conf,
		name) < SETUP_VALUE)
		set(to, dir);
}

/* What nobody says is so; before anything is asked. */
static void
fill_in(struct wish *w, const char *conf)
{
	struct setup *s = &w->s;

	setup_find(s, w->etc);
	set_default(s->mail_server, "127.0.0.1:25");
	set_default(s->listen, "127.0.0.1:10025");
	set_default(s->next_hop, "mx");
	if (geteuid() == 0) {
		set_default(s->state, "/var/lib/sealgate");
		set_default(s->users, "sealgate");
	} else {
		set_beside(s->state, conf, "state");
		set_beside(s->runtime, conf, "run");
	}
}

static enum err
complete(struct wish *w, const char *conf)
{
	struct setup *s = &w->s;
	enum err e = ERR_OK;

	fill_in(w, conf);
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
		state_check(*out, false, &f);
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

/* Names that a write which was interrupted leaves (common/file.c): the second
   name of a master key must not stay. */
static void
sweep(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, ".tmp.", 5) == 0 &&
		    strlen(e->d_name) == 5 + 16 &&
		    strspn(e->d_name + 5, "0123456789abcdef") == 16)
			unlinkat(dir, e->d_name, 0);
	closedir(d);
}

static const char *
name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Keys first: a configuration without them would look finished. */
static enum err
write_all(struct cli *cli, const struct setup *s, const struct conf *conf,
    const struct buf *text)
{
	struct err_why why = {""};
	struct stat st;
	bool had = stat(conf->master_key, &st) == 0, said = false;
	int fd = -1, dir = -1;
	enum err e = open_above(cli->conf_path, &dir);

	if (e == ERR_OK) {
		sweep(dir);
		e = state_master_key(conf, &fd, &why);
	}
	if (e == ERR_OK && (s->sign || s->domain_keys)) {
		e = setup_keys(cli, s, conf, fd, dir);
		said = e != ERR_OK;
	}
	if (e == ERR_OK)
		e = file_create_synced(
		    dir, name_of(cli->conf_path), buf_span(text), 0644, false);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	if (e != ERR_OK) {
		if (!said)
			cli_say("%s: %s", cli->conf_path,
			    why.text[0] != '\0' ? why.text : err_text(e));
		cli_say("run this again when that is mended: it goes on where "
			"it was");
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
	/* what the verbs that setup_keys() calls go by */
	cli->conf = conf;
	if (e == ERR_OK && w->dry_run)
		printf("%.*s", (int)text.len, (const char *)text.data);
	else if (e == ERR_OK)
		e = write_all(cli, &w->s, conf, &text);
	else
		cli_say("nothing was written");
	if (e == ERR_OK && !w->dry_run) {
		if (w->s.server != SETUP_OTHER)
			printf("The mail server of this machine is %s.\n",
			    setup_server_name(w->s.server));
		setup_next_steps(&w->s, cli->conf_path, stdout);
	}
	cli->conf = NULL;
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
	e = complete(&w, cli->conf_path);
	if (e == ERR_OK)
		e = make(cli, &w);
	return e == ERR_USAGE ? CLI_USAGE : cli_status(e);
}
