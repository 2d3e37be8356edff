// Mode `splash`: a guest's first probe leads to the page, once a visit; the Internet is open all the while.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HELLO, WORDS, cafe } from './lib/config.js';
import { ORDINARY, PROBES } from './lib/internet.js';
import { APPLE_MINI, APPLE_PROBE, DESKTOP, PHONE, accessible, picture, visit } from './lib/page.js';
import { eventually } from './lib/process.js';
import { OWNER } from './lib/station.js';
import { LUCI, PAGE, World } from './lib/world.js';

const [, APPLE, , SUCCESS] = PROBES[0];
/** Where the page is, by IPv4 or IPv6. */
const AT_ROUTER = /^http:\/\/(192\.168\.77\.1|\[fd00:77::1\]):8910\//;

let world;
before(async () => {
  world = await World.open('splash', { config: cafe('splash') + HELLO });
});
after(() => world?.close());

/** That a system is led to the page. */
async function isCaught(station, url, options) {
  const answer = await station.get(url, options);
  assert.equal(answer.status, 302, `${url}: ${JSON.stringify(answer)}`);
  assert.match(answer.headers.location, AT_ROUTER, url);
  assert.match(answer.headers['cache-control'], /no-store/, url);
  return answer.headers.location;
}

/** That the Internet answers. */
async function passes(station, url, options) {
  const answer = await station.get(url, options);
  const [, , status, body] = PROBES.find(([, address]) => address === url) ?? [url, url, 200, ORDINARY];
  assert.deepEqual([answer.status, answer.body], [status, body], url);
}

/** A guest whose HTTP is caught. */
async function guest() {
  const station = await world.station();
  await station.join();
  await eventually('its HTTP is caught', async () => (await world.rules()).includes(station.mac));
  return station;
}

test('a browser that looks whether it is online finds the page, and after that the Internet', async () => {
  const ann = await guest();
  await visit(ann, PHONE, APPLE, async (page, requests) => {
    await page.getByRole('heading', { name: 'Coffee is half price' }).waitFor();
    assert.match(page.url(), AT_ROUTER);
    assert.equal(requests[0], APPLE);
    assert.ok(
      requests.slice(1).every((url) => AT_ROUTER.test(url)),
      requests.join('\n'),
    );
    await picture(page, 'splash-phone');
  });
  await eventually('the splash is over', async () => !(await world.rules()).includes(ann.mac));
  for (const [, url] of PROBES) await passes(ann, url);
});

test('each system’s probe is led to the page, by IPv4 and by IPv6', async () => {
  const bob = await guest();
  for (const [, url] of PROBES) {
    for (const family of [4, 6]) await isCaught(bob, url, { family });
  }
  const page = await isCaught(bob, APPLE, { family: 6 });
  assert.match((await bob.get(page)).body, /Coffee is half price/, 'where it leads there is the page');
});

test('all else is open all the while', async () => {
  const carol = await guest();
  for (const family of [4, 6]) {
    await passes(carol, 'https://elsewhere.example/', { family });
    await passes(carol, 'https://elsewhere.example:8443/', { family });
    const url = 'http://elsewhere.example/some/where?q=1&r=%2F';
    const again = await carol.get(url, { family });
    assert.deepEqual([again.status, again.headers.location], [307, url], 'told to come again');
    assert.equal(again.headers.connection?.toLowerCase(), 'close');
    await eventually('it is let through', async () => (await carol.get(url, { family })).status === 200);
    await passes(carol, url, { family });
  }
  await isCaught(carol, APPLE);
});

test('a browser that goes anywhere else arrives there', async () => {
  const dora = await guest();
  await visit(dora, DESKTOP, 'http://elsewhere.example/', async (page) => {
    await page.getByRole('heading', { name: 'Elsewhere on the Internet' }).waitFor();
    assert.equal(page.url(), 'http://elsewhere.example/');
  });
});

test('the router’s own web interface is left alone', async () => {
  const eve = await guest();
  for (const address of ['192.168.77.1', '[fd00:77::1]', '203.0.113.1']) {
    assert.equal((await eve.get(`http://${address}/`)).body, LUCI, address);
  }
});

test('whoever comes back within seconds is not led there again', async () => {
  const fred = await guest();
  await isCaught(fred, APPLE);
  await fred.get(PAGE);
  await eventually('the splash is over', async () => !(await world.rules()).includes(fred.mac));
  fred.leave();
  await fred.join();
  await passes(fred, APPLE);
  assert.doesNotMatch(await world.rules(), new RegExp(fred.mac));
});

test('the owner’s own device is never led anywhere', async () => {
  const owner = await world.station();
  await owner.join(OWNER);
  for (const [, url] of PROBES) await passes(owner, url);
  assert.doesNotMatch(await world.rules(), new RegExp(owner.mac));
});

test('Apple’s mini-browser opens, and its button turns to Done', async () => {
  const gina = await guest();
  await isCaught(gina, APPLE, { headers: { 'user-agent': APPLE_PROBE } });
  await visit(gina, APPLE_MINI, APPLE, async (page) => {
    assert.match(page.url(), AT_ROUTER);
    // After a full navigation the system asks again, and the mini-browser's button follows the answer.
    await Promise.all([page.waitForNavigation(), page.getByRole('button').first().click()]);
    assert.match(page.url(), AT_ROUTER);
  });
  await eventually('the splash is over', async () => {
    const answer = await gina.get(APPLE, { headers: { 'user-agent': APPLE_PROBE } });
    return answer.status === 200 && answer.body === SUCCESS;
  });
});

test('without an uplink, systems stay on the Wi-Fi and people are told', async () => {
  const hal = await guest();
  await hal.get(PAGE);
  const before = world.requests().length;
  await world.uplink(false);
  try {
    for (const [system, url, status, body] of PROBES) {
      await eventually(`${system} finds what it expects`, async () => {
        const answer = await hal.get(url);
        return answer.status === status && answer.body.trim() === body.trim();
      });
    }
    assert.equal((await hal.get('http://elsewhere.example/')).status, 503);
    assert.equal(world.requests().length, before, 'nothing reached the Internet');
    await visit(hal, { ...PHONE, bypassCSP: true }, PAGE, async (page) => {
      await page.getByText(WORDS.en.offline).waitFor();
      await picture(page, 'offline-phone');
      await accessible(page);
    });
  } finally {
    await world.uplink(true);
  }
  await eventually('the Internet answers again', async () => (await hal.get(APPLE)).body === SUCCESS, 40_000);
});
