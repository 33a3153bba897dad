/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The pgp process, started as the supervisor starts it: behind its walls, with
 * the test as supervisor and worker.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/memfd.h"
#include "common/pack.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_pack.h"
#include "crypto/openpgp_packet.h"
#include "gateway/pgp/pgp_private.h"
#include "gateway/proto.h"
#include "gateway/proto_open.h"
#include "gateway/role.h"
#include "tests/crypto/peer.h"

#define USERS 61000

struct process {
	char dir[64];
	char conf[1024];
	pid_t pid;
	struct ipc *supervisor; /* our ends */
	struct ipc *worker;
	struct ipc *keys;
};

static void
make_dirs(struct process *p, char *conf, size_t size)
{
	char path[128];
	bool root = geteuid() == 0;

	peer_dir_make(p->dir);
	cr_assert_eq(chmod(p->dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/run", p->dir);
	cr_assert_eq(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/run/pgp", p->dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	if (root)
		cr_assert_eq(
		    chown(path, USERS + ROLE_PGP, USERS + ROLE_PGP), 0);
	snprintf(conf, size,
	    "hostname = \"gw.example\" domains = \"example.com\"\n"
	    "state = \"%s/state\" runtime = \"%s/run\"\n"
	    "%s"
	    "listen outbound { address = \"127.0.0.1:1\" }\n"
	    "relay outbound { via = \"mx\" }\n"
	    "rule r { try = clear }\n",
	    p->dir, p->dir, root ? "users = 61000\n" : "");
}

static void
send_boot(struct process *p, const char *conf)
{
	struct proto_boot boot = {.last = true, .conf_name = "test"};
	struct buf b;

	boot.conf = span_str(conf);
	buf_init(&b, 10000);
	cr_assert_eq(proto_boot_pack(&boot, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(p->supervisor, PROTO_BOOT, 0, buf_span(&b), NULL, 0),
	    ERR_OK);
	buf_clear(&b);
}

/* gpg NULL: the real thing, behind its walls. */
static void
launch(struct process *p, const char *gpg, unsigned timeout_ms)
{
	int sup[2], work[2], keys[2];
	struct ipc_msg m;
	static const uint8_t peers[2][5] = {{ROLE_WORKER}, {ROLE_KEYS}};

	cr_assert_eq(ipc_pair(&sup[0], &sup[1]), ERR_OK);
	cr_assert_eq(ipc_pair(&work[0], &work[1]), ERR_OK);
	cr_assert_eq(ipc_pair(&keys[0], &keys[1]), ERR_OK);
	p->pid = fork();
	cr_assert_geq(p->pid, 0);
	if (p->pid == 0) {
		struct role *r;

		close(sup[0]);
		close(work[0]);
		close(work[1]); /* comes again with PROTO_PEER */
		close(keys[0]);
		close(keys[1]);
		r = role_boot(ROLE_PGP, 0, sup[1]);
		if (gpg == NULL)
			_exit(pgp_main(r));
		setpgid(0, 0);
		_exit(pgp_serve(r, gpg, timeout_ms));
	}
	close(sup[1]);
	p->supervisor = ipc_new(sup[0]);
	p->worker = ipc_new(work[0]);
	p->keys = ipc_new(keys[0]);
	send_boot(p, p->conf);
	cr_assert_eq(ipc_recv(p->supervisor, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_READY, "%.*s", (int)m.payload.len,
	    (const char *)m.payload.data);
	ipc_msg_clear(&m);
	cr_assert_eq(ipc_send(p->supervisor, PROTO_PEER, 0, SPAN(peers[0], 5),
			 &work[1], 1),
	    ERR_OK);
	cr_assert_eq(ipc_send(p->supervisor, PROTO_PEER, 0, SPAN(peers[1], 5),
			 &keys[1], 1),
	    ERR_OK);
	close(work[1]);
	close(keys[1]);
}

static void
start(struct process *p, const char *gpg, unsigned timeout_ms)
{
	make_dirs(p, p->conf, sizeof(p->conf));
	launch(p, gpg, timeout_ms);
}

static int
stop(struct process *p)
{
	int status = 0;

	cr_assert_eq(
	    ipc_send(p->supervisor, PROTO_STOP, 0, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	cr_assert_eq(waitpid(p->pid, &status, 0), p->pid);
	ipc_free(p->supervisor);
	ipc_free(p->worker);
	ipc_free(p->keys);
	peer_dir_remove(p->dir);
	return status;
}

static void
ask_seal(struct process *p, uint64_t id, const char *const *names, uint32_t n,
    struct span in)
{
	struct packer pack;
	struct buf b;
	int fd = -1;

	buf_init(&b, 100000);
	pack_begin(&pack, &b);
	pack_u32(&pack, n);
	for (uint32_t i = 0; i < n; i++) {
		struct buf key = peer_read(peer_data(names[i]));

		pack_span(&pack, buf_span(&key));
		buf_clear(&key);
	}
	cr_assert_eq(pack_end(&pack), ERR_OK);
	cr_assert_eq(memfd_from(in, &fd), ERR_OK);
	cr_assert_eq(
	    ipc_send(p->worker, PROTO_PGP_SEAL, id, buf_span(&b), &fd, 1),
	    ERR_OK);
	close(fd);
	buf_clear(&b);
}

/* The answer to a request to seal: its error, and the message in out. */
static enum err
take_sealed(
    struct process *p, uint64_t id, struct buf *out, struct err_why *why)
{
	struct arena *arena = arena_new(10000);
	struct memfd_map map;
	struct ipc_msg m;
	enum err result;
	const char *text;
	int fd;

	cr_assert_eq(ipc_recv(p->worker, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PGP_SEALED);
	cr_assert_eq(m.id, id);
	cr_assert_eq(
	    proto_failure_unpack(m.payload, arena, &result, &text), ERR_OK);
	err_why(why, result, "%s", text);
	fd = ipc_msg_take_fd(&m, 0);
	cr_assert_eq(fd >= 0, result == ERR_OK, "%s", text);
	if (fd >= 0) {
		cr_assert_eq(memfd_map(fd, 10000000, &map), ERR_OK);
		cr_assert_eq(buf_put(out, map.data), ERR_OK);
		memfd_unmap(&map);
		close(fd);
	}
	ipc_msg_clear(&m);
	arena_free(arena);
	return result;
}

static bool
bob_opens(struct process *p, struct span sealed, struct span wanted)
{
	char home[80];
	struct buf b;
	bool same;

	snprintf(home, sizeof(home), "%s/p", p->dir);
	mkdir(home, 0700);
	peer_write(peer_path(p->dir, "sealed"), sealed);
	peer_run(NULL, NULL, "gpg", "--homedir", home, "--batch", "--import",
	    peer_data("bob.sec.asc"), NULL);
	peer_run(NULL, peer_path(p->dir, "opened"), "gpg", "--homedir", home,
	    "--batch", "--decrypt", peer_path(p->dir, "sealed"), NULL);
	peer_run(
	    NULL, NULL, "gpgconf", "--homedir", home, "--kill", "all", NULL);
	b = peer_read(peer_path(p->dir, "opened"));
	same = span_eq(buf_span(&b), wanted);
	buf_clear(&b);
	return same;
}

Test(pgp, seals_behind_its_walls)
{
	static const char *const names[] = {"bob.pgp", "rita.pgp"};
	struct process p;
	struct err_why why = {""};
	struct buf in = peer_octets(200000), out;
	int status;

	start(&p, NULL, 0);
	for (uint64_t id = 7; id < 10; id++) {
		buf_init(&out, 1000000);
		ask_seal(&p, id, names, 2, buf_span(&in));
		cr_assert_eq(
		    take_sealed(&p, id, &out, &why), ERR_OK, "%s", why.text);
		cr_expect(bob_opens(&p, buf_span(&out), buf_span(&in)));
		buf_clear(&out);
	}
	buf_clear(&in);
	status = stop(&p);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(pgp, refuses_with_the_reason_and_goes_on)
{
	static const char *const bad[] = {"bob.pgp", "revoked.pgp"};
	static const char *const good[] = {"bob.pgp"};
	struct process p;
	struct err_why why = {""};
	struct buf out;

	buf_init(&out, 100000);
	start(&p, NULL, 0);
	ask_seal(&p, 1, bad, 2, SPAN_LIT("secret"));
	cr_expect_eq(take_sealed(&p, 1, &out, &why), ERR_KEY_REVOKED);
	cr_expect_not_null(strstr(why.text, "revoked"), "%s", why.text);
	ask_seal(&p, 2, NULL, 0, SPAN_LIT("secret"));
	cr_expect_eq(take_sealed(&p, 2, &out, &why), ERR_NO_KEY);
	/* no descriptor, a cut payload, a memfd that can still be changed */
	cr_assert_eq(ipc_send(p.worker, PROTO_PGP_SEAL, 3, SPAN_LIT("\0\0\0\0"),
			 NULL, 0),
	    ERR_OK);
	cr_expect_eq(take_sealed(&p, 3, &out, &why), ERR_IPC);
	ask_seal(&p, 4, good, 1, SPAN_LIT("secret"));
	cr_expect_eq(take_sealed(&p, 4, &out, &why), ERR_OK, "%s", why.text);
	buf_clear(&out);
	stop(&p);
}

Test(pgp, malformed_requests_are_answered_or_end_the_channel)
{
	struct process p;
	struct err_why why = {""};
	struct buf out;
	struct ipc_msg m;
	int fd = -1;

	buf_init(&out, 100000);
	start(&p, NULL, 0);
	cr_assert_eq(memfd_new(&fd), ERR_OK); /* not sealed */
	cr_assert_eq(memfd_write(fd, SPAN_LIT("secret")), ERR_OK);
	cr_assert_eq(
	    ipc_send(p.worker, PROTO_PGP_SEAL, 1, SPAN_LIT("\0\0\0\0"), &fd, 1),
	    ERR_OK);
	cr_expect_eq(take_sealed(&p, 1, &out, &why), ERR_IPC);
	close(fd);
	cr_assert_eq(memfd_from(SPAN_LIT("secret"), &fd), ERR_OK);
	cr_assert_eq(ipc_send(p.worker, PROTO_PGP_SEAL, 2,
			 SPAN_LIT("\0\0\0\1\0\0\0\5x"), &fd, 1),
	    ERR_OK);
	cr_expect_eq(take_sealed(&p, 2, &out, &why), ERR_IPC);
	close(fd);
	cr_expect_eq(out.len, 0);
	cr_assert_eq(
	    ipc_send(p.worker, PROTO_DELIVER, 3, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	cr_expect_eq(ipc_recv(p.worker, &m), ERR_CLOSED);
	buf_clear(&out);
	stop(&p);
}

/* --- signing: the test is keys, too --- */

#define SIGNED_TEXT "Content-Type: text/plain\r\n\r\nHello\r\n"

static struct span
fpr_of(const char *name, uint8_t fpr[32])
{
	struct crypto_pgp_piece piece;
	struct buf b = peer_read(peer_data(name));
	size_t n;

	cr_assert_eq(
	    crypto_pgp_split(buf_span(&b), &piece, 1, &n, NULL), ERR_OK);
	cr_assert_eq(crypto_pgp_fpr(piece.key, fpr, &n), ERR_OK);
	buf_clear(&b);
	return SPAN(fpr, n);
}

/* certs NULL: a signature alone. */
static void
ask_sign(struct process *p, uint64_t id, struct span fpr, const char *cert,
    struct span in)
{
	struct buf b, key = {0};
	struct span span;
	struct proto_pgp_sign m = {.fpr = fpr, .cert = &span};
	int fd = -1;

	if (cert != NULL) {
		key = peer_read(peer_data(cert));
		span = buf_span(&key);
		m.n_certs = 1;
	}
	buf_init(&b, 100000);
	cr_assert_eq(proto_pgp_sign_pack(&m, &b), ERR_OK);
	cr_assert_eq(memfd_from(in, &fd), ERR_OK);
	cr_assert_eq(ipc_send(p->worker,
			 cert == NULL ? PROTO_PGP_SIGN : PROTO_PGP_SEAL_SIGN,
			 id, buf_span(&b), &fd, 1),
	    ERR_OK);
	close(fd);
	buf_clear(&b);
	buf_clear(&key);
}

/* Answer the question that must come now: this secret key, or an error. */
static void
give_secret_for(struct process *p, uint16_t type, uint64_t id, struct span fpr,
    const char *name, enum err e)
{
	struct unpacker u;
	struct ipc_msg m;
	struct buf b;
	int fd = -1;

	cr_assert_eq(ipc_recv(p->keys, &m), ERR_OK);
	cr_assert_eq(m.type, type);
	cr_assert_eq(m.id, id);
	unpack_begin(&u, m.payload);
	cr_assert(span_eq(unpack_span(&u), fpr));
	cr_assert_eq(unpack_end(&u), ERR_OK);
	ipc_msg_clear(&m);
	if (e == ERR_OK) {
		b = peer_read(peer_data(name));
		cr_assert_eq(memfd_from(buf_span(&b), &fd), ERR_OK);
		buf_clear(&b);
	}
	buf_init(&b, 1000);
	cr_assert_eq(
	    proto_failure_pack(e, e == ERR_OK ? "" : "no", &b), ERR_OK);
	cr_assert_eq(ipc_send(p->keys, PROTO_PGP_SECRET, id, buf_span(&b), &fd,
			 fd >= 0 ? 1 : 0),
	    ERR_OK);
	if (fd >= 0)
		close(fd);
	buf_clear(&b);
}

static void
give_secret(struct process *p, uint64_t id, struct span fpr, const char *name,
    enum err e)
{
	give_secret_for(p, PROTO_PGP_SECRET_GET, id, fpr, name, e);
}

/* The answer to a request to sign; a signature is written to DIR/sig. */
static enum err
take_signed(struct process *p, uint64_t id, struct err_why *why)
{
	struct arena *arena = arena_new(10000);
	struct proto_pgp_signed answer;
	struct memfd_map map;
	struct ipc_msg m;
	int fd;

	cr_assert_eq(ipc_recv(p->worker, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PGP_SIGNED);
	cr_assert_eq(m.id, id);
	cr_assert_eq(
	    proto_pgp_signed_unpack(m.payload, arena, &answer), ERR_OK);
	err_why(why, answer.err, "%s", answer.why);
	fd = ipc_msg_take_fd(&m, 0);
	cr_assert_eq(fd >= 0, answer.err == ERR_OK, "%s", answer.why);
	if (fd >= 0) {
		cr_expect_str_eq(answer.micalg, "pgp-sha256");
		cr_assert_eq(memfd_map(fd, 100000, &map), ERR_OK);
		peer_write(peer_path(p->dir, "sig"), map.data);
		memfd_unmap(&map);
		close(fd);
	}
	ipc_msg_clear(&m);
	arena_free(arena);
	return answer.err;
}

static bool
verifies(struct process *p, const char *pub)
{
	char home[80];
	bool good;

	snprintf(home, sizeof(home), "%s/v", p->dir);
	mkdir(home, 0700);
	peer_write(peer_path(p->dir, "text"), SPAN_LIT(SIGNED_TEXT));
	peer_run(NULL, NULL, "gpg", "--homedir", home, "--batch", "--import",
	    peer_data(pub), NULL);
	good =
	    peer_run(NULL, NULL, "gpg", "--homedir", home, "--batch",
		"--trust-model", "always", "--verify", peer_path(p->dir, "sig"),
		peer_path(p->dir, "text"), NULL) == 0;
	peer_run(
	    NULL, NULL, "gpgconf", "--homedir", home, "--kill", "all", NULL);
	return good;
}

Test(pgp, signs_behind_its_walls_with_what_keys_gives)
{
	struct process p;
	uint8_t room[32];
	struct span fpr = fpr_of("sign/sam.pgp", room);
	struct err_why why = {""};
	struct buf out;
	int status;

	start(&p, NULL, 0);
	for (uint64_t id = 70; id < 73; id++) {
		ask_sign(&p, id, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
		give_secret(&p, id, fpr, "sign/sam.sec.pgp", ERR_OK);
		cr_assert_eq(take_signed(&p, id, &why), ERR_OK, "%s", why.text);
		cr_expect(verifies(&p, "sign/sam.pgp"));
	}
	buf_init(&out, 100000);
	ask_sign(&p, 80, fpr, "bob.pgp", SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 80, fpr, "sign/sam.sec.pgp", ERR_OK);
	cr_assert_eq(take_sealed(&p, 80, &out, &why), ERR_OK, "%s", why.text);
	cr_expect(bob_opens(&p, buf_span(&out), SPAN_LIT(SIGNED_TEXT)));
	buf_clear(&out);
	status = stop(&p);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(pgp, what_keys_refuses_is_not_signed_though_the_key_is_here)
{
	struct process p;
	uint8_t room[32];
	struct span fpr = fpr_of("sign/sam.pgp", room);
	struct err_why why = {""};
	struct buf out;

	start(&p, NULL, 0);
	ask_sign(&p, 1, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 1, fpr, "sign/sam.sec.pgp", ERR_OK);
	cr_assert_eq(take_signed(&p, 1, &why), ERR_OK, "%s", why.text);
	ask_sign(&p, 2, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 2, fpr, NULL, ERR_PERMISSION);
	cr_expect_eq(take_signed(&p, 2, &why), ERR_PERMISSION);
	cr_expect_str_eq(why.text, "no");
	buf_init(&out, 100000);
	ask_sign(&p, 3, fpr, "bob.pgp", SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 3, fpr, NULL, ERR_PERMISSION);
	cr_expect_eq(take_sealed(&p, 3, &out, &why), ERR_PERMISSION);
	/* another key than the one asked for */
	ask_sign(&p, 4, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 4, fpr, "sign/rosa.sec.pgp", ERR_OK);
	cr_expect_eq(take_signed(&p, 4, &why), ERR_NO_KEY, "%s", why.text);
	/* an answer to another question is none, and ends the channel;
	   with another process there will be another */
	ask_sign(&p, 5, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	{
		struct ipc_msg m;

		cr_assert_eq(ipc_recv(p.keys, &m), ERR_OK);
		ipc_msg_clear(&m);
		cr_assert_eq(ipc_send(p.keys, PROTO_PGP_SECRET, 4,
				 SPAN_LIT("\0\0\0\0\0\0\0\0"), NULL, 0),
		    ERR_OK);
		cr_expect_eq(take_signed(&p, 5, &why), ERR_IPC);
		cr_expect_eq(ipc_recv(p.keys, &m), ERR_CLOSED);
	}
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
	cr_assert_eq(waitpid(p.pid, NULL, 0), p.pid);
	ipc_free(p.supervisor);
	ipc_free(p.worker);
	ipc_free(p.keys);
	peer_dir_remove(p.dir);
}

/* --- opening --- */

static void
ask_open(struct process *p, uint64_t id, const struct span *fpr, uint32_t n,
    struct span in)
{
	struct buf cert = peer_read(peer_data("sign/sam.pgp")), b;
	struct span certs[1] = {buf_span(&cert)};
	const struct proto_pgp_open m = {.fpr = (struct span *)(uintptr_t)fpr,
	    .n_fprs = n,
	    .cert = certs,
	    .n_certs = 1,
	    .max = 100 * 1024 * 1024};
	int fd = -1;

	buf_init(&b, 100000);
	cr_assert_eq(proto_pgp_open_pack(&m, &b), ERR_OK);
	cr_assert_eq(memfd_from(in, &fd), ERR_OK);
	cr_assert_eq(
	    ipc_send(p->worker, PROTO_PGP_OPEN, id, buf_span(&b), &fd, 1),
	    ERR_OK);
	close(fd);
	buf_clear(&b);
	buf_clear(&cert);
}

/* The answer: its error, the text in out. */
static enum err
take_opened(struct process *p, uint64_t id, struct crypto_pgp_opened *result,
    struct buf *out)
{
	struct arena *arena = arena_new(10000);
	struct proto_pgp_opened answer;
	struct memfd_map map;
	struct ipc_msg m;
	int fd;

	cr_assert_eq(ipc_recv(p->worker, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PGP_OPENED);
	cr_assert_eq(m.id, id);
	cr_assert_eq(
	    proto_pgp_opened_unpack(m.payload, arena, &answer), ERR_OK);
	fd = ipc_msg_take_fd(&m, 0);
	cr_assert_eq(fd >= 0, answer.err == ERR_OK, "%s", answer.why);
	*result = answer.result;
	buf_reset(out);
	if (fd >= 0) {
		cr_assert_eq(memfd_map(fd, 100000000, &map), ERR_OK);
		cr_assert_eq(buf_put(out, map.data), ERR_OK);
		memfd_unmap(&map);
		close(fd);
	}
	ipc_msg_clear(&m);
	arena_free(arena);
	return answer.err;
}

Test(pgp, opens_behind_its_walls_with_the_keys_that_may_be_had)
{
	static const char *const names[] = {"sign/sam.pgp"};
	uint8_t sam[32], rosa[32];
	struct span fpr[2] = {
	    fpr_of("sign/rosa.pgp", rosa), fpr_of("sign/sam.pgp", sam)};
	struct crypto_pgp_opened result;
	struct err_why why;
	struct buf sealed, out;
	struct process p;

	start(&p, NULL, 0);
	buf_init(&sealed, 100000);
	buf_init(&out, 100000);
	ask_seal(&p, 1, names, 1, SPAN_LIT("the text"));
	cr_assert_eq(take_sealed(&p, 1, &sealed, &why), ERR_OK);
	for (uint64_t id = 2; id < 4; id++) {
		ask_open(&p, id, fpr, 2, buf_span(&sealed));
		give_secret_for(&p, PROTO_PGP_OPEN_SECRET_GET, id, fpr[0], NULL,
		    ERR_PERMISSION);
		give_secret_for(&p, PROTO_PGP_OPEN_SECRET_GET, id, fpr[1],
		    "sign/sam.sec.pgp", ERR_OK);
		cr_assert_eq(take_opened(&p, id, &result, &out), ERR_OK);
		cr_expect(span_eq_str(buf_span(&out), "the text"));
		cr_expect_eq(result.secret, 1);
	}
	/* the key is in the home, and may not be had for this one */
	ask_open(&p, 4, fpr, 2, buf_span(&sealed));
	for (size_t i = 0; i < 2; i++)
		give_secret_for(&p, PROTO_PGP_OPEN_SECRET_GET, 4, fpr[i], NULL,
		    ERR_PERMISSION);
	cr_expect_eq(take_opened(&p, 4, &result, &out), ERR_PERMISSION);
	ask_open(&p, 5, fpr, 1, buf_span(&sealed));
	give_secret_for(&p, PROTO_PGP_OPEN_SECRET_GET, 5, fpr[0],
	    "sign/rosa.sec.pgp", ERR_OK);
	cr_expect_eq(take_opened(&p, 5, &result, &out), ERR_NO_KEY);
	ask_open(&p, 6, fpr, 0, buf_span(&sealed));
	cr_expect_eq(take_opened(&p, 6, &result, &out), ERR_NO_KEY);
	buf_clear(&sealed);
	buf_clear(&out);
	stop(&p);
}

Test(pgp, verifies_behind_its_walls)
{
	struct buf cert = peer_read(peer_data("sign/sam.pgp")), sig, b;
	struct span certs[1] = {buf_span(&cert)};
	struct proto_pgp_verify ask = {.cert = certs, .n_certs = 1};
	struct arena *arena = arena_new(10000);
	struct proto_pgp_verified answer;
	struct err_why why;
	struct process p;
	uint8_t fpr[32];
	struct span sam = fpr_of("sign/sam.pgp", fpr);

	start(&p, NULL, 0);
	ask_sign(&p, 1, sam, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 1, sam, "sign/sam.sec.pgp", ERR_OK);
	cr_assert_eq(take_signed(&p, 1, &why), ERR_OK, "%s", why.text);
	sig = peer_read(peer_path(p.dir, "sig"));
	ask.signatures = buf_span(&sig);
	buf_init(&b, 100000);
	for (int good = 1; good >= 0; good--) {
		struct ipc_msg m;
		int fd = -1;

		buf_reset(&b);
		cr_assert_eq(proto_pgp_verify_pack(&ask, &b), ERR_OK);
		cr_assert_eq(memfd_from(good ? SPAN_LIT(SIGNED_TEXT)
					     : SPAN_LIT("another"),
				 &fd),
		    ERR_OK);
		cr_assert_eq(ipc_send(p.worker, PROTO_PGP_VERIFY, 2,
				 buf_span(&b), &fd, 1),
		    ERR_OK);
		close(fd);
		cr_assert_eq(ipc_recv(p.worker, &m), ERR_OK);
		cr_assert_eq(m.type, PROTO_PGP_VERIFIED);
		cr_assert_eq(
		    proto_pgp_verified_unpack(m.payload, arena, &answer),
		    ERR_OK);
		cr_assert_eq(answer.err, ERR_OK, "%s", answer.why);
		cr_assert_eq(answer.sigs.n, 1);
		cr_expect_eq(answer.sigs.sig[0].status,
		    good ? CRYPTO_SIGNED_GOOD : CRYPTO_SIGNED_BAD);
		ipc_msg_clear(&m);
	}
	buf_clear(&b);
	buf_clear(&sig);
	buf_clear(&cert);
	arena_free(arena);
	stop(&p);
}

/* --- a large message --- */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { MIB = 1024 * 1024, LARGE = 64 * MIB, HEAP_MAX = 16 * MIB };

/* The most memory that the process has ever had, in octets. */
static size_t
peak_of(pid_t pid)
{
	char path[64], *at;
	struct buf b;
	size_t kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	b = peer_read(path);
	at = strstr(buf_cstr(&b), "VmHWM:");
	cr_assert_not_null(at);
	kib = strtoul(at + 6, NULL, 10);
	buf_clear(&b);
	return kib * 1024;
}

/* The answer's file has at least so many octets. */
static void
take_large(struct process *p, uint16_t type, off_t at_least)
{
	struct ipc_msg m;
	struct stat st;
	int fd;

	cr_assert_eq(ipc_recv(p->worker, &m), ERR_OK);
	cr_assert_eq(m.type, type);
	fd = ipc_msg_take_fd(&m, 0);
	cr_assert_geq(fd, 0, "type %u: no answer", type);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_gt(st.st_size, at_least, "%lld", (long long)st.st_size);
	close(fd);
	ipc_msg_clear(&m);
}

Test(pgp, a_large_message_is_not_on_the_heap)
{
	static const char *const names[] = {"bob.pgp"};
	struct process p;
	uint8_t room[32];
	struct span fpr = fpr_of("sign/sam.pgp", room);
	struct buf in = peer_octets(LARGE);
	size_t before, peak;

	start(&p, NULL, 0);
	/* what it takes for a small one: programs, libraries */
	ask_sign(&p, 1, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 1, fpr, "sign/sam.sec.pgp", ERR_OK);
	take_large(&p, PROTO_PGP_SIGNED, 100);
	before = peak_of(p.pid);
	ask_seal(&p, 2, names, 1, buf_span(&in));
	take_large(&p, PROTO_PGP_SEALED, LARGE / 3 * 4);
	ask_sign(&p, 3, fpr, NULL, buf_span(&in));
	give_secret(&p, 3, fpr, "sign/sam.sec.pgp", ERR_OK);
	take_large(&p, PROTO_PGP_SIGNED, 100);
	ask_sign(&p, 4, fpr, "bob.pgp", buf_span(&in));
	give_secret(&p, 4, fpr, "sign/sam.sec.pgp", ERR_OK);
	take_large(&p, PROTO_PGP_SEALED, LARGE / 3 * 4);
	peak = peak_of(p.pid);
	/* the message is mapped, and counts for what it is */
	if (!SANITIZED)
		cr_expect_lt(peak, before + LARGE + HEAP_MAX,
		    "%zu KiB more than for a small one",
		    (peak - before) / 1024);
	buf_clear(&in);
	stop(&p);
}

/* Does a file of this kind lie below DIR/run? */
static bool
has_private_keys(const struct process *p)
{
	char found[128];
	struct buf b;
	bool any;

	snprintf(found, sizeof(found), "%s/found", p->dir);
	peer_run(NULL, found, "find", peer_path(p->dir, "run"), "-name",
	    "*.key", NULL);
	b = peer_read(found);
	any = b.len > 0;
	buf_clear(&b);
	return any;
}

Test(pgp, a_crash_leaves_no_key_once_it_runs_again)
{
	struct process p;
	uint8_t room[32];
	struct span fpr = fpr_of("sign/sam.pgp", room);
	struct err_why why = {""};
	int status;

	start(&p, NULL, 0);
	ask_sign(&p, 1, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 1, fpr, "sign/sam.sec.pgp", ERR_OK);
	cr_assert_eq(take_signed(&p, 1, &why), ERR_OK, "%s", why.text);
	cr_expect(has_private_keys(&p), "where does it keep them?");
	cr_assert_eq(kill(p.pid, SIGKILL), 0);
	cr_assert_eq(waitpid(p.pid, &status, 0), p.pid);
	ipc_free(p.supervisor);
	ipc_free(p.worker);
	ipc_free(p.keys);
	launch(&p, NULL, 0);
	cr_expect_not(has_private_keys(&p));
	/* and it signs again, with an agent of its own */
	ask_sign(&p, 2, fpr, NULL, SPAN_LIT(SIGNED_TEXT));
	give_secret(&p, 2, fpr, "sign/sam.sec.pgp", ERR_OK);
	cr_assert_eq(take_signed(&p, 2, &why), ERR_OK, "%s", why.text);
	stop(&p);
}

static enum err
ask_inspect(struct process *p, const char *name, struct crypto_pgp_list *list)
{
	struct buf b = peer_read(peer_data(name));
	struct arena *arena = arena_new(10000);
	struct unpacker u;
	struct ipc_msg m;
	enum err result;

	cr_assert_eq(
	    ipc_send(p->worker, PROTO_PGP_INSPECT, 5, buf_span(&b), NULL, 0),
	    ERR_OK);
	cr_assert_eq(ipc_recv(p->worker, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PGP_INSPECTED);
	unpack_begin(&u, m.payload);
	result = (enum err)unpack_u32(&u);
	cr_expect_eq(unpack_str(&u, arena)[0] == '\0', result == ERR_OK);
	cr_assert_eq(crypto_pgp_list_unpack(&u, list), ERR_OK);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	ipc_msg_clear(&m);
	arena_free(arena);
	buf_clear(&b);
	return result;
}

Test(pgp, inspects_behind_its_walls)
{
	struct process p;
	struct crypto_pgp_list list = {0};

	start(&p, NULL, 0);
	cr_expect_eq(ask_inspect(&p, "two.asc", &list), ERR_OK);
	cr_assert_eq(list.n, 2);
	cr_expect_eq(list.certs[0].seal_err, ERR_OK);
	cr_assert_eq(list.certs[0].n_uids, 4);
	cr_expect_str_eq(list.certs[0].uids[1].addr, "bob@example.org");
	crypto_pgp_list_clear(&list);
	cr_expect_eq(ask_inspect(&p, "bob.sec.asc", &list), ERR_PERMISSION);
	cr_expect_eq(list.n, 0);
	crypto_pgp_list_clear(&list);
	stop(&p);
}

/* Is nobody left of the group? Who had lost his parent is ours. */
static bool
is_gone(pid_t group)
{
	pid_t got = 0;

	for (int i = 0; i < 9000 && got >= 0; i++) {
		got = waitpid(-group, NULL, WNOHANG);
		if (got == 0)
			usleep(10000);
	}
	return got == -1 && errno == ECHILD;
}

Test(pgp, a_gpg_that_hangs_is_killed_and_the_process_ends)
{
	static const char *const names[] = {"bob.pgp"};
	struct process p;
	struct err_why why = {""};
	struct buf out;
	char tools[64], gpg[80];
	int status = 0;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	peer_dir_make(tools);
	cr_assert_eq(chmod(tools, 0777), 0);
	snprintf(gpg, sizeof(gpg), "%s/gpg", tools);
	peer_write(
	    gpg, SPAN_LIT("#!/bin/sh\n"
			  "[ \"$1\" = --version ] && exec gpg --version\n"
			  "trap '' TERM HUP PIPE\n"
			  "exec sleep 1000\n"));
	cr_assert_eq(chmod(gpg, 0755), 0);
	start(&p, gpg, 500);
	buf_init(&out, 100000);
	ask_seal(&p, 1, names, 1, SPAN_LIT("secret"));
	cr_expect_eq(
	    take_sealed(&p, 1, &out, &why), ERR_TIMEOUT, "%s", why.text);
	cr_expect_eq(out.len, 0);
	cr_assert_eq(waitpid(p.pid, &status, 0), p.pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cr_expect(is_gone(p.pid));
	buf_clear(&out);
	ipc_free(p.supervisor);
	ipc_free(p.worker);
	ipc_free(p.keys);
	peer_dir_remove(p.dir);
	peer_dir_remove(tools);
}
