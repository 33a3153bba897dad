/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The opener: mail from outside that store has committed as it came, opened,
 * verified and told the truth about. This process only waits; each message has
 * a child of its own, forked behind the walls, that ends with it: what one
 * message did to its reader the next one does not meet. A child that dies
 * takes this process with it, so that store counts the crash. Opens the
 * keystore to read; may ask keys and its own pgp; hands everything to store.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/log.h"
#include "common/stream.h"
#include "common/text.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_open.h"
#include "gateway/worker/open_private.h"
#include "mime/header.h"

enum {
	CERT_CACHE = 64,
	ARENA_MAX = 256 * 1024 * 1024,
	KEYSTORE_TRIES = 100, /* of 100 ms: store makes it at first start */
	IDS = LIMIT_RECIPIENTS + 16,  /* entries that a message may become */
	CPU_S = 120,		      /* seconds for one message */
	MEMORY = 2047u * 1024 * 1024, /* octets that it may write to */

	/* exit status of a child */
	CHILD_GOOD = 0,
	CHILD_RENEW, /* a channel is not as it should be any more */
};

/* --- one message, in its child --- */

static void
undecided(struct worker *w, uint64_t id, enum err err, const char *why)
{
	struct ipc *store = role_channel(w->role, ROLE_STORE, 0);
	struct buf b;

	buf_init(&b, LIMIT_IPC_INLINE);
	if (store == NULL || proto_failure_pack(err, why, &b) != ERR_OK ||
	    ipc_send(store, PROTO_UNDECIDED, id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		w->renew = true; /* a new store asks again */
	buf_clear(&b);
}

static void
on_decide(struct worker *w, struct ipc_msg *m)
{
	struct proto_decide in;
	struct err_why why = {""};
	struct job j;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e = proto_decide_unpack(m->payload, w->arena, &in);

	if (e == ERR_OK && in.entry.route != ENTRY_INBOUND)
		e = ERR_IPC;
	if (e != ERR_OK) {
		if (fd >= 0)
			close(fd);
		undecided(w, m->id, e, "malformed entry");
		return;
	}
	e = job_from_pending(&j, w, &in, fd);
	if (e == ERR_OK)
		e = open_message(&j, in.released, &why);
	if (e == ERR_OK)
		e = job_sync(&j);
	if (e == ERR_OK) {
		j.out.waits = job_may_wait(&j);
		e = peers_submit(&j);
	}
	if (e != ERR_OK) {
		job_undo(&j);
		undecided(
		    w, m->id, e, why.text[0] != 0 ? why.text : err_text(e));
	}
	job_clear(&j);
}

/* A message that would take more is taken for one that kills. */
static void
bind_child(void)
{
	static const struct rlimit cpu = {CPU_S, CPU_S};

	setrlimit(RLIMIT_CPU, &cpu);
#ifndef WITH_SANITIZERS
	static const struct rlimit memory = {MEMORY, MEMORY};

	setrlimit(RLIMIT_DATA, &memory);
#endif
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* LMDB does not bear a fork: each child opens the keystore for itself. */
static int
child(struct worker *w, struct ipc_msg *m)
{
	enum err e;

	w->child = true;
	bind_child();
	sealed_forget_old();
	e = ks_open(role_conf(w->role)->paths.keystore, 0, &w->keys, NULL);
	if (e == ERR_OK)
		on_decide(w, m);
	else
		undecided(w, m->id, e, "the keystore does not open");
	ks_close(w->keys);
	return w->renew ? CHILD_RENEW : CHILD_GOOD;
}

/* --- the process that waits --- */

/* False: begin anew. */
static bool
fork_child(struct worker *w, struct ipc_msg *m)
{
	char id[TEXT_ID_SIZE];
	int status = 0;
	pid_t pid;

	entry_skip_ids(IDS);
	pid = fork();
	if (pid == 0)
		_exit(child(w, m));
	text_id(m->id, id);
	if (pid < 0) {
		undecided(w, m->id, err_from_errno(errno), "cannot fork");
		return !w->renew;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= CHILD_RENEW)
		return WEXITSTATUS(status) == CHILD_GOOD;
	log_event(LOG_LVL_ERR, id, "opener-died",
	    KV_NUM("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	    KV_NUM("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
	return false;
}

/* The lock file must be there before the walls. */
static void
await_keystore(struct role *r)
{
	static const struct timespec pause = {0, 100 * 1000 * 1000};
	const char *dir = role_conf(r)->paths.keystore;
	struct ks_store *s = NULL;
	struct err_why why = {""};
	enum err e = ERR_NOT_FOUND;

	for (int i = 0; i < KEYSTORE_TRIES && e == ERR_NOT_FOUND; i++) {
		e = ks_open(dir, 0, &s, &why);
		if (e == ERR_NOT_FOUND)
			nanosleep(&pause, NULL);
	}
	if (e != ERR_OK)
		role_refuse(r, "cannot open the keystore %s: %s", dir,
		    why.text[0] != 0 ? why.text : err_text(e));
	ks_close(s);
}

/* Everything that cannot be opened behind the walls. */
static void
open_all(struct worker *w)
{
	const struct conf *conf = role_conf(w->role);
	struct err_why why;

	if (crypto_check_library(&why) != ERR_OK)
		role_refuse(w->role, "%s", why.text);
	mime_charsets_open();
	digest_init();
	stream_init();
	if (crypto_cms_open_init(conf->opening.weak_ciphers, &why) != ERR_OK)
		role_refuse(w->role, "%s", why.text);
	await_keystore(w->role);
	w->escrow_fd = -1;
	w->bodies_fd =
	    open(conf->paths.bodies, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->bodies_fd < 0)
		role_refuse(w->role, "cannot open the directory %s",
		    conf->paths.bodies);
	w->certs = crypto_cert_cache_new(CERT_CACHE);
	w->arena = arena_new(ARENA_MAX);
	if (certs_new(conf, &w->judge, &why) != ERR_OK)
		role_refuse(w->role, "certificates: anchors: %s", why.text);
	certs_on_unknown(w->judge, peers_want_revocation, w);
	if (w->certs == NULL || w->arena == NULL)
		fatal("out of memory");
}

static void
close_all(struct worker *w)
{
	arena_free(w->arena);
	crypto_cert_cache_free(w->certs);
	certs_free(w->judge);
	mime_charsets_close();
	close(w->bodies_fd);
}

int
opener_main(struct role *r)
{
	struct worker w = {.role = r};
	struct role_peer from;
	struct ipc_msg m;
	bool good;

	open_all(&w);
	role_confine(r);
	role_ready(r);
	good = peers_learn_keys(&w) == ERR_OK;
	while (good && role_next(r, &from, &m) == ERR_OK) {
		if (from.id == ROLE_STORE && m.type == PROTO_DECIDE)
			good = fork_child(&w, &m);
		else if (from.id != ROLE_ADMISSION) /* it answers nobody */
			log_event(LOG_LVL_ERR, NULL, "unexpected",
			    KV_STR("type", proto_name(m.type)),
			    KV_STR("peer", role_name(from.id)));
		ipc_msg_clear(&m);
	}
	close_all(&w);
	return 0;
}
