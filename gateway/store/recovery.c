/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keys of objects that are sealed to the recovery certificate. They are
 * handed to whoever may ask at the control socket, and are of use to who has
 * the private key; that somebody asks is in the audit log before, so there is
 * no way to look at them.
 */
#include <jansson.h>
#include <stdio.h>

#include "common/limits.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "mime/base64.h"

static enum err
find(struct db_txn *txn, const json_t *request, const char **name,
    struct span *out)
{
	*name = json_string_value(json_object_get(request, "object"));
	return *name == NULL || (*name)[0] == '\0'
		   ? ERR_USAGE
		   : db_get(txn, STORE_RECOVERY, span_str(*name), out);
}

static enum err
put_cms(struct span cms, json_t *answer)
{
	struct buf text;
	enum err e;

	buf_init(&text, 2 * LIMIT_OBJECT_RECOVERY);
	e = mime_base64_encode(cms, &text);
	if (e == ERR_OK)
		json_object_set_new(answer, "recovery",
		    json_stringn((const char *)text.data, text.len));
	buf_clear(&text);
	return e;
}

enum err
store_recovery_ask(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;
	const char *name;
	struct span cms;
	char who[32];
	enum err e = find(txn, request, &name, &cms);

	if (e == ERR_OK)
		e = put_cms(cms, answer);
	if (e != ERR_OK)
		return e;
	snprintf(who, sizeof(who), "uid %lld", (long long)uid);
	store_rec_begin(&rec, "recovered");
	store_rec_str(&rec, "object", name);
	store_rec_str(&rec, "who", who);
	return store_add_record(s, txn, &rec);
}
