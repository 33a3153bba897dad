/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Show a message in HTML inside the sandboxed frame. It is parsed and cleaned
 * here, in an origin that has nothing, and never touches the page that holds
 * the key. What loads from elsewhere is taken out, and the frame's policy
 * would block it anyway, until the reader asks for images.
 */
import DOMPurify from './node_modules/dompurify/dist/purify.es.mjs';

const CONFIG = {
	USE_PROFILES: { html: true },
	FORBID_TAGS: ['form', 'input', 'button', 'select', 'textarea', 'option',
		'optgroup', 'datalist', 'fieldset', 'output', 'audio', 'video',
		'source', 'track', 'picture', 'dialog', 'meter', 'progress'],
	FORBID_ATTR: ['srcset', 'background', 'poster', 'ping', 'autofocus',
		'contenteditable', 'popover', 'popovertarget', 'tabindex', 'accesskey'],
	ALLOW_DATA_ATTR: false,
	ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|cid:|#)/i,
	FORCE_BODY: true,
	RETURN_DOM_FRAGMENT: true,
};

function cleanLink(node) {
	const url = node.getAttribute('href') ?? '';
	if (url.startsWith('#'))
		return;
	if (/^(?:https?|mailto|tel):/i.test(url)) {
		node.setAttribute('target', '_blank');
		node.setAttribute('rel', 'noopener noreferrer nofollow');
	} else {
		node.removeAttribute('href');
	}
}

/* Only what came with the message: an image by its Content-ID, or one that is
   in the text itself; from the web where the reader asked for it, and then the
   page of this frame has a policy that lets it. The others keep their
   description. True if it would have been loaded from the web. */
function cleanImage(node, images, remote) {
	const url = node.getAttribute('src') ?? '';
	let own = /^data:image\/(?:png|jpeg|gif|webp)[;,]/i.test(url) ? url : null;
	if (/^cid:/i.test(url)) {
		let id = url.slice(4);
		try {
			id = decodeURIComponent(id);
		} catch { /* as it stands */ }
		id = id.toLowerCase();
		own = Object.hasOwn(images, id) ? images[id] : null;
	}
	if (remote && /^https?:/i.test(url))
		own = url;
	if (own !== null)
		node.setAttribute('src', own);
	else
		node.removeAttribute('src');
	return own === null && /^https?:/i.test(url);
}

function show(html, images, remote) {
	let blocked = 0;
	DOMPurify.removeAllHooks();
	DOMPurify.addHook('afterSanitizeAttributes', node => {
		const name = node.localName;
		if (name === 'img')
			blocked += cleanImage(node, images, remote) ? 1 : 0;
		else
			node.removeAttribute?.('src');
		if (name === 'a' || name === 'area')
			cleanLink(node);
		else
			node.removeAttribute?.('href');
	});
	document.body.replaceChildren(DOMPurify.sanitize(html, CONFIG));
	return blocked;
}

function report(blocked) {
	const box = document.documentElement.getBoundingClientRect();
	const height = Math.ceil(box.height);
	parent.postMessage({ sealgate: 'shown', height, blocked }, '*');
}

addEventListener('message', event => {
	const { sealgate, html, images, remote } = event.data ?? {};
	if (event.source !== parent || sealgate !== 'show' ||
	    typeof html !== 'string')
		return;
	const blocked = show(html, images ?? {}, remote === true);
	new ResizeObserver(() => report(blocked))
		.observe(document.documentElement);
});
parent.postMessage({ sealgate: 'ready' }, '*');
