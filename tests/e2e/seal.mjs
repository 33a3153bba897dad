/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A second writer of docs/format-escrow.md, from the text and with node's own
 * primitives: what the tests make objects with, whole ones and broken ones.
 */
import { createCipheriv, createHash, hkdfSync, pbkdf2Sync } from 'node:crypto';

export function keysOf(link, id, passphrase) {
	const input = passphrase === undefined ? link : Buffer.concat([link,
		pbkdf2Sync(passphrase.normalize('NFC'), id, 600000, 32, 'sha256')]);
	const key = word => Buffer.from(hkdfSync('sha256', input, id,
		`sealgate escrow v1 ${word}`, 32));
	return { proof: key('proof'), content: key('content') };
}

export function linkText(link, factor, question) {
	const secret = Buffer.concat([Buffer.from([0x10 + factor]), link])
		.toString('base64url');
	return question === undefined ? secret
		: `${secret}.${Buffer.from(question).toString('base64url')}`;
}

function chunk(key, stream, counter, last, ad, text) {
	const nonce = Buffer.alloc(12);
	nonce[6] = stream;
	nonce.writeUInt32BE(counter, 7);
	nonce[11] = last ? 1 : 0;
	const cipher = createCipheriv('aes-256-gcm', key, nonce);
	cipher.setAAD(ad);
	return Buffer.concat([cipher.update(text), cipher.final(),
		cipher.getAuthTag()]);
}

function section(key, stream, ad, text) {
	const out = [];
	const n = Math.max(1, Math.ceil(text.length / 65536));
	for (let i = 0; i < n; i++)
		out.push(chunk(key, stream, i, i === n - 1, ad,
			text.subarray(i * 65536, (i + 1) * 65536)));
	return Buffer.concat(out);
}

/* {object, link}: the file, and what is behind "#". index is the JSON text,
   passphrase what is hashed, however it is to be typed. */
export function seal({ id, link, passphrase, question, index, message, created,
	expires, factor = passphrase === undefined ? 0 : 1, door = 0 }) {
	const keys = keysOf(link, id, passphrase);
	const text = Buffer.from(index);
	const header = Buffer.alloc(96);
	header.write('SGOBJECT', 0, 'latin1');
	header.writeUInt16BE(1, 8);
	header[10] = factor;
	header[11] = door;
	id.copy(header, 16);
	createHash('sha256').update(keys.proof).digest().copy(header, 32);
	header.writeBigUInt64BE(BigInt(text.length), 64);
	header.writeBigUInt64BE(BigInt(message.length), 72);
	header.writeBigUInt64BE(BigInt(created), 80);
	header.writeBigUInt64BE(BigInt(expires), 88);
	const ad = header.subarray(0, 88);
	return { link: linkText(link, factor, question), keys,
		object: Buffer.concat([header, section(keys.content, 1, ad, text),
			section(keys.content, 2, ad, message)]) };
}
