/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers that were left at a portal in a DMZ: fetched one at a time into a
 * file of ours, as an upload is, and then shown to store. What is not what it
 * was announced as is not fetched again, and stays where it is.
 */
#include <string.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/clock.h"
#include "gateway/portal/dmz_inside_private.h"

static bool
is_bad(const struct portal_inside *in, uint64_t id)
{
	for (size_t i = 0; i < DMZ_BAD; i++)
		if (in->bad[i] == id)
			return true;
	return false;
}

static void
refuse_answer(struct portal_inside *in, const struct dmz_answer *a, enum err e)
{
	/* it stays where it is: nobody has another */
	in->bad[in->n_bad++ % DMZ_BAD] = a->id;
	if (in->tokens > 0)
		in->tokens--;
	portal_inside_complain(in, TROUBLE_ANSWER, err_text(e));
}

static bool
is_here(struct portal_inside *in, uint64_t id)
{
	int fd = portal_answers_file(in->opt.answers, id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static enum err
begin_answer(struct portal_inside *in, const struct dmz_answer *a)
{
	static const struct portal_client nobody = {.text = ""};
	struct object_header h;
	enum err e;

	if (a->size > answer_total_size(in->opt.answer_size))
		return ERR_TOO_BIG;
	e = portal_objects_find(in->opt.objects, a->object, 0, &h);
	if (e == ERR_OK)
		e = portal_objects_may_answer(in->opt.objects, a->object);
	/* it was given there before that heard that it is over: store says what
	   becomes of it */
	else if (e == ERR_NOT_FOUND &&
		 portal_objects_was_here(in->opt.objects, a->object))
		e = ERR_OK;
	return e != ERR_OK ? e
			   : portal_upload_begin_as(in->opt.answers, a->id,
				 a->object, &nobody, a->size, &in->upload);
}

static void
fetch_next(struct portal_inside *in)
{
	while (in->up && in->upload == NULL && in->n_answers > 0) {
		enum err e;

		in->coming = in->answer[0];
		memmove(in->answer, in->answer + 1,
		    --in->n_answers * sizeof(in->answer[0]));
		if (is_here(in, in->coming.id))
			continue;
		e = begin_answer(in, &in->coming);
		if (e == ERR_OK) {
			in->got = 0;
			in->moved_ms = clock_steady_ms();
			portal_inside_send(in, FRAME_ANSWER_GET, in->coming.id);
		} else if (e == ERR_TOO_BIG || e == ERR_LIMIT ||
			   e == ERR_MALFORMED || e == ERR_NOT_FOUND) {
			refuse_answer(in, &in->coming, e);
		} else {
			portal_inside_complain(in, TROUBLE_ANSWER, err_text(e));
		}
	}
}

void
portal_fetch_announced(struct portal_inside *in, const struct proto_frame *f)
{
	struct dmz_answer *a = &in->answer[in->n_answers];

	if (f->id == 0 || is_bad(in, f->id) ||
	    (in->upload != NULL && in->coming.id == f->id))
		return;
	for (size_t i = 0; i < in->n_answers; i++)
		if (in->answer[i].id == f->id)
			return;
	/* it is announced again */
	if (in->n_answers == LIMIT_DMZ_ANSWERS || in->tokens == 0)
		return;
	*a = (struct dmz_answer){.id = f->id, .size = f->size};
	memcpy(a->object, f->raw, sizeof(a->object));
	in->n_answers++;
	fetch_next(in);
}

static void
give_up_answer(struct portal_inside *in)
{
	portal_upload_free(in->upload);
	in->upload = NULL;
}

static enum err
count_answer(struct portal_inside *in, const uint8_t *object)
{
	struct object_header h;

	/* of what was here until a moment ago nothing is kept */
	if (portal_objects_find(in->opt.objects, object, 0, &h) ==
		ERR_NOT_FOUND &&
	    portal_objects_was_here(in->opt.objects, object))
		return ERR_OK;
	return portal_objects_note_answer(in->opt.objects, object);
}

static void
end_answer(struct portal_inside *in)
{
	uint64_t id = 0;
	enum err e = portal_upload_check(in->upload);

	if (e == ERR_OK)
		e = count_answer(in, in->coming.object);
	if (e == ERR_OK)
		e = portal_upload_end(in->upload, &id);
	give_up_answer(in);
	if (e == ERR_OK)
		in->opt.answered(in->opt.arg, id);
	else if (e == ERR_MALFORMED || e == ERR_UNSUPPORTED || e == ERR_LIMIT)
		refuse_answer(in, &in->coming, e);
	else
		portal_inside_complain(in, TROUBLE_ANSWER, err_text(e));
}

void
portal_fetch_piece(struct portal_inside *in, const struct proto_frame *f)
{
	enum err e;

	/* of one that was given up, or the end behind a whole one */
	if (in->upload == NULL || f->id != in->coming.id)
		return;
	if (f->octets.len == 0 || f->offset != in->got) {
		give_up_answer(in);
		fetch_next(in);
		return;
	}
	e = portal_upload_put(in->upload, f->octets);
	in->got += f->octets.len;
	in->moved_ms = clock_steady_ms();
	if (e == ERR_TOO_BIG) {
		give_up_answer(in);
		refuse_answer(in, &in->coming, e);
	} else if (e != ERR_OK) {
		give_up_answer(in);
		portal_inside_complain(in, TROUBLE_ANSWER, err_text(e));
	} else if (in->got == in->coming.size) {
		end_answer(in);
	} else {
		return;
	}
	fetch_next(in);
}

void
portal_fetch_stop(struct portal_inside *in)
{
	give_up_answer(in);
	in->n_answers = 0;
}

void
portal_inside_taken(struct portal_inside *in, uint64_t id)
{
	portal_inside_send(in, FRAME_ANSWER_TAKEN, id);
}
