/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The page's own code against the vectors of docs/format-escrow.md and
 * against objects that were tampered with. PAGE is the page's directory.
 */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { linkText, seal } from './seal.mjs';

globalThis.crypto ??= webcrypto;
const page = pathToFileURL(`${process.env.PAGE}/`);
const C = await import(new URL('crypto.js', page));
const M = await import(new URL('message.js', page));

const ID = Buffer.from('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'hex');
const LINK = Buffer.from([...Array(32).keys()]);
const ID_TEXT = ID.toString('base64url');
const hex = bytes => Buffer.from(bytes).toString('hex');

/* The example object of the document, from the document. */
const DOC = fs.readFileSync(
	new URL('../../docs/format-escrow.md', import.meta.url), 'utf8');
const VECTOR = Buffer.from(DOC.slice(DOC.indexOf('378 octets'))
	.match(/^ {4}[0-9a-f]+$/gm).join('').replace(/ /g, ''), 'hex');

function sample(size, passphrase) {
	const message = Buffer.alloc(size, 'abcdefg');
	return seal({ id: ID, link: LINK, passphrase, message,
		created: 1000, expires: 2000, index: JSON.stringify({ version: 1,
			from: 'a@example.org', date: 1, parts: [{ offset: 0,
				length: size, type: 'text/plain', encoding: '7bit' }] }) });
}

/* Everything a reader does, without the network; the message. */
async function openAll(object, link_text, passphrase, from = 0, length) {
	const link = C.parseLink(ID_TEXT, link_text);
	const keys = await C.deriveKeys(link, passphrase);
	const header = C.parseHeader(object, link);
	const index = await C.openIndex(keys.key, header,
		object.subarray(96, header.body_at));
	const want = length ?? header.body_size;
	const range = C.chunkRange(header, from, want);
	const out = [];
	for await (const piece of C.openRange(keys.key, header, from, want,
		[object.subarray(range.from, range.to)]))
		out.push(piece.slice());
	return { index, message: Buffer.concat(out) };
}

const fails = (promise, code, what) => assert.rejects(promise, error => {
	assert.equal(error.code, code, `${what}: ${error}`);
	return true;
});

test('keys are those of the document', async () => {
	for (const passphrase of [undefined, 'correct horse']) {
		const { link } = sample(1, passphrase);
		const parsed = C.parseLink(ID_TEXT, link);
		const { proof } = await C.deriveKeys(parsed, passphrase);
		assert.ok(DOC.includes(`SECRET        ${link}\n    proof         ${hex(proof)}`));
	}
});

test('the object of the document opens', async () => {
	assert.equal(VECTOR.length, 378);
	const { index, message } = await openAll(VECTOR,
		'EAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f');
	assert.equal(index.subject, 'Hello');
	const { offset, length } = index.parts[0];
	assert.equal(message.subarray(offset, offset + length).toString(),
		'Good morning.\r\n');
});

test('another passphrase does not open', async () => {
	const { object, link } = sample(10, 'caf\u00e9');
	const { message } = await openAll(object, link, 'caf\u00e9');
	assert.equal(message.length, 10);
	await assert.rejects(openAll(object, link, 'cafe'));
});

test('every range of every size comes out right', async () => {
	for (const size of [0, 1, 65535, 65536, 65537, 131072, 200000]) {
		const { object, link } = sample(size);
		const whole = Buffer.alloc(size, 'abcdefg');
		for (const [from, length] of [[0, size], [size >> 1, size - (size >> 1)],
			[size >> 2, size >> 2]]) {
			const { message } = await openAll(object, link, undefined,
				from, length);
			assert.ok(message.equals(whole.subarray(from, from + length)),
				`${size}: ${from}+${length}`);
		}
	}
});

test('an object that is cut anywhere does not open', async () => {
	const { object, link } = sample(140000);
	for (const len of [0, 95, 96, 150, object.length - 1, object.length - 16,
		object.length - 140000 % 65536 - 16, object.length - 70000])
		await fails(openAll(object.subarray(0, len), link), 'damaged',
			`${len} octets`);
});

test('chunks that are moved, repeated or left out do not open', async () => {
	const { object, link } = sample(4 * 65536);
	const body = object.length - 4 * 65552;
	const chunk = i => object.subarray(body + i * 65552, body + (i + 1) * 65552);
	const rows = { swapped: [1, 0, 2, 3], repeated: [0, 0, 2, 3],
		'left out': [0, 2, 3, 3], 'last first': [3, 1, 2, 0],
		'last twice': [0, 1, 3, 3] };
	for (const [name, order] of Object.entries(rows))
		await fails(openAll(Buffer.concat([object.subarray(0, body),
			...order.map(chunk)]), link), 'damaged', name);
});

test('a changed bit anywhere is noticed', async () => {
	const { object, link } = sample(70000);
	for (let at = 0; at < object.length; at += at < 400 ? 1 : 4111) {
		const bad = Buffer.from(object);
		bad[at] ^= 1;
		if (at >= 88 && at < 96)
			continue; /* the expiry is not sealed, and the portal's */
		await assert.rejects(openAll(bad, link), `octet ${at}`);
	}
});

test('an index of another object of the same link does not open', async () => {
	const a = sample(10);
	const b = sample(11);
	await fails(openAll(Buffer.concat([a.object.subarray(0, 96),
		b.object.subarray(96)]), a.link), 'damaged', 'index');
});

test('links: only the whole one is taken', () => {
	const { link } = sample(1);
	assert.equal(C.parseLink(ID_TEXT, link).factor, 0);
	assert.equal(C.parseLink(ID_TEXT, sample(1, 'x').link).factor, 1);
	const asked = linkText(LINK, 3, 'Wie heißt der Hund?');
	assert.equal(C.parseLink(ID_TEXT, asked).question, 'Wie heißt der Hund?');
	const bad = [[ID_TEXT, ''], [ID_TEXT, link.slice(1)],
		[ID_TEXT, link.slice(0, -1)], [ID_TEXT, link + 'A'],
		[ID_TEXT, link + '='], [ID_TEXT, link + '%20'], ['', link],
		[ID_TEXT.slice(1), link], [ID_TEXT + 'A', link],
		['AAAAAAAAAAAAAAAAAAAAAB', link], [ID_TEXT, '+' + link.slice(1)],
		[ID_TEXT, `${link}.`], [ID_TEXT, linkText(LINK, 0, 'why?')],
		[ID_TEXT, linkText(LINK, 3)], [ID_TEXT, linkText(LINK, 3, '')],
		[ID_TEXT, linkText(LINK, 3, 'x'.repeat(201))],
		[ID_TEXT, linkText(LINK, 3, Buffer.from([0xff]))],
		[ID_TEXT, `${asked}.${asked}`], [ID_TEXT, `${asked}=`]];
	for (const [id, secret] of bad)
		assert.throws(() => C.parseLink(id, secret), { code: 'link' },
			`${id}#${secret}`);
	for (const start of ['AA', 'FA', 'IA', '_A', 'FA', 'Hw'])
		assert.throws(() => C.parseLink(ID_TEXT, start + link.slice(2)),
			{ code: 'unsupported' }, start);
});

test('an index with parts outside of the message is refused', async () => {
	for (const part of [{ offset: 0, length: 11 }, { offset: 11, length: 0 },
		{ offset: -1, length: 1 }, { offset: 0.5, length: 1 },
		{ offset: '0', length: 1 }, { offset: 0 }]) {
		const { object, link } = seal({ id: ID, link: LINK, created: 1,
			expires: 2, message: Buffer.alloc(10), index: JSON.stringify({
				version: 1, from: '', date: 1, parts: [{ type: 'text/plain',
					encoding: '7bit', ...part }] }) });
		await fails(openAll(object, link), 'damaged', JSON.stringify(part));
	}
});
