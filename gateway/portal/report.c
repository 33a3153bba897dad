/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the portal tells: objects that can be picked up, were opened, have
 * expired. To whom: store (told.c) or a gateway on another machine (start.c).
 * What happens while there is nobody waits for the next one, up to a limit;
 * what is lost beyond it is logged.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"
#include "gateway/proto.h"

struct report {
	uint16_t type;
	uint64_t id;
	struct buf payload;
};

struct portal_reports {
	portal_report_fn *to; /* NULL while there is nobody */
	void *arg;
	struct report *waiting;
	size_t n;
};

/* A code by mail was in it, maybe. */
static void
clear_payload(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

struct portal_reports *
portal_reports_new(void)
{
	struct portal_reports *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->waiting = calloc(LIMIT_PORTAL_REPORTS, sizeof(*r->waiting));
	if (r->waiting == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
portal_reports_free(struct portal_reports *r)
{
	if (r == NULL)
		return;
	if (r->n > 0)
		log_event(LOG_LVL_ERR, NULL, "portal-reports-lost",
		    KV_NUM("reports", r->n));
	for (size_t i = 0; i < r->n; i++)
		clear_payload(&r->waiting[i].payload);
	free(r->waiting);
	free(r);
}

static bool
send_report(struct portal_reports *r, const struct report *m)
{
	return r->to != NULL &&
	       r->to(r->arg, m->type, m->id, buf_span(&m->payload));
}

void
portal_reports_to(struct portal_reports *r, portal_report_fn *to, void *arg)
{
	size_t sent = 0;

	r->to = to;
	r->arg = arg;
	while (sent < r->n && send_report(r, &r->waiting[sent]))
		clear_payload(&r->waiting[sent++].payload);
	memmove(
	    r->waiting, r->waiting + sent, (r->n - sent) * sizeof(*r->waiting));
	r->n -= sent;
}

/* Takes the payload. */
static void
tell(struct portal_reports *r, struct report *m)
{
	if (send_report(r, m)) {
		clear_payload(&m->payload);
	} else if (r->n < LIMIT_PORTAL_REPORTS) {
		r->waiting[r->n++] = *m;
	} else {
		log_event(LOG_LVL_ERR, NULL, "portal-report-lost",
		    KV_STR("what", proto_name(m->type)));
		clear_payload(&m->payload);
	}
}

static uint64_t
message_id(const uint8_t *object_id)
{
	uint64_t id = 0;

	for (unsigned i = 0; i < 8; i++)
		id = id << 8 | object_id[i];
	return id;
}

void
portal_report_object(
    struct portal_reports *r, uint16_t type, const uint8_t *object_id)
{
	struct report m = {.type = type, .id = message_id(object_id)};
	char name[OBJECT_ID_TEXT_SIZE];
	struct packer packer;

	object_id_format(object_id, name);
	buf_init(&m.payload, 256);
	pack_begin(&packer, &m.payload);
	pack_str(&packer, name);
	if (pack_end(&packer) != ERR_OK)
		fatal("portal: out of memory");
	tell(r, &m);
}

void
portal_report_found(
    struct portal_reports *r, const struct object_header *list, uint32_t n)
{
	struct report m = {.type = PROTO_OBJECT_FOUND};
	struct packer packer;

	buf_init(&m.payload, LIMIT_IPC_INLINE);
	pack_begin(&packer, &m.payload);
	pack_u32(&packer, n);
	for (uint32_t i = 0; i < n; i++) {
		char name[OBJECT_ID_TEXT_SIZE];
		const struct proto_object object = {.name = name,
		    .size = object_total_size(&list[i]),
		    .expires_s = list[i].expires_s,
		    .factor = list[i].factor,
		    .door = list[i].door};

		object_id_format(list[i].id, name);
		proto_object_pack(&packer, &object);
		pack_u64(&packer, list[i].created_s);
	}
	if (pack_end(&packer) != ERR_OK)
		fatal("portal: out of memory");
	tell(r, &m);
}

void
portal_report_code(
    struct portal_reports *r, const uint8_t *object_id, const char *code)
{
	struct report m = {
	    .type = PROTO_OBJECT_CODE, .id = message_id(object_id)};
	char name[OBJECT_ID_TEXT_SIZE];
	struct packer packer;

	object_id_format(object_id, name);
	buf_init(&m.payload, 256);
	pack_begin(&packer, &m.payload);
	pack_str(&packer, name);
	pack_str(&packer, code);
	if (pack_end(&packer) != ERR_OK)
		fatal("portal: out of memory");
	tell(r, &m);
}

void
portal_report_event(struct portal_reports *r, uint16_t type,
    const uint8_t *object_id, const char *client, struct span user_agent)
{
	struct report m = {.type = type, .id = message_id(object_id)};
	char name[OBJECT_ID_TEXT_SIZE], agent[201];
	size_t len = user_agent.len < 200 ? user_agent.len : 200;
	struct proto_opened opened = {.name = name,
	    .client = client,
	    .agent = agent,
	    .at_ms = clock_unix_ms()};

	object_id_format(object_id, name);
	memcpy(agent, user_agent.data, len);
	agent[len] = '\0';
	buf_init(&m.payload, 4096);
	if (proto_opened_pack(&opened, &m.payload) != ERR_OK)
		fatal("portal: out of memory");
	tell(r, &m);
	log_event(LOG_LVL_INFO, NULL,
	    type == PROTO_OBJECT_OPENED ? "portal-opened" : "portal-locked",
	    KV_STR("object", name), KV_STR("client", client));
}
