#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Readers with Chromium. Standard input is JSON: {modules, readers}, each reader
 * {url, steps, mobile, dark, language, screenshot, javascript}. A program that
 * looks at links is there before each of them: it fetches the page and runs its
 * scripts, and no request to /api/ may come of it. Steps are words or arrays of
 * a word and what it needs; see STEPS. Prints what they see, in a list.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { modules, readers } = JSON.parse(fs.readFileSync(0, 'utf8'));
const require = createRequire(`${modules}/`);
const { chromium } = require('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
	'best-practice'];

/* What is saved is looked at as a stream: it may be large. */
async function saved(file) {
	const hash = createHash('sha256');
	const path = await file.path();
	for await (const piece of fs.createReadStream(path))
		hash.update(piece);
	const size = fs.statSync(path).size;
	return { name: file.suggestedFilename(), size, sha256: hash.digest('hex'),
		octets: size <= 1 << 20 ? fs.readFileSync(path, 'base64') : null };
}

async function save(page, seen, selector) {
	const [file] = await Promise.all([page.waitForEvent('download'),
		page.click(selector)]);
	(seen.saved ??= []).push(await saved(file));
}

async function lookIntoFrame(page, seen) {
	await page.waitForFunction(() =>
		parseInt(document.getElementById('html').style.height) > 0);
	await page.frames()[1].waitForFunction(() =>
		[...document.images].every(image => image.complete));
	seen.frame = await page.frames()[1].evaluate(() => ({
		text: document.body.innerText,
		html: document.body.innerHTML,
		color: document.querySelector('b') &&
			getComputedStyle(document.querySelector('b')).color,
		loaded: [...document.images].map(i => i.naturalWidth) }));
}

/* Octets that a page holds, after what it has let go of is gone. */
async function held(cdp) {
	await cdp.send('HeapProfiler.collectGarbage');
	const heap = await cdp.send('Runtime.getHeapUsage');
	return heap.usedSize + heap.embedderHeapUsedSize + heap.backingStorageSize;
}

const opened = '#message:visible, #error:visible, #code-ask:visible, ' +
	'#code-row:visible, .problem:visible';

const STEPS = {
	/* press the button of the start, whatever it is called now */
	async click(page) {
		await page.click('#show:enabled');
		await page.waitForSelector(opened);
		await page.waitForFunction(() =>
			document.getElementById('status').textContent === '');
	},
	async press(page, seen, selector) {
		await page.click(selector);
	},
	async key(page, seen, name) {
		await page.keyboard.press(name);
	},
	async type(page, seen, selector, text) {
		await page.fill(selector, text);
	},
	/* what will be in a file once another program has written it; or six
	   digits that are not that */
	async file(page, seen, selector, path, wrong) {
		while (!fs.existsSync(path) || fs.statSync(path).size === 0)
			await page.waitForTimeout(100);
		const text = fs.readFileSync(path, 'utf8');
		await page.fill(selector, !wrong ? text
			: text === '000000' ? '000001' : '000000');
	},
	async files(page, seen, selector, files) {
		await page.setInputFiles(selector, files.map(f => f.path ?? ({ ...f,
			buffer: Buffer.from(f.base64, 'base64') })));
	},
	async see(page, seen, selector) {
		await page.waitForSelector(selector);
	},
	async text(page, seen, selector) {
		(seen.texts ??= []).push(await page.innerText(selector));
	},
	async format(page, seen) {
		await page.click('#format');
		await lookIntoFrame(page, seen);
	},
	frame: lookIntoFrame,
	/* have images loaded from the web, and wait for them */
	async images(page, seen) {
		const moved = page.waitForEvent('framenavigated');
		await page.click('#images');
		await moved;
		await page.frames()[1].waitForSelector('img', { state: 'attached' });
		await lookIntoFrame(page, seen);
	},
	save,
	async download(page, seen) {
		await save(page, seen, '#attachment-list button');
	},
	async wait(page) {
		await page.waitForTimeout(700);
	},
	/* save it, and look meanwhile at how much memory the page holds: a list
	   of [percent done, octets more than before] */
	async measure(page, seen, selector) {
		const cdp = await page.context().newCDPSession(page);
		const before = await held(cdp);
		const samples = [];
		let done = false;
		const saving = save(page, seen, selector)
			.finally(() => { done = true; });
		while (!done) {
			const octets = await held(cdp) - before;
			const percent = await page.evaluate(() =>
				document.getElementById('task-bar').value);
			samples.push([percent, octets]);
			await page.waitForTimeout(50);
		}
		await saving;
		(seen.held ??= []).push(samples);
	},
	/* as a screen reader and the rules for one see the page */
	async axe(page, seen) {
		await page.evaluate(require('axe-core').source);
		const result = await page.evaluate(tags => window.axe.run({
			runOnly: { type: 'tag', values: tags } }), TAGS);
		(seen.axe ??= []).push(...result.violations.map(v =>
			`${v.id}: ${v.nodes.map(n => `${n.html} ${n.failureSummary}`)
				.join('; ')}`));
	},
	async shot(page, seen, path) {
		await page.screenshot({ path, fullPage: true });
	},
	async media(page, seen, media) {
		await page.emulateMedia(media);
	},
	async reload(page) {
		await page.reload();
	},
	async evaluate(page, seen, text) {
		(seen.values ??= []).push(await page.evaluate(text));
	},
};

async function scan(browser, url) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	const page = await context.newPage();
	const asked = [];
	page.on('request', request => asked.push(request.url()));
	await page.request.head(url);
	await page.goto(url, { waitUntil: 'networkidle' });
	await page.mouse.move(200, 200);
	const told = asked.filter(one => one.includes('/api/'));
	if (told.length > 0)
		throw new Error(`the page asked by itself: ${told}`);
	await context.close();
}

async function read(browser, spec) {
	if (!spec.url.startsWith('file:'))
		await scan(browser, spec.url);
	const context = await browser.newContext({ ignoreHTTPSErrors: true,
		colorScheme: spec.dark ? 'dark' : 'light', acceptDownloads: true,
		locale: spec.language ?? 'en-GB', timezoneId: 'UTC',
		javaScriptEnabled: spec.javascript ?? true,
		viewport: spec.mobile ? { width: 360, height: 740 }
			: { width: 1100, height: 850 } });
	const page = await context.newPage();
	page.setDefaultTimeout(spec.timeout ?? 30000);
	const seen = { dialogs: 0, popups: 0, console: [], asked: [] };
	page.on('dialog', d => { seen.dialogs++; d.dismiss(); });
	page.on('console', m => seen.console.push(m.text()));
	page.on('pageerror', e => seen.console.push(String(e)));
	page.on('request', r => seen.asked.push(r.url()));
	context.on('page', () => { seen.popups++; });
	await page.goto(spec.url);
	for (const step of spec.steps) {
		const [name, ...values] = [step].flat(1);
		if (!Object.hasOwn(STEPS, name))
			throw new Error(`no step ${name}`);
		await STEPS[name](page, seen, ...values);
	}
	seen.title = await page.title();
	seen.visible = await page.innerText('body');
	seen.text = await page.innerText('#text');
	if (spec.javascript ?? true) {
		seen.focus = await page.evaluate(() => document.activeElement?.id);
		seen.wide = await page.evaluate(() =>
			document.documentElement.scrollWidth > innerWidth);
		seen.language = await page.evaluate(() =>
			document.documentElement.lang);
	}
	if (spec.screenshot)
		await page.screenshot({ path: spec.screenshot, fullPage: true });
	await context.close();
	return seen;
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
	headless: true, args: FLAGS });
try {
	const all = [];
	for (const spec of readers)
		all.push(await read(browser, spec));
	console.log(JSON.stringify(all));
} finally {
	await browser.close();
}
