/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Each role tries, behind its walls, what it must not be able to do. The
 * directories are those of a configuration in a temporary place. */
#include "gateway/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/conf.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char top[64];
static struct conf *conf;

static const char *const dirs[] = {"state", "state/keys", "state/spool",
    "state/bodies", "state/escrow", "state/portal", "state/audit",
    "state/keystore", "state/publish", "state/tls", "run", "run/pgp",
    "run/admission"};

static void
make_file(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", top, dir, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_neq(fd, -1);
	close(fd);
}

static void
setup(void)
{
	struct conf_findings f;
	char text[1024], path[256];

	snprintf(top, sizeof(top), "/tmp/sgtest.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	for (size_t i = 0; i < N(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		cr_assert_eq(mkdir(path, 0700), 0);
		make_file(dirs[i], "f");
	}
	make_file("state/keystore", "lock.mdb");
	snprintf(text, sizeof(text),
	    "hostname = \"gw.example\" domains = \"example.com\"\n"
	    "state = \"%s/state\" runtime = \"%s/run\"\n"
	    "listen outbound { address = \"127.0.0.1:1\" }\n"
	    "relay outbound { via = \"mx\" }\n"
	    "rule r { try = clear }\n",
	    top, top);
	conf_findings_init(&f);
	cr_assert_eq(conf_parse(span_str(text), "t", &f, &conf), ERR_OK, "%s",
	    f.n > 0 ? f.list[0].text : "");
	conf_findings_clear(&f);
}

static void
teardown(void)
{
	char path[256];

	conf_free(conf);
	for (size_t i = N(dirs); i-- > 0;) {
		static const char *const left[] = {
		    "f", "new", "moved", "s", "lock.mdb"};

		for (size_t k = 0; k < N(left); k++) {
			snprintf(path, sizeof(path), "%s/%s/%s", top, dirs[i],
			    left[k]);
			unlink(path);
		}
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		rmdir(path);
	}
	rmdir(top);
}

/* --- what is tried: 0 if it worked, else errno */

static int
result(long rc)
{
	if (rc < 0)
		return errno;
	return 0;
}

static int
open_in(const char *where, int flags)
{
	char path[256];
	int fd;

	if (*where == '/')
		snprintf(path, sizeof(path), "%s", where);
	else
		snprintf(path, sizeof(path), "%s/%s", top, where);
	fd = open(path, flags, 0600);
	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static int
make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static int
run_program(void)
{
	char *argv[] = {(char *)"true", NULL};

	execv("/bin/true", argv);
	return errno;
}

static int
fork_once(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

/* As the C library does it. */
static int
child_once(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : errno;
}

static int
executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
move_file(const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", top, from);
	snprintf(b, sizeof(b), "%s/%s", top, to);
	return result(rename(a, b));
}

static int
remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return result(unlink(path));
}

static void *
thread(void *arg)
{
	return arg;
}

static int
start_thread(void)
{
	pthread_t t;
	int rc = pthread_create(&t, NULL, thread, NULL);

	if (rc == 0)
		pthread_join(t, NULL);
	return rc;
}

enum act {
	READ,
	WRITE,
	CREATE,
	MOVE,
	REMOVE,
	INET,
	UNIX,
	NETLINK,
	EXEC,
	FORK,
	CHILD,
	PTRACE,
	EXEC_MEMORY,
	THREAD,
	DUMPABLE,
	NEW_PRIVS,
	KILL_PARENT,
};

static int
act(enum act what, const char *where)
{
	switch (what) {
	case READ:
		return open_in(where, O_RDONLY);
	case WRITE:
		return open_in(where, O_WRONLY);
	case CREATE:
		return open_in(where, O_WRONLY | O_CREAT | O_EXCL);
	case MOVE:
		return move_file(where, "state/spool/moved");
	case REMOVE:
		return remove_file(where);
	case INET:
		return make_socket(AF_INET);
	case UNIX:
		return make_socket(AF_UNIX);
	case NETLINK:
		return make_socket(AF_NETLINK);
	case EXEC:
		return run_program();
	case FORK:
		return fork_once();
	case CHILD:
		return child_once();
	case PTRACE:
		return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	case EXEC_MEMORY:
		return executable_memory();
	case THREAD:
		return start_thread();
	case DUMPABLE:
		return prctl(PR_GET_DUMPABLE) == 0 ? EPERM : 0;
	case NEW_PRIVS:
		return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
	case KILL_PARENT:
		return result(kill(getppid(), 0));
	}
	return 0;
}

/* Enter the walls in a child, act, and come back with the errno; -1 when the
   child died of it. */
static int
try_as(enum role_id role, enum act what, const char *where)
{
	struct err_why why = {""};
	int status;
	pid_t pid = fork();

	cr_assert_neq(pid, -1);
	if (pid == 0) {
		sandbox_limits();
		if (sandbox_enter(role, conf, &why) != ERR_OK) {
			fprintf(stderr, "%s\n", why.text);
			_exit(200);
		}
		_exit(act(what, where));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *
role_text(enum role_id role)
{
	return role_name(role);
}

struct row {
	enum role_id role;
	enum act what;
	const char *where;
	int want; /* errno; 0: it must work */
};

static void
check(const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int got;

		/* without Landlock the users are the wall around files */
		if (row[i].want == EACCES && sandbox_landlock_abi() == 0)
			continue;
		got = try_as(row[i].role, row[i].what, row[i].where);
		cr_expect_eq(got, row[i].want, "%s, act %d %s: %d, not %d",
		    role_text(row[i].role), (int)row[i].what,
		    row[i].where == NULL ? "" : row[i].where, got, row[i].want);
	}
}

Test(sandbox, no_role_gets_out, .init = setup, .fini = teardown)
{
	static const struct row every[] = {
	    {0, EXEC_MEMORY, NULL, EPERM},
	    {0, EXEC, NULL, EPERM},
	    {0, FORK, NULL, EPERM},
	    {0, PTRACE, NULL, EPERM},
	    {0, NETLINK, NULL, EPERM},
	    {0, UNIX, NULL, EPERM},
	    {0, KILL_PARENT, NULL, EPERM},
	};

	for (int role = ROLE_KEYS; role < ROLE_COUNT; role++) {
		for (size_t i = 0; i < N(every); i++) {
			struct row row = every[i];

			row.role = (enum role_id)role;
			if (role == ROLE_PGP || role == ROLE_ADMISSION ||
			    role == ROLE_EXTRACT)
				continue;
			check(&row, 1);
		}
	}
}

Test(sandbox, the_worker_reads_keys_and_leaves_files, .init = setup,
    .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_WORKER, INET, NULL, EPERM},
	    {ROLE_WORKER, THREAD, NULL, EPERM},
	    {ROLE_WORKER, READ, "/etc/passwd", EACCES},
	    {ROLE_WORKER, READ, "state/keystore/f", 0},
	    {ROLE_WORKER, WRITE, "state/keystore/f", EACCES},
	    {ROLE_WORKER, CREATE, "state/keystore/new", EACCES},
	    {ROLE_WORKER, REMOVE, "state/keystore/f", EACCES},
	    {ROLE_WORKER, READ, "state/keys/f", EACCES},
	    {ROLE_WORKER, READ, "state/spool/f", EACCES},
	    {ROLE_WORKER, READ, "state/audit/f", EACCES},
	    {ROLE_WORKER, READ, "state/portal/f", EACCES},
	    {ROLE_WORKER, READ, "run/f", EACCES},
	    {ROLE_WORKER, CREATE, "state/bodies/new", 0},
	    {ROLE_WORKER, CREATE, "state/escrow/new", 0},
	    {ROLE_WORKER, CREATE, "state/new", EACCES},
	};

	check(row, N(row));
}

Test(sandbox, the_opener_forks_and_opens_the_keystore_anew, .init = setup,
    .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_OPENER, CHILD, NULL, 0},
	    {ROLE_OPENER, THREAD, NULL, -1}, /* dies of it */
	    {ROLE_OPENER, INET, NULL, EPERM},
	    {ROLE_OPENER, READ, "/etc/passwd", EACCES},
	    {ROLE_OPENER, READ, "state/keystore/f", 0},
	    {ROLE_OPENER, WRITE, "state/keystore/f", EACCES},
	    {ROLE_OPENER, WRITE, "state/keystore/lock.mdb", 0},
	    {ROLE_OPENER, CREATE, "state/keystore/new", EACCES},
	    {ROLE_OPENER, REMOVE, "state/keystore/lock.mdb", EACCES},
	    {ROLE_OPENER, READ, "state/keys/f", EACCES},
	    {ROLE_OPENER, READ, "state/spool/f", EACCES},
	    {ROLE_OPENER, READ, "state/escrow/f", EACCES},
	    {ROLE_OPENER, CREATE, "state/escrow/new", EACCES},
	    {ROLE_OPENER, CREATE, "state/bodies/new", 0},
	};

	check(row, N(row));
}

Test(sandbox, the_issuer_reads_keys_and_writes_what_is_published, .init = setup,
    .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_ISSUER, READ, "state/keystore/f", 0},
	    {ROLE_ISSUER, WRITE, "state/keystore/f", EACCES},
	    {ROLE_ISSUER, CREATE, "state/keystore/new", EACCES},
	    {ROLE_ISSUER, READ, "state/keys/f", EACCES},
	    {ROLE_ISSUER, READ, "state/spool/f", EACCES},
	    {ROLE_ISSUER, READ, "/etc/passwd", EACCES},
	    {ROLE_ISSUER, CREATE, "state/publish/new", 0},
	    {ROLE_ISSUER, INET, NULL, EPERM},
	};

	check(row, N(row));
}

Test(sandbox, the_listener_has_no_files, .init = setup, .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_LISTENER, READ, "state/keystore/f", EPERM},
	    {ROLE_LISTENER, READ, "state/spool/f", EPERM},
	    {ROLE_LISTENER, READ, "/etc/passwd", EPERM},
	    {ROLE_LISTENER, CREATE, "state/spool/new", EPERM},
	    {ROLE_LISTENER, REMOVE, "state/spool/f", EPERM},
	    {ROLE_LISTENER, INET, NULL, EPERM},
	    {ROLE_LISTENER, THREAD, NULL, EPERM},
	    {ROLE_CONTROL, READ, "state/spool/f", EPERM},
	    {ROLE_CONTROL, INET, NULL, EPERM},
	    {ROLE_KEYS, READ, "state/keys/f", EPERM},
	    {ROLE_KEYS, CREATE, "state/keys/new", EPERM},
	    {ROLE_KEYS, INET, NULL, EPERM},
	};

	check(row, N(row));
}

Test(sandbox, the_portal_sees_escrow_only, .init = setup, .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_PORTAL, READ, "state/spool/f", EACCES},
	    {ROLE_PORTAL, READ, "state/bodies/f", EACCES},
	    {ROLE_PORTAL, READ, "state/keystore/f", EACCES},
	    {ROLE_PORTAL, READ, "state/keys/f", EACCES},
	    {ROLE_PORTAL, READ, "/etc/passwd", EACCES},
	    {ROLE_PORTAL, INET, NULL, EPERM},
	    {ROLE_PORTAL, THREAD, NULL, 0},
	    {ROLE_PORTAL, READ, "state/publish/f", 0},
	    {ROLE_PORTAL, WRITE, "state/publish/f", EACCES},
	    {ROLE_PORTAL, READ, "state/escrow/f", 0},
	    {ROLE_PORTAL, WRITE, "state/portal/f", 0},
	    {ROLE_PORTAL, REMOVE, "state/escrow/f", 0},
	};

	check(row, N(row));
}

Test(
    sandbox, discovery_and_relay_write_nothing, .init = setup, .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_DISCOVERY, INET, NULL, 0},
	    {ROLE_DISCOVERY, THREAD, NULL, 0},
	    {ROLE_DISCOVERY, CREATE, "state/new", EACCES},
	    {ROLE_DISCOVERY, CREATE, "/tmp/sgtest-new", EACCES},
	    {ROLE_DISCOVERY, WRITE, "state/spool/f", EACCES},
	    {ROLE_DISCOVERY, READ, "state/keystore/f", EACCES},
	    {ROLE_DISCOVERY, REMOVE, "state/spool/f", EPERM},
	    {ROLE_DISCOVERY, MOVE, "state/spool/f", EPERM},
	    {ROLE_DISCOVERY, READ, "/etc/passwd", EACCES},
	    {ROLE_RELAY, INET, NULL, 0},
	    {ROLE_RELAY, CREATE, "state/new", EACCES},
	    {ROLE_RELAY, READ, "state/spool/f", EACCES},
	    {ROLE_RELAY, READ, "state/keystore/f", EACCES},
	};

	check(row, N(row));
}

Test(sandbox, the_store_is_the_writer, .init = setup, .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_STORE, INET, NULL, EPERM},
	    {ROLE_STORE, READ, "state/keys/f", EACCES},
	    {ROLE_STORE, READ, "state/escrow/f", EACCES},
	    {ROLE_STORE, READ, "/etc/passwd", EACCES},
	    {ROLE_STORE, WRITE, "state/keystore/f", 0},
	    {ROLE_STORE, CREATE, "state/audit/new", 0},
	    {ROLE_STORE, REMOVE, "state/bodies/f", 0},
	    {ROLE_STORE, MOVE, "state/spool/f", 0},
	};

	check(row, N(row));
}

Test(
    sandbox, pgp_runs_programs_of_its_own_only, .init = setup, .fini = teardown)
{
	static const struct row row[] = {
	    {ROLE_PGP, INET, NULL, EAFNOSUPPORT},
	    {ROLE_PGP, UNIX, NULL, 0},
	    {ROLE_PGP, PTRACE, NULL, EPERM},
	    {ROLE_PGP, FORK, NULL, 0},
	    {ROLE_PGP, EXEC, NULL, EACCES},
	    {ROLE_PGP, READ, "state/keys/f", EACCES},
	    {ROLE_PGP, READ, "state/spool/f", EACCES},
	    {ROLE_PGP, READ, "/etc/passwd", EACCES},
	    {ROLE_PGP, CREATE, "run/pgp/new", 0},
	    {ROLE_ADMISSION, CREATE, "run/admission/new", 0},
	    {ROLE_ADMISSION, WRITE, "run/pgp/new", EACCES},
	    {ROLE_ADMISSION, READ, "state/keystore/f", EACCES},
	    {ROLE_ADMISSION, INET, NULL, EAFNOSUPPORT},
	    {ROLE_PGP, CREATE, "run/new", EACCES},
	    {ROLE_EXTRACT, FORK, NULL, 0},
	    {ROLE_EXTRACT, EXEC, NULL, EACCES},
	    {ROLE_EXTRACT, INET, NULL, EAFNOSUPPORT},
	    {ROLE_EXTRACT, PTRACE, NULL, EPERM},
	    {ROLE_EXTRACT, READ, "/etc/passwd", EACCES},
	    {ROLE_EXTRACT, READ, "state/keys/f", EACCES},
	    {ROLE_EXTRACT, READ, "state/keystore/f", EACCES},
	    {ROLE_EXTRACT, CREATE, "state/new", EACCES},
	    {ROLE_EXTRACT, CREATE, "run/new", EACCES},
	    {ROLE_PGP, DUMPABLE, NULL, EPERM},
	    {ROLE_PGP, NEW_PRIVS, NULL, EPERM},
	};

	check(row, N(row));
}

Test(sandbox, a_call_without_use_ends_the_process, .init = setup,
    .fini = teardown)
{
	int status, out[2];
	char line[256] = "";
	pid_t pid;

	cr_assert_eq(pipe(out), 0);
	pid = fork();
	cr_assert_neq(pid, -1);
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		if (sandbox_enter(ROLE_WORKER, conf, NULL) != ERR_OK)
			_exit(200);
		syscall(SYS_swapon, "/dev/null", 0);
		_exit(0);
	}
	close(out[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), SANDBOX_EXIT);
	cr_expect_gt(read(out[0], line, sizeof(line) - 1), 0);
	cr_expect_str_eq(line,
	    "event=sandbox role=worker text=\"system call not allowed\" "
	    "syscall=167\n");
	close(out[0]);
}

Test(sandbox, leaves_no_core)
{
	struct rlimit rl;

	sandbox_limits();
	cr_assert_eq(getrlimit(RLIMIT_CORE, &rl), 0);
	cr_expect_eq(rl.rlim_cur, 0);
	cr_expect_eq(rl.rlim_max, 0);
}
