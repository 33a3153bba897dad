/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The needs of each role, as DESIGN says them. A call belongs into the most
 * special list that has it; a place with the least access that does.
 */
#include "gateway/sandbox_table.h"

#include <seccomp.h>

#include "gateway/conf.h"

const char sandbox_of_conf[] = "";

#define CONF(member, access)                                                   \
	{                                                                      \
		sandbox_of_conf, (access), offsetof(struct conf_paths, member) \
	}

/* Memory, time, channels, descriptors that are open: what every role does. */
static const int base[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup3),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(brk),
    SCMP_SYS(memfd_create),
    SCMP_SYS(sendfile),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SANDBOX_END,
};

/* The event loop. */
static const int loop[] = {
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SANDBOX_END,
};

/* Sockets that are there: to take connections and to use them. */
static const int serve[] = {
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SANDBOX_END,
};

/* Connections to others, name servers among them. */
static const int call_out[] = {
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(socketpair),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(uname),
    SANDBOX_END,
};

static const int threads[] = {
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SANDBOX_END,
};

/* Files by name, as far as Landlock lets them be seen. */
static const int read_files[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fadvise64),
    SCMP_SYS(flock),
    SANDBOX_END,
};

static const int write_files[] = {
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(msync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(fallocate),
    SCMP_SYS(truncate),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(utimensat),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(umask),
    SANDBOX_END,
};

/* A child for each message. */
static const int children[] = {
    SCMP_SYS(wait4),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SANDBOX_END,
};

/* On the machine's own: fstat of a descriptor is newfstatat in glibc. */
static const int fstat_by_name[] = {
    SCMP_SYS(newfstatat),
    SANDBOX_END,
};

const int sandbox_refused[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(creat),
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(setrlimit),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(mount),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(chroot),
    SCMP_SYS(pivot_root),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(shmget),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(uname),
    SANDBOX_END,
};

const int sandbox_refused_programs[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(chroot),
    SCMP_SYS(pivot_root),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SANDBOX_END,
};

/* What libunbound, libcurl and resolvers read. */
#define NAME_SERVICE                                                           \
	{"/etc/resolv.conf", SANDBOX_READ, 0},                                 \
	    {"/run/systemd/resolve", SANDBOX_READ, 0},                         \
	    {"/etc/hosts", SANDBOX_READ, 0},                                   \
	    {"/etc/nsswitch.conf", SANDBOX_READ, 0},                           \
	    {"/etc/gai.conf", SANDBOX_READ, 0},                                \
	    {"/etc/services", SANDBOX_READ, 0}, {"/etc/ssl", SANDBOX_READ, 0}, \
	    {"/usr/share/ca-certificates", SANDBOX_READ, 0},                   \
	    {"/usr/share/dns", SANDBOX_READ, 0},                               \
	{                                                                      \
		"/usr/lib/ssl", SANDBOX_READ, 0                                \
	}

/* The program that loads programs, whichever this machine has: the kernel asks
   for the right to execute it, too. */
#define LOADER                                                                 \
	{"/lib64/ld-linux-x86-64.so.2", SANDBOX_EXECUTE, 0},                   \
	    {"/lib/ld-linux-aarch64.so.1", SANDBOX_EXECUTE, 0},                \
	    {"/lib/ld-linux-armhf.so.3", SANDBOX_EXECUTE, 0},                  \
	    {"/lib/ld-linux.so.2", SANDBOX_EXECUTE, 0},                        \
	    {"/lib/ld-linux-riscv64-lp64d.so.1", SANDBOX_EXECUTE, 0},          \
	    {"/lib64/ld64.so.2", SANDBOX_EXECUTE, 0},                          \
	{                                                                      \
		"/lib/ld64.so.1", SANDBOX_EXECUTE, 0                           \
	}

/* What it takes to run gpg, with its home. */
#define GPG(home)                                                              \
	.programs = true,                                                      \
	.place = {CONF(home, SANDBOX_HOME),                                    \
	    {"/usr/bin/gpg", SANDBOX_EXECUTE, 0},                              \
	    {"/usr/bin/gpgconf", SANDBOX_EXECUTE, 0},                          \
	    {"/usr/bin/gpgsm", SANDBOX_EXECUTE, 0},                            \
	    {"/usr/bin/gpg-agent", SANDBOX_EXECUTE, 0}, LOADER,                \
	    {"/usr/lib", SANDBOX_READ, 0}, {"/lib", SANDBOX_READ, 0},          \
	    {"/lib64", SANDBOX_READ, 0},                                       \
	    {"/etc/ld.so.cache", SANDBOX_READ, 0},                             \
	    {"/usr/share/gnupg", SANDBOX_READ, 0}, {"/proc", SANDBOX_READ, 0}, \
	    {"/dev/null", SANDBOX_DEVICE, 0}}

const struct sandbox_profile sandbox_profiles[ROLE_COUNT] =
    {
	[ROLE_KEYS] = {.list = {base, fstat_by_name}},
	[ROLE_STORE] =
	    {
		.list = {base, loop, read_files, write_files},
		.place = {CONF(spool, SANDBOX_CHANGE),
		    CONF(bodies, SANDBOX_CHANGE), CONF(audit, SANDBOX_CHANGE),
		    CONF(keystore, SANDBOX_CHANGE), CONF(tls, SANDBOX_CHANGE)},
	    },
	[ROLE_PGP] = {GPG(pgp)},
	[ROLE_ADMISSION] = {GPG(admission)},
	[ROLE_DISCOVERY] =
	    {
		.list = {base, loop, call_out, threads, read_files},
		.threads = true,
		.inet = true,
		.place = {NAME_SERVICE, CONF(ca_file, SANDBOX_READ)},
	    },
	[ROLE_WORKER] =
	    {
		.list = {base, read_files, write_files},
		.place = {CONF(keystore, SANDBOX_READ),
		    CONF(bodies, SANDBOX_CREATE), CONF(escrow, SANDBOX_CREATE),
		    CONF(tls, SANDBOX_READ)},
	    },
	[ROLE_OPENER] =
	    {
		.list = {base, children, read_files, write_files},
		.forks = true,
		.place = {CONF(keystore, SANDBOX_READER),
		    CONF(bodies, SANDBOX_CREATE)},
	    },
	[ROLE_RELAY] =
	    {
		.list = {base, loop, call_out, threads, read_files},
		.threads = true,
		.inet = true,
		.place = {NAME_SERVICE},
	    },
	[ROLE_PORTAL] =
	    {
		.list = {base, loop, serve, threads, read_files, write_files},
		.threads = true,
		.place = {CONF(escrow, SANDBOX_CHANGE),
		    CONF(portal, SANDBOX_CHANGE), CONF(publish, SANDBOX_READ)},
	    },
	[ROLE_ISSUER] =
	    {
		.list = {base, read_files, write_files},
		.place = {CONF(keystore, SANDBOX_READ),
		    CONF(publish, SANDBOX_CHANGE)},
	    },
	[ROLE_ACCOUNTS] = {.list = {base, fstat_by_name}},
	[ROLE_EXTRACT] =
	    {
		.programs = true,
		.place = {CONF(pdftotext, SANDBOX_EXECUTE), LOADER,
		    {"/usr/lib", SANDBOX_READ, 0}, {"/lib", SANDBOX_READ, 0},
		    {"/lib64", SANDBOX_READ, 0},
		    {"/etc/ld.so.cache", SANDBOX_READ, 0},
		    {"/usr/share/poppler", SANDBOX_READ, 0},
		    {"/dev/null", SANDBOX_DEVICE, 0}},
	    },
	[ROLE_CONTROL] = {.list = {base, loop, serve, fstat_by_name}},
	[ROLE_LISTENER] = {.list = {base, loop, serve, fstat_by_name}},
};

const struct sandbox_profile sandbox_portal_elsewhere = {
    .list = {base, loop, call_out, threads, read_files, write_files},
    .inet = true,
    .place = {CONF(escrow, SANDBOX_CHANGE), CONF(portal, SANDBOX_CHANGE),
	CONF(publish, SANDBOX_READ)},
};

const struct sandbox_profile sandbox_portal_alone = {
    .list = {base, loop, serve, threads, read_files, write_files},
    .threads = true,
    .place = {CONF(escrow, SANDBOX_CHANGE), CONF(portal, SANDBOX_CHANGE)},
};
