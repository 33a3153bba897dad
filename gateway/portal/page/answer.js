/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An answer: one MIME message, written and sealed for the gateway piece by
 * piece, so that no attachment is held in memory. docs/format-escrow.md,
 * Answers; RFC 5322, 2045, 2047, 2231. No document, no network.
 */
import { CHUNK_SIZE, OpenError, base64urlDecode, sealChunk, sealedSize, subtle }
	from './crypto.js';

const MAGIC = 'SGANSWER';
const HEADER_SIZE = 64;
const STREAM_ANSWER = 3;
const LINE = 57; /* octets in a line of base64 of 76 characters */
const READ = LINE * 4096;
const WORD = 39; /* octets in an encoded word, which has 75 characters at most */
const TOKEN = /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}$/;
const ADDRESS = /^[^\s\p{Cc}<>,;:()[\]\\"]+@[^\s\p{Cc}<>,;:()[\]\\"@]+$/u;
const THREAD_MAX = 20;

const utf8 = text => new TextEncoder().encode(text);

function base64(octets) {
	let s = '';
	for (let i = 0; i < octets.length; i += 0x8000)
		s += String.fromCharCode(...octets.subarray(i, i + 0x8000));
	return btoa(s);
}

/* A text that may stand in a header: one line, without controls. */
function oneLine(text) {
	return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

/* RFC 2047: words of whole characters. */
function encodeWords(text) {
	if (/^[\x20-\x7e]{0,60}$/.test(text) && !text.includes('=?'))
		return text;
	const words = [];
	let held = '';
	for (const c of text) {
		if (utf8(held + c).length > WORD) {
			words.push(held);
			held = '';
		}
		held += c;
	}
	words.push(held);
	return words.map(w => `=?utf-8?B?${base64(utf8(w))}?=`).join('\r\n ');
}

/* RFC 2231 section 3 and 4: any name, in pieces that fit a line. */
function nameParameter(name) {
	const encoded = encodeURIComponent(name.toWellFormed?.() ?? name)
		.replace(/['()*!]/g, c => `%${c.charCodeAt(0).toString(16)}`);
	const pieces = encoded.match(/(?:%[0-9A-Fa-f]{2}|[^%]){1,20}/g) ?? [''];
	return pieces.map((piece, i) => `;\r\n filename*${i}*=` +
		(i === 0 ? `utf-8''${piece}` : piece)).join('');
}

function addresses(list) {
	for (const address of list)
		if (!ADDRESS.test(address))
			throw new OpenError('unsupported', 'an address');
	return list.join(',\r\n ');
}

/* Date as RFC 5322 has it. */
function dateText(date) {
	return date.toUTCString().replace('GMT', '+0000');
}

const random = () => crypto.randomUUID().replace(/-/g, '');

function headerText(mail) {
	const fields = [['From', addresses([mail.from])],
		['To', addresses(mail.to)],
		['Subject', encodeWords(oneLine(mail.subject))],
		['Date', dateText(mail.date)],
		['Message-ID', `<${random()}@${mail.host}>`],
		['MIME-Version', '1.0']];
	if (mail.cc.length > 0)
		fields.splice(2, 0, ['Cc', addresses(mail.cc)]);
	if (mail.thread.length > 0)
		fields.push(['In-Reply-To', mail.thread.at(-1)],
			['References', mail.thread.join('\r\n ')]);
	return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

const TEXT_HEADER = 'Content-Type: text/plain; charset=utf-8\r\n' +
	'Content-Transfer-Encoding: base64\r\n\r\n';

function fileHeader(file) {
	const type = TOKEN.test(file.type) && !/^(?:multipart|message)\//
		.test(file.type) ? file.type : 'application/octet-stream';
	return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n` +
		`Content-Disposition: attachment${nameParameter(file.name)}\r\n\r\n`;
}

function encodedSize(size) {
	return 4 * Math.ceil(size / 3) + 2 * Math.ceil(size / LINE);
}

async function* encodeBlob(blob) {
	for (let at = 0; at < blob.size; at += READ) {
		let octets;
		try {
			octets = new Uint8Array(
				await blob.slice(at, at + READ).arrayBuffer());
		} catch {
			throw new OpenError('file', 'a file cannot be read');
		}
		if (octets.length !== Math.min(READ, blob.size - at))
			throw new OpenError('file', 'a file has changed');
		yield utf8(base64(octets).replace(/.{1,76}/g, '$&\r\n'));
	}
}

/* mail: {from, to, cc, subject, text, files, thread, date, host}; to and cc
   are lists of addresses, thread the Message-IDs before this one, host what
   stands behind the "@" of its own. Gives {size, pieces}, pieces being an
   asynchronous iterable of as many octets. */
export function composeAnswer(mail) {
	const text = new Blob([mail.text.replace(/\r\n|\r|\n/g, '\r\n')
		.replace(/(?:\r\n)*$/, '\r\n')]);
	const segments = [];
	if (mail.files.length === 0) {
		segments.push(headerText(mail) + TEXT_HEADER, text);
	} else {
		const boundary = `=_${random()}`;
		segments.push(`${headerText(mail)}Content-Type: multipart/mixed;\r\n` +
			` boundary="${boundary}"\r\n\r\n--${boundary}\r\n${TEXT_HEADER}`,
		text);
		for (const file of mail.files)
			segments.push(`\r\n--${boundary}\r\n${fileHeader(file)}`, file);
		segments.push(`\r\n--${boundary}--\r\n`);
	}
	const ready = segments.map(s => typeof s === 'string' ? utf8(s) : s);
	async function* pieces() {
		for (const segment of ready) {
			if (segment instanceof Blob)
				yield* encodeBlob(segment);
			else
				yield segment;
		}
	}
	return { pieces: pieces(), size: ready.reduce((sum, s) => sum +
		(s instanceof Blob ? encodedSize(s.size) : s.length), 0) };
}

async function answerKey(reply_key, header, pair) {
	const gateway = await subtle().importKey('raw', reply_key,
		{ name: 'X25519' }, false, []);
	const shared = await subtle().deriveBits({ name: 'X25519',
		public: gateway }, pair.privateKey, 256);
	const base = await subtle().importKey('raw', shared, 'HKDF', false,
		['deriveKey']);
	const salt = new Uint8Array(HEADER_SIZE + reply_key.length);
	salt.set(header);
	salt.set(reply_key, HEADER_SIZE);
	return subtle().deriveKey({ name: 'HKDF', hash: 'SHA-256', salt,
		info: utf8('sealgate answer v1') }, base,
	{ name: 'AES-GCM', length: 256 }, false, ['encrypt']);
}

/* Can this browser seal an answer? */
export async function canAnswer() {
	try {
		await subtle().generateKey({ name: 'X25519' }, false, ['deriveBits']);
		return true;
	} catch {
		return false;
	}
}

/* Cut pieces of any length into chunks. */
async function* inChunks(pieces, size) {
	let held = new Uint8Array(Math.min(CHUNK_SIZE, size));
	let fill = 0;
	let left = size;
	for await (const piece of pieces) {
		for (let at = 0; at < piece.length;) {
			const n = Math.min(held.length - fill, piece.length - at);
			if (n === 0)
				throw new OpenError('file', 'more than there should be');
			held.set(piece.subarray(at, at + n), fill);
			fill += n;
			at += n;
			left -= n;
			if (fill < held.length)
				continue;
			yield held;
			held = new Uint8Array(Math.min(CHUNK_SIZE, left));
			fill = 0;
		}
	}
	if (left !== 0)
		throw new OpenError('file', 'less than there should be');
}

/* Seal an answer for the gateway whose key came with the message; a Blob.
   progress hears how much is done, as a fraction. */
export async function sealAnswer(answer, object_id, reply_key_text, events = {}) {
	const reply_key = base64urlDecode(reply_key_text);
	if (reply_key?.length !== 32)
		throw new OpenError('unsupported', 'reply key');
	const pair = await subtle().generateKey({ name: 'X25519' }, false,
		['deriveBits']);
	const header = new Uint8Array(HEADER_SIZE);
	header.set(utf8(MAGIC));
	header.set(object_id, 8);
	header.set(new Uint8Array(
		await subtle().exportKey('raw', pair.publicKey)), 24);
	new DataView(header.buffer).setBigUint64(56, BigInt(answer.size));
	const key = await answerKey(reply_key, header, pair);
	const total = Math.ceil(answer.size / CHUNK_SIZE);
	const sealed = [header];
	let counter = 0;
	for await (const chunk of inChunks(answer.pieces, answer.size)) {
		events.signal?.throwIfAborted();
		sealed.push(new Blob([await sealChunk(key, header, STREAM_ANSWER,
			counter, counter === total - 1, chunk)]));
		counter++;
		events.progress?.(counter / total);
	}
	const blob = new Blob(sealed);
	if (blob.size !== HEADER_SIZE + sealedSize(answer.size))
		throw new OpenError('unsupported', 'size');
	return blob;
}

/* The Message-IDs of the thread, from the octets the message begins with: its
   References, the latest of them if there are many, and its own. */
export function threadOf(octets) {
	const text = new TextDecoder('latin1').decode(octets);
	const end = text.search(/\r?\n\r?\n/);
	const header = (end < 0 ? text : text.slice(0, end))
		.replace(/\r?\n[ \t]+/g, ' ');
	const ids = name => (new RegExp(`^${name}:(.*)$`, 'im').exec(header)?.[1] ??
		'').match(/<[!-;=?-~]{1,250}>/g) ?? [];
	const own = ids('Message-ID').slice(0, 1);
	return own.length === 0 ? []
		: [...ids('References').filter(id => id !== own[0])
			.slice(-THREAD_MAX), ...own];
}
