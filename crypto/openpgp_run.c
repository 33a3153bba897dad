/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One run of gpg through GPGME, under a deadline. GPGME's own wait has none
 * and does not see gpgme_cancel_async() while gpg is silent, so its
 * descriptors are polled here.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "crypto/openpgp_private.h"

enum err
crypto_pgp_engine_why(struct err_why *why, gpgme_error_t err, const char *what)
{
	char text[128];

	if (gpgme_err_code(err) == GPG_ERR_ENOMEM)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	gpgme_strerror_r(err, text, sizeof(text));
	return err_why(why, ERR_ENGINE, "%s: %s", what, text);
}

static gpgme_error_t
add_fd(
    void *arg, int fd, int dir, gpgme_io_cb_t call, void *call_arg, void **tag)
{
	struct pgp_run *run = arg;

	for (size_t i = 0; i < PGP_FDS_MAX; i++) {
		struct pgp_fd *slot = &run->fds[i];

		if (slot->used)
			continue;
		*slot = (struct pgp_fd){.fd = fd,
		    .used = true,
		    .for_reading = dir != 0,
		    .call = call,
		    .arg = call_arg};
		*tag = slot;
		return 0;
	}
	return gpgme_error(GPG_ERR_EMFILE);
}

static void
remove_fd(void *tag)
{
	struct pgp_fd *slot = tag;

	slot->used = false;
}

static void
add_key(struct pgp_run *run, gpgme_key_t key)
{
	size_t max = run->max_keys == 0 ? 16 : run->max_keys * 2;
	gpgme_key_t *keys;

	if (run->n_keys == run->max_keys) {
		keys = reallocarray(run->keys, max, sizeof(gpgme_key_t));
		if (keys == NULL) {
			run->failed = true;
			gpgme_key_unref(key);
			return;
		}
		run->keys = keys;
		run->max_keys = max;
	}
	run->keys[run->n_keys++] = key;
}

static void
take_event(void *arg, gpgme_event_io_t type, void *data)
{
	struct pgp_run *run = arg;
	gpgme_io_event_done_data_t done;

	switch (type) {
	case GPGME_EVENT_START:
		run->started = true;
		return;
	case GPGME_EVENT_DONE:
		done = data;
		run->err = done->err != 0 ? done->err : done->op_err;
		run->done = true;
		return;
	case GPGME_EVENT_NEXT_KEY:
		add_key(run, data);
		return;
	case GPGME_EVENT_NEXT_TRUSTITEM:
		return;
	}
}

void
crypto_pgp_run_clear(struct pgp_run *run)
{
	for (size_t i = 0; i < run->n_keys; i++)
		gpgme_key_unref(run->keys[i]);
	free(run->keys);
	*run = (struct pgp_run){0};
}

enum err
crypto_pgp_run_init(struct pgp_side *side, const char *gpg, struct err_why *why)
{
	struct gpgme_io_cbs calls = {.add = add_fd,
	    .add_priv = &side->run,
	    .remove = remove_fd,
	    .event = take_event,
	    .event_priv = &side->run};
	gpgme_error_t err = gpgme_new(&side->ctx);

	if (err == 0)
		err = gpgme_set_protocol(side->ctx, GPGME_PROTOCOL_OpenPGP);
	/* runs gpg --version: why a context is made once */
	if (err == 0)
		err = gpgme_ctx_set_engine_info(
		    side->ctx, GPGME_PROTOCOL_OpenPGP, gpg, side->home);
	if (err == 0)
		err = gpgme_set_keylist_mode(side->ctx, side->keylist_mode);
	if (err != 0)
		return crypto_pgp_engine_why(why, err, "GnuPG does not start");
	gpgme_set_offline(side->ctx, 1);
	gpgme_set_io_cbs(side->ctx, &calls);
	return ERR_OK;
}

/* Wait for the descriptors once and serve those that are ready. */
static enum err
serve(struct pgp_run *run, int wait_ms)
{
	struct pollfd polls[PGP_FDS_MAX];
	struct pgp_fd *slots[PGP_FDS_MAX];
	nfds_t n = 0;
	int ready;

	for (size_t i = 0; i < PGP_FDS_MAX; i++) {
		if (!run->fds[i].used)
			continue;
		slots[n] = &run->fds[i];
		polls[n++] = (struct pollfd){.fd = run->fds[i].fd,
		    .events = run->fds[i].for_reading ? POLLIN : POLLOUT};
	}
	/* nothing left to wait for, and yet not done */
	if (n == 0)
		return ERR_ENGINE;
	ready = poll(polls, n, wait_ms);
	if (ready < 0)
		return errno == EINTR ? ERR_OK : err_from_errno(errno);
	for (nfds_t i = 0; i < n && !run->done; i++)
		/* a call may have removed others */
		if (polls[i].revents != 0 && slots[i]->used &&
		    slots[i]->fd == polls[i].fd)
			slots[i]->call(slots[i]->arg, slots[i]->fd);
	return ERR_OK;
}

enum err
crypto_pgp_run(struct pgp_side *side, gpgme_error_t started,
    unsigned timeout_ms, gpgme_error_t *out, struct err_why *why)
{
	struct pgp_run *run = &side->run;
	uint64_t end = clock_steady_ms() + timeout_ms;
	enum err e = ERR_OK;

	if (started != 0)
		return crypto_pgp_engine_why(why, started, "GnuPG");
	while (!run->done && e == ERR_OK) {
		uint64_t now = clock_steady_ms();

		if (now >= end)
			e = err_why(why, ERR_TIMEOUT,
			    "gpg did not finish within %u ms", timeout_ms);
		else
			e = serve(run, (int)(end - now));
	}
	if (e != ERR_OK) {
		/* closes the pipes; ends in the event DONE */
		gpgme_cancel(side->ctx);
		return e == ERR_TIMEOUT ? e
					: err_why(why, ERR_ENGINE,
					      "the talk with gpg broke off");
	}
	if (run->failed)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	*out = run->err;
	return ERR_OK;
}
