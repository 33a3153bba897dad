#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Write an object for the tests. Standard input is JSON: {dir, expires_in,
 * from, subject, parts: [{type, encoding, name, …, body (base64)}]}, bodies
 * already encoded for transfer; {size} instead of {body} is a part of so many
 * octets. message (base64) is taken instead of one made of the parts, whose
 * offset and length are then given. factor, passphrase, question, door: what
 * the link asks for. Prints {id, link, proof,
 * message_sha256, size}.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { seal } from './seal.mjs';

const spec = JSON.parse(fs.readFileSync(0, 'utf8'));
const pieces = spec.message ? [Buffer.from(spec.message, 'base64')]
	: [Buffer.from('Message-ID: <original@example.org>\r\n' +
		'References: <first@example.org>\r\nMIME-Version: 1.0\r\n\r\n')];
let offset = pieces[0].length;

function place({ body, size, ...part }) {
	if (spec.message)
		return part;
	const octets = size === undefined ? Buffer.from(body, 'base64')
		: Buffer.alloc(size, 'one hundred and one octets or so, ');
	const separator = Buffer.from('\r\n--boundary\r\n\r\n');
	pieces.push(separator, octets);
	offset += separator.length + octets.length;
	return { ...part, offset: offset - octets.length,
		length: octets.length };
}

const parts = spec.parts.map(place);
const id = randomBytes(16);
const now = Math.floor(Date.now() / 1000);
const times = { created: now - 10, expires: now + spec.expires_in };
const message = Buffer.concat(pieces);
const { reply_key, reply_to, reply_max, factor, passphrase, question, door } =
	spec;
const sealed = seal({ id, link: randomBytes(32), ...times, factor, passphrase,
	question, door, message,
	index: JSON.stringify({ version: 1, from: spec.from, to: spec.to,
		subject: spec.subject, date: now - 60, ...times, parts, reply_key,
		reply_to, reply_max }) });
const name = id.toString('base64url');
fs.writeFileSync(`${spec.dir}/${name}`, sealed.object);
console.log(JSON.stringify({ id: name, link: sealed.link,
	proof: sealed.keys.proof.toString('base64url'),
	message_sha256: createHash('sha256').update(message).digest('hex'),
	size: sealed.object.length }));
