/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages from a process that was taken over, and entries from a disk that
 * somebody wrote to. The first octet chooses which. What is taken packs to
 * the same octets again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/secret.h"
#include "gateway/proto.h"
#include "gateway/proto_extract.h"
#include "gateway/proto_hop.h"
#include "gateway/proto_keystore.h"
#include "gateway/proto_measure.h"
#include "gateway/proto_open.h"
#include "gateway/proto_order.h"
#include "gateway/proto_revocation.h"
#include "gateway/proto_tls.h"
#include "gateway/tls_report.h"
#include "gateway/tls_state.h"
#include "keystore/refused.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* All that is read; new ones at the end: the corpus has the places. */
#define ALL(IN_ARENA, PLAIN, WITH)                                             \
	WITH(entry)                                                            \
	IN_ARENA(boot, struct proto_boot)                                      \
	IN_ARENA(rcpt_check, struct proto_rcpt_check)                          \
	IN_ARENA(reply, struct proto_reply)                                    \
	IN_ARENA(message, struct proto_message)                                \
	IN_ARENA(done, struct proto_done)                                      \
	IN_ARENA(submit, struct proto_submit)                                  \
	IN_ARENA(decide, struct proto_decide)                                  \
	IN_ARENA(deliver, struct proto_deliver)                                \
	IN_ARENA(result, struct proto_result)                                  \
	PLAIN(keys, struct proto_keys)                                         \
	IN_ARENA(propose, struct proto_propose)                                \
	IN_ARENA(proposed, struct proto_proposed)                              \
	IN_ARENA(opened, struct proto_opened)                                  \
	PLAIN(admit, struct proto_admit)                                       \
	IN_ARENA(admitted, struct proto_admitted)                              \
	IN_ARENA(pgp_open, struct proto_pgp_open)                              \
	IN_ARENA(pgp_opened, struct proto_pgp_opened)                          \
	IN_ARENA(pgp_verify, struct proto_pgp_verify)                          \
	IN_ARENA(pgp_verified, struct proto_pgp_verified)                      \
	PLAIN(revocation, struct proto_revocation)                             \
	IN_ARENA(revocation_said, struct proto_revocation_said)                \
	IN_ARENA(sign_in, struct proto_sign_in)                                \
	IN_ARENA(signed_in, struct proto_signed_in)                            \
	IN_ARENA(listed, struct proto_listed)                                  \
	IN_ARENA(committed, struct proto_committed)                            \
	IN_ARENA(register, struct proto_register)                              \
	PLAIN(decrypt, struct proto_decrypt)                                   \
	PLAIN(decrypted, struct proto_decrypted)                               \
	PLAIN(key_new, struct proto_key_new)                                   \
	PLAIN(key_made, struct proto_key_made)                                 \
	PLAIN(key_seal, struct proto_key_seal)                                 \
	PLAIN(ca_keep, struct proto_ca_keep)                                   \
	PLAIN(ca_list, struct proto_ca_list)                                   \
	WITH(octets)                                                           \
	WITH(failure)                                                          \
	WITH(verdict)                                                          \
	IN_ARENA(group, struct proto_group)                                    \
	PLAIN(extract, struct proto_extract)                                   \
	PLAIN(sign, struct proto_sign)                                         \
	PLAIN(signed, struct proto_signed)                                     \
	IN_ARENA(pgp_sign, struct proto_pgp_sign)                              \
	IN_ARENA(pgp_signed, struct proto_pgp_signed)                          \
	WITH(key_is)                                                           \
	IN_ARENA(answer_came, struct proto_answer_came)                        \
	IN_ARENA(answer_open, struct proto_answer_open)                        \
	PLAIN(key_refused, struct ks_refusal)                                  \
	IN_ARENA(notify, struct proto_notify)                                  \
	IN_ARENA(notified, struct proto_notified)                              \
	WITH(domain)                                                           \
	IN_ARENA(tls_seen, struct tls_seen)                                    \
	IN_ARENA(sts_want, struct proto_sts_want)                              \
	IN_ARENA(sts, struct proto_sts)                                        \
	IN_ARENA(tls_result, struct tls_result)                                \
	IN_ARENA(rua, struct proto_rua)                                        \
	IN_ARENA(report, struct proto_report)                                  \
	WITH(order)                                                            \
	WITH(hop)                                                              \
	WITH(measures)                                                         \
	IN_ARENA(account_set, struct proto_account_set)                        \
	PLAIN(account_said, struct proto_account_said)                         \
	IN_ARENA(accounts, struct proto_accounts)

#define ARENA_FUNCTION(name, type)                                             \
	static enum err read_##name(struct span in, struct arena *a)           \
	{                                                                      \
		type m;                                                        \
                                                                               \
		return proto_##name##_unpack(in, a, &m);                       \
	}
#define PLAIN_FUNCTION(name, type)                                             \
	static enum err read_##name(struct span in, struct arena *a)           \
	{                                                                      \
		type m;                                                        \
                                                                               \
		(void)a;                                                       \
		return proto_##name##_unpack(in, &m);                          \
	}
#define NO_FUNCTION(name)

static enum err
read_entry(struct span in, struct arena *a)
{
	struct unpacker u;
	struct packer p;
	struct entry e;
	struct buf b;

	unpack_begin(&u, in);
	entry_unpack(&u, a, &e);
	if (unpack_end(&u) != ERR_OK)
		return ERR_OK;
	buf_init(&b, 1 << 22);
	pack_begin(&p, &b);
	entry_pack(&p, &e);
	if (pack_end(&p) == ERR_OK && !span_eq(buf_span(&b), in))
		abort();
	buf_clear(&b);
	return ERR_OK;
}

/* Parts of messages. */
#define PART_FUNCTION(name, type)                                              \
	static enum err read_##name(struct span in, struct arena *a)           \
	{                                                                      \
		struct unpacker u;                                             \
		type m;                                                        \
                                                                               \
		unpack_begin(&u, in);                                          \
		proto_##name##_unpack(&u, a, &m);                              \
		return unpack_end(&u);                                         \
	}

PART_FUNCTION(order, struct proto_order)
PART_FUNCTION(hop, struct proto_hop)
PART_FUNCTION(measures, struct proto_measures)

static enum err
read_octets(struct span in, struct arena *a)
{
	struct span octets;
	enum err result;

	(void)a;
	return proto_octets_unpack(in, &result, &octets);
}

static enum err
read_failure(struct span in, struct arena *a)
{
	enum err result;
	const char *why;

	return proto_failure_unpack(in, a, &result, &why);
}

static enum err
read_verdict(struct span in, struct arena *a)
{
	uint8_t verdict;

	(void)a;
	return proto_verdict_unpack(in, &verdict);
}

/* An error that it tells of may be any. */
static enum err
read_key_is(struct span in, struct arena *a)
{
	struct secret *key = NULL;

	(void)a;
	if (proto_key_is_unpack(in, &key) == ERR_OK)
		secret_free(key);
	else if (key != NULL)
		abort();
	return ERR_OK;
}

static enum err
read_domain(struct span in, struct arena *a)
{
	const char *domain;

	return proto_domain_unpack(in, a, &domain);
}

ALL(ARENA_FUNCTION, PLAIN_FUNCTION, NO_FUNCTION)

#define ROW(name, ...) read_##name,

static enum err (*const all[])(struct span in, struct arena *a) = {
    ALL(ROW, ROW, ROW)};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a;
	enum err e;

	if (len == 0)
		return 0;
	a = arena_new(1 << 22);
	e = all[data[0] % (sizeof(all) / sizeof(all[0]))](
	    SPAN(data + 1, len - 1), a);
	if (e != ERR_OK && e != ERR_IPC && e != ERR_NOMEM)
		abort();
	arena_free(a);
	return 0;
}
