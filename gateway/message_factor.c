/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the sender chose for mail that is picked up: a passphrase in a header
 * field or a subject tag, a question with its answer. It is found whether a
 * rule asks for it or not, because it must go from everything that leaves.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/message.h"
#include "gateway/message_private.h"
#include "mime/header.h"
#include "mime/spelling.h"
#include "mime/subject_tag.h"
#include "mime/tree.h"
#include "policy/policy.h"

/* parts in parts in which a header is looked for that repeats the message's */
enum { REPEATED_DEPTH = 2 };

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

/* Only the first of several reasons is told. */
static void
complain(struct message_factor *f, const char *flaw)
{
	if (f->flaw == NULL)
		f->flaw = flaw;
}

static size_t
characters(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.data[i] & 0xc0) != 0x80 ? 1 : 0;
	return n;
}

typedef enum err spell_fn(struct span in, struct buf *out);

/* ERR_MALFORMED: there is nothing in it, or too much. */
static enum err
spell(spell_fn *fn, struct span typed, struct secret **out)
{
	struct buf text;
	struct secret *s = NULL;
	enum err e = typed.len > LIMIT_FACTOR_SIZE ? ERR_MALFORMED : ERR_OK;

	/* normalised text may be longer */
	buf_init(&text, 18 * LIMIT_FACTOR_SIZE);
	if (e == ERR_OK)
		e = fn(typed, &text);
	if (e == ERR_OK) {
		s = secret_from(buf_span(&text));
		e = s == NULL ? ERR_NOMEM : ERR_OK;
	}
	wipe(&text);
	if (e == ERR_OK)
		*out = s;
	return e;
}

static enum err
take_passphrase(struct message_factor *f, struct span typed)
{
	enum err e;

	if (f->passphrase != NULL) {
		complain(f, "there is more than one passphrase for pick-up");
		return ERR_OK;
	}
	e = characters(typed) < LIMIT_FACTOR_CHARS_MIN
		? ERR_MALFORMED
		: spell(mime_spell_passphrase, typed, &f->passphrase);
	if (e != ERR_MALFORMED)
		return e;
	complain(f,
	    "the passphrase for pick-up must have at least 8 characters and "
	    "at most 200 octets");
	return ERR_OK;
}

/* The decoded value of a field that may be there once; false: it is not. */
static enum err
read_field(const struct mime_header *h, const char *name,
    struct message_factor *f, struct buf *out, bool *there)
{
	const struct mime_field *field = mime_header_find(h, name, NULL);
	enum err e;

	*there = field != NULL;
	if (field == NULL)
		return ERR_OK;
	if (mime_header_count(h, name) > 1)
		complain(f, "a field with a passphrase, question or answer for "
			    "pick-up is there more than once");
	e = mime_header_decode(field->value, out);
	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK)
		complain(f, "a field with a passphrase, question or answer for "
			    "pick-up cannot be read");
	return ERR_OK;
}

static enum err
find_passphrase(struct message_factor *f, const struct mime_header *h)
{
	struct buf text;
	bool there = false;
	enum err e;

	buf_init(&text, LIMIT_FIELD_SIZE * 4);
	e = read_field(h, "Sealgate-Passphrase", f, &text, &there);
	if (e == ERR_OK && there)
		e = take_passphrase(f, span_trim(buf_span(&text)));
	wipe(&text);
	return e;
}

static enum err
find_answer(
    struct message_factor *f, const struct mime_header *h, struct arena *arena)
{
	struct buf question, answer;
	bool asked = false, answered = false;
	struct span q;
	enum err e;

	buf_init(&question, LIMIT_FIELD_SIZE * 4);
	buf_init(&answer, LIMIT_FIELD_SIZE * 4);
	e = read_field(h, "Sealgate-Question", f, &question, &asked);
	if (e == ERR_OK)
		e = read_field(h, "Sealgate-Answer", f, &answer, &answered);
	if (e != ERR_OK || (!asked && !answered))
		goto out;
	q = span_trim(buf_span(&question));
	e = spell(mime_spell_answer, span_trim(buf_span(&answer)), &f->answer);
	if (e == ERR_MALFORMED || q.len == 0 || q.len > LIMIT_FACTOR_SIZE ||
	    memchr(q.data, 0, q.len) != NULL) {
		complain(f,
		    "Sealgate-Question and Sealgate-Answer belong together, "
		    "with at most 200 octets each and letters or digits in the "
		    "answer");
		e = ERR_OK;
		goto out;
	}
	if (e == ERR_OK) {
		f->question = arena_span_str(arena, q);
		e = f->question == NULL ? ERR_NOMEM : ERR_OK;
	}
out:
	wipe(&question);
	wipe(&answer);
	return e;
}

/* The subject as it stands without the other tags. */
static enum err
find_tag(struct message *m, const struct policy *policy,
    const struct mime_header *h, struct arena *arena)
{
	enum mime_subject_value how = MIME_SUBJECT_NO_VALUE;
	struct mime_header stripped;
	struct buf value, field;
	size_t n, word = 0;
	const char *const *words = policy_passphrase_tags(policy, &n);
	enum err e = ERR_OK;

	buf_init(&value, LIMIT_FIELD_SIZE * 4);
	buf_init(&field, LIMIT_FIELD_SIZE * 2);
	if (m->subject.len > 0 && mime_header_count(h, "Subject") == 1) {
		e = mime_header_parse(
		    buf_span(&m->subject), arena, &stripped, NULL);
		h = &stripped;
	}
	if (e == ERR_OK)
		e = mime_subject_take_value(
		    h, words, n, &field, &value, &word, &how);
	if (e != ERR_OK || how == MIME_SUBJECT_NO_VALUE)
		goto out;
	buf_reset(&m->subject);
	e = buf_put(&m->subject, buf_span(&field));
	m->factor.tag = words[word];
	if (how == MIME_SUBJECT_BAD_VALUE)
		complain(&m->factor,
		    "the tag with the passphrase in the subject must be "
		    "closed, hold something and be there once");
	else if (e == ERR_OK)
		e = take_passphrase(&m->factor, buf_span(&value));
out:
	wipe(&value);
	wipe(&field);
	return e;
}

/* --- what would go although it is taken out of the header --- */

static bool
has_field(const struct mime_header *h)
{
	return mime_header_count(h, "Sealgate-Passphrase") > 0 ||
	       mime_header_count(h, "Sealgate-Question") > 0 ||
	       mime_header_count(h, "Sealgate-Answer") > 0;
}

/* What cannot be read counts as if it stood there. */
static enum err
look_at(const struct policy *policy, struct span header, struct arena *arena,
    bool *found)
{
	enum mime_subject_value how = MIME_SUBJECT_NO_VALUE;
	struct mime_header h;
	struct buf value, field;
	size_t n, word = 0;
	const char *const *words = policy_passphrase_tags(policy, &n);
	enum err e = mime_header_parse(header, arena, &h, NULL);

	buf_init(&value, LIMIT_FIELD_SIZE * 4);
	buf_init(&field, LIMIT_FIELD_SIZE * 2);
	if (e == ERR_OK)
		e = mime_subject_take_value(
		    &h, words, n, &field, &value, &word, &how);
	if (e != ERR_OK || how != MIME_SUBJECT_NO_VALUE || has_field(&h))
		*found = true;
	wipe(&value);
	wipe(&field);
	return e == ERR_NOMEM ? e : ERR_OK;
}

/* A sender's software that signs may repeat the header in the part that it
   signs (RFC 9788), or sign a whole message (RFC 8551 3.1). */
static enum err
look_inside(const struct policy *policy, const struct mime_part *p, int depth,
    struct arena *arena, bool *found)
{
	enum err e = ERR_OK;

	for (size_t i = 0;
	     e == ERR_OK && !*found && i < mime_part_child_count(p); i++) {
		const struct mime_part *c = mime_part_child(p, i);

		e = look_at(policy, mime_part_header(c), arena, found);
		if (e == ERR_OK && depth > 1)
			e = look_inside(policy, c, depth - 1, arena, found);
	}
	return e;
}

static enum err
find_repeated(
    struct message *m, const struct policy *policy, struct arena *arena)
{
	bool found = false;
	enum err e;

	if (m->factor.passphrase == NULL && m->factor.answer == NULL)
		return ERR_OK;
	e = look_inside(
	    policy, mime_tree_root(m->tree), REPEATED_DEPTH, arena, &found);
	if (found)
		complain(&m->factor,
		    "the passphrase, question or answer for pick-up stands in "
		    "the header of a part, too, as in a signed one: it would "
		    "be sent");
	return e;
}

enum err
message_find_factor(struct message *m, const struct policy *policy,
    const struct mime_header *h, struct arena *arena)
{
	enum err e = find_passphrase(&m->factor, h);

	if (e == ERR_OK)
		e = find_answer(&m->factor, h, arena);
	if (e == ERR_OK)
		e = find_tag(m, policy, h, arena);
	if (e == ERR_OK)
		e = find_repeated(m, policy, arena);
	return e;
}

void
message_clear_factor(struct message_factor *f)
{
	secret_free(f->passphrase);
	secret_free(f->answer);
	*f = (struct message_factor){.flaw = NULL};
}
