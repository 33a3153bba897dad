/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The start of a message that came as a file: one field for the passphrase,
 * one button. Nothing is asked of anybody: the file has all there is.
 */
import { objectBlob, openAttached } from './attached_object.js';
import { showBrand } from './brand.js';
import { FACTOR_GENERATED } from './crypto.js';
import { $, errorWords, fieldProblem, keepFocus } from './dom.js';
import { GENERATED_LENGTH, spell } from './factor.js';
import { chooseLanguage, say, t, translate, useLanguage } from './i18n.js';
import { showLetter } from './letter.js';

let file = null;

/* What the gateway wrote into the file, once: as text it is large. */
function takeObject() {
	if (file === null) {
		const holder = $('object');
		file = { link: holder.dataset.link,
			blob: objectBlob([...holder.childNodes].map(n => n.data)) };
		holder.remove();
	}
	return file;
}

function problemWith(spelling) {
	if (spelling === '')
		return t('factor_empty');
	return spelling.length === GENERATED_LENGTH ? ''
		: t('generated_length', { n: spelling.length });
}

async function open() {
	const spelling = spell(FACTOR_GENERATED, $('factor-input').value);
	const problem = problemWith(spelling);
	fieldProblem($('factor-input'), $('factor-problem'), problem);
	if (problem !== '')
		return;
	say($('status'), 'opening');
	/* the word is seen before the work begins */
	await new Promise(resolve => { setTimeout(resolve); });
	const { blob, link } = takeObject();
	await showLetter(await openAttached(blob, link, spelling));
}

async function press() {
	$('show').disabled = true;
	$('error').hidden = true;
	try {
		await open();
	} catch (error) {
		const { title, text } = errorWords(error);
		$('error-title').textContent = title;
		$('error-text').textContent = text;
		$('error').hidden = false;
	}
	$('status').textContent = '';
	$('show').disabled = false;
	keepFocus($('factor-input'), $('show'));
}

function start() {
	useLanguage(chooseLanguage(navigator.languages ?? [navigator.language]));
	translate(document);
	document.title = t('title');
	showBrand();
	$('open-form').addEventListener('submit', event => {
		event.preventDefault();
		press();
	});
	$('too-old').hidden = true;
	$('show').disabled = false;
}

start();
