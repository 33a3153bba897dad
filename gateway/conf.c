/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What every process asks of a finished configuration, and the list of
 * findings that reading one leaves behind.
 */
#include "gateway/conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/config_private.h"
#include "gateway/proto_mail.h"
#include "policy/policy.h"

void
conf_findings_init(struct conf_findings *f)
{
	memset(f, 0, sizeof(*f));
	f->arena = arena_new(LIMIT_CONFIG_MEMORY);
	if (f->arena == NULL)
		fatal("out of memory");
}

void
conf_findings_clear(struct conf_findings *f)
{
	if (f == NULL)
		return;
	arena_free(f->arena);
	memset(f, 0, sizeof(*f));
}

void
conf_find(struct conf_findings *f, enum conf_level level, unsigned line,
    const char *fmt, ...)
{
	struct conf_finding *found;
	char text[512];
	va_list ap;

	if (level == CONF_ERROR)
		f->n_errors++;
	if (f->list == NULL)
		f->list = arena_array(
		    f->arena, LIMIT_CONFIG_FINDINGS, sizeof(*f->list));
	if (f->n == LIMIT_CONFIG_FINDINGS || f->list == NULL) {
		f->lost++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	found = &f->list[f->n];
	found->level = level;
	found->line = line;
	found->text = arena_strdup(f->arena, text);
	if (found->text == NULL)
		found->text = "error";
	f->n++;
}

/* Insertion keeps findings of one line in the order they were made. */
void
conf_findings_sort(struct conf_findings *f)
{
	for (size_t i = 1; i < f->n; i++) {
		struct conf_finding x = f->list[i];
		size_t k = i;

		for (; k > 0 && f->list[k - 1].line > x.line; k--)
			f->list[k] = f->list[k - 1];
		f->list[k] = x;
	}
}

const char *
conf_finding_text(
    const struct conf_findings *f, size_t i, char *out, size_t out_size)
{
	const struct conf_finding *found = &f->list[i];
	const char *level = found->level == CONF_WARN ? "warning: " : "";

	if (found->line == 0)
		snprintf(
		    out, out_size, "%s: %s%s", f->file, level, found->text);
	else
		snprintf(out, out_size, "%s:%u: %s%s", f->file, found->line,
		    level, found->text);
	return out;
}

bool
conf_domain_is_ours(const struct conf *c, struct span domain)
{
	for (size_t i = 0; i < c->n_domains; i++) {
		const char *own = c->domains[i];
		struct span tail;
		size_t len;

		if (own[0] != '*') {
			if (span_caseeq_str(domain, own))
				return true;
			continue;
		}
		len = strlen(own + 1); /* with its dot */
		if (domain.len <= len)
			continue;
		tail = SPAN(domain.data + domain.len - len, len);
		if (span_caseeq_str(tail, own + 1))
			return true;
	}
	return false;
}

/* Labels in common count: the longest pattern that fits is the nearest. */
const struct conf_relay *
conf_relay_for(const struct conf *c, const char *domain)
{
	const struct conf_relay *best = &c->outbound;
	size_t len = strlen(domain), best_len = 0;

	for (size_t i = 0; i < c->n_route; i++) {
		const char *own = c->route[i].domain;
		bool wild = own[0] == '*';
		size_t own_len = strlen(own + (wild ? 1 : 0));

		if (wild ? len <= own_len ||
			       strcmp(domain + len - own_len, own + 1) != 0
			 : strcmp(domain, own) != 0)
			continue;
		if (!wild)
			return &c->route[i].relay;
		if (own_len > best_len) {
			best = &c->route[i].relay;
			best_len = own_len;
		}
	}
	return best;
}

const struct conf_relay *
conf_relay_at(const struct conf *c, unsigned i)
{
	if (i == 0)
		return &c->outbound;
	if (i == 1)
		return &c->inbound;
	return i - 2 < c->n_route ? &c->route[i - 2].relay : NULL;
}

static bool
net_has(const struct conf_net *net, int family, const uint8_t *addr)
{
	unsigned bytes = net->prefix / 8, bits = net->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	if (net->family != family || memcmp(net->addr, addr, bytes) != 0)
		return false;
	return bits == 0 || ((net->addr[bytes] ^ addr[bytes]) & mask) == 0;
}

bool
conf_net_matches(
    const struct conf_net *nets, size_t n, const struct sockaddr *sa)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t addr[16] = {0};
	int family = sa->sa_family;

	if (family == AF_INET) {
		struct sockaddr_in in4;

		memcpy(&in4, sa, sizeof(in4));
		memcpy(addr, &in4.sin_addr, 4);
	} else if (family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(addr, &in6.sin6_addr, 16);
	} else {
		return false;
	}
	if (family == AF_INET6 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
		memmove(addr, addr + 12, 4);
		family = AF_INET;
	}
	for (size_t i = 0; i < n; i++)
		if (net_has(&nets[i], family, addr))
			return true;
	return false;
}

bool
conf_has_accounts(const struct conf *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (c->listen[i].users != NULL ||
		    c->listen[i].recipients != NULL)
			return true;
	return false;
}

bool
conf_may_sign(const struct conf *c, const char *client, const char *auth_id)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *sa = NULL;

	if (inet_pton(AF_INET, client, &in4.sin_addr) == 1)
		sa = (const struct sockaddr *)(const void *)&in4;
	else if (inet_pton(AF_INET6, client, &in6.sin6_addr) == 1)
		sa = (const struct sockaddr *)(const void *)&in6;
	for (size_t i = 0; i < c->n_listen; i++) {
		const struct conf_listen *l = &c->listen[i];

		if (auth_id != NULL && auth_id[0] != '\0' && l->auth_may_sign)
			return true;
		if (sa != NULL &&
		    conf_net_matches(l->may_sign, l->n_may_sign, sa))
			return true;
	}
	return false;
}

const struct conf_group *
conf_group(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_group; i++)
		if (strcmp(c->group[i].name, name) == 0)
			return &c->group[i];
	return NULL;
}

bool
conf_uses_tls(const struct conf *c)
{
	return policy_has_rung(c->policy, RUNG_TLS) ||
	       policy_has_rung(c->policy, RUNG_TLS_ENCRYPT);
}

bool
conf_is_archive_copy(const struct conf *c, const struct entry *e)
{
	const struct policy_archive *a;
	size_t n;

	if (e->kind != ENTRY_READY || e->n_rcpt != 1 ||
	    (e->rung != RUNG_SMIME && e->rung != RUNG_PGP) ||
	    (e->rcpt[0].notify & PROTO_NOTIFY_HOLD) == 0)
		return false;
	a = policy_archives(c->policy, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i].key, e->rcpt[0].key) == 0)
			return true;
	return false;
}

bool
conf_may_drop(const struct conf *c)
{
	return policy_has_rung(c->policy, RUNG_DROP);
}

const struct conf_dkim *
conf_dkim_for(const struct conf *c, const char *domain)
{
	for (; domain[0] != '\0'; domain = strchr(domain, '.') + 1) {
		for (size_t i = 0; i < c->n_dkim; i++)
			if (strcmp(c->dkim[i].domain, domain) == 0)
				return &c->dkim[i];
		if (strchr(domain, '.') == NULL)
			break;
	}
	return NULL;
}
