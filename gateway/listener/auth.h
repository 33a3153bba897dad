/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * AUTH (RFC 4954): who a client says it is, inside TLS alone. Passwords are
 * compared by the process accounts (accounts.c).
 */
#ifndef GATEWAY_LISTENER_AUTH_H
#define GATEWAY_LISTENER_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "gateway/listener/table.h"
#include "gateway/proto_accounts.h"

struct listener;
struct listener_session;
struct ipc;

enum listener_mech {
	LISTENER_MECH_NONE,
	LISTENER_MECH_PLAIN,
	LISTENER_MECH_EXTERNAL,
};

/* Of a session. Zeroed, nobody has signed in. */
struct listener_auth {
	struct listener_node node; /* while accounts is asked */
	bool asked;
	enum listener_mech mech; /* whose response is waited for */
	unsigned failures;
	uint64_t until_ms; /* when a refusal is said, or patience ends */
	bool refused;
	char *user;	  /* who tries to; may be NULL */
	char *id;	  /* who has signed in; NULL: nobody */
	char *from;	  /* what that one may write as */
	char *cert_addrs; /* of a client certificate that is believed, one a
			     line; NULL: none */
};

/* Can anybody sign in by this section, some time? */
bool listener_auth_is_configured(const struct listener_session *s);
/* "PLAIN EXTERNAL" for EHLO; "" if nothing is offered now. */
const char *listener_auth_offer(const struct listener_session *s);
/* The handshake is done: keep what the client's certificate says. */
void listener_auth_take_certificate(struct listener_session *s);
/* The command, and the response line that may follow it. Wipes what it was
   given. */
bool listener_auth_run(struct listener_session *s, struct span args);
void listener_auth_response(struct listener_session *s, struct span line);
/* What accounts says. May free the session. */
void listener_auth_answer(
    struct listener_session *s, const struct proto_signed_in *got);
/* Time has passed while LISTENER_AUTH. True: something was done. */
bool listener_auth_tick(struct listener_session *s, uint64_t now_ms);
void listener_auth_clear(struct listener_session *s);

/* --- accounts.c --- */

/* ERR_OK: listener_auth_answer() will tell. */
enum err listener_accounts_sign_in(struct listener_session *s, const char *user,
    const char *password) MUST_CHECK;
void listener_accounts_cancel(struct listener_session *s);
void listener_accounts_attach(struct listener *l, struct ipc *ch);
void listener_accounts_clear(struct listener *l);

#endif
