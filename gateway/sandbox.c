/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Build the walls that sandbox_table.c describes. A system call outside of a
 * role's list ends the process and names the call; the ones that an intruder
 * would try first (sockets, programs, files, other processes) fail with EPERM
 * instead. seccomp(2), landlock(7).
 */
#include "gateway/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/conf.h"
#include "gateway/sandbox_table.h"

/* --- limits */

static void
raise_limit(int which, rlim_t want)
{
	struct rlimit rl;

	if (getrlimit(which, &rl) != 0)
		return;
	/* root may raise the hard limit, others take what there is */
	if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < want) {
		struct rlimit more = {want, want};

		if (setrlimit(which, &more) == 0)
			return;
	}
	if (rl.rlim_max == RLIM_INFINITY || rl.rlim_max > want)
		rl.rlim_cur = want;
	else
		rl.rlim_cur = rl.rlim_max;
	setrlimit(which, &rl);
}

void
sandbox_limits(void)
{
	static const struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	raise_limit(RLIMIT_MEMLOCK, 64 << 20);
	raise_limit(RLIMIT_NOFILE, 65536);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* --- system calls */

/* The library's macro leaves a member out, which clang warns of. */
#define ARG_IS(n, value) SCMP_CMP64((n), SCMP_CMP_EQ, (value), 0)

static const char *confined_role;

/* Async-signal-safe: say which call it was and end. */
static void
on_sigsys(int signo, siginfo_t *info, void *context)
{
	char line[128], digits[16];
	size_t len = 0, n = 0;
	int nr = info->si_syscall;
	const char *part[] = {"event=sandbox role=", confined_role,
	    " text=\"system call not allowed\" syscall=", NULL, "\n"};

	(void)signo;
	(void)context;
	do
		digits[n++] = (char)('0' + nr % 10);
	while ((nr /= 10) > 0 && n < sizeof(digits));
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		if (part[i] == NULL) {
			while (n > 0 && len < sizeof(line))
				line[len++] = digits[--n];
			continue;
		}
		for (const char *p = part[i]; *p && len < sizeof(line); p++)
			line[len++] = *p;
	}
	if (write(STDERR_FILENO, line, len) < 0)
		_exit(SANDBOX_EXIT);
	_exit(SANDBOX_EXIT);
}

/* What fork() of glibc asks for and nothing more (no namespace, no thread), and
   what the child binds itself with: it ends with its parent, its own limits. */
static int
add_forks(scmp_filter_ctx ctx)
{
	const scmp_datum_t may = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	int rc = 0;

	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, ~may, SIGCHLD));
	rc |=
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
	    ARG_IS(0, PR_SET_PDEATHSIG));
	rc |= seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, ARG_IS(0, 0));
	return rc;
}

/* Calls that are looked at by their arguments: memory that can be executed,
   kinds of sockets, threads but no processes. */
static int
add_conditional(scmp_filter_ctx ctx, const struct sandbox_profile *p)
{
	static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	/* not TIOCSTI: it types into the terminal of whoever started us */
	static const scmp_datum_t ioctls[] = {FIONBIO, FIONREAD, TCGETS};
	int rc = 0;

	for (size_t i = 0; i < 2; i++) {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), maps[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	}
	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    ARG_IS(1, ioctls[i]));
	if (p->threads) {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		    ARG_IS(0, PR_SET_NAME));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0x00010000 /* CLONE_THREAD */,
			0x00010000));
		/* its flags cannot be seen; glibc then uses clone */
		rc |= seccomp_rule_add(
		    ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	}
	if (p->forks)
		rc |= add_forks(ctx);
	if (p->inet) {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    ARG_IS(0, AF_INET));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    ARG_IS(0, AF_INET6));
		for (int af = 0; af < AF_MAX; af++)
			if (af != AF_INET && af != AF_INET6)
				rc |= seccomp_rule_add(ctx,
				    SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
				    ARG_IS(0, (scmp_datum_t)af));
	}
	return rc;
}

/* Is the call in one of the lists of the profile? */
static bool
in_lists(const struct sandbox_profile *p, int nr)
{
	for (size_t g = 0; g < SANDBOX_LISTS_MAX && p->list[g] != NULL; g++)
		for (const int *s = p->list[g]; *s != SANDBOX_END; s++)
			if (*s == nr)
				return true;
	return false;
}

static bool
is_conditional(const struct sandbox_profile *p, int nr)
{
	return (p->inet && nr == SCMP_SYS(socket)) ||
	       ((p->threads || p->forks) &&
		   (nr == SCMP_SYS(clone) || nr == SCMP_SYS(clone3))) ||
	       (p->forks &&
		   (nr == SCMP_SYS(prctl) || nr == SCMP_SYS(prlimit64)));
}

static int
add_strict(scmp_filter_ctx ctx, const struct sandbox_profile *p)
{
	int rc = add_conditional(ctx, p);

	for (size_t g = 0; g < SANDBOX_LISTS_MAX && p->list[g] != NULL; g++)
		for (const int *s = p->list[g]; *s != SANDBOX_END; s++)
			rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *s, 0);
	for (const int *s = sandbox_refused; *s != SANDBOX_END; s++)
		if (!in_lists(p, *s) && !is_conditional(p, *s))
			rc |=
			    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), *s, 0);
	return rc;
}

/* Other programs run behind this wall and inherit it: what they call cannot
   be listed, what they may not is. */
static int
add_programs(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (const int *s = sandbox_refused_programs; *s != SANDBOX_END; s++)
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), *s, 0);
	for (int af = 0; af < AF_MAX; af++)
		if (af != AF_UNIX)
			rc |= seccomp_rule_add(ctx,
			    SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			    ARG_IS(0, (scmp_datum_t)af));
	return rc;
}

static enum err
enter_seccomp(const struct sandbox_profile *p, struct err_why *why)
{
	scmp_filter_ctx ctx =
	    seccomp_init(p->programs ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
	struct sigaction sa = {.sa_flags = SA_SIGINFO};
	int rc;

	if (ctx == NULL)
		return err_why(why, ERR_UNSUPPORTED, "seccomp: cannot start");
	sa.sa_sigaction = on_sigsys;
	sigaction(SIGSYS, &sa, NULL);
	rc = p->programs ? add_programs(ctx) : add_strict(ctx, p);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc != 0)
		return err_why(why, ERR_UNSUPPORTED, "seccomp: %s",
		    strerror(rc < 0 ? -rc : rc));
	return ERR_OK;
}

/* --- files */

/* As the kernel knows it; the header of an older system is shorter. */
struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

enum {
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	SCOPE_ALL = 3,
	NET_ALL = 3,
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CREATE                                                              \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |        \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |     \
	    FS_TRUNCATE)
#define FS_CHANGE                                                              \
	(FS_CREATE | FS_READ | LANDLOCK_ACCESS_FS_MAKE_DIR |                   \
	    LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define FS_HOME                                                                \
	(FS_CHANGE | LANDLOCK_ACCESS_FS_MAKE_SOCK |                            \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FS_EXECUTE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define FS_DEVICE                                                              \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |        \
	    FS_IOCTL_DEV)
/* Rights that mean something for a file that is no directory. */
#define FS_OF_A_FILE                                                           \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |           \
	    LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

int
sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static uint64_t
fs_handled(int abi)
{
	uint64_t all = (1u << 13) - 1;

	if (abi >= 2)
		all |= 1 << 13; /* REFER */
	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static uint64_t
rights(enum sandbox_access access)
{
	switch (access) {
	case SANDBOX_READ:
	case SANDBOX_READER:
		return FS_READ;
	case SANDBOX_CREATE:
		return FS_CREATE;
	case SANDBOX_CHANGE:
		return FS_CHANGE;
	case SANDBOX_HOME:
		return FS_HOME;
	case SANDBOX_EXECUTE:
		return FS_EXECUTE;
	case SANDBOX_DEVICE:
		return FS_DEVICE;
	}
	return 0;
}

/* A place of the system that is not there needs no rule; one of ours does. */
static enum err
allow_path(int ruleset, const char *path, bool ours, uint64_t access,
    struct err_why *why)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = access};
	struct stat st;
	enum err err = ERR_OK;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd == -1)
		return ours ? err_why(why, err_from_errno(errno), "%s: %s",
				  path, strerror(errno))
			    : ERR_OK;
	if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&attr, 0) != 0)
		err = err_why(why, ERR_UNSUPPORTED, "Landlock, %s: %s", path,
		    strerror(errno));
	close(attr.parent_fd);
	return err;
}

/* A process that opens the environment anew writes its lock file, only. */
static enum err
allow_lock_file(
    int ruleset, const char *dir, uint64_t handled, struct err_why *why)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	return allow_path(ruleset, path, true,
	    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) &
		handled,
	    why);
}

static enum err
allow_places(int ruleset, const struct sandbox_profile *p, const struct conf *c,
    uint64_t handled, struct err_why *why)
{
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < SANDBOX_PLACES_MAX &&
			   p->place[i].path != NULL;
	     i++) {
		const struct sandbox_place *place = &p->place[i];
		const char *path = place->path;

		if (path == sandbox_of_conf)
			path = *(const char *const *)(const void
				*)((const char *)&c->paths + place->offset);
		if (path == NULL)
			continue; /* an option that was not given */
		err = allow_path(ruleset, path, place->path == sandbox_of_conf,
		    rights(place->access) & handled, why);
		if (err == ERR_OK && place->access == SANDBOX_READER)
			err = allow_lock_file(ruleset, path, handled, why);
	}
	return err;
}

static enum err
enter_landlock(
    const struct sandbox_profile *p, const struct conf *c, struct err_why *why)
{
	int abi = sandbox_landlock_abi();
	struct ruleset_attr attr = {.fs = fs_handled(abi)};
	size_t size = abi < 4 ? 8 : abi < 6 ? 16 : 24;
	enum err err;
	int fd;

	if (abi == 0)
		return ERR_OK; /* the supervisor has said so in its log */
	attr.net = p->inet ? 0 : NET_ALL;
	attr.scoped = SCOPE_ALL;
	if (abi < 4)
		attr.net = 0;
	if (abi < 6)
		attr.scoped = 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd == -1)
		return err_why(
		    why, ERR_UNSUPPORTED, "Landlock: %s", strerror(errno));
	err = allow_places(fd, p, c, attr.fs, why);
	if (err == ERR_OK && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		err = err_why(
		    why, ERR_UNSUPPORTED, "Landlock: %s", strerror(errno));
	close(fd);
	return err;
}

enum err
sandbox_enter(enum role_id role, const struct conf *c, struct err_why *why)
{
	const struct sandbox_profile *p = &sandbox_profiles[role];
	enum err err;

	if (role == ROLE_PORTAL && c->portal_dmz.present)
		p = &sandbox_portal_elsewhere;
	if (role == ROLE_PORTAL && c->portal_gateway.present)
		p = &sandbox_portal_alone;
	if (role <= ROLE_SUPERVISOR || role >= ROLE_COUNT)
		return err_why(why, ERR_UNSUPPORTED, "no walls for this role");
	confined_role = role_name(role);
	/* a change of user clears what sandbox_limits() asked for */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return err_why(
		    why, ERR_PERMISSION, "prctl: %s", strerror(errno));
	err = enter_landlock(p, c, why);
	if (err == ERR_OK)
		err = enter_seccomp(p, why);
	return err;
}
