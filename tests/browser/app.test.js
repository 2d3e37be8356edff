// Mode `app`: nothing is done to anybody; who asks is answered.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HELLO, cafe } from './lib/config.js';
import { PROBES } from './lib/internet.js';
import { LATE, OWNER } from './lib/station.js';
import { PAGE, World } from './lib/world.js';

let world;
before(async () => {
  world = await World.open('app', { config: cafe('app') + HELLO });
});
after(() => world?.close());

test('the Internet is untouched, and an app has its message', async () => {
  const ann = await world.station();
  await ann.join();
  for (const [system, url, status, body] of PROBES) {
    const answer = await ann.get(url);
    assert.deepEqual([answer.status, answer.body], [status, body], system);
  }
  const welcome = JSON.parse((await ann.get(`${PAGE}.well-known/welcome`)).body);
  assert.equal(welcome.network.ssid, 'Café');
  const { offers } = JSON.parse((await ann.get(new URL(welcome.offers, PAGE))).body);
  assert.deepEqual(
    offers.map((offer) => offer.title),
    ['Coffee is half price'],
  );
  assert.deepEqual(await world.tables(), ['table inet fw4'], 'no rules of ours for a network that needs none');
});

test('a live stream brings the message to an app', async () => {
  const bob = await world.station();
  await bob.join();
  const { error, ...answer } = await bob.get(`${PAGE}welcome/v1/stream`, { limit: 3 });
  assert.equal(error, LATE, 'the stream stays open until we hang up');
  assert.match(answer.body, /^event: offer\nid: .*\ndata: .*Coffee is half price/);
});

test('whoever has the owner’s key is no guest', async () => {
  const owner = await world.station();
  await owner.join(OWNER);
  const welcome = JSON.parse((await owner.get(`${PAGE}.well-known/welcome`)).body);
  assert.equal(welcome.network ?? null, null);
  assert.equal((await owner.get(`${PAGE}welcome/v1/offers`)).status, 404);
});
