/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Configuration, privileges and output for the verbs.
 */
#include "gateway/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include <jansson.h>

#include "common/text.h"
#include "gateway/certs.h"
#include "gateway/conf.h"
#include "gateway/state.h"
#include "gateway/trust.h"
#include "gateway/users.h"
#include "keystore/store.h"

enum { PATH_SIZE = 1024 };

void
cli_say(const char *fmt, ...)
{
	va_list ap;

	fputs("sealgate: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int
cli_usage(const struct cli *cli)
{
	const struct cli_verb *v = cli->verb;

	fprintf(stderr, "usage: sealgate %s%s%s %s\n",
	    v->noun == NULL ? "" : v->noun, v->noun == NULL ? "" : " ", v->name,
	    v->args);
	return CLI_USAGE;
}

int
cli_status(enum err e)
{
	if (e == ERR_OK)
		return CLI_DONE;
	switch (err_class(e)) {
	case ERR_CLASS_PERM:
	case ERR_CLASS_MALFORMED:
	case ERR_CLASS_POLICY:
		return e == ERR_PERMISSION || e == ERR_CONFIG ? CLI_FAILED
							      : CLI_NO;
	case ERR_CLASS_CRYPTO:
	case ERR_CLASS_TEMP:
	case ERR_CLASS_INTERNAL:
		break;
	}
	return CLI_FAILED;
}

enum err
cli_conf(struct cli *cli, const struct conf **out)
{
	struct conf_findings f;
	char line[PATH_SIZE];
	enum err e = ERR_OK;

	if (cli->conf == NULL) {
		conf_findings_init(&f);
		e = conf_load(cli->conf_path, &f, &cli->conf);
		for (size_t i = 0; e != ERR_OK && i < f.n; i++)
			if (f.list[i].level == CONF_ERROR)
				cli_say("%s", conf_finding_text(
						  &f, i, line, sizeof(line)));
		conf_findings_clear(&f);
	}
	if (e == ERR_OK)
		*out = cli->conf;
	/* "not found" is left for what the verb looks for. */
	return e == ERR_NOT_FOUND ? ERR_CONFIG : e;
}

/* The directory, or the nearest one above it that exists. */
static enum err
stat_upwards(const char *dir, struct stat *st)
{
	char path[PATH_SIZE];
	size_t len = strlen(dir);
	char *slash;

	if (len >= sizeof(path))
		return ERR_LIMIT;
	memcpy(path, dir, len + 1);
	while (stat(path, st) != 0) {
		if (errno != ENOENT)
			return err_from_errno(errno);
		slash = strrchr(path, '/');
		if (slash == NULL || slash == path)
			return ERR_NOT_FOUND;
		*slash = '\0';
	}
	return ERR_OK;
}

enum err
cli_give_up_root(const char *dir)
{
	struct stat st;
	enum err e;

	if (geteuid() != 0)
		return ERR_OK;
	e = stat_upwards(dir, &st);
	if (e != ERR_OK) {
		cli_say("%s: %s", dir, err_text(e));
		return e;
	}
	if (st.st_uid == 0) {
		cli_say("%s belongs to root: start sealgated once, which gives "
			"it to its own user, or run this as the user it "
			"belongs to",
		    dir);
		return ERR_PERMISSION;
	}
	if (setgroups(0, NULL) != 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) != 0 || setuid(0) == 0) {
		cli_say("cannot give up root: %s", strerror(errno));
		return ERR_PERMISSION;
	}
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return ERR_OK;
}

/* Make the keystore before the gateway has ever started, or take one over that
   root has made: the directory and its files go to the user of store. */
static enum err
hand_over(const char *dir, const struct users_id *id)
{
	static const char *const files[] = {
	    "data.mdb", "lock.mdb", "write.lock"};
	int fd = -1;
	enum err e;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		goto fail;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		goto fail;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (fchownat(fd, files[i], id->uid, id->gid,
			AT_SYMLINK_NOFOLLOW) != 0 &&
		    errno != ENOENT)
			goto fail;
	/* The mode after the owner, whose change clears the set-group bit. */
	if (fchown(fd, id->uid, id->gid) != 0 || fchmod(fd, 02750) != 0)
		goto fail;
	close(fd);
	return ERR_OK;
fail:
	e = err_from_errno(errno);
	cli_say("%s: %s", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return e == ERR_NOT_FOUND ? ERR_IO : e;
}

/* Give up root in favour of who owns the keystore, or is to own it. */
static enum err
become_owner(const struct conf *conf, bool write)
{
	const char *dir = conf->paths.keystore;
	struct err_why why = {""};
	struct users_id id;
	struct stat st;
	enum err e;

	if (geteuid() != 0 || (stat(dir, &st) == 0 && st.st_uid != 0) ||
	    (conf->users == NULL && conf->users_base == 0))
		return cli_give_up_root(dir);
	e = users_find(conf, ROLE_STORE, &id, &why);
	if (e == ERR_OK && write) {
		e = hand_over(dir, &id);
		if (e != ERR_OK)
			return e;
	}
	if (e == ERR_OK)
		e = users_become(&id, &why);
	if (e != ERR_OK)
		cli_say("%s", why.text);
	return e;
}

/* Look-ups here are to say what the gateway's own would. */
static enum err
judge_chains(struct cli *cli, const struct conf *conf, struct ks_store **s)
{
	struct err_why why = {""};
	enum err e = ERR_OK;

	if (cli->certs == NULL)
		e = certs_new(conf, &cli->certs, &why);
	if (e == ERR_OK) {
		certs_use(cli->certs, conf, *s);
		return ERR_OK;
	}
	cli_say("certificates: anchors: %s", why.text);
	ks_close(*s);
	*s = NULL;
	return ERR_CONFIG;
}

enum err
cli_keystore(struct cli *cli, bool write, struct ks_store **out)
{
	const struct conf *conf;
	struct err_why why = {""};
	unsigned flags = 0;
	enum err e;

	e = cli_conf(cli, &conf);
	if (e != ERR_OK)
		return e;
	e = state_format_check(conf, &why);
	if (e != ERR_OK) {
		cli_say("%s", why.text);
		return e;
	}
	e = become_owner(conf, write);
	if (e != ERR_OK)
		return e;
	if (write)
		flags = KS_WRITE;
	if (write && (conf->users != NULL || conf->users_base != 0))
		flags |= KS_GROUP;
	e = ks_open(conf->paths.keystore, flags, out, &why);
	if (e == ERR_NOT_FOUND)
		cli_say("there is no keystore yet: %s", conf->paths.keystore);
	else if (e != ERR_OK)
		cli_say("%s", why.text);
	else
		trust_use(conf, *out);
	return e == ERR_OK ? judge_chains(cli, conf, out) : e;
}

struct span
cli_who(const struct cli *cli, char out[CLI_WHO_SIZE])
{
	snprintf(out, CLI_WHO_SIZE, "user %u", cli->uid);
	return span_str(out);
}

void
cli_put_text(struct span text)
{
	mbstate_t state = {0};
	size_t i = 0;

	while (i < text.len) {
		wchar_t wc = 0;
		size_t n = mbrtowc(
		    &wc, (const char *)text.data + i, text.len - i, &state);

		if (n == 0 || n > text.len - i || !iswprint((wint_t)wc)) {
			printf("\\x%02x", text.data[i++]);
			memset(&state, 0, sizeof(state));
			continue;
		}
		fwrite(text.data + i, 1, n, stdout);
		i += n;
	}
}

struct json_t *
cli_json_text(struct span text)
{
	json_t *s = json_stringn((const char *)text.data, text.len);
	char escaped[4096];

	if (s != NULL || text.data == NULL)
		return s != NULL ? s : json_string("");
	text_escape(text, escaped, sizeof(escaped));
	return json_string(escaped);
}

void
cli_date(int64_t unix_s, char out[CLI_DATE_SIZE])
{
	char full[TEXT_TIME_SIZE];

	if (unix_s == 0) {
		memcpy(out, "never", sizeof("never"));
	} else if (unix_s < 0) {
		memcpy(out, "before 1970", sizeof("before 1970"));
	} else if (unix_s > INT64_C(253402300799)) { /* year 9999 */
		memcpy(out, "after 9999", sizeof("after 9999"));
	} else {
		text_time_ms((uint64_t)unix_s * 1000, full);
		memcpy(out, full, 10);
		out[10] = '\0';
	}
}
