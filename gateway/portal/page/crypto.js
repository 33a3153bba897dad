/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The sealed object of docs/format-escrow.md, opened with WebCrypto: link,
 * keys, header, index, chunks. Pure: no network, no document; runs in the
 * browser and in Node.
 */
export const HEADER_SIZE = 96;
export const CHUNK_SIZE = 65536;
const AD_SIZE = 88;
const TAG_SIZE = 16;
const SEALED_CHUNK = CHUNK_SIZE + TAG_SIZE;
const MAGIC = 'SGOBJECT';
const VERSION = 1;
const INDEX_MAX = 1 << 20;
const BODY_MAX = 2 ** 40;
export const FACTOR_NONE = 0;
export const FACTOR_PASSPHRASE = 1;
export const FACTOR_GENERATED = 2;
export const FACTOR_ANSWER = 3;
export const FACTOR_ACCOUNT = 4;
export const DOOR_ACCOUNT = 2;
const QUESTION_MAX = 200;
const ACCOUNT_ID_SIZE = 16;
const POINT_SIZE = 65;
const PBKDF2_ROUNDS = 600000;
const STREAM_INDEX = 1;
const STREAM_BODY = 2;

/* What went wrong, as one word the view has a sentence for: link, gone, busy,
   code, damaged, network, insecure, unsupported. `wait` are the seconds after
   which it makes sense to try again. */
export class OpenError extends Error {
	constructor(code, detail, wait) {
		super(detail ?? code);
		this.name = 'OpenError';
		this.code = code;
		this.wait = wait;
	}
}

export function subtle() {
	/* Browsers hide it from pages that did not come over HTTPS. */
	const found = globalThis.crypto?.subtle;
	if (!found)
		throw new OpenError('insecure', 'no WebCrypto');
	return found;
}

export function base64urlEncode(bytes) {
	let s = '';
	for (const b of bytes)
		s += String.fromCharCode(b);
	return btoa(s).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
}

/* Without padding, and only the canonical form: null otherwise. */
export function base64urlDecode(text) {
	if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1)
		return null;
	const s = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
	const bytes = Uint8Array.from(s, c => c.charCodeAt(0));
	return base64urlEncode(bytes) === text ? bytes : null;
}

/* The question of a link, or a refusal: it is shown to the reader. */
function parseQuestion(factor, encoded) {
	if (factor !== FACTOR_ANSWER) {
		if (encoded !== undefined)
			throw new OpenError('link', 'a question without need');
		return undefined;
	}
	const octets = base64urlDecode(encoded ?? '');
	if (octets === null || octets.length === 0 ||
	    octets.length > QUESTION_MAX)
		throw new OpenError('link', 'the question is not complete');
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(octets);
	} catch {
		throw new OpenError('link', 'the question is not complete');
	}
}

/* The account of a link, {id, point}, or a refusal. */
function parseAccount(factor, encoded) {
	if (factor !== FACTOR_ACCOUNT)
		return undefined;
	const octets = base64urlDecode(encoded ?? '');
	if (octets === null || octets.length !== ACCOUNT_ID_SIZE + POINT_SIZE)
		throw new OpenError('link', 'the account is not complete');
	return { id: octets.subarray(0, ACCOUNT_ID_SIZE),
		point: octets.subarray(ACCOUNT_ID_SIZE) };
}

/* The two halves of URL/m/ID#SECRET: {id, id_text, factor, secret, question,
   account}. */
export function parseLink(id_text, fragment) {
	const [secret_text, beside, more] = fragment.split('.');
	const id = base64urlDecode(id_text);
	const link = base64urlDecode(secret_text);
	if (id === null || id.length !== 16)
		throw new OpenError('link', 'the id is not complete');
	if (link === null || link.length !== 33 || more !== undefined)
		throw new OpenError('link', 'the secret is not complete');
	const factor = link[0] & 15;
	if (link[0] >> 4 !== VERSION || factor > FACTOR_ACCOUNT)
		throw new OpenError('unsupported', 'unknown kind of link');
	const account = parseAccount(factor, beside);
	return { id, id_text, factor, secret: link.subarray(1), account,
		question: account ? undefined : parseQuestion(factor, beside) };
}

/* text: what the reader typed, as factor.js spells it. */
export async function stretch(text, salt) {
	const base = await subtle().importKey('raw',
		new TextEncoder().encode(text), 'PBKDF2', false, ['deriveBits']);
	const bits = await subtle().deriveBits({ name: 'PBKDF2', hash: 'SHA-256',
		salt, iterations: PBKDF2_ROUNDS }, base, 256);
	return new Uint8Array(bits);
}

/* {proof, key}: what the portal wants to see, and what opens the object.
   spelling is of what was typed, shared what account.js found with it. */
export async function deriveKeys(link, spelling = '', shared = undefined) {
	let factor = shared ?? new Uint8Array(0);
	if (link.factor !== FACTOR_NONE && shared === undefined)
		factor = await stretch(spelling, link.id);
	const input = new Uint8Array(link.secret.length + factor.length);
	input.set(link.secret);
	input.set(factor, link.secret.length);
	const base = await subtle().importKey('raw', input, 'HKDF', false,
		['deriveBits', 'deriveKey']);
	const hkdf = word => ({ name: 'HKDF', hash: 'SHA-256', salt: link.id,
		info: new TextEncoder().encode('sealgate escrow v1 ' + word) });
	const proof = await subtle().deriveBits(hkdf('proof'), base, 256);
	const key = await subtle().deriveKey(hkdf('content'), base,
		{ name: 'AES-GCM', length: 256 }, false, ['decrypt']);
	return { proof: new Uint8Array(proof), key };
}

/* Octets of a section once it is sealed; an empty one has one chunk, too. */
export function sealedSize(size) {
	return size + TAG_SIZE * Math.max(1, Math.ceil(size / CHUNK_SIZE));
}

function readU64(view, at) {
	const n = Number(view.getBigUint64(at));
	return Number.isSafeInteger(n) ? n : Infinity;
}

/* The outer header. It is the associated data of every chunk, so that a lie
   in it makes the first chunk fail. */
export function parseHeader(bytes, link) {
	if (bytes.length < HEADER_SIZE)
		throw new OpenError('damaged', 'header is cut');
	const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE);
	const magic = String.fromCharCode(...bytes.subarray(0, 8));
	if (magic !== MAGIC || view.getUint16(8) !== VERSION)
		throw new OpenError('unsupported', 'not an object of version 1');
	const header = {
		ad: bytes.slice(0, AD_SIZE),
		factor: bytes[10],
		door: bytes[11],
		index_size: readU64(view, 64),
		body_size: readU64(view, 72),
		created: readU64(view, 80),
		expires: readU64(view, 88),
	};
	if (header.index_size > INDEX_MAX || header.body_size > BODY_MAX ||
	    header.factor !== link.factor ||
	    !link.id.every((octet, i) => octet === bytes[16 + i]))
		throw new OpenError('damaged', 'header does not fit the link');
	header.body_at = HEADER_SIZE + sealedSize(header.index_size);
	return header;
}

function nonce(stream, counter, last) {
	const iv = new Uint8Array(12);
	iv[6] = stream;
	new DataView(iv.buffer).setUint32(7, counter);
	iv[11] = last ? 1 : 0;
	return iv;
}

/* One chunk of an answer, with its tag; docs/format-escrow.md, Answers. */
export async function sealChunk(key, ad, stream, counter, last, plain) {
	return new Uint8Array(await subtle().encrypt({ name: 'AES-GCM',
		iv: nonce(stream, counter, last), additionalData: ad,
		tagLength: 128 }, key, plain));
}

async function openChunk(key, header, stream, counter, last, sealed) {
	try {
		return new Uint8Array(await subtle().decrypt({ name: 'AES-GCM',
			iv: nonce(stream, counter, last), additionalData: header.ad,
			tagLength: 128 }, key, sealed));
	} catch {
		throw new OpenError('damaged', `chunk ${counter} does not open`);
	}
}

/* Chunks first..end-1 of a section of size octets, from the sealed octets
   that the asynchronous iterable gives in pieces of any length. */
async function* openChunks(key, header, stream, size, first, end, pieces) {
	const total = Math.max(1, Math.ceil(size / CHUNK_SIZE));
	const held = new Uint8Array(SEALED_CHUNK);
	let fill = 0;
	let counter = first;
	const want = () => counter < total - 1 ? SEALED_CHUNK
		: size - (total - 1) * CHUNK_SIZE + TAG_SIZE;
	for await (const piece of pieces) {
		for (let at = 0; at < piece.length;) {
			if (counter >= end)
				throw new OpenError('damaged', 'more than was asked for');
			const n = Math.min(want() - fill, piece.length - at);
			held.set(piece.subarray(at, at + n), fill);
			fill += n;
			at += n;
			if (fill < want())
				continue;
			yield await openChunk(key, header, stream, counter,
				counter === total - 1, held.subarray(0, fill));
			fill = 0;
			counter++;
		}
	}
	if (counter !== end)
		throw new OpenError('damaged', 'the object is cut');
}

/* A part lies inside the message, or the index is refused. Its words, as the
   sender wrote them, are compared in lower case. */
function checkPart(part, header) {
	const ok = Number.isSafeInteger(part.offset) && part.offset >= 0 &&
		Number.isSafeInteger(part.length) && part.length >= 0 &&
		part.offset + part.length <= header.body_size &&
		typeof part.type === 'string' && typeof part.encoding === 'string';
	if (!ok)
		throw new OpenError('damaged', 'part table');
	return { ...part, type: part.type.toLowerCase(),
		encoding: part.encoding.toLowerCase(),
		disposition: String(part.disposition ?? '').toLowerCase() };
}

/* The index from the sealed octets that follow the header. */
export async function openIndex(key, header, sealed) {
	const plain = [];
	const end = Math.max(1, Math.ceil(header.index_size / CHUNK_SIZE));
	for await (const chunk of openChunks(key, header, STREAM_INDEX,
		header.index_size, 0, end, [sealed]))
		plain.push(chunk);
	const text = await new Blob(plain).text();
	let index;
	try {
		index = JSON.parse(text);
	} catch {
		throw new OpenError('damaged', 'index');
	}
	if (index?.version !== VERSION || !Array.isArray(index.parts))
		throw new OpenError('unsupported', 'index');
	index.parts = index.parts.map(part => checkPart(part, header));
	return index;
}

/* Which octets of the object hold length octets of the message at offset:
   the first and the one behind the last, chunk by chunk. */
export function chunkRange(header, offset, length) {
	const first = Math.floor(offset / CHUNK_SIZE);
	const end = Math.max(first + 1, Math.ceil((offset + length) / CHUNK_SIZE));
	const object_end = header.body_at + sealedSize(header.body_size);
	return { first, end, from: header.body_at + first * SEALED_CHUNK,
		to: Math.min(header.body_at + end * SEALED_CHUNK, object_end) };
}

/* The octets of the message at offset, piece by piece, each verified before
   it is handed out. pieces are the octets that chunkRange() names. */
export async function* openRange(key, header, offset, length, pieces) {
	const { first, end } = chunkRange(header, offset, length);
	let at = first * CHUNK_SIZE;
	for await (const chunk of openChunks(key, header, STREAM_BODY,
		header.body_size, first, end, pieces)) {
		const from = Math.max(0, offset - at);
		const to = Math.min(chunk.length, offset + length - at);
		if (to > from)
			yield chunk.subarray(from, to);
		at += chunk.length;
	}
}
