/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who may have an object: whoever shows the proof. An id that does not exist,
 * an object whose time is over and a wrong proof take the same steps to the
 * same answer.
 */
#include "common/digest.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/portal_private.h"

/* Does the proof, as text, hash to what the header has? */
static bool
proof_is_right(struct span proof, const struct object_header *h)
{
	uint8_t raw[OBJECT_PROOF_SIZE] = {0};
	uint8_t digest[DIGEST_SIZE];
	struct span octets = SPAN(raw, sizeof(raw));
	bool spelled = text_unbase64url(proof, raw, sizeof(raw)) == ERR_OK;
	bool equal;

	digest_sha256(&octets, 1, digest);
	equal = secret_eq_span(SPAN(digest, sizeof(digest)),
	    SPAN(h->proof_hash, sizeof(h->proof_hash)));
	secret_wipe(raw, sizeof(raw));
	return spelled && equal;
}

enum portal_access
portal_access_check(struct portal_objects *o, struct portal_throttle *t,
    struct span id, struct span proof, const struct portal_client *client,
    uint64_t now_ms, struct object_header *out)
{
	struct object_header h = {.factor = OBJECT_FACTOR_NONE};
	uint8_t raw[OBJECT_ID_SIZE] = {0};
	struct span net = SPAN(client->net, client->net_len);
	bool there, right, locked;

	there = object_id_parse(id, raw);
	if (portal_objects_find(o, raw, now_ms / 1000, &h) != ERR_OK)
		there = false;
	right = proof_is_right(proof, &h) && there;
	locked = portal_objects_is_locked(o, raw);
	/* Without a second factor there is nothing to guess, so that nobody can
	   lock the recipient out by failing on purpose. */
	if (right && h.factor == OBJECT_FACTOR_NONE) {
		*out = h;
		return PORTAL_ACCESS_GRANTED;
	}
	if (!portal_throttle_allows(t, net, SPAN(raw, sizeof(raw)), now_ms) ||
	    locked)
		return PORTAL_ACCESS_WAIT;
	if (right) {
		*out = h;
		return PORTAL_ACCESS_GRANTED;
	}
	portal_throttle_spend(t, net, SPAN(raw, sizeof(raw)), now_ms);
	if (there && h.factor != OBJECT_FACTOR_NONE)
		portal_objects_note_wrong(o, raw, client->text);
	return PORTAL_ACCESS_NONE;
}
