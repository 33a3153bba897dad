/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is known of domains' TLS, as the command line is told of it.
 */
#include <jansson.h>
#include <stdio.h>

#include "common/text.h"
#include "gateway/store/tls_private.h"
#include "net/sts.h"

enum { PAGE_MAX = 200 };

static void
put_text(json_t *j, const char *name, const char *text)
{
	json_t *value = json_string(text);
	char plain[1024];

	/* what a server said may be no UTF-8 */
	if (value == NULL) {
		text_escape(span_str(text), plain, sizeof(plain));
		value = json_string(plain);
	}
	json_object_set_new(j, name, value);
}

static void
put_time(json_t *j, const char *name, uint64_t s)
{
	char when[TEXT_TIME_SIZE] = "";

	if (s != 0)
		text_time_ms(s * 1000, when);
	put_text(j, name, when);
}

static json_t *
row_json(const struct tls_state *t)
{
	json_t *j = json_object(), *mx = json_array();

	put_text(j, "domain", t->seen.domain);
	put_text(j, "level",
	    t->seen_s == 0 ? "unknown" : tls_level_name(t->seen.level));
	put_text(j, "by", tls_by_name((enum tls_by)t->seen.by));
	put_time(j, "seen", t->seen_s);
	put_text(j, "peer", t->seen.peer);
	put_text(j, "tls", t->seen.tls);
	put_text(j, "why", t->seen.why);
	json_object_set_new(j, "broken", json_boolean(t->seen.broken));
	put_time(j, "failed", t->failed_s);
	put_text(j, "failed-why", t->failed);
	put_text(j, "best", tls_level_name(t->best));
	put_text(j, "best-by", tls_by_name((enum tls_by)t->best_by));
	put_time(j, "best-seen", t->best_s);
	json_object_set_new(j, "dropped", json_boolean(t->dropped));
	put_time(j, "used", t->used_s);
	put_text(j, "policy",
	    t->policy.id[0] == '\0'
		? ""
		: net_sts_mode_name((enum net_sts_mode)t->policy.mode));
	put_text(j, "policy-id", t->policy.id);
	for (uint32_t i = 0; i < t->policy.n_mx; i++)
		json_array_append_new(mx, json_string(t->policy.mx[i]));
	json_object_set_new(j, "policy-mx", mx);
	return j;
}

enum err
store_tls_list(struct store *s, struct db_txn *spool, const json_t *request,
    json_t *answer)
{
	const char *after =
	    json_string_value(json_object_get(request, "after"));
	char behind[NET_DNS_NAME_MAX] = "";
	json_t *rows = json_array();
	struct db_txn *txn = NULL;
	struct tls_state row;
	enum err e = s->tls->db == NULL ? ERR_DB : db_read(s->tls->db, &txn);

	(void)spool;
	if (after != NULL)
		snprintf(behind, sizeof(behind), "%s", after);
	for (int i = 0; e == ERR_OK && i < PAGE_MAX; i++) {
		e = tls_state_next(txn, s->tls->arena, behind, &row);
		if (e != ERR_OK)
			break;
		snprintf(behind, sizeof(behind), "%s", row.seen.domain);
		json_array_append_new(rows, row_json(&row));
		arena_reset(s->tls->arena);
	}
	db_end(txn);
	json_object_set_new(answer, "domains", rows);
	json_object_set_new(answer, "more", json_boolean(e == ERR_OK));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_tls_show(struct store *s, struct db_txn *spool, const json_t *request,
    json_t *answer)
{
	const char *domain =
	    json_string_value(json_object_get(request, "domain"));
	struct tls_state row;

	(void)spool;
	if (domain == NULL)
		return ERR_USAGE;
	if (!store_tls_row(s->tls, domain, &row))
		return ERR_NOT_FOUND;
	json_object_set_new(answer, "row", row_json(&row));
	arena_reset(s->tls->arena);
	return ERR_OK;
}
