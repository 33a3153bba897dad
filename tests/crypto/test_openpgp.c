/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealing to OpenPGP keys, with gpg, sq and rnp as those who open;
 * openpgp_run.c is tested here, too.
 */
#include "crypto/openpgp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

/* Seal in to the keys named, to DIR/sealed. */
static enum err
seal(struct homes *h, const char *const *names, size_t n, struct span in,
    struct err_why *why)
{
	struct buf keys[4], out;
	struct span spans[4];
	int fd = out_new("before");
	enum err e;

	for (size_t i = 0; i < n; i++) {
		keys[i] = peer_read(peer_data(names[i]));
		spans[i] = buf_span(&keys[i]);
	}
	e = crypto_pgp_seal(h->pgp, spans, n, in, fd, why);
	out = out_read(fd);
	if (e == ERR_OK)
		peer_write(peer_path(h->dir, "sealed"),
		    SPAN(out.data + 6, out.len - 6));
	else
		cr_expect(span_eq_str(buf_span(&out), "before"),
		    "output after %s", err_name(e));
	for (size_t i = 0; i < n; i++)
		buf_clear(&keys[i]);
	buf_clear(&out);
	close(fd);
	return e;
}

static bool
opened_is(struct homes *h, struct span wanted)
{
	struct buf b = peer_read(peer_path(h->dir, "opened"));
	bool same = span_eq(buf_span(&b), wanted);

	buf_clear(&b);
	unlink(peer_path(h->dir, "opened"));
	return same;
}

/* The people get this secret key, and no other. */
static void
give_key(struct homes *h, const char *name)
{
	peer_run(NULL, NULL, "gpgconf", "--homedir", h->people, "--kill", "all",
	    NULL);
	peer_run(NULL, NULL, "rm", "-rf", h->people, NULL);
	cr_assert_eq(mkdir(h->people, 0700), 0);
	cr_assert_eq(
	    peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
		"--quiet", "--import", peer_data(name), NULL),
	    0, "%s", name);
}

static bool
gpg_opens(struct homes *h, struct span wanted)
{
	return peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
		   "--yes", "--quiet", "--trust-model", "always", "--output",
		   peer_path(h->dir, "opened"), "--decrypt",
		   peer_path(h->dir, "sealed"), NULL) == 0 &&
	       opened_is(h, wanted);
}

Test(openpgp, gpg_opens_what_was_sealed_to_every_kind_of_key)
{
	static const char *const names[] = {"bob", "rita", "nina"};
	static const size_t sizes[] = {0, 1, 10240, 1000003};
	struct homes h;
	char file[32];

	homes_make(&h);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char key[32];
		const char *one = key;

		snprintf(file, sizeof(file), "%s.sec.asc", names[i]);
		snprintf(key, sizeof(key), "%s.pgp", names[i]);
		give_key(&h, file);
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct buf in = peer_octets(sizes[s]);
			struct err_why why = {""};

			cr_assert_eq(seal(&h, &one, 1, buf_span(&in), &why),
			    ERR_OK, "%s: %s", names[i], why.text);
			cr_expect(gpg_opens(&h, buf_span(&in)),
			    "%s, %zu octets", names[i], sizes[s]);
			buf_clear(&in);
		}
	}
	homes_remove(&h);
}

Test(openpgp, each_of_several_recipients_opens_it)
{
	static const char *const keys[] = {"bob.pgp", "rita.pgp", "nina.pgp"};
	static const char *const secrets[] = {
	    "bob.sec.asc", "rita.sec.asc", "nina.sec.asc"};
	struct span in = SPAN_LIT("a\nb\r\nc\rd\n\n- x\n");
	struct homes h;
	struct err_why why = {""};

	homes_make(&h);
	cr_assert_eq(seal(&h, keys, 3, in, &why), ERR_OK, "%s", why.text);
	for (size_t i = 0; i < 3; i++) {
		give_key(&h, secrets[i]);
		cr_expect(gpg_opens(&h, in), "%s", secrets[i]);
	}
	cr_assert_eq(seal(&h, keys, 2, in, &why), ERR_OK, "%s", why.text);
	cr_expect_neq(
	    peer_run(NULL, NULL, "gpg", "--homedir", h.people, "--batch",
		"--decrypt", peer_path(h.dir, "sealed"), NULL),
	    0, "nina is no recipient");
	homes_remove(&h);
}

Test(openpgp, sequoia_and_rnp_open_it)
{
	static const char *const keys[] = {"bob.pgp", "rita.pgp"};
	static const char *const secrets[] = {"bob.sec.asc", "rita.sec.asc"};
	struct buf in = peer_octets(20000);
	struct homes h;
	struct err_why why = {""};

	homes_make(&h);
	cr_assert_eq(
	    seal(&h, keys, 2, buf_span(&in), &why), ERR_OK, "%s", why.text);
	for (size_t i = 0; i < 2; i++) {
		if (peer_has("sq")) {
			cr_expect_eq(
			    peer_run(NULL, NULL, "sq", "decrypt",
				"--recipient-key", peer_data(secrets[i]),
				"--output", peer_path(h.dir, "opened"),
				peer_path(h.dir, "sealed"), NULL),
			    0, "sq, %s", secrets[i]);
			cr_expect(
			    opened_is(&h, buf_span(&in)), "sq, %s", secrets[i]);
		}
		if (peer_has("rnp")) {
			cr_expect_eq(peer_run(NULL, NULL, "rnp", "--keyfile",
					 peer_data(secrets[i]), "--decrypt",
					 "--output", peer_path(h.dir, "opened"),
					 peer_path(h.dir, "sealed"), NULL),
			    0, "rnp, %s", secrets[i]);
			cr_expect(opened_is(&h, buf_span(&in)), "rnp, %s",
			    secrets[i]);
		}
	}
	buf_clear(&in);
	homes_remove(&h);
}

Test(openpgp, the_message_is_uncompressed_binary_and_has_its_check)
{
	static const char *const keys[] = {"bob.pgp"};
	struct homes h;
	struct err_why why = {""};
	struct buf b;
	struct span text;

	homes_make(&h);
	give_key(&h, "bob.sec.asc");
	cr_assert_eq(seal(&h, keys, 1, SPAN_LIT("hello"), &why), ERR_OK);
	cr_assert_eq(peer_run(NULL, peer_path(h.dir, "dump"), "gpg",
			 "--homedir", h.people, "--batch", "--list-packets",
			 peer_path(h.dir, "sealed"), NULL),
	    0);
	b = peer_read(peer_path(h.dir, "dump"));
	text = buf_span(&b);
	cr_expect_lt(span_find(text, 0, SPAN_LIT("mdc_method: 2")), text.len);
	cr_expect_lt(span_find(text, 0, SPAN_LIT("mode b")), text.len);
	cr_expect_eq(span_find(text, 0, SPAN_LIT("compressed")), text.len);
	buf_clear(&b);
	homes_remove(&h);
}

Test(openpgp, one_unusable_key_fails_the_whole)
{
	static const struct {
		const char *bad;
		enum err e;
		const char *why;
	} rows[] = {
	    {"expired.pgp", ERR_KEY_EXPIRED, "the key has expired"},
	    {"subexpired.pgp", ERR_KEY_EXPIRED, "encryption key has expired"},
	    {"revoked.pgp", ERR_KEY_REVOKED, "the key is revoked"},
	    {"subrevoked.pgp", ERR_KEY_REVOKED, "encryption key is revoked"},
	    {"signonly.pgp", ERR_KEY_UNUSABLE, "no key for encryption"},
	    {"message.asc", ERR_MALFORMED, ""},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *names[] = {"bob.pgp", rows[i].bad, "rita.pgp"};
		struct err_why why = {""};
		enum err e = seal(&h, names, 3, SPAN_LIT("secret"), &why);

		cr_expect_eq(e, rows[i].e, "%s: %s %s", rows[i].bad,
		    err_name(e), why.text);
		cr_expect_not_null(strstr(why.text, rows[i].why), "%s: %s",
		    rows[i].bad, why.text);
	}
	homes_remove(&h);
}

Test(openpgp, no_key_is_an_error)
{
	struct buf key = peer_read(peer_data("bob.pgp")), out;
	struct span spans[1] = {buf_span(&key)};
	struct err_why why = {""};
	struct homes h;
	int fd = out_new("");

	homes_make(&h);
	cr_expect_eq(crypto_pgp_seal(h.pgp, NULL, 0, SPAN_LIT("x"), fd, &why),
	    ERR_NO_KEY);
	cr_expect_eq(crypto_pgp_seal(h.pgp, spans, LIMIT_RECIPIENTS + 1,
			 SPAN_LIT("x"), fd, &why),
	    ERR_LIMIT);
	spans[0] = SPAN(NULL, 0);
	cr_expect_eq(crypto_pgp_seal(h.pgp, spans, 1, SPAN_LIT("x"), fd, &why),
	    ERR_MALFORMED);
	spans[0] = buf_span(&key);
	cr_expect_eq(
	    crypto_pgp_seal(h.pgp, spans, 1, SPAN_LIT("x"), -1, &why), ERR_IO);
	out = out_read(fd);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
	/* and it goes on working */
	cr_expect_eq(crypto_pgp_seal(h.pgp, spans, 1, SPAN_LIT("x"), fd, &why),
	    ERR_OK, "%s", why.text);
	close(fd);
	buf_clear(&key);
	homes_remove(&h);
}

/* A program in the place of gpg. */
static void
fake_gpg(struct homes *h, const char *script)
{
	const char *path = peer_path(h->dir, "gpg");

	peer_write(path, span_str(script));
	cr_assert_eq(chmod(path, 0700), 0);
}

static enum err
seal_with_fake(const char *script, unsigned timeout_ms, struct err_why *why)
{
	static const char *const keys[] = {"bob.pgp"};
	struct homes h;
	char fake[96];
	enum err e;

	homes_make(&h);
	crypto_pgp_close(h.pgp);
	h.pgp = NULL;
	fake_gpg(&h, script);
	snprintf(fake, sizeof(fake), "%s/gpg", h.dir);
	cr_assert_eq(crypto_pgp_open(h.gateway, fake, timeout_ms, &h.pgp, why),
	    ERR_OK, "%s", why->text);
	e = seal(&h, keys, 1, SPAN_LIT("secret"), why);
	homes_remove(&h);
	return e;
}

#define FAKE                                                                   \
	"#!/bin/sh\n"                                                          \
	"[ \"$1\" = --version ] && exec gpg --version\n"

Test(openpgp, a_gpg_that_hangs_is_given_up)
{
	struct err_why why = {""};

	cr_expect_eq(seal_with_fake(FAKE "exec sleep 1000\n", 300, &why),
	    ERR_TIMEOUT, "%s", why.text);
	cr_expect_not_null(strstr(why.text, "300 ms"));
}

Test(openpgp, a_gpg_that_lies_or_dies_is_not_believed)
{
	static const struct {
		const char *script;
	} rows[] = {
	    {FAKE "exit 1\n"},
	    {FAKE "exit 0\n"},
	    {FAKE "kill -9 $$\n"},
	    /* the message as it came, in the clear */
	    {FAKE "cat\n"},
	    {FAKE "cat >/dev/null; echo '-----BEGIN PGP MESSAGE-----'\n"},
	    {FAKE "cat >/dev/null\n"
		  "echo '-----BEGIN PGP MESSAGE-----'; echo; echo QUJD\n"
		  "echo '-----END PGP MESSAGE-----'\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};

		cr_expect_eq(
		    seal_with_fake(rows[i].script, HOMES_TIMEOUT, &why),
		    ERR_ENGINE, "%s: %s", rows[i].script, why.text);
	}
}

Test(openpgp, a_gpg_that_writes_without_end_is_cut_off)
{
	struct err_why why = {""};

	cr_expect_eq(seal_with_fake(FAKE "cat >/dev/null\n"
					 "echo '-----BEGIN PGP MESSAGE-----'\n"
					 "exec head -c 1000000 /dev/zero\n",
			 HOMES_TIMEOUT, &why),
	    ERR_TOO_BIG, "%s", why.text);
}

Test(openpgp, a_gpg_that_leaves_out_a_recipient_is_not_believed)
{
	static const char *const keys[] = {"bob.pgp", "rita.pgp"};
	struct homes h;
	struct err_why why = {""};
	char fake[96];

	homes_make(&h);
	crypto_pgp_close(h.pgp);
	h.pgp = NULL;
	/* drops the last two arguments of a command that has recipients */
	fake_gpg(&h,
	    FAKE "n=$#\n"
		 "i=0\n"
		 "out=\n"
		 "for a; do\n"
		 "	i=$((i + 1))\n"
		 "	case $a in */k1) set -- \"$@\"; out=\"$out $prev0\";;\n"
		 "	-f|--recipient-file|-F) prev=$a; continue;;\n"
		 "	*/k0) out=\"$out $prev $a\";;\n"
		 "	*) out=\"$out $a\";; esac\n"
		 "done\n"
		 "exec gpg $out\n");
	snprintf(fake, sizeof(fake), "%s/gpg", h.dir);
	cr_assert_eq(
	    crypto_pgp_open(h.gateway, fake, HOMES_TIMEOUT, &h.pgp, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(seal(&h, keys, 1, SPAN_LIT("secret"), &why), ERR_OK, "%s",
	    why.text);
	cr_expect_eq(seal(&h, keys, 2, SPAN_LIT("secret"), &why), ERR_ENGINE);
	cr_expect_str_eq(why.text, "gpg sealed to 1 of 2 keys");
	homes_remove(&h);
}

Test(openpgp, homes_that_will_not_do_are_refused)
{
	char dir[64], path[200];
	struct crypto_pgp *pgp = NULL;
	struct err_why why = {""};

	peer_dir_make(dir);
	cr_expect_eq(
	    crypto_pgp_open("relative", NULL, 1, &pgp, &why), ERR_CONFIG);
	snprintf(path, sizeof(path), "%s/%0100d", dir, 1);
	cr_expect_eq(crypto_pgp_open(path, NULL, 1, &pgp, &why), ERR_CONFIG);
	snprintf(path, sizeof(path), "%s/a\nb", dir);
	cr_expect_eq(crypto_pgp_open(path, NULL, 1, &pgp, &why), ERR_CONFIG);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_expect_eq(crypto_pgp_open(dir, NULL, 1, &pgp, &why), ERR_PERMISSION);
	snprintf(path, sizeof(path), "%s/not/there", dir);
	cr_expect_neq(crypto_pgp_open(path, NULL, 1, &pgp, &why), ERR_OK);
	cr_expect_null(pgp);
	peer_dir_remove(dir);
}

Test(openpgp, the_home_is_left_as_it_was)
{
	struct homes h;
	static const char *const keys[] = {"bob.pgp"};
	struct err_why why = {""};
	struct crypto_pgp_list list = {0};
	struct buf key;

	homes_make(&h);
	cr_expect_eq(seal(&h, keys, 1, SPAN_LIT("x"), &why), ERR_OK);
	key = peer_read(peer_data("bob.pgp"));
	cr_expect_eq(
	    crypto_pgp_inspect(h.pgp, buf_span(&key), &list, &why), ERR_OK);
	crypto_pgp_list_clear(&list);
	buf_clear(&key);
	cr_expect_neq(access(peer_path(h.gateway, "k0"), F_OK), 0);
	cr_expect_neq(access(peer_path(h.gateway, "a/pubring.kbx"), F_OK), 0);
	crypto_pgp_close(h.pgp);
	h.pgp = NULL;
	cr_expect_eq(rmdir(h.gateway), 0, "something is left in it");
	homes_remove(&h);
}

/* In a child: no environment, no user database entry, not dumpable. */
static int
in_the_cold(const char *home, const struct buf *key)
{
	struct crypto_pgp *pgp = NULL;
	struct crypto_pgp_list list = {0};
	struct span span = buf_span(key);
	struct err_why why = {""};
	int fd = memfd_create("out", MFD_CLOEXEC), rc = 0;

	clearenv();
	if (geteuid() == 0 && (setgid(54321) != 0 || setuid(54321) != 0))
		return 10;
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return 11;
	if (crypto_pgp_open(home, NULL, HOMES_TIMEOUT, &pgp, &why) != ERR_OK)
		rc = 12;
	else if (crypto_pgp_seal(pgp, &span, 1, SPAN_LIT("x"), fd, &why) !=
		 ERR_OK)
		rc = 13;
	else if (crypto_pgp_inspect(pgp, span, &list, &why) != ERR_OK ||
		 list.certs[0].seal_err != ERR_OK)
		rc = 14;
	if (rc != 0)
		fprintf(stderr, "%s\n", why.text);
	crypto_pgp_list_clear(&list);
	crypto_pgp_close(pgp);
	close(fd);
	return rc;
}

Test(openpgp, works_without_home_user_entry_and_dumpable)
{
	struct buf key = peer_read(peer_data("bob.pgp"));
	char dir[64], home[80];
	int status = 0;
	pid_t pid;

	peer_dir_make(dir);
	snprintf(home, sizeof(home), "%s/g", dir);
	cr_assert_eq(chmod(dir, 0777), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(in_the_cold(home, &key));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), 0, "%d", WEXITSTATUS(status));
	buf_clear(&key);
	peer_dir_remove(dir);
}
