/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The worker: one message at a time, from its octets to what store commits.
 * No network, no exec, no key that lasts; a message that kills it costs
 * nobody else anything. It reads as the story of a message:
 * parse, facts, decide, seal, hand over.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/stream.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_open.h"
#include "gateway/attached_page.h"
#include "gateway/facts.h"
#include "gateway/groups.h"
#include "gateway/pickup_word.h"
#include "gateway/proto_extract.h"
#include "gateway/recovery.h"
#include "gateway/tls_state.h"
#include "gateway/trust.h"
#include "gateway/worker/worker_private.h"
#include "mime/header.h"

enum {
	CERT_CACHE = 4096,
	/* octets of the arena: strings and parse tree of one message, sealed
	   bodies that go inline */
	ARENA_MAX = 256 * 1024 * 1024,
	KEYSTORE_TRIES = 100, /* of 100 ms: store makes it at first start */
};

/* --- one message --- */

/* A message that killed workers is not looked into: it waits, sealed, for an
   administrator. */
static enum err
put_aside(struct job *j)
{
	struct job_rcpt **all = arena_array(j->arena, j->n_rcpt, sizeof(*all));
	enum err e;

	if (all == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		all[i] = &j->rcpt[i];
	log_event(LOG_LVL_CRIT, NULL, "put-aside", KV_NUM("message", j->id),
	    KV_STR("from", j->envelope.from));
	e = seal_pending(j, ENTRY_WHY_CRASHED,
	    "processes died while they worked on it", all, j->n_rcpt);
	return e == ERR_OK ? record_received(j, false) : e;
}

static enum err
parse(struct job *j, struct err_why *why)
{
	enum err e = message_parse(j->conf->policy, j->map.data,
	    j->envelope.smtputf8, j->arena, &j->msg, why);

	if (e != ERR_OK)
		return e;
	j->parsed = true;
	j->facts.message = &j->msg;
	if (j->replaces == 0 && j->msg.factor.flaw != NULL)
		return err_why(
		    why, ERR_POLICY_REJECT, "%s", j->msg.factor.flaw);
	/* what was taken once is not refused for it */
	return job_check_hops(j, why);
}

/* What the conditions of rules ask about it. */
static enum err
extract(
    void *arg, enum facts_document kind, struct span document, struct buf *out)
{
	return peers_extract(arg,
	    kind == FACTS_PDF ? PROTO_EXTRACT_PDF : PROTO_EXTRACT_OFFICE,
	    document, out);
}

static enum err
find_facts(struct job *j)
{
	const struct facts_in in = {.message = &j->msg,
	    .extract = {.pdf = j->conf->extract.pdf != NULL,
		.office = j->conf->extract.office,
		.text = extract,
		.arg = j},
	    .client = j->envelope.client,
	    .user = j->envelope.auth_id,
	    .now_s = (int64_t)(j->envelope.accepted_ms / 1000),
	    .answers_sealed = j->facts.answers_sealed ? POLICY_YES : POLICY_NO};

	return facts_find(j->conf->matchers, &in, j->arena, &j->facts.truth);
}

/* RFC 8689 4: the sender would rather have it arrive than go by what the
   recipient's domain has published; what he said to the server counts more. */
static void
heed_tls_required(struct job *j)
{
	const char *said = message_field(&j->msg, "TLS-Required", j->arena);

	if (j->envelope.require == ENTRY_REQUIRE_NOTHING &&
	    span_caseeq_str(span_trim(span_str(said)), "no"))
		j->envelope.require = ENTRY_REQUIRE_NO_TLS;
}

/* Who could sign it. */
static void
find_signer(struct job *j)
{
	const struct signer_facts f = {.keys = j->w->keys,
	    .certs = j->w->certs,
	    .now_s = j->facts.now_s,
	    .from_key = j->facts.from_key,
	    .auth_from = j->envelope.auth_from,
	    .may_sign =
		conf_may_sign(j->conf, j->envelope.client, j->envelope.auth_id),
	    .message = &j->msg};

	signer_find(&f, j->arena, &j->facts.signer);
}

/* A sender without a key gets a certificate where a rule says so, now: it takes
   milliseconds and no network. */
static enum err
get_certificate(struct job *j)
{
	bool wanted = false;
	const char *why = NULL;
	enum signer_issue issue;

	for (uint32_t i = 0; i < j->n_rcpt && !wanted; i++)
		wanted = decide_wants_certificate(&j->facts, &j->rcpt[i].d);
	if (!wanted)
		return ERR_OK;
	issue = peers_issue(j, &why);
	find_signer(j);
	j->facts.signer.issue = issue;
	j->facts.signer.issue_why = why;
	return job_decide_anew(j);
}

/* What was put aside was not looked into, so neither was it made lines. */
static bool
may_be_binary(const struct job *j)
{
	return j->came != NULL ? j->came->body_binary
			       : j->envelope.why == ENTRY_WHY_CRASHED;
}

/* The whole way of a message. What stops it is an error of the message
   (malformed, loop) or of ours; a recipient's fate is no error. */
static enum err
make_all(struct job *j, bool unparsed, struct err_why *why)
{
	enum err e;

	if (unparsed)
		return put_aside(j);
	if (may_be_binary(j)) {
		e = job_make_lines(j, why);
		if (e != ERR_OK)
			return e;
	}
	if (j->envelope.route == ENTRY_INBOUND)
		return receive(j, why);
	e = parse(j, why);
	if (e == ERR_OK && words_are_for(j))
		return words_take(j, why);
	if (e == ERR_OK) {
		heed_tls_required(j);
		find_signer(j);
		e = job_find_answered(j);
	}
	if (e == ERR_OK)
		e = find_facts(j);
	if (e == ERR_OK)
		e = job_decide(j);
	if (e == ERR_OK)
		e = get_certificate(j);
	if (e == ERR_OK)
		e = job_make_variants(j);
	if (e == ERR_OK)
		e = tell_escrowed(j);
	if (e == ERR_OK)
		e = tell_refused(j);
	if (e == ERR_OK)
		e = tell_sent(j);
	if (e == ERR_OK)
		e = record_decided(j);
	return e;
}

static enum err
process(struct job *j, bool unparsed, struct err_why *why)
{
	enum err e = make_all(j, unparsed, why);

	return e == ERR_OK ? job_sync(j) : e;
}

static void
send_done(struct worker *w, uint64_t id, const struct proto_done *done)
{
	struct ipc *listener = role_channel(w->role, ROLE_LISTENER, 0);
	struct buf b;
	enum err e;

	if (listener == NULL)
		return; /* nobody waits for it any more */
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_done_pack(done, &b);
	if (e == ERR_OK)
		e = ipc_send(listener, PROTO_DONE, id, buf_span(&b), NULL, 0);
	if (e != ERR_OK)
		role_drop(w->role, listener);
	buf_clear(&b);
}

/* What the machine says of our own files is no reason to bounce a message. */
static enum err
for_sender(enum err e)
{
	return e == ERR_NOT_FOUND || e == ERR_EXISTS || e == ERR_PERMISSION ||
		       e == ERR_CONFIG || e == ERR_USAGE
		   ? ERR_INTERNAL
		   : e;
}

static void
reply_error(struct proto_reply *reply, enum err e, const struct err_why *why)
{
	e = for_sender(e);
	reply->code = (uint16_t)err_smtp(e);
	reply->status = err_status(e);
	reply->text = why->text[0] != 0 ? why->text : err_text(e);
}

/* The listener gets the reply before store gets the message: if this process
   dies in between nothing is committed, and if it dies afterwards the reply is
   known, so that a refusal is never answered with 250. */
static enum err
hand_over(struct job *j, uint64_t id, struct proto_done *done)
{
	enum err e = ERR_OK;

	if (j->envelope.route == ENTRY_INBOUND)
		tell_accepted(j, &done->reply);
	else
		tell_reply(j, &done->reply);
	if (j->envelope.route != ENTRY_INBOUND)
		e = tell_each(j, &done->reply, &done->each, &done->n_each);
	if (e == ERR_OK && done->reply.code / 100 == 5)
		e = record_refused(j, &done->reply);
	if (e != ERR_OK)
		return e;
	/* nothing decided because of us: the client tries again */
	done->submitted = done->reply.code / 100 != 4;
	j->out.waits = done->reply.code / 100 == 2 && job_may_wait(j);
	send_done(j->w, id, done);
	return done->submitted ? peers_submit(j) : ERR_OK;
}

/* A new message from the listener. */
static void
on_message(struct worker *w, struct ipc_msg *m)
{
	struct proto_message in;
	struct proto_done done = {0};
	struct err_why why = {""};
	struct job j;
	int fd = ipc_msg_take_fd(m, 0);
	bool begun;
	enum err e = proto_message_unpack(m->payload, w->arena, &in);

	if (e != ERR_OK) {
		close(fd);
		return; /* nonsense: the listener's time limit answers */
	}
	done.attempt = in.attempt;
	e = job_from_message(&j, w, m->id, &in, fd);
	begun = e == ERR_OK;
	if (e == ERR_OK)
		e = job_digest(&j);
	if (e == ERR_OK)
		e = process(&j, in.unparsed, &why);
	if (e == ERR_OK)
		e = hand_over(&j, m->id, &done);
	if (e != ERR_OK) {
		done.submitted = false;
		reply_error(&done.reply, e, &why);
		send_done(w, m->id, &done);
	}
	if (!done.submitted)
		job_undo(&j);
	if (!done.submitted && begun)
		record_not_taken(&j, &done.reply, e);
	job_clear(&j);
}

static void
send_undecided(struct worker *w, uint64_t id, enum err err, const char *why)
{
	struct ipc *store = role_channel(w->role, ROLE_STORE, 0);
	struct buf b;

	if (store == NULL)
		return; /* a new store asks again */
	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_failure_pack(err, why, &b) != ERR_OK ||
	    ipc_send(store, PROTO_UNDECIDED, id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		role_drop(w->role, store);
	buf_clear(&b);
}

/* Is there anything but recipients that still cannot be decided? */
static bool
is_progress(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.err != ERR_OK ||
		    j->rcpt[i].d.outcome.result != POLICY_DEFER)
			return true;
	return false;
}

static enum err
decide_pending(
    struct job *j, const struct proto_decide *in, struct err_why *why)
{
	enum err e;

	if (in->give_up) {
		/* a sender is told of what cannot be read, too */
		e = parse(j, why);
		if (e != ERR_NOMEM)
			e = tell_given_up(j);
		if (e == ERR_OK)
			e = job_sync(j);
		return e == ERR_OK ? job_account(j, true) : e;
	}
	e = process(j, false, why);
	if (e == ERR_OK && !is_progress(j))
		e = err_why(why, ERR_RUNG_FAILED, "%s",
		    decide_reason(&j->rcpt[0].d, j->arena));
	return e == ERR_OK ? job_account(j, false) : e;
}

/* A pending entry from store: decide it again. */
static void
on_decide(struct worker *w, struct ipc_msg *m)
{
	struct proto_decide in;
	struct err_why why = {""};
	struct job j;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e = proto_decide_unpack(m->payload, w->arena, &in);

	if (e != ERR_OK) {
		if (fd >= 0)
			close(fd);
		send_undecided(w, m->id, e, "malformed entry");
		return;
	}
	e = job_from_pending(&j, w, &in, fd);
	if (e == ERR_OK)
		e = decide_pending(&j, &in, &why);
	if (e == ERR_OK)
		e = peers_submit(&j);
	if (e != ERR_OK) {
		job_undo(&j);
		send_undecided(
		    w, m->id, e, why.text[0] != 0 ? why.text : err_text(e));
	}
	job_clear(&j);
}

/* --- RCPT --- */

static enum err
promise(
    struct worker *w, const struct proto_rcpt_check *in, struct err_why *why)
{
	const struct conf *conf = role_conf(w->role);
	struct decide_facts f = {.policy = conf->policy,
	    .keys = w->keys,
	    .now_s = (int64_t)(clock_unix_ms() / 1000),
	    .tls = w->tls,
	    .have_portal = conf->portal.present,
	    .sources = conf->discovery.source,
	    .n_sources = conf->discovery.n_source,
	    .from_key = in->from_key};
	const struct signer_facts s = {.keys = w->keys,
	    .certs = w->certs,
	    .now_s = f.now_s,
	    .from_key = in->from_key,
	    .auth_from = in->auth_from,
	    .may_sign = conf_may_sign(conf, in->client, in->auth_id)};
	const struct facts_in envelope = {
	    .client = in->client, .user = in->auth_id, .now_s = f.now_s};
	enum err e;

	groups_take(w->groups, w->role, conf->policy);
	groups_look(w->groups, conf, w->keys, f.now_s);
	f.groups = w->groups;
	signer_find(&s, w->arena, &f.signer);
	e = facts_find(conf->matchers, &envelope, w->arena, &f.truth);
	return e == ERR_OK ? decide_promise(&f, in->rcpt_key, w->arena, why)
			   : e;
}

static void
on_rcpt_check(struct worker *w, struct ipc *from, struct ipc_msg *m)
{
	struct proto_rcpt_check in;
	struct proto_reply reply = {250, "2.1.5", "OK"};
	struct err_why why = {""};
	const struct conf *conf = role_conf(w->role);
	struct buf b;
	uint64_t id;
	enum err e = proto_rcpt_check_unpack(m->payload, w->arena, &in);
	bool known = e == ERR_OK;

	trust_use(conf, w->keys);
	certs_use(w->judge, conf, w->keys);
	if (known && pickup_reply_is(conf, in.rcpt_key))
		e = words_check(w, in.rcpt_key, in.from_key, &id, &why);
	else if (known)
		e = promise(w, &in, &why);
	if (known && e != ERR_OK)
		record_refused_at_rcpt(
		    w, &in, why.text[0] != 0 ? why.text : err_text(e));
	if (e != ERR_OK)
		reply_error(&reply, e, &why);
	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_reply_pack(&reply, &b) != ERR_OK ||
	    ipc_send(from, PROTO_RCPT_VERDICT, m->id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		role_drop(w->role, from);
	buf_clear(&b);
}

/* --- the process --- */

static void
dispatch(struct worker *w, const struct role_peer *from, struct ipc_msg *m)
{
	if (from->id == ROLE_LISTENER && m->type == PROTO_RCPT_CHECK)
		on_rcpt_check(w, from->ch, m);
	else if (from->id == ROLE_LISTENER && m->type == PROTO_MESSAGE)
		on_message(w, m);
	else if (from->id == ROLE_STORE && m->type == PROTO_DECIDE)
		on_decide(w, m);
	else if (from->id == ROLE_STORE && m->type == PROTO_ANSWER_OPEN)
		answer_take(w, m);
	else
		log_event(LOG_LVL_ERR, NULL, "unexpected",
		    KV_STR("type", proto_name(m->type)),
		    KV_STR("peer", role_name(from->id)));
}

static int
open_dir(struct role *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		role_refuse(r, "cannot open the directory %s", path);
	return fd;
}

static struct ks_store *
open_keystore(struct role *r, const char *dir)
{
	static const struct timespec pause = {0, 100 * 1000 * 1000};
	struct ks_store *s = NULL;
	struct err_why why = {""};
	enum err e = ERR_NOT_FOUND;

	for (int i = 0; i < KEYSTORE_TRIES && e == ERR_NOT_FOUND; i++) {
		e = ks_open(dir, 0, &s, &why);
		if (e == ERR_NOT_FOUND)
			nanosleep(&pause, NULL);
	}
	if (e != ERR_OK)
		role_refuse(r, "cannot open the keystore %s: %s", dir,
		    why.text[0] != 0 ? why.text : err_text(e));
	return s;
}

/* Without it no rung tls holds, and everything else goes on. */
static struct db *
open_tls(struct role *r, const char *dir)
{
	static const struct timespec pause = {0, 100 * 1000 * 1000};
	struct db *db = NULL;
	struct err_why why = {""};
	enum err e = ERR_NOT_FOUND;

	for (int i = 0; i < KEYSTORE_TRIES && e == ERR_NOT_FOUND; i++) {
		e = tls_state_open(dir, false, &db, &why);
		if (e == ERR_NOT_FOUND)
			nanosleep(&pause, NULL);
	}
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "tls-state",
		    KV_STR("why", why.text), KV_ERR(e));
	return db;
}

/* Everything that cannot be opened behind the walls. */
static void
open_all(struct worker *w)
{
	const struct conf *conf = role_conf(w->role);
	struct err_why why;

	if (crypto_check_library(&why) != ERR_OK)
		role_refuse(w->role, "%s", why.text);
	mime_charsets_open();
	tzset();
	digest_init();
	stream_init();
	if (crypto_cms_open_init(false, &why) != ERR_OK)
		role_refuse(w->role, "%s", why.text);
	w->keys = open_keystore(w->role, conf->paths.keystore);
	w->tls = open_tls(w->role, conf->paths.tls);
	w->certs = crypto_cert_cache_new(CERT_CACHE);
	if (certs_new(conf, &w->judge, &why) != ERR_OK)
		role_refuse(w->role, "certificates: anchors: %s", why.text);
	certs_on_unknown(w->judge, peers_want_revocation, w);
	w->bodies_fd = open_dir(w->role, conf->paths.bodies);
	w->escrow_fd =
	    conf->portal.present ? open_dir(w->role, conf->paths.escrow) : -1;
	if (policy_attaches(conf->policy) &&
	    attached_page_load(conf, &w->page, &why) != ERR_OK)
		role_refuse(w->role, "%s", why.text);
	if (recovery_load(conf, &w->recovery, &why) != ERR_OK)
		role_refuse(w->role, "escrow: %s", why.text);
	w->groups = groups_new();
	w->arena = arena_new(ARENA_MAX);
}

static void
close_all(struct worker *w)
{
	arena_free(w->arena);
	groups_free(w->groups);
	attached_page_free(w->page);
	crypto_cert_unref(w->recovery);
	crypto_cert_cache_free(w->certs);
	certs_free(w->judge);
	ks_close(w->keys);
	db_close(w->tls);
	mime_charsets_close();
	close(w->bodies_fd);
	if (w->escrow_fd >= 0)
		close(w->escrow_fd);
}

int
worker_main(struct role *r)
{
	struct worker w = {.role = r};
	struct role_peer from;
	struct ipc_msg m;

	open_all(&w);
	role_confine(r);
	role_ready(r);
	if (peers_learn_keys(&w) == ERR_OK) {
		while (!w.renew && role_next(r, &from, &m) == ERR_OK) {
			sealed_forget_old();
			dispatch(&w, &from, &m);
			ipc_msg_clear(&m);
			arena_reset(w.arena);
		}
	}
	close_all(&w);
	return 0;
}
