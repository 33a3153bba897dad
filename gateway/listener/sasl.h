/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a client says in AUTH: PLAIN (RFC 4616) and EXTERNAL (RFC 4422 appendix
 * A). Pure: no session.
 */
#ifndef GATEWAY_LISTENER_SASL_H
#define GATEWAY_LISTENER_SASL_H

#include "common/buf.h"

struct arena;

/* Strings in the arena; the password is the caller's to wipe. */
struct listener_plain {
	char *authzid; /* whom the user wants to be, "" if itself */
	char *user;
	char *password;
};

/* The response as it came, base64; "=" is an empty one (RFC 4954 4).
   ERR_MALFORMED: no base64, not three parts, an empty user or password, too
   long. ERR_NOMEM. */
enum err listener_sasl_plain(
    struct span in, struct arena *a, struct listener_plain *out) MUST_CHECK;
/* The authorisation identity, "" if none. Errors as above. */
enum err listener_sasl_external(
    struct span in, struct arena *a, char **authzid) MUST_CHECK;

#endif
