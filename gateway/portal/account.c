/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What readers ask about their accounts: the sealed key for the proof of the
 * passphrase, a code to set another, and to set one. An id that is not there
 * gets the answer of one that is. docs/format-escrow.md, Accounts.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/http_private.h"

enum { DIGITS_MAX = 16, TICKET = 32 };

/* Exactly size octets, as text in a member. */
static bool
octets_member(const json_t *json, const char *name, uint8_t *out, size_t size)
{
	struct span text;

	return portal_json_string(json, name, &text) &&
	       text_unbase64url(text, out, size) == ERR_OK;
}

/* Does the proof hash to what the account has, and is the object sealed to it?
   Every reason to say no takes the same steps. */
static bool
opens(const struct object_header *h, const uint8_t *id,
    const struct pickup_account *a, const uint8_t *proof)
{
	struct span octets = SPAN(proof, (size_t)PICKUP_ACCOUNT_PROOF);
	uint8_t digest[DIGEST_SIZE];
	bool right;

	digest_sha256(&octets, 1, digest);
	right = secret_eq_span(SPAN(digest, sizeof(digest)),
	    SPAN(a->proof_hash, sizeof(a->proof_hash)));
	return right && h->factor == OBJECT_FACTOR_ACCOUNT &&
	       memcmp(h->account, id, sizeof(h->account)) == 0;
}

static enum MHD_Result
send_key(struct portal_request *req, const struct pickup_account *a)
{
	char public[4 * PICKUP_ACCOUNT_PUBLIC / 3 + 4];
	char wrapped[4 * PICKUP_ACCOUNT_WRAPPED / 3 + 4];
	char text[sizeof(public) + sizeof(wrapped) + 64];

	text_base64url(SPAN(a->public, sizeof(a->public)), public);
	text_base64url(SPAN(a->wrapped, sizeof(a->wrapped)), wrapped);
	snprintf(text, sizeof(text), "{\"public\":\"%s\",\"wrapped\":\"%s\"}\n",
	    public, wrapped);
	return portal_reply_json(req, MHD_HTTP_OK, text);
}

/* Wrong ones are counted for the client and the account, and for the object,
   if there is one of this account: that gets locked. */
static enum MHD_Result
give_key(struct portal_request *req, const uint8_t *object, const uint8_t *id,
    const uint8_t *proof)
{
	struct portal_http *h = req->http;
	struct object_header header = {.factor = OBJECT_FACTOR_NONE};
	struct pickup_account a = {.public = {0}};
	struct portal_client client;
	uint64_t now_ms = clock_unix_ms();
	struct span net, who = SPAN(id, (size_t)PICKUP_ACCOUNT_ID);
	enum err e = portal_accounts_find(h->accounts, id, &a);
	bool there, locked, right;

	if (e == ERR_BUSY)
		return portal_reply_error(
		    req, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
	portal_client_find(req, &client);
	net = SPAN(client.net, client.net_len);
	there = portal_objects_find(
		    h->objects, object, now_ms / 1000, &header) == ERR_OK;
	locked = portal_objects_is_locked(h->objects, object);
	right = opens(&header, id, &a, proof) && there && e == ERR_OK;
	if (!portal_throttle_allows(h->throttle, net, who, now_ms) || locked)
		return portal_reply_error(
		    req, MHD_HTTP_TOO_MANY_REQUESTS, NULL);
	if (right)
		return send_key(req, &a);
	portal_throttle_spend(h->throttle, net, who, now_ms);
	if (there && header.factor == OBJECT_FACTOR_ACCOUNT)
		portal_objects_note_wrong(h->objects, object, client.text);
	return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
}

enum MHD_Result
portal_account_key(struct portal_request *req)
{
	uint8_t object[OBJECT_ID_SIZE], id[PICKUP_ACCOUNT_ID];
	uint8_t proof[PICKUP_ACCOUNT_PROOF];
	struct portal_shown shown;
	json_t *json = NULL;
	enum MHD_Result rc;

	if (!portal_request_asked(req, &json, &shown, &rc))
		return rc;
	if (!object_id_parse(shown.id, object) ||
	    !octets_member(json, "account", id, sizeof(id)) ||
	    text_unbase64url(shown.proof, proof, sizeof(proof)) != ERR_OK)
		rc = portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	else
		rc = give_key(req, object, id, proof);
	secret_wipe(proof, sizeof(proof));
	json_decref(json);
	return rc;
}

/* A ticket in any case: one that opens nothing looks like one that does. */
static enum MHD_Result
send_ticket(struct portal_request *req, const uint8_t *object)
{
	struct portal_http *h = req->http;
	struct object_header header;
	char ticket[PORTAL_TICKET_SIZE], code[PORTAL_CODE_SIZE];
	char text[PORTAL_TICKET_SIZE + 48];
	uint8_t raw[TICKET];

	if (!h->opt.takes_code(h->opt.arg))
		return portal_reply_error(
		    req, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
	if (portal_objects_find(h->objects, object, clock_unix_ms() / 1000,
		&header) == ERR_OK &&
	    header.factor == OBJECT_FACTOR_ACCOUNT &&
	    portal_door_ask(h->door, object, clock_steady_ms(), ticket, code)) {
		h->opt.code(h->opt.arg, &header, code);
		secret_wipe(code, sizeof(code));
	} else {
		random_octets(raw, sizeof(raw));
		text_base64url(SPAN(raw, sizeof(raw)), ticket);
	}
	snprintf(
	    text, sizeof(text), "{\"ticket\":\"%s\",\"digits\":12}\n", ticket);
	return portal_reply_json(req, MHD_HTTP_ACCEPTED, text);
}

enum MHD_Result
portal_account_reset(struct portal_request *req)
{
	struct portal_http *h = req->http;
	uint8_t object[OBJECT_ID_SIZE];
	struct portal_client client;
	struct portal_shown shown;
	uint64_t now_ms = clock_unix_ms();
	struct span net, what = SPAN(object, sizeof(object));
	json_t *json = NULL;
	enum MHD_Result rc;

	if (!portal_request_asked(req, &json, &shown, &rc))
		return rc;
	if (!object_id_parse(shown.id, object)) {
		json_decref(json);
		return portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	}
	json_decref(json);
	portal_client_find(req, &client);
	net = SPAN(client.net, client.net_len);
	/* each costs as much as a wrong proof: mail comes of it */
	if (!portal_throttle_allows(h->throttle, net, what, now_ms))
		return portal_reply_error(
		    req, MHD_HTTP_TOO_MANY_REQUESTS, NULL);
	portal_throttle_spend(h->throttle, net, what, now_ms);
	return send_ticket(req, object);
}

/* --- setting one */

static enum MHD_Result
need_code(struct portal_request *req)
{
	return portal_reply_json(
	    req, MHD_HTTP_FORBIDDEN, "{\"need\":\"code\"}\n");
}

/* The object by which it is set: one whose message was opened, or one that is
   sealed to the account that is to go. For the second there is no proof, and
   whether there is such an object is said to nobody without a code. */
static bool
may_set(struct portal_request *req, const struct portal_shown *s,
    struct object_header *h_out, struct portal_client *client,
    enum MHD_Result *rc)
{
	struct portal_http *h = req->http;
	uint8_t id[OBJECT_ID_SIZE] = {0};
	bool there, kind;

	if (s->proof.len > 0) {
		if (!portal_request_proven(req, s, h_out, client, rc))
			return false;
		there = true;
		kind = h_out->door == OBJECT_DOOR_ACCOUNT;
	} else {
		portal_client_find(req, client);
		there = object_id_parse(s->id, id) &&
			portal_objects_find(h->objects, id,
			    clock_unix_ms() / 1000, h_out) == ERR_OK;
		kind = there && h_out->factor == OBJECT_FACTOR_ACCOUNT;
	}
	if (there && kind &&
	    portal_door_admits(
		h->door, h_out->id, s->ticket, s->code, clock_steady_ms()))
		return true;
	*rc = need_code(req);
	return false;
}

static enum MHD_Result
reply_set(struct portal_request *req, enum err e)
{
	switch (e) {
	case ERR_OK:
		return portal_reply_json(req, MHD_HTTP_CREATED, "{}\n");
	case ERR_AGAIN:
		return portal_reply_json(req, MHD_HTTP_ACCEPTED, "{}\n");
	case ERR_PERMISSION:
		return need_code(req);
	case ERR_EXISTS:
		return portal_reply_error(req, MHD_HTTP_CONFLICT, NULL);
	case ERR_NOT_FOUND:
		return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
	default:
		return portal_reply_error(
		    req, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
	}
}

static enum MHD_Result
set(struct portal_request *req, const json_t *json,
    const struct portal_shown *shown)
{
	struct portal_http *h = req->http;
	struct object_header header;
	struct pickup_account a;
	struct portal_client client;
	struct span digits;
	char text[DIGITS_MAX + 1];
	uint8_t id[PICKUP_ACCOUNT_ID];
	enum MHD_Result rc;
	bool tell = false;
	enum err e;

	if (!octets_member(json, "public", a.public, sizeof(a.public)) ||
	    !octets_member(
		json, "proof_hash", a.proof_hash, sizeof(a.proof_hash)) ||
	    !octets_member(json, "wrapped", a.wrapped, sizeof(a.wrapped)) ||
	    !portal_json_string(json, "digits", &digits) ||
	    digits.len > DIGITS_MAX || memchr(digits.data, 0, digits.len))
		return portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	if (!may_set(req, shown, &header, &client, &rc))
		return rc;
	pickup_account_id(&a, id);
	e = portal_accounts_set(
	    h->accounts, id, header.id, clock_steady_ms(), &tell);
	if (tell) {
		memcpy(text, digits.data, digits.len);
		text[digits.len] = '\0';
		h->opt.account(h->opt.arg, &header, text, client.text, &a);
		secret_wipe(text, sizeof(text));
	}
	return reply_set(req, e);
}

enum MHD_Result
portal_account_set(struct portal_request *req)
{
	struct portal_shown shown;
	json_t *json = NULL;
	enum MHD_Result rc;

	if (!portal_request_asked(req, &json, &shown, &rc))
		return rc;
	rc = set(req, json, &shown);
	json_decref(json);
	return rc;
}
