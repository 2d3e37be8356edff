// How a test looks at a page: in which shape, as a picture, and as a screen reader would.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { CHROMIUM } from './station.js';
import { OUTPUT } from './world.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Devices, as Playwright's contexts take them. */
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
/** Apple's mini-browser, and what asks before it opens. */
export const APPLE_PROBE = 'CaptiveNetworkSupport-500.120.1 wispr';
export const APPLE_MINI = {
  ...PHONE,
  userAgent:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
};

/** Opens a page in a context of its own, and calls `use` with it and with the list of its requests. */
export async function visit(station, options, url, use) {
  const context = await (await station.browser()).newContext(options);
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('dialog', (dialog) => {
      requests.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await page.goto(url);
    return await use(page, requests);
  } finally {
    await context.close();
  }
}

/** The requests of one page, held against what a page may ask: itself and what it shows, at the router, each once. */
export function asksOnlyTheRouter(requests, origin) {
  assert.deepEqual(
    requests.filter((url) => !url.startsWith(`${origin}/`)),
    [],
    'nothing from elsewhere',
  );
  assert.deepEqual(requests, [...new Set(requests)], 'one request for each part');
}

/** Everything fits into the width of the screen. */
export async function fits(page) {
  const { wide, screen } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    screen: document.documentElement.clientWidth,
  }));
  assert.ok(wide <= screen, `${wide} of ${screen} pixels: one would have to scroll sideways`);
}

/** Makes a picture file out of HTML. */
export async function draw(file, { width, height }, html) {
  const browser = await chromium.launch({ executablePath: CHROMIUM });
  try {
    const page = await browser.newPage({ viewport: { width, height } });
    await page.setContent(`<style>body{margin:0;overflow:hidden}</style>${html}`);
    await page.screenshot({ path: file });
  } finally {
    await browser.close();
  }
}

/** Keeps a picture as `NAME.png`: of what one sees first, and of the whole page as `NAME-whole.png` if that is more. */
export async function picture(page, name) {
  const path = (kind) => join(OUTPUT, `${name}${kind}.png`);
  await page.screenshot({ path: path('') });
  const isMore = await page.evaluate(() => document.documentElement.scrollHeight > innerHeight);
  if (!isMore) return;
  // Frames are painted once they have been in sight; what keeps to the screen's edge would stand in mid-picture.
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await page.screenshot({ path: path('-whole'), fullPage: true, style: '*{position:static!important}' });
}

/** Holds the page against axe's rules. Its context needs `bypassCSP`, or the page's own policy would stop axe. */
export async function accessible(page) {
  await page.addScriptTag({ path: AXE });
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  const told = violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html}: ${n.failureSummary}`));
  assert.deepEqual(told, []);
  assert.ok(passes.length > 5, 'axe had something to look at');
}
