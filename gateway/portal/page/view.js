/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The start: what the reader types and presses until the message is open.
 * Nothing is asked of the server before the button is pressed: programs that
 * follow links in mail learn nothing, and use nothing up.
 */
import { showBrand } from './brand.js';
import { Visit } from './client.js';
import { FACTOR_ANSWER, FACTOR_GENERATED, FACTOR_NONE, parseLink }
	from './crypto.js';
import { $, errorWords, fieldProblem, keepFocus, plainLine } from './dom.js';
import { GENERATED_LENGTH, spell } from './factor.js';
import { chooseLanguage, say, t, translate, useLanguage } from './i18n.js';
import { showLetter } from './letter.js';

/* What the button does next: open; have a code sent; open with the code. */
const OPEN = 'open';
const ASK_CODE = 'ask';
const ENTER_CODE = 'enter';

let stage = OPEN;
let visit = null;

function showFactor(link) {
	const words = { [FACTOR_GENERATED]: 'generated', [FACTOR_ANSWER]: 'answer' };
	const word = words[link.factor] ?? 'passphrase';
	say($('factor-label'), word);
	say($('factor-hint'), `${word}_hint`);
	$('factor-question').hidden = link.factor !== FACTOR_ANSWER;
	$('question').textContent = plainLine(link.question);
	const hidden = word === 'passphrase';
	$('factor-input').type = hidden ? 'password' : 'text';
	$('reveal-row').hidden = !hidden;
	$('factor').hidden = false;
}

/* The spelling of what was typed; null if it cannot be right. */
function readFactor(link) {
	const spelling = spell(link.factor, $('factor-input').value);
	let problem = '';
	if (link.factor !== FACTOR_NONE && spelling === '')
		problem = t('factor_empty');
	else if (link.factor === FACTOR_GENERATED &&
	    spelling.length !== GENERATED_LENGTH)
		problem = t('generated_length', { n: spelling.length });
	fieldProblem($('factor-input'), $('factor-problem'), problem);
	return problem === '' ? spelling : null;
}

/* The six digits, however they were grouped; null if they are not that. */
function readCode() {
	const code = $('code').value.normalize('NFKC').replace(/[\s-]/g, '');
	const good = /^[0-9]{6}$/.test(code);
	fieldProblem($('code'), $('code-problem'), good ? '' : t('code_format'));
	return good ? code : null;
}

function enterStage(next) {
	stage = next;
	$('factor').hidden = true;
	$('code-ask').hidden = next !== ASK_CODE;
	$('code-row').hidden = next !== ENTER_CODE;
	say($('show'), next === ASK_CODE ? 'code_ask' : 'show');
	$('code').value = '';
	if (next === ENTER_CODE)
		$('code').focus();
	else
		$('show').focus();
}

async function askCode() {
	say($('status'), 'code_asking');
	await visit.askCode();
	fieldProblem($('code'), $('code-problem'), '');
	enterStage(ENTER_CODE);
}

async function open(code) {
	say($('status'), 'opening');
	try {
		await showLetter(await visit.open(code));
	} catch (error) {
		if (error.code !== 'code')
			throw error;
		if (stage === ENTER_CODE)
			fieldProblem($('code'), $('code-problem'), t('code_wrong'));
		else
			enterStage(ASK_CODE);
	}
}

async function step() {
	const [, base, id] = /^(.*)\/m\/([^/]*)$/.exec(location.pathname) ??
		[, '', ''];
	visit ??= new Visit(base, parseLink(id, location.hash.slice(1)));
	const spelling = readFactor(visit.link);
	if (spelling === null)
		return;
	say($('status'), 'opening');
	await visit.prove(spelling);
	if (stage === ASK_CODE) {
		await askCode();
	} else if (stage === ENTER_CODE) {
		const code = readCode();
		if (code !== null)
			await open(code);
	} else {
		await open();
	}
}

function showError(error) {
	const typed = visit !== null && visit.link.factor !== FACTOR_NONE;
	const { title, text } = errorWords(error, typed);
	$('error-title').textContent = title;
	$('error-text').textContent = text;
	$('error').hidden = false;
	if (stage === OPEN && !typed)
		say($('show'), 'again');
}

/* Do what was pressed. The buttons wait for its end, and for the time that the
   portal asks for. */
async function press(work) {
	const buttons = [$('show'), $('code-again')];
	let wait = 0;
	buttons.forEach(button => { button.disabled = true; });
	$('error').hidden = true;
	try {
		await work();
	} catch (error) {
		showError(error);
		wait = error.wait ?? 0;
	}
	$('status').textContent = '';
	if (wait === 0)
		buttons.forEach(button => { button.disabled = false; });
	else
		setTimeout(() => buttons.forEach(
			button => { button.disabled = false; }), 1000 * wait);
	keepFocus($('code'), $('factor-input'), $('show'), $('error'));
}

/* A broken link is no news before the button: who opened it may be a program
   that looks at links. */
function start() {
	useLanguage(chooseLanguage(navigator.languages ?? [navigator.language]));
	translate(document);
	document.title = t('title');
	showBrand();
	try {
		const id = location.pathname.split('/').pop();
		const link = parseLink(id, location.hash.slice(1));
		if (link.factor !== FACTOR_NONE)
			showFactor(link);
	} catch { /* said when the button is pressed */ }
	$('open-form').addEventListener('submit', event => {
		event.preventDefault();
		press(step);
	});
	$('code-again').addEventListener('click', () => press(askCode));
	$('reveal').addEventListener('change', () => {
		$('factor-input').type = $('reveal').checked ? 'text' : 'password';
	});
	$('show').disabled = false;
	/* A corrected link differs only behind the "#": the page would not
	   reload. */
	addEventListener('hashchange', () => location.reload());
}

start();
