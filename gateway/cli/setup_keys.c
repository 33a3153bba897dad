/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keys that `sealgate setup` makes where they are wanted: the keys of the
 * purposes, as the first start would, then a CA of our own, and for each domain
 * a certificate and an OpenPGP key. Every step looks whether it is done already
 * and runs in a process of its own, which gives up root as the verb that it
 * calls does; whatever interrupts them, they are done by doing them again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/secret.h"
#include "crypto/own_key.h"
#include "gateway/ca.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/own.h"
#include "gateway/cli/setup.h"
#include "gateway/conf.h"
#include "gateway/keys/purpose.h"
#include "gateway/state.h"
#include "gateway/users.h"
#include "keystore/private.h"

enum { MEMORY = 1 << 20, ARGS_MAX = 8, PEM_MAX = 64 * 1024 };

/* What a step is given. */
struct step {
	struct cli *cli;
	const struct conf *conf;
	const struct secret *master;
	const char *domain;
	enum ks_kind kind;
	int fd; /* gets the certificate of the CA */
};

/* Run it in a process of its own; its exit status, CLI_FAILED for a death. */
static int
apart(int (*run)(struct step *), struct step *s)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		status = run(s);
		fflush(NULL);
		_exit(status);
	}
	if (pid < 0) {
		cli_say("cannot start a process: %s", strerror(errno));
		return CLI_FAILED;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return CLI_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

static int
call(struct step *s, int (*verb)(struct cli *, int, char **), const char *name,
    const char *const *args)
{
	char *argv[ARGS_MAX + 2];
	int argc = 0;

	argv[argc++] = strdup(name);
	for (; *args != NULL && argc < ARGS_MAX; args++)
		argv[argc++] = strdup(*args);
	argv[argc] = NULL;
	for (int i = 0; i < argc; i++)
		if (argv[i] == NULL)
			fatal("out of memory");
	/* getopt is to begin anew */
	optind = 0;
	return verb(s->cli, argc, argv);
}

/* --- the keys of the purposes */

static int
make_purposes(struct step *s)
{
	struct err_why why = {""};
	struct keys_set set = {0};
	struct users_id id;
	int dir = -1;
	enum err e = users_find(s->conf, ROLE_KEYS, &id, &why);

	if (e == ERR_OK && users_change())
		e = users_become(&id, &why);
	if (e == ERR_OK) {
		dir = open(
		    s->conf->paths.keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		e = dir >= 0 ? keys_set_open(dir, s->master, &set, &why)
			     : err_from_errno(errno);
	}
	if (e != ERR_OK)
		cli_say("%s: %s", s->conf->paths.keys,
		    why.text[0] != '\0' ? why.text : err_text(e));
	keys_set_clear(&set);
	if (dir >= 0)
		close(dir);
	return e == ERR_OK ? CLI_DONE : CLI_FAILED;
}

static enum err
read_master(int fd, struct secret **out)
{
	struct secret *key = secret_new(KEYS_MASTER);

	if (key == NULL)
		return ERR_NOMEM;
	if (pread(fd, key->data, KEYS_MASTER, 0) != KEYS_MASTER) {
		secret_free(key);
		return ERR_MASTER_KEY;
	}
	*out = key;
	return ERR_OK;
}

/* --- the CA */

static enum err
write_certificate(int fd, struct span der)
{
	struct buf pem;
	enum err e;

	buf_init(&pem, PEM_MAX);
	e = crypto_pem_put("CERTIFICATE", der, &pem);
	if (e == ERR_OK)
		e = file_write_all(fd, buf_span(&pem));
	buf_clear(&pem);
	return e;
}

/* Hand out the certificate of the CA that issues; CLI_NO: there is none. */
static int
find_ca(struct step *s)
{
	struct arena *a = arena_new(MEMORY);
	struct ks_store *store = NULL;
	struct err_why why = {""};
	struct ca ca = {0};
	enum err e = a == NULL ? ERR_NOMEM : cli_keystore(s->cli, true, &store);

	if (e != ERR_OK) {
		arena_free(a);
		return CLI_FAILED;
	}
	e = ca_find(store, SPAN(NULL, 0), (int64_t)time(NULL), a, &ca, &why);
	if (e == ERR_OK)
		e = write_certificate(s->fd, ca.record->key);
	else if (e == ERR_KEY_EXPIRED || e == ERR_KEY_UNTRUSTED)
		e = ERR_NOT_FOUND; /* another one is wanted */
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		cli_say("%s", why.text[0] != '\0' ? why.text : err_text(e));
	ca_clear(&ca);
	ks_close(store);
	arena_free(a);
	return e == ERR_OK	    ? CLI_DONE
	       : e == ERR_NOT_FOUND ? CLI_NO
				    : CLI_FAILED;
}

static int
make_ca(struct step *s)
{
	static const char *const args[] = {NULL};

	return call(s, cli_ca_init, "init", args);
}

/* --- keys of a domain */

struct wanted {
	struct ks_store *store;
	enum ks_kind kind;
	int64_t now;
	bool found;
};

static enum err
look(void *ctx, const struct ks_record *r)
{
	struct wanted *w = ctx;

	if (r->kind == w->kind && r->trust != KS_DISTRUSTED &&
	    (r->not_after == 0 || r->not_after > w->now) &&
	    ks_private_has(w->store, r->fpr) == ERR_OK)
		w->found = true;
	return ERR_OK;
}

/* CLI_NO: the domain has no key of this kind whose private half is here. */
static int
find_domain_key(struct step *s)
{
	struct arena *a = arena_new(MEMORY);
	struct wanted w = {.kind = s->kind, .now = (int64_t)time(NULL)};
	struct cli_whom whom = {0};
	enum err e =
	    a == NULL ? ERR_NOMEM : cli_whom_read(s->domain, 0, NULL, a, &whom);

	if (e == ERR_OK)
		e = cli_keystore(s->cli, true, &w.store);
	if (e == ERR_OK)
		e = ks_find(w.store, KS_BY_DOMAIN, whom.domain, look, &w);
	ks_close(w.store);
	arena_free(a);
	return e != ERR_OK ? CLI_FAILED : w.found ? CLI_DONE : CLI_NO;
}

static int
make_domain_key(struct step *s)
{
	const char *const issue[] = {"--domain", s->domain, NULL};
	const char *const generate[] = {
	    "--kind", "openpgp", "--domain", s->domain, NULL};

	return s->kind == KS_SMIME
		   ? call(s, cli_ca_issue, "issue", issue)
		   : call(s, cli_key_generate, "generate", generate);
}

/* Unless it is there already. */
static enum err
make_unless(
    int (*find)(struct step *), int (*work)(struct step *), struct step *s)
{
	int status = apart(find, s);

	if (status == CLI_NO)
		status = apart(work, s);
	/* what is wrong was said there */
	return status == CLI_DONE ? ERR_OK : ERR_CONFIG;
}

/* --- all of them */

/* The certificate of the CA, for partners, beside the configuration. One that
   is there is not touched, but it must be this one. */
static enum err
hand_out(struct step *s, int dir, const char *name)
{
	struct buf pem;
	enum err e;

	buf_init(&pem, PEM_MAX);
	s->fd = memfd_create("ca", MFD_CLOEXEC);
	if (s->fd < 0)
		return err_from_errno(errno);
	e = apart(find_ca, s) == CLI_DONE ? ERR_OK : ERR_CONFIG;
	if (e == ERR_OK && lseek(s->fd, 0, SEEK_SET) != 0)
		e = err_from_errno(errno);
	if (e == ERR_OK)
		e = file_read_all(s->fd, &pem);
	if (e == ERR_OK)
		e = setup_leave(dir, name, buf_span(&pem), 0644);
	if (e == ERR_EXISTS) {
		cli_say("%s is there, and is not the certificate of the CA: "
			"move it away",
		    name);
		e = ERR_CONFIG;
	}
	close(s->fd);
	s->fd = -1;
	buf_clear(&pem);
	return e;
}

static enum err
make_all(struct step *s, const struct setup *wish, int dir)
{
	static const enum ks_kind kinds[] = {KS_SMIME, KS_OPENPGP};
	enum err e;

	if (apart(make_purposes, s) != CLI_DONE)
		return ERR_CONFIG;
	s->fd = memfd_create("ca", MFD_CLOEXEC);
	if (s->fd < 0)
		return err_from_errno(errno);
	e = make_unless(find_ca, make_ca, s);
	close(s->fd);
	s->fd = -1;
	if (e == ERR_OK)
		e = hand_out(s, dir, SETUP_CA_FILE);
	for (size_t i = 0; i < wish->n_domain && wish->domain_keys; i++) {
		s->domain = wish->domain[i];
		/* the key of a domain is not one of those below it */
		for (size_t k = 0;
		     k < 2 && e == ERR_OK && strncmp(s->domain, "*.", 2) != 0;
		     k++) {
			s->kind = kinds[k];
			e = make_unless(find_domain_key, make_domain_key, s);
		}
	}
	return e;
}

enum err
setup_keys(struct cli *cli, const struct setup *wish, const struct conf *conf,
    int master, int dir)
{
	struct step s = {.cli = cli, .conf = conf, .fd = -1};
	struct secret *key = NULL;
	struct err_why why = {""};
	int lock = -1;
	enum err e = state_prepare(conf, &why);

	/* a gateway that runs would not look for what is made here */
	if (e == ERR_OK)
		e = state_lock(conf, &lock, &why);
	if (e != ERR_OK)
		cli_say("%s", why.text);
	if (e == ERR_OK)
		e = read_master(master, &key);
	s.master = key;
	if (e == ERR_OK)
		e = make_all(&s, wish, dir);
	secret_free(key);
	if (lock >= 0)
		close(lock);
	return e;
}
