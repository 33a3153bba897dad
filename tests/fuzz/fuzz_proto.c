/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages from a process that was taken over, and entries from a disk that
 * somebody wrote to. The first octet chooses which. What is taken packs to
 * the same octets again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/proto.h"
#include "gateway/proto_keystore.h"
#include "gateway/proto_open.h"
#include "gateway/proto_revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
entry_round_trip(struct span in, struct arena *a)
{
	struct unpacker u;
	struct packer p;
	struct entry e;
	struct buf b;

	unpack_begin(&u, in);
	entry_unpack(&u, a, &e);
	if (unpack_end(&u) != ERR_OK)
		return;
	buf_init(&b, 1 << 22);
	pack_begin(&p, &b);
	entry_pack(&p, &e);
	if (pack_end(&p) == ERR_OK && !span_eq(buf_span(&b), in))
		abort();
	buf_clear(&b);
}

static void
unpack_one(unsigned which, struct span in, struct arena *a)
{
	union {
		struct proto_boot boot;
		struct proto_rcpt_check check;
		struct proto_sign_in sign_in;
		struct proto_signed_in signed_in;
		struct proto_listed listed;
		struct proto_reply reply;
		struct proto_message message;
		struct proto_done done;
		struct proto_committed committed;
		struct proto_submit submit;
		struct proto_decide decide;
		struct proto_deliver deliver;
		struct proto_result result;
		struct proto_keys keys;
		struct proto_opened opened;
		struct proto_propose propose;
		struct proto_proposed proposed;
		struct proto_admit admit;
		struct proto_admitted admitted;
		struct proto_pgp_open pgp_open;
		struct proto_pgp_opened pgp_opened;
		struct proto_pgp_verify pgp_verify;
		struct proto_pgp_verified pgp_verified;
		struct proto_revocation revocation;
		struct proto_revocation_said revocation_said;
	} m;
	enum err e = ERR_OK;

	switch (which) {
	case 0:
		entry_round_trip(in, a);
		break;
	case 1:
		e = proto_boot_unpack(in, a, &m.boot);
		break;
	case 2:
		e = proto_rcpt_check_unpack(in, a, &m.check);
		break;
	case 3:
		e = proto_reply_unpack(in, a, &m.reply);
		break;
	case 4:
		e = proto_message_unpack(in, a, &m.message);
		break;
	case 5:
		e = proto_done_unpack(in, a, &m.done);
		break;
	case 6:
		e = proto_submit_unpack(in, a, &m.submit);
		break;
	case 7:
		e = proto_decide_unpack(in, a, &m.decide);
		break;
	case 8:
		e = proto_deliver_unpack(in, a, &m.deliver);
		break;
	case 9:
		e = proto_result_unpack(in, a, &m.result);
		break;
	case 10:
		e = proto_keys_unpack(in, &m.keys);
		break;
	case 11:
		e = proto_propose_unpack(in, a, &m.propose);
		break;
	case 12:
		e = proto_proposed_unpack(in, a, &m.proposed);
		break;
	case 13:
		e = proto_opened_unpack(in, a, &m.opened);
		break;
	case 14:
		e = proto_admit_unpack(in, &m.admit);
		break;
	case 15:
		e = proto_admitted_unpack(in, a, &m.admitted);
		break;
	case 16:
		e = proto_pgp_open_unpack(in, a, &m.pgp_open);
		break;
	case 17:
		e = proto_pgp_opened_unpack(in, a, &m.pgp_opened);
		break;
	case 18:
		e = proto_pgp_verify_unpack(in, a, &m.pgp_verify);
		break;
	case 20:
		e = proto_revocation_unpack(in, &m.revocation);
		break;
	case 21:
		e = proto_revocation_said_unpack(in, a, &m.revocation_said);
		break;
	case 22:
		e = proto_sign_in_unpack(in, a, &m.sign_in);
		break;
	case 23:
		e = proto_signed_in_unpack(in, a, &m.signed_in);
		break;
	case 24:
		e = proto_listed_unpack(in, a, &m.listed);
		break;
	case 25:
		e = proto_committed_unpack(in, a, &m.committed);
		break;
	default:
		e = proto_pgp_verified_unpack(in, a, &m.pgp_verified);
		break;
	}
	if (e != ERR_OK && e != ERR_IPC && e != ERR_NOMEM)
		abort();
}

/* What keys are asked. */
static void
unpack_keys(unsigned which, struct span in, struct arena *a)
{
	union {
		struct proto_register registered;
		struct proto_decrypt decrypt;
		struct proto_decrypted decrypted;
	} m;
	enum err e = which == 0	  ? proto_register_unpack(in, a, &m.registered)
		     : which == 1 ? proto_decrypt_unpack(in, &m.decrypt)
				  : proto_decrypted_unpack(in, &m.decrypted);

	if (e != ERR_OK && e != ERR_IPC && e != ERR_NOMEM)
		abort();
}

/* What issuer is told, and tells. */
static void
unpack_issue(unsigned which, struct span in)
{
	union {
		struct proto_key_new key_new;
		struct proto_key_made made;
		struct proto_key_seal seal;
		struct proto_ca_keep keep;
		struct proto_ca_list list;
	} m;
	struct span octets;
	enum err result;
	enum err e = which == 0	  ? proto_key_new_unpack(in, &m.key_new)
		     : which == 1 ? proto_key_made_unpack(in, &m.made)
		     : which == 2 ? proto_key_seal_unpack(in, &m.seal)
		     : which == 3 ? proto_ca_keep_unpack(in, &m.keep)
		     : which == 4 ? proto_ca_list_unpack(in, &m.list)
				  : proto_octets_unpack(in, &result, &octets);

	if (e != ERR_OK && e != ERR_IPC && e != ERR_NOMEM)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a;
	unsigned which;

	if (len == 0)
		return 0;
	a = arena_new(1 << 22);
	which = data[0] % 29;
	if (data[0] >= 250)
		unpack_issue(data[0] - 250u, SPAN(data + 1, len - 1));
	else if (which >= 20 && which < 23)
		unpack_keys(which - 20, SPAN(data + 1, len - 1), a);
	else
		unpack_one(
		    which < 20 ? which : which - 3, SPAN(data + 1, len - 1), a);
	arena_free(a);
	return 0;
}
