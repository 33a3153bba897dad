/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is put in front of a message: the trace field, and the sender's
 * OpenPGP certificate for whoever wants to answer sealed (Autocrypt).
 */
#include <string.h>

#include "crypto/autocrypt.h"
#include "gateway/worker/worker_private.h"
#include "mime/autocrypt.h"
#include "mime/header.h"
#include "mime/tree.h"

enum { KEYDATA_MAX = 16 * 1024, FIELD_MAX = 32 * 1024 }; /* octets */

static enum err
make_field(const struct job *j, const struct ks_record *key, struct buf *out)
{
	struct buf data;
	enum err e;

	buf_init(&data, KEYDATA_MAX);
	e = crypto_autocrypt_keydata(
	    key->key, j->facts.signer.addr, j->facts.now_s, &data, NULL);
	if (e == ERR_OK)
		e = mime_autocrypt_field(
		    j->facts.signer.addr, false, buf_span(&data), out);
	buf_clear(&data);
	return e;
}

/* Only for a sender whose secret key is here: mail sealed to it can be opened.
   A certificate that does not fit a header is left out. */
static const char *
autocrypt_field(const struct job *j)
{
	const struct signer *s = &j->facts.signer;
	const char *text = NULL;
	struct buf field;

	if (s->why != NULL || s->pgp.record == NULL ||
	    mime_header_count(mime_tree_header(j->msg.tree), "Autocrypt") > 0)
		return "";
	buf_init(&field, FIELD_MAX);
	if (make_field(j, s->pgp.record, &field) == ERR_OK)
		text = arena_span_str(j->arena, buf_span(&field));
	buf_clear(&field);
	return text == NULL ? "" : text;
}

enum err
job_edit(struct job *j, const struct decision *d, struct mime_edit *out)
{
	const char *trace;
	enum err e;

	*out = message_edit(&j->msg, j->envelope.trace);
	e = message_edit_by(&j->msg, &d->rules, j->arena, out);
	if (e != ERR_OK)
		return e;
	if (d->rules.form.no_autocrypt || decide_passes(d))
		return ERR_OK;
	if (j->autocrypt == NULL)
		j->autocrypt = autocrypt_field(j);
	if (j->autocrypt[0] == 0)
		return ERR_OK;
	trace = arena_printf(j->arena, "%.*s%s", (int)out->trace.len,
	    out->trace.len > 0 ? (const char *)out->trace.data : "",
	    j->autocrypt);
	if (trace == NULL)
		return ERR_NOMEM;
	out->trace = span_str(trace);
	return ERR_OK;
}
