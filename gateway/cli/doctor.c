/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator would look at one after the other, each with a word on
 * what to do. It changes nothing and sends no mail. The keystore comes last:
 * whoever reads it has given up root.
 */
#include "gateway/cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <unistd.h>

#include "common/file.h"
#include "crypto/cert.h"
#include "gateway/cli/ask.h"
#include "gateway/conf.h"
#include "gateway/sandbox.h"
#include "gateway/state.h"
#include "keystore/store.h"

enum { KEY_OCTETS = 32 };

void
doctor_say(struct doctor *d, enum doctor_level level, const char *what,
    const char *remedy, const char *fmt, ...)
{
	static const char *const words[] = {
	    [DOCTOR_BAD] = "bad", [DOCTOR_WARN] = "warn", [DOCTOR_OK] = "ok"};
	char text[DOCTOR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (d->up != -1) {
		doctor_pass(d->up, level, what, remedy, text);
		return;
	}
	if (level == DOCTOR_BAD)
		d->n_bad++;
	if (d->cli->json) {
		json_array_append_new(d->lines,
		    json_pack("{s:s, s:s, s:o, s:s?}", "level", words[level],
			"what", what, "text", cli_json_text(span_str(text)),
			"remedy", remedy));
		return;
	}
	printf("%-5s %-14s ", words[level], what);
	cli_put_text(span_str(text));
	putchar('\n');
	if (remedy != NULL)
		printf("%21s-> %s\n", "", remedy);
}

/* --- this machine */

static void
look_at_libraries(struct doctor *d)
{
	struct err_why why = {""};

	if (crypto_check_library(&why) == ERR_OK)
		doctor_say(d, DOCTOR_OK, "OpenSSL", NULL, "new enough");
	else
		doctor_say(d, DOCTOR_BAD, "OpenSSL",
		    "install the security updates of Debian (apt-get upgrade)",
		    "%s", why.text);
	/* a portal alone decrypts nothing */
	if (d->conf != NULL && d->conf->portal_gateway.present)
		return;
	if (access("/usr/bin/gpg", X_OK) == 0 &&
	    access("/usr/bin/gpg-agent", X_OK) == 0)
		doctor_say(d, DOCTOR_OK, "GnuPG", NULL, "there");
	else
		doctor_say(d, DOCTOR_BAD, "GnuPG",
		    "apt-get install gpg gpg-agent gpgconf gpgsm",
		    "gpg or gpg-agent is missing: no OpenPGP");
}

static void
look_at_machine(struct doctor *d)
{
	struct timex t = {.modes = 0};
	struct sysinfo machine;

	if (adjtimex(&t) == -1 || (t.status & STA_UNSYNC) != 0)
		doctor_say(d, DOCTOR_WARN, "clock",
		    "apt-get install chrony, or enable systemd-timesyncd",
		    "nothing keeps it right: certificates, expiry of mail and "
		    "the audit log go by it");
	else
		doctor_say(d, DOCTOR_OK, "clock", NULL, "synchronised");
	if (sysinfo(&machine) == 0 && machine.totalswap > 0)
		doctor_say(d, DOCTOR_WARN, "swap",
		    "swapoff -a and take it out of /etc/fstab, or encrypt it",
		    "content of messages may be written to it");
	else
		doctor_say(d, DOCTOR_OK, "swap", NULL, "none");
	if (sandbox_landlock_abi() == 0)
		doctor_say(d, DOCTOR_WARN, "kernel",
		    "boot with lsm=landlock,... (Debian's kernel has it)",
		    "no Landlock: users and seccomp are the only walls around "
		    "files");
	else
		doctor_say(d, DOCTOR_OK, "kernel", NULL, "has Landlock");
}

/* --- files */

static void
say_findings(struct doctor *d, const struct conf_findings *f)
{
	char line[DOCTOR_TEXT];

	for (size_t i = 0; i < f->n; i++)
		doctor_say(d,
		    f->list[i].level == CONF_ERROR ? DOCTOR_BAD : DOCTOR_WARN,
		    "configuration",
		    f->list[i].level == CONF_ERROR
			? "mend that, then: sealgate reload"
			: "nothing, where it is meant so",
		    "%s", conf_finding_text(f, i, line, sizeof(line)));
}

static void
look_at_findings(struct doctor *d)
{
	struct conf_findings f;

	conf_findings_init(&f);
	f.file = d->conf->file;
	state_check(d->conf, false, &f);
	say_findings(d, &f);
	if (f.n == 0)
		doctor_say(d, DOCTOR_OK, "configuration", NULL,
		    d->running.file_good
			? "%s is right, users and certificates are there"
			: "%s as it is in use: users and certificates are "
			  "there",
		    d->conf->file);
	conf_findings_clear(&f);
}

/* What is in the file, or else what is in use. */
static void
find_conf(struct doctor *d)
{
	if (!d->running.file_good)
		say_findings(d, &d->running.findings);
	if (!d->running.file_good && running_take_conf(d->cli, &d->running))
		doctor_say(d, DOCTOR_WARN, "configuration",
		    "the file takes effect once it is mended",
		    "what follows is of the configuration that is in use");
	d->conf = d->cli->conf;
	if (d->conf == NULL)
		doctor_say(d, DOCTOR_BAD, "configuration",
		    "sealgate check tells all of it, sealgate setup makes a "
		    "new one; of a portal in a DMZ: sealgate -f "
		    "/etc/sealgate/portal.conf doctor",
		    "without it only this machine was looked at");
}

/* Nobody but its owner writes what says who may send readable mail. */
static void
look_at_permissions(struct doctor *d)
{
	struct stat st;
	const char *const paths[] = {d->conf->file, d->conf->state};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (stat(paths[i], &st) == 0 && (st.st_mode & 022) != 0)
			doctor_say(d, DOCTOR_BAD, "permissions",
			    "take that from them: chmod go-w FILE",
			    "%s: mode %04o, others can change it", paths[i],
			    (unsigned)(st.st_mode & 07777));
		else if (i == 0)
			doctor_say(d, DOCTOR_OK, "permissions", NULL,
			    "nobody else can change %s", paths[i]);
}

/* A file that only its owner, and perhaps a group, has to do with. */
static void
look_at_secret(struct doctor *d, const char *path)
{
	struct stat st;

	if (path != NULL && path[0] == '/' && stat(path, &st) == 0 &&
	    (st.st_mode & 007) != 0)
		doctor_say(d, DOCTOR_BAD, "permissions",
		    "take it from them: chmod o= FILE",
		    "%s: mode %04o, everybody on this machine can have it",
		    path, (unsigned)(st.st_mode & 07777));
}

static void
look_at_secrets(struct doctor *d)
{
	const struct conf *c = d->conf;
	const struct conf_relay *r;

	for (size_t i = 0; i < c->n_listen; i++)
		look_at_secret(d, c->listen[i].tls_key);
	look_at_secret(d, c->portal.tls_key);
	look_at_secret(d, c->portal_dmz.tls_key);
	look_at_secret(d, c->portal_gateway.tls_key);
	look_at_secret(d, c->discovery.ldap.password_file);
	for (unsigned i = 0; (r = conf_relay_at(c, i)) != NULL; i++)
		look_at_secret(d, r->password_file);
}

static void
look_at_master_key(struct doctor *d)
{
	const char *path = d->conf->master_key;
	struct stat st;

	if (path == NULL)
		doctor_say(d, DOCTOR_OK, "master key", NULL,
		    "a credential of the service manager");
	else if (stat(path, &st) != 0)
		doctor_say(d, DOCTOR_BAD, "master key",
		    "bring it back from its copy; before the first start: "
		    "sealgate setup makes it",
		    "%s: %s", path, strerror(errno));
	else if ((st.st_mode & 077) != 0 || st.st_size != KEY_OCTETS)
		doctor_say(d, DOCTOR_BAD, "master key",
		    "chmod 0400; if its size is wrong bring it back from its "
		    "copy",
		    "%s: mode %04o, %lld octets; expected 0400 and %d", path,
		    (unsigned)(st.st_mode & 07777), (long long)st.st_size,
		    (int)KEY_OCTETS);
	else
		doctor_say(d, DOCTOR_OK, "master key", NULL,
		    "%s (is there a copy off this machine?)", path);
}

static void
look_at_state(struct doctor *d)
{
	const uint64_t reserve = d->conf->limits.free_space;
	uint64_t space = 0;
	int fd =
	    open(d->conf->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_PATH);
	enum err e;

	if (fd < 0) {
		doctor_say(d, DOCTOR_BAD, "state",
		    d->conf->portal_gateway.present
			? "start sealgate-portal once, which makes it"
			: "start sealgated once, which makes it",
		    "%s: %s", d->conf->state, strerror(errno));
		return;
	}
	e = file_space(fd, &space);
	close(fd);
	if (e != ERR_OK || space < reserve)
		doctor_say(d, DOCTOR_BAD, "disk",
		    "make room: below limits { free-space } nothing new is "
		    "taken",
		    "%s: %llu MiB free", d->conf->state,
		    (unsigned long long)(space >> 20));
	else
		doctor_say(d, space < 4 * reserve ? DOCTOR_WARN : DOCTOR_OK,
		    "disk",
		    space < 4 * reserve ? "make room before that happens"
					: NULL,
		    "%s: %llu MiB free, nothing new is taken below %llu",
		    d->conf->state, (unsigned long long)(space >> 20),
		    (unsigned long long)(reserve >> 20));
}

/* --- the gateway */

static void
look_at_gateway(struct doctor *d)
{
	const struct troubles *t = &d->running.troubles;
	bool bad = false;

	for (size_t i = 0; i < t->n; i++) {
		const struct trouble *x = &t->list[i];

		if (x->of_file)
			continue; /* told already, in full */
		bad |= x->level == TROUBLE_BAD;
		doctor_say(d,
		    x->level == TROUBLE_BAD ? DOCTOR_BAD : DOCTOR_WARN,
		    "gateway", x->remedy, "%s", x->text);
	}
	if (!bad)
		doctor_say(d, DOCTOR_OK, "gateway", NULL, "runs, %zu processes",
		    json_array_size(
			json_object_get(d->running.status, "processes")));
}

static void
look_at_keystore(struct doctor *d)
{
	struct ks_store *s = NULL;
	size_t n = 0;
	enum err e = cli_keystore(d->cli, false, &s);

	if (e == ERR_OK) {
		e = ks_count(s, &n);
		ks_close(s);
	}
	if (e != ERR_OK)
		doctor_say(d, DOCTOR_BAD, "keystore",
		    "start sealgated once, or run this as root; if it is "
		    "damaged: sealgate restore",
		    "%s: %s", d->conf->paths.keystore, err_text(e));
	else if (n == 0 && d->conf->discovery.n_source == 0)
		doctor_say(d, DOCTOR_WARN, "keystore",
		    "sealgate key import FILE, or discovery { sources }",
		    "no key in it, and nowhere to look for any");
	else
		doctor_say(d, DOCTOR_OK, "keystore", NULL,
		    "%zu certificates and keys", n);
}

static void
look_at_all(struct doctor *d)
{
	enum { ALWAYS, WITH_CONF, GATEWAY, NOT_ALONE, ALONE };
	static const struct {
		void (*look)(struct doctor *d);
		int when;
	} checks[] = {
	    {look_at_libraries, ALWAYS},
	    {look_at_machine, ALWAYS},
	    {look_at_gateway, NOT_ALONE},
	    {look_at_findings, WITH_CONF},
	    {look_at_permissions, WITH_CONF},
	    {look_at_secrets, WITH_CONF},
	    {look_at_master_key, GATEWAY},
	    {look_at_state, WITH_CONF},
	    {doctor_dmz, ALONE}, /* before the next makes connections */
	    {doctor_strangers, WITH_CONF},
	    {look_at_keystore, GATEWAY},
	};
	bool alone = d->conf != NULL && d->conf->portal_gateway.present;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int when = checks[i].when;

		if (alone ? when == GATEWAY || when == NOT_ALONE
			  : when == ALONE)
			continue;
		if (d->conf == NULL && when != ALWAYS && when != NOT_ALONE)
			continue;
		checks[i].look(d);
		fflush(stdout);
	}
}

int
cli_doctor(struct cli *cli, int argc, char **argv)
{
	struct doctor d = {.cli = cli, .up = -1};

	(void)argv;
	if (argc != 1)
		return cli_usage(cli);
	if (cli->json)
		d.lines = json_array();
	running_look(cli, &d.running);
	find_conf(&d);
	look_at_all(&d);
	running_clear(&d.running);
	if (cli->json)
		cli_put_json(json_pack(
		    "{s:b, s:o}", "ok", d.n_bad == 0, "checks", d.lines));
	else
		printf(
		    "%s\n", d.n_bad == 0 ? "Nothing is wrong." : "Not well.");
	return d.n_bad == 0 ? CLI_DONE : CLI_NO;
}
