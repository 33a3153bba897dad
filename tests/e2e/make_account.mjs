/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Make an account as the page makes one, with the passphrase on standard input,
 * and print {public, proof_hash, wrapped}.
 *
 * usage: make_account.mjs PAGE
 */
import { webcrypto } from 'node:crypto';
import { text } from 'node:stream/consumers';
import process from 'node:process';

globalThis.crypto ??= webcrypto;

const { makeAccount } = await import(`${process.argv[2]}/account.js`);

process.stdout.write(JSON.stringify(await makeAccount(await text(process.stdin))));
