/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process as it runs: this test is its supervisor and its peers. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/pack.h"
#include "gateway/keys/purpose.h"
#include "gateway/proto.h"
#include "gateway/role.h"

static char top[64], keys_dir[128], master_path[128];
static struct ipc *super;
static pid_t pid;

static void
setup(void)
{
	char path[128];

	secret_init();
	snprintf(top, sizeof(top), "/tmp/sgtest.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(chmod(top, 0711), 0);
	snprintf(path, sizeof(path), "%s/state", top);
	cr_assert_eq(mkdir(path, 0711), 0);
	snprintf(keys_dir, sizeof(keys_dir), "%s/state/keys", top);
	cr_assert_eq(mkdir(keys_dir, 0700), 0);
	if (geteuid() == 0)
		cr_assert_eq(
		    chown(keys_dir, 61000 + ROLE_KEYS, 61000 + ROLE_KEYS), 0);
	snprintf(master_path, sizeof(master_path), "%s/master.key", top);
}

static void
teardown(void)
{
	char path[128];
	DIR *d = opendir(keys_dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(keys_dir);
	snprintf(path, sizeof(path), "%s/state", top);
	rmdir(path);
	unlink(master_path);
	rmdir(top);
}

static int
master_with(size_t len, uint8_t fill)
{
	uint8_t octets[64];
	int fd;

	memset(octets, fill, sizeof(octets));
	unlink(master_path);
	fd = open(master_path, O_RDWR | O_CREAT, 0400);
	cr_assert_neq(fd, -1);
	cr_assert_eq(write(fd, octets, len), (ssize_t)len);
	return fd;
}

/* Start the process; its first words come next. */
static void
start(int master)
{
	struct proto_boot boot = {.last = true, .conf_name = "t.conf"};
	char text[512];
	struct buf b;
	int ours, its;

	snprintf(text, sizeof(text),
	    "hostname = \"gw.example\" domains = \"example.com\" users = "
	    "61000\n"
	    "state = \"%s/state\"\n"
	    "listen outbound { address = \"127.0.0.1:1\" }\n"
	    "relay outbound { via = \"mx\" }\nrule r { try = clear }\n",
	    top);
	cr_assert_eq(ipc_pair(&ours, &its), ERR_OK);
	pid = fork();
	cr_assert_neq(pid, -1);
	if (pid == 0) {
		struct role *r;
		int rc;

		close(ours);
		r = role_boot(ROLE_KEYS, 0, its);
		rc = keys_main(r);
		role_free(r);
		_exit(rc);
	}
	close(its);
	super = ipc_new(ours);
	boot.conf = span_str(text);
	boot.n_fds = master == -1 ? 0 : 1;
	boot.fd[0].kind = ROLE_FD_MASTER_KEY;
	buf_init(&b, LIMIT_IPC_INLINE);
	cr_assert_eq(proto_boot_pack(&boot, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(super, PROTO_BOOT, 0, buf_span(&b), &master, boot.n_fds),
	    ERR_OK);
	buf_clear(&b);
}

static int
ended(void)
{
	int status;

	ipc_free(super);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void
must_be_ready(void)
{
	struct ipc_msg m;

	cr_assert_eq(ipc_recv(super, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_READY, "%.*s", (int)m.payload.len,
	    (const char *)m.payload.data);
	ipc_msg_clear(&m);
}

static void
must_refuse(const char *says)
{
	struct ipc_msg m;

	cr_assert_eq(ipc_recv(super, &m), ERR_OK);
	cr_expect_eq(m.type, PROTO_REFUSE);
	cr_expect_lt(span_find(m.payload, 0, span_str(says)), m.payload.len,
	    "%.*s", (int)m.payload.len, (const char *)m.payload.data);
	ipc_msg_clear(&m);
	cr_expect_eq(ended(), EX_CONFIG);
}

static struct ipc *
connect_as(enum role_id id)
{
	struct packer p;
	struct buf b;
	int ours, its;

	cr_assert_eq(ipc_pair(&ours, &its), ERR_OK);
	buf_init(&b, 64);
	pack_begin(&p, &b);
	pack_u8(&p, (uint8_t)id);
	pack_u32(&p, 0);
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_assert_eq(
	    ipc_send(super, PROTO_PEER, 0, buf_span(&b), &its, 1), ERR_OK);
	buf_clear(&b);
	close(its);
	return ipc_new(ours);
}

static void
ask_keys(struct ipc *ch, struct proto_keys *out, uint8_t *private)
{
	struct ipc_msg m;

	cr_assert_eq(
	    ipc_send(ch, PROTO_KEYS_GET, 7, SPAN(NULL, 0), NULL, 0), ERR_OK);
	cr_assert_eq(ipc_recv(ch, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_KEYS);
	cr_assert_eq(m.id, 7);
	cr_assert_eq(proto_keys_unpack(m.payload, out), ERR_OK);
	if (out->ready_private.len == SEALED_KEY)
		memcpy(private, out->ready_private.data, SEALED_KEY);
	ipc_msg_clear(&m);
}

/* The content key of text sealed to pub; what keys said of it. */
static enum err
ask_content_key(struct ipc *ch, enum sealed_purpose purpose,
    const struct sealed_pub *pub, struct span text, struct secret **out)
{
	struct unpacker u;
	struct packer p;
	struct ipc_msg m;
	struct buf sealed, b;
	struct span key;
	enum err err;

	buf_init(&sealed, 4096);
	buf_init(&b, 4096);
	cr_assert_eq(sealed_seal(pub, SPAN_LIT("ad"), text, &sealed), ERR_OK);
	pack_begin(&p, &b);
	pack_u8(&p, (uint8_t)purpose);
	pack_raw(&p, sealed.data, SEALED_HEADER);
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_CONTENT_KEY, 9, buf_span(&b), NULL, 0), ERR_OK);
	cr_assert_eq(ipc_recv(ch, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_CONTENT_KEY_IS);
	unpack_begin(&u, m.payload);
	err = (enum err)unpack_u32(&u);
	key = unpack_span(&u);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	cr_expect_eq(key.len, err == ERR_OK ? SEALED_KEY : 0);
	if (err == ERR_OK) {
		struct buf plain;

		*out = secret_from(key);
		buf_init(&plain, 4096);
		cr_expect_eq(sealed_open(*out, SPAN_LIT("ad"),
				 buf_span(&sealed), &plain),
		    ERR_OK);
		cr_expect_eq(plain.len, text.len);
		buf_clear(&plain);
		secret_free(*out);
	}
	ipc_msg_clear(&m);
	buf_clear(&sealed);
	buf_clear(&b);
	return err;
}

Test(keys, gives_each_peer_what_it_needs, .init = setup, .fini = teardown)
{
	struct ipc *worker, *relay, *store;
	struct proto_keys seen, same;
	struct secret *key;
	uint8_t private[SEALED_KEY] = {0};
	int fd = master_with(KEYS_MASTER, 1);

	start(fd);
	close(fd);
	must_be_ready();
	worker = connect_as(ROLE_WORKER);
	relay = connect_as(ROLE_RELAY);
	store = connect_as(ROLE_STORE);
	ask_keys(worker, &seen, private);
	cr_expect_eq(seen.ready_private.len, 0);
	ask_keys(store, &same, private);
	cr_expect_eq(same.ready_private.len, 0);
	cr_expect_arr_eq(seen.pub, same.pub, sizeof(seen.pub));
	ask_keys(relay, &same, private);
	cr_expect_eq(same.ready_private.len, SEALED_KEY);

	cr_expect_eq(ask_content_key(worker, SEALED_PENDING,
			 &seen.pub[SEALED_PENDING], SPAN_LIT("text"), &key),
	    ERR_OK);
	cr_expect_eq(ask_content_key(store, SEALED_AUDIT,
			 &seen.pub[SEALED_AUDIT], SPAN_LIT("text"), &key),
	    ERR_OK);
	ipc_free(worker);
	ipc_free(relay);
	ipc_free(store);
	cr_assert_eq(
	    ipc_send(super, PROTO_STOP, 0, SPAN(NULL, 0), NULL, 0), ERR_OK);
	cr_expect_eq(ended(), 0);
}

Test(keys, gives_nobody_more, .init = setup, .fini = teardown)
{
	static const struct {
		enum role_id role;
		enum sealed_purpose purpose;
	} row[] = {
	    {ROLE_WORKER, SEALED_READY},
	    {ROLE_WORKER, SEALED_AUDIT},
	    {ROLE_WORKER, SEALED_NONE},
	    {ROLE_WORKER, SEALED_WRAP},
	    {ROLE_WORKER, (enum sealed_purpose)200},
	    {ROLE_STORE, SEALED_PENDING},
	    {ROLE_STORE, SEALED_READY},
	};
	static const enum role_id cut_off[] = {
	    ROLE_PORTAL, ROLE_LISTENER, ROLE_DISCOVERY, ROLE_CONTROL, ROLE_PGP};
	struct ipc *ch = NULL;
	struct proto_keys seen;
	struct secret *key;
	struct ipc_msg m;
	uint8_t private[SEALED_KEY];
	int fd = master_with(KEYS_MASTER, 1);

	start(fd);
	close(fd);
	must_be_ready();
	ch = connect_as(ROLE_WORKER);
	ask_keys(ch, &seen, private);
	ipc_free(ch);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		ch = connect_as(row[i].role);
		cr_expect_eq(
		    ask_content_key(ch, row[i].purpose,
			&seen.pub[SEALED_PENDING], SPAN_LIT("x"), &key),
		    ERR_PERMISSION, "row %zu", i);
		ipc_free(ch);
	}
	for (size_t i = 0; i < sizeof(cut_off) / sizeof(cut_off[0]); i++) {
		ch = connect_as(cut_off[i]);
		cr_assert_eq(
		    ipc_send(ch, PROTO_KEYS_GET, 1, SPAN(NULL, 0), NULL, 0),
		    ERR_OK);
		cr_expect_eq(
		    ipc_recv(ch, &m), ERR_CLOSED, "%s", role_name(cut_off[i]));
		ipc_free(ch);
	}
	/* the relay has its key and needs no other */
	ch = connect_as(ROLE_RELAY);
	cr_assert_eq(
	    ipc_send(ch, PROTO_CONTENT_KEY, 1, SPAN_LIT("\1"), NULL, 0),
	    ERR_OK);
	cr_expect_eq(ipc_recv(ch, &m), ERR_CLOSED);
	ipc_free(ch);
	cr_expect_eq(ended(), 0); /* the channel's end is the end, too */
}

Test(keys, refuses_a_master_key_that_is_none, .init = setup, .fini = teardown)
{
	static const size_t sizes[] = {0, 31, 33};

	for (size_t i = 0; i < 3; i++) {
		int fd = master_with(sizes[i], 1);

		start(fd);
		close(fd);
		must_refuse("must have 32 octets");
	}
	start(-1);
	must_refuse("no master key");
}

Test(keys, refuses_another_master_key, .init = setup, .fini = teardown)
{
	int fd = master_with(KEYS_MASTER, 1);

	start(fd);
	close(fd);
	must_be_ready();
	cr_assert_eq(ended(), 0);
	fd = master_with(KEYS_MASTER, 2);
	start(fd);
	close(fd);
	must_refuse("not the master key of this state directory");
}

Test(keys, a_peer_that_never_reads_does_not_stop_the_others, .init = setup,
    .fini = teardown)
{
	struct ipc *deaf, *worker;
	struct proto_keys seen;
	uint8_t private[SEALED_KEY];
	enum err err = ERR_OK;
	int fd = master_with(KEYS_MASTER, 1);

	start(fd);
	close(fd);
	must_be_ready();
	deaf = connect_as(ROLE_STORE);
	worker = connect_as(ROLE_WORKER);
	for (int i = 0; i < 100000 && err == ERR_OK; i++)
		err = ipc_send(deaf, PROTO_KEYS_GET, 1, SPAN(NULL, 0), NULL, 0);
	cr_expect_eq(err, ERR_CLOSED, "it was not cut off");
	ask_keys(worker, &seen, private);
	ipc_free(deaf);
	ipc_free(worker);
	cr_expect_eq(ended(), 0);
}
