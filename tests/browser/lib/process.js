// Programs beside the tests: commands that run to their end, and daemons with a log each.

import { execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** Runs a command; its standard output. `input` is what it reads. */
export function run(words, input) {
  return new Promise((resolve, reject) => {
    const [program, ...args] = words;
    const child = execFile(program, args, { timeout: 30_000, maxBuffer: 16 << 20 }, (error, out, err) => {
      if (!error) return resolve(out);
      reject(Object.assign(new Error(`${words.join(' ')}: ${err || error.message}`), { code: error.code, out }));
    });
    // Whoever ends before it has read everything says why itself.
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

/** Tries until `probe` returns something true, and returns that. */
export async function eventually(what, probe, limit = 20_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await pause(50);
  }
}

/** Waits; only for what has no sign to wait for. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A program that runs until it is stopped. What it prints is kept line by line, and in the file `log`. */
export class Daemon {
  lines = [];
  #ended;

  constructor(name, words, log, env = {}) {
    const [program, ...args] = words;
    this.name = name;
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    const file = createWriteStream(log);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        file.write(`${line}\n`);
      });
    }
    this.child.stdin.on('error', () => {});
    this.exit = new Promise((resolve) => {
      this.child.on('error', (error) => resolve(error.message));
      this.child.on('close', (code, signal) => resolve(code ?? signal));
    });
    this.exit.then((how) => {
      this.#ended = { how };
      file.end();
    });
  }

  /** Waits until it has printed a line of which `is` is true. */
  async says(what, is) {
    await eventually(`${this.name} says ${what}`, () => {
      if (!this.lines.some(is)) this.mustRun();
      return this.lines.some(is);
    });
  }

  /** Throws if it has ended. */
  mustRun() {
    if (this.#ended) throw new Error(`${this.name} ended (${this.#ended.how}): ${this.lines.slice(-10).join('\n')}`);
  }

  /** Gives it one line to read. */
  tell(line) {
    this.child.stdin.write(`${line}\n`);
  }

  /** Asks it to end, and waits; how it ended. One that does not end in time is killed, which is an error. */
  async stop(signal = 'SIGTERM', limit = 5_000) {
    if (!this.#ended) this.child.kill(signal);
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, limit, 'late')));
    const how = await Promise.race([this.exit, late]);
    clearTimeout(timer);
    if (how !== 'late') return how;
    this.child.kill('SIGKILL');
    throw new Error(`${this.name} did not end within ${limit} ms of ${signal}`);
  }
}
