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

#include "common/memfd.h"
#include "common/pack.h"
#include "common/stream.h"
#include "crypto/private_key.h"
#include "gateway/keys/purpose.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "keystore/private.h"
#include "tests/crypto/peer.h"

static char top[64], keys_dir[128], keystore_dir[128], master_path[128];
static struct ipc *super;
static pid_t pid;

static const char *const db_files[] = {"data.mdb", "lock.mdb", "write.lock"};

/* As store makes it; with users, it belongs to store's. */
static struct ks_store *
write_keystore(void)
{
	struct ks_store *s = NULL;
	struct err_why why = {""};

	cr_assert_eq(ks_open(keystore_dir, KS_WRITE | KS_GROUP, &s, &why),
	    ERR_OK, "%s", why.text);
	return s;
}

static void
make_keystore(void)
{
	char path[256];

	ks_close(write_keystore());
	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < sizeof(db_files) / sizeof(db_files[0]); i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", keystore_dir, db_files[i]);
		cr_assert_eq(
		    chown(path, 61000 + ROLE_STORE, 61000 + ROLE_STORE), 0);
	}
	cr_assert_eq(
	    chown(keystore_dir, 61000 + ROLE_STORE, 61000 + ROLE_STORE), 0);
	cr_assert_eq(chmod(keystore_dir, 02750), 0);
}

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
	snprintf(keystore_dir, sizeof(keystore_dir), "%s/state/keystore", top);
	cr_assert_eq(mkdir(keystore_dir, 02750), 0);
	make_keystore();
}

static void
teardown(void)
{
	char path[256];
	DIR *d = opendir(keys_dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(keys_dir);
	for (size_t i = 0; i < sizeof(db_files) / sizeof(db_files[0]); i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", keystore_dir, db_files[i]);
		unlink(path);
	}
	rmdir(keystore_dir);
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

/* --- signing --- */

/* Put the private half of a certificate of tests/crypto/data into the store, to
   speak for the address; its "fingerprint" is 32 times the octet. */
static void
put_private(uint8_t octet, const char *file, const char *addr)
{
	uint8_t fpr[32];
	struct span addrs[1] = {span_str(addr)};
	struct ks_private p = {.kind = KS_SMIME,
	    .fpr = SPAN(fpr, sizeof(fpr)),
	    .n_addrs = 1,
	    .addrs = addrs};
	struct ks_store *s = write_keystore();
	int dir = open(keys_dir, O_RDONLY | O_DIRECTORY);
	struct sealed_pub pub;
	struct buf key;
	char tmp[64];

	memset(fpr, octet, sizeof(fpr));
	peer_dir_make(tmp);
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "pkcs8", "-topk8",
			 "-nocrypt", "-in", peer_data(file), "-outform", "DER",
			 "-out", peer_path(tmp, "p8"), NULL),
	    0);
	key = peer_read(peer_path(tmp, "p8"));
	cr_assert_eq(keys_public_read(dir, &pub, NULL), ERR_OK);
	cr_assert_eq(ks_private_put(s, &p, &pub, buf_span(&key)), ERR_OK);
	close(dir);
	buf_clear(&key);
	peer_dir_remove(tmp);
	ks_close(s);
}

static void
say_register(struct ipc *ch, uint64_t id, const char *addr)
{
	struct proto_register m = {.addr = &addr, .n_addr = addr != NULL};
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(proto_register_pack(&m, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_REGISTER, id, buf_span(&b), NULL, 0), ERR_OK);
	buf_clear(&b);
}

/* What keys says to a request for a signature of len octets. */
static enum err
ask_sign(struct ipc *ch, uint64_t id, uint8_t octet, unsigned alg, size_t len)
{
	uint8_t fpr[32], in[512];
	struct proto_sign ask = {.fpr = SPAN(fpr, sizeof(fpr)),
	    .alg = (uint8_t)alg,
	    .in = SPAN(in, len)};
	struct proto_signed said;
	struct ipc_msg m;
	struct buf b;

	memset(fpr, octet, sizeof(fpr));
	memset(in, 5, sizeof(in));
	buf_init(&b, 1000);
	cr_assert_eq(proto_sign_pack(&ask, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_SIGN, id, buf_span(&b), NULL, 0), ERR_OK);
	buf_clear(&b);
	cr_assert_eq(ipc_recv(ch, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_SIGNED);
	cr_assert_eq(m.id, id);
	cr_assert_eq(proto_signed_unpack(m.payload, &said), ERR_OK);
	ipc_msg_clear(&m);
	return said.result;
}

/* The same for opening, of several addresses. */
static void
say_open(struct ipc *ch, uint64_t id, const char **addrs, uint32_t n)
{
	struct proto_register m = {.open = true, .addr = addrs, .n_addr = n};
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(proto_register_pack(&m, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_REGISTER, id, buf_span(&b), NULL, 0), ERR_OK);
	buf_clear(&b);
}

/* What keys says to a block that is to be opened; up to 32 octets of it to
   key. */
static enum err
ask_decrypt(
    struct ipc *ch, uint64_t id, uint8_t octet, struct span in, uint8_t *key)
{
	uint8_t fpr[32];
	struct proto_decrypt ask = {.fpr = SPAN(fpr, sizeof(fpr)),
	    .op = CRYPTO_DECRYPT_PKCS1,
	    .len = 32,
	    .in = in};
	struct proto_decrypted said;
	struct ipc_msg m;
	struct buf b;

	memset(fpr, octet, sizeof(fpr));
	buf_init(&b, 1000);
	cr_assert_eq(proto_decrypt_pack(&ask, &b), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_DECRYPT, id, buf_span(&b), NULL, 0), ERR_OK);
	buf_clear(&b);
	cr_assert_eq(ipc_recv(ch, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_DECRYPTED);
	cr_assert_eq(m.id, id);
	cr_assert_eq(proto_decrypted_unpack(m.payload, &said), ERR_OK);
	if (said.result == ERR_OK) {
		cr_assert_eq(said.key.len, 32);
		memcpy(key, said.key.data, 32);
	}
	ipc_msg_clear(&m);
	return said.result;
}

/* Wait until what was said before is done. */
static void
settle(struct ipc *ch)
{
	struct proto_keys seen;
	uint8_t private[SEALED_KEY];

	ask_keys(ch, &seen, private);
}

static void
start_up(void)
{
	int fd = master_with(KEYS_MASTER, 1);

	stream_init();
	start(fd);
	close(fd);
	must_be_ready();
}

Test(keys, signs_for_the_registered_address_only, .init = setup,
    .fini = teardown)
{
	struct ipc *worker, *listener, *store;

	start_up();
	put_private(1, "rsa2048.key", "alice@example.com");
	put_private(2, "sign256.key", "sigrid@example.com");
	worker = connect_as(ROLE_WORKER);
	listener = connect_as(ROLE_LISTENER);
	store = connect_as(ROLE_STORE);

	/* nobody is registered */
	cr_expect_eq(ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	say_register(listener, 11, "alice@example.com");
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA512, 64), ERR_OK);
	/* another's key, another message, a key that is not there */
	cr_expect_eq(ask_sign(worker, 11, 2, CRYPTO_SIGN_ECDSA_SHA256, 32),
	    ERR_PERMISSION);
	cr_expect_eq(ask_sign(worker, 12, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	cr_expect_eq(
	    ask_sign(worker, 11, 3, CRYPTO_SIGN_RSA_SHA256, 32), ERR_NO_KEY);
	/* store registers what it has decided again */
	say_register(store, 12, "sigrid@example.com");
	cr_expect_eq(
	    ask_sign(worker, 12, 2, CRYPTO_SIGN_ECDSA_SHA256, 32), ERR_OK);
	cr_expect_eq(ask_sign(worker, 12, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	/* each takes back its own */
	cr_assert_eq(
	    ipc_send(store, PROTO_UNREGISTER, 11, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	settle(store);
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	cr_assert_eq(
	    ipc_send(listener, PROTO_UNREGISTER, 11, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	say_register(listener, 13, "alice@example.com");
	cr_expect_eq(
	    ask_sign(worker, 13, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	cr_expect_eq(ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	/* a listener that began anew */
	say_register(listener, 0, NULL);
	say_register(listener, 14, "alice@example.com");
	cr_expect_eq(
	    ask_sign(worker, 14, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	cr_expect_eq(ask_sign(worker, 13, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	cr_expect_eq(
	    ask_sign(worker, 12, 2, CRYPTO_SIGN_ECDSA_SHA256, 32), ERR_OK);
	ipc_free(worker);
	ipc_free(listener);
	ipc_free(store);
	cr_expect_eq(ended(), 0);
}

/* 32 octets under the public half of rsa2048. */
static struct buf
block_of(const char *content)
{
	struct buf b;
	char tmp[64];

	peer_dir_make(tmp);
	peer_write(peer_path(tmp, "in"), SPAN(content, 32));
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "pkeyutl", "-encrypt", "-certin",
		"-inkey", peer_data("rsa2048.pem"), "-in", peer_path(tmp, "in"),
		"-out", peer_path(tmp, "out"), NULL),
	    0);
	b = peer_read(peer_path(tmp, "out"));
	peer_dir_remove(tmp);
	return b;
}

Test(keys, opens_for_the_recipients_of_the_entry_only, .init = setup,
    .fini = teardown)
{
	static const char content[] = "a key for the content, 32 octets";
	const char *alice[] = {"bob@example.com", "alice@example.com"};
	const char *bob[] = {"bob@example.com"};
	struct ipc *opener, *worker, *listener, *store;
	uint8_t key[32], other[32];
	struct buf block;

	start_up();
	put_private(1, "rsa2048.key", "alice@example.com");
	block = block_of(content);
	opener = connect_as(ROLE_OPENER);
	worker = connect_as(ROLE_WORKER);
	listener = connect_as(ROLE_LISTENER);
	store = connect_as(ROLE_STORE);

	cr_expect_eq(
	    ask_decrypt(opener, 11, 1, buf_span(&block), key), ERR_PERMISSION);
	/* whose sender may sign nobody may open for */
	say_register(listener, 11, "alice@example.com");
	cr_expect_eq(
	    ask_decrypt(opener, 11, 1, buf_span(&block), key), ERR_PERMISSION);
	say_open(store, 12, alice, 2);
	cr_expect_eq(ask_decrypt(opener, 12, 1, buf_span(&block), key), ERR_OK);
	cr_expect_eq(memcmp(key, content, 32), 0);
	/* nor sign in the name of who gets mail */
	cr_expect_eq(ask_sign(worker, 12, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_PERMISSION);
	/* sent to somebody else */
	say_open(store, 13, bob, 1);
	cr_expect_eq(
	    ask_decrypt(opener, 13, 1, buf_span(&block), key), ERR_PERMISSION);
	cr_expect_eq(
	    ask_decrypt(opener, 12, 2, buf_span(&block), key), ERR_NO_KEY);
	/* what does not open is a key like any other, another each time */
	block.data[block.len - 1] ^= 1;
	cr_expect_eq(ask_decrypt(opener, 12, 1, buf_span(&block), key), ERR_OK);
	cr_expect_eq(
	    ask_decrypt(opener, 12, 1, buf_span(&block), other), ERR_OK);
	cr_expect_neq(memcmp(key, other, 32), 0);
	cr_expect_eq(ask_decrypt(opener, 12, 1, SPAN(block.data, 255), key),
	    ERR_MALFORMED);
	/* store has its answer */
	cr_assert_eq(
	    ipc_send(store, PROTO_UNREGISTER, 12, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	settle(store);
	cr_expect_eq(
	    ask_decrypt(opener, 12, 1, buf_span(&block), key), ERR_PERMISSION);
	/* only an opener may ask */
	{
		struct proto_decrypt ask = {.op = CRYPTO_DECRYPT_PKCS1};
		struct ipc_msg m;
		struct buf b;

		buf_init(&b, 1000);
		cr_assert_eq(proto_decrypt_pack(&ask, &b), ERR_OK);
		cr_assert_eq(
		    ipc_send(worker, PROTO_DECRYPT, 12, buf_span(&b), NULL, 0),
		    ERR_OK);
		cr_expect_eq(ipc_recv(worker, &m), ERR_CLOSED);
		buf_clear(&b);
	}
	buf_clear(&block);
	ipc_free(opener);
	ipc_free(worker);
	ipc_free(listener);
	ipc_free(store);
	cr_expect_eq(ended(), 0);
}

Test(keys, nobody_tries_out_blocks, .init = setup, .fini = teardown)
{
	const char *alice[] = {"alice@example.com"};
	struct ipc *opener, *store;
	uint8_t block[256] = {0}, key[32];
	unsigned n = 0;

	start_up();
	put_private(1, "rsa2048.key", "alice@example.com");
	opener = connect_as(ROLE_OPENER);
	store = connect_as(ROLE_STORE);
	say_open(store, 12, alice, 1);
	while (n < 1000 && ask_decrypt(opener, 12, 1,
			       SPAN(block, sizeof(block)), key) == ERR_OK)
		n++;
	cr_expect_eq(n, 16 * 2 * 8, "%u", n);
	/* another message has its own */
	say_open(store, 13, alice, 1);
	cr_expect_eq(
	    ask_decrypt(opener, 13, 1, SPAN(block, sizeof(block)), key),
	    ERR_OK);
	ipc_free(opener);
	ipc_free(store);
	cr_expect_eq(ended(), 0);
}

Test(keys, takes_no_other_length_and_no_unknown_algorithm, .init = setup,
    .fini = teardown)
{
	static const struct {
		unsigned alg;
		size_t len;
		enum err e;
	} rows[] = {
	    {CRYPTO_SIGN_RSA_SHA256, 32, ERR_OK},
	    {CRYPTO_SIGN_RSA_SHA256, 0, ERR_MALFORMED},
	    {CRYPTO_SIGN_RSA_SHA256, 31, ERR_MALFORMED},
	    {CRYPTO_SIGN_RSA_SHA256, 256, ERR_MALFORMED},
	    {CRYPTO_SIGN_PSS_SHA256, 256, ERR_MALFORMED}, /* no encoding */
	    {CRYPTO_SIGN_PSS_SHA256, 32, ERR_MALFORMED},
	    {CRYPTO_SIGN_ECDSA_SHA256, 32, ERR_UNSUPPORTED},
	    {CRYPTO_SIGN_NONE, 32, ERR_UNSUPPORTED},
	    {10, 32, ERR_UNSUPPORTED},
	    {255, 256, ERR_UNSUPPORTED},
	};
	struct ipc *worker, *listener;

	start_up();
	put_private(1, "rsa2048.key", "alice@example.com");
	worker = connect_as(ROLE_WORKER);
	listener = connect_as(ROLE_LISTENER);
	say_register(listener, 11, "alice@example.com");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(ask_sign(worker, 11, 1, rows[i].alg, rows[i].len),
		    rows[i].e, "row %zu", i);
	ipc_free(worker);
	ipc_free(listener);
	cr_expect_eq(ended(), 0);
}

Test(keys, a_key_that_was_deleted_or_replaced_is_not_used, .init = setup,
    .fini = teardown)
{
	struct ipc *worker, *listener;
	struct ks_store *s;
	uint8_t fpr[32];

	start_up();
	put_private(1, "rsa2048.key", "alice@example.com");
	worker = connect_as(ROLE_WORKER);
	listener = connect_as(ROLE_LISTENER);
	say_register(listener, 11, "alice@example.com");
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	put_private(1, "sign256.key", "alice@example.com");
	cr_expect_eq(ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32),
	    ERR_UNSUPPORTED);
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_ECDSA_SHA256, 32), ERR_OK);
	memset(fpr, 1, sizeof(fpr));
	s = write_keystore();
	cr_assert_eq(ks_private_delete(s, SPAN(fpr, 32)), ERR_OK);
	ks_close(s);
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_ECDSA_SHA256, 32), ERR_NO_KEY);
	ipc_free(worker);
	ipc_free(listener);
	cr_expect_eq(ended(), 0);
}

Test(keys, nobody_else_registers_or_asks, .init = setup, .fini = teardown)
{
	static const struct {
		enum role_id role;
		uint16_t type;
	} rows[] = {
	    {ROLE_WORKER, PROTO_REGISTER},
	    {ROLE_WORKER, PROTO_UNREGISTER},
	    {ROLE_RELAY, PROTO_REGISTER},
	    {ROLE_LISTENER, PROTO_SIGN},
	    {ROLE_STORE, PROTO_SIGN},
	    {ROLE_RELAY, PROTO_SIGN},
	    {ROLE_PGP, PROTO_SIGN},
	    {ROLE_WORKER, PROTO_PGP_SECRET_GET},
	    {ROLE_STORE, PROTO_PGP_SECRET_GET},
	    {ROLE_RELAY, PROTO_PGP_SECRET_GET},
	    {ROLE_LISTENER, PROTO_CONTENT_KEY},
	    {ROLE_LISTENER, PROTO_KEYS_GET},
	    /* nonsense */
	    {ROLE_WORKER, PROTO_SIGN},
	    {ROLE_PGP, PROTO_PGP_SECRET_GET},
	    {ROLE_LISTENER, PROTO_REGISTER},
	    {ROLE_LISTENER, PROTO_UNREGISTER},
	};
	struct ipc_msg m;

	start_up();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipc *ch = connect_as(rows[i].role);

		cr_assert_eq(
		    ipc_send(ch, rows[i].type, 1, SPAN_LIT("?"), NULL, 0),
		    ERR_OK);
		cr_expect_eq(ipc_recv(ch, &m), ERR_CLOSED, "row %zu", i);
		ipc_free(ch);
	}
	cr_expect_eq(ended(), 0);
}

/* --- OpenPGP: the key itself, for pgp alone --- */

#define SECRET_KEY "a transferable secret key, as far as keys knows"

static void
put_pgp(uint8_t octet, const char *addr)
{
	uint8_t fpr[20];
	struct span addrs[1] = {span_str(addr)};
	struct ks_private p = {.kind = KS_OPENPGP,
	    .fpr = SPAN(fpr, sizeof(fpr)),
	    .n_addrs = 1,
	    .addrs = addrs};
	struct ks_store *s = write_keystore();
	int dir = open(keys_dir, O_RDONLY | O_DIRECTORY);
	struct sealed_pub pub;

	memset(fpr, octet, sizeof(fpr));
	cr_assert_eq(keys_public_read(dir, &pub, NULL), ERR_OK);
	cr_assert_eq(ks_private_put(s, &p, &pub, SPAN_LIT(SECRET_KEY)), ERR_OK);
	close(dir);
	ks_close(s);
}

/* What keys says to a request for a key of fpr_len octets, each the same; the
   right key comes with ERR_OK, and none otherwise. */
static enum err
ask_secret(struct ipc *ch, uint64_t id, uint8_t octet, size_t fpr_len)
{
	struct arena *arena = arena_new(10000);
	struct memfd_map map;
	uint8_t fpr[32];
	const char *why;
	struct packer p;
	struct ipc_msg m;
	enum err result;
	struct buf b;
	int fd;

	memset(fpr, octet, sizeof(fpr));
	buf_init(&b, 1000);
	pack_begin(&p, &b);
	pack_span(&p, SPAN(fpr, fpr_len));
	cr_assert_eq(pack_end(&p), ERR_OK);
	cr_assert_eq(
	    ipc_send(ch, PROTO_PGP_SECRET_GET, id, buf_span(&b), NULL, 0),
	    ERR_OK);
	buf_clear(&b);
	cr_assert_eq(ipc_recv(ch, &m), ERR_OK);
	cr_assert_eq(m.type, PROTO_PGP_SECRET);
	cr_assert_eq(m.id, id);
	cr_assert_eq(
	    proto_failure_unpack(m.payload, arena, &result, &why), ERR_OK);
	fd = ipc_msg_take_fd(&m, 0);
	cr_expect_eq(fd >= 0, result == ERR_OK, "%s", err_name(result));
	if (fd >= 0) {
		cr_assert_eq(memfd_map(fd, 1000, &map), ERR_OK);
		cr_expect(span_eq_str(map.data, SECRET_KEY));
		memfd_unmap(&map);
		close(fd);
	}
	ipc_msg_clear(&m);
	arena_free(arena);
	return result;
}

Test(keys, gives_pgp_the_key_of_the_registered_address_only, .init = setup,
    .fini = teardown)
{
	struct ipc *pgp, *worker, *listener;

	start_up();
	put_pgp(1, "alice@example.com");
	put_pgp(2, "sigrid@example.com");
	put_private(3, "rsa2048.key", "alice@example.com");
	pgp = connect_as(ROLE_PGP);
	worker = connect_as(ROLE_WORKER);
	listener = connect_as(ROLE_LISTENER);
	cr_expect_eq(ask_secret(pgp, 11, 1, 20), ERR_PERMISSION);
	say_register(listener, 11, "alice@example.com");
	cr_expect_eq(ask_secret(pgp, 11, 1, 20), ERR_OK);
	cr_expect_eq(ask_secret(pgp, 11, 2, 20), ERR_PERMISSION);
	cr_expect_eq(ask_secret(pgp, 12, 1, 20), ERR_PERMISSION);
	/* keys that are not there, and S/MIME ones never leave */
	cr_expect_eq(ask_secret(pgp, 11, 9, 20), ERR_NO_KEY);
	cr_expect_eq(ask_secret(pgp, 11, 3, 32), ERR_NO_KEY);
	/* nor does keys sign anything with an OpenPGP key */
	put_private(4, "rsa2048.key", "alice@example.com");
	cr_expect_eq(
	    ask_sign(worker, 11, 4, CRYPTO_SIGN_RSA_SHA256, 32), ERR_OK);
	cr_expect_eq(
	    ask_sign(worker, 11, 1, CRYPTO_SIGN_RSA_SHA256, 32), ERR_NO_KEY);
	cr_assert_eq(
	    ipc_send(listener, PROTO_UNREGISTER, 11, SPAN(NULL, 0), NULL, 0),
	    ERR_OK);
	settle(worker);
	settle(worker);
	ipc_free(listener);
	for (int i = 0; i < 100; i++)
		if (ask_secret(pgp, 11, 1, 20) == ERR_PERMISSION)
			break;
	cr_expect_eq(ask_secret(pgp, 11, 1, 20), ERR_PERMISSION);
	ipc_free(pgp);
	ipc_free(worker);
	cr_expect_eq(ended(), 0);
}
