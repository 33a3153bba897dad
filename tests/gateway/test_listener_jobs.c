/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A real listener between scripted workers, store and discovery: who may die
 * when, and what the client is told.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "tests/lib/listener_peers.h"

static const char body[] = "Subject: t\r\n\r\nHello\r\n";

static void
start(struct peers *p)
{
	peers_start(p, "", "", false);
	peers_store(p);
	peers_worker(p, 0);
}

/* A message is handed in up to its final dot. */
static int
hand_in(struct peers *p, struct peers_message *m)
{
	int fd = peers_connect(p);

	peers_envelope(p, fd);
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, body);
	peers_say(fd, ".\r\n");
	peers_take(p, p->worker[0], m);
	return fd;
}

static bool
is_silent(int fd)
{
	char c;

	usleep(100000);
	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

Test(listener_jobs, accepted_only_after_commit_and_reply)
{
	struct peers p;
	struct peers_message m;
	const char *line;
	int fd;

	start(&p);
	for (int done_first = 0; done_first < 2; done_first++) {
		fd = hand_in(&p, &m);
		cr_assert(span_eq_str(m.body.data, body));
		cr_assert_eq(m.m.attempt, 1);
		cr_assert_not(m.m.unparsed);
		cr_assert_eq(m.m.envelope.n_rcpt, 1);
		cr_assert_str_eq(m.m.envelope.from, "a@example.com");
		cr_assert_str_eq(m.m.envelope.rcpt[0].addr, "b@example.org");
		cr_assert_not(m.m.answers[0].complete);
		if (done_first)
			peers_done(
			    p.worker[0], &m, true, 250, "2.0.0", "taken");
		else
			peers_commit(p.store, &m, ERR_OK);
		cr_assert(is_silent(fd), "order %d", done_first);
		if (done_first)
			peers_commit(p.store, &m, ERR_OK);
		else
			peers_done(
			    p.worker[0], &m, true, 250, "2.0.0", "taken");
		line = peers_expect(fd, "250 2.0.0 taken");
		cr_assert_not_null(strstr(line, "id "), "%s", line);
		memfd_unmap(&m.body);
		close(fd);
	}
	peers_stop(&p);
}

Test(listener_jobs, what_the_worker_refuses_is_refused)
{
	static const struct {
		bool submitted;
		int code;
		enum err commit;
		const char *expect;
	} rows[] = {
	    {false, 451, ERR_OK, "451 4.7.5 why"},
	    {true, 550, ERR_OK, "550 4.7.5 why"},
	    {true, 250, ERR_DISK_FULL, "452 4.3.1"},
	    {true, 250, ERR_DB, "451 4.3.0"},
	    {true, 250, ERR_SHUTDOWN, "451 4.3.2"},
	    /* its body's file is gone: no reason to bounce it */
	    {true, 250, ERR_NOT_FOUND, "451 4.3.0"},
	    {true, 250, ERR_PERMISSION, "451 4.3.0"},
	    /* it stands nowhere, whatever the worker says */
	    {false, 250, ERR_OK, "451 4.3.0"},
	};
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = hand_in(&p, &m);
		peers_done(p.worker[0], &m, rows[i].submitted, rows[i].code,
		    "4.7.5", "why");
		if (rows[i].submitted)
			peers_commit(p.store, &m, rows[i].commit);
		peers_expect(fd, rows[i].expect);
		memfd_unmap(&m.body);
		close(fd);
	}
	peers_stop(&p);
}

Test(listener_jobs, a_worker_that_dies_costs_neither_message_nor_duplicate)
{
	struct peers p;
	struct peers_message m, again;
	int fd;

	start(&p);
	/* before the commit: another attempt, at another worker */
	peers_worker(&p, 1);
	fd = hand_in(&p, &m);
	peers_kill(&p.worker[0]);
	cr_assert(peers_is_quiet(p.worker[1]), "tried again before the fence");
	peers_fence(p.store, &m, ERR_FENCED);
	peers_take(&p, p.worker[1], &again);
	cr_assert_eq(again.id, m.id);
	cr_assert_eq(again.m.attempt, 2);
	peers_commit(p.store, &m, ERR_OK); /* of the old attempt: ignored */
	peers_done(p.worker[1], &again, true, 250, "2.0.0", "taken");
	cr_assert(is_silent(fd));
	peers_commit(p.store, &again, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	memfd_unmap(&m.body);
	memfd_unmap(&again.body);
	close(fd);
	/* after the commit: it is accepted, and nobody tries again */
	peers_worker(&p, 0);
	peers_kill(&p.worker[1]);
	fd = hand_in(&p, &m);
	peers_kill(&p.worker[0]);
	peers_fence(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	peers_worker(&p, 0);
	cr_assert(peers_is_quiet(p.worker[0]));
	memfd_unmap(&m.body);
	close(fd);
	/* between its reply and the commit: the reply counts */
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 550, "5.7.1", "all refused");
	peers_kill(&p.worker[0]);
	peers_fence(p.store, &m, ERR_OK);
	peers_expect(fd, "550 5.7.1 all refused");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, a_message_that_kills_workers_is_put_aside_unparsed)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	for (unsigned i = 0; i < LIMIT_CRASHES; i++) {
		cr_assert_eq(m.m.attempt, i + 1);
		cr_assert_not(m.m.unparsed, "attempt %u", i + 1);
		peers_kill(&p.worker[0]);
		peers_fence(p.store, &m, ERR_FENCED);
		memfd_unmap(&m.body);
		peers_worker(&p, 0);
		peers_take(&p, p.worker[0], &m);
	}
	cr_assert(m.m.unparsed);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "put aside");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0 put aside");
	memfd_unmap(&m.body);
	close(fd);
	/* it is known when it comes again, and another one is not it */
	fd = hand_in(&p, &m);
	cr_assert(m.m.unparsed);
	/* even that kills: then it is not tried for ever */
	peers_kill(&p.worker[0]);
	peers_fence(p.store, &m, ERR_FENCED);
	peers_expect(fd, "451 4.3.0");
	memfd_unmap(&m.body);
	peers_worker(&p, 0);
	peers_say(fd, "QUIT\r\n");
	peers_expect(fd, "221");
	peers_expect_end(fd);
	peers_stop(&p);
}

Test(listener_jobs, a_store_that_dies_is_asked_when_it_is_back)
{
	struct peers p;
	struct peers_message m, again;
	int fd, other;

	start(&p);
	/* committed, but the word was lost */
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	cr_assert(is_silent(fd));
	peers_kill(&p.store);
	cr_assert(is_silent(fd));
	other = peers_connect(&p);
	peers_say(other, "EHLO x\r\nMAIL FROM:<a@example.com>\r\n");
	peers_expect(other, "250 ");
	peers_expect(other, "451 4.3.2");
	close(other);
	peers_store(&p);
	peers_fence(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0 taken");
	memfd_unmap(&m.body);
	close(fd);
	/* not committed, the worker still has it: both are told apart */
	fd = hand_in(&p, &m);
	peers_store(&p);
	peers_fence(p.store, &m, ERR_FENCED);
	peers_take(&p, p.worker[0], &again);
	cr_assert_eq(again.m.attempt, 2);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "old");
	cr_assert(is_silent(fd));
	peers_done(p.worker[0], &again, true, 250, "2.0.0", "new");
	peers_commit(p.store, &again, ERR_OK);
	peers_expect(fd, "250 2.0.0 new");
	memfd_unmap(&m.body);
	memfd_unmap(&again.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, nobody_waits_for_ever)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	/* the worker hangs: store decides */
	fd = hand_in(&p, &m);
	*p.ahead_ms += LIMIT_JOB_MS;
	peers_fence(p.store, &m, ERR_FENCED);
	peers_expect(fd, "451 4.3.0");
	memfd_unmap(&m.body);
	close(fd);
	peers_worker(&p, 0);
	fd = hand_in(&p, &m);
	*p.ahead_ms += LIMIT_JOB_MS;
	peers_fence(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	memfd_unmap(&m.body);
	close(fd);
	/* store hangs, too */
	peers_worker(&p, 0);
	fd = hand_in(&p, &m);
	peers_kill(&p.store);
	*p.ahead_ms += LIMIT_JOB_MS;
	cr_assert(is_silent(fd));
	*p.ahead_ms += LIMIT_FENCE_MS;
	peers_expect(fd, "451 ");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, lookups_go_with_the_message_as_far_as_they_are_there)
{
	struct peers p;
	struct peers_message m;
	uint64_t b, c;
	int fd;

	start(&p);
	peers_discovery(&p);
	fd = peers_connect(&p);
	peers_envelope(&p, fd);
	peers_lookup(p.discovery, "b@example.org", &b);
	peers_say(fd, "RCPT TO:<C@example.net>\r\n");
	peers_check(p.worker[0], 250, "ok");
	peers_lookup(p.discovery, "c@example.net", &c);
	peers_answer(p.discovery, c, "c@example.net", true);
	peers_expect(fd, "250");
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, ".\r\n");
	cr_assert(peers_is_quiet(p.worker[0]), "it did not wait");
	*p.ahead_ms += 8000;
	peers_take(&p, p.worker[0], &m);
	cr_assert_eq(m.m.n_answers, 2);
	cr_assert_not(m.m.answers[0].complete);
	cr_assert_str_eq(m.m.answers[0].key, "b@example.org");
	cr_assert(m.m.answers[1].complete);
	cr_assert_eq(m.m.answers[1].n, 1);
	peers_answer(p.discovery, b, "b@example.org", true); /* too late */
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250");
	memfd_unmap(&m.body);
	/* an answer about somebody else does not count; a death ends waiting */
	peers_say(fd, "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
	peers_check(p.worker[0], 250, "ok");
	peers_say(fd, "RCPT TO:<d@example.org>\r\n");
	peers_check(p.worker[0], 250, "ok");
	peers_lookup(p.discovery, "b@example.org", &b);
	peers_lookup(p.discovery, "d@example.org", &c);
	peers_answer(p.discovery, b, "e@example.org", true);
	peers_expect(fd, "250");
	peers_expect(fd, "250");
	peers_expect(fd, "250");
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, ".\r\n");
	peers_kill(&p.discovery);
	peers_take(&p, p.worker[0], &m);
	cr_assert_not(m.m.answers[0].complete);
	cr_assert_not(m.m.answers[1].complete);
	peers_done(p.worker[0], &m, false, 451, "4.0.0", "later");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, a_client_that_leaves_does_not_stop_its_message)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	close(fd);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	memfd_unmap(&m.body);
	/* before its final dot it does */
	fd = peers_connect(&p);
	peers_envelope(&p, fd);
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, body);
	close(fd);
	cr_assert(peers_is_quiet(p.worker[0]));
	peers_stop(&p);
}

Test(listener_jobs, messages_wait_for_workers_and_checks_go_first)
{
	struct peers p;
	struct peers_message m[4];
	int fd[4], other;

	start(&p);
	for (int i = 0; i < 3; i++) {
		fd[i] = peers_connect(&p);
		peers_envelope(&p, fd[i]);
		peers_say(fd[i], "DATA\r\n");
		peers_expect(fd[i], "354");
	}
	for (int i = 0; i < 3; i++) {
		peers_say(fd[i], body);
		peers_say(fd[i], ".\r\n");
		if (i < 2) /* one at work, one lies ready */
			peers_take(&p, p.worker[0], &m[i]);
	}
	cr_assert(peers_is_quiet(p.worker[0]));
	other = peers_connect(&p);
	peers_say(other, "EHLO x\r\nMAIL FROM:<a@example.com>\r\n"
			 "RCPT TO:<b@example.org>\r\n");
	peers_expect(other, "250 ");
	peers_expect(other, "250 2.1.0");
	cr_assert(peers_is_quiet(p.worker[0]), "a check behind two messages");
	peers_done(p.worker[0], &m[0], false, 451, "4.0.0", "later");
	peers_done(p.worker[0], &m[1], false, 451, "4.0.0", "later");
	peers_check(p.worker[0], 250, "ok");
	peers_expect(other, "250 2.1.5");
	peers_take(&p, p.worker[0], &m[2]);
	/* a second worker takes over what a dead one had */
	peers_worker(&p, 1);
	peers_kill(&p.worker[0]);
	peers_fence(p.store, &m[2], ERR_FENCED);
	peers_take(&p, p.worker[1], &m[3]);
	cr_assert_eq(m[3].id, m[2].id);
	for (int i = 0; i < 4; i++)
		memfd_unmap(&m[i].body);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	close(other);
	peers_done(p.worker[1], &m[3], false, 451, "4.0.0", "later");
	peers_stop(&p);
}

Test(listener_jobs, stopping_finishes_what_is_in_progress)
{
	struct peers p;
	struct peers_message m;
	int fd, idle, tx, data;

	start(&p);
	idle = peers_connect(&p);
	tx = peers_connect(&p);
	peers_envelope(&p, tx);
	data = peers_connect(&p);
	peers_envelope(&p, data);
	peers_say(data, "DATA\r\n");
	peers_expect(data, "354");
	fd = hand_in(&p, &m);
	peers_stop_begin(&p);
	peers_expect(idle, "421 4.3.2");
	peers_expect_end(idle);
	peers_expect(tx, "421 4.3.2");
	peers_expect_end(tx);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0 taken");
	peers_expect(fd, "421 4.3.2");
	peers_expect_end(fd);
	memfd_unmap(&m.body);
	peers_say(data, ".\r\n");
	peers_take(&p, p.worker[0], &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(data, "250 2.0.0 taken");
	peers_expect(data, "421 4.3.2");
	peers_expect_end(data);
	memfd_unmap(&m.body);
	peers_stop(&p);
}

Test(listener_jobs, stopping_does_not_wait_longer_than_it_may)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	peers_stop_begin(&p);
	cr_assert(is_silent(fd));
	*p.ahead_ms += 20000;
	peers_expect_end(fd); /* never a 250 */
	memfd_unmap(&m.body);
	peers_stop(&p);
}

Test(listener_jobs, keys_hears_nothing_of_who_may_not_sign)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	peers_keys(&p);
	cr_expect_eq(peers_registered(p.keys, NULL), 0);
	fd = hand_in(&p, &m);
	cr_expect(peers_is_quiet(p.keys));
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	cr_expect(peers_is_quiet(p.keys));
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, keys_hears_of_the_sender_before_a_worker_has_the_message)
{
	struct peers p;
	struct peers_message m;
	uint64_t id;
	int fd;

	peers_start(&p, "may-sign = \"127.0.0.1\"", "", false);
	peers_store(&p);
	peers_worker(&p, 0);
	peers_keys(&p);
	/* nothing of what was before holds */
	cr_expect_eq(peers_registered(p.keys, NULL), 0);
	fd = hand_in(&p, &m);
	id = peers_registered(p.keys, "a@example.com");
	cr_expect_eq(id, m.id);
	/* one that began anew is told again */
	peers_keys(&p);
	cr_expect_eq(peers_registered(p.keys, NULL), 0);
	cr_expect_eq(peers_registered(p.keys, "a@example.com"), id);
	cr_expect(peers_is_quiet(p.keys));
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	cr_expect(peers_is_quiet(p.keys), "it is not over yet");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	cr_expect_eq(peers_unregistered(p.keys), id);
	memfd_unmap(&m.body);
	close(fd);
	/* nobody signs for the null sender */
	fd = peers_connect(&p);
	peers_say(fd, "EHLO client.example.com\r\n");
	peers_expect(fd, "250 ");
	peers_say(fd, "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
	peers_check(p.worker[0], 250, "ok");
	peers_expect(fd, "250 2.1.0");
	peers_expect(fd, "250 2.1.5");
	peers_say(fd, "DATA\r\n");
	peers_expect(fd, "354");
	peers_say(fd, body);
	peers_say(fd, ".\r\n");
	peers_take(&p, p.worker[0], &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0");
	cr_expect(peers_is_quiet(p.keys));
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

/* --- the next hop's own reply --- */

Test(listener_jobs, a_client_hears_what_the_next_hop_said)
{
	static const struct {
		int code;
		const char *status, *text, *expect;
	} rows[] = {
	    {250, "2.0.0", "queued as 7", "250 2.0.0 queued as 7"},
	    {550, "5.7.1", "spam", "550 5.7.1 spam"},
	    {451, "4.7.1", "come again", "451 4.7.1 come again"},
	    {0, "", "", "250 2.0.0 taken"},
	};
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = hand_in(&p, &m);
		peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
		peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
		cr_assert(is_silent(fd), "row %zu", i);
		peers_commit_waits(p.store, &m, ERR_OK, false, rows[i].code,
		    rows[i].status, rows[i].text);
		peers_expect(fd, rows[i].expect);
		memfd_unmap(&m.body);
		close(fd);
	}
	peers_stop(&p);
}

Test(listener_jobs, a_worker_that_dies_while_a_client_waits_costs_nothing)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
	peers_kill(&p.worker[0]);
	peers_fence(p.store, &m, ERR_OK);
	peers_expect(fd, "250");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, after_its_time_nobody_waits_for_the_next_hop)
{
	struct peers p;
	struct peers_message m;
	int fd;

	peers_start(&p, "", "limits { wait-limit = 1min }", false);
	peers_store(&p);
	peers_worker(&p, 0);
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
	cr_assert(is_silent(fd));
	cr_assert(peers_is_quiet(p.store));
	*p.ahead_ms += 61 * 1000;
	cr_assert(peers_wait_end(p.store, &m));
	cr_assert(is_silent(fd));
	peers_commit_waits(p.store, &m, ERR_OK, false, 0, "", "");
	peers_expect(fd, "250 2.0.0 taken");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, a_store_that_comes_back_is_asked_what_was_said)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
	cr_assert(is_silent(fd));
	peers_kill(&p.store);
	peers_store(&p);
	peers_fence_waits(p.store, &m, 550, "5.7.1", "spam");
	peers_expect(fd, "550 5.7.1 spam");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, stopping_waits_for_no_next_hop)
{
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
	cr_assert(is_silent(fd));
	peers_stop_begin(&p);
	cr_assert(peers_wait_end(p.store, &m));
	peers_commit_waits(p.store, &m, ERR_OK, false, 0, "", "");
	peers_expect(fd, "250 2.0.0 taken");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}

Test(listener_jobs, a_client_that_hangs_up_while_it_waits_is_noticed)
{
	struct peers p;
	struct peers_message m;
	int fd;

	peers_start(&p, "", "limits { wait-limit = 1min }", false);
	peers_store(&p);
	peers_worker(&p, 0);
	for (int k = 0; k < 2; k++) {
		fd = hand_in(&p, &m);
		peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
		peers_commit_waits(p.store, &m, ERR_OK, true, 0, "", "");
		cr_assert(is_silent(fd));
		if (k == 1) /* with something unread before it */
			peers_say(fd, "QUIT\r\n");
		close(fd);
		/* it might have closed its sending end alone */
		cr_assert(peers_is_quiet(p.store));
		*p.ahead_ms += 61 * 1000;
		cr_assert_not(peers_wait_end(p.store, &m), "%d", k);
		memfd_unmap(&m.body);
	}
	peers_stop(&p);
}

Test(listener_jobs, what_was_remembered_and_makes_no_sense_is_forgotten)
{
	static const uint8_t rows[][70] = {
	    {0},
	    {1},
	    {2, 1, 2, 3},
	    /* so many rows as there are not */
	    {[0] = 1, [49] = 0xff, [50] = 0xff, [51] = 0xff, [52] = 0xff},
	    {[0] = 1, [52] = 1},
	};
	struct peers p;
	struct peers_message m;
	int fd;

	start(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len <= sizeof(rows[0]); len += 1 + i)
			cr_assert_eq(ipc_send(p.store, PROTO_VERIFIED, 0,
					 SPAN(rows[i], len), NULL, 0),
			    ERR_OK);
	fd = hand_in(&p, &m);
	peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
	peers_commit(p.store, &m, ERR_OK);
	peers_expect(fd, "250 2.0.0 taken");
	memfd_unmap(&m.body);
	close(fd);
	peers_stop(&p);
}
