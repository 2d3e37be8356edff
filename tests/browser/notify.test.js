// Mode `notify`: a system that asks is told where the page is; nothing else changes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HELLO, cafe } from './lib/config.js';
import { PROBES } from './lib/internet.js';
import { DESKTOP, visit } from './lib/page.js';
import { OWNER } from './lib/station.js';
import { PAGE, TLS_NAME, World } from './lib/world.js';

const CAPTIVE = `https://${TLS_NAME}:8912/welcome/v1/captive`;

let world;
before(async () => {
  world = await World.open('notify', { tls: true, config: cafe('notify') + HELLO });
});
after(() => world?.close());

test('every probe passes untouched, and the page is there to read', async () => {
  const ann = await world.station();
  await ann.join();
  for (const [system, url, status, body] of PROBES) {
    const answer = await ann.get(url);
    assert.deepEqual([answer.status, answer.body], [status, body], system);
  }
  await visit(ann, DESKTOP, PAGE, async (page) => {
    await page.getByRole('heading', { name: 'Coffee is half price' }).waitFor();
  });
});

test('a system that trusts the certificate is told of the venue, and that the Internet is open', async () => {
  const bob = await world.station();
  await bob.join();
  for (const family of [4, 6]) {
    const answer = await bob.get(CAPTIVE, { family, headers: { accept: 'application/captive+json' } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/captive+json');
    assert.match(answer.headers['cache-control'], /private|no-store/);
    assert.ok(answer.body.length <= 4096);
    const told = JSON.parse(answer.body);
    assert.equal(told.captive, false);
    assert.equal(new URL(told['venue-info-url']).origin, new URL(CAPTIVE).origin);
    const page = await bob.get(told['venue-info-url'], { family });
    assert.match(page.body, /Coffee is half price/);
  }
});

test('the owner’s own device is told of no venue', async () => {
  const owner = await world.station();
  await owner.join(OWNER);
  const told = JSON.parse((await owner.get(CAPTIVE, { headers: { accept: 'application/captive+json' } })).body);
  assert.deepEqual([told.captive, told['venue-info-url']], [false, undefined]);
});
