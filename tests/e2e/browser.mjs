#!/usr/bin/env node
/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A reader with Chromium. Standard input is JSON: {modules, url, steps,
 * mobile, dark, screenshot}; steps are "click" (Show message), "format",
 * "download" (the first attachment), "wait" (as a scanner does that runs
 * scripts), "blocked" (try to break out of the frame). Prints what is seen.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const spec = JSON.parse(fs.readFileSync(0, 'utf8'));
const { chromium } = createRequire(`${spec.modules}/`)('playwright-core');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];

async function download(page) {
	const [file] = await Promise.all([page.waitForEvent('download'),
		page.click('#attachment-list button')]);
	const octets = fs.readFileSync(await file.path());
	return { name: file.suggestedFilename(), size: octets.length,
		sha256: createHash('sha256').update(octets).digest('hex') };
}

async function step(page, name, seen) {
	switch (name) {
	case 'click':
		await page.click('#show:enabled');
		await page.waitForSelector('#message:visible, #error:visible');
		return;
	case 'format':
		await page.click('#format');
		/* fall through */
	case 'frame':
		await page.waitForFunction(() =>
			parseInt(document.getElementById('html').style.height) > 0);
		seen.frame = await page.frames()[1].evaluate(() => ({
			text: document.body.innerText,
			html: document.body.innerHTML,
			color: document.querySelector('b') &&
				getComputedStyle(document.querySelector('b')).color,
			loaded: [...document.images].map(i => i.naturalWidth) }));
		return;
	case 'download':
		seen.download = await download(page);
		return;
	case 'wait':
		await page.waitForTimeout(1000);
		return;
	default:
		throw new Error(`no step ${name}`);
	}
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
	headless: true, args: FLAGS });
try {
	const context = await browser.newContext({ ignoreHTTPSErrors: true,
		colorScheme: spec.dark ? 'dark' : 'light', acceptDownloads: true,
		viewport: spec.mobile ? { width: 360, height: 740 }
			: { width: 1100, height: 850 } });
	const page = await context.newPage();
	const seen = { dialogs: 0, popups: 0, console: [] };
	page.on('dialog', d => { seen.dialogs++; d.dismiss(); });
	page.on('console', m => seen.console.push(m.text()));
	page.on('pageerror', e => seen.console.push(String(e)));
	context.on('page', () => { seen.popups++; });
	await page.goto(spec.url);
	for (const name of spec.steps)
		await step(page, name, seen);
	seen.title = await page.title();
	seen.visible = await page.innerText('body');
	seen.text = await page.innerText('#text');
	seen.focus = await page.evaluate(() => document.activeElement?.id);
	seen.wide = await page.evaluate(() =>
		document.documentElement.scrollWidth > innerWidth);
	if (spec.screenshot)
		await page.screenshot({ path: spec.screenshot, fullPage: true });
	console.log(JSON.stringify(seen));
} finally {
	await browser.close();
}
