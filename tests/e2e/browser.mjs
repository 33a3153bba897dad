#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Readers with Chromium, until the end of standard input. Each line of it is a
 * list, as JSON, of readers {url, steps, mobile, dark, language, javascript}.
 * Two programs that look at links are there before each of them: one fetches the
 * page and runs its scripts, one presses the button, too, where something is to
 * be typed in; no request to /api/ may come of it. Steps are words or arrays of
 * a word and what it needs; see STEPS. Prints a line for each: {seen: what they
 * saw, in a list} or {error}.
 *
 * usage: browser.mjs MODULES PATIENCE, which is how long each step may take, in
 * milliseconds
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const { chromium } = require('playwright-core');
const patience = Number(process.argv[3]);

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
	'best-practice'];

const VIEWPORTS = { desk: { width: 1100, height: 850 },
	phone: { width: 360, height: 740 } };

/* In the page: elements that stick out of it or of their button, or whose
   text is cut. */
function misfits(where) {
	const found = [];
	if (document.documentElement.scrollWidth > innerWidth)
		found.push(`${where}: the page is too wide`);
	for (const node of document.querySelectorAll('main *, header *, footer *')) {
		const box = node.getBoundingClientRect();
		if (box.width === 0 || node.closest('iframe'))
			continue;
		if (box.right > innerWidth + 1 || box.left < -1)
			found.push(`${where}: ${node.id || node.tagName} sticks out`);
		else if (node.scrollWidth > node.clientWidth + 1 &&
		    node.clientWidth > 0 && node.tagName !== 'INPUT')
			found.push(`${where}: ${node.id || node.tagName} is cut`);
	}
	return found;
}

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

/* Octets that a page holds, after what it has let go of is gone. The page works
   on meanwhile, and what it lets go of between the two questions is counted, the
   more the longer this process waits for a processor: the least of three is
   what is held. */
async function held(cdp) {
	const looks = [];
	for (let i = 0; i < 3; i++) {
		const [, heap] = await Promise.all([
			cdp.send('HeapProfiler.collectGarbage'),
			cdp.send('Runtime.getHeapUsage')]);
		looks.push(heap.usedSize + heap.embedderHeapUsedSize +
			heap.backingStorageSize);
	}
	return Math.min(...looks);
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
	/* go on with Tab until this has the focus, and say what had it on the way */
	async tab(page, seen, id) {
		const passed = [];
		while (passed.at(-1) !== id) {
			if (passed.length > 40)
				throw new Error(`no way to ${id}: ${passed}`);
			await page.keyboard.press('Tab');
			passed.push(await page.evaluate(() =>
				document.activeElement.id || document.activeElement.tagName));
		}
		(seen.passed ??= []).push(passed);
	},
	async write(page, seen, text) {
		await page.keyboard.type(text);
	},
	async focus(page, seen) {
		(seen.focused ??= []).push(await page.evaluate(() =>
			document.activeElement.id || document.activeElement.tagName));
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
	/* a picture on a phone and one on a desk, PATH-phone.png and PATH-desk.png;
	   what does not fit, and what hinders a screen reader */
	async shot(page, seen, path) {
		const scripted = seen.scripted;
		const before = page.viewportSize();
		seen.misfits ??= [];
		for (const [name, size] of Object.entries(VIEWPORTS)) {
			await page.setViewportSize(size);
			if (scripted)
				seen.misfits.push(...await page.evaluate(misfits, name));
			await page.screenshot({ path: `${path}-${name}.png`,
				fullPage: true });
		}
		await page.setViewportSize(before);
		if (scripted)
			await STEPS.axe(page, seen);
	},
	async offline(page) {
		await page.context().setOffline(true);
	},
	/* the addresses of the frames, once they are there */
	async frames(page, seen) {
		seen.frames = page.frames().map(frame => frame.url());
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

const waited = new Set();

async function scan(browser, url) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	context.setDefaultTimeout(patience);
	const page = await context.newPage();
	const asked = [];
	page.on('request', request => asked.push(request.url()));
	await page.request.head(url);
	await page.goto(url, { waitUntil: 'load' });
	await page.waitForSelector('#show:enabled');
	await page.mouse.move(200, 200);
	if (await page.isVisible('#factor')) {
		await page.click('#show');
		await page.waitForSelector('#factor-problem:visible');
	}
	/* what a script asks when it runs is asked by now; what it would ask
	   later is waited for once for each kind of link */
	const kind = await page.isVisible('#factor');
	if (!waited.has(kind))
		await page.waitForLoadState('networkidle');
	waited.add(kind);
	const told = asked.filter(one => one.includes('/api/'));
	if (told.length > 0)
		throw new Error(`the page asked by itself: ${told}`);
	await context.close();
}

async function read(browser, spec) {
	if (!spec.url.startsWith('file:') && !spec.alone)
		await scan(browser, spec.url);
	const context = await browser.newContext({ ignoreHTTPSErrors: true,
		colorScheme: spec.dark ? 'dark' : 'light', acceptDownloads: true,
		locale: spec.language ?? 'en-GB', timezoneId: 'UTC',
		javaScriptEnabled: spec.javascript ?? true,
		viewport: VIEWPORTS[spec.mobile ? 'phone' : 'desk'] });
	try {
		return await follow(context, spec);
	} finally {
		await context.close();
	}
}

async function follow(context, spec) {
	context.setDefaultTimeout(spec.timeout ?? patience);
	const page = await context.newPage();
	const seen = { scripted: spec.javascript ?? true, dialogs: 0, popups: 0, console: [], asked: [] };
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
	if (await page.locator('#text').count() > 0)
		seen.text = await page.innerText('#text');
	if (spec.javascript ?? true) {
		seen.focus = await page.evaluate(() => document.activeElement?.id);
		seen.wide = await page.evaluate(() =>
			document.documentElement.scrollWidth > innerWidth);
		seen.language = await page.evaluate(() =>
			document.documentElement.lang);
	}
	return seen;
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
	headless: true, args: FLAGS, timeout: patience });
for await (const line of readline.createInterface({ input: process.stdin })) {
	try {
		const seen = [];
		for (const spec of JSON.parse(line))
			seen.push(await read(browser, spec));
		console.log(JSON.stringify({ seen }));
	} catch (error) {
		console.log(JSON.stringify({ error: String(error.stack ?? error) }));
	}
}
await browser.close();
