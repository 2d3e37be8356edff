// A world for tests: stations behind a router with the real agent, and the Internet behind that. All of it in network
// namespaces of this machine. hostapd is a stand-in, because a namespace has no radio; all else is real.
//
//   station ──wlan0───phy0-ap0, in br-lan── router ──wan────eth0── internet
//             192.168.77.x, fd00:77::x       .1, ::1              198.51.100.10, .20, .30; 2001:db8:1::10, ::20, ::30

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeCertificates } from './certificate.js';
import { PROBES } from './internet.js';
import { Namespace, removeLeftovers } from './namespace.js';
import { Daemon, eventually, run } from './process.js';
import { Station } from './station.js';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');
const PROGRAMS = join(TARGET, 'debug');
/** Where screenshots and logs are afterwards. */
export const OUTPUT = join(TARGET, 'browser');

/** The router, as its stations see it. */
export const ROUTER = { v4: '192.168.77.1', v6: 'fd00:77::1' };
/** The router's name in its own certificate. */
export const TLS_NAME = 'router.example';
/** Where the page is. */
export const PAGE = `http://${ROUTER.v4}:8910/`;
/** What the router's own web interface says on port 80. */
export const LUCI = 'the router’s own web interface\n';

/** The last part of the addresses of the Internet's hosts: one that systems probe, one with all else, one more. */
const HOSTS = [10, 20, 30];

/** What fw4 would have made of a router with one lan and one wan. Ours must live beside it. */
const FW4 = `table inet fw4 {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "br-lan" oifname "wan" accept
    reject
  }
  chain srcnat {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta nfproto ipv4 masquerade
  }
}`;

export class World {
  #closing = [];
  #stations = 0;

  /**
   * A world with a running agent. `config` follows the section `main`; `ssid` is the name of the network on the air;
   * with `tls` the router has a name and a certificate.
   */
  static async open(name, { tls = false, config, ssid = 'Café' }) {
    const world = new World();
    world.name = name;
    try {
      await removeLeftovers();
      await world.#build(ssid);
      writeFileSync(join(world.dir, 'welcomed'), `${world.#main(tls)}\n${config}`);
      await world.startAgent();
    } catch (error) {
      await world.#removeAll();
      throw error;
    }
    return world;
  }

  async #build(ssid) {
    for (const file of readdirSync(tmpdir()).filter((f) => f.startsWith('welcomed-browser-'))) {
      if (!existsSync(`/proc/${file.split('-')[2]}`)) rmSync(join(tmpdir(), file), { recursive: true, force: true });
    }
    this.dir = mkdtempSync(join(tmpdir(), `welcomed-browser-${process.pid}-`));
    this.#closing.push(() => rmSync(this.dir, { recursive: true, force: true }));
    mkdirSync(OUTPUT, { recursive: true });
    this.certificates = await makeCertificates(this.dir, {
      router: [TLS_NAME],
      internet: ['elsewhere.example', 'allowed.example'],
    });
    this.internet = await this.#namespace('internet');
    this.router = await this.#namespace('router');
    await this.router.set({ 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 });
    await this.router.ip(`link add wan type veth peer name eth0 netns ${this.internet.name}
      address add 203.0.113.1/30 dev wan
      address add 2001:db8::1/64 dev wan nodad
      link set wan up
      link add br-lan type bridge
      address add ${ROUTER.v4}/24 dev br-lan
      address add ${ROUTER.v6}/64 dev br-lan nodad
      link set br-lan up`);
    await this.internet.ip(`address add 203.0.113.2/30 dev eth0
      address add 2001:db8::2/64 dev eth0 nodad
      link set eth0 up
      route add default via 203.0.113.1
      route add default via 2001:db8::1
      ${HOSTS.map((host) => `address add 198.51.100.${host} dev lo\naddress add 2001:db8:1::${host} dev lo`).join('\n')}`);
    await this.uplink(true);
    await this.router.run(['nft', '-f', '-'], FW4);
    await this.#programs(ssid);
  }

  async #programs(ssid) {
    const server = fileURLToPath(new URL('internet.js', import.meta.url));
    const { cert, key } = this.certificates.internet;
    this.web = this.#daemon('internet', this.internet.within(process.execPath, server, cert, key));
    this.#daemon('dnsmasq', this.router.within('dnsmasq', ...dnsmasq(this.dir)));
    const root = join(this.dir, 'www');
    mkdirSync(root);
    writeFileSync(join(root, 'index.html'), LUCI);
    this.#daemon('luci', this.router.within('busybox', 'httpd', '-f', '-p', '80', '-h', root));
    const hostapd = join(PROGRAMS, 'fake-hostapd');
    mkdirSync(join(this.dir, 'hostapd'));
    this.hostapd = this.#daemon('hostapd', [hostapd, join(this.dir, 'hostapd'), 'phy0-ap0', '02:00:00:00:00:00', ssid]);
    await this.hostapd.says('that it is a stand-in', (line) => line.includes('stand-in'));
    await this.web.says('ready', (line) => line === 'ready');
  }

  /** Starts the agent, and waits until it answers. One that ran before has been stopped. */
  async startAgent() {
    const config = join(this.dir, 'welcomed');
    const words = [join(PROGRAMS, 'welcomed'), 'run', '--config', config, '--log', 'stderr', '--log-level', 'debug'];
    this.agent = this.#daemon(this.agent ? 'agent-again' : 'agent', this.router.within(...words));
    await eventually('the agent answers', async () => {
      this.agent.mustRun();
      const open = await this.router.run(['curl', '-s', '-m', '2', `${PAGE}.well-known/welcome`]).catch(() => '');
      return open.includes('"version"');
    });
  }

  #main(tls) {
    const dir = this.dir;
    const { cert, key } = this.certificates.router;
    const options = {
      enabled: 1,
      hostapd_dir: `${dir}/hostapd`,
      ubus_socket: `${dir}/ubus.sock`,
      leases: `${dir}/leases`,
      status_socket: `${dir}/status.sock`,
      state_dir: `${dir}/state`,
      cache_dir: `${dir}/content`,
      languages: join(ROOT, 'files/usr/share/welcomed/languages'),
      ...(tls && { tls_name: TLS_NAME, tls_cert: cert, tls_key: key }),
    };
    const lines = Object.entries(options).map(([name, value]) => `\toption ${name} '${value}'\n`);
    return `config welcomed 'main'\n${lines.join('')}`;
  }

  /** Somebody with a phone, who is not on the air. */
  async station() {
    this.#stations += 1;
    const number = this.#stations;
    const namespace = await this.#namespace(`station${number}`);
    const station = new Station(this, namespace, number);
    this.#closing.push(() => station.close());
    await station.plug();
    return station;
  }

  /** Whether the router has a way to the Internet. */
  uplink(isThere) {
    const verb = isThere ? 'add' : 'delete';
    return this.router.ip(`route ${verb} default via 203.0.113.2
      route ${verb} default via 2001:db8::2`);
  }

  /** The agent's picture, as `welcomed status --json` tells it. */
  async status() {
    const words = [join(PROGRAMS, 'welcomed'), 'status', '--json', '--socket', `${this.dir}/status.sock`];
    return JSON.parse(await this.router.run(words));
  }

  /** The tables of nftables on the router. */
  async tables() {
    return (await this.router.run(['nft', 'list', 'tables'])).trim().split('\n');
  }

  /** What of ours the kernel has at this moment, for messages of failed tests. */
  rules() {
    return this.router.run(['nft', 'list', 'ruleset']);
  }

  /** The requests that have reached the Internet, of which `is` is true. */
  requests(is = () => true) {
    return this.web.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
      .filter(is);
  }

  /** Ends everything. What the agent left behind on the router is an error. */
  async close() {
    try {
      assert.equal(await this.agent.stop(), 0, 'the agent ends well');
      assert.deepEqual(await this.tables(), ['table inet fw4'], 'nothing of ours is left in nftables');
    } finally {
      await this.#removeAll();
    }
  }

  async #removeAll() {
    const errors = [];
    for (const close of this.#closing.reverse()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#closing = [];
    if (errors.length > 0) throw errors[0];
  }

  async #namespace(role) {
    const namespace = await Namespace.open(role);
    this.#closing.push(() => namespace.close());
    return namespace;
  }

  #daemon(name, words) {
    const daemon = new Daemon(name, words, join(OUTPUT, `${this.name}-${name}.log`));
    this.#closing.push(() => daemon.stop('SIGKILL'));
    return daemon;
  }
}

/** As OpenWrt would run it: addresses for stations, and names. What systems probe is on a host of its own. */
function dnsmasq(dir) {
  const probed = new Set(PROBES.map(([, url]) => new URL(url).hostname));
  const at = (name, host) => [`/${name}/198.51.100.${host}`, `/${name}/2001:db8:1::${host}`];
  const addresses = [
    ...[...probed].flatMap((name) => at(name, 10)),
    ...at('allowed.example', 30),
    ...at('#', 20),
    ...[ROUTER.v4, ROUTER.v6].map((address) => `/${TLS_NAME}/${address}`),
  ];
  return [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--user=root', '--pid-file=', '--log-facility=-'],
    ...['--no-resolv', '--no-hosts', '--interface=br-lan', '--bind-interfaces'],
    ...[
      '--dhcp-authoritative',
      '--no-ping',
      '--dhcp-range=192.168.77.100,192.168.77.200,1h',
      `--dhcp-leasefile=${dir}/leases`,
    ],
    ...addresses.map((address) => `--address=${address}`),
  ];
}
