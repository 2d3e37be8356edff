// What LuCI's forms let through the agent takes: the rules of the forms and `welcomed check`, on the same values.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';

import { APP } from './lib/luci.js';
import { run } from './lib/process.js';
import { ROOT } from './lib/world.js';

const AGENT = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/welcomed');
const dir = mkdtempSync(join(tmpdir(), 'welcomed-rules-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const rules = load();
const offer = (name, option, value) => `config offer '${name}'\n${option === 'title' ? '' : "\toption title 'x'\n"}\toption ${option} ${quoted(value)}\n`;
const network = (more) => (name, option, value) => `config network '${name}'\n\tlist ifname '${name}'\n${more}\t${option} ${quoted(value)}\n`;
const main = (option, value) => `config welcomed 'main'\n\t${option} ${quoted(value)}\n`;

/** By option: the form's rule, how it stands in a file, values that are right, and others that may not be. */
const OFFERS = {
  title: [rules.title, ['x', 'x'.repeat(80), '🙂'.repeat(80), '<b>'], ['x'.repeat(81), '🙂'.repeat(81)]],
  text: [rules.text, ['x', 'é'.repeat(2000), 'two\nlines'], ['x'.repeat(2001)]],
  link: [
    rules.link,
    ['https://a', 'http://a.example:80/x?y#z', `https://a/${'x'.repeat(989)}`, 'https://[2001:db8::1]/'],
    ['ftp://a', 'https://', 'https:///a', 'https://a b', 'HTTPS://a', `https://a/${'é'.repeat(600)}`, 'https://a\u0085', 'https://a\u007f', ' https://a'],
  ],
  color: [rules.color, ['#0b5f6b', '#ABCDEF'], ['red', '#12345', '#1234567', '#12345g', '# 12345']],
  language: [rules.language, ['en', 'zh-Hant-TW', 'de-1996'], ['x', 'zh_CN', 'zh--tw', '-zh', 'zh-', '1a', 'a'.repeat(9), `en${'-abcdefgh'.repeat(4)}`]],
  priority: [rules.number(0, 100), ['0', '100', '50'], ['101', '-1', '1.5', '1e1', '', ' 1', '0x1']],
  cap_per_visit: [rules.number(1, 100), ['1', '100'], ['0', '101']],
  from: [rules.moment, ['2026-12-24', '2026-12-24 18:00', '2026-12-24T00:00', '2028-02-29'], ['2026-02-29', '2026-13-01', '2026-12-24 24:00', '26-12-24', '2026-1-1', '2026-12-24  18:00', '2026-12-24 6:00', '0000-01-01', '1969-12-31']],
  hours: [rules.hours, ['08:00-12:00', '22:00-02:00', '00:00-24:00'], ['8:00-12:00', '08:00', '08:00-08:00', '24:00-01:00', '00:00-24:01', '12:60-13:00', '-', '08:00-12:00-13:00']],
};
const NETWORKS = {
  'option place': [rules.place, '', ['48.1374,11.5755', '-90,180', '0,0'], ['91,0', '0,181', '1', 'a,b', '1,2,3', 'NaN,0', 'inf,0', '1e1,0', ',']],
  'option captive_portal': [
    rules.portal, '',
    ['https://portal.example/api', 'https://a:8443', 'https://a/x?y=z'],
    ['http://a/', 'https://192.0.2.1/', 'https://[2001:db8::1]/', 'https://a/x,y', 'https://a/#x', `https://a/${'x'.repeat(250)}`, 'https://', 'https://a b/', 'https://é.example/', 'https://a/é', 'https://a:99999/', 'https://a/"', 'https://a/\\'],
  ],
  'option gate_minutes': [rules.number(1, 10080), "\toption mode 'gate'\n", ['1', '10080'], ['0', '10081', '1.5']],
  'option key': [rules.passphrase, "\toption credential 'passphrase'\n", ['12345678', 'x'.repeat(63), "it's open"], ['1234567', 'x'.repeat(64), 'naïve name', 'tab\tinside']],
  'list shared_keyid': [rules.keyid, "\toption credential 'keyid'\n\toption unknown 'shared'\n", ['guest', '!"#', 'x'.repeat(64)], ['x'.repeat(65), 'é']],
};
const MAIN = {
  'option timezone': [rules.timezone, ['UTC0', 'CET-1CEST,M3.5.0,M10.5.0/3', '<+03>-3', 'CST-8'], ['Middle Earth', '1', 'CET', 'Europe/Berlin', 'CET-1CEST,nonsense', 'CET-99', 'CET-1CEST']],
  'option cache_kib': [rules.number(64, 65536), ['64', '65536'], ['63', '65537', 'x']],
  'option cache_dir': [rules.path, ['/x', '/'], ['x', './x']],
  'list listen': [
    rules.socket,
    ['[::]:8910', '192.168.1.1:80', '[2001:db8::1]:65535', '127.0.0.1:0'],
    ['192.168.1.1', '192.168.1.1:65536', '::1:80', '[::1]', '256.0.0.1:1', '[x]:1', 'localhost:1', '[::ffff:1.2.3.4]:1', '[::1.2.3]:1', '1.2.3.04:1', '[:::1]:1'],
  ],
};
const TLS = [rules.hostName, ['welcome.cafe.example', 'A-1.example'], ['192.0.2.1', 'router', 'a b.example', '-a.example', 'a-.example', 'a..b', '.a', 'a.', 'é.example', `${'x'.repeat(64)}.example`, '1.2.3.4.5', 'a.1']];
const SERVER = [
  rules.server,
  ['https://directory.example', 'https://directory.example:8443', 'https://192.0.2.1/', 'https://[2001:db8::1]:443'],
  ['directory.example', 'https://a/b', 'https://a:0', 'https://a:99999', 'https://a?b', 'https://', 'https://a..b', 'https://-a', 'https://a#b', 'https://[::g]', 'https://999.1.1.1', 'https://u@a', `https://${'x'.repeat(70)}`],
];

test('offers', async () => {
  for (const [option, [rule, right, other]] of Object.entries(OFFERS)) {
    await agree(option, rule, right, other, (values) => {
      const all = values.map((value, i) => offer(`o${i}`, option, value));
      return all.join('\n');
    }, 32);
  }
});

test('networks', async () => {
  for (const [option, [rule, more, right, other]] of Object.entries(NETWORKS)) {
    await agree(option, rule, right, other, (values) => values.map((value, i) => network(more)(`o${i}`, option, value)).join('\n'), 16);
  }
  await agree('ifname', rules.ifname, ['wlan0', 'phy0.1-ap0', 'x'.repeat(15)], ['x'.repeat(16), '.', '..', 'a/b', 'é'.repeat(8), 'a\u0007'],
    (values) => values.map((value, i) => `config network 'o${i}'\n\tlist ifname ${quoted(value)}\n`).join('\n'), 16);
});

test('settings and server', async () => {
  for (const [option, [rule, right, other]] of Object.entries(MAIN)) {
    await agree(option, rule, right, other, ([value]) => main(option, value), 1);
  }
  const tls = ([value]) => `${main('option tls_name', value)}\toption tls_cert '/c'\n\toption tls_key '/k'\n`;
  await agree('tls_name', ...TLS, tls, 1);
  await agree('url', ...SERVER, ([value]) => `config server\n\toption url ${quoted(value)}\n`, 1);
});

/**
 * The form takes what is right, and what it takes of these and of many a change of them the agent takes. `write` makes a
 * file of as many values as it may have.
 */
async function agree(name, rule, right, other, write, most) {
  for (const value of right) assert.equal(rule(null, value), true, `${name}: ${value}`);
  for (const value of right) assert.deepEqual(await refused(write([value])), [], `${name}: ${value}`);
  const changed = right.concat(other).flatMap((value) => changes(value, most === 1 ? 12 : 120));
  const all = new Set([...right, ...other, ...changed]);
  const taken = [...all].filter((value) => value !== '' && rule(null, value) === true);
  for (let i = 0; i < taken.length; i += most) {
    const values = taken.slice(i, i + most);
    assert.deepEqual(await refused(write(values)), [], `${name}: ${JSON.stringify(values)}`);
  }
}

/** What the agent says against a file. */
async function refused(text) {
  const file = join(dir, 'welcomed');
  writeFileSync(file, text);
  return run([AGENT, 'check', '--config', file]).then(() => [], (error) => error.message.split('\n'));
}

/** Some texts that differ from another by a sign or two; the same ones in every run. */
let seed = 1;
function changes(text, count) {
  const next = (n) => (seed = (seed * 48271) % 0x7fffffff) % n;
  const signs = ['0', '1', '9', 'a', 'F', '.', ':', '-', '/', ',', '#', '%', '[', ']', ' ', '\t', 'é', '\u0000', '\u202e', '"', '\\'];
  return Array.from({ length: count }, () => {
    const letters = Array.from(text);
    for (let i = 0; i <= next(2); i += 1) letters.splice(next(letters.length + 1), next(2), signs[next(signs.length)]);
    // UCI has no such signs, and rpcd takes none.
    return letters.join('').replaceAll('\u0000', '');
  });
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The form's rules, as LuCI loads them. */
function load() {
  const source = readFileSync(join(APP, 'htdocs/luci-static/resources/view/welcomed/rules.js'), 'utf8');
  const format = 'String.prototype.format ??= function (...values) { return this.replace(/%[sd]/g, () => values.shift()); };';
  return new Function('baseclass', 'uci', '_', `${format}\n${source}`)({ extend: (members) => members }, {}, (text) => text);
}
