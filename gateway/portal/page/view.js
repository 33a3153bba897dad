/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The start: what the reader types and presses until the message is open.
 * Nothing is asked of the server before the button is pressed: programs that
 * follow links in mail learn nothing, and use nothing up.
 */
import { offerAccount, offerReset } from './account_view.js';
import { showBrand } from './brand.js';
import { DOOR_DIGITS, Visit } from './client.js';
import { FACTOR_ACCOUNT, FACTOR_ANSWER, FACTOR_GENERATED, FACTOR_NONE,
	parseLink } from './crypto.js';
import { $, codeDigits, errorWords, fieldProblem, keepFocus, plainLine }
	from './dom.js';
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
	const words = { [FACTOR_GENERATED]: 'generated',
		[FACTOR_ANSWER]: 'answer', [FACTOR_ACCOUNT]: 'account' };
	const word = words[link.factor] ?? 'passphrase';
	say($('factor-label'), word);
	say($('factor-hint'), `${word}_hint`);
	$('factor-question').hidden = link.factor !== FACTOR_ANSWER;
	$('question').textContent = plainLine(link.question);
	const hidden = word === 'passphrase' || word === 'account';
	$('factor-input').type = hidden ? 'password' : 'text';
	$('reveal-row').hidden = !hidden;
	$('forgot-row').hidden = word !== 'account';
	if (word === 'account')
		$('factor-input').autocomplete = 'current-password';
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

const codeWord = word =>
	visit.codeLength === DOOR_DIGITS ? word : `${word}_12`;

/* The digits, however they were grouped; null if they are not that. */
function readCode() {
	const code = codeDigits($('code').value, visit.codeLength);
	fieldProblem($('code'), $('code-problem'),
		code !== null ? '' : t(codeWord('code_format')));
	return code;
}

function enterStage(next) {
	stage = next;
	$('factor').hidden = true;
	$('code-ask').hidden = next !== ASK_CODE;
	$('code-row').hidden = next !== ENTER_CODE;
	say($('show'), next === ASK_CODE ? 'code_ask' : 'show');
	$('code').value = '';
	if (next === ENTER_CODE) {
		say($('code-label'), codeWord('code'));
		$('code').focus();
	}
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
		const object = await visit.open(code);
		await showLetter(object);
		offerAccount(visit, object);
	} catch (error) {
		if (error.code !== 'code')
			throw error;
		if (stage === ENTER_CODE)
			fieldProblem($('code'), $('code-problem'), t('code_wrong'));
		else
			enterStage(ASK_CODE);
	}
}

function visitLink() {
	const [, base, id] = /^(.*)\/m\/([^/]*)$/.exec(location.pathname) ??
		[, '', ''];
	visit ??= new Visit(base, parseLink(id, location.hash.slice(1)));
}

async function step() {
	visitLink();
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
	const factor = visit?.link.factor ?? FACTOR_NONE;
	const typed = factor !== FACTOR_NONE;
	const { title, text } = errorWords(error,
		factor === FACTOR_ACCOUNT ? 'account' : typed ? 'factor' : '');
	$('error-title').textContent = title;
	$('error-text').textContent = text;
	$('error').hidden = false;
	if (stage === OPEN && !typed)
		say($('show'), 'again');
}

/* Do what was pressed. The buttons wait for its end, and for the time that the
   portal asks for. */
async function press(work) {
	const buttons = [$('show'), $('code-again'), $('forgot')];
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
	$('help-where').textContent = t('help_where', { host: location.host });
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
	$('forgot').addEventListener('click', () => press(async () => {
		visitLink();
		offerReset(visit);
	}));
	$('reveal').addEventListener('change', () => {
		$('factor-input').type = $('reveal').checked ? 'text' : 'password';
	});
	$('show').disabled = false;
	/* A corrected link differs only behind the "#": the page would not
	   reload. */
	addEventListener('hashchange', () => location.reload());
}

start();
