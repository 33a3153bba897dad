/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of crypto/openpgp*.c share: the handle, one run of gpg under
 * a deadline, the files of the home.
 */
#ifndef CRYPTO_OPENPGP_PRIVATE_H
#define CRYPTO_OPENPGP_PRIVATE_H

#include <gpgme.h>

#include "crypto/openpgp.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_open.h"
#include "crypto/openpgp_sign.h"

struct secret;

#define PGP_GRIP    40 /* digits of a keygrip */
#define PGP_KEYRING "pubring.gpg"
#define PGP_FDS_MAX                                                            \
	16 /* descriptors GPGME waits for in one run; it needs six */

struct pgp_fd {
	int fd;
	bool used, for_reading;
	gpgme_io_cb_t call;
	void *arg;
};

/* GPGME's descriptors, waited for here: its own wait has no time limit. */
struct pgp_run {
	struct pgp_fd fds[PGP_FDS_MAX];
	bool started, done;
	gpgme_error_t err;
	gpgme_key_t *keys; /* what a listing found, referenced */
	size_t n_keys, max_keys;
	bool failed; /* a key did not fit */
};

/* One GPGME context, bound to one home. */
struct pgp_side {
	char home[CRYPTO_PGP_HOME_MAX + 8];
	int dir; /* descriptor of home */
	gpgme_keylist_mode_t keylist_mode;
	gpgme_ctx_t ctx;
	struct pgp_run run;
};

/* A secret key in the home of pgp->sign. */
struct pgp_secret {
	gpgme_key_t key;      /* referenced; NULL: no secret here */
	uint8_t fpr[20];      /* of the primary key */
	uint8_t digest[32];   /* of its octets: told apart from a later copy */
	char sub[2 * 20 + 1]; /* fingerprint of the subkey that signs */
	char sub_alg[16];
	int64_t until; /* Unix seconds: judge it anew then; 0: never */
	uint64_t used; /* the smaller the longer ago */
};

/* A secret key in the home of pgp->open. Its files have names there that
   gpg-agent does not look at, but while it may be used. */
struct pgp_kept {
	struct buf pub;	    /* its public half as gpg has it; empty: no key */
	uint8_t digest[32]; /* of the secret key's octets */
	uint8_t fpr[20];    /* of the primary key */
	char (*grips)[PGP_GRIP + 1]; /* the names of its files */
	size_t n_grips;
	uint8_t (*ids)[CRYPTO_PGP_KEY_ID]; /* of primary key and subkeys */
	size_t n_ids;
	uint64_t used; /* the smaller the longer ago */
};

struct pgp_checked; /* openpgp_checked.c */

/* A certificate whose own signatures gpg has checked. */
struct pgp_found {
	const char *fpr;  /* in hexadecimal; NULL: it has not */
	struct span ring; /* as a keyring of gpg's has it */
};

struct crypto_pgp {
	struct pgp_side seal;  /* keys come as files, or in its keyring */
	struct pgp_side admit; /* a keyring that lasts for one inspection */
	struct pgp_side sign;  /* a keyring of secret keys, with an agent */
	struct pgp_side open;  /* the same; its keyring is of the request */
	struct pgp_kept kept[CRYPTO_PGP_SECRETS];
	struct pgp_secret secrets[CRYPTO_PGP_SECRETS];
	struct pgp_checked *checked; /* NULL: none so far */
	uint64_t secrets_used;	     /* counts */
	unsigned timeout_ms;
};

/* Where gpg's output goes: to the end of a file, with the first thing that
   went wrong. */
struct pgp_output {
	int fd;
	off_t start;
	uint64_t len, max;
	enum err e;
};

/* Make the context of a side, whose home and dir are set. */
enum err crypto_pgp_run_init(
    struct pgp_side *side, const char *gpg, struct err_why *why) MUST_CHECK;
/* Forget the last run and its keys; call it before gpgme_op_*_start(). */
void crypto_pgp_run_clear(struct pgp_run *run);
/* Drive the operation that a gpgme_op_*_start() call began; started is what
   that returned. ERR_OK also when gpg ended with an error: that is *out.
   ERR_TIMEOUT, ERR_ENGINE. */
enum err crypto_pgp_run(struct pgp_side *side, gpgme_error_t started,
    unsigned timeout_ms, gpgme_error_t *out, struct err_why *why) MUST_CHECK;
/* What a run of gpg is about; all borrowed. */
struct pgp_job {
	char *const *argv;
	struct span in;
	struct pgp_output *out; /* its e: what went wrong with it */
	/* for each line of its status */
	void (*status)(void *arg, const char *keyword, const char *args);
	void *arg;
};
/* How a run ended. */
struct pgp_end {
	int status; /* -1: it was killed */
	bool cut;   /* it closed its input before all was written */
};
/* Run gpg without GPGME. When something is wrong with the output gpg is killed.
   ERR_TIMEOUT (killed, too, but perhaps not yet gone), ERR_NOMEM, ERR_ENGINE:
   also when it cannot be started, and when it says that all is well and did not
   read all of its input. */
enum err crypto_pgp_spawn(struct pgp_side *side, const struct pgp_job *job,
    unsigned timeout_ms, struct pgp_end *out, struct err_why *why) MUST_CHECK;

/* The n-th word of what stands behind a keyword, from 0. */
struct span crypto_pgp_status_word(const char *args, unsigned n);
/* The error in the words of FAILURE; never none. */
gpgme_error_t crypto_pgp_status_error(const char *args);

/* The arguments of a run, borrowed until it is over. */
struct pgp_args {
	char **argv;
	size_t n, max;
};
/* Those of every run, and room for more. */
enum err crypto_pgp_args_begin(
    struct pgp_args *a, const struct pgp_side *side, size_t room) MUST_CHECK;
void crypto_pgp_args_add(struct pgp_args *a, const char *arg);
void crypto_pgp_args_clear(struct pgp_args *a);

/* "what: text of err", as an ERR_ENGINE (ERR_NOMEM if it is that). */
enum err crypto_pgp_engine_why(
    struct err_why *why, gpgme_error_t err, const char *what);

/* Write a file of a home, 0600; an existing one is replaced. */
enum err crypto_pgp_file_write(const struct pgp_side *side, const char *name,
    struct span octets, struct err_why *why) MUST_CHECK;
/* Begin an output of what becomes of in_len octets for n_certs. */
enum err crypto_pgp_output_begin(struct pgp_output *o, int fd, size_t in_len,
    size_t n_certs, struct err_why *why) MUST_CHECK;
/* Hand on e; unless it is ERR_OK the file is as it was at the beginning. */
enum err crypto_pgp_output_end(struct pgp_output *o, enum err e) MUST_CHECK;
/* Append up to max octets of the output from there on. */
enum err crypto_pgp_output_read(const struct pgp_output *o, uint64_t from,
    size_t max, struct buf *out) MUST_CHECK;
/* Append; what was wrong with the first such stays in o->e. */
enum err crypto_pgp_output_add(
    struct pgp_output *o, struct span octets) MUST_CHECK;
/* Forget what was written so far, for another run. */
void crypto_pgp_output_again(struct pgp_output *o);
/* ERR_ENGINE unless the output begins and ends so. */
enum err crypto_pgp_output_is(
    const struct pgp_output *o, const char *first, const char *last) MUST_CHECK;

/* The signature that gpg says it has made. */
struct pgp_created {
	unsigned n; /* how often it said so */
	char type;  /* 'D': detached, 'S': normal */
	uint64_t hash, class;
	char fpr[2 * 20 + 1]; /* of the key or subkey */
};
/* The words of SIG_CREATED. */
void crypto_pgp_created_take(struct pgp_created *c, const char *args);
/* The fingerprint in hexadecimal, for gpg. */
void crypto_pgp_secret_name(
    const struct pgp_secret *secret, char out[2 * 20 + 1]);

/* Seal, and sign with secret unless it is NULL; what gpg says of the signature
   goes to *created then. What was written on failure is the caller's to take
   back. */
enum err crypto_pgp_seal_with(struct crypto_pgp *pgp, const struct span *certs,
    size_t n, const struct pgp_secret *secret, struct span in,
    struct pgp_output *out, struct pgp_created *created,
    struct err_why *why) MUST_CHECK;

/* Is there what gpg made of this certificate when it checked it? The second
   time that it is asked for, gpg is run for that. out->fpr is NULL if gpg has
   to look at it itself; borrowed until the next call. ERR_TIMEOUT. */
enum err crypto_pgp_checked_find(struct crypto_pgp *pgp, struct span cert,
    struct pgp_found *out, struct err_why *why) MUST_CHECK;
/* It did not do: gpg looks at this certificate itself for a while. */
void crypto_pgp_checked_refuse(struct crypto_pgp *pgp, struct span cert);
void crypto_pgp_checked_clear(struct crypto_pgp *pgp);

/* The name of an algorithm or curve. */
void crypto_pgp_alg_name(const gpgme_subkey_t key, char out[16]);
/* RSA and ElGamal below LIMIT_RSA_BITS_MIN. */
bool crypto_pgp_is_too_short(const gpgme_subkey_t key);
/* The earlier of two expiries, 0 being never. */
int64_t crypto_pgp_earlier(int64_t a, int64_t b);

/* Take the passphrase off a secret key that the agent of the signing side has.
   ERR_PASSPHRASE: it does not open with this one (NULL: none is known).
   ERR_NO_KEY, ERR_TIMEOUT, ERR_ENGINE. */
enum err crypto_pgp_agent_unlock(struct crypto_pgp *pgp, const char *keygrip,
    const struct secret *passphrase, struct err_why *why) MUST_CHECK;

/* The other way: it opens with this one alone from now on. ERR_NO_KEY,
   ERR_TIMEOUT, ERR_ENGINE. */
enum err crypto_pgp_agent_lock(struct crypto_pgp *pgp, const char *keygrip,
    const struct secret *passphrase, struct err_why *why) MUST_CHECK;
/* The secret key with this fingerprint, binary, out of the signing side. The
   caller frees. ERR_TOO_BIG, ERR_TIMEOUT, ERR_ENGINE. */
enum err crypto_pgp_export_secret(struct crypto_pgp *pgp, const char *fpr,
    struct secret **out, struct err_why *why) MUST_CHECK;

/* Import secret keys into a side, one or many. ERR_OK also when gpg took none
   of them; ERR_ENGINE when it did not come to an end, ERR_TIMEOUT, ERR_NOMEM.
 */
enum err crypto_pgp_ring_import(struct pgp_side *side, unsigned timeout_ms,
    struct span octets, struct err_why *why) MUST_CHECK;
/* What the signing side knows of a key whose secret part is there, and which
   subkey signs. out->key is set also where a reason is returned why it does
   not; the caller unreferences it. */
enum err crypto_pgp_ring_judge(struct crypto_pgp *pgp, const char *fpr,
    struct pgp_secret *out, struct err_why *why) MUST_CHECK;

/* Put a secret key into the home, or find it there. Borrowed until the next
   call. Errors are those of crypto_pgp_sign(). */
enum err crypto_pgp_secret_use(struct crypto_pgp *pgp,
    const struct crypto_pgp_signer *signer, struct pgp_secret **out,
    struct err_why *why) MUST_CHECK;
/* End the agent that a process before this one left behind, if there is one,
   and wait for its end, a few seconds at most. One that notices by itself that
   its socket has gone may by then remove that of its successor. */
void crypto_pgp_agent_end(const struct pgp_side *side);
/* Remove all secret keys. */
void crypto_pgp_forget_secrets(struct crypto_pgp *pgp);

/* Have the n secret keys in the home of the opening side, where none can be
   used yet. NULL in out for one that gpg does not take. Borrowed until the next
   call. ERR_TOO_BIG, ERR_TIMEOUT, ERR_ENGINE, ERR_IO. */
enum err crypto_pgp_keep(struct crypto_pgp *pgp, const struct span *secret,
    size_t n, struct pgp_kept **out, struct err_why *why) MUST_CHECK;
/* Let gpg use these, NULL elements aside; and none any more. */
enum err crypto_pgp_keep_permit(struct crypto_pgp *pgp,
    struct pgp_kept *const *kept, size_t n, struct err_why *why) MUST_CHECK;
void crypto_pgp_keep_withdraw(
    struct crypto_pgp *pgp, struct pgp_kept *const *kept, size_t n);
/* Remove all. */
void crypto_pgp_keep_forget(struct crypto_pgp *pgp);

/* What gpg said of n signatures in the last run of a side; one of which it said
   nothing is BAD. */
enum err crypto_pgp_signatures_read(struct pgp_side *side,
    const struct span *certs, size_t n_certs, size_t n,
    struct crypto_pgp_sigs *out, struct err_why *why) MUST_CHECK;
/* Let gpg verify signature packets over a text, with the keyring as it is. */
enum err crypto_pgp_verify_run(struct crypto_pgp *pgp, struct span packets,
    struct span text, struct err_why *why) MUST_CHECK;
/* Write the keyring of the opening side: public halves of secret keys (NULL
   elements aside) and certificates. */
enum err crypto_pgp_keyring_write(struct crypto_pgp *pgp,
    struct pgp_kept *const *kept, size_t n, const struct span *certs,
    size_t n_certs, struct err_why *why) MUST_CHECK;

/* Remove every file of a home but its configuration, and what gpg-agent keeps
   there. agent_stays: it may go on with the next key; else its sockets are
   removed, too, and it ends by itself. */
enum err crypto_pgp_home_forget(const struct pgp_side *side, bool agent_stays,
    struct err_why *why) MUST_CHECK;
/* Remove every file of a home but its configuration. */
enum err crypto_pgp_home_sweep(
    const struct pgp_side *side, struct err_why *why) MUST_CHECK;

#endif
