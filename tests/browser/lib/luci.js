// A router's web interface for tests: the bridge of the test kit, the real agent beside it, and LuCI in Chromium.
//
// LuCI's client code is the stand-in in tests/browser/luci, or the real one: LUCI_RESOURCES names a directory with its
// `luci-static` (resources and the theme bootstrap).

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { Namespace, removeLeftovers } from './namespace.js';
import { picture } from './page.js';
import { Daemon, eventually, run } from './process.js';
import { CHROMIUM } from './station.js';
import { OUTPUT, ROOT } from './world.js';

const PROGRAMS = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug');
/** The app as the package feed has it. */
export const APP = join(ROOT, 'openwrt-package/luci-app-welcomed');
const STAND_IN = fileURLToPath(new URL('../luci', import.meta.url));
const RECORDINGS = fileURLToPath(new URL('../luci/recordings', import.meta.url));
/** Whether LuCI is the real one. */
export const IS_REAL = Boolean(process.env.LUCI_RESOURCES);
/** Where pages are below a router's address. */
const BASE = '/cgi-bin/luci/admin/services/welcomed';

/** An access point as `/etc/config/wireless` has it. */
const radio = `config wifi-device 'radio0'
\toption type 'mac80211'
\toption band '2g'

`;
export const accessPoint = (section, ssid, more = '') => `config wifi-iface '${section}'
\toption device 'radio0'
\toption mode 'ap'
\toption network 'guest'
\toption ssid '${ssid.replaceAll("'", "'\\''")}'
\toption encryption 'psk2'
\toption key 'a key of the router'
${more}
`;

export class Luci {
  #closing = [];
  #calls = 0;

  /** A router. `welcomed` follows the section `main`; with `enabled` the agent runs. */
  static async open(name, { welcomed = '', wireless = accessPoint('guest', 'Corner Café'), enabled = false } = {}) {
    const luci = new Luci();
    luci.name = name;
    try {
      await removeLeftovers();
      await luci.#build(welcomed, wireless, enabled);
    } catch (error) {
      await luci.close();
      throw error;
    }
    return luci;
  }

  async #build(welcomed, wireless, enabled) {
    this.dir = mkdtempSync(join(tmpdir(), `welcomed-browser-${process.pid}-`));
    this.#closing.push(() => rmSync(this.dir, { recursive: true, force: true }));
    mkdirSync(OUTPUT, { recursive: true });
    mkdirSync(join(this.dir, 'config'));
    this.port = await freePort();
    this.main = Object.entries({
      listen: `127.0.0.1:${this.port}`,
      ...{ hostapd_dir: `${this.dir}/hostapd`, ubus_socket: `${this.dir}/ubus.sock`, leases: `${this.dir}/leases` },
      ...{ status_socket: `${this.dir}/status.sock`, state_dir: `${this.dir}/state`, cache_dir: `${this.dir}/content` },
      ...{ languages: join(ROOT, 'files/usr/share/welcomed/languages') },
    }).map(([option, value]) => `\t${option === 'listen' ? 'list' : 'option'} ${option} '${value}'\n`);
    this.put('welcomed', `config welcomed 'main'\n\toption enabled '${Number(enabled)}'\n${this.main.join('')}\n${welcomed}`);
    this.put('wireless', radio + wireless);
    this.put('dhcp', "config dnsmasq\n\toption domainneeded '1'\n\nconfig dhcp 'guest'\n\toption interface 'guest'\n");
    this.put('luci', "config core 'main'\n\toption lang 'auto'\n");
    const www = process.env.LUCI_RESOURCES ?? STAND_IN;
    const log = join(OUTPUT, `${this.name}-bridge.log`);
    this.bridge = new Daemon('bridge', [join(PROGRAMS, 'bridge'), this.dir, APP, www], log);
    this.#closing.push(() => this.bridge.stop('SIGKILL'));
    await this.bridge.says('where it is', (line) => line.startsWith('{"at"'));
    this.url = JSON.parse(this.bridge.lines[0]).at;
    this.namespace = await Namespace.open('luci');
    this.#closing.push(() => this.namespace.close());
    // A way to the Internet, as far as a router can tell.
    await this.namespace.ip(`link add wan type veth peer name far
      address add 203.0.113.1/30 dev wan
      link set wan up
      link set far up
      route add default via 203.0.113.2`);
    if (enabled) await this.#startAgent();
  }

  /** The UCI text of a configuration. */
  text(config) {
    return readFileSync(join(this.dir, 'config', config), 'utf8');
  }

  put(config, text) {
    writeFileSync(join(this.dir, 'config', config), text);
  }

  /** The text without what stands for this machine's paths. */
  saved(config = 'welcomed') {
    const lines = this.text(config).split('\n').map((line) => `${line}\n`);
    return lines.filter((line) => !this.main.includes(line)).join('').replace(/\n{2,}/g, '\n\n').trim();
  }

  /** What the agent itself says of the configuration: nothing if it takes it. */
  async check() {
    const text = this.text('welcomed').replaceAll("'/etc/welcomed/", `'${this.dir}/etc/`);
    const file = join(this.dir, 'checked');
    writeFileSync(file, text);
    return run([join(PROGRAMS, 'welcomed'), 'check', '--config', file]).then(
      () => '',
      (error) => error.message,
    );
  }

  /** Does something on the router: `['join', ['phy0-ap0', MAC]]`. Its answer. */
  async tell(verb, given) {
    const before = this.#answers().length;
    this.bridge.tell(JSON.stringify({ [verb]: given }));
    const answer = await eventually(`the bridge did ${verb}`, () => {
      this.bridge.mustRun();
      return this.#answers()[before];
    });
    return JSON.parse(answer).done;
  }

  #answers() {
    return this.bridge.lines.filter((line) => line.startsWith('{"done"'));
  }

  /** The changing calls of pages since the last time this was asked, in a form that is alike on every machine. */
  calls() {
    const all = this.bridge.lines.filter((line) => line.startsWith('{"asked"')).map((line) => JSON.parse(line).asked);
    const fresh = all.slice(this.#calls);
    this.#calls = all.length;
    const changing = fresh.filter(
      ({ object, method }) => (object === 'uci' && !['get', 'changes'].includes(method)) || method === 'say',
    );
    return changing.map(({ object, method, arguments: given }) => ({ call: `${object}.${method}`, ...given }));
  }

  /** procd: what the trigger of the init script does whenever the configuration was changed. */
  async settle() {
    const isOn = /option enabled '1'/.test(this.text('welcomed'));
    if (isOn && !this.agent) return this.#startAgent();
    if (isOn) return this.tell('call', ['welcomed', 'reload', {}]);
    return this.#stopAgent();
  }

  async #startAgent() {
    const config = join(this.dir, 'config', 'welcomed');
    const words = [join(PROGRAMS, 'welcomed'), 'run', '--config', config, '--log', 'stderr', '--log-level', 'debug'];
    this.agent = new Daemon('agent', this.namespace.within(...words), join(OUTPUT, `${this.name}-agent.log`));
    this.#closing.push(() => this.#stopAgent());
    await eventually('the agent is on ubus', async () => {
      this.agent.mustRun();
      return (await this.tell('call', ['welcomed', 'networks', {}])).networks;
    });
  }

  async #stopAgent() {
    const agent = this.agent;
    this.agent = undefined;
    await agent?.stop();
  }

  /** An access point on the air, of a section of `/etc/config/wireless`. */
  async addBss(section, ssid, ifname = 'phy0-ap0') {
    const bssid = '02:00:00:00:00:00';
    await this.tell('add_bss', { ifname, section, network: 'guest', bssid, ssid, encryption: 'psk2' });
    if (!this.agent) return;
    await eventually('the agent knows the access point', async () => {
      const { networks } = await this.tell('call', ['welcomed', 'networks', {}]);
      return Object.values(networks).some(({ bss }) => bss.some((b) => b.ifname === ifname));
    });
  }

  /** A phone joins and gets an address; returns how it asks the router. */
  async join(number, ifname = 'phy0-ap0') {
    const [mac, ip] = [`02:00:00:00:0a:0${number}`, `127.0.0.1${number}`];
    await this.tell('join', [ifname, mac]);
    await this.tell('ack', [mac, ip]);
    return (path) => this.namespace.run(['curl', '-s', '--interface', ip, `http://127.0.0.1:${this.port}${path}`]);
  }

  /** A browser of somebody who has logged in as `root`, or as `guest`, who may only read. */
  async visitor(user = 'root', { language = 'en', ...device } = {}) {
    this.browser ??= await chromium.launch({ executablePath: CHROMIUM });
    const login = { jsonrpc: '2.0', id: 1, method: 'call', params: ['0'.repeat(32), 'session', 'login', { username: user }] };
    const answer = await fetch(`${this.url}/ubus`, { method: 'POST', body: JSON.stringify(login) });
    const session = (await answer.json()).result[1].ubus_rpc_session;
    const context = await this.browser.newContext({ viewport: { width: 1100, height: 900 }, locale: 'en-GB', timezoneId: 'UTC', ...device });
    const cookies = { sysauth: session, lang: language };
    await context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: this.url })));
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const visitor = new Visitor(this, page);
    page.on('pageerror', (error) => visitor.errors.push(error.message));
    page.on('dialog', (dialog) => {
      visitor.errors.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(this.url) && !request.url().startsWith('data:')) visitor.errors.push(`asks ${request.url()}`);
    });
    return visitor;
  }

  async close() {
    await this.browser?.close();
    const errors = [];
    for (const close of this.#closing.reverse()) await Promise.resolve(close()).catch((error) => errors.push(error));
    this.#closing = [];
    if (errors.length > 0) throw errors[0];
  }
}

/** Somebody who uses the pages, by what LuCI's forms have in the document. */
export class Visitor {
  errors = [];

  constructor(luci, page) {
    this.luci = luci;
    this.page = page;
  }

  async open(view) {
    await this.page.goto(`${this.luci.url}${BASE}/${view}`);
    await this.page.locator('#view .spinning').waitFor({ state: 'detached' });
    await this.page.locator('h2').first().waitFor();
  }

  /** The form in front: a dialog's, or the page's. */
  get form() {
    return this.page.locator('#modal_overlay .cbi-map:not(.hidden), .cbi-map:not(#modal_overlay *)').last();
  }

  field(name) {
    return this.form.locator(`[data-name="${name}"]`).first();
  }

  async fill(name, text) {
    const input = this.field(name).locator('input:not([type=hidden]), textarea').first();
    await input.fill(text);
    await input.blur();
  }

  async select(name, value) {
    await this.field(name).locator('select').selectOption(value);
  }

  async tick(name, is = true) {
    await this.field(name).locator('input[type=checkbox]').setChecked(is, { force: true });
  }

  /** Chooses of a list of several. */
  async choose(name, ...values) {
    const list = this.field(name).locator('.cbi-dropdown');
    await list.click();
    for (const value of values) await list.locator(`ul.dropdown li[data-value="${value}"]`).click();
    await this.page.keyboard.press('Escape');
  }

  /** Puts values into a list that grows. */
  async add(name, ...values) {
    const input = this.field(name).locator('.add-item input').first();
    for (const value of values) {
      await input.fill(value);
      await input.press('Enter');
    }
  }

  async tab(title) {
    await this.form.locator('.cbi-tabmenu').getByText(title, { exact: true }).click();
    // LuCI's theme lets it fade in, and what is clicked before that is not hit.
    await this.form.evaluate((form) => Promise.all(form.getAnimations({ subtree: true }).map((a) => a.finished)));
  }

  /** Saves the dialog in front. */
  async keep() {
    await this.page.locator('#modal_overlay .button-row button.important').click();
    await this.page.locator('body:not(.modal-overlay-active)').waitFor();
  }

  async save() {
    await this.page.locator('.cbi-page-actions .cbi-button-save').click();
    await this.page.locator('.cbi-page-actions .cbi-button-save:not(.spinning)').waitFor();
  }

  /** Saves and applies, and waits until it is confirmed and the page is there again. */
  async apply(button = this.page.locator('.cbi-page-actions .cbi-button-apply').first()) {
    const before = this.luci.text('welcomed') + this.luci.text('dhcp');
    const again = this.page.waitForEvent('load', { timeout: 30_000 });
    await button.click();
    await eventually('it is applied', () => this.luci.text('welcomed') + this.luci.text('dhcp') !== before);
    await this.luci.settle();
    await again;
    await this.page.locator('#view .spinning').waitFor({ state: 'detached' });
  }

  /** What a form says is wrong with a field; empty if nothing. */
  async complaint(name) {
    const wrong = this.field(name).locator('.cbi-input-invalid').first();
    return (await wrong.count()) ? ((await wrong.getAttribute('data-tooltip')) ?? 'invalid') : '';
  }

  async close() {
    await this.page.context().close();
    assert.deepEqual(this.errors, [], 'nothing went wrong in the page');
  }
}

/** Keeps a picture of what is shown; with LUCI_PICTURES also as `docs/pictures/FOR_DOCS.png`, small enough for a repository. */
export async function shown(page, name, forDocs) {
  // LuCI's theme lets things fade in.
  await page.evaluate(() => Promise.all(document.getAnimations().map((a) => Promise.race([a.finished, new Promise((resolve) => setTimeout(resolve, 500))]))));
  await picture(page, name);
  if (!process.env.LUCI_PICTURES || !forDocs) return;
  assert.ok(IS_REAL, 'documents show the real LuCI');
  const file = join(ROOT, 'docs/pictures', `${forDocs}.png`);
  mkdirSync(join(file, '..'), { recursive: true });
  await page.screenshot({ path: file });
  await run(['pngquant', '--force', '--ext', '.png', '--skip-if-larger', '--quality', '60-90', file]).catch(() => {});
  assert.ok(statSync(file).size < 60_000, `${file} is small`);
}

/**
 * Holds what the pages sent and saved against a recording. Run with the real LuCI and LUCI_RECORD=1 it makes the
 * recording; otherwise it is compared, whichever LuCI there is.
 */
export function recorded(name, what) {
  const file = join(RECORDINGS, `${name}.json`);
  const text = `${JSON.stringify(what, null, 2)}\n`;
  if (process.env.LUCI_RECORD) {
    assert.ok(IS_REAL, 'only the real LuCI is recorded');
    mkdirSync(RECORDINGS, { recursive: true });
    writeFileSync(file, text);
  }
  assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(file, 'utf8')), `as recorded of the real LuCI: ${name}`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
