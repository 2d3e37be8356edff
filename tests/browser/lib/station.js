// A phone or laptop: a network namespace with one interface, curl in the part of the system's probes, and Chromium.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { eventually } from './process.js';

/** The browser. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** Whose key is whose in the tests' configurations. */
export const GUEST = 'shared';
export const OWNER = 'owner';

export class Station {
  #browser;

  constructor(world, namespace, number) {
    this.world = world;
    this.namespace = namespace;
    this.number = number;
    this.mac = `02:00:00:00:01:${number.toString(16).padStart(2, '0')}`;
  }

  /** Makes the interface; it has no address yet. */
  async plug() {
    const port = `phy0-ap0.${this.number}`;
    this.namespace.resolver('192.168.77.1');
    await this.world.router
      .ip(`link add ${port} type veth peer name wlan0 address ${this.mac} netns ${this.namespace.name}
      link set ${port} master br-lan
      link set ${port} up`);
    await this.namespace.ip('link set wlan0 up');
  }

  /** Joins with the key of this name and gets its addresses. Returns when the agent knows a guest. */
  async join(keyid = GUEST) {
    const { hostapd, dir } = this.world;
    hostapd.tell(`join ${this.mac} ${keyid}`);
    const script = join(dir, 'udhcpc.sh');
    writeFileSync(script, UDHCPC);
    chmodSync(script, 0o755);
    await this.namespace.run(['busybox', 'udhcpc', '-i', 'wlan0', '-f', '-q', '-n', '-s', script]);
    await this.namespace.ip(`address replace fd00:77::1:${this.number}/64 dev wlan0 nodad
      route replace default via fd00:77::1`);
    if (keyid !== GUEST) return;
    await eventually('the agent knows its guest', async () => JSON.parse((await this.get(WELCOME)).body).network);
  }

  /** Leaves the air. It may come back. */
  leave() {
    this.world.hostapd.tell(`leave ${this.mac}`);
  }

  /**
   * Asks for an address as a system does, without following anything: `{ status, headers, body, seconds }`. With curl's
   * exit code as `error` when the answer did not come, or did not end in time.
   */
  async get(url, { headers = {}, family, data, limit = 8 } = {}) {
    const words = ['curl', '-s', '-i', '-g', '-m', `${limit}`, '--cacert', this.world.certificates.ca];
    for (const [name, value] of Object.entries(headers)) words.push('-H', `${name}: ${value}`);
    if (family) words.push(`-${family}`);
    if (data !== undefined) words.push('-d', data);
    const begin = Date.now();
    try {
      return { ...parse(await this.namespace.run([...words, url])), seconds: (Date.now() - begin) / 1000 };
    } catch (error) {
      if (typeof error.code !== 'number') throw error;
      return { ...parse(error.out), error: error.code, seconds: (Date.now() - begin) / 1000 };
    }
  }

  /** Its browser, which runs where it is. */
  async browser() {
    if (!this.#browser) {
      const program = join(this.world.dir, `chromium-${this.number}`);
      writeFileSync(program, `#!/bin/sh\nexec ${this.namespace.within(CHROMIUM).join(' ')} "$@"\n`);
      chmodSync(program, 0o755);
      this.#browser = await chromium.launch({ executablePath: program });
    }
    return this.#browser;
  }

  async close() {
    await this.#browser?.close();
  }
}

/** curl's exit codes for a connection that was refused, by whatever means, and for an answer that takes too long. */
export const REFUSED = 7;
export const LATE = 28;

const WELCOME = 'http://192.168.77.1:8910/.well-known/welcome';
const UDHCPC = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip address replace "$ip/24" dev "$interface"
ip route replace default via "$router"
`;

function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return {};
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(':')[0].toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) };
}
