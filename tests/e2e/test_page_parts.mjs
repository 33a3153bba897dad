/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the page is made of, without a browser: contents and names of parts,
 * archives, answers, second factors as they are typed, languages. PAGE is the
 * page's directory.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openAnswer } from './open_answer.mjs';

globalThis.crypto ??= webcrypto;
const page = pathToFileURL(`${process.env.PAGE}/`);
const load = name => import(new URL(name, page));
const M = await load('message.js');
const A = await load('answer.js');
const { Zip, crc32 } = await load('zip.js');
const { spell } = await load('factor.js');
const { TEXTS, chooseLanguage } = await load('i18n.js');

/* --- message.js */

function fake(octets, cut) {
	return { async* read() {
		for (let at = 0; at < octets.length; at += cut)
			yield new Uint8Array(octets.subarray(at, at + cut));
	} };
}

async function decoded(encoding, text, cut) {
	const octets = Buffer.from(text, 'latin1');
	const blob = await M.partBlob(fake(octets, cut), { encoding,
		type: 'application/octet-stream', length: octets.length });
	return Buffer.from(await blob.arrayBuffer()).toString('latin1');
}

test('contents come out the same wherever the pieces are cut', async () => {
	const rows = [
		['base64', 'SGVsbG8sIHdvcmxkIQ==', 'Hello, world!'],
		['base64', 'SGVs\r\nbG8s\r\n IHdv cmxk\tIQ==\r\n', 'Hello, world!'],
		['base64', 'SGVsbG8=SGVsbG8=', 'HelloHello'],
		['base64', '', ''],
		['quoted-printable', 'a=3Db =\r\nc  \r\nd=E9=\r\n', 'a=b c\r\nd\xe9'],
		['quoted-printable', 'x=zz=3', 'x=zz=3'],
		['quoted-printable', `${'a'.repeat(70000)}=3D  \r\nb`,
			`${'a'.repeat(70000)}=\r\nb`],
		['7bit', 'a=3D', 'a=3D'],
		['binary', '\0\xff\r', '\0\xff\r'],
	];
	for (const [encoding, text, want] of rows)
		for (const cut of [1, 2, 3, 7, 1000])
			assert.equal(await decoded(encoding, text, cut), want,
				`${encoding} ${JSON.stringify(text)} by ${cut}`);
});

test('text keeps its character set', async () => {
	const rows = [['utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'Grüße'],
		['iso-8859-1', 'Gr\xfc\xdfe', 'Grüße'], [undefined, 'plain', 'plain'],
		['iso-8859-15', '\xa4', '€'],
		['x"; boundary="y', 'plain', 'plain']];
	for (const [charset, text, want] of rows) {
		const octets = Buffer.from(text, 'latin1');
		const got = await M.partText(fake(octets, 1000),
			{ type: 'text/plain', encoding: '8bit', charset,
				length: octets.length });
		assert.equal(got.text.trim(), want, charset);
	}
});

test('texts and attachments are told apart', () => {
	const part = (type, more) => ({ type, encoding: '7bit', length: 1, ...more });
	const plain = part('text/plain', { alternative: 1 });
	const html = part('text/html', { alternative: 1 });
	const footer = part('text/plain');
	const file = part('text/plain', { name: 'notes.txt' });
	const image = part('image/png', { content_id: 'x@y', disposition: 'inline' });
	const plan = M.planMessage({ parts: [plain, html, footer, file, image] });
	assert.deepEqual(plan.plain, [plain, footer]);
	assert.deepEqual(plan.html, [html, footer]);
	assert.deepEqual(plan.attachments, [file]);
	assert.deepEqual(plan.inline, [image]);
	assert.deepEqual(M.planMessage({ parts: [html] }).plain, [html]);
	assert.deepEqual(M.planMessage({ parts: [footer, image] }).attachments,
		[image]);
	const loose = [part('text/plain'), part('text/html')];
	assert.deepEqual(M.planMessage({ parts: loose }).plain, [loose[0]]);
	assert.deepEqual(M.planMessage({ parts: loose }).html, [loose[1]]);
});

test('file names are safe to save under', () => {
	const rows = [['a.pdf', 'a.pdf'], ['../../etc/passwd', '_.._etc_passwd'],
		['C:\\x.exe', 'C__x.exe'], ['\u202Efdp.exe', 'fdp.exe'],
		['.bashrc', 'bashrc'], ['a\r\nb', 'ab'], ['', 'attachment-3.pdf'],
		['...', 'attachment-3.pdf'], ['con.txt', '_con.txt'], ['NUL', '_NUL'],
		['console', 'console'], ['a.exe. .', 'a.exe'], ['~/.ssh/x', '~_.ssh_x'],
		[`${'x'.repeat(300)}.pdf`, `${'x'.repeat(116)}.pdf`],
		['a\0b<script>.js', 'ab_script_.js']];
	for (const [name, want] of rows)
		assert.equal(M.fileName({ name, type: 'application/pdf' }, 3), want);
	assert.equal(M.fileName({ type: 'x/y' }, 1), 'attachment-1.bin');
});

test('what is too much text is offered as a file', () => {
	const text = (length, more) => ({ type: 'text/plain', encoding: '7bit',
		length, ...more });
	const two = M.planMessage({ parts: [text(3 << 20), text(3 << 20)] });
	assert.equal(two.plain.length, 1);
	assert.equal(two.attachments.length, 1);
	const many = M.planMessage({ parts: Array(1000).fill(text(1)) });
	assert.equal(many.plain.length, 200);
	assert.equal(many.attachments.length, 800);
});

test('inline images are those the text shows, and not endless', async () => {
	const octets = Buffer.from('PNG');
	const image = (content_id, more) => ({ type: 'image/png', content_id,
		encoding: '7bit', length: 3, ...more });
	const parts = [image('Logo@x'), image('unused@x'),
		image('svg@x', { type: 'image/svg+xml' }),
		image('large@x', { length: 5 << 20 }), image('a b@x')];
	const html = '<img src="CID:logo@x"><img src="cid:svg@x">' +
		'<img src="cid:large@x"><img src="cid:a%20b%40x">';
	assert.deepEqual(await M.inlineImages(fake(octets, 9), parts, html), {
		'logo@x': 'data:image/png;base64,UE5H',
		'a b@x': 'data:image/png;base64,UE5H' });
});

/* --- zip.js */

test('an archive is one that others read', async () => {
	const zip = new Zip(new Date(2026, 4, 17, 12, 30, 40));
	const files = [['Überschrift.txt', 'one'], ['a.txt', ''], ['A.txt', 'two'],
		['a.txt', 'three'], ['none', 'x'.repeat(100000)]];
	for (const [name, text] of files) {
		const blob = new Blob([text]);
		zip.add(name, blob, crc32(new Uint8Array(await blob.arrayBuffer())));
	}
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sge-zip.'));
	const file = path.join(dir, 'x.zip');
	fs.writeFileSync(file, Buffer.from(await zip.finish().arrayBuffer()));
	const listing = execFileSync('python3', ['-c', `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps([[i.filename, z.read(i).decode(), list(i.date_time)]
                  for i in z.infolist()]))`, file], { encoding: 'utf8' });
	fs.rmSync(dir, { recursive: true });
	const names = ['Überschrift.txt', 'a.txt', 'A (2).txt', 'a (3).txt', 'none'];
	assert.deepEqual(JSON.parse(listing), files.map(([, text], i) =>
		[names[i], text, [2026, 5, 17, 12, 30, 40]]));
});

test('a checksum does not depend on where it is cut', () => {
	const octets = Buffer.from('123456789');
	assert.equal(crc32(octets), 0xcbf43926);
	assert.equal(crc32(octets.subarray(4), crc32(octets.subarray(0, 4))),
		0xcbf43926);
});

/* --- factor.js */

test('second factors are spelled alike however they are typed', () => {
	const rows = [
		[1, 'cafe\u0301 Ä', 'caf\u00e9 Ä'], [1, ' x ', ' x '],
		[2, '7K2M-x9qr 04ht_vbdn-w5ze', '7k2mx9qr04htvbdnw5ze'],
		[2, 'oO-lL-iI', '001111'], [2, 'u', ''],
		[2, '７Ｋ', '7k'],
		[3, '  Mein  Hund, "Bello"! ', 'meinhundbello'],
		[3, 'STRASSE 7', 'strasse7'], [3, 'ΟΔΟΣ', 'οδοσ'],
		[3, 'Cafe\u0301', 'caf\u00e9'], [3, 'ﬁ', 'fi'], [3, '?!', ''],
		[0, 'x', '']];
	for (const [factor, typed, want] of rows)
		assert.equal(spell(factor, typed), want, `${factor} ${typed}`);
});

/* --- answer.js */

const MAIL = { from: 'carol@example.net', to: ['alice@example.org'], cc: [],
	subject: 'Re: x', text: 'Hi', files: [], thread: [],
	date: new Date(Date.UTC(2026, 4, 17, 1, 2, 3)), host: 'post.example.org' };

async function octetsOf(answer) {
	const out = [];
	for await (const piece of answer.pieces)
		out.push(Buffer.from(piece));
	return Buffer.concat(out);
}

/* As Python's mail library reads it. */
function readMail(octets) {
	return JSON.parse(execFileSync('python3', ['-c', `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert not m.defects, m.defects
print(json.dumps({"fields": [[k, str(v)] for k, v in m.items()],
    "parts": [[p.get_content_type(), p.get_filename(), p.get_payload(decode=True).hex()]
              for p in m.walk() if not p.is_multipart()]}))`],
	{ input: octets, encoding: 'utf8', maxBuffer: 1 << 24 }));
}

test('an answer is a message that others read', async () => {
	const data = Buffer.from([...Array(256).keys()]);
	const mail = { ...MAIL, cc: ['bob@example.org', 'dörte@example.org'],
		subject: `Re: Prüfung ${'ß'.repeat(80)}\r\nBcc: evil@example.com`,
		text: 'Grüße\n.\nFrom me\r\n\n', thread: ['<a@b>', '<c@d>'],
		files: [new File([data], 'Übersicht (1) 100%.pdf',
			{ type: 'application/pdf' }),
		new File([], 'leer.txt', { type: 'text/html; charset="x' }),
		new File([data], `${'長'.repeat(119)}.bin`, { type: 'message/rfc822' })] };
	const answer = A.composeAnswer(mail);
	const octets = await octetsOf(answer);
	assert.equal(octets.length, answer.size);
	assert.ok(octets.toString('latin1').split('\r\n')
		.every(line => line.length <= 998 && !/[\r\n]/.test(line)));
	const { fields, parts } = readMail(octets);
	const field = name => fields.filter(([k]) => k === name).map(([, v]) => v);
	assert.deepEqual(field('From'), ['carol@example.net']);
	assert.deepEqual(field('To'), ['alice@example.org']);
	assert.deepEqual(field('Bcc'), []);
	assert.deepEqual(field('Subject'),
		[`Re: Prüfung ${'ß'.repeat(80)} Bcc: evil@example.com`]);
	assert.deepEqual(field('Date'), ['Sun, 17 May 2026 01:02:03 +0000']);
	assert.deepEqual(field('In-Reply-To'), ['<c@d>']);
	assert.deepEqual(field('References'), ['<a@b> <c@d>']);
	assert.match(field('Message-ID')[0], /^<[0-9a-f]{32}@post\.example\.org>$/);
	assert.equal(Buffer.from(parts[0][2], 'hex').toString(),
		'Grüße\r\n.\r\nFrom me\r\n');
	assert.deepEqual(parts.slice(1), [
		['application/pdf', 'Übersicht (1) 100%.pdf', data.toString('hex')],
		['application/octet-stream', 'leer.txt', ''],
		['application/octet-stream', `${'長'.repeat(119)}.bin`,
			data.toString('hex')]]);
});

test('an answer goes to nothing but an address', () => {
	for (const bad of ['a@b\r\nBcc: x@y', 'a b@c', 'a@b, c@d', '<a@b>', 'a', ''])
		assert.throws(() => A.composeAnswer({ ...MAIL, to: [bad] }),
			{ code: 'unsupported' }, bad);
});

test('an answer of any size opens with the key of the gateway', async () => {
	const gateway = generateKeyPairSync('x25519');
	const jwk = gateway.publicKey.export({ format: 'jwk' });
	const id = Buffer.alloc(16, 7);
	for (const size of [1, 65535, 65536, 65537, 200000]) {
		async function* pieces() {
			for (let at = 0; at < size; at += 40000)
				yield Buffer.alloc(Math.min(40000, size - at), at & 255);
		}
		const heard = [];
		const blob = await A.sealAnswer({ size, pieces: pieces() }, id, jwk.x,
			{ progress: f => heard.push(f) });
		const got = openAnswer(Buffer.from(await blob.arrayBuffer()),
			gateway.privateKey);
		assert.equal(got.magic, 'SGANSWER');
		assert.ok(got.id.equals(id));
		assert.equal(got.size, size);
		assert.equal(got.octets.length, size);
		assert.equal(heard.at(-1), 1);
	}
});

test('a file that changes while it is read is not sent', async () => {
	const jwk = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
	for (const size of [5, 15]) {
		async function* pieces() {
			yield Buffer.alloc(10);
		}
		await assert.rejects(A.sealAnswer({ size, pieces: pieces() },
			Buffer.alloc(16), jwk.x), { code: 'file' });
	}
	await assert.rejects(A.sealAnswer({ size: 1, pieces: [] }, Buffer.alloc(16),
		'AAAA'), { code: 'unsupported' });
});

test('the thread is taken from the header of the message', () => {
	const rows = [
		['Message-ID: <a@b>\r\n\r\nReferences: <x@y>', ['<a@b>']],
		['References: <x@y>\r\n <z@y>\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\n',
			['<x@y>', '<z@y>', '<a@b>']],
		['Subject: Message-ID: <a@b>\r\n\r\n', []],
		['Message-ID: <a b>\r\n\r\n', []],
		['References: <x@y>\r\n\r\n', []], ['', []]];
	for (const [text, want] of rows)
		assert.deepEqual(A.threadOf(Buffer.from(text)), want, text);
	const many = Array.from({ length: 100 }, (_, i) => `<${i}@x>`).join(' ');
	assert.equal(A.threadOf(Buffer.from(
		`References: ${many}\nMessage-ID: <a@b>\n\n`)).length, 21);
});

/* --- i18n.js */

test('every language has every text, with the same words to fill in', () => {
	const words = text => (text.match(/\{\w+\}/g) ?? []).sort();
	const keys = Object.keys(TEXTS.en).sort();
	assert.deepEqual(Object.keys(TEXTS).sort(), ['de', 'en', 'es', 'fr', 'it',
		'nl']);
	for (const [language, texts] of Object.entries(TEXTS)) {
		assert.deepEqual(Object.keys(texts).sort(), keys, language);
		for (const key of keys) {
			assert.ok(texts[key].trim() === texts[key] && texts[key] !== '',
				`${language} ${key}`);
			assert.deepEqual(words(texts[key]), words(TEXTS.en[key]),
				`${language} ${key}`);
		}
	}
});

test('every text that is named exists, and every one is used', () => {
	const sources = fs.readdirSync(process.env.PAGE)
		.filter(f => /\.(?:js|html)$/.test(f))
		.map(f => fs.readFileSync(`${process.env.PAGE}/${f}`, 'utf8')).join('');
	const named = [...sources.matchAll(/data-t(?:-label|-title)?="(\w+)"/g),
		...sources.matchAll(/\bt\('(\w+)'/g),
		...sources.matchAll(/\bsay\([^,]+, '(\w+)'/g)].map(m => m[1]);
	for (const key of named)
		assert.ok(Object.hasOwn(TEXTS.en, key), key);
	const made = /^(?:err_|passphrase|generated|answer|account_hint|reply_)/;
	for (const key of Object.keys(TEXTS.en))
		assert.ok(made.test(key) || sources.includes(`'${key}'`) ||
			sources.includes(`"${key}"`), `${key} is not used`);
});

test('the language is the first of the browser that there is', () => {
	const rows = [[['de-AT', 'en'], 'de', 'de-AT'], [['pl', 'FR-ca'], 'fr', 'FR-ca'],
		[['pl'], 'en', 'en'], [[], 'en', 'en'], [['constructor'], 'en', 'en']];
	for (const [wanted, language, locale] of rows)
		assert.deepEqual(chooseLanguage(wanted), { language, locale });
});
