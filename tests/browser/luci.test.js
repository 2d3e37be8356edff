// LuCI's pages of the agent: what each form saves, who may save, what hostile names do, and the way from nothing to a
// guest who is greeted. LuCI itself is a stand-in held to recordings of the real one; see README.md.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { APP, Luci, accessPoint, recorded, shown } from './lib/luci.js';
import { PHONE, draw, fits } from './lib/page.js';
import { eventually } from './lib/process.js';
import { OUTPUT, ROOT } from './lib/world.js';

const VIEWS = ['status', 'networks', 'offers', 'server', 'settings', 'log'];
const NETWORK = "config network 'cafe'\n\tlist section 'guest'\n\toption mode 'splash'\n\n";
const OFFER = "config offer 'hello'\n\toption title 'Coffee is half price'\n\n";

/** With a router of its own; what it saved must be what the agent takes. */
async function on(name, options, use) {
  const luci = await Luci.open(`luci-${name}`, options);
  try {
    await use(luci);
    assert.equal(await luci.check(), '', 'the agent takes it');
  } finally {
    await luci.close();
  }
}

/** As somebody at a browser. */
async function as(luci, user, options, use) {
  const visitor = await luci.visitor(user, options);
  try {
    await use(visitor);
  } catch (error) {
    await visitor.page.screenshot({ path: join(OUTPUT, `${luci.name}-failed.png`) }).catch(() => {});
    error.message += ` (in the page: ${visitor.errors.splice(0).join('; ') || 'nothing'})`;
    throw error;
  } finally {
    await visitor.close();
  }
}

test('from nothing to a guest who is greeted: choose, write, Save & Apply', async () => {
  await on('first', {}, async (luci) => {
    await luci.addBss('guest', 'Corner Café');
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('status');
      await owner.choose('section', 'guest');
      await owner.fill('title', 'Coffee is half price');
      await owner.fill('text', 'Until noon, at the counter.');
      await shown(owner.page, 'luci-first-run', 'first-run');
      await owner.apply(owner.page.locator('#welcomed-first button.important'));
      recorded('first-run', { calls: luci.calls(), saved: luci.saved() });
      const greet = await luci.join(1);
      const page = await eventually('the guest is greeted', async () => {
        const page = await greet('/').catch(() => '');
        return page.includes('Coffee is half price') && page;
      });
      assert.match(page, /Until noon, at the counter\./);
      await as(luci, 'root', { ...PHONE, viewport: { width: 360, height: 640 }, deviceScaleFactor: 1 }, async (guest) => {
        await guest.page.setContent(page);
        await shown(guest.page, 'luci-guest', 'phone');
      });
      await owner.open('status');
      const step = (title) => owner.page.locator('.welcomed-step', { hasText: title }).innerText();
      assert.match(await step('On the air'), /✔[^]*Corner Café[^]*phy0-ap0/);
      assert.match(await step('Here now'), /1 device, 1 of them a guest/);
      await eventually('the page tells of the greeting', async () => /Greeted today: 1/.test((await step('Greeted today')).replace(/\s+/g, ' ')));
      assert.equal(await owner.page.locator('#welcomed-first').count(), 0, 'nothing is left to do');
      await shown(owner.page, 'luci-status', 'status');
    });
  });
});

test('a phone owner can do the first run with the keyboard alone', async () => {
  await on('keyboard', {}, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('status');
      const focus = async (where) => {
        for (let i = 0; i < 40; i++) {
          await owner.page.keyboard.press('Tab');
          if (await owner.page.evaluate((where) => document.activeElement.closest(where) !== null, where)) return;
        }
        assert.fail(`no way to ${where}`);
      };
      await focus('[data-name="section"]');
      await owner.page.keyboard.press('ArrowDown');
      await owner.page.locator('.cbi-dropdown li:focus').waitFor();
      await owner.page.keyboard.press('Enter');
      await focus('[data-name="title"]');
      await owner.page.keyboard.type('Hello');
      await focus('#welcomed-first button.important');
      await owner.page.keyboard.press('Enter');
      await eventually('it is saved', () => luci.text('welcomed').includes("option title 'Hello'"));
      assert.match(luci.text('welcomed'), /list section 'guest'/);
    });
  });
});

test('networks: every option is saved as the agent reads it', async () => {
  const wireless = accessPoint('guest', 'Corner Café') + accessPoint('yard', "The Yard's") + accessPoint('home', 'Home');
  await on('networks', { wireless }, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('networks');
      const begin = async (name) => {
        await owner.page.locator('.cbi-section-create-name').fill(name);
        await owner.page.locator('.cbi-section-create-name').press('End');
        await owner.page.locator('.cbi-section-create .cbi-button-add').click();
        await owner.page.locator('#modal_overlay .cbi-map').waitFor();
      };
      await begin('cafe');
      await owner.choose('section', 'guest', 'yard');
      await owner.select('mode', 'gate');
      await owner.fill('gate_minutes', '60');
      await owner.select('gate_fail', 'closed');
      await owner.add('allow', '192.0.2.0/24', '2001:db8::1');
      await shown(owner.page, 'luci-network');
      await owner.tab('Who is a guest');
      await owner.select('credential', 'keyid');
      await owner.add('shared_keyid', 'guest');
      await owner.add('owner_keyid', 'family');
      await owner.select('unknown', 'shared');
      await owner.tab('Listing');
      await owner.tick('share_key');
      await owner.fill('place', '48.1374,11.5755');
      await owner.fill('captive_portal', 'https://portal.example/api');
      await owner.tab('Who is a guest');
      await owner.fill('key', 'a phrase for guests');
      await owner.keep();
      await begin('home');
      await owner.choose('section', 'home');
      await owner.tab('Who is a guest');
      await owner.select('credential', 'passphrase');
      await owner.fill('key', "it's for guests");
      await owner.add('shared_key', 'an older phrase');
      await owner.tab('Listing');
      await owner.tick('announce', false);
      await owner.keep();
      await shown(owner.page, 'luci-networks');
      await owner.apply();
      recorded('networks', { calls: luci.calls(), saved: luci.saved() });
      // Back to what is the default: nothing of it stays.
      await owner.page.locator('tr[data-sid="cafe"] .cbi-button-edit').click();
      await owner.page.locator('#modal_overlay .cbi-map').waitFor();
      await owner.select('mode', 'notify');
      await owner.tab('Who is a guest');
      await owner.select('credential', 'bss');
      await owner.tab('Listing');
      await owner.tick('share_key', false);
      await owner.fill('place', '');
      await owner.keep();
      await owner.apply();
      recorded('networks-back', { calls: luci.calls(), saved: luci.saved() });
    });
  });
});

test('messages: every option, a picture, and another language', async () => {
  const image = join(OUTPUT, 'luci-coffee.png');
  await draw(image, { width: 60, height: 40 }, '<div style="height:40px;background:#b4441f"></div>');
  await on('offers', { welcomed: NETWORK }, async (luci) => {
    await as(luci, 'root', { viewport: { width: 1000, height: 1300 } }, async (owner) => {
      await owner.open('offers');
      const offers = owner.page.locator('#cbi-welcomed-offer');
      await offers.locator('.cbi-section-create-name').fill('hello');
      await offers.locator('.cbi-section-create-name').press('End');
      await offers.locator('.cbi-section-create .cbi-button-add').click();
      await owner.page.locator('#modal_overlay .cbi-map').waitFor();
      await owner.fill('title', 'Coffee is half price');
      await owner.fill('text', 'Until noon,\nat the counter & outside.');
      await owner.fill('link', 'https://cafe.example/today?a=1&b=2');
      await upload(owner, 'image', image);
      await owner.fill('image_alt', 'A cup of coffee');
      await owner.fill('color', '#0b5f6b');
      await owner.fill('language', 'en');
      const preview = owner.page.frameLocator('.welcomed-preview');
      await preview.getByRole('heading', { name: 'Coffee is half price' }).waitFor();
      await shown(owner.page, 'luci-message', 'message');
      await owner.fill('title', "It's <b>half price</b>");
      await preview.getByRole('heading', { name: "It's <b>half price</b>" }).waitFor();
      await owner.tab('When');
      await owner.fill('from', '2026-12-01');
      await owner.fill('until', '2026-12-24 18:00');
      await owner.choose('weekday', 'sat', 'sun');
      await owner.add('hours', '08:00-12:00', '22:00-02:00');
      await owner.tab('Who and how often');
      await owner.choose('network', 'cafe');
      await owner.select('audience', 'first');
      await owner.fill('cap_per_visit', '2');
      await owner.fill('cap_per_day', '3');
      await owner.fill('priority', '90');
      await owner.keep();
      await owner.page.locator('#cbi-welcomed-translation .cbi-section-create .cbi-button-add').click();
      await owner.page.locator('#modal_overlay .cbi-map').waitFor();
      await owner.select('offer', 'hello');
      await owner.fill('language', 'zh');
      await owner.fill('title', '咖啡半价');
      await owner.fill('text', '中午之前。');
      await owner.keep();
      await shown(owner.page, 'luci-messages');
      await owner.apply();
      recorded('offers', { calls: luci.calls(), saved: luci.saved() });
      assert.deepEqual(readFileSync(join(luci.dir, 'etc/luci-coffee.png')), readFileSync(image));
      await owner.page.locator('tr[data-sid="hello"] .cbi-button-remove').click();
      await owner.page.locator('tr[data-sid="hello"]').waitFor({ state: 'detached' });
      await owner.apply();
      recorded('offers-removed', { calls: luci.calls(), saved: luci.saved() });
    });
  });
});

test('server: the token is taken and never shown', async () => {
  await on('server', {}, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('server');
      await owner.fill('url', 'https://directory.example');
      await owner.fill('token', 'one-time-token');
      await shown(owner.page, 'luci-server');
      await owner.apply();
      recorded('server', { calls: luci.calls(), saved: luci.saved() });
      assert.equal(await owner.field('token').locator('input').first().inputValue(), '');
      await owner.fill('url', 'https://directory.example:8443');
      await owner.apply();
      assert.match(luci.saved(), /option token 'one-time-token'/, 'an empty field keeps it');
      await owner.fill('url', 'http://127.0.0.1:8080');
      await owner.tick('allow_plain_http');
      await owner.apply();
      await owner.fill('url', '');
      await owner.apply();
      recorded('server-none', { calls: luci.calls(), saved: luci.saved() });
    });
  });
});

test('settings: every option is saved as the agent reads it', async () => {
  await on('settings', {}, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('settings');
      await owner.fill('timezone', 'CET-1CEST,M3.5.0,M10.5.0/3');
      await owner.select('clock', 'system');
      await owner.select('log_level', 'warn');
      await owner.tab('Own certificate');
      await owner.fill('tls_name', 'welcome.cafe.example');
      for (const name of ['tls_cert', 'tls_key']) {
        const file = join(OUTPUT, `luci-${name}.pem`);
        await draw(file.replace('.pem', '.png'), { width: 1, height: 1 }, '');
        await upload(owner, name, file.replace('.pem', '.png'));
      }
      await owner.add('tls_listen', '[::]:443');
      await owner.tab('Storage');
      await owner.fill('cache_kib', '2048');
      await owner.tab('Ports');
      await owner.add('catch', '[::]:8999');
      await owner.tab('System');
      await owner.select('joins', 'ubus');
      await shown(owner.page, 'luci-settings');
      await owner.apply();
      recorded('settings', { calls: luci.calls(), saved: luci.saved() });
      await owner.tab('System');
      await owner.select('joins', 'auto');
      await owner.tab('Own certificate');
      await owner.fill('tls_name', '');
      await owner.apply();
      recorded('settings-back', { calls: luci.calls(), saved: luci.saved() });
    });
  });
});

test('what the agent would not take is refused in the form, with what would be right', async () => {
  await on('wrong', { welcomed: NETWORK + OFFER }, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      const begin = luci.text('welcomed');
      const wrong = async (name, values) => {
        for (const value of values) {
          await owner.fill(name, value);
          assert.notEqual(await owner.complaint(name), '', `${name}: ${value}`);
        }
        await owner.fill(name, '');
      };
      await owner.open('offers');
      await owner.page.locator('tr[data-sid="hello"] .cbi-button-edit').click();
      await owner.page.locator('#modal_overlay .cbi-map').waitFor();
      await wrong('text', ['x'.repeat(2001)]);
      await wrong('link', ['ftp://cafe.example', 'https://', 'https://a b', `https://a/${'x'.repeat(1000)}`]);
      await wrong('color', ['red', '#12345', '#12345g']);
      await wrong('language', ['x', 'zh_CN', 'zh--tw']);
      await owner.tab('When');
      await wrong('from', ['tomorrow', '2026-02-30', '2026-12-24 24:01']);
      await owner.fill('from', '2026-12-24');
      await wrong('until', ['2026-12-23', '2026-12-24 00:00']);
      await owner.tab('Who and how often');
      for (const [name, values] of Object.entries({ cap_per_visit: ['0', '101', 'x'], cap_per_day: ['0'], priority: ['101', '-1'] })) {
        await wrong(name, values);
      }
      await owner.tab('Message');
      for (const title of ['', 'x'.repeat(81)]) {
        await owner.fill('title', title);
        assert.notEqual(await owner.complaint('title'), '', title);
      }
      await owner.page.locator('#modal_overlay .button-row button.important').click();
      await owner.page.waitForTimeout(300);
      assert.equal(await owner.page.locator('#modal_overlay .cbi-map').count(), 1, 'the dialog stays');
      await owner.open('settings');
      await wrong('timezone', ['Middle Earth', '1']);
      await owner.tick('enabled');
      assert.match(await owner.complaint('enabled'), /^$/, 'there is a network');
      await owner.tab('Ports');
      await owner.add('listen', '[::]:1');
      await owner.field('listen').locator('.add-item input').first().fill('0.0.0.0:1');
      await owner.field('listen').locator('.add-item input').first().blur();
      assert.match(await owner.complaint('listen'), /leave 0\.0\.0\.0 out/);
      await owner.field('listen').locator('.add-item input').first().fill('');
      await owner.tab('Own certificate');
      await wrong('tls_name', ['192.0.2.1', 'router', 'a b.example']);
      await owner.tab('Storage');
      await wrong('cache_kib', ['63', '65537', 'much']);
      await wrong('cache_dir', ['content']);
      await owner.open('server');
      await wrong('url', ['directory.example', 'https://directory.example/path', 'http://directory.example', 'https://a:0']);
      assert.deepEqual([luci.calls(), luci.text('welcomed')], [[], begin]);
    });
  });
});

test('a network that a message is for is not removed before the message is changed', async () => {
  const welcomed = NETWORK + "config offer 'hello'\n\tlist network 'cafe'\n\toption title 'Hello'\n";
  await on('removal', { welcomed }, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('networks');
      await owner.page.locator('tr[data-sid="cafe"] .cbi-button-remove').click();
      await owner.page.locator('.alert-message', { hasText: 'hello' }).waitFor();
      assert.equal(await owner.page.locator('tr[data-sid="cafe"]').count(), 1);
      assert.deepEqual(luci.calls(), []);
    });
  });
});

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  `"><script>alert(2)</script>'`,
  '\u202eevil\u202c & <b>bold</b> %s %h',
];

test('hostile names and messages are text on every page', async () => {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const wireless = HOSTILE.map((ssid, i) => accessPoint(`evil${i}`, ssid)).join('');
  const welcomed = `config network 'cafe'\n\tlist section 'evil0'\n\tlist section 'evil1'\n\tlist section 'evil2'\n
${HOSTILE.map((title, i) => `config offer 'evil${i}'\n\toption title ${quoted(title)}\n\toption text ${quoted(title)}\n\toption enabled '1'\n`).join('\n')}
config translation\n\toption offer 'evil0'\n\toption language 'zh'\n\toption title ${quoted(HOSTILE[1])}\n
config server 'server'\n\toption url 'https://127.0.0.1:1'\n`;
  await on('hostile', { wireless, welcomed, enabled: true }, async (luci) => {
    for (const [i, ssid] of HOSTILE.entries()) await luci.addBss(`evil${i}`, ssid.slice(0, 32), `phy0-ap${i}`);
    for (const text of HOSTILE) await luci.tell('log', [27, `welcomed[7]: ${text}`]);
    await luci.tell('log', [27, 'dnsmasq[1]: not ours']);
    await luci.join(1);
    await as(luci, 'root', {}, async (owner) => {
      for (const view of VIEWS) {
        await owner.open(view);
        await owner.page.waitForTimeout(300);
        const found = await owner.page.evaluate(() => ({
          made: document.querySelectorAll('img, #view script[src], #view b').length,
          text: document.getElementById('view').textContent,
        }));
        assert.equal(found.made, 0, `${view}: markup stays text`);
        if (view !== 'settings' && view !== 'server') {
          for (const text of HOSTILE) assert.ok(found.text.includes(text.slice(0, 20)), `${view}: ${text}`);
        }
        assert.ok(!found.text.includes('not ours'));
      }
      await shown(owner.page, 'luci-log');
      await owner.open('status');
      await shown(owner.page, 'luci-hostile');
      await owner.open('offers');
      await owner.page.locator('tr[data-sid="evil0"] .cbi-button-edit').click();
      await owner.page.frameLocator('.welcomed-preview').getByRole('heading', { name: HOSTILE[0], exact: true }).waitFor();
      await owner.page.locator('#modal_overlay .button-row button').first().click();
      await owner.open('networks');
      await owner.page.locator('tr[data-sid="cafe"] .cbi-button-edit').click();
      await owner.field('section').locator('.cbi-dropdown').click();
      assert.equal(await owner.page.locator('#modal_overlay img').count(), 0);
    });
  });
});

test('who may only read sees everything and can save nothing', async () => {
  await on('reader', { welcomed: NETWORK + OFFER, enabled: true }, async (luci) => {
    await as(luci, 'guest', {}, async (reader) => {
      const before = luci.text('welcomed');
      for (const view of VIEWS) {
        await reader.open(view);
        const live = await reader.page.evaluate(() =>
          [...document.querySelectorAll('#view input:not([type=hidden]), #view select, #view textarea, #view button')]
            .filter((e) => !e.disabled && !e.readOnly && !e.closest('[disabled]') && e.offsetParent !== null)
            .map((e) => e.outerHTML.slice(0, 120)));
        const harmless = live.filter((html) => !/cbi-button-edit|drag-handle/.test(html));
        assert.deepEqual(harmless, [], view);
      }
      const call = (object, method, given) => reader.page.evaluate(
        ([object, method, given]) => fetch('/ubus', {
          method: 'POST',
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [L.env.sessionid, object, method, given] }),
        }).then((answer) => answer.json()), [object, method, given]);
      const set = await call('uci', 'set', { config: 'welcomed', section: 'main', values: { enabled: '0' } });
      assert.equal(set.error?.code, -32002);
      const say = await call('welcomed', 'say', { network: 'cafe', title: 'No' });
      assert.equal(say.error?.code, -32002);
      assert.equal(luci.text('welcomed'), before);
    });
  });
});

test('something is said to the guests who are here', async () => {
  await on('say', { welcomed: NETWORK + OFFER, enabled: true }, async (luci) => {
    await luci.addBss('guest', 'Corner Café');
    const greet = await luci.join(1);
    await eventually('the guest is known', async () => (await greet('/').catch(() => '')).includes('Coffee'));
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('offers');
      await owner.page.locator('#welcomed-say-title').fill('We close in ten minutes');
      luci.calls();
      await owner.page.locator('#welcomed-say button').click();
      await owner.page.getByText('It goes to 1 guest who is here.').waitFor();
      recorded('say', luci.calls());
      await eventually('the guest hears it', async () => (await greet('/')).includes('We close in ten minutes'));
    });
  });
});

test('the three seconds of the DHCP server are saved on a click, and only then', async () => {
  await on('ping', { welcomed: NETWORK + OFFER }, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('status');
      await owner.apply(owner.page.locator('#welcomed-ping button'));
      recorded('ping', { calls: luci.calls(), saved: luci.text('dhcp') });
      await owner.open('status');
      assert.equal(await owner.page.locator('#welcomed-ping').count(), 0);
    });
  });
});

test('without the agent the status says so, and with it again it says how things are', async () => {
  await on('gone', { welcomed: NETWORK + OFFER, enabled: true }, async (luci) => {
    await as(luci, 'root', {}, async (owner) => {
      await owner.open('status');
      await owner.page.getByText('Network cafe').waitFor();
      luci.agent.child.kill('SIGKILL');
      await owner.page.getByText('The agent is switched on and does not run.').waitFor();
    });
  });
});

test('on a phone nothing has to be scrolled sideways, in both languages', async () => {
  const offer = `config offer 'hello'\n\toption title 'Coffee ${'and cake '.repeat(7)}'\n\n`;
  await on('phone', { welcomed: NETWORK + offer, enabled: true }, async (luci) => {
    await luci.addBss('guest', 'Corner Café');
    for (const language of ['en', 'zh_Hans']) {
      await as(luci, 'root', { ...PHONE, language }, async (owner) => {
        for (const view of VIEWS) {
          await owner.open(view);
          await shown(owner.page, `luci-phone-${view}-${language}`);
          await fits(owner.page);
        }
        await owner.open('offers');
        await owner.page.locator('tr[data-sid="hello"] .cbi-button-edit').click();
        await owner.page.locator('#modal_overlay .cbi-map').waitFor();
        await shown(owner.page, `luci-phone-message-${language}`);
        await fits(owner.page);
      });
    }
  });
});

test('every sentence of the pages is there in Chinese, with what stands in for names and numbers', async () => {
  const views = join(APP, 'htdocs/luci-static/resources/view/welcomed');
  const sources = readdirSync(views).map((file) => readFileSync(join(views, file), 'utf8'));
  const json = ['luci/menu.d', 'rpcd/acl.d'].map((dir) => readFileSync(join(APP, `root/usr/share/${dir}/luci-app-welcomed.json`), 'utf8'));
  const texts = (pattern, all) => all.flatMap((source) => [...source.matchAll(pattern)].map(([, text]) => text.replaceAll("\\'", "'")));
  const wanted = new Set([
    ...texts(/\bN?_\((?:[^,'()]+(?:\.\w+)*, )?'((?:[^'\\]|\\.)+)'/g, sources),
    ...texts(/"(?:title|description)": "([^"]+)"/g, json),
  ]);
  assert.ok(wanted.size > 250, `${wanted.size} sentences`);
  const chinese = catalogue(join(APP, 'po/zh_Hans/welcomed.po'));
  const template = catalogue(join(APP, 'po/templates/welcomed.pot'));
  const marks = (text) => (text.match(/%[sdh]/g) ?? []).join('');
  for (const text of wanted) {
    assert.ok(chinese.get(text), `not translated: ${text}`);
    assert.ok(template.has(text), `not in the template: ${text}`);
    assert.equal(marks(chinese.get(text)), marks(text), text);
  }
  assert.deepEqual([...chinese.keys()].filter((text) => !wanted.has(text)), [], 'nothing that no page says');
  await on('chinese', { welcomed: NETWORK + OFFER, enabled: true }, async (luci) => {
    await luci.addBss('guest', 'Corner Café');
    await as(luci, 'root', { language: 'zh_Hans' }, async (owner) => {
      for (const view of VIEWS) {
        await owner.open(view);
        const told = await owner.page.evaluate(() => document.getElementById('view').textContent);
        const english = [...wanted].filter((text) => text.length > 12 && !text.includes('%') && told.includes(text));
        assert.deepEqual(english, [], view);
        await shown(owner.page, `luci-chinese-${view}`);
      }
    });
  });
});

test('the preview has the style of the page that the router serves', () => {
  const own = readFileSync(join(ROOT, 'src/portal/style.rs'), 'utf8').split('pub const COMMON: &str = "\\\n')[1].split('";\n')[0];
  const ours = own.replaceAll('\\\n', '').replaceAll('\\"', '"');
  const view = join(APP, 'htdocs/luci-static/resources/view/welcomed/preview.js');
  const lines = readFileSync(view, 'utf8').split('const STYLE = [\n')[1].split("\n].join('')")[0].split('\n');
  const theirs = lines.map((line) => line.replace(/^\t'|',?$/g, '').replaceAll('\\\\', '\\').replaceAll("\\'", "'")).join('');
  assert.equal(theirs, ours);
});

/** Sends a file by LuCI's own dialog and takes it. */
async function upload(owner, name, file) {
  const field = owner.field(name);
  await field.locator('button').first().click();
  await field.getByText('Upload file…').click();
  await field.locator('input[type=file]').setInputFiles(file);
  await field.getByText('Upload file', { exact: true }).click();
  await field.getByText(basename(file), { exact: true }).click();
  await field.locator('.cbi-filebrowser.open').waitFor({ state: 'detached' });
}

/** The texts of a `.po` file with what they become. */
function catalogue(file) {
  const pairs = new Map();
  for (const entry of readFileSync(file, 'utf8').split('\n\n')) {
    const part = (word) => {
      const found = new RegExp(`^${word} ((?:"(?:[^"\\\\]|\\\\.)*"\\s*)+)`, 'm').exec(entry);
      return (found?.[1].match(/"(?:[^"\\]|\\.)*"/g) ?? []).map((text) => JSON.parse(text)).join('');
    };
    if (part('msgid')) pairs.set(part('msgid'), part('msgstr') || part('msgstr\\[0\\]'));
  }
  return pairs;
}
