/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * STARTTLS at a real listener: the session begins anew, nothing gets across
 * the border in either direction.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "tests/lib/listener_peers.h"

struct tls {
	SSL_CTX *ctx;
	SSL *ssl;
};

static bool
tls_start(struct tls *t, int fd, int version)
{
	t->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(t->ctx, 0);
	SSL_CTX_set_min_proto_version(t->ctx, version);
	SSL_CTX_set_max_proto_version(t->ctx, version);
	t->ssl = SSL_new(t->ctx);
	SSL_set_fd(t->ssl, fd);
	return SSL_connect(t->ssl) == 1;
}

static void
tls_end(struct tls *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
}

static void
tls_say(struct tls *t, const char *text)
{
	cr_assert_eq(
	    SSL_write(t->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* All lines of one answer; true if one of them contains word. */
static bool
tls_expect(struct tls *t, const char *prefix, const char *word)
{
	char line[1000];
	bool found = false;
	size_t n;

	do {
		n = 0;
		do
			cr_assert_eq(SSL_read(t->ssl, line + n, 1), 1,
			    "the connection ended");
		while (line[n++] != '\n' && n + 1 < sizeof(line));
		line[n] = '\0';
		found = found || strstr(line, word) != NULL;
	} while (line[3] == '-');
	cr_assert(strncmp(line, prefix, strlen(prefix)) == 0,
	    "%s instead of %s", line, prefix);
	return found;
}

static int
start_tls(struct peers *p, struct tls *t, int version)
{
	int fd = peers_connect(p);

	peers_say(fd, "EHLO c\r\n");
	peers_expect(fd, "250 ");
	peers_say(fd, "STARTTLS\r\n");
	peers_expect(fd, "220 2.0.0");
	cr_assert(tls_start(t, fd, version), "version %x", version);
	return fd;
}

static void
start_with_tls(struct peers *p)
{
	peers_start(p, "", "", true);
	peers_store(p);
	peers_worker(p, 0);
}

Test(listener_tls, tls_begins_the_session_anew)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct peers p;
	struct peers_message m;
	struct tls t;
	int fd;

	start_with_tls(&p);
	for (size_t i = 0; i < 2; i++) {
		fd = start_tls(&p, &t, versions[i]);
		tls_say(&t, "MAIL FROM:<a@example.com>\r\n");
		tls_expect(&t, "503 5.5.1", "");
		tls_say(&t, "EHLO c\r\n");
		cr_assert_not(tls_expect(&t, "250", "STARTTLS"));
		tls_say(&t, "STARTTLS\r\n");
		tls_expect(&t, "503 5.5.1", "");
		tls_say(&t, "MAIL FROM:<a@example.com>\r\n"
			    "RCPT TO:<b@example.org>\r\nDATA\r\n");
		peers_check(p.worker[0], 250, "ok");
		tls_expect(&t, "250", "");
		tls_expect(&t, "250", "");
		tls_expect(&t, "354", "");
		tls_say(&t, "Subject: x\r\n\r\n");
		for (int k = 0; k < 3000; k++)
			tls_say(&t, "0123456789 0123456789 0123456789\r\n");
		tls_say(&t, ".\r\nQUIT\r\n");
		peers_take(&p, p.worker[0], &m);
		cr_assert_eq(m.body.data.len, 14 + 3000 * 34);
		cr_assert_not_null(strstr(m.m.trace, " with ESMTPS id "));
		cr_assert(strncmp(m.m.envelope.tls, "TLSv1.", 6) == 0);
		peers_done(p.worker[0], &m, true, 250, "2.0.0", "taken");
		peers_commit(p.store, &m, ERR_OK);
		memfd_unmap(&m.body);
		tls_expect(&t, "250 2.0.0", "");
		tls_expect(&t, "221", "");
		tls_end(&t);
		close(fd);
	}
	/* too old */
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\nRSET\r\n");
	peers_expect(fd, "250 ");
	peers_expect(fd, "250 ");
	peers_say(fd, "STARTTLS\r\n");
	peers_expect(fd, "220");
	cr_assert_not(tls_start(&t, fd, TLS1_1_VERSION));
	tls_end(&t);
	close(fd);
	peers_stop(&p);
}

/* However many records or answers there are at once, none is forgotten. */
Test(listener_tls, what_comes_at_once_is_answered_at_once)
{
	static char help[6 * 300 + 1];
	struct peers p;
	struct tls t;
	int fd, on = 1, off = 0;

	peers_start(&p, "", "limits { errors = 1000 }\n", true);
	fd = start_tls(&p, &t, TLS1_3_VERSION);
	for (int n = 1; n < 40; n++) {
		setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
		for (int k = 0; k < n; k++)
			tls_say(&t, "NOOP\r\n");
		setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
		for (int k = 0; k < n; k++)
			tls_expect(&t, "250", "");
	}
	tls_end(&t);
	close(fd);
	for (int i = 0; i < 300; i++)
		memcpy(help + i * 6, "HELP\r\n", 6);
	fd = peers_connect(&p);
	peers_say(fd, help);
	for (int i = 0; i < 300; i++)
		peers_expect(fd, "214");
	close(fd);
	peers_stop(&p);
}

Test(listener_tls, octets_behind_starttls_end_the_session)
{
	struct peers p;
	struct tls t;
	int fd;

	start_with_tls(&p);
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\n");
	peers_expect(fd, "250 ");
	peers_say(fd, "STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n");
	peers_expect(fd, "554 5.5.1");
	peers_expect_end(fd);
	/* in a segment of their own they are no handshake */
	fd = peers_connect(&p);
	peers_say(fd, "EHLO c\r\n");
	peers_expect(fd, "250 ");
	peers_say(fd, "STARTTLS\r\n");
	peers_expect(fd, "220");
	peers_say(fd, "MAIL FROM:<evil@example.com>\r\n");
	cr_assert_not(tls_start(&t, fd, TLS1_3_VERSION));
	tls_end(&t);
	close(fd);
	peers_stop(&p);
}

Test(listener_tls, a_goodbye_of_tls_inside_a_message_discards_it)
{
	static const char *const begin[] = {"DATA\r\n", "BDAT 1000 LAST\r\n"};
	struct peers p;
	struct tls t;
	char c;
	int fd;

	start_with_tls(&p);
	for (size_t i = 0; i < 2; i++) {
		fd = start_tls(&p, &t, TLS1_3_VERSION);
		tls_say(&t, "EHLO c\r\nMAIL FROM:<a@example.com>\r\n"
			    "RCPT TO:<b@example.org>\r\n");
		peers_check(p.worker[0], 250, "ok");
		for (int k = 0; k < 3; k++)
			tls_expect(&t, "250", "");
		tls_say(&t, begin[i]);
		if (i == 0)
			tls_expect(&t, "354", "");
		tls_say(&t, "0123456789");
		SSL_shutdown(t.ssl);
		peers_say(fd, "x\r\n.\r\nNOOP\r\n");
		while (recv(fd, &c, 1, 0) == 1)
			continue;
		tls_end(&t);
		close(fd);
		cr_assert(peers_is_quiet(p.worker[0]), "row %zu", i);
	}
	peers_stop(&p);
}
