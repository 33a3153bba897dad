/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The page's language: the first of the browser's that there are texts for.
 * Elements say by data-t which text they have.
 */
import de from './lang/de.js';
import en from './lang/en.js';
import es from './lang/es.js';
import fr from './lang/fr.js';
import it from './lang/it.js';
import nl from './lang/nl.js';

export const TEXTS = { en, de, fr, es, it, nl };

let language = 'en';
let locale = 'en';

/* {language, locale}: what to take for the languages that are wanted, best
   first. Dates are written as the region does it. */
export function chooseLanguage(wanted) {
	for (const tag of wanted) {
		const code = tag.toLowerCase().split('-')[0];
		if (Object.hasOwn(TEXTS, code))
			return { language: code, locale: tag };
	}
	return { language: 'en', locale: 'en' };
}

export function useLanguage(choice) {
	({ language, locale } = choice);
}

/* A text with its {words} filled in. */
export function t(key, values = {}) {
	return TEXTS[language][key].replace(/\{(\w+)\}/g,
		(word, name) => String(values[name] ?? word));
}

/* Put the texts into every element that names one. */
export function translate(root) {
	root.documentElement.lang = language;
	for (const node of root.querySelectorAll('[data-t]'))
		node.textContent = t(node.dataset.t);
	for (const node of root.querySelectorAll('[data-t-label]'))
		node.setAttribute('aria-label', t(node.dataset.tLabel));
	for (const node of root.querySelectorAll('[data-t-title]'))
		node.title = t(node.dataset.tTitle);
}

/* An element's text from now on. */
export function say(node, key, values) {
	node.textContent = t(key, values);
}

export function formatSize(octets) {
	const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
	let n = octets;
	let unit = 0;
	while (n >= 1000 && unit < units.length - 1) {
		n /= 1000;
		unit++;
	}
	return new Intl.NumberFormat(locale, { style: 'unit', unit: units[unit],
		unitDisplay: unit === 0 ? 'long' : 'short',
		maximumFractionDigits: unit > 0 && n < 10 ? 1 : 0 }).format(n);
}

export function formatDate(seconds) {
	return new Intl.DateTimeFormat(locale, { dateStyle: 'full',
		timeStyle: 'short' }).format(new Date(seconds * 1000));
}

export function formatTime(ms) {
	return new Intl.DateTimeFormat(locale, { timeStyle: 'medium' })
		.format(new Date(ms));
}

/* How far away a time is: "in 12 days". */
export function formatDistance(seconds) {
	const away = seconds - Date.now() / 1000;
	const units = [['day', 86400], ['hour', 3600], ['minute', 60]];
	const [unit, size] = units.find(([, s]) => Math.abs(away) >= 2 * s) ??
		units[2];
	return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
		.format(Math.trunc(away / size), unit);
}
