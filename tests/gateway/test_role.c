/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A blocking process in the middle of a message, while the supervisor brings
 * it a new configuration and new peers: what it works with must stay.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum { WAIT_MS = 60000, FREED = 0x5a };

static void
print_conf(char *out, size_t size, const char *hostname)
{
	snprintf(out, size,
	    "hostname = \"%s\" domains = \"example.com\"\n"
	    "state = \"/nowhere/state\" runtime = \"/nowhere/run\"\n"
	    "%s"
	    "listen outbound { address = \"127.0.0.1:1\" }\n"
	    "relay outbound { via = \"mx\" }\n"
	    "rule r { try = clear }\n",
	    hostname, geteuid() == 0 ? "users = 61000\n" : "");
}

static void
send_boot(struct ipc *to)
{
	struct proto_boot boot = {.last = true, .conf_name = "test"};
	char conf[1024];
	struct buf b;

	print_conf(conf, sizeof(conf), "old.example");
	boot.conf = span_str(conf);
	buf_init(&b, 10000);
	cr_assert_eq(proto_boot_pack(&boot, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(to, PROTO_BOOT, 0, buf_span(&b), NULL, 0), ERR_OK);
	buf_clear(&b);
}

/* Our end of a channel to the process, as that peer. */
static struct ipc *
connect_as(struct ipc *supervisor, enum role_id id)
{
	const uint8_t peer[] = {(uint8_t)id, 0, 0, 0, 0};
	int fds[2];

	cr_assert_eq(ipc_pair(&fds[0], &fds[1]), ERR_OK);
	cr_assert_eq(ipc_send(supervisor, PROTO_PEER, 0,
			 SPAN(peer, sizeof(peer)), &fds[1], 1),
	    ERR_OK);
	close(fds[1]);
	return ipc_new(fds[0]);
}

/* The process: a message of the listener, of which it tells; then it needs
   keys, which are not there yet. What it borrowed is looked at afterwards. */
static int
work(int supervisor, int told)
{
	struct role *r;
	struct role_peer from;
	struct ipc_msg m;
	const struct conf *conf;
	const char *hostname;
	int bad = 0;

	mallopt(M_PERTURB, FREED);
	r = role_boot(ROLE_WORKER, 0, supervisor);
	role_ready(r);
	if (role_next(r, &from, &m) != ERR_OK)
		return 1;
	conf = role_conf(r);
	hostname = conf->hostname;
	if (write(told, "m", 1) != 1)
		return 64;
	if (role_wait_peer(r, ROLE_KEYS, 0, WAIT_MS) != ERR_OK)
		return 2;
	if (conf->hostname != hostname || strcmp(hostname, "old.example") != 0)
		bad |= 4;
	if (!span_eq_str(m.payload, "a message in its channel"))
		bad |= 8;
	if (strcmp(role_conf(r)->hostname, "new.example") != 0)
		bad |= 16;
	ipc_msg_clear(&m);
	if (role_next(r, &from, &m) != ERR_SHUTDOWN)
		bad |= 32;
	role_free(r);
	return bad;
}

Test(role, what_a_message_needs_outlives_a_reload_and_a_new_peer)
{
	struct ipc *supervisor, *listener, *again, *keys;
	char conf[1024];
	int fds[2], told[2], status = 0;
	struct ipc_msg m;
	char octet;
	pid_t pid;

	cr_assert_eq(ipc_pair(&fds[0], &fds[1]), ERR_OK);
	cr_assert_eq(pipe(told), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		close(fds[0]);
		close(told[0]);
		_exit(work(fds[1], told[1]));
	}
	close(told[1]);
	close(fds[1]);
	supervisor = ipc_new(fds[0]);
	send_boot(supervisor);
	cr_assert_eq(ipc_recv(supervisor, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_READY);
	ipc_msg_clear(&m);
	listener = connect_as(supervisor, ROLE_LISTENER);
	cr_assert_eq(ipc_send(listener, PROTO_MESSAGE, 1,
			 span_str("a message in its channel"), NULL, 0),
	    ERR_OK);
	cr_assert_eq(read(told[0], &octet, 1), 1, "it ended");
	close(told[0]);
	print_conf(conf, sizeof(conf), "new.example");
	cr_assert_eq(
	    ipc_send(supervisor, PROTO_CONF, 0, span_str(conf), NULL, 0),
	    ERR_OK);
	again = connect_as(supervisor, ROLE_LISTENER);
	keys = connect_as(supervisor, ROLE_KEYS);
	cr_assert_eq(
	    ipc_send(supervisor, PROTO_STOP, 0, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), 0, "%d", WEXITSTATUS(status));
	ipc_free(supervisor);
	ipc_free(listener);
	ipc_free(again);
	ipc_free(keys);
}
