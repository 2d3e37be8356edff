// Mode `gate`: the Internet is closed until the page was acknowledged.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HELLO, WORDS, cafe } from './lib/config.js';
import { ORDINARY, PROBES } from './lib/internet.js';
import { APPLE_MINI, APPLE_PROBE, DESKTOP, PHONE, accessible, fits, picture, visit } from './lib/page.js';
import { eventually } from './lib/process.js';
import { OWNER, REFUSED } from './lib/station.js';
import { LUCI, PAGE, TLS_NAME, World } from './lib/world.js';

const [, APPLE, , SUCCESS] = PROBES[0];
const CAPTIVE = `https://${TLS_NAME}:8912/welcome/v1/captive`;
const AT_ROUTER = /^http:\/\/(192\.168\.77\.1|\[fd00:77::1\]):8910\//;
/** Where Windows opens a browser when its probe was caught. */
const WINDOWS_OPENS = 'http://www.msftconnecttest.com/redirect';
const ELSEWHERE = ['https://elsewhere.example/', 'https://elsewhere.example:8443/'];
const NO_SCRIPT = { javaScriptEnabled: false };

let world;
before(async () => {
  const gate = ["option gate_minutes '90'", "list allow '198.51.100.30'", "list allow '2001:db8:1::30'"];
  world = await World.open('gate', { tls: true, config: cafe('gate', gate) + HELLO });
});
after(() => world?.close());

/** A guest who is held. */
async function guest() {
  const station = await world.station();
  await station.join();
  await eventually('it is held', async () => (await world.rules()).includes(station.mac));
  return station;
}

async function isHeld(station) {
  for (const family of [4, 6]) {
    for (const url of ELSEWHERE) {
      const answer = await station.get(url, { family });
      assert.equal(answer.error, REFUSED, `${url} by IPv${family}: ${JSON.stringify(answer)}`);
      assert.ok(answer.seconds < 3, `${url}: refused at once, not after ${answer.seconds} s`);
    }
  }
}

async function isOnline(station) {
  await eventually('the gate opens', async () => (await station.get(ELSEWHERE[0])).status === 200);
  for (const family of [4, 6]) {
    for (const url of ELSEWHERE) assert.equal((await station.get(url, { family })).body, ORDINARY, url);
    for (const [system, url, status, body] of PROBES) {
      const answer = await station.get(url, { family });
      assert.deepEqual([answer.status, answer.body], [status, body], system);
    }
  }
}

const accept = (page) => page.getByRole('button', { name: WORDS.en.accept });

test('nothing but names, the page and what is allowed passes', async () => {
  const ann = await guest();
  await isHeld(ann);
  for (const family of [4, 6]) {
    assert.equal((await ann.get('https://allowed.example/', { family })).body, ORDINARY, 'allowed');
    assert.equal((await ann.get('http://allowed.example/', { family })).body, ORDINARY, 'allowed');
  }
  for (const address of ['192.168.77.1', '[fd00:77::1]']) {
    assert.equal((await ann.get(`http://${address}/`)).body, LUCI, address);
  }
  for (const url of [...PROBES.map(([, url]) => url), WINDOWS_OPENS, 'http://elsewhere.example/']) {
    for (const family of [4, 6]) {
      const answer = await ann.get(url, { family });
      assert.equal(answer.status, 302, `${url}: ${JSON.stringify(answer)}`);
      assert.match(answer.headers.location, AT_ROUTER);
    }
  }
  const requests = world.requests(({ host }) => host === 'elsewhere.example');
  assert.deepEqual(requests, [], 'nothing arrived');
});

test('with scripts off, the button opens the gate', async () => {
  const bob = await guest();
  await visit(bob, { ...PHONE, ...NO_SCRIPT }, 'http://elsewhere.example/', async (page) => {
    assert.match(page.url(), AT_ROUTER);
    await picture(page, 'gate-phone');
    await accept(page).click();
    await page.getByText(WORDS.en.online).waitFor();
    await picture(page, 'gate-phone-online');
  });
  await isOnline(bob);
});

test('with the keyboard alone, too', async () => {
  const carol = await guest();
  await visit(carol, DESKTOP, 'http://elsewhere.example/', async (page) => {
    await picture(page, 'gate-desktop');
    const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
    for (let i = 0; i < 10 && (await focused()) !== WORDS.en.accept; i += 1) await page.keyboard.press('Tab');
    assert.equal(await focused(), WORDS.en.accept, 'Tab comes to the button');
    await picture(page, 'gate-desktop-focus');
    await page.keyboard.press('Enter');
    await page.getByText(WORDS.en.online).waitFor();
  });
  await isOnline(carol);
});

test('Apple’s mini-browser opens, and its button turns to Done', async () => {
  const dora = await guest();
  const headers = { 'user-agent': APPLE_PROBE };
  assert.equal((await dora.get(APPLE, { headers })).status, 302);
  await visit(dora, APPLE_MINI, APPLE, async (page) => {
    const navigations = [];
    page.on('framenavigated', (frame) => navigations.push(frame.url()));
    await accept(page).click();
    await page.getByText(WORDS.en.online).waitFor();
    assert.equal(navigations.length, 1, 'a full navigation follows');
  });
  await eventually('the probe succeeds', async () => (await dora.get(APPLE, { headers })).body === SUCCESS);
});

test('a closed gate is as readable by day and by night, in both languages', async () => {
  const hal = await guest();
  for (const [locale, words] of [
    ['en-GB', WORDS.en],
    ['zh-CN', WORDS.zh],
  ]) {
    for (const colorScheme of ['light', 'dark']) {
      await visit(hal, { ...PHONE, locale, colorScheme, bypassCSP: true }, PAGE, async (page) => {
        await page.getByRole('button', { name: words.accept }).waitFor();
        await picture(page, `gate-phone-${locale.slice(0, 2)}-${colorScheme}`);
        await fits(page);
        await accessible(page);
      });
    }
  }
});

test('the captive portal API follows the gate', async () => {
  const eve = await guest();
  const ask = async () =>
    JSON.parse((await eve.get(CAPTIVE, { headers: { accept: 'application/captive+json' } })).body);
  const held = await ask();
  assert.equal(held.captive, true);
  assert.equal(new URL(held['user-portal-url']).origin, new URL(CAPTIVE).origin);
  assert.match((await eve.get(held['user-portal-url'])).body, /Coffee is half price/);
  await eve.get(`${PAGE}acknowledge`, { data: '' });
  await isOnline(eve);
  const open = await ask();
  assert.equal(open.captive, false);
  assert.ok(open['seconds-remaining'] > 80 * 60 && open['seconds-remaining'] <= 90 * 60, JSON.stringify(open));
});

test('“no thanks” is remembered when its guest comes back', async () => {
  const fred = await guest();
  await visit(fred, { ...PHONE, ...NO_SCRIPT }, 'http://elsewhere.example/', async (page) => {
    await page.getByRole('button', { name: WORDS.en.no_thanks }).click();
    await page.getByText(WORDS.en.declined).waitFor();
    await picture(page, 'gate-phone-declined');
    assert.equal(await page.getByText('Coffee is half price').count(), 0);
  });
  fred.leave();
  await fred.join();
  await visit(fred, PHONE, PAGE, async (page) => {
    assert.equal(await page.getByText('Coffee is half price').count(), 0);
    await page.getByRole('button', { name: WORDS.en.please }).click();
    await page.getByText('Coffee is half price').waitFor();
  });
});

test('the owner’s own device is not held', async () => {
  const owner = await world.station();
  await owner.join(OWNER);
  await isOnline(owner);
});

test('an agent that is killed locks nobody out, and the next one knows whom it let in', async () => {
  const jack = await guest();
  const told = world.agent.lines.length;
  await jack.get(`${PAGE}acknowledge`, { data: '' });
  await eventually('it is written down', () =>
    world.agent.lines.slice(told).some((line) => line.includes('kept the day')),
  );
  const ida = await guest();
  await world.agent.stop('SIGKILL');
  const set = JSON.parse(await world.router.run(['nft', '-j', 'list', 'set', 'inet', 'welcomed', 'held_cafe']));
  const held = set.nftables.find((part) => part.set).set.elem.map(({ elem }) => elem);
  assert.ok(held.some(({ val }) => val === ida.mac));
  for (const { val, expires } of held) assert.ok(expires <= 120, `${val} is free in ${expires} s`);
  await world.startAgent();
  await isOnline(jack);
  await isHeld(ida);
  await ida.get(`${PAGE}acknowledge`, { data: '' });
  await isOnline(ida);
});

test('an agent that stops lets everybody go', async () => {
  const gina = await guest();
  await isHeld(gina);
  assert.equal(await world.agent.stop(), 0);
  assert.deepEqual(await world.tables(), ['table inet fw4']);
  await isOnline(gina);
});
