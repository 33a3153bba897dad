/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of the messages about TLS.
 */
#include "gateway/proto_tls.h"

#include <string.h>

#include "gateway/proto_private.h"
#include "net/dns.h"

static void
check_domain(struct unpacker *u, const char *domain)
{
	if (u->err == ERR_OK &&
	    (domain[0] == '\0' || strlen(domain) >= NET_DNS_NAME_MAX))
		u->err = ERR_IPC;
}

enum err
proto_domain_pack(const char *domain, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, domain);
	return pack_end(&p);
}

enum err
proto_domain_unpack(struct span in, struct arena *a, const char **out)
{
	struct unpacker u;
	const char *domain;

	unpack_begin(&u, in);
	domain = unpack_str(&u, a);
	check_domain(&u, domain);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = domain;
	return ERR_OK;
}

enum err
proto_tls_seen_pack(const struct tls_seen *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	tls_seen_pack(&p, m);
	return pack_end(&p);
}

enum err
proto_tls_seen_unpack(struct span in, struct arena *a, struct tls_seen *out)
{
	struct unpacker u;
	struct tls_seen m;

	unpack_begin(&u, in);
	tls_seen_unpack(&u, a, &m);
	check_domain(&u, m.domain);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_sts_want_pack(const struct proto_sts_want *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->domain);
	pack_bool(&p, m->known);
	pack_str(&p, m->id);
	return pack_end(&p);
}

enum err
proto_sts_want_unpack(
    struct span in, struct arena *a, struct proto_sts_want *out)
{
	struct unpacker u;
	struct proto_sts_want m;

	unpack_begin(&u, in);
	m.domain = unpack_str(&u, a);
	m.known = unpack_bool(&u);
	m.id = unpack_str(&u, a);
	check_domain(&u, m.domain);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_sts_pack(const struct proto_sts *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->domain);
	pack_u32(&p, (uint32_t)m->err);
	pack_str(&p, m->why);
	tls_policy_pack(&p, &m->policy);
	return pack_end(&p);
}

enum err
proto_sts_unpack(struct span in, struct arena *a, struct proto_sts *out)
{
	struct unpacker u;
	struct proto_sts m;

	unpack_begin(&u, in);
	m.domain = unpack_str(&u, a);
	m.err = (enum err)unpack_u32(&u);
	m.why = unpack_str(&u, a);
	tls_policy_unpack(&u, a, &m.policy);
	check_domain(&u, m.domain);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_tls_result_pack(const struct tls_result *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	tls_result_pack(&p, m);
	return pack_end(&p);
}

enum err
proto_tls_result_unpack(struct span in, struct arena *a, struct tls_result *out)
{
	struct unpacker u;
	struct tls_result m;

	unpack_begin(&u, in);
	tls_result_unpack(&u, a, &m);
	check_domain(&u, m.domain);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_rua_pack(const struct proto_rua *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, (uint32_t)m->err);
	pack_u32(&p, m->n);
	for (uint32_t i = 0; i < m->n; i++)
		pack_str(&p, m->uri[i]);
	return pack_end(&p);
}

enum err
proto_rua_unpack(struct span in, struct arena *a, struct proto_rua *out)
{
	struct unpacker u;
	struct proto_rua m = {0};
	uint32_t n;

	unpack_begin(&u, in);
	m.err = (enum err)unpack_u32(&u);
	n = unpack_count(&u, sizeof(uint32_t));
	if (n > PROTO_RUA_MAX)
		u.err = ERR_IPC;
	while (u.err == ERR_OK && m.n < n)
		m.uri[m.n++] = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_report_pack(const struct proto_report *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->url);
	pack_span(&p, m->body);
	return pack_end(&p);
}

enum err
proto_report_unpack(struct span in, struct arena *a, struct proto_report *out)
{
	struct unpacker u;
	struct proto_report m;

	unpack_begin(&u, in);
	m.url = unpack_str(&u, a);
	m.body = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
