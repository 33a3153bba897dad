/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The opened message: who, when, until when, the text, the attachments, and
 * what can be done with them. Text from the message is only ever set as text.
 */
import { $, element, errorWords, keepFocus, plainLine, saveBlob } from './dom.js';
import { loadImages, showHtml } from './html_view.js';
import { formatDate, formatDistance, formatSize, say, t } from './i18n.js';
import { collect, contentSize, contents, fileName, partBlob, partTexts,
	planMessage, safeName } from './message.js';
import { offerReply } from './reply.js';
import { Zip, crc32 } from './zip.js';

function showFields(object) {
	const { index } = object;
	const subject = plainLine(index.subject).trim();
	$('subject').textContent = subject || t('no_subject');
	document.title = subject || t('title');
	$('from').textContent = plainLine(index.from);
	$('to').textContent = plainLine(index.to);
	$('to-row').hidden = !index.to;
	$('date').textContent = formatDate(index.date);
	$('date').dateTime = new Date(index.date * 1000).toISOString();
	if (object.expires === null)
		say($('expires'), 'attached_never');
	else
		say($('expires'), 'until', { date: formatDate(object.expires),
			when: formatDistance(object.expires) });
}

function showText(texts) {
	const box = $('text');
	box.replaceChildren();
	texts.forEach(({ text }, i) => {
		if (i > 0)
			box.append(document.createElement('hr'));
		box.append(text.replace(/\r\n/g, '\n').replace(/\s+$/, '\n'));
	});
	if (texts.length === 0)
		box.append(t('no_text'));
}

async function switchFormat(object, plan) {
	const button = $('format');
	try {
		if ($('html').hidden) {
			await showHtml(object, plan);
			$('text').hidden = true;
			say(button, 'format_plain');
			return;
		}
	} catch (error) {
		$('task-status').textContent = errorWords(error).text;
		return;
	}
	$('html').hidden = true;
	$('images-row').hidden = true;
	$('text').hidden = false;
	say(button, 'format_html');
}

async function showBody(object, plan) {
	if (plan.plain.some(part => part.type === 'text/html')) {
		await showHtml(object, plan);
		$('text').hidden = true;
		return;
	}
	showText(await partTexts(object, plan.plain));
	$('format').hidden = plan.html.length === 0;
	$('format').addEventListener('click', () => switchFormat(object, plan));
}

/* One task at a time: its progress is shown, and it can be ended. */
let task = null;

async function run(name, total, work) {
	const status = $('task-status');
	const bar = $('task-bar');
	const pressed = document.activeElement;
	task?.abort();
	const mine = new AbortController();
	task = mine;
	const events = {
		signal: mine.signal,
		progress: done => {
			const percent = Math.floor(100 * done / Math.max(1, total));
			bar.value = percent;
			say(status, 'progress', { name, percent });
		},
		retrying: () => say(status, 'retrying'),
	};
	bar.value = 0;
	$('task').hidden = false;
	try {
		const blob = await work(events);
		mine.signal.throwIfAborted();
		saveBlob(blob, name);
		say(status, 'saved', { name });
	} catch (error) {
		if (task !== mine)
			return;
		if (mine.signal.aborted) {
			say(status, 'cancelled');
		} else {
			const { title, text } = errorWords(error);
			status.textContent = `${title}. ${text}`;
		}
	} finally {
		if (task === mine) {
			task = null;
			$('task').hidden = true;
			keepFocus(pressed, $('message'));
		}
	}
}

function saveAttachment(object, part, name) {
	return run(name, part.length, events => partBlob(object, part, events));
}

function saveZip(object, parts, names) {
	const total = parts.reduce((sum, part) => sum + part.length, 0);
	const name = `${messageName(object)}.zip`;
	return run(name, total, async events => {
		const zip = new Zip(new Date(object.index.date * 1000));
		let before = 0;
		for (const [i, part] of parts.entries()) {
			let crc = 0;
			const progress = done => events.progress(before + done);
			const blob = await collect(
				contents(object, part, { ...events, progress }),
				piece => { crc = crc32(piece, crc); });
			zip.add(names[i], blob, crc);
			before += part.length;
		}
		return zip.finish();
	});
}

function messageName(object) {
	return safeName(plainLine(object.index.subject).slice(0, 80)) ||
		t('message_name');
}

/* The message as it came, octet for octet. */
function saveMessage(object) {
	const whole = { offset: 0, length: object.size, encoding: 'binary' };
	return run(`${messageName(object)}.eml`, object.size,
		events => partBlob(object, whole, events));
}

function attachmentRow(object, part, name) {
	const button = element('button', { type: 'button',
		textContent: t('download') });
	button.setAttribute('aria-label', t('download_name', { name }));
	button.addEventListener('click',
		() => saveAttachment(object, part, name));
	return element('li', {}, element('span', { className: 'file' },
		element('bdi', { textContent: name }), element('small', {
			textContent: formatSize(contentSize(part)) })), button);
}

function showAttachments(object, plan) {
	const parts = plan.attachments;
	const names = parts.map((part, i) =>
		fileName(part, i + 1, t('attachment_name')));
	$('attachment-list').replaceChildren(...parts.map((part, i) =>
		attachmentRow(object, part, names[i])));
	$('attachments').hidden = parts.length === 0;
	$('zip').hidden = parts.length < 2;
	$('zip').addEventListener('click', () => saveZip(object, parts, names));
}

/* Fill in the message and show it in the place of the start. */
export async function showLetter(object) {
	const plan = planMessage(object.index);
	showFields(object);
	await showBody(object, plan);
	showAttachments(object, plan);
	offerReply(object);
	$('print').addEventListener('click', () => print());
	$('eml').addEventListener('click', () => saveMessage(object));
	$('images').addEventListener('click', () => {
		loadImages();
		keepFocus($('format'), $('html'));
	});
	$('task-cancel').addEventListener('click', () => task?.abort());
	$('start').hidden = true;
	$('message').hidden = false;
	$('message').focus();
}
