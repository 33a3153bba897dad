/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A run of gpg, with other programs in its place: what it says, what it
 * writes, how it ends.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/openpgp_private.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

struct run {
	struct homes h;
	struct pgp_output out;
	char said[8192]; /* keyword|args; */
	struct err_why why;
	struct pgp_end end;
	int fd;
};

static void
hear(void *arg, const char *keyword, const char *args)
{
	struct run *r = arg;
	size_t n = strlen(r->said);

	snprintf(
	    r->said + n, sizeof(r->said) - n, "%.20s|%.20s;", keyword, args);
}

/* max: octets of output. */
static enum err
run(struct run *r, const char *script, struct span in, uint64_t max,
    unsigned timeout_ms)
{
	struct pgp_job job = {
	    .in = in, .out = &r->out, .status = hear, .arg = r};
	struct pgp_args args;
	char fake[96], text[1024];
	enum err e;

	homes_make(&r->h);
	crypto_pgp_close(r->h.pgp);
	r->h.pgp = NULL;
	snprintf(fake, sizeof(fake), "%s/gpg", r->h.dir);
	snprintf(text, sizeof(text),
	    "#!/bin/sh\n[ \"$1\" = --version ] && exec gpg --version\n%s\n",
	    script);
	peer_write(fake, span_str(text));
	cr_assert_eq(chmod(fake, 0700), 0);
	cr_assert_eq(crypto_pgp_open(
			 r->h.gateway, fake, HOMES_TIMEOUT, &r->h.pgp, &r->why),
	    ERR_OK, "%s", r->why.text);
	r->said[0] = '\0';
	r->end.status = -2;
	r->fd = out_new("");
	cr_assert_eq(
	    crypto_pgp_output_begin(&r->out, r->fd, 0, 0, &r->why), ERR_OK);
	r->out.max = max;
	cr_assert_eq(crypto_pgp_args_begin(&args, &r->h.pgp->seal, 1), ERR_OK);
	crypto_pgp_args_add(&args, "--last");
	job.argv = args.argv;
	e = crypto_pgp_spawn(
	    &r->h.pgp->seal, &job, timeout_ms, &r->end, &r->why);
	crypto_pgp_args_clear(&args);
	return e;
}

static void
run_end(struct run *r)
{
	close(r->fd);
	homes_remove(&r->h);
}

static bool
wrote(struct run *r, const char *text)
{
	struct buf b = out_read(r->fd);
	bool same = span_eq_str(buf_span(&b), text);

	buf_clear(&b);
	return same;
}

Test(openpgp_spawn, what_it_says_and_how_it_ends_is_told)
{
	static const struct {
		const char *script;
		int status;
		const char *said, *wrote;
	} rows[] = {
	    {"exit 0", 0, "", ""},
	    {"exit 2", 2, "", ""},
	    {"kill -9 $$", -1, "", ""},
	    {"kill -15 $$", -1, "", ""},
	    {"cat; echo '[GNUPG:] ONE two three' >&3", 0, "ONE|two three;",
		"text"},
	    {"echo '[GNUPG:] ONE' >&3; echo out; exit 1", 1, "ONE|;", "out\n"},
	    /* not its own line, not whole, not a line */
	    {"echo 'GNUPG: ONE' >&3; echo '[GNUPG:] TWO' >&3", 0, "TWO|;", ""},
	    {"printf '[GNUPG:] ONE' >&3", 0, "", ""},
	    {"printf '[GNUPG:] O' >&3; sleep 0; printf 'NE x\\n\\n' >&3", 0,
		"ONE|x;", ""},
	    {"printf '[GNUPG:] LONG %5000s\\n[GNUPG:] ONE\\n' x >&3", 0,
		"ONE|;", ""},
	    /* what is for people goes nowhere */
	    {"echo '[GNUPG:] ONE' >&2; echo '[GNUPG:] TWO'", 0, "",
		"[GNUPG:] TWO\n"},
	    {"exec 3>&-; cat", 0, "", "text"},
	    {"exec 1>&-; cat >/dev/null; echo '[GNUPG:] ONE' >&3", 0, "ONE|;",
		""},
	    {"for a; do last=$a; done; echo $last", 0, "", "--last\n"},
	    {"echo $LC_ALL", 0, "", "C\n"},
	    /* its four descriptors and the one that ls reads with */
	    {"exec ls /proc/self/fd", 0, "", "0\n1\n2\n3\n4\n"},
	    /* it ends after it has closed what it writes to */
	    {"exec 1>&- 3>&-; sleep 0.1; exit 4", 4, "", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run r = {.fd = -1};
		/* one that does not read it may end before it is written */
		const char *in =
		    strstr(rows[i].script, "cat") != NULL ? "text" : "";

		cr_assert_eq(
		    run(&r, rows[i].script, span_str(in), 1000, HOMES_TIMEOUT),
		    ERR_OK, "%s: %s", rows[i].script, r.why.text);
		cr_expect_eq(r.end.status, rows[i].status, "%s: %d",
		    rows[i].script, r.end.status);
		cr_expect(!r.end.cut, "%s", rows[i].script);
		cr_expect_str_eq(
		    r.said, rows[i].said, "%s: %s", rows[i].script, r.said);
		cr_expect(wrote(&r, rows[i].wrote), "%s", rows[i].script);
		run_end(&r);
	}
}

Test(openpgp_spawn, more_than_a_pipe_holds_passes_both_ways)
{
	struct buf in = peer_octets(3000017), out;
	struct run r = {.fd = -1};

	cr_assert_eq(run(&r, "exec cat", buf_span(&in), in.len, HOMES_TIMEOUT),
	    ERR_OK, "%s", r.why.text);
	out = out_read(r.fd);
	cr_expect(span_eq(buf_span(&in), buf_span(&out)));
	cr_expect_eq(r.out.len, in.len);
	buf_clear(&out);
	run_end(&r);
	/* nobody reads it: no reason to wait, and none to die */
	cr_assert_eq(
	    run(&r, "exit 3", buf_span(&in), 10, HOMES_TIMEOUT), ERR_OK);
	cr_expect_eq(r.end.status, 3);
	cr_expect(r.end.cut);
	run_end(&r);
	buf_clear(&in);
}

/* Success is not believed of a gpg that cannot have seen all of the text. */
Test(openpgp_spawn, one_that_got_half_of_it_has_failed)
{
	static const char all_is_well[] =
	    "echo '[GNUPG:] END_ENCRYPTION' >&3; echo whole; exit 0";
	struct buf in = peer_octets(3000017);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct run r = {.fd = -1};
	char script[128];
	uint8_t *half;

	snprintf(script, sizeof(script), "head -c 10 >/dev/null; exec 0<&-; %s",
	    all_is_well);
	cr_expect_eq(
	    run(&r, script, buf_span(&in), 1000, HOMES_TIMEOUT), ERR_ENGINE);
	cr_expect_str_eq(r.said, "END_ENCRYPTION|;");
	cr_expect_not_null(strstr(r.why.text, "did not read all"));
	run_end(&r);
	buf_clear(&in);
	/* a write that fails behind the first page, for gpg the end of it */
	half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(half, MAP_FAILED);
	cr_assert_eq(mprotect(half + page, page, PROT_NONE), 0);
	r = (struct run){.fd = -1};
	snprintf(script, sizeof(script), "cat >/dev/null; %s", all_is_well);
	cr_expect_eq(run(&r, script, SPAN(half, 2 * page), 1000, HOMES_TIMEOUT),
	    ERR_ENGINE);
	cr_expect_not_null(strstr(r.why.text, "broke off"), "%s", r.why.text);
	run_end(&r);
	munmap(half, 2 * page);
}

Test(openpgp_spawn, one_that_writes_without_end_is_killed)
{
	struct run r = {.fd = -1};

	cr_expect_eq(run(&r, "while :; do echo x; done", SPAN_LIT(""), 100,
			 HOMES_TIMEOUT),
	    ERR_OK, "%s", r.why.text);
	cr_expect_eq(r.out.e, ERR_TOO_BIG);
	cr_expect_leq(r.out.len, 100);
	cr_expect_eq(r.end.status, -1);
	run_end(&r);
}

Test(openpgp_spawn, one_that_hangs_is_killed_and_given_up)
{
	/* it reads nothing; it has closed what it writes to */
	static const char *const rows[] = {
	    "exec sleep 600", "exec 1>&- 3>&-; exec sleep 600"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run r = {.fd = -1};
		int status = 0;

		cr_expect_eq(run(&r, rows[i], SPAN_LIT("text"), 100, 200),
		    ERR_TIMEOUT, "%s", rows[i]);
		cr_expect_not_null(strstr(r.why.text, "200 ms"));
		/* the only child that is left */
		cr_assert_gt(waitpid(-1, &status, 0), 0, "%s", rows[i]);
		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		    "%s", rows[i]);
		run_end(&r);
	}
}

Test(openpgp_spawn, one_that_is_not_there_is_an_error)
{
	struct run r = {.fd = -1};
	struct pgp_job job = {.status = hear, .arg = &r, .out = &r.out};
	struct pgp_args args;
	char fake[96];

	cr_assert_eq(
	    run(&r, "exit 0", SPAN_LIT(""), 10, HOMES_TIMEOUT), ERR_OK);
	snprintf(fake, sizeof(fake), "%s/gpg", r.h.dir);
	cr_assert_eq(unlink(fake), 0);
	cr_assert_eq(crypto_pgp_args_begin(&args, &r.h.pgp->seal, 0), ERR_OK);
	job.argv = args.argv;
	/* whatever the system says: not there, and not to be run */
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(crypto_pgp_spawn(&r.h.pgp->seal, &job,
				 HOMES_TIMEOUT, &r.end, &r.why),
		    ERR_ENGINE, "%zu", i);
		cr_expect_not_null(
		    strstr(r.why.text, "cannot run"), "%s", r.why.text);
		peer_write(fake, SPAN_LIT("#!/bin/sh\nexit 0\n"));
		cr_assert_eq(chmod(fake, 0600), 0);
	}
	crypto_pgp_args_clear(&args);
	run_end(&r);
}

Test(openpgp_spawn, words_of_a_status_line)
{
	static const struct {
		const char *args;
		unsigned n;
		const char *word;
	} rows[] = {
	    {"a bc d", 0, "a"},
	    {"a bc d", 1, "bc"},
	    {"a bc d", 2, "d"},
	    {"a bc d", 3, ""},
	    {"a  bc ", 1, "bc"},
	    {"a  bc ", 2, ""},
	    {"", 0, ""},
	    {"", 5, ""},
	};
	static const struct {
		const char *args;
		gpgme_err_code_t code;
	} errors[] = {
	    {"encrypt 53", GPG_ERR_UNUSABLE_PUBKEY},
	    {"gpg-exit 33554433", GPG_ERR_GENERAL},
	    /* never none */
	    {"encrypt 0", GPG_ERR_GENERAL},
	    {"encrypt", GPG_ERR_GENERAL},
	    {"", GPG_ERR_GENERAL},
	    {"encrypt x", GPG_ERR_GENERAL},
	    {"encrypt 99999999999999", GPG_ERR_GENERAL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect(
		    span_eq_str(crypto_pgp_status_word(rows[i].args, rows[i].n),
			rows[i].word),
		    "%s, %u", rows[i].args, rows[i].n);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		cr_expect_eq(
		    gpgme_err_code(crypto_pgp_status_error(errors[i].args)),
		    errors[i].code, "%s", errors[i].args);
}
