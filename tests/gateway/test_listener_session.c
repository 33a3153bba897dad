/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The dialogue of a real listener: order of commands and answers, who may
 * relay, limits, clients that are slow or hostile. TLS is test_listener_tls.c.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "tests/lib/listener_peers.h"

static void
start(struct peers *p, const char *in_listen, const char *sections)
{
	peers_start(p, in_listen, sections, false);
	peers_store(p);
	peers_worker(p, 0);
}

/* Take, accept and commit the message that is on its way. */
static void
accept_message(struct peers *p, struct peers_message *m)
{
	peers_take(p, p->worker[0], m);
	peers_done(p->worker[0], m, true, 250, "2.0.0", "taken");
	peers_commit(p->store, m, ERR_OK);
	memfd_unmap(&m->body);
}

Test(session, commands_are_refused_where_they_do_not_belong)
{
	/* said one after another, each with the answer */
	static const struct {
		const char *say, *expect;
	} rows[] = {
	    {"MAIL FROM:<a@example.com>", "503 5.5.1"},
	    {"RCPT TO:<a@example.com>", "503 5.5.1"},
	    {"DATA", "503 5.5.1"},
	    {"STARTTLS", "503 5.5.1"},
	    {"BDAT 3\r\nabc", "503 5.5.1"},
	    {"EHLO", "501 5.5.4"},
	    {"EHLO a(b", "501 5.5.4"},
	    {"NOOP", "250 2.0.0"},
	    {"EHLO client.example.com", "250 ENHANCEDSTATUSCODES"},
	};
	static const struct {
		const char *say, *expect;
	} ready[] = {
	    {"STARTTLS", "502 5.5.1"},
	    {"DATA", "503 5.5.1"},
	    {"AUTH PLAIN AAAA", "502 5.5.1"},
	    {"VRFY postmaster", "252 2.5.0"},
	    {"HELP", "214 2.0.0"},
	    {"QUIT now", "501 5.5.4"},
	    {"MAIL FROM:<a@example.com>", "250 2.1.0"},
	    {"MAIL FROM:<a@example.com>", "503 5.5.1"},
	    {"DATA", "503 5.5.1"},
	    {"BDAT 7 LAST\r\nQUIT\r\nx", "503 5.5.1"},
	    {"RCPT TO:<>", "501 5.1.3"},
	    {"RSET", "250 2.0.0"},
	    {"RCPT TO:<b@example.org>", "503 5.5.1"},
	};
	struct peers p;
	int fd;

	start(&p, "", "limits { errors = 1000 }\n");
	fd = peers_connect(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		peers_say(fd, rows[i].say);
		if (strncmp(rows[i].say, "BDAT", 4) != 0)
			peers_say(fd, "\r\n");
		peers_expect(fd, rows[i].expect);
	}
	for (size_t i = 0; i < sizeof(ready) / sizeof(ready[0]); i++) {
		peers_say(fd, ready[i].say);
		if (strncmp(ready[i].say, "BDAT", 4) != 0)
			peers_say(fd, "\r\n");
		peers_expect(fd, ready[i].expect);
	}
	/* bare LF, control characters, too long: refused, in step */
	peers_say(fd, "NOOP\nRSET\r\n");
	peers_expect(fd, "500 5.5.2");
	peers_expect(fd, "250 2.0.0");
	peers_say_octets(fd, "NO\0OP\r\n", 7);
	peers_expect(fd, "500 5.5.2");
	for (int i = 0; i < 20000; i++)
		peers_say(fd, "0123456789");
	peers_say(fd, "\r\nNOOP\r\n");
	peers_expect(fd, "500 5.5.2");
	peers_expect(fd, "250 2.0.0");
	/* a chunk whose size is unknown cannot be skipped */
	peers_say(fd, "BDAT x\r\nQUIT\r\n");
	peers_expect(fd, "501 5.5.4");
	peers_expect_end(fd);
	peers_stop(&p);
}

Test(session, pipelined_commands_are_answered_in_order_at_once)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p, "", "");
	peers_worker(&p, 1);
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\nMAIL FROM:<a@example.com> SIZE=20\r\n"
		      "RCPT TO:<b@example.org>\r\nRCPT TO:<nonsense>\r\n"
		      "RCPT TO:<c@example.org>\r\nRCPT TO:<b@example.org>\r\n"
		      "RCPT TO:<Postmaster>\r\nDATA\r\n");
	/* the second worker is quicker */
	peers_check(p.worker[1], 550, "no rule");
	peers_check(p.worker[0], 250, "ok");
	peers_check(p.worker[0], 250, "ok");
	peers_expect(fd, "250 ENH");
	peers_expect(fd, "250 2.1.0");
	peers_expect(fd, "250 2.1.5");
	peers_expect(fd, "501 5.1.3");
	peers_expect(fd, "550 5.7.1 no rule");
	peers_expect(fd, "250 2.1.5");
	peers_expect(fd, "250 2.1.5");
	peers_expect(fd, "354");
	peers_say(fd, "Subject: x\r\n\r\n..\r\n.\r\nNOOP\r\nQUIT\r\n");
	peers_take(&p, p.worker[0], &m);
	cr_assert(span_eq_str(m.body.data, "Subject: x\r\n\r\n.\r\n"));
	/* twice the same recipient is one */
	cr_assert_eq(m.m.envelope.n_rcpt, 2);
	cr_assert_str_eq(m.m.envelope.rcpt[0].addr, "b@example.org");
	cr_assert_str_eq(m.m.envelope.rcpt[1].addr, "postmaster@example.com");
	/* several recipients are not told of each other */
	cr_assert_null(strstr(m.m.trace, "example.org"), "%s", m.m.trace);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0 taken");
	peers_expect(fd, "250 2.0.0");
	peers_expect(fd, "221 2.0.0");
	peers_expect_end(fd);
	memfd_unmap(&m.body);
	peers_stop(&p);
}

Test(session, the_trace_says_how_it_came)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p, "", "");
	fd = peers_connect(&p);
	peers_envelope(&p, fd);
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, "\r\n.\r\n");
	accept_message(&p, &m);
	peers_expect(fd, "250");
	cr_assert_not_null(
	    strstr(m.m.trace, "Received: from client.example.com "
			      "([127.0.0.1])\r\n\tby gw.example.com with "
			      "ESMTP id "),
	    "%s", m.m.trace);
	cr_assert_not_null(
	    strstr(m.m.trace, "\r\n\tfor <b@example.org>;\r\n\t"), "%s",
	    m.m.trace);
	peers_say(fd, "HELO c\r\nMAIL FROM:<a@example.com>\r\n"
		      "RCPT TO:<b@example.org>\r\nDATA\r\n");
	peers_check(p.worker[0], 250, "ok");
	for (int i = 0; i < 3; i++)
		peers_expect(fd, "250");
	peers_expect(fd, "354");
	peers_say(fd, "\r\n.\r\n");
	accept_message(&p, &m);
	cr_assert_not_null(strstr(m.m.trace, " with SMTP id "));
	close(fd);
	peers_stop(&p);
}

Test(session, chunks_make_a_message)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p, "", "");
	fd = peers_connect(&p);
	peers_envelope(&p, fd);
	peers_say(
	    fd, "BDAT 6\r\na: b\r\nBDAT 9 LAST\r\n\n\r\n.\r\n..\rNOOP\r\n");
	/* a CRLF cut by a chunk is one; a CR at the end is bare */
	peers_expect(fd, "250 2.0.0");
	peers_expect(fd, "554 5.6.0");
	peers_expect(fd, "250 2.0.0");
	peers_envelope(&p, fd);
	peers_say(fd,
	    "BDAT 5\r\na: b\rBDAT 3\r\n\n\r\nRCPT TO:<c@x.example>\r\n"
	    "BDAT 0 LAST\r\nNOOP\r\n");
	peers_expect(fd, "250 2.0.0");
	peers_expect(fd, "250 2.0.0");
	peers_expect(fd, "503 5.5.1");
	peers_take(&p, p.worker[0], &m);
	cr_assert(span_eq_str(m.body.data, "a: b\r\n\r\n"));
	peers_done(p.worker[0], &m, false, 451, "4.0.0", "later");
	peers_expect(fd, "451 4.0.0");
	peers_expect(fd, "250 2.0.0");
	memfd_unmap(&m.body);
	/* what is wrong is said at once; later chunks are swallowed */
	peers_envelope(&p, fd);
	peers_say(fd, "BDAT 3\r\na\nbBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
	peers_expect(fd, "554 5.6.0");
	peers_expect(fd, "503 5.5.1");
	peers_expect(fd, "250 2.0.0");
	/* nobody swallows that much */
	peers_envelope(&p, fd);
	peers_say(fd, "BDAT 99999999999 LAST\r\n");
	peers_expect(fd, "552 5.3.4");
	peers_expect_end(fd);
	peers_stop(&p);
}

/* Each with a second envelope behind it that must never be heard of. */
Test(session, smuggled_commands_are_content)
{
	static const struct {
		const char *seq;
		size_t len;
	} rows[] = {
	    {"\n.\n", 3},
	    {"\n.\r\n", 4},
	    {"\r.\r", 3},
	    {"\r.\r\n", 4},
	    {"\r\n.\n", 4},
	    {"\r\n.\r", 4},
	    {"\r\n\0.\r\n", 6},
	    {"\r\0\n.\r\n", 6},
	    {"\r\n.\0\r\n", 6},
	    {"\r\n.\r\0\n", 6},
	    {"\r\n.\r\r\n", 6},
	    {"\r\r\n.\r\r\n", 8},
	};
	static const char tail[] = "MAIL FROM:<x@example.com>\r\n"
				   "RCPT TO:<y@example.net>\r\n"
				   "DATA\r\nsmuggled\r\n.\r\nNOOP\r\n";
	struct peers p;
	int fd;

	start(&p, "", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = peers_connect(&p);
		peers_envelope(&p, fd);
		peers_say(fd, "DATA\r\n");
		peers_expect(fd, "354");
		peers_say(fd, "Subject: x\r\n\r\nbody");
		peers_say_octets(fd, rows[i].seq, rows[i].len);
		peers_say(fd, tail);
		peers_expect(fd, "554 5.6.0");
		peers_expect(fd, "250 2.0.0"); /* NOOP */
		close(fd);
		cr_assert(peers_is_quiet(p.worker[0]), "row %zu", i);
	}
	peers_stop(&p);
}

Test(session, nobody_outside_clients_relays_whatever_the_address)
{
	static const char *const tricks[] = {
	    "b@example.org",
	    "b%example.org@example.com",
	    "b%example.org",
	    "\"b@example.org\"@example.com",
	    "\"b@example.org\"",
	    "example.org!b@example.com",
	    "example.org!b",
	    "@example.com:b@example.org",
	    "@example.com,@gw.example.com:b@example.org",
	    "b@example.org@example.com",
	    "b@example.com.",
	    "b@[127.0.0.1]",
	    "b@[IPv6:::1]",
	    "b@localhost",
	    "b@gw.example.com",
	    "postmaster@example.org",
	    "postmaster%example.org@gw.example.com",
	    "\"postmaster@example.org\"@gw.example.com",
	    "postmaster@gw.example.com@example.org",
	    "b@example.com",
	    "",
	};
	static const char *const allowed[] = {"postmaster", "PostMaster",
	    "\"postmaster\"@gw.example.com", "postmaster@GW.example.com",
	    "postmaster@example.com"};
	struct peers p;
	struct peers_message m;
	char line[200];
	const char *got;
	int fd;

	start(&p, "clients = { \"127.0.0.9\" }", "limits { errors = 1000 }\n");
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\nMAIL FROM:<postmaster@example.com>\r\n");
	peers_expect(fd, "250");
	peers_expect(fd, "250");
	for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++) {
		snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", tricks[i]);
		peers_say(fd, line);
		got = peers_expect(fd, "5");
		cr_assert(strncmp(got, "550 5.7.1", 9) == 0 ||
			      strncmp(got, "501 5.1.3", 9) == 0,
		    "%s: %s", tricks[i], got);
	}
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "503");
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", allowed[i]);
		peers_say(fd, line);
		peers_expect(fd, "250 2.1.5");
	}
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, ".\r\n");
	accept_message(&p, &m);
	peers_expect(fd, "250");
	cr_assert_eq(m.m.envelope.n_rcpt, 1);
	cr_assert_str_eq(m.m.envelope.rcpt[0].addr, "postmaster@example.com");
	close(fd);
	/* an allowed client is asked about, not refused */
	fd = peers_connect_from(&p, "127.0.0.9");
	peers_expect(fd, "220");
	peers_envelope(&p, fd);
	close(fd);
	peers_stop(&p);
}

Test(session, limits_of_connections_errors_and_recipients)
{
	struct peers p;
	int fd[4];

	start(&p, "",
	    "limits { connections = 3 connections-per-client = 2 errors = 3 "
	    "recipients = 2 }\n");
	fd[0] = peers_connect(&p);
	fd[1] = peers_connect(&p);
	fd[2] = peers_connect_from(&p, "127.0.0.1");
	peers_expect(fd[2], "421 4.7.0");
	peers_expect_end(fd[2]);
	fd[2] = peers_connect_from(&p, "127.0.0.2");
	peers_expect(fd[2], "220");
	fd[3] = peers_connect_from(&p, "127.0.0.3");
	peers_expect(fd[3], "421 4.7.0");
	peers_expect_end(fd[3]);
	close(fd[2]);
	/* errors */
	peers_say(fd[0], "X\r\nX\r\nX\r\nNOOP\r\n");
	for (int i = 0; i < 3; i++)
		peers_expect(fd[0], "500");
	peers_expect(fd[0], "421 4.7.0");
	peers_expect_end(fd[0]);
	/* recipients, also while answers are missing */
	peers_say(fd[1], "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n"
			 "RCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r"
			 "\n");
	peers_check(p.worker[0], 550, "no");
	peers_check(p.worker[0], 250, "ok");
	peers_expect(fd[1], "250");
	peers_expect(fd[1], "250");
	peers_expect(fd[1], "550");
	peers_expect(fd[1], "250");
	peers_expect(fd[1], "452 4.5.3");
	peers_say(fd[1], "RCPT TO:<d@example.org>\r\n");
	peers_check(p.worker[0], 250, "ok");
	peers_expect(fd[1], "250");
	peers_say(fd[1], "RCPT TO:<e@example.org>\r\n");
	peers_expect(fd[1], "452 4.5.3");
	close(fd[1]);
	peers_stop(&p);
}

/* Begin a message until the answer is this: something has to reach the listener
   first on another way. Nothing is begun afterwards. */
static void
mail_until(int fd, const char *mail, const char *expect)
{
	bool as_expected = false;

	for (int i = 0; i < 9000 && !as_expected; i++) {
		peers_say(fd, mail);
		as_expected =
		    strncmp(peers_expect(fd, ""), expect, strlen(expect)) == 0;
		peers_say(fd, "RSET\r\n");
		peers_expect(fd, "250");
		if (!as_expected)
			usleep(10000);
	}
	cr_assert(as_expected, "never %s", expect);
}

Test(session, memory_is_reserved_at_mail_and_given_back)
{
	struct peers p;
	int fd, other, third;

	start(&p, "", "limits { memory = 2M message-size = 1M }\n");
	fd = peers_connect(&p);
	other = peers_connect(&p);
	peers_say(fd, "EHLO c\r\nMAIL FROM:<> SIZE=1048577\r\n"
		      "MAIL FROM:<> SIZE=1048576\r\n");
	peers_expect(fd, "250");
	peers_expect(fd, "552 5.3.4");
	peers_expect(fd, "250");
	peers_say(other, "EHLO c\r\nMAIL FROM:<> SIZE=1048576\r\nRSET\r\n");
	peers_expect(other, "250");
	peers_expect(other, "250");
	peers_expect(other, "250");
	peers_say(other, "MAIL FROM:<> SIZE=1000000\r\n");
	peers_expect(other, "250");
	third = peers_connect(&p);
	peers_say(third, "EHLO c\r\nMAIL FROM:<> SIZE=100000\r\n");
	peers_expect(third, "250");
	peers_expect(third, "452 4.3.1");
	close(other);
	mail_until(third, "MAIL FROM:<> SIZE=100000\r\n", "250");
	close(third);
	close(fd);
	peers_stop(&p);
}

Test(session, store_decides_whether_mail_may_come)
{
	struct peers p;
	int fd;

	/* who is told to come again makes no error of it */
	start(&p, "", "limits { errors = 1000 }\n");
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\n");
	peers_expect(fd, "250");
	peers_intake(p.store, ERR_DISK_FULL);
	mail_until(fd, "MAIL FROM:<>\r\n", "452 4.3.1");
	peers_intake(p.store, ERR_OK);
	mail_until(fd, "MAIL FROM:<>\r\n", "250");
	close(fd);
	peers_stop(&p);
}

Test(session, slow_clients_are_cut_off)
{
	struct peers p;
	int idle, data, tail;

	start(&p, "", "limits { idle = 300s min-rate = 100 }\n");
	idle = peers_connect(&p);
	peers_say(idle, "NO"); /* not a command yet */
	tail = peers_connect(&p);
	data = peers_connect(&p);
	peers_envelope(&p, data);
	peers_say(data, "DATA\r\n");
	peers_expect(data, "354");
	*p.ahead_ms += 29000;
	/* who is answered later shows that this has come */
	peers_say(data, "slow\r\n");
	peers_say(tail, "NOOP\r\n");
	peers_expect(tail, "250");
	*p.ahead_ms += 2000;
	peers_expect(data, "421 4.4.2");
	peers_expect_end(data);
	peers_say(tail, "NOOP\r\n");
	peers_expect(tail, "250");
	peers_say(idle, "O");
	peers_say(tail, "NOOP\r\n");
	peers_expect(tail, "250");
	*p.ahead_ms += 299000 - 31000 + 2000;
	peers_expect(idle, "421 4.4.2");
	peers_expect_end(idle);
	peers_say(tail, "NOOP\r\n");
	peers_expect(tail, "250");
	close(tail);
	peers_stop(&p);
}

Test(session, a_worker_that_says_nothing_of_a_recipient_is_not_waited_for)
{
	struct peers p;
	int fd;

	start(&p, "", "");
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n"
		      "RCPT TO:<b@example.org>\r\nNOOP\r\n");
	peers_expect(fd, "250");
	peers_expect(fd, "250");
	/* one dies over it: another is asked */
	peers_worker(&p, 1);
	peers_kill(&p.worker[0]);
	peers_check(p.worker[1], 250, "ok");
	peers_expect(fd, "250 2.1.5");
	*p.ahead_ms += 30000;
	peers_expect(fd, "451 4.3.2");
	peers_expect(fd, "250 2.0.0");
	close(fd);
	peers_stop(&p);
}

Test(session, a_client_that_never_reads_is_dropped)
{
	static char noops[6 * 1000 + 1];
	struct timeval tv = {.tv_sec = 1};
	struct peers p;
	int fd, other;
	ssize_t n;

	for (int i = 0; i < 1000; i++)
		memcpy(noops + i * 6, "HELP\r\n", 6);
	start(&p, "", "limits { errors = 1000 }\n");
	fd = peers_connect(&p);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	for (int i = 0; i < 2000; i++) {
		n = send(fd, noops, sizeof(noops) - 1, MSG_NOSIGNAL);
		if (n <= 0)
			break;
	}
	other = peers_connect(&p);
	peers_say(other, "NOOP\r\n");
	peers_expect(other, "250");
	close(other);
	close(fd);
	peers_stop(&p);
}

Test(session, a_new_configuration_counts_without_dropping_anybody)
{
	struct peers p;
	int fd, other;

	start(&p, "clients = { \"127.0.0.9\" }", "");
	fd = peers_connect(&p);
	peers_conf(
	    &p, "clients = { \"127.0.0.0/8\" }", "limits { recipients = 1 }\n");
	peers_say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
	peers_expect(fd, "250");
	peers_expect(fd, "250");
	peers_expect(fd, "550 5.7.1");
	other = peers_connect_from(&p, "127.0.0.1");
	peers_expect(other, "220 new.example.com");
	peers_envelope(&p, other);
	peers_say(other, "RCPT TO:<c@example.org>\r\n");
	peers_expect(other, "452 4.5.3");
	close(fd);
	close(other);
	peers_stop(&p);
}
