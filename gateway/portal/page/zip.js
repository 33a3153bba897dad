/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A ZIP archive of files as they are, not compressed: attachments mostly are
 * already. Made of Blob parts, so that no file is held in memory. PKWARE's
 * APPNOTE.TXT 6.3.3, without ZIP64.
 */
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;
const UTF8_NAMES = 0x0800;
const FILES_MAX = 65535;
const SIZE_MAX = 0xffffffff;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
	let c = n;
	for (let i = 0; i < 8; i++)
		c = c & 1 ? 0xedb88320 ^ c >>> 1 : c >>> 1;
	return c;
});

/* CRC-32 of octets that follow those of `crc`, which is 0 at first. */
export function crc32(octets, crc = 0) {
	let c = ~crc;
	for (const octet of octets)
		c = CRC_TABLE[(c ^ octet) & 255] ^ c >>> 8;
	return ~c >>> 0;
}

/* Date and time as MS-DOS had them: local, from 1980 on, even seconds. */
function dosTime(date) {
	const year = Math.min(Math.max(date.getFullYear(), 1980), 2107);
	return { time: date.getHours() << 11 | date.getMinutes() << 5 |
		date.getSeconds() >> 1,
	date: year - 1980 << 9 | date.getMonth() + 1 << 5 | date.getDate() };
}

function record(size, fields) {
	const octets = new Uint8Array(size);
	const view = new DataView(octets.buffer);
	let at = 0;
	for (const [width, value] of fields) {
		if (width === 2)
			view.setUint16(at, value, true);
		else
			view.setUint32(at, value, true);
		at += width;
	}
	return octets;
}

export class Zip {
	#parts = [];
	#central = [];
	#names = new Set();
	#offset = 0;
	#date;

	constructor(date) {
		this.#date = dosTime(date);
	}

	/* Two files may have one name in a message, not in a folder; most people's
	   folders take capitals for the same letters. */
	#ownName(name) {
		const dot = name.lastIndexOf('.');
		const stem = dot > 0 ? name.slice(0, dot) : name;
		const ending = dot > 0 ? name.slice(dot) : '';
		let own = name;
		for (let n = 2; this.#names.has(own.toLowerCase()); n++)
			own = `${stem} (${n})${ending}`;
		this.#names.add(own.toLowerCase());
		return own;
	}

	/* Add contents, a Blob, under a name that is safe by itself. */
	add(name, contents, crc) {
		const octets = new TextEncoder().encode(this.#ownName(name));
		const common = [[2, VERSION], [2, UTF8_NAMES], [2, 0],
			[2, this.#date.time], [2, this.#date.date], [4, crc],
			[4, contents.size], [4, contents.size], [2, octets.length],
			[2, 0]];
		if (this.#central.length / 2 >= FILES_MAX || this.#offset +
		    contents.size + 2 * octets.length + 200 > SIZE_MAX)
			throw new RangeError('too much for one archive');
		const local = record(30, [[4, LOCAL], ...common]);
		this.#central.push(record(46, [[4, CENTRAL], [2, VERSION], ...common,
			[2, 0], [2, 0], [2, 0], [4, 0], [4, this.#offset]]), octets);
		this.#parts.push(local, octets, contents);
		this.#offset += local.length + octets.length + contents.size;
	}

	/* The archive, a Blob. */
	finish() {
		const n = this.#central.length / 2;
		const size = this.#central.reduce((sum, c) => sum + c.length, 0);
		return new Blob([...this.#parts, ...this.#central, record(22, [
			[4, END], [2, 0], [2, 0], [2, n], [2, n], [4, size],
			[4, this.#offset], [2, 0]])], { type: 'application/zip' });
	}
}
