/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "tests/lib/listener_peers.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/pack.h"
#include "common/secret.h"

enum { PATIENCE_MS = 90000, LOOK_MS = 10 };

/* --- start and stop --- */

static int
listen_socket(uint16_t *port)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert_eq(bind(fd, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 128), 0);
	cr_assert_eq(getsockname(fd, (void *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static void
conf_text(const struct peers *p, const char *hostname, const char *in_listen,
    const char *sections, char *out, size_t out_size)
{
	/* only root must say whose rights to take */
	const char *users = geteuid() == 0 ? "users = 64200\n" : "";

	snprintf(out, out_size,
	    "hostname = \"%s\"\n"
	    "state = \"/nonexistent/state\"\nruntime = \"/nonexistent/run\"\n"
	    "domains = { \"example.com\" }\n%s"
	    "listen outbound { address = \"127.0.0.1:%u\" %s }\n"
	    "relay outbound { via = \"127.0.0.1:9\" }\n"
	    "rule \"all\" { try = { reject } }\n%s",
	    hostname, users, p->port, in_listen, sections);
}

static int
memfd_of_bio(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int fd = memfd_create("pem", MFD_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, data, (size_t)len) == len);
	BIO_free(bio);
	return fd;
}

static void
make_certificate(int *cert_fd, int *key_fd)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *cert = BIO_new(BIO_s_mem()), *priv = BIO_new(BIO_s_mem());
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"gw.example.com", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	cr_assert(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert, x);
	PEM_write_bio_PrivateKey(priv, key, NULL, NULL, 0, NULL, NULL);
	*cert_fd = memfd_of_bio(cert);
	*key_fd = memfd_of_bio(priv);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
boot(struct peers *p, const char *conf, int sock, bool tls)
{
	struct proto_boot b = {.last = true,
	    .conf_name = "test.conf",
	    .conf = span_str(conf),
	    .n_fds = tls ? 3 : 1};
	int fds[3] = {sock, -1, -1};
	struct buf buf;

	b.fd[0].kind = ROLE_FD_LISTEN;
	b.fd[1].kind = ROLE_FD_TLS_CERT;
	b.fd[2].kind = ROLE_FD_TLS_KEY;
	if (tls)
		make_certificate(&fds[1], &fds[2]);
	buf_init(&buf, 100000);
	cr_assert_eq(proto_boot_pack(&b, &buf), ERR_OK);
	cr_assert_eq(ipc_send(p->supervisor, PROTO_BOOT, 0, buf_span(&buf), fds,
			 b.n_fds),
	    ERR_OK);
	buf_clear(&buf);
	for (unsigned i = 0; i < b.n_fds; i++)
		close(fds[i]);
}

static void
run_driver(int channel, int clock)
{
	const char *top = getenv("TOP_BUILDDIR");
	char path[4096], a[16], b[16];

	fcntl(channel, F_SETFD, 0);
	fcntl(clock, F_SETFD, 0);
	snprintf(path, sizeof(path), "%s/tests/lib/listener_driver",
	    top == NULL ? "." : top);
	snprintf(a, sizeof(a), "%d", channel);
	snprintf(b, sizeof(b), "%d", clock);
	execl(path, path, a, b, (char *)NULL);
	perror(path);
	_exit(127);
}

static void
expect_ready(struct peers *p)
{
	struct ipc_msg m;

	cr_assert_eq(ipc_recv(p->supervisor, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_READY, "%s: %.*s", proto_name(m.type),
	    (int)m.payload.len, (const char *)m.payload.data);
	ipc_msg_clear(&m);
}

void
peers_start(
    struct peers *p, const char *in_listen, const char *sections, bool tls)
{
	char conf[4096], with_tls[1024];
	int a, b, sock, clock = memfd_create("clock", MFD_CLOEXEC);

	*p = (struct peers){.pid = -1};
	signal(SIGPIPE, SIG_IGN);
	alarm(PATIENCE_MS / 1000 * 2);
	p->arena = arena_new(64u * 1024 * 1024);
	sock = listen_socket(&p->port);
	cr_assert_eq(ftruncate(clock, 8), 0);
	p->ahead_ms =
	    mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, clock, 0);
	cr_assert_eq(ipc_pair(&a, &b), ERR_OK);
	p->pid = fork();
	if (p->pid == 0)
		run_driver(b, clock);
	close(b);
	close(clock);
	p->supervisor = ipc_new(a);
	snprintf(with_tls, sizeof(with_tls), "%s%s", in_listen,
	    tls ? " tls-cert = \"/nonexistent/c\" tls-key = \"/nonexistent/k\""
		: "");
	conf_text(p, "gw.example.com", with_tls, sections, conf, sizeof(conf));
	boot(p, conf, sock, tls);
	expect_ready(p);
}

void
peers_conf(struct peers *p, const char *in_listen, const char *sections)
{
	char conf[4096];
	bool new = false;

	conf_text(
	    p, "new.example.com", in_listen, sections, conf, sizeof(conf));
	cr_assert_eq(
	    ipc_send(p->supervisor, PROTO_CONF, 0, span_str(conf), NULL, 0),
	    ERR_OK);
	for (int i = 0; i < PATIENCE_MS / LOOK_MS && !new; i++) {
		int fd = peers_connect_from(p, "127.0.0.1");

		new = strncmp(peers_expect(fd, "220 "), "220 new.", 8) == 0;
		close(fd);
		if (!new)
			usleep(LOOK_MS * 1000);
	}
	cr_assert(new, "the new configuration is not taken");
}

void
peers_stop_begin(struct peers *p)
{
	enum err e =
	    ipc_send(p->supervisor, PROTO_STOP, 0, SPAN(NULL, 0), NULL, 0);

	/* told already, it may have ended */
	cr_assert(e == ERR_OK || e == ERR_CLOSED);
}

void
peers_stop(struct peers *p)
{
	int status = -1;

	peers_stop_begin(p);
	cr_assert_eq(waitpid(p->pid, &status, 0), p->pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the listener ended with %x", status);
	peers_kill(&p->supervisor);
	peers_kill(&p->store);
	peers_kill(&p->discovery);
	peers_kill(&p->keys);
	for (unsigned i = 0; i < PEERS_WORKERS; i++)
		peers_kill(&p->worker[i]);
	munmap(p->ahead_ms, 8);
	arena_free(p->arena);
}

/* --- peers --- */

void
peers_kill(struct ipc **ch)
{
	ipc_free(*ch);
	*ch = NULL;
}

static void
add_peer(struct peers *p, enum role_id id, unsigned index, struct ipc **ch)
{
	struct packer pk;
	struct buf buf;
	int a, b;

	peers_kill(ch);
	cr_assert_eq(ipc_pair(&a, &b), ERR_OK);
	*ch = ipc_new(a);
	buf_init(&buf, 100);
	pack_begin(&pk, &buf);
	pack_u8(&pk, (uint8_t)id);
	pack_u32(&pk, index);
	cr_assert_eq(pack_end(&pk), ERR_OK);
	cr_assert_eq(
	    ipc_send(p->supervisor, PROTO_PEER, 0, buf_span(&buf), &b, 1),
	    ERR_OK);
	buf_clear(&buf);
	close(b);
}

void
peers_worker(struct peers *p, unsigned i)
{
	add_peer(p, ROLE_WORKER, i, &p->worker[i]);
}

void
peers_store(struct peers *p)
{
	add_peer(p, ROLE_STORE, 0, &p->store);
	/* answered when the channel is in use */
	peers_intake(p->store, ERR_OK);
}

void
peers_discovery(struct peers *p)
{
	add_peer(p, ROLE_DISCOVERY, 0, &p->discovery);
}

void
peers_keys(struct peers *p)
{
	add_peer(p, ROLE_KEYS, 0, &p->keys);
}

static void
take(struct ipc *ch, uint16_t type, struct ipc_msg *m)
{
	struct pollfd pfd = {.fd = ipc_fd(ch), .events = POLLIN};

	cr_assert_eq(
	    poll(&pfd, 1, PATIENCE_MS), 1, "no %s came", proto_name(type));
	cr_assert_eq(
	    ipc_recv(ch, m), ERR_OK, "instead of %s", proto_name(type));
	cr_assert_eq(m->type, type, "%s instead of %s", proto_name(m->type),
	    proto_name(type));
}

static void
post(struct ipc *ch, uint16_t type, uint64_t id, struct buf *buf)
{
	cr_assert_eq(ipc_send(ch, type, id, buf_span(buf), NULL, 0), ERR_OK);
	buf_clear(buf);
}

bool
peers_is_quiet(struct ipc *ch)
{
	struct pollfd pfd = {.fd = ipc_fd(ch), .events = POLLIN};

	return poll(&pfd, 1, 150) == 0;
}

void
peers_check(struct ipc *worker, int code, const char *text)
{
	struct proto_reply r = {.code = (uint16_t)code,
	    .status = code == 250 ? "2.1.5" : "5.7.1",
	    .text = text};
	struct ipc_msg m;
	struct buf buf;

	take(worker, PROTO_RCPT_CHECK, &m);
	buf_init(&buf, 10000);
	cr_assert_eq(proto_reply_pack(&r, &buf), ERR_OK);
	post(worker, PROTO_RCPT_VERDICT, m.id, &buf);
	ipc_msg_clear(&m);
}

void
peers_take(struct peers *p, struct ipc *worker, struct peers_message *out)
{
	struct ipc_msg m;

	take(worker, PROTO_MESSAGE, &m);
	out->id = m.id;
	cr_assert_eq(
	    proto_message_unpack(m.payload, p->arena, &out->m), ERR_OK);
	cr_assert_eq(m.n_fds, 1);
	cr_assert_eq(memfd_map(m.fds[0], 200u << 20, &out->body), ERR_OK);
	ipc_msg_clear(&m);
}

void
peers_done(struct ipc *worker, const struct peers_message *m, bool submitted,
    int code, const char *status, const char *text)
{
	struct proto_done d = {.attempt = m->m.attempt,
	    .submitted = submitted,
	    .reply = {(uint16_t)code, status, text}};
	struct buf buf;

	buf_init(&buf, 10000);
	cr_assert_eq(proto_done_pack(&d, &buf), ERR_OK);
	post(worker, PROTO_DONE, m->id, &buf);
}

void
peers_commit(struct ipc *store, const struct peers_message *m, enum err result)
{
	peers_commit_waits(store, m, result, false, 0, "", "");
}

void
peers_commit_waits(struct ipc *store, const struct peers_message *m,
    enum err result, bool waits, int code, const char *status, const char *text)
{
	const struct proto_committed c = {.attempt = m->m.attempt,
	    .result = result,
	    .waits = waits,
	    .reply = {(uint16_t)code, status, text}};
	struct buf buf;

	buf_init(&buf, 2000);
	cr_assert_eq(proto_committed_pack(&c, &buf), ERR_OK);
	post(store, PROTO_COMMITTED, m->id, &buf);
}

bool
peers_wait_end(struct ipc *store, const struct peers_message *m)
{
	struct unpacker u;
	struct ipc_msg got;
	bool keep;

	take(store, PROTO_WAIT_END, &got);
	cr_assert_eq(got.id, m->id);
	unpack_begin(&u, got.payload);
	keep = unpack_bool(&u);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	ipc_msg_clear(&got);
	return keep;
}

static void
take_fence(struct ipc *store, const struct peers_message *m)
{
	struct unpacker u;
	struct ipc_msg got;

	take(store, PROTO_FENCE, &got);
	cr_assert_eq(got.id, m->id);
	unpack_begin(&u, got.payload);
	cr_assert_eq(unpack_u32(&u), m->m.attempt);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	ipc_msg_clear(&got);
}

void
peers_fence(struct ipc *store, const struct peers_message *m, enum err result)
{
	take_fence(store, m);
	peers_commit(store, m, result);
}

void
peers_fence_waits(struct ipc *store, const struct peers_message *m, int code,
    const char *status, const char *text)
{
	take_fence(store, m);
	peers_commit_waits(store, m, ERR_OK, false, code, status, text);
}

void
peers_intake(struct ipc *store, enum err why)
{
	struct packer p;
	struct buf buf;

	buf_init(&buf, 100);
	pack_begin(&p, &buf);
	pack_u32(&p, (uint32_t)why);
	cr_assert_eq(pack_end(&p), ERR_OK);
	post(store, PROTO_INTAKE, 0, &buf);
}

uint64_t
peers_registered(struct ipc *keys, const char *addr)
{
	struct arena *a = arena_new(10000);
	struct proto_register reg;
	struct ipc_msg m;
	uint64_t id;

	take(keys, PROTO_REGISTER, &m);
	cr_assert_eq(proto_register_unpack(m.payload, a, &reg), ERR_OK);
	cr_assert_eq(reg.n_addr, addr == NULL ? 0 : 1);
	if (addr != NULL)
		cr_assert_str_eq(reg.addr[0], addr);
	id = m.id;
	ipc_msg_clear(&m);
	arena_free(a);
	return id;
}

uint64_t
peers_unregistered(struct ipc *keys)
{
	struct ipc_msg m;
	uint64_t id;

	take(keys, PROTO_UNREGISTER, &m);
	cr_assert_eq(m.payload.len, 0);
	id = m.id;
	ipc_msg_clear(&m);
	return id;
}

void
peers_lookup(struct ipc *discovery, const char *key, uint64_t *id)
{
	struct arena *a = arena_new(10000);
	struct unpacker u;
	struct ipc_msg m;

	take(discovery, PROTO_LOOKUP, &m);
	unpack_begin(&u, m.payload);
	cr_assert(unpack_u32(&u) > 0, "no budget");
	cr_assert_str_eq(unpack_str(&u, a), key);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	*id = m.id;
	ipc_msg_clear(&m);
	arena_free(a);
}

void
peers_answer(struct ipc *discovery, uint64_t id, const char *key, bool complete)
{
	struct proto_answer one = {.source = 1, .status = PROTO_ANSWER_FOUND};
	struct proto_answers a = {
	    .key = key, .complete = complete, .answer = &one, .n = 1};
	struct packer p;
	struct buf buf;

	buf_init(&buf, 10000);
	pack_begin(&p, &buf);
	proto_answers_pack(&p, &a);
	cr_assert_eq(pack_end(&p), ERR_OK);
	post(discovery, PROTO_ANSWERS, id, &buf);
}

/* --- clients --- */

int
peers_connect_from(const struct peers *p, const char *addr)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(p->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct timeval tv = {.tv_sec = PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, addr, &from.sin_addr);
	cr_assert_eq(bind(fd, (void *)&from, sizeof(from)), 0);
	cr_assert_eq(connect(fd, (void *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

int
peers_connect(const struct peers *p)
{
	int fd = peers_connect_from(p, "127.0.0.1");

	peers_expect(fd, "220 gw.example.com");
	return fd;
}

void
peers_say_octets(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		cr_assert(n > 0, "the listener does not take octets");
		at += n;
		len -= (size_t)n;
	}
}

void
peers_say(int fd, const char *text)
{
	peers_say_octets(fd, text, strlen(text));
}

/* One line with its CRLF, octet by octet: what follows stays in the socket. */
static void
read_line(int fd, char *out, size_t out_size)
{
	size_t n = 0;

	do {
		cr_assert(n + 1 < out_size, "endless line");
		cr_assert_eq(recv(fd, out + n, 1, 0), 1,
		    "the connection ended after \"%.*s\"", (int)n, out);
	} while (out[n++] != '\n');
	out[n] = '\0';
	cr_assert(n >= 2 && out[n - 2] == '\r');
}

const char *
peers_expect(int fd, const char *prefix)
{
	static char line[2000];

	do
		read_line(fd, line, sizeof(line));
	while (line[3] == '-');
	cr_assert(strncmp(line, prefix, strlen(prefix)) == 0,
	    "\"%s\" instead of \"%s\"", line, prefix);
	return line;
}

void
peers_expect_end(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	cr_assert(n <= 0, "an octet: %c", c);
	close(fd);
}

void
peers_envelope(struct peers *p, int fd)
{
	peers_say(fd, "EHLO client.example.com\r\n");
	peers_expect(fd, "250 ");
	peers_say(fd, "MAIL FROM:<a@example.com>\r\n"
		      "RCPT TO:<b@example.org>\r\n");
	peers_check(p->worker[0], 250, "ok");
	peers_expect(fd, "250 2.1.0");
	peers_expect(fd, "250 2.1.5");
}
