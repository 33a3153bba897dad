/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The page's own code against the vectors of docs/format-escrow.md and
 * against objects that were tampered with. PAGE is the page's directory.
 */
import assert from 'node:assert/strict';
import { createHash, webcrypto } from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { linkText, seal } from './seal.mjs';

globalThis.crypto ??= webcrypto;
const page = pathToFileURL(`${process.env.PAGE}/`);
const C = await import(new URL('crypto.js', page));
const Account = await import(new URL('account.js', page));
const M = await import(new URL('message.js', page));
const A = await import(new URL('attached_object.js', page));

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

/* A member of the document's account vector, without its line breaks. */
function accountVector(name) {
	const text = DOC.slice(DOC.indexOf('With an account:'));
	return text.match(new RegExp(`^ {4}${name} +([^\\n]+(\\n {18}[^\\n]+)*)`, 'm'))[1]
		.replace(/\s+/g, '');
}

const PASSPHRASE = 'correct horse battery';
const octets = name => Buffer.from(accountVector(name), 'hex');
const text = bytes => Buffer.from(bytes).toString('base64url');

test('an account finds the keys of the document', async () => {
	const link = C.parseLink(ID_TEXT,
		`${accountVector('SECRET')}.${accountVector('ACCOUNT')}`);
	assert.equal(link.factor, C.FACTOR_ACCOUNT);
	const asked = [];
	const shared = await Account.sharedFactor(link, PASSPHRASE, async (...all) => {
		asked.push(all);
		return { public: text(octets('public key')),
			wrapped: text(octets('wrapped')) };
	});
	assert.deepEqual(asked, [[text(octets('account id')),
		text(octets('account proof'))]]);
	assert.equal(hex(shared), accountVector('factor'));
	const { proof, key } = await C.deriveKeys(link, '', shared);
	assert.equal(hex(proof), accountVector('proof'));
	assert.ok(key);
});

test('an account that is not the one of the link is refused', async () => {
	const link = C.parseLink(ID_TEXT,
		`${accountVector('SECRET')}.${accountVector('ACCOUNT')}`);
	const good = { public: text(octets('public key')),
		wrapped: text(octets('wrapped')) };
	const other = await Account.makeAccount(PASSPHRASE);
	const bent = octets('wrapped');
	bent[5] ^= 1;
	const rows = { other, nothing: {}, 'no object': null,
		mixed: { ...good, public: other.public },
		'wrapped of another': { ...good, wrapped: other.wrapped },
		'wrapped that was changed': { ...good, wrapped: text(bent) },
		'cut': { ...good, wrapped: good.wrapped.slice(0, 40) } };
	for (const [what, given] of Object.entries(rows))
		await fails(Account.sharedFactor(link, PASSPHRASE, async () => given),
			'damaged', what);
	/* what another passphrase makes of the right one */
	await fails(Account.sharedFactor(link, 'correct horse batterx',
		async () => good), 'damaged', 'passphrase');
	/* a point that lies on no curve */
	link.account.point[40] ^= 1;
	await fails(Account.sharedFactor(link, PASSPHRASE, async () => good), 'link',
		'point');
});

test('a new account is one that opens', async () => {
	const made = await Account.makeAccount(PASSPHRASE);
	const again = await Account.makeAccount(PASSPHRASE);
	assert.notEqual(made.public, again.public);
	const id = await Account.accountId(Buffer.from(made.public, 'base64url'));
	const link = C.parseLink(ID_TEXT, `${accountVector('SECRET')}.${
		text(Buffer.concat([id, Buffer.from(accountVector('ACCOUNT'),
			'base64url').subarray(16)]))}`);
	const shared = await Account.sharedFactor(link, PASSPHRASE,
		async (asked, proof) => {
			assert.equal(made.proof_hash, text(await crypto.subtle.digest(
				'SHA-256', Buffer.from(proof, 'base64url'))));
			return made;
		});
	assert.equal(shared.length, 32);
});

test('links with an account are whole or refused', () => {
	const secret = accountVector('SECRET');
	const account = accountVector('ACCOUNT');
	for (const bad of [secret, `${secret}.`, `${secret}.${account}A`,
		`${secret}.${account.slice(1)}`, `${secret}.${account}.${account}`,
		`EAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f.${account}`])
		assert.throws(() => C.parseLink(ID_TEXT, bad),
			error => error.code === 'link', bad);
	assert.throws(() => C.parseLink(ID_TEXT, `F${secret.slice(1)}.${account}`
		.replace('FA', 'FQ')), error => error.code === 'unsupported');
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
	for (const start of ['AA', 'FQ', 'IA', '_A', 'Hw'])
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

/* The object of the document's file, as base64 in pieces of any length. */
const FILE_CODE = '7k2mx9qr04htvbdnw5ze';
const FILE = seal({ id: ID, link: LINK, passphrase: FILE_CODE, factor: 2,
	message: Buffer.from('From: alice@example.org\r\nSubject: Hello\r\n\r\n' +
		'Good morning.\r\n'), created: 1700000001, expires: 253402300799,
	index: '{"version":1,"date":1700000000,"created":1700000001,' +
		'"expires":253402300799,"from":"alice@example.org",' +
		'"subject":"Hello","parts":[{"offset":43,"length":15,' +
		'"type":"text/plain","encoding":"7bit"}]}' });

function cutText(text, n) {
	return text.match(new RegExp(`[^]{1,${n}}`, 'g')) ?? [];
}

test('the object of a file opens, however its text is cut', async () => {
	assert.ok(DOC.includes(`SECRET        ${FILE.link}\n    proof         ${
		hex(FILE.keys.proof)}\n    content       ${hex(FILE.keys.content)}`));
	assert.ok(DOC.includes(createHash('sha256').update(FILE.object)
		.digest('hex')));
	const text = FILE.object.toString('base64');
	const wrapped = text.replace(/.{76}/g, '$&\r\n');
	for (const texts of [[text], [wrapped], cutText(text, 1), cutText(wrapped, 7),
		['\n', ...cutText(wrapped, 100), ' \n']]) {
		const blob = A.objectBlob(texts);
		assert.ok(Buffer.from(await blob.arrayBuffer()).equals(FILE.object));
		const object = await A.openAttached(blob, FILE.link, FILE_CODE);
		assert.equal(object.expires, null);
		assert.equal((await M.partText(object, object.index.parts[0])).text
			.trim(), 'Good morning.');
	}
});

test('a file of many chunks is read from anywhere', async () => {
	const message = Buffer.alloc(3 << 20, 'one hundred and one octets or so, ');
	const { object, link } = seal({ id: ID, link: LINK, message, factor: 2,
		passphrase: FILE_CODE, created: 1, expires: 2,
		index: JSON.stringify({ version: 1, from: '', date: 1, parts: [] }) });
	const opened = await A.openAttached(
		A.objectBlob([object.toString('base64')]), link, FILE_CODE);
	for (const [offset, length] of [[0, 0], [0, 1], [65535, 2], [1 << 20, 70000],
		[(3 << 20) - 1, 1], [0, 3 << 20]]) {
		const got = [];
		for await (const piece of opened.read({ offset, length }))
			got.push(piece.slice());
		assert.ok(Buffer.concat(got).equals(
			message.subarray(offset, offset + length)), `${offset}+${length}`);
	}
});

test('a file that is not whole, or not for a file, does not open', async () => {
	const blob = octets => new Blob([octets]);
	const open = (octets, link = FILE.link, code = FILE_CODE) =>
		A.openAttached(blob(octets), link, code);
	await fails(open(FILE.object, FILE.link, '7k2mx9qr04htvbdnw5zf'), 'wrong',
		'another passphrase');
	await fails(open(FILE.object.subarray(0, 95)), 'damaged', 'header');
	await fails(open(FILE.object.subarray(0, -1)), 'damaged', 'cut');
	await fails(open(Buffer.concat([FILE.object, Buffer.alloc(1)])), 'damaged',
		'longer');
	await fails(open(Buffer.alloc(400)), 'unsupported', 'no object');
	for (const passphrase of [undefined, 'x']) {
		const other = seal({ id: ID, link: LINK, passphrase, created: 1,
			expires: 2, message: Buffer.alloc(1), index: '{}' });
		await fails(open(other.object, other.link), 'unsupported',
			`factor of ${passphrase}`);
	}
	for (let at = 96; at < FILE.object.length; at += 7) {
		const bad = Buffer.from(FILE.object);
		bad[at] ^= 1;
		await assert.rejects(async () => {
			const object = await open(bad);
			await M.partText(object, object.index.parts[0]);
		}, { code: 'damaged' }, `octet ${at}`);
	}
	for (const text of ['A', 'AAA', 'QQ==A', '!AAA', 'QQ==QUJD', '\u0141AAA'])
		assert.throws(() => A.objectBlob([text]), { code: 'damaged' }, text);
});
