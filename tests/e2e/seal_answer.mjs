/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Open a pick-up link, seal the MIME message on standard input as the page
 * seals an answer, and print {index, sealed (base64)}. "bad" as second argument
 * turns over the last octet.
 *
 * usage: seal_answer.mjs PAGE URL [bad]
 */
import { webcrypto } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import process from 'node:process';

globalThis.crypto ??= webcrypto;

const [page, url, bad] = process.argv.slice(2);
const { openObject } = await import(`${page}/client.js`);
const { parseLink } = await import(`${page}/crypto.js`);
const { sealAnswer } = await import(`${page}/answer.js`);

const match = /^(https?:\/\/.+)\/m\/([^/#]+)#(.+)$/.exec(url);
const object = await openObject(match[1], parseLink(match[2], match[3]));
const mail = await buffer(process.stdin);
const blob = await sealAnswer({ size: mail.length, pieces: (async function* () {
	yield mail;
})() }, object.id, object.index.reply_key);
const sealed = Buffer.from(await blob.arrayBuffer());
if (bad)
	sealed[sealed.length - 1] ^= 1;
process.stdout.write(JSON.stringify({ index: object.index,
	sealed: sealed.toString('base64') }));
