/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a monitoring system is to know of the work on a message. It never
 * changes what becomes of the message: what there is no memory for is not
 * counted.
 */
#include <string.h>

#include "common/clock.h"
#include "crypto/verdict.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"

enum { FIRST = 8 };

static void
add(struct job *j, enum proto_measure_kind kind, bool failed, uint64_t value)
{
	struct proto_measures *m = &j->out.measures;

	if (m->n == j->max_measures) {
		uint32_t max = m->n == 0 ? FIRST : 2 * m->n;
		struct proto_measure *list =
		    arena_array(j->arena, max, sizeof(*list));

		if (list == NULL)
			return;
		if (m->n > 0)
			memcpy(list, m->list, m->n * sizeof(*list));
		m->list = list;
		j->max_measures = max;
	}
	m->list[m->n++] = (struct proto_measure){(uint8_t)kind, failed, value};
}

void
measure_accepted(struct job *j)
{
	add(j,
	    j->envelope.route == ENTRY_INBOUND ? PROTO_MEASURE_SIZE_IN
					       : PROTO_MEASURE_SIZE_OUT,
	    false, j->map.data.len);
}

void
measure_not_accepted(struct job *j)
{
	struct proto_measures *m = &j->out.measures;
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		if (m->list[i].kind != PROTO_MEASURE_SIZE_IN &&
		    m->list[i].kind != PROTO_MEASURE_SIZE_OUT)
			m->list[n++] = m->list[i];
	m->n = n;
}

void
measure_work(struct job *j, enum proto_measure_kind kind, uint64_t since_us,
    enum err result)
{
	add(j, kind, result != ERR_OK, clock_steady_us() - since_us);
}

void
measure_variant(
    struct job *j, const struct variant *v, uint64_t since_us, enum err result)
{
	bool signs = v->signer != NULL && v->rung == RUNG_CLEAR;

	if (v->as_is)
		return;
	if (v->rung == RUNG_SMIME)
		measure_work(j, PROTO_MEASURE_SMIME_SEAL, since_us, result);
	else if (v->rung == RUNG_PGP)
		measure_work(j, PROTO_MEASURE_PGP_SEAL, since_us, result);
	else if (signs)
		measure_work(j,
		    v->signer->kind == KS_SMIME ? PROTO_MEASURE_SMIME_SIGN
						: PROTO_MEASURE_PGP_SIGN,
		    since_us, result);
}

/* Mail that nobody protected is read without an engine. */
void
measure_opening(struct job *j, const struct crypto_verdict *v,
    uint64_t since_us, enum err result)
{
	enum crypto_form form = v->sealed_form;

	if (form == CRYPTO_FORM_NONE && v->n_layers > 0)
		form = v->layer[0].form;
	if (form == CRYPTO_FORM_NONE && v->n_sigs > 0)
		form = v->sigs[0].form;
	if (form == CRYPTO_FORM_NONE)
		return;
	measure_work(j,
	    form == CRYPTO_FORM_SMIME ? PROTO_MEASURE_SMIME_OPEN
				      : PROTO_MEASURE_PGP_OPEN,
	    since_us, result);
}
