// The operators' console in a browser: from the set-up link to an offer that is on a router, and what nobody may do.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Directory, Router, eventually } from './lib/console.js';
import { DESKTOP, accessible, draw, fits, picture } from './lib/page.js';
import { OUTPUT } from './lib/world.js';

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const PASSWORD = 'rain on the roof';
const CAFE = { ssid: 'Café <b>Morgenrot</b>', bssid: '02:00:00:00:01:00' };

let directory;
let owner;
let router;
before(async () => {
  directory = await Directory.open('console');
  owner = await directory.page(DESKTOP);
});
after(async () => {
  await router?.close();
  await directory?.close();
});

const main = (page) => page.locator('main');
const press = (page, name) => main(page).getByRole('button', { name, exact: true }).click();
const follow = (page, name) => main(page).getByRole('link', { name, exact: true }).first().click();

/** A picture; Playwright's own style for it, which the page's policy stops, is no fault of the page. */
async function shot(page, name) {
  const before = page.faults.length;
  await picture(page, name);
  page.faults.length = before;
}

async function logIn(page, login, password = PASSWORD) {
  await page.goto(`${directory.url}/console/login`);
  await page.getByLabel('E-mail or log-in name').fill(login);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Log in');
}

test('the set-up link makes an organisation and its owner, and is good once', async () => {
  await owner.goto(directory.setUp);
  await owner.getByLabel('Name of the organisation').fill('Café Morgenrot');
  await owner.getByLabel('Your name').fill('Mara');
  await owner.getByLabel('E-mail or log-in name').fill('Mara@Example.org');
  await owner.getByLabel('Password').fill('short');
  await press(owner, 'Set up');
  await owner.getByText('At least 10 characters.', { exact: true }).waitFor();
  assert.equal(await owner.getByLabel('Your name').inputValue(), 'Mara', 'what was typed is still there');
  await owner.getByLabel('Password').fill(PASSWORD);
  await press(owner, 'Set up');
  await owner.getByRole('heading', { name: 'Add your first router' }).waitFor();
  await shot(owner, 'console-first');
  const other = await directory.page();
  const answer = await other.goto(directory.setUp);
  assert.equal(answer.status(), 404);
  await other.getByRole('heading', { name: 'This link is used up' }).waitFor();
});

test('a token from the console enrols one router, whose network shows up', async () => {
  await follow(owner, 'Add a router');
  await owner.getByLabel('Name').fill('Bar');
  await press(owner, 'Make a token');
  const token = await owner.locator('.code pre').nth(1).innerText();
  assert.match(await owner.locator('.code pre').nth(2).innerText(), new RegExp(`token='${token}'`));
  await shot(owner, 'console-token');
  router = await Router.start('console', directory.url, token, CAFE);
  await eventually('the router has announced its network', async () => {
    await owner.goto(`${directory.url}/console/networks`);
    return main(owner).getByRole('link', { name: CAFE.ssid }).count();
  });
  await follow(owner, CAFE.ssid);
  await owner.getByRole('heading', { name: 'The way into the directory' }).waitFor();
  assert.equal(await owner.locator('main b', { hasText: 'Morgenrot' }).count(), 0, 'a name is no markup');
  await press(owner, 'Start the verification');
  await owner.getByText('welcome share verify').waitFor();
  await shot(owner, 'console-verify');
  await eventually('the router says that it carries the name', async () => {
    // Not by a reload, which would ask for another one.
    await owner.goto(`${directory.url}/console/networks`);
    await follow(owner, CAFE.ssid);
    return main(owner).getByText('The router sends the name').count();
  });
  await press(owner, 'Stop');
  await owner.getByText('The verification is stopped.').waitFor();
});

test('an offer is written with a preview, published, and on the router', async () => {
  const image = join(OUTPUT, 'console-offer.png');
  await draw(image, { width: 800, height: 420 }, '<div style="height:420px;background:linear-gradient(#fbd9a5,#7b4a3a)"></div>');
  await owner.goto(`${directory.url}/console/offers`);
  await follow(owner, 'Write an offer');
  await owner.getByLabel('Title', { exact: true }).first().fill('Breakfast until noon');
  await owner.getByLabel('Text', { exact: true }).first().fill('Rolls, jam & coffee.');
  await owner.locator('.preview').getByText('Rolls, jam & coffee.').waitFor();
  await owner.getByText('Picture and colour').click();
  await owner.getByLabel('Picture', { exact: true }).setInputFiles(image);
  await owner.getByLabel('Colour').fill('red');
  await press(owner, 'Save');
  await owner.getByText('A colour such as #0b5f6b.').waitFor();
  assert.equal(await owner.getByLabel('Title', { exact: true }).first().inputValue(), 'Breakfast until noon');
  await owner.getByLabel('Colour').fill('#b4441f');
  await press(owner, 'Save');
  await owner.getByText('This is a draft').waitFor();
  assert.ok(await owner.locator('.preview img').evaluate((img) => img.naturalWidth > 0), 'the picture came with it');
  assert.deepEqual(await router.titles(), [], 'a draft is nowhere');
  await follow(owner, 'Publish');
  await press(owner, 'Publish');
  await owner.getByText('The offer is published.').waitFor();
  await eventually('the offer is on the router', async () => (await router.titles()).includes('Breakfast until noon'), 5_000);
  await shot(owner, 'console-offer');
});

test('the page that phones open looks as the preview does', async () => {
  const looks = (page) =>
    page.locator('.message').first().evaluate((message) => {
      const of = (part) => {
        const style = getComputedStyle(part);
        const { color, backgroundColor, fontSize, fontWeight, borderRadius, lineHeight } = style;
        return { color, backgroundColor, fontSize, fontWeight, borderRadius, lineHeight };
      };
      return { html: message.innerHTML.replace(/\s+src="[^"]*"/, '').trim(), parts: [message, ...message.querySelectorAll('h2, p')].map(of) };
    });
  const preview = await looks(owner);
  const href = await owner.locator('main a[href^="/console/routers/r-"]').first().getAttribute('href');
  const guest = await directory.page({ ...PHONE, bypassCSP: true });
  await guest.goto(`${directory.url}/v1/venue/${href.split('/').pop()}/cafe`);
  assert.deepEqual(await looks(guest), preview);
  assert.ok(await guest.locator('img').evaluate((img) => img.naturalWidth > 0));
  await fits(guest);
  await accessible(guest);
  await shot(guest, 'console-venue');
});

test('an earlier version is published again, by the keyboard alone', async () => {
  await follow(owner, 'Edit');
  await owner.getByLabel('Title', { exact: true }).first().fill('Breakfast until ten');
  await press(owner, 'Save');
  await follow(owner, 'Publish');
  await press(owner, 'Publish');
  await eventually('the new one is there', async () => (await router.titles()).includes('Breakfast until ten'), 5_000);
  await shot(owner, 'console-versions');
  await owner.getByRole('link', { name: 'Version 1' }).focus();
  await owner.keyboard.press('Enter');
  await owner.getByRole('heading', { name: 'Version 1', exact: true }).waitFor();
  await owner.locator('.preview').getByText('Breakfast until noon').waitFor();
  await shot(owner, 'console-version');
  const state = await owner.context().storageState();
  const phone = await directory.page({ ...PHONE, viewport: { width: 360, height: 800 }, bypassCSP: true, storageState: state });
  await phone.goto(owner.url());
  await fits(phone);
  await accessible(phone);
  await shot(phone, 'console-phone-version');
  await phone.close();
  const button = owner.getByRole('button', { name: 'Publish this version again' });
  await button.focus();
  await owner.keyboard.press('Enter');
  await owner.getByText('The offer is published.').waitFor();
  await eventually('the former one is there again', async () => (await router.titles()).includes('Breakfast until noon'), 5_000);
});

test('who arrives is on the overview while one looks at it', async () => {
  await owner.goto(`${directory.url}/console`);
  await owner.getByText('Nobody yet').waitFor();
  router.join('02:00:00:00:05:01');
  router.join('02:00:00:00:05:02');
  await owner.locator('[data-live]').getByText('A guest arrived').first().waitFor();
  assert.equal(await owner.locator('.tile', { hasText: 'Arrived today' }).locator('dd').innerText(), '2');
  await owner.reload();
  await owner.locator('.chart rect').first().waitFor();
  await shot(owner, 'console-overview');
});

test('who is invited as a viewer sees all of it and can change nothing', async () => {
  await owner.goto(`${directory.url}/console/people`);
  await owner.getByLabel('Viewer').check();
  await press(owner, 'Make a link');
  const link = await owner.locator('.code pre').innerText();
  const viewer = await directory.page(DESKTOP);
  await viewer.goto(link);
  await viewer.getByLabel('Your name').fill('Ben');
  await viewer.getByLabel('E-mail or log-in name').fill('ben');
  await viewer.getByLabel('Password').fill(PASSWORD);
  await press(viewer, 'Accept and log in');
  await viewer.getByRole('heading', { name: 'Overview' }).waitFor();
  await viewer.goto(`${directory.url}/console/offers`);
  await follow(viewer, 'Breakfast until noon');
  for (const name of ['Publish', 'Edit', 'Archive']) {
    assert.equal(await main(viewer).getByRole('link', { name, exact: true }).count(), 0, name);
  }
  for (const path of ['/edit', '/publish', '/archive']) {
    assert.equal((await viewer.goto(viewer.url().replace(/(offers\/[^/]+\/[^/]+).*/, '$1') + path)).status(), 403);
    await viewer.goBack();
  }
  const csrf = await viewer.locator('input[name=csrf]').first().inputValue();
  const answer = await viewer.request.post(`${viewer.url()}/archive`, { form: { csrf } });
  assert.equal(answer.status(), 403);
  for (const path of ['people', 'tokens', 'audit', 'settings', 'server']) {
    assert.equal((await viewer.goto(`${directory.url}/console/${path}`)).status(), 403, path);
  }
});

test('a form that another site sends, or that lacks the token, does nothing', async () => {
  const settings = `${directory.url}/console/settings`;
  const forged = await owner.request.post(settings, { form: { name: 'Taken over' } });
  assert.equal(forged.status(), 403);
  await owner.goto(settings);
  const csrf = await owner.locator('input[name=csrf]').first().inputValue();
  const form = { name: 'Taken over', csrf };
  const elsewhere = await owner.request.post(settings, { form, headers: { origin: 'https://evil.example' } });
  assert.equal(elsewhere.status(), 403);
  await owner.reload();
  assert.equal(await owner.getByLabel('Name of the organisation').inputValue(), 'Café Morgenrot');
});

test('guessing a password is slowed, also for who knows it, and not for others', async () => {
  const thief = await directory.page();
  for (let i = 0; i < 7; i++) await logIn(thief, 'ben', `guess number ${i}`);
  await thief.getByText('Too many tries.').waitFor();
  await logIn(thief, 'ben');
  await thief.getByText('Too many tries.').waitFor();
  await logIn(thief, 'nobody-at-all', 'guess number 1');
  await thief.getByText('The name or the password is wrong.').waitFor();
  const mara = await directory.page();
  await logIn(mara, 'mara@example.org');
  await mara.getByRole('heading', { name: 'Overview' }).waitFor();
});

const PAGES = [
  '', '/routers', '/routers/add', '/networks', '/areas', '/areas/new', '/offers', '/offers/new', '/reports', '/people',
  '/tokens', '/audit', '/settings', '/server', '/me', '/nothing-here',
];

test('on a phone of 360 pixels nothing has to be scrolled sideways, and every page passes axe', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const state = await owner.context().storageState();
    const phone = await directory.page({ ...PHONE, colorScheme, bypassCSP: true, storageState: state });
    for (const path of PAGES) {
      await phone.goto(`${directory.url}/console${path}`);
      await fits(phone);
      await accessible(phone);
      if (['', '/offers/new', '/networks'].includes(path)) {
        await shot(phone, `console-phone${path.replaceAll('/', '-')}-${colorScheme}`);
      }
    }
    await phone.goto(`${directory.url}/console`);
    await phone.getByText('Menu').click();
    await phone.getByRole('link', { name: 'Offers', exact: true }).click();
    await phone.getByRole('heading', { name: 'Offers' }).waitFor();
  }
});

test('the keyboard reaches everything, the content first', async () => {
  await owner.goto(`${directory.url}/console/offers`);
  await owner.keyboard.press('Tab');
  assert.equal(await owner.evaluate(() => document.activeElement.className), 'skip');
  await owner.keyboard.press('Enter');
  await owner.keyboard.press('Tab');
  assert.ok(await owner.evaluate(() => document.activeElement.closest('main') !== null), 'the skip link leads to it');
  const wanted = await owner.evaluate(() =>
    [...document.querySelectorAll('main :is(a, button, input, select)')].filter((e) => e.checkVisibility()).length,
  );
  const reached = new Set();
  for (let i = 0; i < wanted; i++) {
    reached.add(await owner.evaluate(() => document.activeElement.outerHTML));
    await owner.keyboard.press('Tab');
  }
  assert.equal(reached.size, wanted);
});

test('in Chinese, by what the browser asks and by choice', async () => {
  const stranger = await directory.page({ ...PHONE, locale: 'zh-CN' });
  await stranger.goto(`${directory.url}/console`);
  await stranger.getByRole('heading', { name: '登录' }).waitFor();
  await shot(stranger, 'console-login-zh');
  await owner.goto(`${directory.url}/console/offers`);
  await owner.getByRole('button', { name: '中文' }).click();
  await owner.getByRole('heading', { name: '消息' }).waitFor();
  assert.equal(await owner.locator('html').getAttribute('lang'), 'zh');
  await owner.goto(`${directory.url}/console`);
  await shot(owner, 'console-overview-zh');
  await owner.getByRole('button', { name: 'English' }).click();
  await owner.getByRole('heading', { name: 'Overview' }).waitFor();
});

test('without script all of it works', async () => {
  const state = await owner.context().storageState();
  const plain = await directory.page({ ...DESKTOP, javaScriptEnabled: false, storageState: state });
  await plain.goto(`${directory.url}/console/offers/new`);
  await plain.getByLabel('Title', { exact: true }).first().fill('Tonight: the house trio');
  await press(plain, 'Show preview');
  await plain.locator('.preview').getByText('Tonight: the house trio').waitFor();
  await press(plain, 'Save');
  await plain.getByText('This is a draft').waitFor();
  await follow(plain, 'Archive');
  await press(plain, 'Archive');
  await plain.getByText('The offer is archived.').waitFor();
});

test('a revoked router is gone, and everything that was done stands in the log', async () => {
  await owner.goto(`${directory.url}/console/routers`);
  await follow(owner, 'Bar');
  await follow(owner, 'Revoke');
  await press(owner, 'Revoke');
  await owner.getByText('The router is revoked.').waitFor();
  await owner.goto(`${directory.url}/console/audit`);
  for (const action of ['router.remove', 'offer.publish', 'router.enrol', 'member.invite', 'offer.archive']) {
    await owner.getByText(action, { exact: true }).first().waitFor();
  }
  assert.deepEqual(owner.faults.filter((fault) => !/status of (403|404|422)/.test(fault)), []);
});
