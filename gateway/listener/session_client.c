/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who the client of a session is, and what that one may: by its address, or by
 * what a proxy of the administrator's says.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "gateway/conf.h"
#include "gateway/listener/session.h"

void
listener_session_set_peer(struct listener_session *s, const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, s->peer, sizeof(s->peer));
	else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, s->peer,
		    sizeof(s->peer));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, s->peer, sizeof(s->peer));
}

/* The rights of an address at this section. */
void
listener_session_set_rights(
    struct listener_session *s, const struct sockaddr *peer)
{
	const struct conf_listen *at = &listener_conf(s->l)->listen[s->section];

	s->may_relay = (at->inbound && at->n_clients == 0) ||
		       conf_net_matches(at->clients, at->n_clients, peer);
	s->xclient = conf_net_matches(at->xclient, at->n_xclient, peer);
	s->normalise = conf_net_matches(at->normalise, at->n_normalise, peer);
}

/* Is there room for this client, who takes the place of another one? */
static bool
take_place(struct listener_session *s, const struct listener_client *c)
{
	const struct conf_limits *lim = &listener_conf(s->l)->limits;
	struct listener_limits *l = &s->l->limits;

	if (!s->may_relay && listener_rate_exceeded(s->l, c))
		return false;
	if (!listener_limits_enter(
		l, c, lim->connections + 1, lim->connections_per_client))
		return false;
	listener_limits_leave(l, &s->client);
	s->client = *c;
	return true;
}

bool
listener_session_become(struct listener_session *s, const struct sockaddr *peer)
{
	struct listener_client c = listener_client_of(peer);

	listener_session_set_peer(s, peer);
	listener_session_set_rights(s, peer);
	return take_place(s, &c);
}

void
listener_session_become_unknown(struct listener_session *s)
{
	const struct conf_listen *at = &listener_conf(s->l)->listen[s->section];

	snprintf(s->peer, sizeof(s->peer), "unknown");
	s->may_relay = at->inbound && at->n_clients == 0;
	s->xclient = s->normalise = false;
}

void
listener_session_full(struct listener_session *s)
{
	listener_session_say(s, 421, "4.7.0",
	    "Too many connections of this client, try again later");
	listener_session_end(s);
}
