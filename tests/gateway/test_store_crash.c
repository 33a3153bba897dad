/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store killed with -9 at a system call chosen by a seeded count, again and
 * again, while workers submit and relay delivers. What was acknowledged is
 * delivered; what is known to be done is not delivered again; what was fenced
 * off never is; the audit log is whole and says each of it once.
 * SEALGATE_KILLS sets the number of kills, SEALGATE_SEED another sequence.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/text.h"
#include "gateway/store/audit_reader.h"
#include "gateway/store/audit_verify.h"
#include "tests/lib/store_rig.h"

enum {
	KILLS = 40,
	MESSAGES_MAX = 200000,
	WINDOW = 12,	  /* submissions under way */
	CALLS_MAX = 1200, /* system calls of a life */
	QUIET_MS = 60000, /* without a word: stuck */
	N_FAR = 4,
};

enum fate {
	UNKNOWN = 0, /* submitted, no answer yet */
	ACKED,
	FENCED,
};

static struct {
	enum fate fate;
	uint32_t delivered; /* times */
	uint64_t mark;	    /* its result was sent before this submission */
	uint32_t rounds;    /* such submissions that were acknowledged */
	bool settled;	    /* and is known to be durable */
} message[MESSAGES_MAX];

/* Delivered, and not known to be durable. */
static uint64_t reported[MESSAGES_MAX];
static size_t n_reported;

static struct rig rig;
static uint64_t n_messages; /* ids 1.. */
static uint64_t n_open;	    /* submitted in this life, no answer */
static uint64_t n_todo;	    /* acked and not delivered */
static uint64_t seed;
static pid_t tracer;

static const enum role_id far_role[N_FAR] = {
    ROLE_KEYS, ROLE_LISTENER, ROLE_WORKER, ROLE_RELAY};

static uint64_t
rnd(uint64_t below)
{
	/* xorshift64*: the same sequence everywhere */
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 0x2545f4914f6cdd1du >> 11) % below;
}

/* --- the store, in a process of its own --- */

static void
end(void *arg, bool failed)
{
	(void)arg;
	_exit(failed ? 1 : 0);
}

static _Noreturn void
run_store(const int *fd)
{
	struct err_why why = {""};
	struct store *s;
	struct loop *loop;

	if (store_open(&rig.conf, &s, &why) != ERR_OK) {
		fprintf(stderr, "store_open: %s\n", why.text);
		_exit(2);
	}
	loop = loop_new();
	store_start(s, loop, end, NULL);
	for (int i = 0; i < N_FAR; i++)
		store_add_peer(s, far_role[i], 0, ipc_new(fd[i]));
	loop_run(loop);
	_exit(3);
}

/* Let it make so many system calls (0: all it wants), then kill it. */
static _Noreturn void
run_tracer(const int *fd, uint64_t calls)
{
	pid_t pid;
	int status;

	/* nothing stays behind when a test fails */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (calls > 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(4);
		if (calls > 0)
			raise(SIGSTOP);
		run_store(fd);
	}
	for (int i = 0; i < N_FAR; i++)
		close(fd[i]);
	/* both an entry and an exit are a stop */
	for (calls *= 2; waitpid(pid, &status, 0) == pid;) {
		if (WIFEXITED(status) || WIFSIGNALED(status))
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
		if (calls-- == 0)
			kill(pid, SIGKILL);
		else
			ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	_exit(5);
}

static void
start(uint64_t calls)
{
	int theirs[N_FAR], ours;

	for (int i = 0; i < N_FAR; i++) {
		cr_assert_eq(ipc_pair(&ours, &theirs[i]), ERR_OK);
		rig.far[far_role[i]][0] = ipc_new(ours);
	}
	tracer = fork();
	cr_assert_geq(tracer, 0);
	if (tracer == 0)
		run_tracer(theirs, calls);
	for (int i = 0; i < N_FAR; i++)
		close(theirs[i]);
}

static void
stop(void)
{
	int status;

	for (int i = 0; i < N_FAR; i++) {
		ipc_free(rig.far[far_role[i]][0]);
		rig.far[far_role[i]][0] = NULL;
	}
	cr_assert_eq(waitpid(tracer, &status, 0), tracer);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "store ended by itself: %x", (unsigned)status);
}

/* --- the others --- */

static bool
post(enum role_id to, uint16_t type, uint64_t id, const struct buf *b)
{
	return ipc_send(rig.far[to][0], type, id, buf_span(b), NULL, 0) ==
	       ERR_OK;
}

static void
write_body(struct entry *e, char name[TEXT_ID_SIZE])
{
	char path[200];
	int fd;

	text_id(e->id, name);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.bodies, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return; /* store has not made the directory yet */
	cr_assert_eq(ftruncate(fd, (off_t)e->body.len), 0);
	close(fd);
	e->body = SPAN(NULL, 0);
	e->file = name;
}

/* Message n has the id n and one entry, 2^20 + n. */
static bool
submit(uint64_t n)
{
	struct entry e = rig_entry(&rig, n + (1 << 20), n, ENTRY_READY);
	char rec[80], name[TEXT_ID_SIZE];
	const char *recs = rec;
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = &recs,
	    .n_audit = 1};
	struct buf b;
	bool good;

	snprintf(rec, sizeof(rec), "{\"type\":\"accepted\",\"n\":%llu}",
	    (unsigned long long)n);
	if (rnd(8) == 0)
		write_body(&e, name);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	cr_assert_eq(proto_submit_pack(&m, &b), ERR_OK);
	good = post(ROLE_WORKER, PROTO_SUBMIT, n, &b);
	buf_clear(&b);
	arena_reset(rig.arena);
	return good;
}

static bool
ask_fence(uint64_t n)
{
	struct packer p;
	struct buf b;
	bool good;

	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u32(&p, 1);
	cr_assert_eq(pack_end(&p), ERR_OK);
	good = post(ROLE_LISTENER, PROTO_FENCE, n, &b);
	buf_clear(&b);
	return good;
}

static void
on_answer(uint64_t n, struct span payload)
{
	struct proto_committed c;
	struct arena *a = arena_new(4096);
	enum err e;

	cr_assert_eq(proto_committed_unpack(payload, a, &c), ERR_OK);
	arena_free(a);
	e = c.result;
	cr_assert(n >= 1 && n <= n_messages);
	cr_assert(e == ERR_OK || e == ERR_FENCED, "%s", err_name(e));
	n_open--;
	if (e == ERR_OK && message[n].fate == UNKNOWN &&
	    message[n].delivered == 0)
		n_todo++;
	cr_assert(e == ERR_OK || message[n].fate != ACKED,
	    "%llu was acknowledged and then fenced", (unsigned long long)n);
	message[n].fate = e == ERR_OK ? ACKED : FENCED;
	/* results that were sent before this submission are in */
	for (size_t i = 0; e == ERR_OK && i < n_reported;) {
		if (message[reported[i]].mark > n) {
			i++;
			continue;
		}
		/* a round of store's loop may have read this submission and
		   not yet the result; the round after it has both */
		if (message[reported[i]].rounds++ == 0) {
			message[reported[i++]].mark = n_messages + 1;
			continue;
		}
		message[reported[i]].settled = true;
		reported[i] = reported[--n_reported];
	}
}

static bool
on_delivery(uint64_t entry)
{
	uint64_t n = entry - (1 << 20);
	bool defer = rnd(6) == 0;
	struct proto_rcpt_result rcpt = {
	    .outcome = defer ? PROTO_DEFERRED : PROTO_DELIVERED,
	    .code = 250,
	    .status = "",
	    .text = ""};
	struct proto_result r = {.rcpt = &rcpt, .n_rcpt = 1};
	struct buf b;
	bool good;

	cr_assert(n >= 1 && n <= n_messages);
	cr_assert_neq(message[n].fate, FENCED, "%llu was fenced off",
	    (unsigned long long)n);
	cr_assert_not(message[n].settled, "%llu is delivered twice",
	    (unsigned long long)n);
	if (!defer && message[n].delivered++ == 0 && message[n].fate == ACKED)
		n_todo--;
	buf_init(&b, 1024);
	cr_assert_eq(proto_result_pack(&r, &b), ERR_OK);
	good = post(ROLE_RELAY, PROTO_RESULT, entry, &b);
	buf_clear(&b);
	if (good && !defer) {
		message[n].mark = n_messages + 1;
		message[n].rounds = 0;
		reported[n_reported++] = n;
	}
	return good;
}

static bool
take(enum role_id from)
{
	struct ipc_msg m;
	bool good;

	if (from == ROLE_KEYS) {
		rig_play_keys(&rig);
		return true;
	}
	good = ipc_recv(rig.far[from][0], &m) == ERR_OK;
	if (good && m.type == PROTO_COMMITTED)
		on_answer(m.id, m.payload);
	if (good && m.type == PROTO_DELIVER)
		good = on_delivery(m.id);
	if (good)
		ipc_msg_clear(&m);
	return good;
}

/* One look at all channels; false when the store is gone. */
static bool
look(int wait_ms)
{
	struct pollfd p[N_FAR];
	int n;

	for (int i = 0; i < N_FAR; i++)
		p[i] = (struct pollfd){
		    .fd = ipc_fd(rig.far[far_role[i]][0]), .events = POLLIN};
	n = poll(p, N_FAR, wait_ms);
	cr_assert(n > 0 || wait_ms == 0, "it is stuck");
	for (int i = 0; i < N_FAR; i++) {
		if ((p[i].revents & POLLIN) != 0 && !take(far_role[i]))
			return false;
		if ((p[i].revents & (POLLHUP | POLLIN)) == POLLHUP)
			return false;
	}
	return true;
}

/* Ask what became of everything that has no answer. */
static bool
fence_all(void)
{
	n_open = 0;
	/* results that the last life may never have read */
	for (; n_reported > 0; n_reported--)
		message[reported[n_reported - 1]].rounds = 0;
	for (uint64_t n = 1; n <= n_messages; n++) {
		if (message[n].fate != UNKNOWN)
			continue;
		n_open++;
		if (!ask_fence(n))
			return false;
	}
	while (n_open > 0)
		if (!look(QUIET_MS))
			return false;
	return true;
}

static void
live(void)
{
	bool alive = fence_all();

	while (alive) {
		if (n_open < WINDOW && n_messages + 1 < MESSAGES_MAX) {
			n_open++;
			alive = submit(++n_messages);
		}
		alive = alive && look(n_open < WINDOW ? 0 : QUIET_MS);
	}
}

/* --- the oracle --- */

static void
check_log(void)
{
	static uint8_t seen[MESSAGES_MAX];
	struct store_verify v = {0};
	struct store_verified done;
	struct store_reader *r;
	struct store_line l;
	struct span line;
	uint64_t *first;
	size_t n_files;
	bool whole;
	int fd = open(rig.conf.paths.audit, O_RDONLY);

	cr_assert_eq(
	    store_audit_verify(rig.conf.paths.audit, &v, &done), ERR_OK);
	cr_assert_eq(done.problems, 0);
	cr_assert_eq(store_audit_files(fd, &first, &n_files), ERR_OK);
	for (size_t i = 0; i < n_files; i++) {
		cr_assert_eq(store_reader_open(fd, first[i], &r), ERR_OK);
		while (store_reader_next(r, &line, &whole) == ERR_OK) {
			char rec[80];
			unsigned long long n;

			cr_assert_eq(store_line_parse(line, &l), ERR_OK);
			snprintf(rec, sizeof(rec), "%.*s", (int)l.rec.len,
			    (const char *)l.rec.data);
			if (sscanf(rec, "{\"type\":\"accepted\",\"n\":%llu}",
				&n) == 1)
				seen[n]++;
		}
		store_reader_close(r);
	}
	for (uint64_t n = 1; n <= n_messages; n++)
		cr_assert_eq(seen[n], message[n].fate == ACKED ? 1 : 0,
		    "record of %llu: %d", (unsigned long long)n, seen[n]);
	free(first);
	close(fd);
}

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t n = otherwise;

	if (text != NULL)
		cr_assert_eq(
		    text_number(span_str(text), 1, UINT64_MAX, &n), ERR_OK);
	return n;
}

Test(store_crash, what_was_acknowledged_survives_every_kill)
{
	uint64_t kills = setting("SEALGATE_KILLS", KILLS), dupes = 0;

	signal(SIGPIPE, SIG_IGN);
	seed = setting("SEALGATE_SEED", 20261121);
	rig_init(&rig);
	rig.conf.retry.first_ms = 1;
	rig.conf.retry.max_ms = 20;
	rig.conf.retry.expire_ms = UINT64_MAX;
	rig.conf.retry.warn_ms = UINT64_MAX;
	for (uint64_t i = 0; i < kills; i++) {
		start(1 + rnd(CALLS_MAX));
		live();
		stop();
	}
	start(0);
	cr_assert(fence_all());
	while (n_todo > 0)
		cr_assert(look(QUIET_MS), "store died by itself");
	/* the rest of the results, and rows into files */
	for (int i = 0; i < 30; i++) {
		poll(NULL, 0, 50);
		cr_assert(look(0));
	}
	for (uint64_t n = 1; n <= n_messages; n++) {
		cr_assert_neq(message[n].fate, UNKNOWN);
		cr_assert(message[n].fate != ACKED || message[n].delivered > 0,
		    "%llu is lost", (unsigned long long)n);
		dupes += message[n].delivered > 1;
	}
	/* only what was under way when it was killed may come twice */
	cr_assert_leq(dupes, kills * 256);
	for (int i = 0; i < N_FAR; i++)
		ipc_free(rig.far[far_role[i]][0]);
	check_log();
	/* what tests/long/run looks for */
	printf("figure: %llu kills, %llu messages, none lost, %llu came twice; "
	       "the audit log is whole\n",
	    (unsigned long long)kills, (unsigned long long)n_messages,
	    (unsigned long long)dupes);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	rig_clear(&rig);
}
