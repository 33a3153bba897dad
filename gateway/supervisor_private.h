/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the supervisor share: supervisor.c decides, process.c
 * starts one process and connects it, reload.c brings new configurations.
 */
#ifndef GATEWAY_SUPERVISOR_PRIVATE_H
#define GATEWAY_SUPERVISOR_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/limits.h"
#include "gateway/role.h"

struct conf;
struct ipc;
struct loop;
struct loop_timer;
struct supervisor;

enum proc_state {
	PROC_DOWN,
	PROC_STARTING,
	PROC_READY,
};

struct proc {
	struct supervisor *s;
	enum role_id role;
	unsigned index;
	enum proc_state state;
	pid_t pid;	     /* 0 while there is none */
	struct ipc *ch;	     /* NULL once it is closed */
	uint64_t started_ms; /* steady clock */
	uint64_t delay_ms;   /* before the next start */
	unsigned restarts;
	unsigned unanswered;	  /* questions of pulse.c, in a row */
	struct loop_timer *timer; /* of the next start */
};

/* A socket that outlives the process that serves it. */
struct proc_socket {
	enum role_id role;
	unsigned which;
	int fd;
};

struct supervisor {
	struct loop *loop;
	struct conf *conf;
	struct buf text; /* of the configuration */
	bool journal;
	int lock_fd;
	int master_fd;
	struct proc_socket *socket;
	size_t n_socket;
	struct proc *proc;
	size_t n_proc;
	bool said_ready;
	bool stopping;
	unsigned stop_step;
	int exit_status;
	struct loop_timer *stop_timer;
	struct loop_timer *watchdog;
	struct loop_timer *pulse;
	struct loop_timer *groups;
	/* files of workers and of accounts, when last looked at */
	struct stat watched[2][LIMIT_IPC_FDS];
};

/* process.c: start the process, hand over what it needs, connect it with
   those that run. ERR_OK even if it dies at once: its end is seen as any. */
enum err proc_start(struct proc *p, struct err_why *why) MUST_CHECK;
/* Send to one process; nothing happens when it has gone. */
void proc_tell(struct proc *p, uint16_t type, struct span payload,
    const int *fds, size_t n_fds);

/* reload.c: hand the running configuration, with its files opened anew, to a
   process. */
void supervisor_tell_conf(struct supervisor *s, struct proc *p);
/* groups_watch.c: look from now on whether files of groups, users
   or recipients change. */
void groups_watch(struct supervisor *s);
/* pulse.c: ask the processes from now on whether they are still at work, and
   kill those that are not. */
void pulse_start(struct supervisor *s);

/* supervisor.c */
void supervisor_on_msg(void *arg, struct ipc_msg *m);
void supervisor_on_close(void *arg);

/* reload.c: SIGHUP and `sealgate reload`. What is wrong goes to findings. */
struct conf_findings;
enum err supervisor_reload(
    struct supervisor *s, struct conf_findings *f) MUST_CHECK;
/* Answer a request of the command line that came by control. */
void supervisor_answer(struct proc *control, struct ipc_msg *m);

#endif
