/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate escrow recover`: mail that stands for pick-up, opened by the
 * private key of the recovery certificate. It is in the audit log before
 * anything is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/object_header.h"
#include "common/secret.h"
#include "common/stream.h"
#include "crypto/escrow_recovery.h"
#include "crypto/pkcs12.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/escrow_private.h"
#include "gateway/conf.h"
#include "mime/base64.h"

bool
escrow_recovery_option(struct escrow_recovery *r, int option, const char *value)
{
	switch (option) {
	case 'k':
		r->key_path = value;
		return true;
	case 'o':
		r->object_path = value;
		return true;
	case 'p':
		return cli_passphrase_file(&r->passphrase, value) == ERR_OK;
	case 'd':
		return cli_passphrase_fd(&r->passphrase, value) == ERR_OK;
	default:
		return false;
	}
}

void
escrow_recovery_clear(struct escrow_recovery *r)
{
	if (r->key_fd >= 0)
		close(r->key_fd);
	if (r->object_fd >= 0)
		close(r->object_fd);
	cli_passphrase_clear(&r->passphrase);
	buf_clear(&r->cms);
}

int
escrow_find(
    struct cli *cli, const char *id, json_t **answer, const json_t **object)
{
	json_t *all;
	int status = cli_ask(cli,
	    json_pack("{s:s, s:s}", "verb", "escrow-show", "id", id), answer,
	    NULL);

	if (status != CLI_DONE)
		return status;
	all = json_object_get(*answer, "objects");
	if (json_array_size(all) == 1) {
		*object = json_array_get(all, 0);
		return CLI_DONE;
	}
	cli_say("%s is a message with %zu objects; name one of them:", id,
	    json_array_size(all));
	for (size_t i = 0; i < json_array_size(all); i++)
		cli_say("  %s", cli_member(json_array_get(all, i), "object"));
	json_decref(*answer);
	return CLI_NO;
}

static int
open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		cli_say("%s: %s", path, strerror(errno));
	return fd;
}

/* What is opened here is read once root was given up. */
static bool
open_files(const struct conf *conf, struct escrow_recovery *r, const char *name)
{
	char path[1200];

	snprintf(path, sizeof(path), "%s/%s", conf->paths.escrow, name);
	r->key_fd = open_file(r->key_path);
	if (r->key_fd < 0)
		return false;
	r->object_fd =
	    open_file(r->object_path != NULL ? r->object_path : path);
	if (r->object_fd < 0 && r->object_path == NULL)
		cli_say("if the portal is on another machine: --object FILE, a "
			"copy of the object from there");
	return r->object_fd >= 0;
}

int
escrow_recovery_fetch(
    struct cli *cli, struct escrow_recovery *r, const char *name)
{
	const struct conf *conf;
	json_t *answer = NULL;
	uint8_t id[OBJECT_ID_SIZE];
	int status;

	buf_init(&r->cms, LIMIT_OBJECT_RECOVERY);
	/* the name is part of a path */
	if (!object_id_parse(span_str(name), id) ||
	    cli_conf(cli, &conf) != ERR_OK || !open_files(conf, r, name))
		return CLI_FAILED;
	status = cli_ask(cli,
	    json_pack("{s:s, s:s}", "verb", "escrow-recover", "object", name),
	    &answer, NULL);
	if (status == CLI_NO)
		cli_say("nothing is kept for recovery of %s: there was no "
			"recovery-certificate in section escrow when it was "
			"made",
		    name);
	if (status == CLI_DONE &&
	    mime_base64_decode(
		span_str(cli_member(answer, "recovery")), &r->cms) != ERR_OK)
		status = CLI_FAILED;
	json_decref(answer);
	return status;
}

static enum err
read_bundle(
    struct escrow_recovery *r, struct crypto_bundle *out, struct err_why *why)
{
	const struct secret *pass = NULL;
	struct buf in;
	enum err e;

	buf_init(&in, LIMIT_KEYS_SIZE);
	e = file_read_all(r->key_fd, &in);
	if (e == ERR_OK)
		e = crypto_bundle_open(buf_span(&in), NULL, out, why);
	if (e == ERR_PASSPHRASE) {
		e = cli_passphrase_get(&r->passphrase, r->key_path, &pass, why);
		if (e == ERR_OK)
			e = crypto_bundle_open(buf_span(&in), pass, out, why);
	}
	if (in.data != NULL)
		secret_wipe(in.data, in.cap);
	buf_clear(&in);
	return e;
}

/* A copy of its own: the portal writes the expiry into the file. */
static enum err
map_object(struct escrow_recovery *r, struct memfd_map *out)
{
	struct stat st;
	int fd = -1;
	enum err e =
	    fstat(r->object_fd, &st) == 0 ? ERR_OK : err_from_errno(errno);

	if (e == ERR_OK &&
	    (st.st_size <= 0 || (uint64_t)st.st_size > LIMIT_IPC_PAYLOAD))
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = memfd_copy(r->object_fd, (uint64_t)st.st_size, &fd);
	if (e == ERR_OK)
		e = memfd_map(fd, (size_t)st.st_size, out);
	if (fd >= 0)
		close(fd);
	return e;
}

int
escrow_recovery_open(struct escrow_recovery *r, const char *name, int *fd_out)
{
	struct crypto_bundle bundle = {.n_keys = 0};
	struct memfd_map object = {0};
	struct secret *content = NULL;
	struct err_why why = {""};
	uint8_t id[OBJECT_ID_SIZE];
	enum err e = object_id_parse(span_str(name), id) ? ERR_OK : ERR_USAGE;

	stream_init();
	if (e == ERR_OK)
		e = read_bundle(r, &bundle, &why);
	if (e == ERR_OK)
		e = crypto_recovery_open(
		    buf_span(&r->cms), &bundle, id, &content, &why);
	if (e == ERR_OK)
		e = map_object(r, &object);
	if (e == ERR_OK)
		e = crypto_escrow_open(object.data, content, fd_out);
	if (e != ERR_OK)
		cli_say("%s: %s", name,
		    why.text[0] != '\0' ? why.text : err_text(e));
	memfd_unmap(&object);
	secret_free(content);
	crypto_bundle_clear(&bundle);
	return cli_status(e);
}

static int
put_message(int fd)
{
	struct memfd_map m = {0};
	enum err e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &m);

	if (e == ERR_OK)
		e = file_write_all(STDOUT_FILENO, m.data);
	if (e != ERR_OK)
		cli_say("standard output: %s", err_text(e));
	memfd_unmap(&m);
	return cli_status(e);
}

static int
recover(struct cli *cli, struct escrow_recovery *r, const char *id)
{
	const json_t *object = NULL;
	const struct conf *conf;
	json_t *answer = NULL;
	int fd = -1, status = escrow_find(cli, id, &answer, &object);
	const char *name;

	if (status != CLI_DONE)
		return status;
	name = cli_member(object, "object");
	status = escrow_recovery_fetch(cli, r, name);
	if (status == CLI_DONE &&
	    (cli_conf(cli, &conf) != ERR_OK ||
		cli_give_up_root(conf->paths.spool) != ERR_OK))
		status = CLI_FAILED;
	if (status == CLI_DONE)
		status = escrow_recovery_open(r, name, &fd);
	if (status == CLI_DONE)
		status = put_message(fd);
	if (fd >= 0)
		close(fd);
	json_decref(answer);
	return status;
}

int
cli_escrow_recover(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"key", required_argument, NULL, 'k'},
	    {"object", required_argument, NULL, 'o'},
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	struct escrow_recovery r = ESCROW_RECOVERY_INIT;
	bool good = true;
	int c, status;

	while (good && (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		good = escrow_recovery_option(&r, c, optarg);
	status = !good || r.key_path == NULL || argc - optind != 1
		     ? cli_usage(cli)
		     : recover(cli, &r, argv[optind]);
	escrow_recovery_clear(&r);
	return status;
}
