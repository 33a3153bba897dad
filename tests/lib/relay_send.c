/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Send the message on standard input through a relay whose store is played,
 * for tests with real servers:
 *   relay_send [-l] [-t FLOOR] [-n TIMES] PORT FROM RCPT...
 * -l speaks LMTP, -t is an enum entry_tls. A line for each recipient:
 * outcome, code, status, peer, TLS and text, separated by tabs; with -n only
 * the seconds and how many were delivered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/lib/relay_driver.h"

enum { RCPT_MAX = 100, BATCH = 2000 };

static const char *const outcomes[] = {"deferred", "delivered", "failed"};

static void
read_all(struct buf *b)
{
	uint8_t *at;
	ssize_t n;

	for (;;) {
		if (buf_reserve(b, 65536, &at) != ERR_OK)
			fatal("too large");
		n = read(0, at, 65536);
		if (n <= 0)
			return;
		buf_grow(b, (size_t)n);
	}
}

static void
print_result(const struct proto_result *r)
{
	for (uint32_t i = 0; i < r->n_rcpt; i++) {
		const struct proto_hop *h = proto_result_hop(r, &r->rcpt[i]);

		bool has = h->protocol[0] != '\0';

		printf("%s\t%u\t%s\t%s\t%s%s%s%s%s\t%s\n",
		    outcomes[r->rcpt[i].outcome], (unsigned)r->rcpt[i].code,
		    r->rcpt[i].status, h->peer, h->protocol, has ? " " : "",
		    h->cipher, has ? " " : "", has ? h->had : "",
		    r->rcpt[i].text);
	}
}

static void
send_many(struct relay_driver *d, const struct entry *e, struct span text,
    unsigned times)
{
	uint64_t *ids = calloc(times, sizeof(*ids)), start = clock_steady_ms();
	unsigned done = 0;

	for (unsigned i = 0; i < times; i++) {
		struct proto_deliver m = {0};

		ids[i] = relay_driver_deliver(d, &m, e, text);
	}
	relay_driver_wait(d, times, 120000);
	for (unsigned i = 0; i < times; i++) {
		const struct proto_result *r = relay_driver_result(d, ids[i]);

		done += r != NULL && r->rcpt[0].outcome == PROTO_DELIVERED;
	}
	printf("%.3f\t%u\n", (double)(clock_steady_ms() - start) / 1000, done);
	free(ids);
}

int
main(int argc, char **argv)
{
	struct entry_rcpt rcpt[RCPT_MAX];
	struct entry e = {
	    .message_id = 1, .kind = ENTRY_READY, .envid = "", .rcpt = rcpt};
	struct relay_driver *d;
	struct proto_deliver m = {0};
	unsigned long times = 0;
	bool lmtp = false;
	struct buf text;
	uint64_t id;
	int c;

	while ((c = getopt(argc, argv, "ln:t:")) != -1) {
		if (c == 'l')
			lmtp = true;
		else if (c == 'n')
			times = strtoul(optarg, NULL, 10);
		else if (c == 't')
			e.tls = (uint8_t)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind < 3 || argc - optind - 2 > RCPT_MAX || times > BATCH)
		return 2;
	e.from = e.from_key = argv[optind + 1];
	for (int i = optind + 2; i < argc; i++)
		rcpt[e.n_rcpt++] = (struct entry_rcpt){
		    .addr = argv[i], .key = argv[i], .orcpt = ""};
	buf_init(&text, 128 * 1024 * 1024);
	read_all(&text);
	d = relay_driver_new((uint16_t)strtoul(argv[optind], NULL, 10), 30000);
	if (lmtp)
		relay_driver_conf(d)->outbound.kind = CONF_VIA_LMTP;
	relay_driver_start(d);
	if (times > 0) {
		send_many(d, &e, buf_span(&text), (unsigned)times);
	} else {
		id = relay_driver_deliver(d, &m, &e, buf_span(&text));
		relay_driver_wait(d, 1, 60000);
		if (relay_driver_result(d, id) != NULL)
			print_result(relay_driver_result(d, id));
	}
	relay_driver_free(d);
	buf_clear(&text);
	return 0;
}
