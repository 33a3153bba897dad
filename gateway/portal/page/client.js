/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is asked of the portal: the index once, then ranges of the message, a
 * code where the door wants one, and answers taken there. Nothing here is
 * called before the reader asks to see the message.
 */
import { OpenError, base64urlEncode, chunkRange, deriveKeys, openIndex,
	openRange, parseHeader, HEADER_SIZE } from './crypto.js';

/* A range that breaks off is asked for again from where it stopped. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const STALL_MS = 30000;
const WAIT_S = 60;

function failure(status, retry_after) {
	const wait = /^[0-9]{1,5}$/.test(retry_after ?? '')
		? Number(retry_after) : WAIT_S;
	switch (status) {
	case 404:
		return new OpenError('gone', 'no such message, or wrong secret');
	case 403:
		return new OpenError('code', 'the door asks for a code');
	case 409:
		return new OpenError('limit', 'no more answers');
	case 413:
		return new OpenError('large', 'too large');
	case 429:
	case 503:
		return new OpenError('busy', `status ${status}`, wait);
	default:
		return new OpenError('network', `status ${status}`);
	}
}

/* What a promise brings, unless nothing comes for too long. */
async function unlessStalled(promise) {
	let timer;
	const stalled = new Promise((resolve, reject) => {
		timer = setTimeout(() => reject(
			new OpenError('network', 'nothing came for long')), STALL_MS);
	});
	try {
		return await Promise.race([promise, stalled]);
	} finally {
		clearTimeout(timer);
	}
}

async function ask(url, options, status) {
	let reply;
	try {
		reply = await unlessStalled(fetch(url, { ...options,
			cache: 'no-store', credentials: 'omit', redirect: 'error',
			referrerPolicy: 'no-referrer' }));
	} catch (error) {
		if (error instanceof OpenError)
			throw error;
		throw new OpenError('network', String(error.cause ?? error));
	}
	if (reply.status !== status)
		throw failure(reply.status, reply.headers.get('Retry-After'));
	return reply;
}

async function* readBody(reply, length) {
	const reader = reply.body.getReader();
	let got = 0;
	try {
		for (;;) {
			const { done, value } = await unlessStalled(reader.read());
			if (done)
				break;
			got += value.length;
			yield value;
		}
		if (got < length)
			throw new OpenError('network', 'cut short');
	} catch (error) {
		if (error instanceof OpenError)
			throw error;
		throw new OpenError('network', String(error));
	} finally {
		reader.cancel().catch(() => {});
	}
}

const pause = ms => new Promise(resolve => { setTimeout(resolve, ms); });

/* One opened object: its index, and the message by ranges. */
export class OpenedObject {
	#visit;
	#keys;
	#header;

	constructor(visit, keys, header, index) {
		this.#visit = visit;
		this.#keys = keys;
		this.#header = header;
		this.index = index;
		this.id = visit.link.id;
		this.expires = header.expires;
		this.size = header.body_size;
	}

	async* #range(offset, length) {
		const { from, to } = chunkRange(this.#header, offset, length);
		const reply = await this.#visit.ask(`object/${this.#visit.link.id_text}`,
			{ headers: { 'Range': `bytes=${from}-${to - 1}` } }, 206);
		yield* openRange(this.#keys.key, this.#header, offset, length,
			readBody(reply, to - from));
	}

	/* The octets of a part as they stand in the message, in pieces. When the
	   connection breaks it goes on behind the last octet that was verified;
	   retrying, if given, is called then. */
	async* read(part, retrying) {
		let done = 0;
		let tries = 0;
		while (done < part.length) {
			try {
				for await (const piece of this.#range(part.offset + done,
					part.length - done)) {
					done += piece.length;
					tries = 0;
					yield piece;
				}
			} catch (error) {
				if (error.code !== 'network' || tries === RETRY_MS.length)
					throw error;
				retrying?.();
				await pause(RETRY_MS[tries++]);
			}
		}
	}

	/* Take a sealed answer to the portal. progress hears how much of it is
	   there, as a fraction; signal may end it. */
	answer(blob, progress, signal) {
		return new Promise((resolve, reject) => {
			const request = new XMLHttpRequest();
			const broken = () => reject(
				new OpenError('network', 'the answer was not taken'));
			request.open('POST', this.#visit.address(
				`reply/${this.#visit.link.id_text}`));
			for (const [name, value] of Object.entries(this.#visit.headers()))
				request.setRequestHeader(name, value);
			request.setRequestHeader('Content-Type',
				'application/octet-stream');
			request.upload.onprogress = event =>
				progress?.(event.loaded / Math.max(1, blob.size));
			request.onload = () => {
				if (request.status === 201)
					resolve();
				else
					reject(failure(request.status,
						request.getResponseHeader('Retry-After')));
			};
			request.onerror = broken;
			request.onabort = broken;
			signal?.addEventListener('abort', () => request.abort());
			request.send(blob);
		});
	}
}

/* The ticket of the door lasts as long as this tab; without storage, as long
   as the page. */
function storedTicket(id_text) {
	try {
		return sessionStorage.getItem(`sealgate ${id_text}`);
	} catch {
		return null;
	}
}

function storeTicket(id_text, ticket) {
	try {
		sessionStorage.setItem(`sealgate ${id_text}`, ticket);
	} catch { /* kept in memory alone */ }
}

/* One reader with one link. base is the portal's URL without a slash at its
   end, "" for the page's own. */
export class Visit {
	#base;
	#keys = null;
	#spelling = null;
	#ticket;

	constructor(base, link) {
		this.#base = base;
		this.link = link;
		this.#ticket = storedTicket(link.id_text);
	}

	/* Make the keys from the link and from what was typed, as factor.js
	   spells it. Takes a second on purpose. */
	async prove(spelling) {
		if (this.#keys !== null && spelling === this.#spelling)
			return;
		this.#keys = null;
		this.#keys = await deriveKeys(this.link, spelling);
		this.#spelling = spelling;
	}

	address(path) {
		return `${this.#base}/api/${path}`;
	}

	headers() {
		const headers = { 'Authorization': 'Sealgate-Proof ' +
			base64urlEncode(this.#keys.proof) };
		if (this.#ticket !== null)
			headers['Sealgate-Ticket'] = this.#ticket;
		return headers;
	}

	ask(path, { headers, ...options }, status) {
		return ask(this.address(path), { ...options,
			headers: { ...this.headers(), ...headers } }, status);
	}

	#post(path, more, status) {
		return ask(this.address(path), {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ id: this.link.id_text,
				proof: base64urlEncode(this.#keys.proof), ...more }),
		}, status);
	}

	/* Have a code mailed to the recipient. */
	async askCode() {
		const reply = await this.#post('code', {}, 202);
		const { ticket } = await reply.json().catch(() => ({}));
		if (typeof ticket !== 'string' || !/^[\w-]{43}$/.test(ticket))
			throw new OpenError('unsupported', 'no ticket');
		this.#ticket = ticket;
		storeTicket(this.link.id_text, ticket);
	}

	/* Fetch and open the index. The error `code` says that the door wants a
	   code, or another one than this. */
	async open(code) {
		const more = {};
		if (this.#ticket !== null)
			more.ticket = this.#ticket;
		if (code !== undefined)
			more.code = code;
		const reply = await this.#post('open', more, 200);
		let bytes;
		try {
			bytes = new Uint8Array(await reply.arrayBuffer());
		} catch (error) {
			throw new OpenError('network', String(error));
		}
		const header = parseHeader(bytes, this.link);
		const index = await openIndex(this.#keys.key, header,
			bytes.subarray(HEADER_SIZE));
		return new OpenedObject(this, this.#keys, header, index);
	}
}

/* All at once, where there is no door. */
export async function openObject(base, link, spelling) {
	const visit = new Visit(base, link);
	await visit.prove(spelling);
	return visit.open();
}
