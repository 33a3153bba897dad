/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Values that name places in a network: addresses to listen on, networks of
 * clients, next hops. Numbers only, but for next hops: a name here would be
 * another address tomorrow.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/config_value.h"
#include "mime/addr.h"

/* Cut "host:port", "[v6]:port" or a host alone. The host is a copy without
   brackets, the port 0 if there is none. */
static bool
split_host_port(struct arena *a, const char *text, char **host, uint16_t *port)
{
	const char *end, *colon;
	unsigned n = 0;
	bool bracket = *text == '[';

	end = bracket ? strchr(text, ']') : strchr(text, ':');
	if (bracket && end == NULL)
		return false;
	if (end == NULL)
		end = text + strlen(text);
	colon = bracket ? end + 1 : end;
	*host = arena_span_str(
	    a, SPAN(text + bracket, (size_t)(end - text) - bracket));
	*port = 0;
	if (*host == NULL || **host == '\0')
		return false;
	if (*colon == '\0')
		return true;
	if (*colon != ':' || colon[1] == '\0')
		return false;
	for (const char *p = colon + 1; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (unsigned)(*p - '0');
		if (n > 65535)
			return false;
	}
	*port = (uint16_t)n;
	return n != 0;
}

/* The port is e->min unless given; 0 there means that it must be given. */
bool
config_one_addr(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	struct conf_addr addr = {.text = v->text, .line = v->line};
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&addr.sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&addr.sa;
	uint16_t port;
	char *host;

	if (v->kind != CONFIG_STRING ||
	    !split_host_port(t->conf->arena, v->text, &host, &port))
		return config_bad(
		    t, v, e, "\"address:port\", with IPv6 \"[address]:port\"");
	if (port == 0)
		port = (uint16_t)e->min;
	if (port == 0)
		return config_bad(t, v, e, "a port behind the address");
	if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		addr.sa_len = sizeof(*in4);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		addr.sa_len = sizeof(*in6);
	} else {
		return config_bad(
		    t, v, e, "an IPv4 or IPv6 address, not a name");
	}
	*(struct conf_addr *)out = addr;
	return true;
}

/* Bits behind the prefix must be clear: 10.0.0.5/8 is more likely a mistake
   than 10.0.0.0/8 in other words. */
static bool
host_bits_clear(const struct conf_net *net, size_t n_addr)
{
	for (size_t i = net->prefix; i < n_addr * 8; i++)
		if (net->addr[i / 8] & (0x80 >> (i % 8)))
			return false;
	return true;
}

bool
config_one_net(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out)
{
	struct conf_net net = {0};
	const char *slash, *p;
	unsigned max, prefix = 0;
	char *host;

	if (v->kind != CONFIG_STRING)
		return config_bad(t, v, e, "a network such as \"10.0.0.0/8\"");
	slash = strchr(v->text, '/');
	host = arena_span_str(t->conf->arena,
	    SPAN(v->text,
		slash == NULL ? strlen(v->text) : (size_t)(slash - v->text)));
	if (host == NULL)
		return false;
	if (inet_pton(AF_INET, host, net.addr) == 1)
		net.family = AF_INET;
	else if (inet_pton(AF_INET6, host, net.addr) == 1)
		net.family = AF_INET6;
	else
		return config_bad(t, v, e,
		    "a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"");
	max = net.family == AF_INET ? 32 : 128;
	for (p = slash == NULL ? "" : slash + 1;
	     *p >= '0' && *p <= '9' && prefix <= max; p++)
		prefix = prefix * 10 + (unsigned)(*p - '0');
	if (slash != NULL && (slash[1] == '\0' || *p != '\0' || prefix > max))
		return config_bad(t, v, e,
		    max == 32 ? "a prefix from 0 to 32"
			      : "a prefix from 0 to 128");
	net.prefix = slash == NULL ? max : prefix;
	if (!host_bits_clear(&net, max / 8))
		return config_bad(
		    t, v, e, "no bits set behind the prefix of the network");
	*(struct conf_net *)out = net;
	return true;
}

bool
config_set_via(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v)
{
	struct conf_relay *relay = t->part;
	const char *where = v->text, *name;
	struct in6_addr any;
	char *host;
	uint16_t port;
	bool lmtp;

	if (v->kind == CONFIG_LIST)
		return config_bad(t, v, e, "one next hop");
	if (v->kind != CONFIG_STRING)
		return config_bad(
		    t, v, e, "\"mx\" or a next hop in double quotes");
	relay->via = v->text;
	if (strcmp(where, "mx") == 0) {
		relay->kind = CONF_VIA_MX;
		return true;
	}
	lmtp = strncmp(where, "lmtp://", 7) == 0;
	if (!split_host_port(
		t->conf->arena, where + (lmtp ? 7 : 0), &host, &port))
		return config_bad(
		    t, v, e, "\"mx\", \"host:port\" or \"lmtp://host\"");
	if (inet_pton(AF_INET, host, &any) != 1 &&
	    inet_pton(AF_INET6, host, &any) != 1) {
		if (strpbrk(host, "[]") != NULL ||
		    mime_domain_parse(
			span_str(host), t->conf->arena, &name, NULL) != ERR_OK)
			return config_bad(t, v, e, "a host name or an address");
	} else {
		name = host;
	}
	relay->kind = lmtp ? CONF_VIA_LMTP : CONF_VIA_SMTP;
	relay->host = name;
	relay->port = port != 0 ? port : lmtp ? 24 : 25;
	return true;
}
