// A directory server of one's own, and a router with the real agent on it.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { Daemon, eventually, run } from './process.js';
import { CHROMIUM } from './station.js';
import { OUTPUT, ROOT } from './world.js';

/** The program that was built, with a data directory of its own; a browser beside it. */
export class Directory {
  static async open(name) {
    const directory = new Directory();
    mkdirSync(OUTPUT, { recursive: true });
    directory.data = mkdtempSync(join(tmpdir(), 'welcomed-console-'));
    const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
    const words = [join(target, 'debug/welcome-server'), 'serve', '--listen', '127.0.0.1:0', '--data', directory.data];
    directory.server = new Daemon('welcome-server', words, join(OUTPUT, `${name}.server.log`));
    await directory.server.says('where to set up', (line) => line.startsWith('set up at '));
    directory.setUp = directory.server.lines.find((line) => line.startsWith('set up at ')).slice('set up at '.length);
    directory.url = new URL(directory.setUp).origin;
    directory.browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    return directory;
  }

  /** A page in a context of its own: cookies of somebody else. */
  async page(options = {}) {
    const context = await this.browser.newContext({ timezoneId: 'Asia/Shanghai', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.faults = [];
    page.on('pageerror', (error) => page.faults.push(error.message));
    page.on('console', (said) => said.type() === 'error' && page.faults.push(said.text()));
    page.on('request', (asked) => {
      const ours = asked.url().startsWith(`${this.url}/`) || /^(data|blob):/.test(asked.url());
      if (!ours) page.faults.push(`asks ${asked.url()}`);
    });
    return page;
  }

  async close() {
    await this.browser?.close();
    assert.equal(await this.server.stop(), 0, 'the server stops well');
    rmSync(this.data, { recursive: true, force: true });
  }
}

/**
 * A router: the agent itself, beside a stand-in for hostapd. It has one network, `cafe`, on which everybody is a guest.
 */
export class Router {
  /** Starts it; `bssid` and `ssid` are on the air. It enrols by the token. */
  static async start(name, url, token, { bssid, ssid }) {
    const router = new Router();
    const dir = mkdtempSync(join(tmpdir(), 'welcomed-router-'));
    router.dir = dir;
    const programs = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug');
    const log = (of) => join(OUTPUT, `${name}.${of}.log`);
    router.hostapd = new Daemon('hostapd', [join(programs, 'fake-hostapd'), dir, 'wlan0', bssid, ssid], log('hostapd'));
    await router.hostapd.says('that it is a stand-in', (line) => line.includes('stand-in'));
    router.status = join(dir, 'status.sock');
    const main = {
      enabled: 1,
      ...{ hostapd_dir: dir, ubus_socket: join(dir, 'ubus'), leases: join(dir, 'leases'), status_socket: router.status },
      ...{ state_dir: join(dir, 'state'), cache_dir: join(dir, 'content'), clock: 'system' },
      languages: join(ROOT, 'files/usr/share/welcomed/languages'),
    };
    const options = (of) => Object.entries(of).map(([name, value]) => `\toption ${name} '${value}'\n`).join('');
    const config = `config welcomed 'main'\n${options(main)}\tlist listen '127.0.0.1:0'\n
config server 'server'\n${options({ url, token, allow_plain_http: 1, ownership: 1 })}
config network 'cafe'\n\tlist ifname 'wlan0'\n${options({ credential: 'bss' })}`;
    writeFileSync(join(dir, 'welcomed'), config);
    router.program = join(programs, 'welcomed');
    const words = [router.program, 'run', '--config', join(dir, 'welcomed'), '--log', 'stderr'];
    router.agent = new Daemon('welcomed', words, log('agent'));
    await eventually('the agent is connected', async () => {
      router.agent.mustRun();
      return (await router.told())?.server?.link === 'connected';
    });
    return router;
  }

  /** What the agent says of itself. */
  async told() {
    const said = await run([this.program, 'status', '--json', '--socket', this.status]).catch(() => 'null');
    return JSON.parse(said);
  }

  /** The titles of the offers that it holds. */
  async titles() {
    return ((await this.told())?.offers ?? []).map((offer) => offer.title);
  }

  /** A station joins. */
  join(mac) {
    this.hostapd.tell(`join ${mac}`);
  }

  async close() {
    await this.agent?.stop();
    await this.hostapd?.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export { eventually };
