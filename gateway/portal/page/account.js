/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The reader's account, with WebCrypto: a key pair made here, its private half
 * sealed under a passphrase, and what it makes of the point in a link.
 * docs/format-escrow.md, Accounts. Pure: no network, no document.
 */
import { OpenError, base64urlDecode, base64urlEncode, stretch, subtle }
	from './crypto.js';

const CURVE = { name: 'ECDH', namedCurve: 'P-256' };
const ID_SIZE = 16;
const POINT_SIZE = 65;
const PRIVATE_SIZE = 32;
/* The key is of one account alone, so the nonce comes with nothing else. */
const NONCE = new Uint8Array(12);
export const PASSPHRASE_MIN = 12;

const word = text => new TextEncoder().encode(text);

async function hkdf(input, salt, info, size) {
	const base = await subtle().importKey('raw', input, 'HKDF', false,
		['deriveBits']);
	return new Uint8Array(await subtle().deriveBits({ name: 'HKDF',
		hash: 'SHA-256', salt, info }, base, 8 * size));
}

async function sha256(octets) {
	return new Uint8Array(await subtle().digest('SHA-256', octets));
}

/* {proof, wrap}: what the portal wants to see, and what opens the key. */
async function unlockKeys(id, passphrase) {
	const stretched = await stretch(passphrase, id);
	const proof = await hkdf(stretched, id,
		word('sealgate account v1 proof'), 32);
	const octets = await hkdf(stretched, id,
		word('sealgate account v1 key'), 32);
	const wrap = await subtle().importKey('raw', octets, 'AES-GCM', false,
		['encrypt', 'decrypt']);
	return { proof, wrap };
}

const sealing = point => ({ name: 'AES-GCM', iv: NONCE,
	additionalData: point, tagLength: 128 });

export async function accountId(point) {
	return (await sha256(point)).subarray(0, ID_SIZE);
}

/* How it is kept by the gateway: {public, proof_hash, wrapped}, all base64url.
   The pair is for tests; a reader gets a new one. */
export async function makeAccount(passphrase, pair) {
	const { publicKey, privateKey } = pair ??
		await subtle().generateKey(CURVE, true, ['deriveBits']);
	const point = new Uint8Array(
		await subtle().exportKey('raw', publicKey));
	const { d } = await subtle().exportKey('jwk', privateKey);
	const id = await accountId(point);
	const { proof, wrap } = await unlockKeys(id, passphrase);
	const wrapped = await subtle().encrypt(sealing(point), wrap,
		base64urlDecode(d));
	return { public: base64urlEncode(point),
		proof_hash: base64urlEncode(await sha256(proof)),
		wrapped: base64urlEncode(new Uint8Array(wrapped)) };
}

/* The private half of what the portal gave for the proof; it is the one the
   link means, or it is refused. */
async function openAccount(id, wrap, given) {
	const point = base64urlDecode(String(given?.public));
	const wrapped = base64urlDecode(String(given?.wrapped));
	if (point?.length !== POINT_SIZE || wrapped === null ||
	    base64urlEncode(await accountId(point)) !== base64urlEncode(id))
		throw new OpenError('damaged', 'not the account of the link');
	let octets;
	try {
		octets = new Uint8Array(await subtle().decrypt(sealing(point),
			wrap, wrapped));
	} catch {
		throw new OpenError('damaged', 'the account does not open');
	}
	if (octets.length !== PRIVATE_SIZE)
		throw new OpenError('damaged', 'the account is no key');
	const jwk = { kty: 'EC', crv: 'P-256', d: base64urlEncode(octets),
		x: base64urlEncode(point.subarray(1, 33)),
		y: base64urlEncode(point.subarray(33)) };
	const key = await subtle().importKey('jwk', jwk, CURVE, false,
		['deriveBits']);
	return { key, point };
}

/* What goes into the key of the link's object. fetchKey(id, proof), both
   base64url, brings {public, wrapped} from the portal. */
export async function sharedFactor(link, passphrase, fetchKey) {
	const { id, point } = link.account;
	const { proof, wrap } = await unlockKeys(id, passphrase);
	const given = await fetchKey(base64urlEncode(id),
		base64urlEncode(proof));
	const account = await openAccount(id, wrap, given);
	let shared;
	try {
		const peer = await subtle().importKey('raw', point, CURVE, false,
			[]);
		shared = new Uint8Array(await subtle().deriveBits(
			{ name: 'ECDH', public: peer }, account.key, 256));
	} catch {
		throw new OpenError('link', 'the point is not one of the curve');
	}
	const info = word('sealgate account v1 factor');
	const all = new Uint8Array(info.length + 2 * POINT_SIZE);
	all.set(info);
	all.set(point, info.length);
	all.set(account.point, info.length + POINT_SIZE);
	return hkdf(shared, link.id, all, 32);
}
