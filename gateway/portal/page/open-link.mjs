#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Open a pick-up link on the command line with the page's own code and print
 * the message. NODE_EXTRA_CA_CERTS names the certificate of a portal whose
 * issuer the system does not know.
 */
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import process from 'node:process';

/* node 18 of Debian 12 has WebCrypto, but not as a global. */
globalThis.crypto ??= webcrypto;

const { openObject } = await import('./client.js');
const { FACTOR_NONE, parseLink } = await import('./crypto.js');
const { spell } = await import('./factor.js');
const { fileName, partTexts, planMessage } = await import('./message.js');

const USAGE = `usage: open-link.mjs URL/m/ID#SECRET
Fetches the message behind a pick-up link, decrypts it here and prints it. The
passphrase or the answer, if the link wants one, is the first line of standard
input.
NODE_EXTRA_CA_CERTS=FILE names a certificate to trust.
`;

async function main(argv) {
	if (argv.length !== 1 || argv[0].startsWith('-')) {
		process.stderr.write(USAGE);
		return 2;
	}
	const match = /^(https?:\/\/.+)\/m\/([^/#]+)#(.+)$/.exec(argv[0]);
	if (match === null) {
		process.stderr.write(`open-link: not a pick-up link\n${USAGE}`);
		return 2;
	}
	const link = parseLink(match[2], match[3]);
	const typed = link.factor === FACTOR_NONE ? ''
		: fs.readFileSync(0, 'utf8').split(/\r?\n/)[0];
	const object = await openObject(match[1], link, spell(link.factor, typed));
	const { index } = object;
	const plan = planMessage(index);
	const lines = [`From: ${index.from}`];
	if (index.to)
		lines.push(`To: ${index.to}`);
	lines.push(`Subject: ${index.subject ?? ''}`,
		`Date: ${new Date(index.date * 1000).toUTCString()}`);
	plan.attachments.forEach((part, i) =>
		lines.push(`Attachment: ${fileName(part, i + 1)}`));
	lines.push('');
	for (const { text } of await partTexts(object, plan.plain))
		lines.push(text.replace(/\r\n/g, '\n').replace(/\s+$/, ''));
	process.stdout.write(lines.join('\n') + '\n');
	return 0;
}

main(process.argv.slice(2)).then(rc => { process.exitCode = rc; }, error => {
	process.stderr.write(`open-link: ${error.message} (${error.code ?? error.name})\n`);
	process.exitCode = 1;
});
