/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The message with its formatting, in a frame that is a page of its own: it
 * has no key, no origin, and loads nothing from elsewhere until the reader
 * asks for images.
 */
import { $ } from './dom.js';
import { inlineImages, partTexts } from './message.js';

const HEIGHT_MIN = 48;
const HEIGHT_MAX = 40000;

let content = null;

/* A text among parts in HTML, which are all shown in the frame. */
function asHtml({ type, text }) {
	if (type === 'text/html')
		return text;
	const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
	return `<div style="white-space:pre-wrap">${escaped}</div>`;
}

addEventListener('message', event => {
	const frame = $('html');
	if (event.source !== frame.contentWindow || content === null)
		return;
	if (event.data?.sealgate === 'ready')
		frame.contentWindow.postMessage({ sealgate: 'show', ...content },
			'*');
	if (event.data?.sealgate === 'shown') {
		const height = Number(event.data.height) || 0;
		frame.style.height =
			`${Math.min(Math.max(height, HEIGHT_MIN), HEIGHT_MAX) + 2}px`;
		$('images-row').hidden = !(event.data.blocked > 0);
	}
});

export async function showHtml(object, plan) {
	if (content === null) {
		const texts = await partTexts(object, plan.html);
		const html = texts.map(asHtml).join('<hr>');
		content = { html, remote: false,
			images: await inlineImages(object, plan.inline, html) };
		$('html').src = $('html').dataset.frame ?? '../frame';
	}
	$('html').hidden = false;
}

/* The same once more, as a page whose policy lets images in. */
export function loadImages() {
	content.remote = true;
	$('images-row').hidden = true;
	$('html').src = '../frame-images';
}
