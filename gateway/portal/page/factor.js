/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How what the reader types is spelled before it is hashed, so that hyphens,
 * capitals and keyboards make no difference: docs/format-escrow.md, The link.
 */
import { FACTOR_ACCOUNT, FACTOR_ANSWER, FACTOR_GENERATED, FACTOR_PASSPHRASE }
	from './crypto.js';

export const GENERATED_LENGTH = 20;

function spellGenerated(text) {
	return text.normalize('NFKC').toLowerCase().replace(/o/g, '0')
		.replace(/[il]/g, '1').replace(/[^0-9abcdefghjkmnpqrstvwxyz]/g, '');
}

function spellAnswer(text) {
	return text.normalize('NFKC').toLowerCase().normalize('NFKC')
		.replace(/ς/g, 'σ').replace(/[^\p{L}\p{M}\p{N}]/gu, '');
}

/* The spelling; empty if there is nothing that counts. */
export function spell(factor, text) {
	switch (factor) {
	case FACTOR_PASSPHRASE:
	case FACTOR_ACCOUNT:
		return text.normalize('NFC');
	case FACTOR_GENERATED:
		return spellGenerated(text);
	case FACTOR_ANSWER:
		return spellAnswer(text);
	default:
		return '';
	}
}
