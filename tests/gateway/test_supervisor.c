/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The supervisor with roles that only come and go (fake_roles.c): the program
 * is run as an administrator would, and its log is read. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "gateway/role.h"

static char top[64], conf_path[128], log_text[1 << 18];
static size_t log_len;
static int log_fd = -1, notify_fd = -1, port_fd = -1, port;
static char listen_more[512]; /* options of the listen section */
static const char *users = "users = 61000";
static pid_t pid;

static const char *
in(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", top, name);
	return p;
}

/* A port for the gateway alone: while it is bound here, nobody else is given
   it, and who asks for it by its number and reuses addresses still gets it. */
static int
free_port(void)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	cr_assert_eq(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	if (port_fd != -1)
		close(port_fd);
	port_fd = fd;
	return ntohs(sin.sin_port);
}

static void
write_conf(const char *hostname, const char *more)
{
	FILE *f = fopen(conf_path, "w");

	cr_assert_not_null(f);
	fprintf(f,
	    "hostname = \"%s\" domains = \"example.com\" %s\n"
	    "state = \"%s/state\" runtime = \"%s/run\"\n"
	    "listen outbound { address = \"127.0.0.1:%d\" %s }\n"
	    "relay outbound { via = \"mx\" }\nlimits { stop = 60s }\n"
	    "rule r { try = clear }\n%s\n",
	    hostname, users, top, top, port, listen_more, more);
	fclose(f);
}

static void
setup(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(top, sizeof(top), "/tmp/sgtest.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(chmod(top, 0711), 0);
	snprintf(conf_path, sizeof(conf_path), "%s", in("sealgate.conf"));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in("notify"));
	notify_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	cr_assert_eq(bind(notify_fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	port = free_port();
	write_conf("gw.example.com", "");
}

static void
teardown(void)
{
	static const char *const files[] = {"state/keys/ready.sealed",
	    "state/keys/pending.sealed", "state/keys/audit.sealed",
	    "state/keys/complete", "run/control", "master.key", "notify",
	    "sealgate.conf", "copy", "tls.crt", "tls.key"};
	static const char *const dirs[] = {"state/keys", "state/spool",
	    "state/bodies", "state/escrow", "state/portal", "state/audit",
	    "state/keystore", "state/publish", "state", "run/pgp",
	    "run/admission", "run", "."};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(in(files[i]));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		rmdir(in(dirs[i]));
	rmdir(top);
	close(notify_fd);
	close(port_fd);
	if (log_fd != -1)
		close(log_fd);
}

static void
start(const char *option)
{
	const char *build = getenv("TOP_BUILDDIR");
	char program[4096];
	int out[2];

	snprintf(program, sizeof(program), "%s/tests/gateway/fake_sealgated",
	    build == NULL ? "." : build);
	cr_assert_eq(pipe(out), 0);
	log_len = 0;
	log_text[0] = '\0';
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		setenv("NOTIFY_SOCKET", in("notify"), 1);
		setenv("SEALGATE_CONF", conf_path, 1);
		execl(program, "sealgated", option, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	if (log_fd != -1)
		close(log_fd);
	log_fd = out[0];
}

/* Read what is logged until text stands there, from offset on; where it is. */
static size_t
await_from(size_t from, const char *text)
{
	struct pollfd p = {.fd = log_fd, .events = POLLIN};
	time_t end = time(NULL) + 90;
	const char *found;

	while ((found = strstr(log_text + from, text)) == NULL) {
		ssize_t got;

		cr_assert_lt(time(NULL), end, "\"%s\" did not come:\n%s", text,
		    log_text);
		if (poll(&p, 1, 500) == 0)
			continue;
		got = read(
		    log_fd, log_text + log_len, sizeof(log_text) - 1 - log_len);
		cr_assert_gt(
		    got, 0, "\"%s\" did not come:\n%s", text, log_text);
		log_len += (size_t)got;
		log_text[log_len] = '\0';
	}
	return (size_t)(found - log_text);
}

static void
await(const char *text)
{
	await_from(0, text);
}

/* Everything up to the end of the log. */
static void
read_rest(void)
{
	ssize_t got;

	while ((got = read(log_fd, log_text + log_len,
		    sizeof(log_text) - 1 - log_len)) > 0)
		log_len += (size_t)got;
	log_text[log_len] = '\0';
}

static int
finish(void)
{
	int status;

	read_rest();
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(
	    WIFEXITED(status), "signal %d:\n%s", WTERMSIG(status), log_text);
	return WEXITSTATUS(status);
}

static int
stop(void)
{
	kill(pid, SIGTERM);
	return finish();
}

static void
must_say(const char *text)
{
	cr_expect_not_null(
	    strstr(log_text, text), "\"%s\" is not in\n%s", text, log_text);
}

static void
must_notify(const char *state)
{
	struct pollfd p = {.fd = notify_fd, .events = POLLIN};
	char text[256] = "";
	ssize_t got;

	cr_assert_eq(poll(&p, 1, 90000), 1, "no %s", state);
	got = recv(notify_fd, text, sizeof(text) - 1, 0);
	cr_assert_gt(got, 0);
	cr_expect_eq(
	    strncmp(text, state, strlen(state)), 0, "%s, not %s", text, state);
}

static pid_t
parent_of(pid_t p)
{
	char path[64], text[512] = "";
	const char *end;
	int parent = 0, fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)p);
	fd = open(path, O_RDONLY);
	if (fd == -1)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0 &&
	    (end = strrchr(text, ')')) != NULL)
		sscanf(end + 1, " %*c %d", &parent);
	close(fd);
	return parent;
}

/* Whether the process p is the child of ours that has this command line. */
static bool
is_child(pid_t p, const char *command)
{
	char path[64], text[256] = "";
	int fd, n;

	if (parent_of(p) != pid)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)p);
	fd = open(path, O_RDONLY);
	if (fd == -1)
		return false;
	n = (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	for (int i = 0; i < n - 1; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return strcmp(text, command) == 0;
}

/* A process of the gateway by role and index. Its number says nothing: others
   start processes in between, and the numbers begin anew at some time. */
static pid_t
find_process(const char *role, const char *index)
{
	char command[128];
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t found = 0;

	cr_assert_not_null(dir);
	snprintf(command, sizeof(command), "sealgated --role %s --index %s",
	    role, index);
	while (found == 0 && (d = readdir(dir)) != NULL) {
		pid_t p = (pid_t)strtol(d->d_name, NULL, 10);

		if (p > 0 && is_child(p, command))
			found = p;
	}
	closedir(dir);
	return found;
}

Test(supervisor, starts_all_and_stops_in_order, .init = setup, .fini = teardown)
{
	struct stat st;
	size_t listener, worker, store;

	start(NULL);
	await("event=ready");
	must_notify("READY=1");
	await("listener[0] info id=- event=start socket=1");
	await("environment=0");
	cr_expect_eq(stat(in("master.key"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0400);
	cr_expect_eq(st.st_size, 32);
	cr_expect_eq(stat(in("state/bodies"), &st), 0);
	cr_expect_eq(st.st_mode & 07777, 03770);
	cr_expect_eq(stat(in("run/control"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0660);
	cr_expect_eq(stop(), 0);
	must_notify("STOPPING=1");
	listener = await_from(0, "listener[0] info id=- event=bye");
	worker = await_from(0, "worker[1] info id=- event=bye");
	store = await_from(0, "store[0] info id=- event=bye");
	cr_expect_lt(listener, worker);
	cr_expect_lt(worker, store);
	cr_expect_neq(access(in("run/control"), F_OK), 0);
}

Test(supervisor, restarts_what_dies_and_connects_it, .init = setup,
    .fini = teardown)
{
	pid_t worker, again;
	size_t from;

	start(NULL);
	await("event=ready");
	await("listener[0] info id=- event=peer peer=\"worker\" index=0");
	worker = find_process("worker", "0");
	cr_assert_gt(worker, 0);
	from = log_len;
	kill(worker, SIGKILL);
	await_from(from, "event=ended process=\"worker\" index=0");
	await_from(from, "listener[0] info id=- event=peer peer=\"worker\" "
			 "index=0");
	await_from(from, "worker[0] info id=- event=heard peer=\"listener\"");
	again = find_process("worker", "0");
	cr_expect_gt(again, 0);
	cr_expect_neq(again, worker);
	cr_expect_eq(stop(), 0);
}

Test(supervisor, a_dead_supervisor_takes_all_with_it, .init = setup,
    .fini = teardown)
{
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	start(NULL);
	await("event=ready");
	kill(pid, SIGKILL);
	read_rest(); /* ends when the last process has closed its end */
	/* what it started is ours now; all has gone with the last of them */
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	cr_assert_eq(errno, ECHILD);
	/* and nothing keeps the next one from its place */
	start(NULL);
	await("event=ready");
	cr_expect_eq(stop(), 0);
}

Test(supervisor, reloads_what_is_right_and_keeps_the_old_otherwise,
    .init = setup, .fini = teardown)
{
	start(NULL);
	await("event=ready");
	must_notify("READY=1");
	write_conf("new.example.com", "");
	kill(pid, SIGHUP);
	await("listener[0] info id=- event=conf hostname=\"new.example.com\"");
	must_notify("RELOADING=1");
	must_notify("READY=1");
	write_conf("wrong.example.com", "frobnicate = yes");
	kill(pid, SIGHUP);
	await("sealgate.conf:7: unknown option");
	await("the old configuration stays");
	write_conf("moved.example.com", "limits2 { }");
	kill(pid, SIGHUP);
	await("unknown section limits2");
	port = free_port();
	write_conf("moved.example.com", "");
	kill(pid, SIGHUP);
	await("address cannot change while the gateway runs");
	cr_expect_null(strstr(log_text, "hostname=\"wrong"));
	cr_expect_null(strstr(log_text, "hostname=\"moved"));
	cr_expect_eq(stop(), 0);
}

static void
make_certificate(void)
{
	int status, null;
	pid_t p = fork();

	cr_assert_neq(p, -1);
	if (p == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, STDERR_FILENO);
		execlp("openssl", "openssl", "req", "-x509", "-nodes",
		    "-newkey", "rsa:2048", "-keyout", in("tls.key"), "-out",
		    in("tls.crt"), "-days", "2", "-subj", "/CN=gw.example.com",
		    (char *)NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(p, &status, 0), p);
	cr_assert_eq(status, 0);
}

Test(
    supervisor, a_renewed_certificate_is_taken, .init = setup, .fini = teardown)
{
	FILE *f;

	make_certificate();
	snprintf(listen_more, sizeof(listen_more),
	    "tls-cert = \"%s\" tls-key = \"%s\"", in("tls.crt"), in("tls.key"));
	write_conf("gw.example.com", "");
	start(NULL);
	await("event=ready");
	make_certificate();
	write_conf("new.example.com", "");
	kill(pid, SIGHUP);
	await("event=conf hostname=\"new.example.com\" certificate=1");
	/* one that does not fit its key changes nothing */
	cr_assert_eq(truncate(in("tls.key"), 0), 0);
	write_conf("third.example.com", "");
	kill(pid, SIGHUP);
	await("sealgate.conf:3: tls-key:");
	await("the old configuration stays");
	f = fopen(in("tls.crt"), "w");
	cr_assert_not_null(f);
	fclose(f);
	kill(pid, SIGHUP);
	await("sealgate.conf:3: tls-cert:");
	cr_expect_eq(stop(), 0);
}

Test(supervisor, a_role_that_never_runs_stops_the_gateway, .init = setup,
    .fini = teardown)
{
	write_conf("refuse.example.com", "");
	start(NULL);
	cr_expect_eq(finish(), EX_CONFIG);
	must_say("process=\"worker\" text=\"the worker never runs\"");
}

Test(supervisor, does_not_open_state_without_its_master_key, .init = setup,
    .fini = teardown)
{
	uint8_t other[32] = {1};
	int fd;

	start(NULL);
	await("event=ready");
	cr_expect_eq(stop(), 0);
	cr_assert_eq(rename(in("master.key"), in("copy")), 0);
	start(NULL);
	cr_expect_eq(finish(), EX_CONFIG);
	must_say("master.key is missing");
	cr_expect_neq(access(in("master.key"), F_OK), 0);

	fd = open(in("master.key"), O_CREAT | O_WRONLY, 0400);
	cr_assert_eq(write(fd, other, 32), 32);
	close(fd);
	start(NULL);
	cr_expect_eq(finish(), EX_CONFIG);
	must_say("not the master key of this state directory");

	cr_assert_eq(rename(in("copy"), in("master.key")), 0);
	cr_assert_eq(chmod(in("master.key"), 0444), 0);
	start(NULL);
	cr_expect_eq(finish(), EX_CONFIG);
	must_say("can be read by others");

	cr_assert_eq(chmod(in("master.key"), 0400), 0);
	start(NULL);
	await("event=ready");
	cr_expect_eq(stop(), 0);
}

Test(supervisor, two_do_not_share_a_state, .init = setup, .fini = teardown)
{
	pid_t first;
	int first_log;

	start(NULL);
	await("event=ready");
	first = pid;
	first_log = dup(log_fd);
	port = free_port();
	write_conf("gw.example.com", "");
	start(NULL);
	cr_expect_eq(finish(), EX_TEMPFAIL);
	must_say("another sealgated is using");
	pid = first;
	close(log_fd);
	log_fd = first_log;
	log_len = 0;
	cr_expect_eq(stop(), 0);
}

Test(supervisor, checks_without_starting, .init = setup, .fini = teardown)
{
	start("-n");
	cr_expect_eq(finish(), 0);
	cr_expect_neq(access(in("state"), F_OK), 0);
	write_conf("gw.example.com", "frobnicate = yes\nhostname = \"x\"");
	start("-n");
	cr_expect_eq(finish(), 1);
	must_say("sealgate.conf:7: unknown option \"frobnicate\"");
	must_say("sealgate.conf:8: \"hostname\" is given a second time");
	write_conf("gw.example.com", "portal { address = \"127.0.0.1:1\" "
				     "url = \"https://p.example\" "
				     "tls-cert = \"/nonexistent\" "
				     "tls-key = \"/nonexistent\" }");
	start("-n");
	cr_expect_eq(finish(), 1);
	must_say("sealgate.conf:7: tls-cert: /nonexistent cannot be read");
}

Test(supervisor, root_is_told_which_users_it_lacks, .init = setup,
    .fini = teardown)
{
	if (geteuid() != 0) {
		teardown(); /* skipping does without .fini */
		cr_skip("only root changes users");
	}
	users = "";
	write_conf("gw.example.com", "");
	start("-n");
	cr_expect_eq(finish(), 1);
	must_say("nothing says who to run as");
	users = "users = \"sgnone\"";
	write_conf("gw.example.com", "");
	start("-n");
	cr_expect_eq(finish(), 1);
	must_say("there is no user sgnone-keys: create it with");
}

Test(supervisor, a_place_that_the_users_cannot_reach_is_named, .init = setup,
    .fini = teardown)
{
	if (geteuid() != 0) {
		teardown(); /* skipping does without .fini */
		cr_skip("only root changes users");
	}
	cr_assert_eq(chmod(top, 0700), 0);
	start(NULL);
	cr_expect_eq(finish(), EX_CONFIG);
	must_say("the users of the gateway cannot pass it");
	must_say("chmod o+x");
}

Test(supervisor, each_role_owns_what_it_writes, .init = setup, .fini = teardown)
{
	static const struct {
		const char *path;
		mode_t mode;
		enum role_id owner;
	} row[] = {
	    {"state/keys", 0711, ROLE_KEYS},
	    {"state/spool", 0700, ROLE_STORE},
	    {"state/bodies", 03770, ROLE_STORE},
	    {"state/audit", 0750, ROLE_STORE},
	    {"state/publish", 02775, ROLE_STORE},
	    {"state/keystore", 02750, ROLE_STORE},
	    {"state/escrow", 03770, ROLE_PORTAL},
	    {"state/portal", 0700, ROLE_PORTAL},
	    {"run/pgp", 0700, ROLE_PGP},
	    {"run/control", 0660, ROLE_CONTROL},
	};

	start(NULL);
	await("event=ready");
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		uid_t want = geteuid() == 0 ? 61000 + row[i].owner : geteuid();
		struct stat st;

		cr_assert_eq(stat(in(row[i].path), &st), 0, "%s", row[i].path);
		cr_expect_eq(st.st_mode & 07777, row[i].mode, "%s %o",
		    row[i].path, st.st_mode & 07777);
		cr_expect_eq(st.st_uid, want, "%s", row[i].path);
	}
	cr_expect_eq(stop(), 0);
}
