/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The sealed object of docs/format-escrow.md that came inside a file, as
 * base64: made a Blob, which is the browser's to keep, and opened part by part
 * as client.js opens one that a portal has. No network, no document.
 */
import { FACTOR_GENERATED, HEADER_SIZE, OpenError, base64urlEncode, chunkRange,
	deriveKeys, openIndex, openRange, parseHeader, parseLink, sealedSize,
	subtle } from './crypto.js';

const TEXT_PIECE = 1 << 20;
const BLOB_PIECE = 1 << 20;

function octetsOf(text) {
	let decoded;
	try {
		decoded = atob(text);
	} catch {
		throw new OpenError('damaged', 'not base64');
	}
	const octets = new Uint8Array(decoded.length);
	for (let i = 0; i < decoded.length; i++)
		octets[i] = decoded.charCodeAt(i);
	return octets;
}

/* The octets that the texts encode together, whatever blanks and line ends the
   mail put between them. Nothing of it is held twice. */
export function objectBlob(texts) {
	const pieces = [];
	let rest = '';
	for (const text of texts) {
		for (let at = 0; at < text.length; at += TEXT_PIECE) {
			const more = rest +
				text.slice(at, at + TEXT_PIECE).replace(/\s+/g, '');
			const whole = more.length - more.length % 4;
			pieces.push(new Blob([octetsOf(more.slice(0, whole))]));
			rest = more.slice(whole);
		}
	}
	if (rest !== '')
		throw new OpenError('damaged', 'base64 is cut');
	return new Blob(pieces);
}

const octetsAt = async (blob, from, to) =>
	new Uint8Array(await blob.slice(from, to).arrayBuffer());

async function* piecesOf(blob) {
	for (let at = 0; at < blob.size; at += BLOB_PIECE)
		yield octetsAt(blob, at, at + BLOB_PIECE);
}

class AttachedObject {
	#blob;
	#key;
	#header;

	constructor(blob, key, header, index) {
		this.#blob = blob;
		this.#key = key;
		this.#header = header;
		this.index = index;
		this.expires = null; /* who has the file has it for good */
		this.size = header.body_size;
	}

	/* The octets of a part as they stand in the message, in pieces. */
	async* read(part) {
		const { offset, length } = part;
		if (length === 0)
			return;
		const { from, to } = chunkRange(this.#header, offset, length);
		yield* openRange(this.#key, this.#header, offset, length,
			piecesOf(this.#blob.slice(from, to)));
	}
}

/* Open the object in the Blob. link is what stands behind "#" elsewhere,
   spelling what was typed, as factor.js spells it. The error `wrong` says that
   it does not fit. */
export async function openAttached(blob, link_text, spelling) {
	const bytes = await octetsAt(blob, 0, HEADER_SIZE);
	if (bytes.length < HEADER_SIZE)
		throw new OpenError('damaged', 'header is cut');
	const link = parseLink(base64urlEncode(bytes.subarray(16, 32)), link_text);
	if (link.factor !== FACTOR_GENERATED)
		throw new OpenError('unsupported', 'not for a file');
	const header = parseHeader(bytes, link);
	if (blob.size !== header.body_at + sealedSize(header.body_size))
		throw new OpenError('damaged', 'the object is cut');
	const { proof, key } = await deriveKeys(link, spelling);
	const hash = new Uint8Array(await subtle().digest('SHA-256', proof));
	if (!hash.every((octet, i) => octet === bytes[32 + i]))
		throw new OpenError('wrong', 'another passphrase');
	const index = await openIndex(key, header,
		await octetsAt(blob, HEADER_SIZE, header.body_at));
	return new AttachedObject(blob, key, header, index);
}
