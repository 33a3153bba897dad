/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/ipc.h"
#include "common/loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
pair(struct ipc **a, struct ipc **b)
{
	int x, y;

	cr_assert_eq(ipc_pair(&x, &y), ERR_OK);
	*a = ipc_new(x);
	*b = ipc_new(y);
}

Test(ipc, carries_octets_small_and_large_and_descriptors)
{
	static const size_t sizes[] = {
	    0, 1, LIMIT_IPC_INLINE, LIMIT_IPC_INLINE + 1, 3000000};
	struct ipc *a, *b;
	struct ipc_msg m;
	uint8_t *data = calloc(1, 3000000);
	int fd = open("/dev/null", O_RDONLY), got;

	pair(&a, &b);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(data, (int)i + 1, sizes[i]);
		cr_assert_eq(ipc_send(a, 7, 1ull << 40 | i,
				 SPAN(data, sizes[i]), &fd, 1),
		    ERR_OK);
		cr_assert_eq(ipc_recv(b, &m), ERR_OK);
		cr_assert_eq(m.type, 7);
		cr_assert_eq(m.id, 1ull << 40 | i);
		cr_assert(span_eq(m.payload, SPAN(data, sizes[i])), "size %zu",
		    sizes[i]);
		got = ipc_msg_take_fd(&m, 0);
		cr_assert_geq(got, 0);
		cr_assert_eq(ipc_msg_take_fd(&m, 0), -1);
		cr_assert_eq(ipc_msg_take_fd(&m, 1), -1);
		ipc_msg_clear(&m);
		close(got);
	}
	ipc_free(a);
	cr_assert_eq(ipc_recv(b, &m), ERR_CLOSED);
	cr_assert_eq(ipc_send(b, 1, 1, SPAN_LIT("x"), NULL, 0), ERR_CLOSED);
	ipc_free(b);
	free(data);
	close(fd);
}

Test(ipc, refuses_nonsense_from_the_peer)
{
	static const struct {
		const char *name;
		uint8_t data[20];
		size_t len;
	} rows[] = {
	    {"short header", {0, 1, 0}, 3},
	    {"unknown flag", {0, 1, 0, 2}, 16},
	    {"memfd flag without descriptor", {0, 1, 0, 1}, 16},
	    {"memfd flag with octets", {0, 1, 0, 1}, 20},
	};
	struct ipc *b;
	struct ipc_msg m;
	int x, y;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(ipc_pair(&x, &y), ERR_OK);
		b = ipc_new(y);
		cr_assert_eq(send(x, rows[i].data, rows[i].len, 0),
		    (ssize_t)rows[i].len);
		cr_assert_eq(ipc_recv(b, &m), ERR_IPC, "%s", rows[i].name);
		close(x);
		ipc_free(b);
	}
}

Test(ipc, awaits_the_answer_and_no_other)
{
	static const struct {
		const char *name;
		bool sent;
		uint16_t type;
		uint64_t id;
		enum err e;
	} rows[] = {
	    {"the answer", true, 7, 1, ERR_OK},
	    {"another type", true, 8, 1, ERR_IPC},
	    {"another question's", true, 7, 2, ERR_IPC},
	    {"none", false, 0, 0, ERR_TIMEOUT},
	};
	struct ipc *a, *b;
	struct ipc_msg m;
	int fd = open("/dev/null", O_RDONLY);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pair(&a, &b);
		if (rows[i].sent)
			cr_assert_eq(ipc_send(a, rows[i].type, rows[i].id,
					 SPAN_LIT("x"), &fd, 1),
			    ERR_OK);
		cr_expect_eq(ipc_await(b, 7, 1, rows[i].sent ? 60000 : 20, &m),
		    rows[i].e, "%s", rows[i].name);
		if (rows[i].e == ERR_OK) {
			cr_expect(span_eq_str(m.payload, "x"));
			cr_expect_eq(m.n_fds, 1);
			ipc_msg_clear(&m);
		}
		ipc_free(a);
		cr_expect_eq(ipc_await(b, 7, 1, 60000, &m), ERR_CLOSED, "%s",
		    rows[i].name);
		ipc_free(b);
	}
	close(fd);
}

struct sink {
	struct loop *loop;
	struct ipc *ch;
	size_t n, octets, want;
	bool closed;
};

static void
count(void *arg, struct ipc_msg *m)
{
	struct sink *s = arg;

	cr_assert_eq(m->id, s->n);
	s->n++;
	s->octets += m->payload.len;
	if (s->n == s->want)
		loop_stop(s->loop);
}

static void
closed(void *arg)
{
	struct sink *s = arg;

	s->closed = true;
	ipc_free(s->ch);
	s->ch = NULL;
	loop_stop(s->loop);
}

Test(ipc, queues_what_does_not_fit_and_keeps_the_order)
{
	static const struct ipc_events events = {count, closed};
	struct loop *loop = loop_new();
	struct sink from = {.loop = loop}, to = {.loop = loop, .want = 500};
	uint8_t data[9000] = {1};

	pair(&from.ch, &to.ch);
	ipc_attach(from.ch, loop, &events, &from);
	ipc_attach(to.ch, loop, &events, &to);
	for (uint64_t i = 0; i < 500; i++)
		cr_assert_eq(
		    ipc_post(from.ch, 3, i, SPAN(data, sizeof(data)), NULL, 0),
		    ERR_OK);
	cr_assert_gt(ipc_queued(from.ch), 0);
	loop_run(loop);
	cr_assert_eq(to.n, 500);
	cr_assert_eq(to.octets, 500 * sizeof(data));
	ipc_free(from.ch);
	loop_run(loop);
	cr_assert(to.closed);
	loop_free(loop);
}

Test(memfd, an_unsealed_file_is_not_taken)
{
	struct memfd_map map;
	int fd;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(memfd_write(fd, SPAN_LIT("0123456789012345678")), ERR_OK);
	cr_assert_eq(memfd_map(fd, 1000, &map), ERR_IPC);
	cr_assert_eq(memfd_seal(fd), ERR_OK);
	cr_assert_eq(memfd_map(fd, 18, &map), ERR_IPC);
	cr_assert_eq(memfd_map(fd, 19, &map), ERR_OK);
	cr_assert_eq(map.data.len, 19);
	cr_assert_eq(map.data.data[19 + 15], 0, "padding is readable");
	memfd_unmap(&map);
	cr_assert_eq(write(fd, "x", 1), -1);
	close(fd);
}
