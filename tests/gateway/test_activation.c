/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/activation.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/conf.h"

/* the test runner has the first ones */
enum { FIRST_FD = 200, N = 3 };

/* The address a socket was given. */
static struct conf_addr
addr_of(int fd)
{
	struct conf_addr a = {.sa_len = sizeof(a.sa)};

	cr_assert_eq(
	    getsockname(fd, (struct sockaddr *)(void *)&a.sa, &a.sa_len), 0);
	return a;
}

static void
bind_some(int fd, bool listening)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(
	    bind(s, (const struct sockaddr *)(const void *)&in, sizeof(in)), 0);
	cr_assert(!listening || listen(s, 1) == 0);
	cr_assert(s == fd || (dup2(s, fd) == fd && close(s) == 0));
}

static void
hand_in(const char *pid, const char *n)
{
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", n, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

/* Three descriptors, of which the last does not listen. */
static void
prepare(char pid[16])
{
	for (int i = 0; i < N; i++)
		bind_some(FIRST_FD + i, i < N - 1);
	snprintf(pid, 16, "%d", (int)getpid());
}

Test(activation, a_socket_is_known_by_its_address)
{
	struct activation a;
	struct conf_addr first, second, deaf, other;
	char pid[16];

	prepare(pid);
	first = addr_of(FIRST_FD);
	second = addr_of(FIRST_FD + 1);
	deaf = addr_of(FIRST_FD + 2);
	other = first;
	((struct sockaddr_in *)(void *)&other.sa)->sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + 1);
	hand_in(pid, "3");
	activation_begin(&a, FIRST_FD);
	cr_assert_eq(a.n, N);
	cr_assert_null(getenv("LISTEN_FDS"));
	cr_assert_null(getenv("LISTEN_PID"));
	cr_assert_null(getenv("LISTEN_FDNAMES"));
	cr_assert_eq(activation_take(&a, &other), -1);
	cr_assert_eq(activation_take(&a, &deaf), -1);
	cr_assert_eq(activation_take(&a, &second), FIRST_FD + 1);
	cr_assert_eq(activation_take(&a, &second), -1, "once");
	cr_assert(fcntl(FIRST_FD + 1, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(FIRST_FD + 1, F_GETFD) & FD_CLOEXEC);
	activation_end(&a);
	cr_assert_eq(fcntl(FIRST_FD, F_GETFD), -1, "unused: closed");
	cr_assert_neq(fcntl(FIRST_FD + 1, F_GETFD), -1, "taken: not closed");
}

Test(activation, what_is_not_for_us_is_left_alone)
{
	static const char *const rows[][2] = {
	    {"1", "3"},
	    {"", "3"},
	    {"x", "3"},
	    {NULL, "-1"},
	    {NULL, "65"},
	    {NULL, "1000000000000"},
	    {NULL, "3x"},
	    {NULL, ""},
	};
	struct activation a;
	char pid[16];

	prepare(pid);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		hand_in(rows[i][0] == NULL ? pid : rows[i][0], rows[i][1]);
		activation_begin(&a, FIRST_FD);
		cr_assert_eq(a.n, 0, "row %zu", i);
		activation_end(&a);
	}
	cr_assert_neq(fcntl(FIRST_FD, F_GETFD), -1);
	unsetenv("LISTEN_FDS");
	activation_begin(&a, FIRST_FD);
	cr_assert_eq(a.n, 0);
}

Test(activation, descriptors_that_are_not_open_are_not_taken)
{
	struct conf_addr first;
	struct activation a;
	char pid[16];

	prepare(pid);
	first = addr_of(FIRST_FD);
	hand_in(pid, "60");
	close(FIRST_FD);
	activation_begin(&a, FIRST_FD);
	cr_assert_eq(a.n, 60);
	cr_assert_eq(activation_take(&a, &first), -1);
}
