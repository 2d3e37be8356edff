// Network namespaces of this run, named after its process so that those of a crashed one can be told and removed.

import { mkdirSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';

import { run } from './process.js';

const PREFIX = 'welcomed-test';
/** Where `ip netns exec` looks for files that stand in for those in /etc. */
const ETC = '/etc/netns';

/** One namespace. */
export class Namespace {
  constructor(name) {
    this.name = name;
  }

  static async open(role) {
    const namespace = new Namespace(`${PREFIX}-${process.pid}-${role}`);
    await run(['ip', 'netns', 'add', namespace.name]);
    await namespace.ip('link set lo up');
    return namespace;
  }

  /** Runs ip(8) in here, one command a line. */
  ip(commands) {
    return run(['ip', '-n', this.name, '-batch', '-'], commands.replaceAll(/^\s+/gm, ''));
  }

  /** The words of a command that is to run in here. */
  within(...words) {
    return ['ip', 'netns', 'exec', this.name, ...words];
  }

  run(words, input) {
    return run(this.within(...words), input);
  }

  /** Sets things below /proc/sys/net. */
  set(settings) {
    const lines = Object.entries(settings).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`);
    return this.run(['sh', '-ec', lines.join('\n')]);
  }

  /** Names in here are looked up at this server. */
  resolver(address) {
    mkdirSync(`${ETC}/${this.name}`, { recursive: true });
    writeFileSync(`${ETC}/${this.name}/resolv.conf`, `nameserver ${address}\n`);
  }

  /** Ends every process in here, and the namespace with all its interfaces. */
  close() {
    return remove(this.name);
  }
}

/** Removes what runs that were killed have left. */
export async function removeLeftovers() {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) await remove(name);
  }
}

async function remove(name) {
  const pids = (await run(['ip', 'netns', 'pids', name])).split('\n').filter(Boolean).map(Number);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  await run(['ip', 'netns', 'delete', name]);
  rmSync(`${ETC}/${name}`, { recursive: true, force: true });
  try {
    if (readdirSync(ETC).length === 0) rmSync(ETC, { recursive: true });
  } catch {
    // It was not there.
  }
}
