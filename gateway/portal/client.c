/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who asks: the other end of the connection, or whom a reverse proxy names
 * that is believed. What is counted for a client is counted for an IPv4
 * address or an IPv6 network of 64 bits.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "gateway/conf.h"
#include "gateway/portal/http_private.h"

static bool
client_from_text(const char *text, struct portal_client *out)
{
	struct portal_client c = {.net_len = 0};
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1) {
		memcpy(c.net, &four, 4);
		c.net_len = 4;
		inet_ntop(AF_INET, &four, c.text, sizeof(c.text));
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		memcpy(c.net, &six, 8);
		c.net_len = 8;
		inet_ntop(AF_INET6, &six, c.text, sizeof(c.text));
		if (IN6_IS_ADDR_V4MAPPED(&six))
			return client_from_text(c.text + 7, out);
	} else {
		return false;
	}
	*out = c;
	return true;
}

void
portal_client_of_socket(const struct sockaddr *sa, struct portal_client *out)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET,
		    &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		    text, sizeof(text));
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6,
		    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		    text, sizeof(text));
	if (!client_from_text(text, out))
		*out = (struct portal_client){.text = "", .net_len = 4};
}

/* Where nothing is said of proxies, plain HTTP is for one on this machine. */
bool
portal_client_is_proxy(const struct portal_http *h, const struct sockaddr *sa)
{
	static const struct conf_net here[] = {
	    {.family = AF_INET, .prefix = 8, .addr = {127}},
	    {.family = AF_INET6, .prefix = 128, .addr = {[15] = 1}},
	};

	if (h->opt.n_proxies > 0)
		return conf_net_matches(h->opt.proxies, h->opt.n_proxies, sa);
	return h->opt.tls_cert == NULL && conf_net_matches(here, 2, sa);
}

static enum MHD_Result
keep_last(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	const char **last = cls;

	if (value != NULL && strcasecmp(name, "X-Forwarded-For") == 0)
		*last = value;
	return MHD_YES;
}

/* A proxy puts its client last, into the header that is there or into one more
   behind it; what stands before that came from the client. */
void
portal_client_find(const struct portal_request *req, struct portal_client *out)
{
	const char *last = NULL, *comma;

	*out = req->conn->client;
	if (!req->conn->from_proxy)
		return;
	MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, keep_last, &last);
	if (last == NULL)
		return;
	comma = strrchr(last, ',');
	if (comma != NULL)
		last = comma + 1 + strspn(comma + 1, " \t");
	/* what is no address leaves the proxy's own */
	(void)client_from_text(last, out);
}
