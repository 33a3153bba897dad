/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate escrow resend`: a new link for mail that stands for pick-up. The
 * message comes from the object, opened by the private key of the recovery
 * certificate, or from the sender's own copy. It is sealed here as a pending
 * entry, by a public key; a worker then does what it does with all mail.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/stream.h"
#include "common/text.h"
#include "gateway/cli/ask.h"
#include "gateway/cli/audit_private.h"
#include "gateway/cli/escrow_private.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/keys/purpose.h"
#include "gateway/store/audit_line.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_search.h"
#include "gateway/store/salvage.h"
#include "mime/addr.h"
#include "mime/header.h"
#include "policy/policy.h"

enum { ARENA_MAX = 64 << 20, PATH_SIZE = 1200 };

struct resend {
	struct cli *cli;
	const struct conf *conf;
	struct arena *arena;
	struct escrow_recovery recovery;
	const char *from_path; /* the sender's own copy; NULL: not given */
	int from_fd, keys_fd;
	json_t *answer;
	const json_t *object;
	const char *name;
	uint64_t id; /* of the entry that is made */
	struct mime_addr from, rcpt;
	const char *message_id; /* of the field; NULL until it is found */
	struct buf copy;
	struct memfd_map map;
	struct span message;
};

/* --- the message --- */

static void
on_line(void *arg, struct span line, const struct store_line *l)
{
	struct resend *r = arg;
	json_t *rec =
	    json_loadb((const char *)l->rec.data, l->rec.len, 0, NULL);

	(void)line;
	if (strcmp(cli_member(rec, "type"), "accepted") == 0)
		r->message_id =
		    arena_strdup(r->arena, cli_member(rec, "message-id"));
	json_decref(rec);
}

/* What the audit log says of the message that the object is of. */
static enum err
find_message_id(struct resend *r)
{
	struct store_search q = {.on_line = on_line, .arg = r};
	struct store_searched done;
	struct buf quoted;
	int fd = -1;
	enum err e = audit_dir_open(r->cli, &fd);

	buf_init(&quoted, 256);
	if (e == ERR_OK)
		e = store_rec_quote(
		    span_str(cli_member(r->object, "id")), &quoted);
	q.term[STORE_TERM_ID] = buf_span(&quoted);
	if (e == ERR_OK)
		e = store_audit_search(fd, &q, &done);
	if (fd >= 0)
		close(fd);
	buf_clear(&quoted);
	if (e == ERR_OK &&
	    (r->message_id == NULL || r->message_id[0] == '\0')) {
		cli_say("the audit log knows no Message-ID of it: what this "
			"file is cannot be told");
		e = ERR_NOT_FOUND;
	}
	return e;
}

/* The same message of the same sender, by its own header? */
static bool
is_that_message(struct resend *r, struct span msg)
{
	struct mime_header h;
	const struct mime_field *id, *from;
	struct mime_addr_list list;

	if (mime_header_parse(msg, r->arena, &h, NULL) != ERR_OK)
		return false;
	id = mime_header_find(&h, "Message-ID", NULL);
	from = mime_header_find(&h, "From", NULL);
	return id != NULL && from != NULL &&
	       span_eq_str(span_trim(id->value), r->message_id) &&
	       mime_addr_parse_list(from->value, MIME_ADDR_UTF8, r->arena,
		   &list, NULL) == ERR_OK &&
	       list.n == 1 && strcmp(list.addrs[0].key, r->from.key) == 0;
}

/* Lines of a file may end in LF. */
static enum err
read_copy(struct resend *r)
{
	struct mime_sink sink = mime_sink_buf(&r->copy);
	struct buf raw;
	enum err e;

	buf_init(&raw, LIMIT_MESSAGE_SIZE_MAX);
	buf_init(&r->copy, 2 * LIMIT_MESSAGE_SIZE_MAX);
	e = file_read_all(r->from_fd, &raw);
	if (e == ERR_OK)
		e = mime_put_crlf(&sink, buf_span(&raw));
	buf_clear(&raw);
	if (e == ERR_OK && !is_that_message(r, buf_span(&r->copy))) {
		cli_say("%s is not the message that %s has sent: its "
			"Message-ID would be %s",
		    r->from_path, r->from.text, r->message_id);
		return ERR_NOT_FOUND;
	}
	if (e == ERR_OK)
		r->message = buf_span(&r->copy);
	return e;
}

static int
get_message(struct resend *r)
{
	int fd = -1, status;
	enum err e;

	if (r->from_path != NULL) {
		e = find_message_id(r);
		if (e == ERR_OK)
			e = read_copy(r);
		return cli_status(e);
	}
	status = escrow_recovery_open(&r->recovery, r->name, &fd);
	if (status != CLI_DONE)
		return status;
	e = memfd_map(fd, LIMIT_IPC_PAYLOAD, &r->map);
	close(fd);
	r->message = r->map.data;
	return cli_status(e);
}

/* --- the entry --- */

static struct entry
entry_of(const struct resend *r, struct entry_rcpt *rcpt)
{
	bool factor = strcmp(cli_member(r->object, "factor"), "none") != 0;
	struct entry e = {.id = r->id,
	    .kind = ENTRY_PENDING,
	    .route = ENTRY_OUTBOUND,
	    .strength = POLICY_STRENGTH_LINK,
	    .why = ENTRY_WHY_UNDECIDED,
	    .from = r->from.text,
	    .from_key = r->from.key,
	    .envid = "",
	    .body_8bit = true,
	    .accepted_ms = clock_unix_ms(),
	    .trace = "",
	    .reason = factor ? ENTRY_RESENT_FACTOR : ENTRY_RESENT,
	    .rule = "",
	    .wait_object = "",
	    .file = "",
	    .rcpt = rcpt,
	    .n_rcpt = 1,
	    .body_size = r->message.len};

	*rcpt = (struct entry_rcpt){
	    .addr = r->rcpt.text, .key = r->rcpt.key, .orcpt = ""};
	entry_forget_origin(&e);
	digest_sha256(&r->message, 1, e.body_hash);
	return e;
}

/* A file that is whole and durable. */
static enum err
put_body(const struct resend *r, const struct entry *e,
    const struct sealed_pub *pub, const char *name)
{
	int dir = open(r->conf->paths.bodies, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct buf ad;
	enum err err = fd < 0 ? err_from_errno(errno) : ERR_OK;

	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	if (err == ERR_OK)
		err = entry_pack_fixed(e, &ad);
	if (err == ERR_OK)
		err = sealed_seal_fd(pub, buf_span(&ad), r->message, fd);
	if (err == ERR_OK)
		err = file_sync(fd);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	buf_clear(&ad);
	if (err == ERR_OK) {
		dir = open(
		    r->conf->paths.bodies, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = dir < 0 ? err_from_errno(errno) : file_sync_dir(dir);
		if (dir >= 0)
			close(dir);
	}
	return err;
}

/* Where store looks for what the command line has for it. */
static enum err
leave(const struct entry *e, const char *path)
{
	static const uint8_t open_rcpt = 0;
	struct packer p;
	struct buf record, b;
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err err = fd < 0 ? err_from_errno(errno) : ERR_OK;

	buf_init(&record, LIMIT_IPC_PAYLOAD);
	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &record);
	entry_pack(&p, e);
	if (err == ERR_OK)
		err = pack_end(&p);
	if (err == ERR_OK)
		err = store_salvage_pack(
		    buf_span(&record), SPAN(&open_rcpt, 1), &b);
	if (err == ERR_OK)
		err = file_write_all(fd, buf_span(&b));
	if (fd >= 0)
		close(fd);
	buf_clear(&record);
	buf_clear(&b);
	return err;
}

static void
salvage_path(const struct resend *r, char out[PATH_SIZE])
{
	char id[TEXT_ID_SIZE];

	text_id(r->id, id);
	snprintf(out, PATH_SIZE, "%s/" STORE_SALVAGE_DIR "/%s",
	    r->conf->paths.spool, id);
}

/* All that store needs, in files. Of a body without an entry store rids itself.
 */
static int
prepare(struct resend *r)
{
	struct sealed_pub pub;
	struct entry_rcpt rcpt;
	struct err_why why = {""};
	struct entry e = entry_of(r, &rcpt);
	char id[TEXT_ID_SIZE], path[PATH_SIZE];
	enum err err =
	    text_unid(cli_member(r->object, "id"), &e.message_id) == ERR_OK
		? keys_pair_public(r->keys_fd, SEALED_PENDING, &pub, &why)
		: ERR_IPC;

	text_id(e.id, id);
	e.file = id;
	snprintf(
	    path, sizeof(path), "%s/" STORE_SALVAGE_DIR, r->conf->paths.spool);
	if (err == ERR_OK && mkdir(path, 0700) != 0 && errno != EEXIST)
		err = err_from_errno(errno);
	salvage_path(r, path);
	if (err == ERR_OK)
		err = put_body(r, &e, &pub, id);
	if (err == ERR_OK)
		err = leave(&e, path);
	if (err != ERR_OK)
		cli_say("%s: %s", r->name,
		    why.text[0] != '\0' ? why.text : err_text(err));
	return cli_status(err);
}

/* As the user of store, until the parent has asked the gateway. */
static int
in_child(struct resend *r, int fd)
{
	char path[PATH_SIZE];
	uint8_t status, word;

	if (cli_give_up_root(r->conf->paths.spool) != ERR_OK)
		return CLI_FAILED;
	stream_init();
	status = (uint8_t)get_message(r);
	if (status == CLI_DONE)
		status = (uint8_t)prepare(r);
	if (send(fd, &status, 1, MSG_NOSIGNAL) == 1)
		(void)!recv(fd, &word, 1, 0);
	salvage_path(r, path);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	return status;
}

static int
hand_over(struct resend *r)
{
	char id[TEXT_ID_SIZE];
	json_t *answer = NULL;
	int status;

	text_id(r->id, id);
	status = cli_ask(r->cli,
	    json_pack("{s:s, s:s, s:s}", "verb", "escrow-resend", "object",
		r->name, "id", id),
	    &answer, NULL);
	json_decref(answer);
	return status;
}

/* A child reads what strangers wrote; who asks the gateway does not. */
static int
submit(struct resend *r)
{
	uint8_t status = CLI_FAILED;
	int fd[2], result;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0) {
		cli_say("%s", strerror(errno));
		return CLI_FAILED;
	}
	r->id = entry_new_id();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		_exit(in_child(r, fd[1]));
	}
	close(fd[1]);
	if (pid < 0 || recv(fd[0], &status, 1, 0) != 1)
		status = CLI_FAILED;
	result = status == CLI_DONE ? hand_over(r) : status;
	close(fd[0]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return result;
}

/* --- the verb --- */

static int
open_all(struct resend *r)
{
	char path[PATH_SIZE];
	struct err_why why = {""};
	enum err e = cli_conf(r->cli, &r->conf);

	if (e != ERR_OK)
		return CLI_FAILED;
	snprintf(path, sizeof(path), "%s/%s", r->conf->paths.keys,
	    keys_pair_file(SEALED_PENDING));
	r->keys_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->keys_fd < 0) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_FAILED;
	}
	e = mime_addr_parse(span_str(cli_member(r->object, "from")),
	    MIME_ADDR_UTF8, r->arena, &r->from, &why);
	if (e == ERR_OK)
		e = mime_addr_parse(span_str(cli_member(r->object, "rcpt")),
		    MIME_ADDR_UTF8, r->arena, &r->rcpt, &why);
	if (e != ERR_OK) {
		cli_say("%s: %s", r->name, why.text);
		return CLI_FAILED;
	}
	if (r->from_path == NULL)
		return escrow_recovery_fetch(r->cli, &r->recovery, r->name);
	/* of the log, too, that the child reads */
	cli_ask_quietly(r->cli, "audit-flush");
	r->from_fd = open(r->from_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r->from_fd < 0)
		cli_say("%s: %s", r->from_path, strerror(errno));
	return r->from_fd < 0 ? CLI_FAILED : CLI_DONE;
}

static int
resend(struct resend *r, const char *id)
{
	int status = escrow_find(r->cli, id, &r->answer, &r->object);

	if (status != CLI_DONE)
		return status;
	r->name = cli_member(r->object, "object");
	status = open_all(r);
	if (status == CLI_DONE)
		status = submit(r);
	if (status == CLI_DONE && r->cli->json)
		cli_put_json(
		    json_pack("{s:b, s:s}", "ok", true, "revoked", r->name));
	else if (status == CLI_DONE)
		printf("%s is taken back; the message goes to its recipient "
		       "again, and its sender is told\n",
		    r->name);
	return status;
}

static void
clear(struct resend *r)
{
	if (r->keys_fd >= 0)
		close(r->keys_fd);
	if (r->from_fd >= 0)
		close(r->from_fd);
	memfd_unmap(&r->map);
	buf_clear(&r->copy);
	escrow_recovery_clear(&r->recovery);
	json_decref(r->answer);
	arena_free(r->arena);
}

int
cli_escrow_resend(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
	    {"key", required_argument, NULL, 'k'},
	    {"object", required_argument, NULL, 'o'},
	    {"passphrase-file", required_argument, NULL, 'p'},
	    {"passphrase-fd", required_argument, NULL, 'd'},
	    {"from", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
	struct resend r = {.cli = cli,
	    .arena = arena_new(ARENA_MAX),
	    .recovery = ESCROW_RECOVERY_INIT,
	    .from_fd = -1,
	    .keys_fd = -1};
	bool good = true;
	int c, status;

	while (good && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			r.from_path = optarg;
		else
			good = escrow_recovery_option(&r.recovery, c, optarg);
	}
	good = good && argc - optind == 1 &&
	       (r.from_path != NULL) != (r.recovery.key_path != NULL);
	status = good ? resend(&r, argv[optind]) : cli_usage(cli);
	clear(&r);
	return status;
}
