/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The form for an answer. It goes to addresses that came with the message and
 * to no others; it is sealed here and taken to the portal as it is.
 */
import { canAnswer, composeAnswer, sealAnswer, threadOf } from './answer.js';
import { OpenError } from './crypto.js';
import { $, element, errorWords, keepFocus, plainLine } from './dom.js';
import { formatSize, say, t } from './i18n.js';
import { safeName } from './message.js';

const HEADER_OCTETS = 65536;

let object = null;
let everybody = false;
let files = [];
let sending = null;

function recipients() {
	const [first, ...others] = object.index.reply_to;
	return { to: [first], cc: everybody ? others : [] };
}

function problem(text) {
	$('compose-problem').textContent = text;
	$('compose-problem').hidden = text === '';
}

/* Octets of the answer as it would be sent; the header is a guess. */
function roughSize() {
	const contents = files.reduce((sum, f) => sum + f.size + 500, 2000) +
		new Blob([$('compose-text').value]).size;
	return Math.ceil(contents * 78 / 57);
}

function showFiles() {
	$('compose-list').replaceChildren(...files.map(file => {
		const name = plainLine(file.name);
		const button = element('button', { type: 'button',
			textContent: '×' });
		button.setAttribute('aria-label', t('reply_remove', { name }));
		button.addEventListener('click', () => {
			problem('');
			files = files.filter(f => f !== file);
			showFiles();
			$('compose-files').focus();
		});
		return element('li', {}, element('span',
			{ className: 'file' },
			element('bdi', { textContent: name }),
			element('small', { textContent: formatSize(file.size) })), button);
	}));
	$('compose-size').textContent = files.length === 0 ? ''
		: t('reply_size', { size: formatSize(roughSize()),
			max: formatSize(object.index.reply_max) });
}

function subjectOf(subject) {
	const plain = plainLine(subject).trim();
	return /^(?:re|aw|antw|sv|ref|rif)\s*:/i.test(plain) ? plain
		: `Re: ${plain}`;
}

function show(all) {
	everybody = all;
	$('compose').hidden = false;
	$('compose-form').hidden = false;
	$('compose-more-row').hidden = true;
	$('compose-status').textContent = '';
	const { to, cc } = recipients();
	$('compose-to').textContent = [...to, ...cc].map(plainLine).join(', ');
	$('compose-title').focus();
	$('compose').scrollIntoView({ block: 'start' });
}

/* What the original is called, so that mail programs show both together. */
async function thread() {
	const pieces = [];
	for await (const piece of object.read({ offset: 0,
		length: Math.min(object.size, HEADER_OCTETS) }))
		pieces.push(piece.slice());
	return threadOf(new Uint8Array(await new Blob(pieces).arrayBuffer()));
}

async function compose() {
	return composeAnswer({ from: object.index.to, ...recipients(),
		subject: $('compose-subject').value, text: $('compose-text').value,
		files: files.map(file => new File([file],
			safeName(file.name) || t('attachment_name'),
			{ type: file.type })),
		thread: await thread(), date: new Date(), host: location.hostname });
}

/* Why it was not sent. */
function failureText(error) {
	const words = { limit: 'reply_limit', busy: 'reply_room',
		gone: 'reply_over', code: 'reply_over', file: 'reply_file' };
	const word = words[error.code];
	if (word !== undefined)
		return t(word);
	if (error.code === 'large')
		return t('reply_large', { size: formatSize(roughSize()),
			max: formatSize(object.index.reply_max) });
	const { title, text } = errorWords(error);
	return `${title}. ${text}`;
}

function progress(word) {
	return fraction => {
		const percent = Math.floor(100 * fraction);
		$('compose-bar').value = percent;
		say($('compose-status'), word, { percent });
	};
}

async function take(signal) {
	const answer = await compose();
	if (answer.size > object.index.reply_max)
		throw new OpenError('large');
	const sealed = await sealAnswer(answer, object.id, object.index.reply_key,
		{ signal, progress: progress('reply_sealing') });
	await object.answer(sealed, progress('reply_sending'), signal);
}

function sent() {
	$('compose-text').value = '';
	files = [];
	showFiles();
	$('compose-form').hidden = true;
	$('compose-more-row').hidden = false;
	say($('compose-status'), 'reply_sent', { to: $('compose-to').textContent });
	$('compose-more').focus();
}

async function send(event) {
	event.preventDefault();
	if (sending !== null)
		return;
	if ($('compose-text').value.trim() === '' && files.length === 0) {
		problem(t('reply_empty'));
		$('compose-text').focus();
		return;
	}
	problem('');
	sending = new AbortController();
	const { signal } = sending;
	$('compose-send').disabled = true;
	$('compose-bar').value = 0;
	$('compose-task').hidden = false;
	try {
		await take(signal);
		sent();
	} catch (error) {
		$('compose-status').textContent = signal.aborted ? t('cancelled') : '';
		if (!signal.aborted)
			problem(failureText(error));
	}
	sending = null;
	$('compose-task').hidden = true;
	$('compose-send').disabled = false;
	keepFocus($('compose-send'));
}

function connect() {
	$('reply').addEventListener('click', () => show(false));
	$('reply-all').addEventListener('click', () => show(true));
	$('compose-more').addEventListener('click', () => show(everybody));
	$('compose-form').addEventListener('submit', send);
	$('compose-text').addEventListener('input', () => problem(''));
	$('compose-cancel').addEventListener('click', () => sending?.abort());
	$('compose-close').addEventListener('click', () => {
		$('compose').hidden = true;
		$('reply').focus();
	});
	$('compose-files').addEventListener('change', () => {
		problem('');
		files.push(...$('compose-files').files);
		$('compose-files').value = '';
		showFiles();
	});
}

/* Let the reader answer if the gateway takes answers to this message. */
export async function offerReply(opened) {
	const { reply_key, reply_to, reply_max } = opened.index;
	if (typeof reply_key !== 'string' || !opened.index.to ||
	    !Array.isArray(reply_to) || reply_to.length === 0 ||
	    !Number.isSafeInteger(reply_max))
		return;
	object = opened;
	$('reply').hidden = false;
	if (!await canAnswer()) {
		$('reply').disabled = true;
		say($('task-status'), 'reply_old');
		return;
	}
	$('compose-subject').value = subjectOf(opened.index.subject);
	$('reply-all').hidden = reply_to.length < 2;
	connect();
}
