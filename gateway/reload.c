/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A new configuration for a gateway that runs: checked as `sealgated -n` does,
 * then handed to every process, with its certificates opened anew. Also the
 * requests of the command line that concern processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/ipc.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/config_private.h"
#include "gateway/proto.h"
#include "gateway/state.h"
#include "gateway/supervisor_private.h"
#include "gateway/topology.h"
#include "policy/policy.h"

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_addrs(const struct conf_addr *a, size_t n_a, const struct conf_addr *b,
    size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (a[i].sa_len != b[i].sa_len ||
		    memcmp(&a[i].sa, &b[i].sa, a[i].sa_len) != 0)
			return false;
	return true;
}

static bool
same_listen(const struct conf *a, const struct conf *b)
{
	if (a->n_listen != b->n_listen)
		return false;
	for (size_t i = 0; i < a->n_listen; i++)
		if (!same_addrs(a->listen[i].address, a->listen[i].n_address,
			b->listen[i].address, b->listen[i].n_address))
			return false;
	if (!same_addrs(a->metrics.address, a->metrics.n_address,
		b->metrics.address, b->metrics.n_address))
		return false;
	return same_addrs(a->portal.address, a->portal.n_address,
		   b->portal.address, b->portal.n_address) &&
	       same_addrs(a->portal_gateway.address,
		   a->portal_gateway.n_address, b->portal_gateway.address,
		   b->portal_gateway.n_address);
}

static bool
same_dmz(const struct conf_dmz *a, const struct conf_dmz *b)
{
	return a->present == b->present &&
	       same_addrs(a->address, a->n_address, b->address, b->n_address) &&
	       same_text(a->tls_cert, b->tls_cert) &&
	       same_text(a->tls_key, b->tls_key) && a->n_peer == b->n_peer &&
	       (a->n_peer == 0 ||
		   memcmp(a->peer, b->peer, a->n_peer * sizeof(*a->peer)) == 0);
}

/* Processes, users, directories and sockets stay as they were started. */
static void
refuse_restarts(
    const struct conf *old, const struct conf *new, struct conf_findings *f)
{
	const struct {
		const char *what;
		bool same;
	} row[] = {
	    {"state", same_text(old->state, new->state)},
	    {"runtime", same_text(old->runtime, new->runtime)},
	    {"master-key", same_text(old->master_key, new->master_key)},
	    {"users", same_text(old->users, new->users) &&
			  old->users_base == new->users_base},
	    {"keystore: url",
		same_text(old->paths.keystore, new->paths.keystore)},
	    {"certificates: anchors",
		same_text(old->certs.anchors, new->certs.anchors)},
	    {"limits: workers", old->limits.workers == new->limits.workers},
	    {"limits: openers", old->limits.openers == new->limits.openers},
	    {"resolver", same_addrs(old->resolver, old->n_resolver,
			     new->resolver, new->n_resolver)},
	    {"dnssec-anchors",
		same_text(old->dnssec_anchors, new->dnssec_anchors)},
	    {"tls-anchors", same_text(old->tls_anchors, new->tls_anchors)},
	    {"discovery: ca-file",
		same_text(old->paths.ca_file, new->paths.ca_file)},
	    {"the first of users and recipients of listen",
		conf_has_accounts(old) == conf_has_accounts(new)},
	    {"section portal", old->portal.present == new->portal.present},
	    /* the portal answers for the one it started with, links have this
	     */
	    {"portal: url", same_text(old->portal.url, new->portal.url)},
	    {"whether the portal has a tls-cert",
		(old->portal.tls_cert == NULL) ==
		    (new->portal.tls_cert == NULL)},
	    {"escrow: recovery-certificate",
		same_text(old->escrow.recovery, new->escrow.recovery)},
	    {"the first rule with escrow = attachment",
		policy_attaches(old->policy) == policy_attaches(new->policy)},
	    {"section portal dmz",
		same_dmz(&old->portal_dmz, &new->portal_dmz)},
	    {"section portal gateway",
		same_dmz(&old->portal_gateway, &new->portal_gateway)},
	    {"address", same_listen(old, new)},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (!row[i].same)
			conf_find(f, CONF_ERROR, 0,
			    "%s cannot change while the gateway runs: restart "
			    "it",
			    row[i].what);
}

struct fds {
	int fd[LIMIT_IPC_FDS];
	size_t n;
};

static void
open_tls(void *arg, enum role_fd kind, unsigned which, const char *path)
{
	struct fds *fds = arg;

	int fd;

	if (fds->n == LIMIT_IPC_FDS)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* nobody is known to be in a group whose file has gone; of users and
	   recipients what was known stays, and the log tells */
	if (fd == -1 && (kind == ROLE_FD_GROUP || kind == ROLE_FD_USERS ||
			    kind == ROLE_FD_RCPTS))
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds->fd[fds->n++] = fd;
}

/* Descriptors are in the order of state_each_file(); if one of them cannot be
   opened the process keeps what it has. */
void
supervisor_tell_conf(struct supervisor *s, struct proc *p)
{
	struct fds fds = {.n = 0};
	bool all = true;

	state_each_file(s->conf, p->role, open_tls, &fds);
	for (size_t i = 0; i < fds.n; i++)
		all &= fds.fd[i] != -1;
	proc_tell(p, PROTO_CONF, buf_span(&s->text), fds.fd, all ? fds.n : 0);
	for (size_t i = 0; i < fds.n; i++)
		if (fds.fd[i] != -1)
			close(fds.fd[i]);
}

enum err
supervisor_reload(struct supervisor *s, struct conf_findings *f)
{
	struct conf *c = NULL;
	struct buf text;
	enum err err;

	buf_init(&text, LIMIT_CONFIG_FILE + 4096);
	err = file_read_path(AT_FDCWD, s->conf->file, &text);
	if (err != ERR_OK) {
		f->file = s->conf->file;
		conf_find(f, CONF_ERROR, 0, "cannot read: %s", err_text(err));
		goto out;
	}
	err = conf_parse(buf_span(&text), s->conf->file, f, &c);
	if (err != ERR_OK)
		goto out;
	refuse_restarts(s->conf, c, f);
	state_check(c, true, f);
	if (f->n_errors > 0) {
		err = ERR_CONFIG;
		goto out;
	}
	conf_free(s->conf);
	s->conf = c;
	c = NULL;
	buf_clear(&s->text);
	s->text = text;
	buf_init(&text, 1);
	for (size_t i = 0; i < s->n_proc; i++)
		supervisor_tell_conf(s, &s->proc[i]);
out:
	conf_free(c);
	buf_clear(&text);
	return err;
}

/* --- requests of the command line

   {"verb": "reload"}: {"ok": bool, "findings": ["FILE:LINE: text", …]}
   {"verb": "status"}: {"ok": true, "hostname": …, "config": digest,
   "processes": [{"process", "index", "state", "pid", "up_s", "restarts"}, …]}
   {"verb": "config"}: {"ok": true, "file": …, "text": …}, what is in use */

static json_t *
answer_reload(struct supervisor *s)
{
	struct conf_findings f;
	char line[1024];
	json_t *list = json_array();
	enum err err;

	conf_findings_init(&f);
	err = supervisor_reload(s, &f);
	for (size_t i = 0; i < f.n; i++)
		json_array_append_new(list,
		    json_string(conf_finding_text(&f, i, line, sizeof(line))));
	conf_findings_clear(&f);
	return json_pack("{s:b, s:o}", "ok", err == ERR_OK, "findings", list);
}

static json_t *
answer_status(struct supervisor *s)
{
	static const char *const states[] = {"down", "starting", "ready"};
	json_t *list = json_array();
	uint64_t now = clock_steady_ms();
	char config[2 * sizeof(s->conf->digest) + 1];

	text_hex(SPAN(s->conf->digest, sizeof(s->conf->digest)), config);

	for (size_t i = 0; i < s->n_proc; i++) {
		const struct proc *p = &s->proc[i];

		json_array_append_new(list,
		    json_pack("{s:s, s:i, s:s, s:i, s:I, s:i}", "process",
			role_name(p->role), "index", (int)p->index, "state",
			states[p->state], "pid", (int)p->pid, "up_s",
			(json_int_t)(p->pid == 0
					 ? 0
					 : (now - p->started_ms) / 1000),
			"restarts", (int)p->restarts));
	}
	return json_pack("{s:b, s:s, s:s, s:o}", "ok", true, "hostname",
	    s->conf->hostname, "config", config, "processes", list);
}

/* One member more: {"path", "end"} of each certificate of ours. */
static void
add_end(json_t *list, const char *path)
{
	int64_t end;

	if (path != NULL && state_cert_end(path, &end) == ERR_OK)
		json_array_append_new(list, json_pack("{s:s, s:I}", "path",
						path, "end", (json_int_t)end));
}

/* {"verb": "metrics"}: as status, with "certificates". */
static json_t *
answer_metrics(struct supervisor *s)
{
	json_t *answer = answer_status(s), *list = json_array();

	for (size_t i = 0; i < s->conf->n_listen; i++)
		add_end(list, s->conf->listen[i].tls_cert);
	add_end(list, s->conf->portal.tls_cert);
	json_object_set_new(answer, "certificates", list);
	return answer;
}

/* For who looks at a gateway whose file is broken by now. */
static json_t *
answer_config(struct supervisor *s)
{
	return json_pack("{s:b, s:s, s:s%}", "ok", true, "file", s->conf->file,
	    "text", (const char *)s->text.data, s->text.len);
}

void
supervisor_answer(struct proc *control, struct ipc_msg *m)
{
	json_t *request = json_loadb((const char *)m->payload.data,
	    m->payload.len, JSON_REJECT_DUPLICATES, NULL);
	const char *verb = json_string_value(json_object_get(request, "verb"));
	json_t *answer;
	char *text;

	if (verb != NULL && strcmp(verb, "reload") == 0)
		answer = answer_reload(control->s);
	else if (verb != NULL && strcmp(verb, "status") == 0)
		answer = answer_status(control->s);
	else if (verb != NULL && strcmp(verb, "metrics") == 0)
		answer = answer_metrics(control->s);
	else if (verb != NULL && strcmp(verb, "config") == 0)
		answer = answer_config(control->s);
	else
		answer = json_pack(
		    "{s:b, s:s}", "ok", false, "error", "unknown request");
	text = json_dumps(answer, JSON_COMPACT);
	if (text != NULL && control->ch != NULL &&
	    ipc_post(control->ch, PROTO_ANSWER, m->id, span_str(text), NULL,
		0) != ERR_OK)
		control->state = PROC_DOWN;
	free(text);
	json_decref(answer);
	json_decref(request);
}
