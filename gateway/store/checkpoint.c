/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Checkpoints of the audit log on their way elsewhere: to the system's log, as
 * a datagram that is never waited for, and by mail, as an entry like any other.
 * What is told is a number, a digest and a key, nothing of the records.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_private.h"
#include "mime/date.h"

enum {
	HEX = 2 * DIGEST_SIZE + 1,
	PRIORITY = 10 * 8 + 5, /* RFC 5424 6.2.1: authpriv, notice */
	DATAGRAM = 512,
	TEXT = 4096,
};

struct words {
	unsigned long long number;
	char hash[HEX], key[HEX];
};

static struct words
words_of(const struct store_audit_head *h)
{
	struct words w = {.number = h->seq};

	text_hex(SPAN(h->hash, DIGEST_SIZE), w.hash);
	text_hex(SPAN(h->key, SIGN_PUB), w.key);
	return w;
}

/* --- the system's log --- */

void
store_checkpoint_open(struct store *s)
{
	/* behind the walls there are no new sockets, and the configuration may
	   ask for it later */
	s->syslog_fd =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
store_checkpoint_close(struct store *s)
{
	if (s->syslog_fd >= 0)
		close(s->syslog_fd);
}

static void
to_syslog(const struct store *s, const struct words *w)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = s->conf->audit.syslog;
	char text[DATAGRAM];
	int n;

	if (path == NULL || s->syslog_fd < 0 ||
	    strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	n = snprintf(text, sizeof(text),
	    "<%d>sealgate: audit-checkpoint number=%llu hash=%s key=%s",
	    PRIORITY, w->number, w->hash, w->key);
	if (sendto(s->syslog_fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&to, sizeof(to)) < 0)
		log_event(LOG_LVL_WARN, NULL, "audit-syslog",
		    KV_STR("path", path), KV_NUM("number", w->number));
}

/* --- by mail --- */

static void
write_mail(const struct store *s, const struct words *w, char text[TEXT])
{
	const char *host = s->conf->hostname;
	char time[TEXT_TIME_SIZE];

	text_time_ms(clock_unix_ms(), time);
	snprintf(text, TEXT,
	    "From: <postmaster@%s>\r\n"
	    "To: <%s>\r\n"
	    "Subject: Audit checkpoint %llu of %s\r\n"
	    "Date: %s\r\n"
	    "Message-ID: <audit.%llu.%.16s@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "\r\n"
	    "The audit log of %s stood at record %llu at %s.\r\n"
	    "Keep this message: with it anybody can check later that nothing "
	    "before\r\n"
	    "that record was changed or cut off:\r\n"
	    "\r\n"
	    "sealgate audit verify --head %llu:%s \\\r\n"
	    "  --key %s\r\n",
	    host, s->conf->audit.checkpoint_mail, w->number, host,
	    mime_date((int64_t)(clock_unix_ms() / 1000)).text, w->number,
	    w->hash, host, host, w->number, time, w->number, w->hash, w->key);
}

void
store_checkpoint_tick(struct store *s)
{
	const struct conf_audit *c = &s->conf->audit;
	uint64_t now = clock_steady_ms();
	struct words w = words_of(&s->checkpoint);
	char text[TEXT];

	if (s->checkpoint.seq == s->mailed_seq || c->checkpoint_mail == NULL ||
	    s->stopping || s->ready_pub.purpose != SEALED_READY ||
	    (s->mailed_ms != 0 && now - s->mailed_ms < c->mail_ms))
		return;
	s->mailed_ms = now;
	s->mailed_seq = w.number;
	write_mail(s, &w, text);
	store_queue(s, STORE_OP_MAIL, 0, NULL, span_str(text));
}

static enum entry_route
route_to(const struct conf *c, const char *addr)
{
	const char *at = strrchr(addr, '@');

	return at != NULL && c->inbound.present &&
		       conf_domain_is_ours(c, span_str(at + 1))
		   ? ENTRY_INBOUND
		   : ENTRY_OUTBOUND;
}

bool
store_own_mail_may_fail(const struct entry *e)
{
	static const char *const marks[] = {STORE_OWN_ALARM, STORE_OWN_CODE,
	    STORE_OWN_RECEIPT, STORE_OWN_REPORT};

	if (e->from[0] != '\0' || e->rule[0] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(e->reason, marks[i]) == 0)
			return true;
	return false;
}

enum err
store_add_own_mail(
    struct store *s, struct db_txn *txn, const struct store_own_mail *m)
{
	struct entry_rcpt rcpt = {.addr = m->to,
	    .key = m->to_key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
	struct entry e = {.id = entry_new_id(),
	    .message_id = entry_new_id(),
	    .kind = ENTRY_READY,
	    .require = m->require,
	    .from = "",
	    .from_key = "",
	    .envid = "",
	    .accepted_ms = clock_unix_ms(),
	    .rcpt = &rcpt,
	    .n_rcpt = 1,
	    .reason = m->reason == NULL ? "" : m->reason,
	    .rule = "",
	    .wait_object = "",
	    .file = ""};
	enum err err;

	e.route = route_to(s->conf, m->to_key);
	entry_forget_origin(&e);
	err = entry_seal(&e, &s->ready_pub, m->text, s->arena);
	return err == ERR_OK ? store_add_entry(s, txn, &e, store_now(s)) : err;
}

enum err
store_apply_mail(struct store *s, struct db_txn *txn, struct store_op *op)
{
	const char *to = s->conf->audit.checkpoint_mail;
	const struct store_own_mail m = {
	    .to = to, .to_key = to, .text = op->payload};

	/* the configuration may have changed since */
	return to == NULL ? ERR_OK : store_add_own_mail(s, txn, &m);
}

/* --- */

void
store_on_checkpoint(void *arg, const struct store_audit_head *h)
{
	struct store *s = arg;
	struct words w = words_of(h);

	to_syslog(s, &w);
	/* the batch that is under way is not to get longer */
	s->checkpoint = *h;
}
