// The page itself: on a phone and on a desk, by day and by night, in two languages, without script.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { WORDS, cafe, offer, translation } from './lib/config.js';
import { DESKTOP, PHONE, accessible, asksOnlyTheRouter, draw, fits, picture, visit } from './lib/page.js';
import { OWNER } from './lib/station.js';
import { PAGE, World } from './lib/world.js';

const ORIGIN = new URL(PAGE).origin;
const BREAKFAST = `<div style="height:420px;background:linear-gradient(#fbd9a5,#e98a5b 55%,#7b4a3a 56%,#4f2f27)">
  <div style="position:relative;left:470px;top:130px;width:220px;height:180px;border-radius:0 0 90px 90px;background:#fff8ec">
  <div style="position:relative;left:195px;top:25px;width:70px;height:70px;border:18px solid #fff8ec;border-radius:50%"></div></div></div>`;
const MENU = `<!DOCTYPE html><meta charset="utf-8"><style>body{font-family:serif;margin:1.5rem}</style>
  <h1>Today</h1><ul><li>Pumpkin soup</li><li>Potato salad</li></ul>
  <script>parent.document.title = 'taken over'; document.body.append('from a script')</script>`;

let world;
let dir;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'welcomed-pages-'));
  const [image, menu] = [join(dir, 'breakfast.png'), join(dir, 'menu.html')];
  await draw(image, { width: 800, height: 420 }, BREAKFAST);
  writeFileSync(menu, MENU);
  const offers = [
    offer('breakfast', {
      title: 'Breakfast until noon',
      text: 'Rolls, jam and a large coffee for 6.50.\nAsk for the table in the garden.',
      link: 'https://cafe.example/breakfast?from=wifi',
      image,
      image_alt: 'A cup of coffee at sunrise',
      color: '#b4441f',
      priority: '90',
    }),
    translation('breakfast', 'zh', {
      title: '早餐供应至中午',
      text: '面包、果酱和一大杯咖啡，只要 6.50。\n欢迎到花园里就座。',
      image,
      image_alt: '日出时的一杯咖啡',
    }),
    offer('concert', {
      title: 'Tonight: the house trio',
      text: 'From eight o’clock, admission is free.',
      priority: '80',
      color: '#ffe97a',
    }),
    offer('menu', { title: 'What we cook', page: menu, priority: '10' }),
  ];
  world = await World.open('page', { ssid: 'Café Morgenrot', config: cafe('notify') + offers.join('') });
});
after(async () => {
  await world?.close();
  rmSync(dir, { recursive: true, force: true });
});

test('on a phone and on a desk, by day and by night', async () => {
  const ann = await world.station();
  await ann.join();
  for (const [shape, device] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ['light', 'dark']) {
      await visit(ann, { ...device, colorScheme, bypassCSP: true }, PAGE, async (page, requests) => {
        await page.getByRole('heading', { name: 'Breakfast until noon' }).waitFor();
        await page.getByRole('img', { name: 'A cup of coffee at sunrise' }).waitFor();
        // It is asked for when somebody comes near it.
        await page.locator('iframe').scrollIntoViewIfNeeded();
        await page.frameLocator('iframe').getByText('Pumpkin soup').waitFor();
        await page.getByRole('heading', { level: 1 }).scrollIntoViewIfNeeded();
        await picture(page, `page-${shape}-${colorScheme}`);
        await fits(page);
        asksOnlyTheRouter(requests, ORIGIN);
        assert.equal(requests.length, 3, `the page, an image, the menu: ${requests}`);
        await accessible(page);
      });
    }
  }
});

test('what reads it without script reads the same', async () => {
  const bob = await world.station();
  await bob.join();
  const seen = [];
  for (const javaScriptEnabled of [true, false]) {
    await visit(bob, { ...PHONE, javaScriptEnabled }, PAGE, async (page) => seen.push(await page.innerText('body')));
  }
  assert.equal(seen[0], seen[1]);
  const { body } = await bob.get(PAGE);
  assert.doesNotMatch(body, /<script/i);
  assert.ok(body.length < 15_000, `${body.length} bytes`);
});

test('in Chinese', async () => {
  const carol = await world.station();
  await carol.join();
  const { zh } = WORDS;
  await visit(carol, { ...PHONE, locale: 'zh-CN', bypassCSP: true }, PAGE, async (page) => {
    assert.match(await page.locator('html').getAttribute('lang'), /^zh/);
    await page.getByRole('heading', { name: '早餐供应至中午' }).waitFor();
    await page.getByRole('img', { name: '日出时的一杯咖啡' }).waitFor();
    await page.getByRole('button', { name: zh.no_thanks }).waitFor();
    assert.equal(await page.getByText('Breakfast until noon').count(), 0);
    await picture(page, 'page-phone-zh');
    await accessible(page);
  });
});

test('on the narrowest screens and with large letters nothing is cut off', async () => {
  const dora = await world.station();
  await dora.join();
  await visit(dora, { viewport: { width: 320, height: 568 }, deviceScaleFactor: 2 }, PAGE, async (page) => {
    await fits(page);
    await page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
    await fits(page);
    await picture(page, 'page-narrow-large');
  });
});

test('a page of the sharer’s own is shown, and can do nothing', async () => {
  const eve = await world.station();
  await eve.join();
  await visit(eve, DESKTOP, PAGE, async (page) => {
    const frame = page.frameLocator('iframe');
    await page.locator('iframe').scrollIntoViewIfNeeded();
    await frame.getByText('Pumpkin soup').waitFor();
    assert.equal(await frame.getByText('from a script').count(), 0);
    assert.notEqual(await page.title(), 'taken over');
  });
});

test('whoever is no guest is told so', async () => {
  const owner = await world.station();
  await owner.join(OWNER);
  await visit(owner, { ...PHONE, bypassCSP: true }, PAGE, async (page) => {
    await page.getByRole('heading', { name: WORDS.en.others_title }).waitFor();
    assert.equal(await page.getByText('Breakfast until noon').count(), 0);
    await picture(page, 'page-others');
    await accessible(page);
  });
});
