/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * UDP only: what it says is short. RFC 1035 section 4.
 */
#include "tests/lib/fake_dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, PACKET = 4096 };

struct fake_dns {
	int fd;
	uint16_t port;
	pthread_t thread;
	const struct fake_dns_row *rows;
	size_t n;
};

/* The name of the question, in text; its octets. */
static size_t
read_name(const uint8_t *p, size_t len, char *out, size_t size)
{
	size_t at = 0, n = 0;

	while (at < len && p[at] != 0) {
		if (n > 0)
			out[n++] = '.';
		for (uint8_t k = p[at], i = 1; i <= k && n + 2 < size; i++)
			out[n++] = (char)p[at + i];
		at += p[at] + 1u;
	}
	out[n] = '\0';
	return at + 1;
}

static size_t
put_name(uint8_t *out, const char *name)
{
	size_t n = 0, len;

	while (*name != '\0' && *name != '.') {
		len = strcspn(name, ".");
		out[n++] = (uint8_t)len;
		memcpy(out + n, name, len);
		n += len;
		name += len + (name[len] == '.' ? 1 : 0);
	}
	out[n++] = 0;
	return n;
}

static size_t
put_rdata(uint8_t *out, const struct fake_dns_row *row)
{
	unsigned preference = 0;
	char host[256] = "";

	if (row->type == TYPE_A)
		return inet_pton(AF_INET, row->rdata, out) == 1 ? 4 : 0;
	if (row->type == TYPE_AAAA)
		return inet_pton(AF_INET6, row->rdata, out) == 1 ? 16 : 0;
	if (sscanf(row->rdata, "%u %255s", &preference, host) != 2)
		fatal("fake_dns: %s", row->rdata);
	out[0] = (uint8_t)(preference >> 8);
	out[1] = (uint8_t)preference;
	return 2 + put_name(out + 2, host);
}

static size_t
put_record(uint8_t *out, const struct fake_dns_row *row)
{
	uint8_t head[] = {0xc0, 12, 0, (uint8_t)row->type, 0, 1, 0, 0, 0, 60};
	size_t len = put_rdata(out + sizeof(head) + 2, row);

	memcpy(out, head, sizeof(head));
	out[sizeof(head)] = (uint8_t)(len >> 8);
	out[sizeof(head) + 1] = (uint8_t)len;
	return sizeof(head) + 2 + len;
}

static size_t
answer(const struct fake_dns *f, uint8_t *p, size_t len)
{
	char name[256];
	size_t q = 12 + read_name(p + 12, len - 12, name, sizeof(name)) + 4;
	uint16_t type = (uint16_t)(p[q - 4] << 8 | p[q - 3]), n = 0;
	uint8_t rcode = 3;
	size_t at = q;

	for (size_t i = 0; i < f->n; i++) {
		if (strcasecmp(f->rows[i].name, name) != 0)
			continue;
		rcode = f->rows[i].rcode;
		if (f->rows[i].type == type && rcode == 0) {
			at += put_record(p + at, &f->rows[i]);
			n++;
		}
	}
	if (name[0] == '\0')
		rcode = 0;
	p[2] = 0x84 | (p[2] & 1);
	p[3] = 0x80 | rcode;
	p[6] = (uint8_t)(n >> 8);
	p[7] = (uint8_t)n;
	memset(p + 8, 0, 4);
	return at;
}

static void *
serve(void *arg)
{
	struct fake_dns *f = arg;
	struct sockaddr_storage from;
	socklen_t len;
	uint8_t p[PACKET];
	ssize_t n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(f->fd, p, 512, 0, (void *)&from, &len);
		if (n < 17)
			return NULL;
		(void)sendto(
		    f->fd, p, answer(f, p, (size_t)n), 0, (void *)&from, len);
	}
}

struct fake_dns *
fake_dns_new(const struct fake_dns_row *rows, size_t n)
{
	struct fake_dns *f = calloc(1, sizeof(*f));
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (f == NULL)
		fatal("fake_dns: memory");
	f->rows = rows;
	f->n = n;
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0 || bind(f->fd, (void *)&sa, sizeof(sa)) != 0 ||
	    getsockname(f->fd, (void *)&sa, &len) != 0 ||
	    pthread_create(&f->thread, NULL, serve, f) != 0)
		fatal("fake_dns: socket");
	f->port = ntohs(sa.sin_port);
	return f;
}

void
fake_dns_free(struct fake_dns *f)
{
	if (f == NULL)
		return;
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
	free(f);
}

uint16_t
fake_dns_port(const struct fake_dns *f)
{
	return f->port;
}
