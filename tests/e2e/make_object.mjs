#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Write an object for the tests. Standard input is JSON: {dir, expires_in,
 * from, subject, parts: [{type, encoding, name, …, body (base64)}]}, bodies
 * already encoded for transfer. Prints {id, link, size}.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { seal } from './seal.mjs';

const spec = JSON.parse(fs.readFileSync(0, 'utf8'));
const pieces = [Buffer.from('MIME-Version: 1.0\r\n\r\n')];
let offset = pieces[0].length;
const parts = spec.parts.map(({ body, ...part }) => {
	const octets = Buffer.from(body, 'base64');
	const separator = Buffer.from('\r\n--boundary\r\n\r\n');
	pieces.push(separator, octets);
	offset += separator.length + octets.length;
	return { ...part, offset: offset - octets.length,
		length: octets.length };
});
const id = randomBytes(16);
const now = Math.floor(Date.now() / 1000);
const times = { created: now - 10, expires: now + spec.expires_in };
const sealed = seal({ id, link: randomBytes(32), ...times,
	message: Buffer.concat(pieces),
	index: JSON.stringify({ version: 1, from: spec.from, to: spec.to,
		subject: spec.subject, date: now - 60, ...times, parts }) });
const name = id.toString('base64url');
fs.writeFileSync(`${spec.dir}/${name}`, sealed.object);
console.log(JSON.stringify({ id: name, link: sealed.link,
	proof: sealed.keys.proof.toString('base64url'),
	size: sealed.object.length }));
