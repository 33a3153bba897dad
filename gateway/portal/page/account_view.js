/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The reader chooses a passphrase: once a first message is open, or in place of
 * one that was forgotten. What it becomes is account.js's.
 */
import { PASSPHRASE_MIN } from './account.js';
import { DOOR_DIGITS } from './client.js';
import { DOOR_ACCOUNT } from './crypto.js';
import { $, codeDigits, errorWords, fieldProblem, plainLine } from './dom.js';
import { say, t } from './i18n.js';

/* Fewer different characters are a pattern. */
const DIFFERENT_MIN = 6;

/* Can a code be asked for, and is one needed? */
let visit = null;
let askForCode = null;
let needsCode = false;
let doneWord = '';

/* What is wrong with it; '' if it may be used. */
export function passphraseProblem(text) {
	const characters = [...text.normalize('NFC')];
	if (characters.length < PASSPHRASE_MIN)
		return t('account_short', { n: PASSPHRASE_MIN,
			have: characters.length });
	return new Set(characters).size < DIFFERENT_MIN
		? t('account_simple') : '';
}

/* The form for a code, or for the passphrase. */
function showFields(asked) {
	$('account-fields').hidden = needsCode && !asked;
	$('account-code-row').hidden = !needsCode;
	$('account-set').hidden = needsCode && !asked;
	$('account-send').hidden = !needsCode;
	$('account-send').classList.toggle('primary', !asked);
	say($('account-send'), asked ? 'code_again' : 'code_ask');
}

/* The passphrase, {passphrase, code}, or null with words on what is wrong. */
function readForm() {
	const code = needsCode
		? codeDigits($('account-code').value, 2 * DOOR_DIGITS) : '';
	fieldProblem($('account-code'), $('account-code-problem'),
		code === null ? t('code_format_12') : '');
	if (code === null)
		return null;
	const passphrase = $('account-new').value;
	const weak = passphraseProblem(passphrase);
	fieldProblem($('account-new'), $('account-problem'), weak);
	if (weak !== '')
		return null;
	const differs = passphrase !== $('account-again').value;
	fieldProblem($('account-again'), $('account-problem'),
		differs ? t('account_differs') : '');
	return differs ? null
		: { passphrase: passphrase.normalize('NFC'), code };
}

function end(word) {
	for (const id of ['account-new', 'account-again', 'account-code'])
		$(id).value = '';
	$('account-form').hidden = true;
	$('account-text').hidden = true;
	say($('account-status'), word);
	/* what it asked for is done */
	say($('account-title'), 'account');
	$('account-title').focus();
}

async function set() {
	const form = readForm();
	if (form === null)
		return;
	say($('account-status'), 'account_setting');
	try {
		await visit.setAccount(form.passphrase, form.code);
		end(doneWord);
	} catch (error) {
		if (error.code === 'limit') {
			end('account_exists');
		} else if (error.code === 'code') {
			$('account-status').textContent = '';
			needsCode = true;
			showFields(true);
			fieldProblem($('account-code'), $('account-code-problem'),
				t('code_wrong'));
		} else {
			throw error;
		}
	}
}

async function sendCode() {
	say($('account-status'), 'code_asking');
	await askForCode();
	$('account-status').textContent = '';
	fieldProblem($('account-code'), $('account-code-problem'), '');
	showFields(true);
	$('account-code').focus();
}

/* The buttons wait for the end of what was pressed, and for the time that the
   portal asks for. */
async function press(work) {
	const buttons = [$('account-set'), $('account-send')];
	let wait = 0;
	buttons.forEach(button => { button.disabled = true; });
	try {
		await work();
	} catch (error) {
		const { title, text } = errorWords(error);
		$('account-status').textContent = `${title}. ${text}`;
		wait = error.wait ?? 0;
	}
	setTimeout(() => buttons.forEach(button => { button.disabled = false; }),
		1000 * wait);
}

function start(title, text) {
	say($('account-title'), title);
	$('account-text').textContent = text;
	showFields(false);
	$('account-form').addEventListener('submit', event => {
		event.preventDefault();
		press(set);
	});
	$('account-send').addEventListener('click', () => press(sendCode));
	$('account-reveal').addEventListener('change', () => {
		const type = $('account-reveal').checked ? 'text' : 'password';
		$('account-new').type = type;
		$('account-again').type = type;
	});
	$('account').hidden = false;
}

/* Where the door of an open message says so. */
export function offerAccount(opened, object) {
	if (object.door !== DOOR_ACCOUNT)
		return;
	visit = opened;
	askForCode = () => visit.askCode();
	needsCode = !visit.maySetAccount;
	doneWord = 'account_done';
	$('account-user').value = plainLine(object.index.to);
	$('account-later').addEventListener('click', () => {
		$('account').hidden = true;
		$('message').focus();
	});
	start('account_title', needsCode
		? `${t('account_text')} ${t('account_code')}` : t('account_text'));
}

/* In place of the start. */
export function offerReset(asked) {
	visit = asked;
	askForCode = () => visit.askReset();
	needsCode = true;
	doneWord = 'reset_done';
	$('account-later').addEventListener('click', () => location.reload());
	start('reset_title', t('reset_text'));
	/* nothing else is on the page */
	$('account-title').setAttribute('role', 'heading');
	$('account-title').setAttribute('aria-level', '1');
	$('start').hidden = true;
	$('account-title').focus();
}
