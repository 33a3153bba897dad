/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to mail that was picked up: sealed by a browser, kept by the portal,
 * opened here and from then on a stranger's mail like any other, which an
 * opener looks into. Whom it is from and for is what store knows of the object
 * it answers; an answer that says otherwise is refused. Of an object that store
 * knows nothing of, the answer says it itself, and is held for an
 * administrator.
 */
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/addr.h"
#include "mime/date.h"
#include "mime/header.h"

/* --- whom it is from and for --- */

struct addressed {
	const struct proto_answer_open *in;
	const struct conf *conf;
	struct arena *arena;
	const char *from, *from_key; /* once the header is read */
	struct proto_rcpt *rcpt;
	uint32_t n;
	const char *flaw;
};

/* Does store know nothing of what it answers? */
static bool
is_stray(const struct proto_answer_open *in)
{
	return in->from_key[0] == '\0';
}

static bool
may_be_for(const struct addressed *a, const char *key)
{
	if (is_stray(a->in))
		return conf_domain_is_ours(
		    a->conf, ks_addr_domain(span_str(key)));
	for (uint32_t i = 0; i < a->in->n_to; i++)
		if (strcmp(a->in->to[i], key) == 0)
			return true;
	return false;
}

static void
add_rcpt(struct addressed *a, const char *addr, const char *key)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->rcpt[i].key, key) == 0)
			return;
	if (a->n == LIMIT_ANSWER_RCPTS) {
		a->flaw = "it is for too many";
		return;
	}
	a->rcpt[a->n++] = (struct proto_rcpt){.addr = addr,
	    .key = key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
}

/* Everybody in the fields of this name is one that may be answered. */
static enum err
take_field(struct addressed *a, const struct mime_header *h, const char *name)
{
	const struct mime_field *f = NULL;
	struct mime_addr_list list;

	if (mime_header_count(h, name) > 1)
		a->flaw = "a field of its header is there twice";
	while (a->flaw == NULL && (f = mime_header_find(h, name, f)) != NULL) {
		if (mime_addr_parse_list(f->value, MIME_ADDR_UTF8, a->arena,
			&list, NULL) != ERR_OK)
			a->flaw = "an address of its header cannot be read";
		for (size_t i = 0; a->flaw == NULL && i < list.n; i++) {
			if (!may_be_for(a, list.addrs[i].key))
				a->flaw = "it is for somebody who cannot be "
					  "answered there";
			else
				add_rcpt(
				    a, list.addrs[i].text, list.addrs[i].key);
		}
	}
	return ERR_OK;
}

/* The one address that it says it is from. */
static void
take_from(struct addressed *a, const struct mime_header *h)
{
	const struct mime_field *f = NULL;
	struct mime_addr_list list;

	a->from = a->in->from;
	a->from_key = a->in->from_key;
	if (mime_header_unique(h, "From", &f) != ERR_OK ||
	    mime_addr_parse_list(
		f->value, MIME_ADDR_UTF8, a->arena, &list, NULL) != ERR_OK ||
	    list.n != 1) {
		a->flaw = "it does not say whom it is from";
	} else if (is_stray(a->in)) {
		a->from = list.addrs[0].text;
		a->from_key = list.addrs[0].key;
	} else if (strcmp(list.addrs[0].key, a->in->from_key) != 0) {
		a->flaw = "it is not from the recipient of the message";
	}
}

static enum err
take_header(struct addressed *a, struct span text)
{
	struct mime_header h;
	enum err e = mime_header_parse(text, a->arena, &h, NULL);

	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : ERR_MALFORMED;
	a->rcpt = arena_array(a->arena, LIMIT_ANSWER_RCPTS, sizeof(*a->rcpt));
	if (a->rcpt == NULL)
		return ERR_NOMEM;
	take_from(a, &h);
	e = take_field(a, &h, "To");
	if (e == ERR_OK)
		e = take_field(a, &h, "Cc");
	if (a->flaw == NULL && a->n == 0)
		a->flaw = "it is for nobody";
	if (mime_header_count(&h, "Bcc") > 0)
		a->flaw = "it has hidden recipients";
	return e == ERR_OK && a->flaw != NULL ? ERR_MALFORMED : e;
}

/* --- its octets --- */

/* The portal may change its file at any time: what is worked on is a copy. */
static enum err
map_copy(int fd, struct memfd_map *out)
{
	uint64_t max = answer_total_size(LIMIT_MESSAGE_SIZE_MAX);
	struct stat st;
	int copy = -1;
	enum err e;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (st.st_size < ANSWER_HEADER_SIZE || (uint64_t)st.st_size > max)
		return ERR_MALFORMED;
	e = memfd_copy(fd, (uint64_t)st.st_size, &copy);
	if (e != ERR_OK)
		return e;
	e = memfd_map(copy, max, out);
	close(copy);
	return e;
}

static enum err
open_file(struct worker *w, int fd, int *plain_out)
{
	struct memfd_map map = {0};
	struct secret *key = NULL;
	enum err e = map_copy(fd, &map);

	if (e == ERR_OK)
		e = peers_answer_key(
		    w, SPAN(map.data.data, ANSWER_HEADER_SIZE), &key);
	if (e == ERR_OK)
		e = answer_open(key, map.data, plain_out);
	memfd_unmap(&map);
	secret_free(key);
	return e;
}

static enum err
read_addresses(int plain, struct addressed *a)
{
	struct memfd_map map = {0};
	enum err e = memfd_map(plain, LIMIT_MESSAGE_SIZE_MAX, &map);
	struct span text;

	if (e != ERR_OK)
		return e;
	/* what is borrowed outlives the map; a longer header is refused as
	   such by receive() */
	text = SPAN(map.data.data, map.data.len < LIMIT_HEADER_SIZE
				       ? map.data.len
				       : LIMIT_HEADER_SIZE);
	e = arena_span(a->arena, text, &text);
	memfd_unmap(&map);
	return e == ERR_OK ? take_header(a, text) : e;
}

/* --- as mail --- */

static const char unknown[] =
    "an answer to mail for pick-up that the spool does not know: whom it is "
    "from and for it says itself";

static enum err
add_replied(struct job *j, const struct proto_answer_open *in)
{
	json_t *row = record_start(j, "replied");

	json_object_set_new(row, "object", json_string(in->object));
	return record_end(j, row);
}

static enum err
hand_in(struct worker *w, uint64_t id, const struct proto_answer_open *in,
    const struct addressed *a, int plain, struct err_why *why)
{
	char text[TEXT_ID_SIZE];
	uint64_t now_ms = clock_unix_ms();
	struct proto_message m = {.attempt = 1,
	    .inbound = true,
	    .envelope = {.from = a->from,
		.from_key = a->from_key,
		.envid = "",
		.body_8bit = true,
		.client = ENTRY_CLIENT_PORTAL,
		.origin = ENTRY_CLIENT_PORTAL,
		.client_name = "",
		.helo = "",
		.auth_id = "",
		.auth_from = "",
		.tls = "",
		.received_ms = now_ms,
		.rcpt = a->rcpt,
		.n_rcpt = a->n}};
	struct job j;
	enum err e;

	text_id(id, text);
	m.answers = arena_array(w->arena, a->n, sizeof(*m.answers));
	m.trace = arena_printf(w->arena,
	    "Received: from the portal by %s with HTTPS id %s;\r\n\t%s\r\n",
	    role_conf(w->role)->hostname, text,
	    mime_date((int64_t)(now_ms / 1000)).text);
	if (m.answers == NULL || m.trace == NULL)
		return ERR_NOMEM;
	e = job_from_message(&j, w, id, &m, dup(plain));
	if (e == ERR_OK)
		e = job_digest(&j);
	if (e == ERR_OK)
		e = is_stray(in) ? receive_held(&j, unknown, why)
				 : receive(&j, why);
	if (e == ERR_OK)
		e = add_replied(&j, in);
	if (e == ERR_OK)
		e = job_sync(&j);
	if (e == ERR_OK)
		e = peers_submit(&j);
	if (e != ERR_OK)
		job_undo(&j);
	job_clear(&j);
	return e;
}

static bool
is_for_good(enum err e)
{
	return e == ERR_BAD_SEAL || e == ERR_MALFORMED ||
	       err_smtp(e) / 100 == 5;
}

void
answer_take(struct worker *w, struct ipc_msg *msg)
{
	struct proto_answer_open in;
	struct err_why why = {""};
	struct addressed a = {
	    .in = &in, .conf = role_conf(w->role), .arena = w->arena};
	int fd = ipc_msg_take_fd(msg, 0), plain = -1;
	enum err e = proto_answer_open_unpack(msg->payload, w->arena, &in);

	if (e == ERR_OK)
		e = fd < 0 ? ERR_IPC : open_file(w, fd, &plain);
	if (e == ERR_OK)
		e = read_addresses(plain, &a);
	if (e == ERR_OK)
		e = hand_in(w, msg->id, &in, &a, plain, &why);
	if (e != ERR_OK)
		peers_answer_failed(w, msg->id, is_for_good(e) ? e : ERR_AGAIN,
		    a.flaw != NULL	  ? a.flaw
		    : why.text[0] != '\0' ? why.text
					  : err_text(e));
	if (plain >= 0)
		close(plain);
	if (fd >= 0)
		close(fd);
}
