/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the reader sees and presses. Nothing is asked of the server before
 * the button is: programs that follow links in mail learn nothing, and use
 * nothing up. Text from the message is only ever set as text.
 */
import { openObject } from './client.js';
import { OpenError, parseLink } from './crypto.js';
import { contentSize, fileName, inlineImages, partBlob, partTexts,
	planMessage } from './message.js';

const $ = id => document.getElementById(id);

/* What happened, and what to do about it. */
const ERRORS = {
	link: ['This link is not complete',
		'Part of it got lost on the way, often at a line break. Copy the ' +
		'whole link from the mail and paste it into the address bar.'],
	gone: ['There is no message for this link',
		'It may have expired, or a character of the link is missing. Copy ' +
		'the whole link from the mail and try again. If that does not ' +
		'help, ask the sender to send the message again.'],
	busy: ['Too many attempts at the moment',
		'Please wait a few minutes, then try again.'],
	damaged: ['This message does not open',
		'It was damaged or changed, so it is not shown. Please ask the ' +
		'sender to send it again.'],
	network: ['The server did not answer',
		'Check your internet connection, then try again.'],
	insecure: ['This connection is not secure',
		'Your browser only decrypts on secure pages. Open the link ' +
		'exactly as it stands in the mail; it begins with https://.'],
	unsupported: ['This page cannot open the message',
		'Close this page and open the link again. If that does not help, ' +
		'try another browser or tell the sender.'],
};

function showError(title_node, text_node, error) {
	const [title, text] = ERRORS[error instanceof OpenError
		? error.code : 'unsupported'] ?? ERRORS.unsupported;
	title_node.textContent = title;
	text_node.textContent = text;
	if (!(error instanceof OpenError))
		console.error(error);
}

function formatSize(octets) {
	const units = ['bytes', 'KB', 'MB', 'GB'];
	let n = octets;
	let unit = 0;
	while (n >= 1000 && unit < units.length - 1) {
		n /= 1000;
		unit++;
	}
	return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

function formatDate(seconds) {
	return new Intl.DateTimeFormat(undefined, { dateStyle: 'full',
		timeStyle: 'short' }).format(new Date(seconds * 1000));
}

function showFields(object) {
	const { index } = object;
	$('subject').textContent = index.subject || '(no subject)';
	document.title = index.subject || 'Protected message';
	$('from').textContent = index.from;
	$('to').textContent = index.to ?? '';
	$('to-row').hidden = !index.to;
	$('date').textContent = formatDate(index.date);
	$('date').dateTime = new Date(index.date * 1000).toISOString();
	$('expires').textContent =
		`You can open this message until ${formatDate(object.expires)}.`;
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
		box.append('This message has no text.');
}

/* A text among parts in HTML, which are all shown in the frame. */
function asHtml({ type, text }) {
	if (type === 'text/html')
		return text;
	const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
	return `<div style="white-space:pre-wrap">${escaped}</div>`;
}

let frame_content = null;

addEventListener('message', event => {
	const frame = $('html');
	if (event.source !== frame.contentWindow || frame_content === null)
		return;
	if (event.data?.sealgate === 'ready')
		frame.contentWindow.postMessage({ sealgate: 'show',
			...frame_content }, '*');
	if (event.data?.sealgate === 'shown') {
		const height = Math.min(Math.max(Number(event.data.height) || 0, 48),
			20000);
		frame.style.height = `${height + 2}px`;
		$('format-note').hidden = !(event.data.blocked > 0);
	}
});

async function showHtml(object, plan) {
	if (frame_content === null) {
		const texts = await partTexts(object, plan.html);
		const html = texts.map(asHtml).join('<hr>');
		frame_content = { html,
			images: await inlineImages(object, plan.inline, html) };
		$('html').src = '../frame';
	}
	$('html').hidden = false;
	$('text').hidden = true;
}

async function showBody(object, plan) {
	const only_html = plan.plain.some(part => part.type === 'text/html');
	$('format-note').hidden = true;
	if (only_html) {
		$('format-row').hidden = false;
		$('format').hidden = true;
		await showHtml(object, plan);
		return;
	}
	showText(await partTexts(object, plan.plain));
	$('format-row').hidden = plan.html.length === 0;
	$('format').addEventListener('click', async () => {
		try {
			if ($('html').hidden) {
				await showHtml(object, plan);
				$('format').textContent = 'Show as plain text';
				return;
			}
		} catch (error) {
			$('format-note').hidden = false;
			showError($('format-note'), $('format-note'), error);
			return;
		}
		$('html').hidden = true;
		$('text').hidden = false;
		$('format-note').hidden = true;
		$('format').textContent = 'Show with formatting';
	});
}

function saveBlob(blob, name) {
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

async function download(object, part, name, button) {
	const status = $('attachment-status');
	button.disabled = true;
	try {
		const blob = await partBlob(object, part, done => {
			const percent = Math.round(100 * done / Math.max(1, part.length));
			status.textContent = `Decrypting ${name}: ${percent} %`;
		});
		saveBlob(blob, name);
		status.textContent = `${name} was decrypted and saved.`;
	} catch (error) {
		const note = document.createElement('strong');
		status.replaceChildren(note, ' ', document.createElement('span'));
		showError(note, status.lastChild, error);
	} finally {
		button.disabled = false;
	}
}

function attachmentRow(object, part, number) {
	const name = fileName(part, number);
	const row = document.createElement('li');
	const label = document.createElement('span');
	const size = document.createElement('small');
	const button = document.createElement('button');
	label.className = 'file';
	label.dir = 'auto';
	label.textContent = name;
	size.textContent = formatSize(contentSize(part));
	label.append(size);
	button.type = 'button';
	button.textContent = 'Download';
	button.setAttribute('aria-label', `Download ${name}`);
	button.addEventListener('click',
		() => download(object, part, name, button));
	row.append(label, button);
	return row;
}

function showAttachments(object, plan) {
	const rows = plan.attachments.map((part, i) =>
		attachmentRow(object, part, i + 1));
	$('attachment-list').replaceChildren(...rows);
	$('attachments').hidden = rows.length === 0;
}

async function showMessage() {
	const [, base, id] = /^(.*)\/m\/([^/]*)$/.exec(location.pathname) ??
		[, '', ''];
	$('show').disabled = true;
	$('error').hidden = true;
	$('status').textContent = 'Decrypting …';
	try {
		const link = parseLink(id, location.hash.slice(1));
		const object = await openObject(base, link);
		const plan = planMessage(object.index);
		showFields(object);
		await showBody(object, plan);
		showAttachments(object, plan);
		$('start').hidden = true;
		$('message').hidden = false;
		$('message').focus();
	} catch (error) {
		showError($('error-title'), $('error-text'), error);
		$('error').hidden = false;
		$('show').textContent = 'Try again';
		$('show').disabled = false;
	}
	$('status').textContent = '';
}

$('show').addEventListener('click', showMessage);
$('show').disabled = false;
/* A corrected link differs only behind the "#": the page would not reload. */
addEventListener('hashchange', () => location.reload());
