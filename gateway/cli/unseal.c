/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The files are opened with the caller's rights and read without root's. Where
 * the master key is a credential of the service manager only what that starts
 * has it.
 */
#include "gateway/cli/unseal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/secret.h"
#include "gateway/cli/cli.h"
#include "gateway/conf.h"
#include "gateway/keys/purpose.h"
#include "gateway/state.h"

enum { PATH_SIZE = 1200 };

enum err
cli_seal_public(struct cli *cli, struct sealed_pub *out, struct err_why *why)
{
	const struct conf *conf;
	enum err e = cli_conf(cli, &conf);
	int dir;

	if (e != ERR_OK)
		return err_why(why, e, "the configuration has errors");
	dir = open(conf->paths.keys, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_why(why, err_from_errno(errno),
		    "%s: %s; start sealgated once, which makes it",
		    conf->paths.keys, strerror(errno));
	e = keys_public_read(dir, out, why);
	close(dir);
	return e;
}

enum err
cli_unseal_open(struct cli *cli, struct cli_unseal *u, struct err_why *why)
{
	const struct conf *conf;
	char path[PATH_SIZE];
	enum err e = cli_conf(cli, &conf);

	if (e != ERR_OK)
		return err_why(why, e, "the configuration has errors");
	snprintf(path, sizeof(path), "%s/%s", conf->paths.keys,
	    keys_pair_file(u->purpose));
	/* first: while it is there no master key is ever made */
	u->file = open(path, O_RDONLY | O_CLOEXEC);
	if (u->file < 0)
		return err_why(why, err_from_errno(errno), "%s: %s%s", path,
		    strerror(errno),
		    errno == EACCES ? "; private keys are for root" : "");
	return state_master_key(conf, &u->master, why);
}

enum err
cli_unseal_read(struct cli_unseal *u, struct err_why *why)
{
	struct secret *master;
	enum err e = ERR_OK;

	if (u->priv != NULL)
		return ERR_OK;
	master = secret_new(KEYS_MASTER);
	if (master == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	if (pread(u->master, master->data, KEYS_MASTER, 0) != KEYS_MASTER)
		e = err_why(why, ERR_MASTER_KEY, "the master key is damaged");
	if (e == ERR_OK)
		e = keys_pair_read(
		    u->file, u->purpose, master, &u->pub, &u->priv, why);
	secret_free(master);
	return e;
}

enum err
cli_unseal_key(struct cli_unseal *u, struct ks_store *s, struct span fpr,
    struct arena *arena, struct ks_private **row, struct secret **out,
    struct err_why *why)
{
	struct ks_private *p;
	enum err e = cli_unseal_read(u, why);

	if (e != ERR_OK)
		return e;
	e = ks_private_get(s, fpr, arena, &p);
	if (e == ERR_OK)
		e = ks_private_open(p, &u->pub, u->priv, out);
	if (e != ERR_OK)
		return err_why(why, e, "the private key: %s", err_text(e));
	*row = p;
	return ERR_OK;
}

void
cli_unseal_close(struct cli_unseal *u)
{
	if (u->master >= 0)
		close(u->master);
	if (u->file >= 0)
		close(u->file);
	secret_free(u->priv);
	u->priv = NULL;
	u->master = u->file = -1;
}
