/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is asked of the portal: the index once, then ranges of the message, a
 * code where the door wants one, the account, and answers taken there. Nothing
 * here is called before the reader asks to see the message.
 */
import { makeAccount, sharedFactor } from './account.js';
import { OpenError, base64urlEncode, chunkRange, deriveKeys, openIndex,
	openRange, parseHeader, FACTOR_ACCOUNT, HEADER_SIZE } from './crypto.js';

/* A range that breaks off is asked for again from where it stopped. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const STALL_MS = 30000;
const WAIT_S = 60;
/* The portal is asked so often whether an account is set. */
const SET_MS = 1000;
const SET_TRIES = 90;
/* Of a code those that the portal knows; more are for the gateway behind it. */
export const DOOR_DIGITS = 6;

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

async function ask(url, options, ...good) {
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
	if (!good.includes(reply.status))
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
		this.door = header.door;
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

/* The ticket of the door, and digits for the gateway behind a blank, last as
   long as this tab; without storage, as long as the page. */
function storedTicket(id_text) {
	try {
		return (sessionStorage.getItem(`sealgate ${id_text}`) ?? '')
			.split(' ');
	} catch {
		return [''];
	}
}

function storeTicket(id_text, ...parts) {
	try {
		sessionStorage.setItem(`sealgate ${id_text}`, parts.join(' '));
	} catch { /* kept in memory alone */ }
}

/* One reader with one link. base is the portal's URL without a slash at its
   end, "" for the page's own. */
export class Visit {
	#base;
	#keys = null;
	#spelling = null;
	#ticket;
	#digits;
	#made = null;

	constructor(base, link) {
		this.#base = base;
		this.link = link;
		const [ticket, digits] = storedTicket(link.id_text);
		this.#ticket = ticket || null;
		this.#digits = digits ?? '';
		this.codeLength = DOOR_DIGITS;
	}

	/* Make the keys from the link and from what was typed, as factor.js
	   spells it. Takes a second on purpose. */
	async prove(spelling) {
		if (this.#keys !== null && spelling === this.#spelling)
			return;
		this.#keys = null;
		let shared;
		if (this.link.factor === FACTOR_ACCOUNT)
			shared = await sharedFactor(this.link, spelling,
				(account, proof) => this.#fetchKey(account, proof));
		this.#keys = await deriveKeys(this.link, spelling, shared);
		this.#spelling = spelling;
	}

	async #fetchKey(account, proof) {
		const reply = await this.#post('key', { account, proof }, 200);
		return reply.json().catch(() => ({}));
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

	#post(path, more, ...good) {
		return ask(this.address(path), {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ id: this.link.id_text, ...more }),
		}, ...good);
	}

	#proof() {
		return { proof: base64urlEncode(this.#keys.proof) };
	}

	async #takeTicket(reply) {
		const { ticket, digits } = await reply.json().catch(() => ({}));
		if (typeof ticket !== 'string' || !/^[\w-]{43}$/.test(ticket))
			throw new OpenError('unsupported', 'no ticket');
		this.#ticket = ticket;
		this.#digits = '';
		this.codeLength = digits === 2 * DOOR_DIGITS ? digits : DOOR_DIGITS;
		storeTicket(this.link.id_text, ticket);
	}

	/* Have a code mailed to the recipient. */
	async askCode() {
		await this.#takeTicket(await this.#post('code', this.#proof(), 202));
	}

	/* The same for who has forgotten the passphrase of the account. */
	async askReset() {
		await this.#takeTicket(await this.#post('reset', {}, 202));
	}

	/* Are the digits there with which an account may be set? */
	get maySetAccount() {
		return this.#ticket !== null && this.#digits !== '';
	}

	/* Have the account with this passphrase, from now on or instead of the one
	   of the link; code if it was not used to open. The error `code`: the
	   code does not fit; `limit`: there is one already. */
	async setAccount(passphrase, code = '') {
		if (this.#made?.passphrase !== passphrase)
			this.#made = { passphrase,
				account: await makeAccount(passphrase) };
		const more = { ticket: this.#ticket ?? '', ...this.#made.account,
			digits: code.slice(DOOR_DIGITS) || this.#digits };
		if (code !== '')
			more.code = code.slice(0, DOOR_DIGITS);
		if (this.link.factor !== FACTOR_ACCOUNT)
			Object.assign(more, this.#proof());
		for (let tries = 0; tries < SET_TRIES; tries++) {
			const reply = await this.#post('account', more, 201, 202);
			if (reply.status === 201)
				return;
			await pause(SET_MS);
		}
		throw new OpenError('busy', 'the gateway did not answer', WAIT_S);
	}

	/* Fetch and open the index. The error `code` says that the door wants a
	   code, or another one than this. */
	async open(code) {
		const more = this.#proof();
		if (this.#ticket !== null)
			more.ticket = this.#ticket;
		if (code !== undefined)
			more.code = code.slice(0, DOOR_DIGITS);
		const reply = await this.#post('open', more, 200);
		if (code?.length > DOOR_DIGITS) {
			this.#digits = code.slice(DOOR_DIGITS);
			storeTicket(this.link.id_text, this.#ticket, this.#digits);
		}
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
