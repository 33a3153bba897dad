#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A second reader of answers, from the text of docs/format-escrow.md and with
 * node's own primitives. As a program: with "key" it prints a new pair as
 * {public, private}; with PRIVATE it prints what the answer on standard input
 * says, {id, message}, both in base64.
 */
import { createDecipheriv, createPrivateKey, createPublicKey, diffieHellman,
	generateKeyPairSync, hkdfSync } from 'node:crypto';
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const rawPublic = key => Buffer.from(
	createPublicKey(key).export({ format: 'jwk' }).x, 'base64url');

/* {magic, id, size, octets}, or an exception. */
export function openAnswer(sealed, private_key) {
	const header = sealed.subarray(0, 64);
	const peer = createPublicKey({ format: 'jwk', key: { kty: 'OKP',
		crv: 'X25519', x: header.subarray(24, 56).toString('base64url') } });
	const shared = diffieHellman({ privateKey: private_key, publicKey: peer });
	const key = Buffer.from(hkdfSync('sha256', shared,
		Buffer.concat([header, rawPublic(private_key)]),
		'sealgate answer v1', 32));
	const out = [];
	for (let at = 64, i = 0; at < sealed.length; at += 65552, i++) {
		const chunk = sealed.subarray(at, at + 65552);
		const nonce = Buffer.alloc(12);
		nonce[6] = 3;
		nonce.writeUInt32BE(i, 7);
		nonce[11] = at + 65552 >= sealed.length ? 1 : 0;
		const d = createDecipheriv('aes-256-gcm', key, nonce);
		d.setAAD(header);
		d.setAuthTag(chunk.subarray(-16));
		out.push(Buffer.concat([d.update(chunk.subarray(0, -16)), d.final()]));
	}
	return { magic: header.toString('latin1', 0, 8), id: header.subarray(8, 24),
		size: Number(header.readBigUInt64BE(56)), octets: Buffer.concat(out) };
}

function main(what) {
	if (what === 'key') {
		const { privateKey } = generateKeyPairSync('x25519');
		return { public: rawPublic(privateKey).toString('base64url'),
			private: privateKey.export({ format: 'jwk' }).d };
	}
	const key = createPrivateKey({ format: 'der', type: 'pkcs8',
		key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'),
			Buffer.from(what, 'base64url')]) });
	const got = openAnswer(fs.readFileSync(0), key);
	if (got.magic !== 'SGANSWER' || got.size !== got.octets.length)
		throw new Error('not an answer');
	return { id: got.id.toString('base64url'),
		message: got.octets.toString('base64') };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
	console.log(JSON.stringify(main(process.argv[2])));
