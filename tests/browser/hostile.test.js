// Names and messages that try to be something else than text.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { cafe, offer } from './lib/config.js';
import { DESKTOP, PHONE, asksOnlyTheRouter, fits, picture, visit } from './lib/page.js';
import { PAGE, World } from './lib/world.js';

/** What follows is to be read from right to left. */
const REVERSE = '\u202e';
/** 32 bytes, as many as a network's name may have. */
const SSID = `"><img src=x onerror=alert()>${REVERSE}`;
const OFFERS = [
  {
    title: `</h2><script>alert(1)</script>'" ${REVERSE}txt.exe`,
    text: `</p><iframe src=//198.51.100.20/x></iframe>&amp;${REVERSE}`,
  },
  { title: `\u2067 <b onclick='alert(2)'>${REVERSE}`, text: '<style>*{display:none}</style><svg onload=alert(3)>' },
  {
    title: '{{7*7}}${alert(4)}<!--',
    text: '--><base href="http://198.51.100.20/"><meta http-equiv=refresh content="0;url=//198.51.100.20/">',
  },
];
const LINK = 'https://cafe.example/"onmouseover="alert(5)';

let world;
before(async () => {
  const offers = OFFERS.map((texts, i) => offer(`o${i}`, { ...texts, link: LINK, priority: `${90 - i}` }));
  world = await World.open('hostile', { ssid: SSID, config: cafe('notify') + offers.join('') });
});
after(() => world?.close());

test('they are shown as the text that they are', async () => {
  const ann = await world.station();
  await ann.join();
  for (const [shape, device] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await visit(ann, device, PAGE, async (page, requests) => {
      assert.equal(await page.locator('h1 bdi').textContent(), SSID);
      for (const [i, { title, text }] of OFFERS.entries()) {
        const card = page.locator('article').nth(i);
        assert.equal(await card.getByRole('heading').textContent(), title);
        assert.equal(await card.locator('p').filter({ hasText: text }).first().textContent(), text);
        assert.equal(await card.getByRole('link').evaluate((a) => decodeURI(a.href)), LINK);
      }
      await picture(page, `hostile-${shape}`);
      const foreign = await page.locator('script, img, iframe, base, b[onclick], svg[onload], article style').count();
      assert.equal(foreign, 0, 'no element of theirs');
      await page.getByRole('link').first().hover();
      assert.equal(page.url(), PAGE);
      // A dialog would be in this list, too.
      asksOnlyTheRouter(requests, new URL(PAGE).origin);
      assert.equal(requests.length, 1);
      await fits(page);
    });
  }
  assert.deepEqual(
    world.requests(({ host }) => host.startsWith('198.51.100.')),
    [],
  );
});

test('marks that turn text around turn nothing around them', async () => {
  const bob = await world.station();
  await bob.join();
  await visit(bob, DESKTOP, PAGE, async (page) => {
    const found = await page.evaluate(() => {
      // Where each letter of a text stands, from left to right: its own words must come out in their order.
      const places = (node) =>
        [...node.data].map((_, i) => {
          const range = document.createRange();
          range.setStart(node, i);
          range.setEnd(node, i + 1);
          return range.getBoundingClientRect();
        });
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const turned = [];
      for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        if (/[\u202e\u2067]/.test(node.data)) continue;
        const rects = places(node).filter((rect) => rect.width > 0);
        const isTurned = rects.some(
          (rect, i) => i > 0 && rect.top === rects[i - 1].top && rect.left < rects[i - 1].left,
        );
        if (isTurned) turned.push(node.data);
      }
      const bdi = document.querySelector('h1 bdi');
      return { turned, title: getComputedStyle(bdi).unicodeBidi };
    });
    assert.deepEqual(found, { turned: [], title: 'isolate' });
  });
});
