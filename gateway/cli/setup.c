/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate setup`: from nothing to a configuration that is right, a master key
 * and, where they are wanted, a CA, keys of the domains and what a portal in a
 * DMZ needs; or, with --role portal, to the configuration of that portal. What
 * options do not say is found on this machine or asked for at the terminal.
 * Nothing that is there is ever overwritten, and nothing is written before the
 * whole is known to be good. The configuration is written last: as long as it
 * is not there the command can be run again, and goes on where it was
 * interrupted.
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

enum { PATH_SIZE = 1024 };

struct wish {
	struct setup s;
	const char *etc;
	bool dry_run;
	bool no_portal; /* it was said, so nobody is asked */
};

static bool
add_domain(struct setup *s, const char *value)
{
	return s->n_domain < SETUP_DOMAINS &&
	       setup_set(s->domain[s->n_domain], value) && ++s->n_domain > 0;
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
	O_PORTAL_DMZ,
	O_PEER,
	O_ROLE,
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
    {"portal-dmz", required_argument, NULL, O_PORTAL_DMZ},
    {"peer", required_argument, NULL, O_PEER},
    {"role", required_argument, NULL, O_ROLE},
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
	case O_PORTAL_DMZ:
		return s->dmz;
	case O_PEER:
		return s->peer;
	case O_STATE:
		return s->state;
	case O_RUNTIME:
		return s->runtime;
	case O_USERS:
		return s->users;
	case O_DOMAIN:
	case O_ROLE:
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
	else if (option == O_ROLE)
		return w->s.alone = strcmp(value, "portal") == 0;
	else
		return to != NULL && setup_set(to, value);
	return true;
}

/* What only one of the two machines has is a mistake on the other. */
static enum err
check_together(const struct setup *s)
{
	bool mail = s->n_domain > 0 || s->mail_server[0] != '\0' ||
		    s->listen[0] != '\0' || s->next_hop[0] != '\0' ||
		    s->inbound[0] != '\0' || s->tls_cert[0] != '\0' ||
		    s->tls_key[0] != '\0' || s->runtime[0] != '\0' || s->sign ||
		    s->domain_keys;
	bool page = s->portal_address[0] != '\0' || s->portal_cert[0] != '\0' ||
		    s->portal_key[0] != '\0';

	if (s->alone && mail)
		cli_say("--role portal: no mail passes there, expected no "
			"option but --portal..., --peer, --hostname, --state, "
			"--users and --dry-run");
	else if (!s->alone && s->peer[0] != '\0' && s->dmz[0] == '\0')
		cli_say("--peer: expected --portal-dmz beside it");
	else if (!s->alone && s->peer[0] != '\0' && page)
		cli_say("--peer: the portal has been set up on its machine, "
			"expected --portal-address, --portal-cert and "
			"--portal-key there");
	else
		return ERR_OK;
	return ERR_USAGE;
}

static enum err
read_options(struct wish *w, int argc, char **argv)
{
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (c == '?')
			return ERR_USAGE;
		if (!take_option(w, c, optarg)) {
			cli_say("--%s: expected %s, not \"%s\"%s",
			    options[index].name,
			    c == O_ROLE ? "portal" : "one word without quotes",
			    optarg, c == O_DOMAIN ? ", 16 times at most" : "");
			return ERR_USAGE;
		}
	}
	return optind == argc ? check_together(&w->s) : ERR_USAGE;
}

/* --- what nobody says */

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
		setup_set(to, dir);
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
		set_default(s->users, SETUP_USERS);
	} else {
		set_beside(s->state, conf, "state");
		set_beside(s->runtime, conf, "run");
	}
}

/* The portal of another machine: it has no mail to be found or asked about. */
static void
fill_in_portal(struct setup *s, const char *conf)
{
	if (geteuid() == 0) {
		set_default(s->state, SETUP_PORTAL_STATE);
		set_default(s->users, SETUP_USERS);
	} else {
		set_beside(s->state, conf, "state");
	}
}

static enum err
check_said(const struct setup *s)
{
	if (s->alone && (s->portal[0] == '\0' || s->dmz[0] == '\0'))
		cli_say("--portal and --portal-dmz are needed: what readers go "
			"to, and where the gateway is waited for");
	else if (!s->alone && (s->hostname[0] == '\0' || s->n_domain == 0))
		cli_say(
		    "--hostname and --domain are needed: they are not to be "
		    "found on this machine");
	else if (s->dmz[0] != '\0' && s->portal[0] == '\0')
		cli_say("--portal is needed beside --portal-dmz: what readers "
			"go to");
	else
		return ERR_OK;
	return ERR_USAGE;
}

static enum err
complete(struct wish *w, const char *conf)
{
	struct setup *s = &w->s;
	enum err e = ERR_OK;

	if (s->alone)
		fill_in_portal(s, conf);
	else
		fill_in(w, conf);
	if (isatty(STDIN_FILENO))
		e = setup_ask(s, w->no_portal);
	if (e == ERR_OK)
		e = check_said(s);
	if (e != ERR_OK)
		return e;
	if (s->alone && s->hostname[0] == '\0')
		setup_url_name(s->portal, s->hostname);
	set_default(s->portal_address,
	    s->portal_cert[0] != '\0' ? "0.0.0.0:443" : "127.0.0.1:8443");
	set_beside(s->link_cert, conf, SETUP_LINK_CERT);
	set_beside(s->link_key, conf, SETUP_LINK_KEY);
	return ERR_OK;
}

/* --- files */

/* Before they are written the certificates of the link cannot be looked at. */
static void
check_state(struct conf *c, bool link_there, struct conf_findings *f)
{
	struct conf_dmz *link =
	    c->portal_gateway.present ? &c->portal_gateway : &c->portal_dmz;
	const char *cert = link->tls_cert;

	if (!link_there)
		link->tls_cert = NULL;
	state_check(c, false, f);
	link->tls_cert = cert;
}

/* The configuration as sealgated would read it; what is wrong is said. */
static enum err
check(
    struct cli *cli, const struct buf *text, bool link_there, struct conf **out)
{
	struct conf_findings f;
	char line[PATH_SIZE];
	size_t tests;
	enum err e;

	conf_findings_init(&f);
	e = conf_parse(buf_span(text), cli->conf_path, &f, out);
	if (e == ERR_OK) {
		check_state(*out, link_there, &f);
		if (!(*out)->portal_gateway.present)
			proof_run_tests(*out, &f, &tests);
	}
	if (e == ERR_OK && f.n_errors > 0)
		e = ERR_CONFIG;
	/* what is no error was said the first time */
	for (size_t i = 0; i < f.n && (e != ERR_OK || !link_there); i++)
		cli_say("%s", conf_finding_text(&f, i, line, sizeof(line)));
	conf_findings_clear(&f);
	return e;
}

/* The directory of a path, with its slash. */
static void
dir_of(const char *path, char out[PATH_SIZE])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, PATH_SIZE, "%.*s",
	    slash == NULL ? 2 : (int)(slash - path + 1),
	    slash == NULL ? "./" : path);
}

/* The directory of the configuration, made if it is not there. */
static enum err
open_above(const char *path, int *out)
{
	char dir[PATH_SIZE];

	dir_of(path, dir);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return err_from_errno(errno);
	*out = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? err_from_errno(errno) : ERR_OK;
}

/* Names that a write which was interrupted leaves (common/file.c): the second
   name of a master key must not stay. */
void
setup_sweep(int dir)
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

/* Master key and what is sealed with it; *said when what is wrong was. */
static enum err
write_keys(struct cli *cli, const struct setup *s, const struct conf *conf,
    int dir, struct err_why *why, bool *said)
{
	int fd = -1;
	enum err e = state_master_key(conf, &fd, why);

	if (e == ERR_OK && (s->sign || s->domain_keys)) {
		e = setup_keys(cli, s, conf, fd, dir);
		*said = e != ERR_OK;
	}
	if (fd >= 0)
		close(fd);
	return e;
}

/* Is it right now that all its files are there? */
static enum err
check_again(struct cli *cli, const struct buf *text, bool *said)
{
	struct conf *conf = NULL;
	enum err e = check(cli, text, true, &conf);

	conf_free(conf);
	*said = e != ERR_OK;
	return e;
}

/* A portal that has not been told of its gateway yet gets no configuration. */
static bool
knows_all(const struct setup *s)
{
	return !s->alone || s->peer[0] != '\0';
}

/* Keys first: a configuration without them would look finished. */
static enum err
write_all(struct cli *cli, const struct setup *s, const struct conf *conf,
    const struct buf *text, const struct setup_link *link)
{
	struct err_why why = {""};
	bool said = false;
	int dir = -1;
	enum err e = open_above(cli->conf_path, &dir);

	if (e == ERR_OK) {
		setup_sweep(dir);
		e = setup_link_write(dir, link, conf, &why);
	}
	if (e == ERR_OK && !s->alone)
		e = write_keys(cli, s, conf, dir, &why, &said);
	if (e == ERR_OK && link->present)
		e = check_again(cli, text, &said);
	if (e == ERR_OK && knows_all(s))
		e = file_create_synced(
		    dir, name_of(cli->conf_path), buf_span(text), 0644, false);
	if (dir >= 0)
		close(dir);
	if (e == ERR_OK)
		return e;
	if (!said)
		cli_say("%s: %s", cli->conf_path,
		    why.text[0] != '\0' ? why.text : err_text(e));
	cli_say("run this again when that is mended: it goes on where it was");
	return e;
}

static void
say_written(const struct setup *s, const struct conf *conf, const char *path,
    bool had_key)
{
	if (knows_all(s))
		printf("%s is the configuration.\n", path);
	if (s->alone)
		return;
	if (had_key)
		printf("%s is the master key, as it was.\n", conf->master_key);
	else
		printf("%s is the master key. COPY IT OFF THIS MACHINE NOW: "
		       "without it nobody\ncan read what the gateway keeps, "
		       "backups included.\n",
		    conf->master_key);
	if (s->server != SETUP_OTHER)
		printf("The mail server of this machine is %s.\n",
		    setup_server_name(s->server));
}

/* Its text, and what it says. */
static enum err
make_text(struct cli *cli, struct setup *s, struct setup_link *link,
    struct buf *text, struct conf **out)
{
	char dir[PATH_SIZE];
	struct setup whole;
	enum err e;

	dir_of(cli->conf_path, dir);
	e = setup_link_find(s, dir, link);
	whole = *s;
	/* a place for the one that is to be told */
	if (e == ERR_OK && s->alone && s->peer[0] == '\0')
		snprintf(whole.peer, sizeof(whole.peer), "%s", link->ours.fpr);
	if (e == ERR_OK)
		e = setup_text(&whole, text);
	return e == ERR_OK ? check(cli, text, false, out) : e;
}

static enum err
make(struct cli *cli, struct wish *w)
{
	struct conf *conf = NULL;
	struct setup_link link;
	struct stat st;
	struct buf text;
	bool had_key;
	enum err e;

	buf_init(&text, SETUP_TEXT_MAX);
	setup_link_init(&link);
	e = make_text(cli, &w->s, &link, &text, &conf);
	had_key = e == ERR_OK && conf->master_key != NULL &&
		  stat(conf->master_key, &st) == 0;
	/* what the verbs that setup_keys() calls go by */
	cli->conf = conf;
	if (e == ERR_OK && w->dry_run)
		printf("%.*s", (int)text.len, (const char *)text.data);
	else if (e == ERR_OK)
		e = write_all(cli, &w->s, conf, &text, &link);
	else
		cli_say("nothing was written");
	if (e == ERR_OK && !w->dry_run) {
		say_written(&w->s, conf, cli->conf_path, had_key);
		setup_next_steps(&w->s, &link, cli->conf_path, stdout);
	}
	cli->conf = NULL;
	conf_free(conf);
	setup_link_clear(&link);
	buf_clear(&text);
	return e;
}

int
cli_setup(struct cli *cli, int argc, char **argv)
{
	struct wish w = {.etc = "/etc"};
	struct stat st;
	enum err e;

	/* the services read what is written here as other users: the modes are
	   those given with each file, also under an umask of 077 */
	umask(022);
	/* what a daemon would log is said here */
	log_init("setup", 0, LOG_LVL_ERR, false);
	e = read_options(&w, argc, argv);
	if (e == ERR_USAGE)
		return cli_usage(cli);
	/* its unit reads another one */
	if (w.s.alone && strcmp(cli->conf_path, SETUP_CONF) == 0)
		cli->conf_path = SETUP_DIR SETUP_PORTAL_CONF;
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
