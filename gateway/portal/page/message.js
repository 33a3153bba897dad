/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the table of parts to what a reader sees: which parts are the text,
 * which are attachments, and their contents decoded. Character sets and
 * flowed text are postal-mime's. No document, no network.
 */
import PostalMime from './node_modules/postal-mime/dist/esm/postal-mime.js';

/* A text beyond this is offered as a download instead, and so are those that
   come when so much is shown already. */
const TEXT_MAX = 4 << 20;
const TEXTS_MAX = 200;
const TOKEN = /^[A-Za-z0-9!#$&^_.+-]+$/;

function isText(part) {
	return (part.type === 'text/plain' || part.type === 'text/html') &&
		part.disposition !== 'attachment' && !part.name;
}

/* Which of the text parts to show, in order, when `wanted` ("text/plain" or
   "text/html") is preferred. Parts of one multipart/alternative replace each
   other; a message that has both without saying so is taken as one. */
function chooseTexts(texts, wanted) {
	const grouped = texts.some(part => part.alternative > 0);
	const shown = [];
	const decided = new Set();
	for (const part of texts) {
		const group = part.alternative ?? 0;
		if (grouped && group === 0) {
			shown.push(part);
			continue;
		}
		const members = texts.filter(p => (p.alternative ?? 0) === group);
		const liked = members.filter(p => p.type === wanted);
		if (liked.length > 0 ? liked.includes(part) : !decided.has(group))
			shown.push(part);
		decided.add(group);
	}
	return shown;
}

/* {plain, html, inline, attachments}: lists of parts. plain and html are two
   ways to show the same text; html is empty if there is none in HTML. */
export function planMessage(index) {
	let room = TEXT_MAX;
	const texts = [];
	const rest = [];
	for (const part of index.parts) {
		if (isText(part) && part.length <= room && texts.length < TEXTS_MAX) {
			texts.push(part);
			room -= part.length;
		} else {
			rest.push(part);
		}
	}
	const has_html = texts.some(part => part.type === 'text/html');
	const inline = has_html ? rest.filter(part => part.content_id &&
		part.type.startsWith('image/')) : [];
	return {
		plain: chooseTexts(texts, 'text/plain'),
		html: has_html ? chooseTexts(texts, 'text/html') : [],
		inline,
		attachments: rest.filter(part => !inline.includes(part) ||
			part.disposition === 'attachment'),
	};
}

const BASE64 = new Int8Array(256).fill(-1);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/']
	.forEach((c, i) => { BASE64[c.charCodeAt(0)] = i; });

/* How far the next octet is from the right after n characters of a group. */
const BASE64_SHIFT = [0, 0, 4, 2, 0];

/* RFC 2045 section 6.8: what is not of the alphabet is ignored, "=" ends a
   group; what follows it starts anew. */
async function* decodeBase64(pieces) {
	let bits = 0;
	let n = 0;
	for await (const piece of pieces) {
		const out = new Uint8Array(Math.ceil(piece.length * 3 / 4) + 3);
		let len = 0;
		for (const c of piece) {
			if (c === 0x3d) {
				n = 0;
				continue;
			}
			if (BASE64[c] < 0)
				continue;
			bits = (bits << 6 | BASE64[c]) & 0xffffff;
			n++;
			if (n >= 2)
				out[len++] = bits >> BASE64_SHIFT[n] & 255;
			if (n === 4)
				n = 0;
		}
		yield out.subarray(0, len);
	}
}

const HEX = c => c >= 0x30 && c <= 0x39 ? c - 0x30
	: (c | 32) >= 0x61 && (c | 32) <= 0x66 ? (c | 32) - 0x57 : -1;

/* What a line may have is 76 octets; one that never ends is not waited for. */
const QUOTED_MAX = 65536;

function decodeQuotedOctets(line, end, out) {
	for (let i = 0; i < end; i++) {
		const hi = line[i] === 0x3d && i + 2 < end ? HEX(line[i + 1]) : -1;
		const lo = hi >= 0 ? HEX(line[i + 2]) : -1;
		if (lo >= 0)
			i += 2;
		out.push(lo >= 0 ? hi << 4 | lo : line[i]);
	}
}

/* One line of quoted-printable, RFC 2045 section 6.7. */
function decodeQuotedLine(line, out) {
	let end = line.length;
	const eol = end > 0 && line[end - 1] === 0x0a;
	while (end > 0 && [0x20, 0x09, 0x0d, 0x0a].includes(line[end - 1]))
		end--;
	const soft = end > 0 && line[end - 1] === 0x3d;
	if (soft)
		end--;
	decodeQuotedOctets(line, end, out);
	if (eol && !soft)
		out.push(0x0d, 0x0a);
}

/* The beginning of a line that is too long; what remains of it. */
function cutQuotedLine(line, out) {
	let end = line.length - 3;
	while (end > line.length - 6 && line.slice(end - 2, end).includes(0x3d))
		end--;
	decodeQuotedOctets(line, end, out);
	return line.slice(end);
}

async function* decodeQuoted(pieces) {
	let line = [];
	for await (const piece of pieces) {
		const out = [];
		for (const c of piece) {
			line.push(c);
			if (c === 0x0a) {
				decodeQuotedLine(line, out);
				line = [];
			} else if (line.length >= QUOTED_MAX) {
				line = cutQuotedLine(line, out);
			}
		}
		yield Uint8Array.from(out);
	}
	const out = [];
	decodeQuotedLine(line, out);
	yield Uint8Array.from(out);
}

function decodePieces(encoding, pieces) {
	switch (encoding) {
	case 'base64':
		return decodeBase64(pieces);
	case 'quoted-printable':
		return decodeQuoted(pieces);
	default:
		return pieces;
	}
}

/* A part's contents as the sender attached them, in pieces. events has, if
   given: progress, called with the octets read so far; retrying, called when
   the connection broke; signal, which ends it. */
export async function* contents(object, part, events = {}) {
	let done = 0;
	async function* counted() {
		for await (const piece of object.read(part, events.retrying)) {
			events.signal?.throwIfAborted();
			done += piece.length;
			events.progress?.(done);
			yield piece;
		}
	}
	yield* decodePieces(part.encoding, counted());
}

/* So much is put into a Blob at a time: a Blob is the browser's to keep, on
   disk if need be, and what is in one costs this page no memory. */
const BLOB_PIECE = 1 << 20;

/* Wait until the browser has taken what is in the Blob: until then it is this
   page that holds it, and a page can be faster than its browser. */
async function taken(blob) {
	await blob.slice(-1).arrayBuffer();
}

/* All pieces as one Blob; each, if given, hears every piece. */
export async function collect(pieces, each) {
	const blobs = [];
	let held = [];
	let size = 0;
	for await (const piece of pieces) {
		each?.(piece);
		held.push(piece);
		size += piece.length;
		if (size >= BLOB_PIECE) {
			blobs.push(new Blob(held));
			await taken(blobs.at(-1));
			held = [];
			size = 0;
		}
	}
	return new Blob([...blobs, ...held], { type: 'application/octet-stream' });
}

export function partBlob(object, part, events) {
	return collect(contents(object, part, events));
}

function headerOf(part) {
	const type = part.type === 'text/html' ? 'text/html' : 'text/plain';
	const encoding = TOKEN.test(part.encoding) ? part.encoding : '8bit';
	let header = `MIME-Version: 1.0\r\nContent-Type: ${type}`;
	for (const name of ['charset', 'format', 'delsp'])
		if (part[name] && TOKEN.test(part[name]))
			header += `; ${name}=${part[name]}`;
	return `${header}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
}

/* The text of a text part: {type, text}. */
export async function partText(object, part) {
	const pieces = [headerOf(part)];
	for await (const piece of object.read(part))
		pieces.push(piece.slice());
	const raw = await new Blob(pieces).arrayBuffer();
	const mail = await PostalMime.parse(raw);
	return part.type === 'text/html'
		? { type: part.type, text: mail.html ?? '' }
		: { type: 'text/plain', text: mail.text ?? '' };
}

/* Texts of a list of parts, in order. */
export async function partTexts(object, parts) {
	const texts = [];
	for (const part of parts)
		texts.push(await partText(object, part));
	return texts;
}

const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const IMAGE_MAX = 4 << 20;
const IMAGES_MAX = 24 << 20;

/* The images an HTML text refers to by Content-ID, as data: URLs, because the
   frame has an origin of its own and could not read the page's blobs. */
export async function inlineImages(object, parts, html) {
	const images = {};
	const lower = html.toLowerCase();
	let room = IMAGES_MAX;
	for (const part of parts) {
		const id = part.content_id.toLowerCase();
		const used = [id, encodeURIComponent(id).toLowerCase()]
			.some(form => lower.includes(`cid:${form}`));
		if (!used || !IMAGE_TYPES.includes(part.type) ||
		    part.length > Math.min(IMAGE_MAX, room))
			continue;
		room -= part.length;
		const blob = await partBlob(object, part);
		images[id] = `data:${part.type};base64,` +
			toBase64(new Uint8Array(await blob.arrayBuffer()));
	}
	return images;
}

function toBase64(bytes) {
	let s = '';
	for (let i = 0; i < bytes.length; i += 0x8000)
		s += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
	return btoa(s);
}

/* What Windows takes for a device, whatever the ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
const NAME_MAX = 120;
const ENDINGS = { 'message/rfc822': 'eml', 'text/plain': 'txt',
	'text/html': 'html', 'text/calendar': 'ics', 'image/png': 'png',
	'image/jpeg': 'jpg', 'application/pdf': 'pdf' };

/* A text as a name that is safe to save under: no path, no control characters,
   nothing that turns the reading direction around to hide the ending, no
   device. Empty if nothing of it remains. */
export function safeName(text) {
	const name = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '')
		.replace(/[/\\:*?"<>|]/g, '_').replace(/^[. ]+|[. ]+$/g, '');
	const short = [...name];
	const dot = name.lastIndexOf('.');
	const ending = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
	const cut = short.length <= NAME_MAX ? name
		: short.slice(0, NAME_MAX - ending.length).join('') + ending;
	return DEVICE.test(cut) ? `_${cut}` : cut;
}

/* The name of an attachment; one that has none is called word-number. */
export function fileName(part, number, word = 'attachment') {
	return safeName(part.name ?? '') ||
		`${word}-${number}.${ENDINGS[part.type] ?? 'bin'}`;
}

/* Octets of the contents, from those of the encoded part: of base64 all but
   the line ends and what fills the last group up, which cannot be seen from
   here. */
export function contentSize(part) {
	if (part.encoding !== 'base64')
		return part.length;
	const lines = Math.ceil(part.length / 78);
	return Math.max(0, Math.floor((part.length - 2 * lines) * 3 / 4) - 1);
}
