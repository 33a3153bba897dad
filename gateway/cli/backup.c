/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate backup|restore`: the keystore with its private keys as one sealed
 * file. Private keys are opened here, for the backup alone, and sealed anew to
 * the gateway that takes them in: a backup fits a new machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/pack.h"
#include "common/secret.h"
#include "crypto/backup.h"
#include "crypto/cert.h"
#include "crypto/pkcs12.h"
#include "gateway/cli/backup_private.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_private.h"
#include "gateway/cli/passphrase.h"
#include "gateway/cli/unseal.h"
#include "keystore/dump.h"
#include "keystore/history.h"
#include "keystore/private.h"

enum {
	ITEM_PRIVATE = 100, /* beside enum ks_item */
	ITEM_END = 101,	    /* u64 records, u64 private keys */
	ITEM_MAX = KS_RECORD_MAX + KS_PRIVATE_MAX,
	MEMORY = 16 << 20,
};

struct backup {
	struct cli *cli;
	struct ks_store *store;
	struct crypto_backup *stream;
	struct cli_passphrase passphrase;
	struct cli_unseal unseal;
	bool no_private, state;
	const char *cert_path, *key_path;
	struct crypto_cert *cert;
	struct crypto_bundle bundle;
	struct sealed_pub pub; /* of the gateway that takes them in */
	struct arena *arena;
	uint64_t n_records, n_private, n_rows;
	struct err_why why;
};

/* --- items --- */

static enum err
put_item(struct backup *b, uint8_t type, struct span octets)
{
	uint8_t head[5] = {type, (uint8_t)(octets.len >> 24),
	    (uint8_t)(octets.len >> 16), (uint8_t)(octets.len >> 8),
	    (uint8_t)octets.len};
	enum err e = crypto_backup_put(b->stream, SPAN(head, sizeof(head)));

	return e != ERR_OK ? e : crypto_backup_put(b->stream, octets);
}

static enum err
put_dumped(void *ctx, enum ks_item item, struct span octets)
{
	struct backup *b = ctx;

	b->n_records += item == KS_ITEM_RECORD;
	b->n_rows += item == KS_ITEM_ROW;
	return put_item(b, (uint8_t)item, octets);
}

static enum err
write_private(struct backup *b, const struct ks_private *p, struct span key)
{
	struct packer w;
	struct buf item;
	enum err e;

	buf_init(&item, KS_PRIVATE_MAX);
	pack_begin(&w, &item);
	pack_u8(&w, (uint8_t)p->kind);
	pack_u64(&w, (uint64_t)p->added);
	pack_span(&w, p->fpr);
	pack_span(&w, p->domain);
	pack_u16(&w, (uint16_t)p->n_addrs);
	for (size_t i = 0; i < p->n_addrs; i++)
		pack_span(&w, p->addrs[i]);
	pack_span(&w, key);
	e = pack_end(&w);
	if (e == ERR_OK)
		e = put_item(b, ITEM_PRIVATE, buf_span(&item));
	secret_wipe(item.data, item.len);
	buf_clear(&item);
	return e;
}

static enum err
put_private(void *ctx, enum ks_item item, struct span fpr)
{
	struct backup *b = ctx;
	struct ks_private *p;
	struct secret *key = NULL;
	enum err e;

	(void)item;
	b->n_private++;
	arena_reset(b->arena);
	e = cli_unseal_key(
	    &b->unseal, b->store, fpr, b->arena, &p, &key, &b->why);
	if (e == ERR_OK)
		e = write_private(b, p, secret_span(key));
	secret_free(key);
	return e;
}

static enum err
put_end(struct backup *b)
{
	struct packer w;
	struct buf item;
	enum err e;

	buf_init(&item, 32);
	pack_begin(&w, &item);
	pack_u64(&w, b->n_records);
	pack_u64(&w, b->n_private);
	e = pack_end(&w);
	if (e == ERR_OK)
		e = put_item(b, ITEM_END, buf_span(&item));
	buf_clear(&item);
	return e != ERR_OK ? e : crypto_backup_finish(b->stream);
}

/* One state of the keystore, whatever the gateway writes meanwhile. */
static enum err
write_all(struct backup *b)
{
	enum err e = ks_begin_read(b->store);

	if (e != ERR_OK)
		return e;
	e = ks_dump(b->store, put_dumped, b);
	if (e == ERR_OK && !b->no_private)
		e = ks_dump_private(b->store, put_private, b);
	ks_end_read(b->store);
	return e != ERR_OK ? e : put_end(b);
}

/* --- backup --- */

static enum err
read_small(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e = fd < 0 ? err_from_errno(errno) : file_read_all(fd, out);

	if (e != ERR_OK)
		cli_say("%s: %s", path, err_text(e));
	if (fd >= 0)
		close(fd);
	return e;
}

static enum err
read_cert(struct backup *b)
{
	struct buf in;
	enum err e;

	if (b->cert_path == NULL)
		return ERR_OK;
	buf_init(&in, LIMIT_KEYS_SIZE);
	e = read_small(b->cert_path, &in);
	if (e == ERR_OK) {
		e = crypto_cert_parse(buf_span(&in), &b->cert, &b->why);
		if (e != ERR_OK)
			cli_say("%s: %s", b->cert_path, b->why.text);
	}
	buf_clear(&in);
	return e;
}

/* "-" is standard output; a file is made, and none is written over. */
static int
create_file(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static enum err
begin_backup(struct backup *b, int fd, const char *path)
{
	const struct secret *pass = NULL;
	enum err e = ERR_OK;

	if (b->cert == NULL)
		e = cli_passphrase_get(&b->passphrase, path, &pass, &b->why);
	if (e == ERR_OK)
		e = crypto_backup_create(fd, pass, b->cert, (int64_t)time(NULL),
		    &b->stream, &b->why);
	return e;
}

static int
finish(struct backup *b, enum err e, const char *verb, const char *path)
{
	if (e != ERR_OK)
		cli_say("%s: %s", path,
		    b->why.text[0] != '\0' ? b->why.text : err_text(e));
	else if (b->cli->json)
		key_print_json(json_pack("{s:s, s:I, s:I}", "result", verb,
		    "keys", (json_int_t)b->n_records, "private",
		    (json_int_t)b->n_private));
	else
		fprintf(stderr, "%s %ju keys, %ju of them private\n", verb,
		    (uintmax_t)b->n_records, (uintmax_t)b->n_private);
	crypto_backup_free(b->stream);
	crypto_cert_unref(b->cert);
	crypto_bundle_clear(&b->bundle);
	cli_passphrase_clear(&b->passphrase);
	cli_unseal_close(&b->unseal);
	ks_close(b->store);
	arena_free(b->arena);
	return cli_status(e);
}

static int
make_backup(struct backup *b, const char *path)
{
	int fd = -1;
	enum err e = read_cert(b);

	if (e == ERR_OK && !b->no_private) {
		e = cli_unseal_open(b->cli, &b->unseal, &b->why);
		if (e != ERR_OK)
			cli_say("without the private keys: --no-private");
	}
	if (e == ERR_OK) {
		fd = create_file(path);
		if (fd < 0)
			e = err_from_errno(errno);
	}
	if (e == ERR_OK)
		e = cli_keystore(b->cli, false, &b->store);
	if (e == ERR_OK)
		e = begin_backup(b, fd, path);
	if (e == ERR_OK)
		e = write_all(b);
	if (e == ERR_OK && strcmp(path, "-") != 0)
		e = file_sync(fd);
	if (fd >= 0)
		close(fd);
	return finish(b, e, "saved", path);
}

static int
read_options(struct backup *b, int argc, char **argv)
{
	static const struct option options[] = {
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {"certificate", required_argument, NULL, 'c'},
	    {"key", required_argument, NULL, 'k'},
	    {"no-private", no_argument, NULL, 'n'},
	    {"state", no_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	bool saving = strcmp(b->cli->verb->name, "backup") == 0;
	enum err e = ERR_OK;
	int c;

	while (e == ERR_OK &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			e = cli_passphrase_file(&b->passphrase, optarg);
		else if (c == 'd')
			e = cli_passphrase_fd(&b->passphrase, optarg);
		else if (c == 'c' && saving)
			b->cert_path = optarg;
		else if (c == 'k' && !saving)
			b->key_path = optarg;
		else if (c == 'n')
			b->no_private = true;
		else if (c == 's' && saving)
			b->state = true;
		else
			return -1;
	}
	if (b->state &&
	    (b->no_private || b->cert_path != NULL || b->passphrase.fd >= 0 ||
		b->passphrase.text != NULL))
		return -1;
	return e != ERR_OK || argc - optind != 1 ? -1 : optind;
}

int
cli_backup(struct cli *cli, int argc, char **argv)
{
	struct backup b = {.cli = cli,
	    .passphrase = {.fd = -1},
	    .unseal = CLI_UNSEAL_INIT,
	    .arena = arena_new(MEMORY)};
	int at = read_options(&b, argc, argv);

	if (at < 0) {
		cli_passphrase_clear(&b.passphrase);
		arena_free(b.arena);
		return cli_usage(cli);
	}
	if (b.state) {
		arena_free(b.arena);
		return backup_state(cli, argv[at]);
	}
	return make_backup(&b, argv[at]);
}

/* --- restore --- */

static enum err
take_private(struct backup *b, struct span item)
{
	struct span addrs[KS_ADDRS_MAX], key;
	struct ks_private p = {.addrs = addrs};
	struct unpacker u;

	b->n_private++;
	if (b->no_private)
		return ERR_OK;
	unpack_begin(&u, item);
	p.kind = (enum ks_kind)unpack_u8(&u);
	p.added = (int64_t)unpack_u64(&u);
	p.fpr = unpack_span(&u);
	p.domain = unpack_span(&u);
	p.n_addrs = unpack_u16(&u);
	if (p.n_addrs > KS_ADDRS_MAX)
		return ERR_MALFORMED;
	for (size_t i = 0; i < p.n_addrs; i++)
		addrs[i] = unpack_span(&u);
	key = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_MALFORMED;
	return ks_private_put(b->store, &p, &b->pub, key);
}

/* What was read is what was written. */
static enum err
check_end(const struct backup *b, struct span item)
{
	struct unpacker u;
	uint64_t records, private;

	unpack_begin(&u, item);
	records = unpack_u64(&u);
	private = unpack_u64(&u);
	return unpack_end(&u) == ERR_OK && records == b->n_records &&
		       private == b->n_private
		   ? ERR_OK
		   : ERR_MALFORMED;
}

static enum err
take_item(struct backup *b, uint8_t type, struct span item, bool *end)
{
	if (type == ITEM_PRIVATE)
		return take_private(b, item);
	*end = type == ITEM_END;
	if (*end)
		return check_end(b, item);
	b->n_records += type == KS_ITEM_RECORD;
	return ks_undump(b->store, (enum ks_item)type, item);
}

static enum err
read_item(struct backup *b, struct buf *item, bool *end)
{
	uint8_t head[5], *room;
	size_t len;
	enum err e = crypto_backup_get(b->stream, head, sizeof(head));

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_BAD_SEAL : e;
	len = (size_t)head[1] << 24 | (size_t)head[2] << 16 |
	      (size_t)head[3] << 8 | head[4];
	if (len > ITEM_MAX)
		return ERR_MALFORMED;
	buf_reset(item);
	e = buf_reserve(item, len, &room);
	if (e == ERR_OK && len > 0)
		e = crypto_backup_get(b->stream, room, len);
	if (e == ERR_OK)
		e = take_item(b, head[0], SPAN(room, len), end);
	if (head[0] == ITEM_PRIVATE)
		secret_wipe(item->data, len);
	return e;
}

static enum err
tell_history(struct backup *b, const char *path)
{
	char who[CLI_WHO_SIZE];
	const struct ks_event event = {.what = KS_EVENT_RESTORED,
	    .at = (int64_t)time(NULL),
	    .who = cli_who(b->cli, who),
	    .count = (uint32_t)b->n_records,
	    .text = span_str(strlen(path) < KS_TEXT_MAX ? path : "")};

	return ks_history_add(b->store, &event, NULL, 0);
}

/* All of it in one transaction, into a keystore that has nothing. */
static enum err
read_all(struct backup *b, const char *path)
{
	struct buf item;
	bool end = false;
	size_t n = 0;
	enum err e = ks_begin(b->store);

	if (e != ERR_OK)
		return e;
	e = ks_count(b->store, &n);
	if (e == ERR_OK && n > 0)
		e = err_why(&b->why, ERR_EXISTS,
		    "the keystore has keys already: restore into an empty one");
	buf_init(&item, ITEM_MAX);
	while (e == ERR_OK && !end)
		e = read_item(b, &item, &end);
	buf_clear(&item);
	if (e == ERR_OK)
		e = tell_history(b, path);
	if (e == ERR_OK)
		return ks_commit(b->store);
	ks_rollback(b->store);
	return e;
}

static enum err
read_bundle(struct backup *b)
{
	const struct secret *pass = NULL;
	struct buf in;
	enum err e;

	if (b->key_path == NULL)
		return ERR_OK;
	buf_init(&in, LIMIT_KEYS_SIZE);
	e = read_small(b->key_path, &in);
	if (e == ERR_OK)
		e = crypto_bundle_open(
		    buf_span(&in), NULL, &b->bundle, &b->why);
	if (e == ERR_PASSPHRASE) {
		e = cli_passphrase_get(
		    &b->passphrase, b->key_path, &pass, &b->why);
		if (e == ERR_OK)
			e = crypto_bundle_open(
			    buf_span(&in), pass, &b->bundle, &b->why);
	}
	secret_wipe(in.data, in.len);
	buf_clear(&in);
	return e;
}

static enum err
begin_restore(struct backup *b, int fd, const char *path)
{
	const struct secret *pass = NULL;
	bool needs_key = false;
	enum err e = ERR_OK;

	if (b->key_path == NULL)
		e = cli_passphrase_get(&b->passphrase, path, &pass, &b->why);
	return e != ERR_OK ? e
			   : crypto_backup_open(fd, pass,
				 b->key_path != NULL ? &b->bundle : NULL,
				 &needs_key, &b->stream, &b->why);
}

static int
make_restore(struct backup *b, const char *path)
{
	int fd = strcmp(path, "-") == 0
		     ? dup(STDIN_FILENO)
		     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e = fd < 0 ? err_from_errno(errno) : read_bundle(b);

	if (e == ERR_OK && !b->no_private) {
		e = cli_seal_public(b->cli, &b->pub, &b->why);
		if (e != ERR_OK)
			cli_say("private keys are sealed to this gateway: "
				"start sealgated once, or --no-private");
	}
	if (e == ERR_OK)
		e = cli_keystore(b->cli, true, &b->store);
	if (e == ERR_OK)
		e = begin_restore(b, fd, path);
	if (e == ERR_OK)
		e = read_all(b, path);
	if (fd >= 0)
		close(fd);
	return finish(b, e, "restored", path);
}

int
cli_restore(struct cli *cli, int argc, char **argv)
{
	struct backup b = {.cli = cli,
	    .passphrase = {.fd = -1},
	    .unseal = CLI_UNSEAL_INIT,
	    .arena = arena_new(MEMORY)};
	int at = read_options(&b, argc, argv);

	if (at < 0) {
		cli_passphrase_clear(&b.passphrase);
		arena_free(b.arena);
		return cli_usage(cli);
	}
	return make_restore(&b, argv[at]);
}
