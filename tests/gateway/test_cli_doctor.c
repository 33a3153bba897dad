/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What `sealgate doctor` reads: the kernel's tables of connections (proc(5)),
 * the host in a URL, the lines of its child, servers of several addresses. What
 * it says of servers: tests/e2e/test_doctor.py.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "gateway/cli/doctor.h"
#include "gateway/cli/probe.h"

enum { HEAR_MS = 20000, PROBE_MS = 4000 };

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A word as the kernel writes it: as it lies in memory. */
static unsigned
word(const char *address)
{
	struct in_addr in;

	cr_assert_eq(inet_pton(AF_INET, address, &in), 1);
	return in.s_addr;
}

static struct sockaddr_storage
at(const char *address, uint16_t port)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in *in4 = (void *)&out;
	struct sockaddr_in6 *in6 = (void *)&out;

	if (strchr(address, ':') == NULL) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		cr_assert_eq(inet_pton(AF_INET, address, &in4->sin_addr), 1);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		cr_assert_eq(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
	}
	return out;
}

static const struct {
	const char *name;
	const char *local;
	unsigned port;
	const char *state;
	const char *at; /* what is asked for */
	unsigned at_port;
	size_t n;
} rows[] = {
    {"a connection", "10.0.0.2", 8443, "01", "10.0.0.2", 8443, 1},
    {"to any address", "10.0.0.2", 8443, "01", "0.0.0.0", 8443, 1},
    {"of another port", "10.0.0.2", 8444, "01", "10.0.0.2", 8443, 0},
    {"of another port, any address", "10.0.0.2", 443, "01", "0.0.0.0", 8443, 0},
    {"of another address", "10.0.0.3", 8443, "01", "10.0.0.2", 8443, 0},
    {"that listens", "10.0.0.2", 8443, "0A", "10.0.0.2", 8443, 0},
    {"that has ended", "10.0.0.2", 8443, "06", "10.0.0.2", 8443, 0},
    {"that the other side ended", "10.0.0.2", 8443, "08", "10.0.0.2", 8443, 0},
};

Test(doctor, connections_are_counted_by_address_port_and_state)
{
	static const char head[] =
	    "  sl  local_address rem_address   st tx_queue rx_queue tr\n";
	char table[512];

	for (size_t i = 0; i < N(rows); i++) {
		struct sockaddr_storage sa =
		    at(rows[i].at, (uint16_t)rows[i].at_port);

		snprintf(table, sizeof(table),
		    "%s   0: %08X:%04X %08X:A0C2 %s 00000000:00000000\n", head,
		    word(rows[i].local), rows[i].port, word("10.1.0.9"),
		    rows[i].state);
		cr_expect_eq(doctor_count_connections(span_str(table), &sa),
		    rows[i].n, "%s", rows[i].name);
		/* and the same without the end of the line */
		table[strlen(table) - 1] = '\0';
		cr_expect_eq(doctor_count_connections(span_str(table), &sa),
		    rows[i].n, "%s, cut", rows[i].name);
	}
}

Test(doctor, a_table_that_is_none_has_no_connections)
{
	static const char *const bad[] = {"", "\n", "x", "  0:", "  0: :20FB",
	    "  0: :20FB y 01", "0: 0100007F:20FB 0100007F:1 1",
	    "0: 0100007F:20FB 0100007F:1", "a: 0100007F:20FB 0100007F:1 01",
	    "  0: 0100007F:20FBFFFF 0100007F:1 01"};
	struct sockaddr_storage sa = at("127.0.0.1", 0x20fb);

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(doctor_count_connections(span_str(bad[i]), &sa), 0,
		    "%zu", i);
}

/* The kernel itself: a connection of ours, of either family. */
Test(doctor, the_table_of_this_machine_has_a_connection_of_ours)
{
	static const char *const hosts[] = {"127.0.0.1", "::1"};

	for (size_t i = 0; i < N(hosts); i++) {
		struct sockaddr_storage sa = at(hosts[i], 0);
		socklen_t len = i == 0 ? sizeof(struct sockaddr_in)
				       : sizeof(struct sockaddr_in6);
		int server = socket(sa.ss_family, SOCK_STREAM, 0), client, got;
		bool known = false;
		size_t n = 0;

		if (server < 0 || bind(server, (void *)&sa, len) != 0) {
			close(server);
			continue; /* a machine without IPv6 */
		}
		cr_assert_eq(listen(server, 1), 0);
		cr_assert_eq(getsockname(server, (void *)&sa, &len), 0);
		client = socket(sa.ss_family, SOCK_STREAM, 0);
		cr_assert_eq(connect(client, (void *)&sa, len), 0);
		got = accept(server, NULL, NULL);
		cr_assert_geq(got, 0);
		/* while other programs come and go a line can be missing from
		   the table, or be in it twice: doctor looks more often */
		for (int k = 0; k < 50 && n == 0; k++)
			n = doctor_connections_to(&sa, &known);
		cr_expect(known);
		cr_expect_geq(n, 1, "%s", hosts[i]);
		close(got);
		close(client);
		close(server);
	}
}

Test(doctor, the_host_of_a_url_is_found)
{
	static const struct {
		const char *url, *host;
	} urls[] = {
	    {"https://post.example.com", "post.example.com"},
	    {"https://post.example.com:8443", "post.example.com"},
	    {"https://post.example.com/a:b", "post.example.com"},
	    {"http://127.0.0.1:8080/x", "127.0.0.1"},
	    {"https://[2001:db8::1]:8443/x", "2001:db8::1"},
	    {"https://", NULL},
	    {"https:///x", NULL},
	    {"https://[]/x", NULL},
	    {"post.example.com", NULL},
	    {"", NULL},
	    {NULL, NULL},
	    {"https://a-name-that-is-too-long.example", NULL},
	};
	char host[24];

	for (size_t i = 0; i < N(urls); i++) {
		bool found = doctor_url_host(urls[i].url, host, sizeof(host));

		cr_expect_eq(found, urls[i].host != NULL, "%s", urls[i].url);
		if (found && urls[i].host != NULL)
			cr_expect_str_eq(host, urls[i].host);
	}
}

/* --- the child */

/* Whether what is sent by then, with the channel cut behind it, is heard to
   its end; *out is what was said of it. The caller frees. */
static bool
hear(const struct doctor_line *lines, size_t n, size_t last, json_t **out)
{
	struct cli cli = {.json = true};
	struct doctor d = {.cli = &cli, .lines = json_array(), .up = -1};
	int fd[2];
	bool whole;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	for (size_t i = 0; i < n; i++) {
		size_t size = i + 1 < n ? sizeof(lines[i]) : last;

		cr_assert_eq(send(fd[1], &lines[i], size, 0), (ssize_t)size);
	}
	close(fd[1]);
	whole = doctor_hear(&d, fd[0], HEAR_MS);
	close(fd[0]);
	*out = d.lines;
	return whole;
}

static struct doctor_line
line_of(int level, const char *what, const char *remedy, const char *text)
{
	struct doctor_line l = {.level = level};

	snprintf(l.what, sizeof(l.what), "%s", what);
	snprintf(l.remedy, sizeof(l.remedy), "%s", remedy);
	snprintf(l.text, sizeof(l.text), "%s", text);
	return l;
}

static const char *
member(const json_t *lines, size_t i, const char *name)
{
	const char *s =
	    json_string_value(json_object_get(json_array_get(lines, i), name));

	return s == NULL ? "-" : s;
}

Test(doctor, lines_of_the_child_are_said_as_they_come)
{
	struct doctor_line lines[] = {
	    line_of(DOCTOR_OK, "port", "", "answers"),
	    line_of(DOCTOR_BAD, "next hop", "mend it", "\033[2J\xff"),
	    line_of(DOCTOR_END, "", "", ""),
	};
	json_t *said;

	cr_expect(hear(lines, N(lines), sizeof(lines[0]), &said));
	cr_expect_eq(json_array_size(said), 2);
	cr_expect_str_eq(member(said, 0, "level"), "ok");
	cr_expect_str_eq(member(said, 0, "what"), "port");
	cr_expect_str_eq(member(said, 0, "remedy"), "-");
	cr_expect_str_eq(member(said, 1, "level"), "bad");
	cr_expect_str_eq(member(said, 1, "remedy"), "mend it");
	json_decref(said);
	/* without the end nobody knows what is missing */
	cr_expect_not(hear(lines, 2, sizeof(lines[0]), &said));
	cr_expect_eq(json_array_size(said), 2);
	json_decref(said);
}

Test(doctor, a_child_that_says_what_is_no_line_is_not_heard_on)
{
	struct doctor_line good = line_of(DOCTOR_BAD, "port", "do", "text");
	struct doctor_line bad[] = {good, good, good, good, good, good, good};
	json_t *said;

	bad[0].level = DOCTOR_END + 1;
	bad[1].level = -1;
	memset(bad[2].what, 'x', sizeof(bad[2].what));
	memset(bad[3].remedy, 'x', sizeof(bad[3].remedy));
	memset(bad[4].text, 'x', sizeof(bad[4].text));
	bad[5].what[0] = '\033';
	bad[6].remedy[0] = '\n';
	for (size_t i = 0; i < N(bad); i++) {
		struct doctor_line lines[] = {
		    good, bad[i], line_of(DOCTOR_END, "", "", "")};

		cr_expect_not(
		    hear(lines, 3, sizeof(lines[0]), &said), "%zu", i);
		cr_expect_eq(json_array_size(said), 1, "%zu", i);
		json_decref(said);
	}
	cr_expect_not(hear(&good, 1, sizeof(good) - 1, &said));
	cr_expect_eq(json_array_size(said), 0);
	json_decref(said);
}

/* --- servers of several addresses */

/* A server on this machine; with a client it has no room for another, and the
   kernel drops what is to become a connection without a word: listen(2). */
static struct sockaddr_storage
serve(int *server, int *client)
{
	struct sockaddr_storage sa = at("127.0.0.1", 0);
	socklen_t len = sizeof(struct sockaddr_in);

	*server = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(*server, (void *)&sa, len), 0);
	cr_assert_eq(listen(*server, client == NULL ? 8 : 0), 0);
	cr_assert_eq(getsockname(*server, (void *)&sa, &len), 0);
	if (client == NULL)
		return sa;
	*client = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(*client, (void *)&sa, len), 0);
	return sa;
}

Test(doctor, an_address_that_is_silent_leaves_time_for_the_next)
{
	int silent, there, client;
	struct sockaddr_storage none = serve(&silent, &client);
	struct sockaddr_storage good = serve(&there, NULL);
	const struct sockaddr_storage *const order[][2] = {
	    {&none, &good}, {&good, &none}, {&none, &none}};
	static struct probe p[N(order)];

	for (size_t i = 0; i < N(order); i++) {
		p[i] = (struct probe){.kind = PROBE_OPEN, .n_addr = 2};
		for (size_t k = 0; k < 2; k++) {
			p[i].addr[k] = *order[i][k];
			p[i].addr_len[k] = sizeof(struct sockaddr_in);
		}
	}
	probe_all(p, N(order), PROBE_MS);
	cr_expect_eq(p[0].step, PROBE_DONE, "silent first");
	cr_expect_eq(p[1].step, PROBE_DONE, "silent last");
	cr_expect_eq(p[2].step, PROBE_CONNECT, "none answers");
	cr_expect(p[2].hung);
	close(client);
	close(silent);
	close(there);
}
