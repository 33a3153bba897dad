/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a worker measured while it made or opened a message, for a monitoring
 * system: goes to store with what became of the message.
 */
#ifndef GATEWAY_PROTO_MEASURE_H
#define GATEWAY_PROTO_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct packer;
struct unpacker;

enum proto_measure_kind {
	PROTO_MEASURE_SIZE_IN = 0, /* octets of a message that is accepted */
	PROTO_MEASURE_SIZE_OUT,
	/* microseconds of making one variant, or of opening a message */
	PROTO_MEASURE_SMIME_SEAL, /* signed, too, where it is */
	PROTO_MEASURE_SMIME_SIGN,
	PROTO_MEASURE_SMIME_OPEN, /* decrypted, verified, or both */
	PROTO_MEASURE_PGP_SEAL,
	PROTO_MEASURE_PGP_SIGN,
	PROTO_MEASURE_PGP_OPEN,
	PROTO_MEASURE_ESCROW_SEAL,
	PROTO_MEASURES
};

struct proto_measure {
	uint8_t kind; /* enum proto_measure_kind */
	bool failed;  /* nothing came of it */
	uint64_t value;
};

struct proto_measures {
	struct proto_measure *list;
	uint32_t n;
};

void proto_measures_pack(struct packer *p, const struct proto_measures *m);
/* ERR_IPC for a kind that there is not. */
void proto_measures_unpack(
    struct unpacker *u, struct arena *a, struct proto_measures *out);

#endif
