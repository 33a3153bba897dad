/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whose page it is: the name, the logo, the colour, the imprint and the words
 * of help that the gateway was configured with. It writes them into one element
 * of the page as JSON; here they become text, and nothing else.
 */
import { $, element } from './dom.js';
import { t } from './i18n.js';

/* What style.css has beneath links and buttons, where they are read worst. */
const GROUND_LIGHT = [238, 241, 240];
const GROUND_DARK = [27, 34, 33];
/* WCAG 2.2, 1.4.3 */
const CONTRAST = 4.5;

function readBrand() {
	try {
		return JSON.parse(
			document.querySelector('meta[name="sealgate-brand"]').content);
	} catch {
		return {};
	}
}

/* WCAG 2.2, relative luminance. */
function luminance(rgb) {
	const [r, g, b] = rgb.map(value => {
		const c = value / 255;
		return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	});
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(one, other) {
	const [dark, light] = [luminance(one), luminance(other)].sort((x, y) =>
		x - y);
	return (light + 0.05) / (dark + 0.05);
}

/* The colour, moved towards black or white as far as it takes to be read on
   this ground. */
export function readable(rgb, ground) {
	const end = luminance(ground) > 0.5 ? 0 : 255;
	for (let step = 0; step <= 20; step++) {
		const mixed = rgb.map(c => Math.round(c + (end - c) * step / 20));
		if (contrast(mixed, ground) >= CONTRAST)
			return mixed;
	}
	return [end, end, end];
}

function showColour(text) {
	const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
	if (found === null)
		return;
	const rgb = found.slice(1).map(hex => parseInt(hex, 16));
	const style = document.documentElement.style;
	for (const [name, ground] of [['light', GROUND_LIGHT],
		['dark', GROUND_DARK]]) {
		const accent = readable(rgb, ground);
		style.setProperty(`--brand-${name}`, `rgb(${accent.join(' ')})`);
	}
}

function showImprint(text) {
	if (/^https:\/\//i.test(text))
		$('imprint').append(element('a', { href: text, rel: 'noreferrer',
			textContent: t('imprint') }));
	else
		$('imprint').textContent = text;
	$('imprint').hidden = false;
}

export function showBrand() {
	const { name, logo, colour, imprint, help } = readBrand();
	if (name) {
		$('brand-name').textContent = name;
		$('brand').hidden = false;
	}
	if (logo) {
		$('brand-logo').src = logo;
		$('brand-logo').hidden = false;
		$('brand').hidden = false;
	}
	if (colour)
		showColour(colour);
	if (imprint)
		showImprint(imprint);
	if (help) {
		$('help-own').textContent = help;
		$('help-own').hidden = false;
	}
}
