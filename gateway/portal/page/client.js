/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is asked of the portal: the index once, then ranges of the message.
 * Nothing here is called before the reader asks to see the message.
 */
import { OpenError, base64urlEncode, chunkRange, deriveKeys, openIndex,
	openRange, parseHeader, HEADER_SIZE } from './crypto.js';

function failure(status) {
	if (status === 404)
		return new OpenError('gone', 'no such message, or wrong secret');
	if (status === 429 || status === 503)
		return new OpenError('busy', `status ${status}`);
	return new OpenError('network', `status ${status}`);
}

async function ask(url, options, status) {
	let reply;
	try {
		reply = await fetch(url, { ...options, cache: 'no-store',
			credentials: 'omit', redirect: 'error',
			referrerPolicy: 'no-referrer' });
	} catch (error) {
		throw new OpenError('network', String(error.cause ?? error));
	}
	if (reply.status !== status)
		throw failure(reply.status);
	return reply;
}

async function* readBody(reply) {
	const reader = reply.body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done)
				return;
			yield value;
		}
	} catch (error) {
		if (error instanceof OpenError)
			throw error;
		throw new OpenError('network', String(error));
	} finally {
		reader.cancel().catch(() => {});
	}
}

/* One opened object: its index, and the message by ranges. */
export class OpenedObject {
	#base;
	#id;
	#proof;
	#key;
	#header;

	constructor(base, link, keys, header, index) {
		this.#base = base;
		this.#id = link.id_text;
		this.#proof = base64urlEncode(keys.proof);
		this.#key = keys.key;
		this.#header = header;
		this.index = index;
		this.expires = header.expires;
	}

	/* The octets of a part as they stand in the message, in pieces. */
	async* read(part) {
		if (part.length === 0)
			return;
		const { from, to } = chunkRange(this.#header, part.offset, part.length);
		const reply = await ask(`${this.#base}/api/object/${this.#id}`, {
			headers: {
				'Authorization': `Sealgate-Proof ${this.#proof}`,
				'Range': `bytes=${from}-${to - 1}`,
			} }, 206);
		yield* openRange(this.#key, this.#header, part.offset, part.length,
			readBody(reply));
	}
}

/* Prove, fetch and open the index. base is the portal's URL without a slash
   at its end, "" for the page's own. */
export async function openObject(base, link, passphrase) {
	const keys = await deriveKeys(link, passphrase);
	const reply = await ask(`${base}/api/open`, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ id: link.id_text,
			proof: base64urlEncode(keys.proof) }),
	}, 200);
	let bytes;
	try {
		bytes = new Uint8Array(await reply.arrayBuffer());
	} catch (error) {
		throw new OpenError('network', String(error));
	}
	const header = parseHeader(bytes, link);
	const index = await openIndex(keys.key, header,
		bytes.subarray(HEADER_SIZE));
	return new OpenedObject(base, link, keys, header, index);
}
