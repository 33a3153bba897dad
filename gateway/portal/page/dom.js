/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the parts of the page share: elements by name, errors in words, files
 * that are saved.
 */
import { OpenError } from './crypto.js';
import { formatTime, t } from './i18n.js';

export const $ = id => document.getElementById(id);

/* Text of strangers in a line: no controls, and nothing that turns the reading
   direction of what stands beside it. */
export function plainLine(text) {
	return String(text ?? '').replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
		.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}

/* Say below a field what is wrong with it; '': nothing is. */
export function fieldProblem(input, note, text) {
	note.textContent = text;
	note.hidden = text === '';
	input.setAttribute('aria-invalid', text === '' ? 'false' : 'true');
	if (text !== '')
		input.focus();
}

/* The digits of a code, however they were grouped; null if there are not as
   many. */
export function codeDigits(text, length) {
	const code = text.normalize('NFKC').replace(/[\s-]/g, '');
	return code.length === length && /^[0-9]+$/.test(code) ? code : null;
}

/* {title, text} for what went wrong. A factor that was typed may be why, and
   is named: 'factor', 'account'. */
export function errorWords(error, typed = '') {
	let code = 'unsupported';
	if (error instanceof OpenError)
		code = error.code === 'gone' && typed !== '' ? typed : error.code;
	else
		console.error(error);
	const wait = formatTime(Date.now() + 1000 * (error.wait ?? 0));
	if (!['link', 'gone', 'factor', 'account', 'wrong', 'busy', 'damaged',
		'network', 'insecure'].includes(code))
		code = 'unsupported';
	return { title: t(`err_${code}_title`),
		text: t(`err_${code}`, { time: wait }) };
}

/* Give a Blob to the reader as a file. */
export function saveBlob(blob, name) {
	const url = URL.createObjectURL(blob);
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.hidden = true;
	document.body.append(link);
	link.click();
	link.remove();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/* Focus the first of these that can be: what had it may be gone or disabled, and
   whoever uses the keyboard would begin at the top again. */
export function keepFocus(...nodes) {
	const seen = node => node.getClientRects().length > 0 && !node.disabled;
	const { activeElement } = document;
	if (activeElement !== null && activeElement !== document.body &&
	    seen(activeElement))
		return;
	nodes.find(node => node !== null && seen(node))?.focus();
}

export function element(name, properties = {}, ...children) {
	const node = document.createElement(name);
	Object.assign(node, properties);
	node.append(...children);
	return node;
}
