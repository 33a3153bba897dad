/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A portal in a DMZ has no socket for the command line and calls nobody:
 * whether its gateway is there says a file that it keeps while it is. Whether
 * that file is of a portal that runs says the kernel's table of connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "gateway/cli/doctor.h"
#include "gateway/conf.h"
#include "gateway/state.h"

enum {
	TABLE_MAX = 16 * 1024 * 1024,
	ADDRESS_SIZE = 48,
	PATH_SIZE = 4096,
	/* The kernel writes its table piece by piece: while others come and go
	   a connection that stands can be missing from one look. */
	LOOKS = 20,
};

/* As the kernel writes it: the address word by word as it lies in memory,
   nothing for any address. */
static void
address_text(const struct sockaddr_storage *at, char *out)
{
	const struct sockaddr_in *in4 = (const void *)at;
	const struct sockaddr_in6 *in6 = (const void *)at;
	uint32_t word[4];

	if (at->ss_family == AF_INET) {
		memcpy(word, &in4->sin_addr, 4);
		snprintf(out, ADDRESS_SIZE, "%08X:%04X", word[0],
		    ntohs(in4->sin_port));
		if (word[0] == 0)
			memmove(out, out + 8, strlen(out + 8) + 1);
		return;
	}
	memcpy(word, &in6->sin6_addr, 16);
	snprintf(out, ADDRESS_SIZE, "%08X%08X%08X%08X:%04X", word[0], word[1],
	    word[2], word[3], ntohs(in6->sin6_port));
	if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		memmove(out, out + 32, strlen(out + 32) + 1);
}

/* "  1: 0100007F:20FB 0100007F:A0C2 01 ..." */
static bool
is_connection(const char *line, const char *own)
{
	char local[80], remote[80], state[8];
	size_t len;

	if (sscanf(line, " %*[0-9]: %79s %79s %7s", local, remote, state) !=
		3 ||
	    strcmp(state, "01") != 0)
		return false;
	len = strlen(local);
	return len >= strlen(own) &&
	       strcmp(local + len - strlen(own), own) == 0;
}

size_t
doctor_count_connections(struct span table, const struct sockaddr_storage *at)
{
	char own[ADDRESS_SIZE], line[256];
	size_t n = 0;

	address_text(at, own);
	while (table.len > 0) {
		size_t end = span_find_chr(table, 0, '\n');

		snprintf(line, sizeof(line), "%.*s", (int)end,
		    (const char *)table.data);
		n += is_connection(line, own) ? 1 : 0;
		end += end < table.len ? 1 : 0;
		table = SPAN(table.data + end, table.len - end);
	}
	return n;
}

size_t
doctor_connections_to(const struct sockaddr_storage *at, bool *known)
{
	const char *file =
	    at->ss_family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6";
	struct buf table;
	size_t n = 0;

	*known = true;
	for (int i = 0; i < LOOKS && n == 0 && *known; i++) {
		buf_init(&table, TABLE_MAX);
		*known = file_read_path(AT_FDCWD, file, &table) == ERR_OK;
		if (*known)
			n = doctor_count_connections(buf_span(&table), at);
		buf_clear(&table);
	}
	return n;
}

static size_t
count_gateways(const struct conf_dmz *dmz, bool *known)
{
	size_t n = 0;

	*known = true;
	for (size_t i = 0; i < dmz->n_address && *known; i++)
		n += doctor_connections_to(&dmz->address[i].sa, known);
	return n;
}

/* Has the portal seen its certificate? Anybody can call. */
static bool
is_marked(const struct conf *c, bool *known)
{
	char path[PATH_SIZE];
	bool there;

	snprintf(
	    path, sizeof(path), "%s/" STATE_DMZ_CONNECTED, c->paths.portal);
	there = access(path, F_OK) == 0;
	*known = there || errno == ENOENT;
	return there;
}

static void
look_at_gateway(struct doctor *d)
{
	const struct conf_dmz *dmz = &d->conf->portal_gateway;
	bool known;
	bool up = is_marked(d->conf, &known) && count_gateways(dmz, &known) > 0;

	if (up)
		doctor_say(d, DOCTOR_OK, "gateway", NULL, "is connected to %s",
		    dmz->address[0].text);
	else
		doctor_say(d, known ? DOCTOR_BAD : DOCTOR_WARN, "gateway",
		    "does it run, and name this machine in portal dmz { at }? "
		    "does the firewall let it through? are the fingerprints in "
		    "peer right on both? sealgate status there says why",
		    "is not connected to %s: readers open what is here, and "
		    "new messages, answers and receipts wait",
		    dmz->address[0].text);
}

/* What the other machine has to have in peer. */
static void
look_at_fingerprint(struct doctor *d)
{
	const struct conf_dmz *dmz = &d->conf->portal_gateway;
	struct crypto_cert *cert[8];
	struct err_why why = {""};
	char text[2 * CRYPTO_CERT_FPR_SIZE + 1];
	struct buf pem;
	size_t n = 0;
	enum err e;

	buf_init(&pem, 1 << 20);
	e = file_read_path(AT_FDCWD, dmz->tls_cert, &pem);
	if (e == ERR_OK)
		e = crypto_cert_parse_all(buf_span(&pem), cert, 8, &n, &why);
	if (e == ERR_OK && n > 0) {
		text_hex(
		    SPAN(crypto_cert_info(cert[0])->fpr, CRYPTO_CERT_FPR_SIZE),
		    text);
		doctor_say(d, DOCTOR_OK, "fingerprint", NULL,
		    "of %s, for peer at the gateway: %s", dmz->tls_cert, text);
	}
	for (size_t i = 0; i < n; i++)
		crypto_cert_unref(cert[i]);
	buf_clear(&pem);
}

/* Whoever takes this machine over must not find it. */
static void
look_for_master_key(struct doctor *d)
{
	const char *slash = strrchr(d->conf->file, '/');
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.*smaster.key",
	    slash == NULL ? 0 : (int)(slash - d->conf->file + 1),
	    d->conf->file);
	if (access(path, F_OK) == 0)
		doctor_say(d, DOCTOR_BAD, "master key",
		    "a portal in a DMZ needs none: is it the gateway's? move "
		    "it off this machine",
		    "%s lies here", path);
	else
		doctor_say(d, DOCTOR_OK, "master key", NULL,
		    "none is here, and none is needed");
}

void
doctor_dmz(struct doctor *d)
{
	look_for_master_key(d);
	look_at_fingerprint(d);
	look_at_gateway(d);
}
