/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keep the processes of the gateway running: start, restart with back-off,
 * stop in order. It has no key, reads no mail and no message of a peer but
 * control; it keeps the listening sockets, so that a process that dies loses
 * no address. sd_notify(3) in notify.c.
 */
#include "gateway/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/activation.h"
#include "gateway/conf.h"
#include "gateway/notify.h"
#include "gateway/proto.h"
#include "gateway/sandbox.h"
#include "gateway/state.h"
#include "gateway/supervisor_private.h"
#include "gateway/topology.h"

enum {
	DELAY_FIRST_MS = 100,
	DELAY_MAX_MS = 30000,
	/* a process that ran so long did not fail at its start */
	DELAY_RESET_MS = 60000,
	/* for each step of a stop behind the first */
	STOP_STEP_MS = 5000,
};

static void stop_next_step(struct supervisor *s);

/* --- processes come and go */

static void
start(struct proc *p)
{
	struct err_why why = {""};

	if (p->s->stopping)
		return;
	if (proc_start(p, &why) == ERR_OK) {
		log_event(LOG_LVL_DEBUG, NULL, "started",
		    KV_STR("process", role_name(p->role)),
		    KV_NUM("index", p->index), KV_NUM("pid", p->pid));
		return;
	}
	log_event(LOG_LVL_CRIT, NULL, "start",
	    KV_STR("process", role_name(p->role)), KV_STR("text", why.text));
	loop_timer_start(p->timer, DELAY_MAX_MS, 0);
}

static void
on_start_timer(void *arg)
{
	start(arg);
}

/* Stop the whole gateway with this status. */
static void
begin_stop(struct supervisor *s, int status)
{
	if (s->exit_status == 0)
		s->exit_status = status;
	if (s->stopping)
		return;
	s->stopping = true;
	notify("STOPPING=1");
	log_event(LOG_LVL_NOTICE, NULL, "stopping", KV_NUM("status", status));
	s->stop_step = 0;
	stop_next_step(s);
}

static void
log_end(const struct proc *p, int status)
{
	bool normal =
	    p->s->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	enum log_level level = normal ? LOG_LVL_DEBUG : LOG_LVL_ERR;

	if (WIFSIGNALED(status))
		log_event(level, NULL, "ended",
		    KV_STR("process", role_name(p->role)),
		    KV_NUM("index", p->index), KV_NUM("pid", p->pid),
		    KV_NUM("signal", WTERMSIG(status)));
	else
		log_event(level, NULL, "ended",
		    KV_STR("process", role_name(p->role)),
		    KV_NUM("index", p->index), KV_NUM("pid", p->pid),
		    KV_NUM("status", WEXITSTATUS(status)));
}

static void
ended(struct proc *p, int status)
{
	struct supervisor *s = p->s;
	uint64_t ran = clock_steady_ms() - p->started_ms;
	bool refused = p->state == PROC_STARTING && WIFEXITED(status) &&
		       WEXITSTATUS(status) == EX_CONFIG;

	log_end(p, status);
	/* these lead a process group: a program that outlived one ends with
	   it */
	if (p->role == ROLE_PGP || p->role == ROLE_ADMISSION ||
	    p->role == ROLE_EXTRACT)
		kill(-p->pid, SIGKILL);
	p->pid = 0;
	p->state = PROC_DOWN;
	p->unanswered = 0;
	if (s->stopping) {
		stop_next_step(s);
		return;
	}
	/* once the gateway has been up, what is wrong now may be mended under
	   it: the rest goes on, and this process is tried again */
	if (refused && !s->said_ready) {
		begin_stop(s, EX_CONFIG);
		return;
	}
	if (p->delay_ms == 0 || ran >= DELAY_RESET_MS)
		p->delay_ms = DELAY_FIRST_MS;
	else if (p->delay_ms < DELAY_MAX_MS / 2)
		p->delay_ms *= 2;
	else
		p->delay_ms = DELAY_MAX_MS;
	p->restarts++;
	loop_timer_start(p->timer, p->delay_ms, 0);
}

/* Helpers of gpg whose parent died are given to us, and end here, too. */
static void
on_child(void *arg)
{
	struct supervisor *s = arg;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < s->n_proc; i++)
			if (s->proc[i].pid == pid) {
				ended(&s->proc[i], status);
				break;
			}
}

static void
now_ready(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_proc; i++)
		if (s->proc[i].state != PROC_READY)
			return;
	if (s->said_ready || s->stopping)
		return;
	s->said_ready = true;
	notify("READY=1");
	log_event(LOG_LVL_NOTICE, NULL, "ready",
	    KV_STR("hostname", s->conf->hostname),
	    KV_NUM("processes", s->n_proc));
}

void
supervisor_on_msg(void *arg, struct ipc_msg *m)
{
	struct proc *p = arg;

	switch (m->type) {
	case PROTO_READY:
		p->state = PROC_READY;
		now_ready(p->s);
		return;
	case PROTO_PONG:
		p->unanswered = 0;
		return;
	case PROTO_REFUSE:
		log_event(LOG_LVL_CRIT, NULL, "refused",
		    KV_STR("process", role_name(p->role)),
		    KV_SPAN("text", m->payload));
		return;
	case PROTO_REQUEST:
		if (p->role == ROLE_CONTROL) {
			supervisor_answer(p, m);
			return;
		}
		break;
	}
	log_event(LOG_LVL_ERR, NULL, "message",
	    KV_STR("from", role_name(p->role)), KV_NUM("type", m->type),
	    KV_ERR(ERR_IPC));
}

/* A process that closed its channel can be reached no more: if it is not
   dying by itself, it is made to. */
void
supervisor_on_close(void *arg)
{
	struct proc *p = arg;

	ipc_free(p->ch);
	p->ch = NULL;
	if (p->pid != 0 && p->state == PROC_READY && !p->s->stopping)
		kill(p->pid, SIGKILL);
}

/* --- the end */

static bool
step_is_over(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n_proc; i++)
		if (s->proc[i].pid != 0 &&
		    topology_stop_step(s->proc[i].role) < s->stop_step)
			return false;
	return true;
}

/* When those of the last step have ended, tell those of the next one. */
static void
stop_next_step(struct supervisor *s)
{
	while (step_is_over(s)) {
		bool any = false;

		if (s->stop_step == TOPOLOGY_STOP_STEPS) {
			loop_stop(s->loop);
			return;
		}
		for (size_t i = 0; i < s->n_proc; i++) {
			struct proc *p = &s->proc[i];

			if (topology_stop_step(p->role) != s->stop_step)
				continue;
			loop_timer_stop(p->timer);
			proc_tell(p, PROTO_STOP, SPAN(NULL, 0), NULL, 0);
			any |= p->pid != 0;
		}
		if (any)
			loop_timer_start(s->stop_timer,
			    s->stop_step == 0 ? s->conf->limits.stop_ms
					      : STOP_STEP_MS,
			    0);
		s->stop_step++;
	}
}

/* The time of this step is over. Killing loses nothing that was promised. */
static void
on_stop_timer(void *arg)
{
	struct supervisor *s = arg;

	for (size_t i = 0; i < s->n_proc; i++) {
		struct proc *p = &s->proc[i];

		if (p->pid == 0 || topology_stop_step(p->role) >= s->stop_step)
			continue;
		log_event(LOG_LVL_WARN, NULL, "killed",
		    KV_STR("process", role_name(p->role)),
		    KV_NUM("index", p->index));
		kill(p->pid, SIGKILL);
	}
}

/* Asked twice, we do not wait for what is in progress. */
static void
on_stop_signal(void *arg)
{
	struct supervisor *s = arg;

	if (s->stopping)
		on_stop_timer(s);
	else
		begin_stop(s, 0);
}

static void
on_reload_signal(void *arg)
{
	struct supervisor *s = arg;
	struct conf_findings f;
	char line[1024];

	if (s->stopping)
		return;
	notify_reloading();
	conf_findings_init(&f);
	if (supervisor_reload(s, &f) == ERR_OK)
		log_event(LOG_LVL_NOTICE, NULL, "reloaded",
		    KV_STR("file", s->conf->file));
	else
		log_event(LOG_LVL_ERR, NULL, "reload",
		    KV_STR("text", "the old configuration stays"));
	for (size_t i = 0; i < f.n; i++)
		log_event(
		    f.list[i].level == CONF_WARN ? LOG_LVL_WARN : LOG_LVL_ERR,
		    NULL, "configuration",
		    KV_STR(
			"text", conf_finding_text(&f, i, line, sizeof(line))));
	conf_findings_clear(&f);
	notify("READY=1");
}

static void
on_watchdog(void *arg)
{
	notify("WATCHDOG=1");
}

/* --- the beginning */

/* P3: what is in memory may end on a disk in the clear. */
static void
warn_of_the_machine(void)
{
	struct sysinfo machine;

	/* not /proc/swaps, which a service manager may hide */
	if (sysinfo(&machine) == 0 && machine.totalswap > 0)
		log_event(LOG_LVL_WARN, NULL, "swap",
		    KV_STR("text",
			"swap is in use: the content of messages may be "
			"written to it; turn it off or encrypt it"));
	if (sandbox_landlock_abi() == 0)
		log_event(LOG_LVL_WARN, NULL, "landlock",
		    KV_STR("text",
			"this kernel has no Landlock: users and seccomp are "
			"the only walls around files"));
}

/* Our log goes to the journal: sd_journal's own test, JOURNAL_STREAM names
   the device and inode of standard error. */
static bool
is_journal(void)
{
	const char *want = getenv("JOURNAL_STREAM");
	char have[64];
	struct stat st;

	if (want == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(have, sizeof(have), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(want, have) == 0;
}

static enum err
add_socket(struct supervisor *s, enum role_id role, unsigned which, int fd)
{
	struct proc_socket *grown =
	    realloc(s->socket, (s->n_socket + 1) * sizeof(*grown));

	if (grown == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	s->socket = grown;
	s->socket[s->n_socket++] = (struct proc_socket){role, which, fd};
	return ERR_OK;
}

static enum err
listen_on(struct supervisor *s, struct activation *a, enum role_id role,
    unsigned which, const struct conf_addr *addr, struct err_why *why)
{
	int fd = activation_take(a, addr);
	enum err err = fd != -1 ? ERR_OK : state_listen(addr, &fd, why);

	return err == ERR_OK ? add_socket(s, role, which, fd) : err;
}

static enum err
open_sockets(struct supervisor *s, struct err_why *why)
{
	const struct conf *c = s->conf;
	struct activation a;
	enum err err = ERR_OK;
	unsigned n = 0;
	int fd;

	activation_begin(&a, ACTIVATION_FIRST_FD);
	if (!c->portal_gateway.present) {
		err = state_listen_control(c, &fd, why);
		if (err == ERR_OK)
			err = add_socket(s, ROLE_CONTROL, 0, fd);
	}
	for (size_t i = 0; i < c->n_listen; i++)
		for (size_t k = 0; err == ERR_OK && k < c->listen[i].n_address;
		     k++)
			err = listen_on(s, &a, ROLE_LISTENER, n++,
			    &c->listen[i].address[k], why);
	for (size_t k = 0; err == ERR_OK && k < c->portal.n_address; k++)
		err = listen_on(s, &a, ROLE_PORTAL, (unsigned)k,
		    &c->portal.address[k], why);
	/* behind those for readers */
	for (size_t k = 0; err == ERR_OK && k < c->portal_gateway.n_address;
	     k++)
		err = listen_on(s, &a, ROLE_PORTAL,
		    (unsigned)(c->portal.n_address + k),
		    &c->portal_gateway.address[k], why);
	/* 0 is the socket of the command line */
	for (size_t k = 0; err == ERR_OK && k < c->metrics.n_address; k++)
		err = listen_on(s, &a, ROLE_CONTROL, (unsigned)k + 1,
		    &c->metrics.address[k], why);
	activation_end(&a);
	return err;
}

/* The children parse the text that was checked, not a file that may have
   changed since. */
static enum err
keep_text(struct supervisor *s, struct err_why *why)
{
	enum err err;

	buf_init(&s->text, LIMIT_CONFIG_FILE + 4096);
	err = file_read_path(AT_FDCWD, s->conf->file, &s->text);
	if (err != ERR_OK)
		return err_why(why, err, "cannot read %s: %s", s->conf->file,
		    err_text(err));
	return ERR_OK;
}

static enum err
prepare(struct supervisor *s, struct err_why *why)
{
	enum err err = keep_text(s, why);

	if (err == ERR_OK)
		err = state_prepare(s->conf, why);
	if (err == ERR_OK)
		err = state_lock(s->conf, &s->lock_fd, why);
	if (err == ERR_OK && !s->conf->portal_gateway.present)
		err = state_master_key(s->conf, &s->master_fd, why);
	if (err == ERR_OK)
		err = open_sockets(s, why);
	return err;
}

static enum err
add_procs(struct supervisor *s)
{
	unsigned total = 0;

	for (int role = 0; role < ROLE_COUNT; role++)
		total += topology_count(s->conf, (enum role_id)role);
	s->proc = calloc(total, sizeof(*s->proc));
	if (s->proc == NULL)
		return ERR_NOMEM;
	for (int role = 0; role < ROLE_COUNT; role++) {
		unsigned n = topology_count(s->conf, (enum role_id)role);

		for (unsigned i = 0; i < n; i++) {
			struct proc *p = &s->proc[s->n_proc++];

			p->s = s;
			p->role = (enum role_id)role;
			p->index = i;
			p->timer = loop_timer_new(s->loop, on_start_timer, p);
		}
	}
	return ERR_OK;
}

static void
run(struct supervisor *s)
{
	uint64_t every = notify_watchdog_ms();

	loop_on_signal(s->loop, SIGCHLD, on_child, s);
	loop_on_signal(s->loop, SIGTERM, on_stop_signal, s);
	loop_on_signal(s->loop, SIGINT, on_stop_signal, s);
	loop_on_signal(s->loop, SIGHUP, on_reload_signal, s);
	s->stop_timer = loop_timer_new(s->loop, on_stop_timer, s);
	s->watchdog = loop_timer_new(s->loop, on_watchdog, s);
	if (every != 0)
		loop_timer_start(s->watchdog, every, every);
	for (size_t i = 0; i < s->n_proc; i++)
		start(&s->proc[i]);
	pulse_start(s);
	groups_watch(s);
	loop_run(s->loop);
}

static void
clear(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_proc; i++) {
		ipc_free(s->proc[i].ch);
		loop_timer_free(s->proc[i].timer);
	}
	for (size_t i = 0; i < s->n_socket; i++)
		close(s->socket[i].fd);
	if (s->stop_timer != NULL)
		loop_timer_free(s->stop_timer);
	if (s->watchdog != NULL)
		loop_timer_free(s->watchdog);
	if (s->pulse != NULL)
		loop_timer_free(s->pulse);
	if (s->groups != NULL)
		loop_timer_free(s->groups);
	if (s->n_socket > 0 && !s->conf->portal_gateway.present)
		unlink(s->conf->paths.control);
	if (s->master_fd != -1)
		close(s->master_fd);
	if (s->lock_fd != -1)
		close(s->lock_fd);
	loop_free(s->loop);
	buf_clear(&s->text);
	conf_free(s->conf);
	free(s->socket);
	free(s->proc);
}

int
supervisor_run(struct conf *c)
{
	struct supervisor s = {.conf = c, .lock_fd = -1, .master_fd = -1};
	struct err_why why = {""};
	int status = EX_OSERR;
	enum err err;

	s.journal = is_journal();
	log_init(role_name(ROLE_SUPERVISOR), 0,
	    c->log_debug ? LOG_LVL_DEBUG : LOG_LVL_INFO, s.journal);
	umask(0007);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	warn_of_the_machine();
	s.loop = loop_new();
	err = prepare(&s, &why);
	if (err == ERR_OK)
		err = add_procs(&s);
	if (err == ERR_OK) {
		run(&s);
		status = s.exit_status;
		log_event(
		    LOG_LVL_NOTICE, NULL, "stopped", KV_NUM("status", status));
	} else {
		log_event(LOG_LVL_CRIT, NULL, "start", KV_STR("text", why.text),
		    KV_ERR(err));
		status = err == ERR_BUSY ? EX_TEMPFAIL : EX_CONFIG;
	}
	clear(&s);
	return status;
}
