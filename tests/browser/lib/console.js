// A directory server of one's own, and a router that speaks to it as the agent does: enrols, announces, listens, reports.

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { Daemon, eventually } from './process.js';
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

/** A router as the server sees it. */
export class Router {
  events = [];

  constructor(url) {
    this.url = url;
    this.pair = generateKeyPairSync('ed25519');
  }

  async enrol(token) {
    const { x } = this.pair.publicKey.export({ format: 'jwk' });
    const answer = await this.#ask('POST', '/v1/enrol', { token, public_key: x, version: '0.1.0' }, false);
    assert.equal(answer.status, 201, answer.text);
    this.id = JSON.parse(answer.text).router;
  }

  async announce(networks) {
    const body = { generation: (this.generation = (this.generation ?? 0) + 1), networks };
    const answer = await this.#ask('PUT', `/v1/routers/${this.id}/announce`, body);
    assert.ok(answer.status < 300, answer.text);
  }

  async report(...what) {
    const at = Math.floor(Date.now() / 1000);
    const reports = what.map((one) => ({ network: 'cafe', what: one, at }));
    const answer = await this.#ask('POST', `/v1/routers/${this.id}/reports`, { batch: randomUUID(), reports });
    assert.ok(answer.status < 300, answer.text);
  }

  /** Opens the stream; what comes is in `events`: name and data. */
  async listen() {
    const path = `/v1/routers/${this.id}/events`;
    this.stream = request(this.url + path, { headers: this.#signed('GET', path) });
    this.stream.on('error', () => {});
    this.stream.end();
    const response = await new Promise((resolve) => this.stream.on('response', resolve));
    assert.equal(response.statusCode, 200);
    let text = '';
    response.on('error', () => {});
    response.setEncoding('utf8').on('data', (piece) => {
      text += piece;
      const parts = text.split('\n\n');
      text = parts.pop();
      for (const part of parts) {
        const field = (name) => part.match(new RegExp(`^${name}: ?(.*)$`, 'm'))?.[1];
        if (field('data')) this.events.push({ name: field('event'), data: JSON.parse(field('data')) });
      }
    });
  }

  /** The titles of the offers it has. */
  titles() {
    const last = this.events.filter((event) => event.name === 'offers').at(-1);
    return (last?.data.offers ?? []).map((signed) => JSON.parse(signed.statement).offer.content.title);
  }

  close() {
    this.stream?.destroy();
  }

  #signed(method, path, body) {
    const parts = ['"@method"', '"@authority"', '"@request-target"'];
    const host = new URL(this.url).host;
    const lines = [`"@method": ${method}`, `"@authority": ${host}`, `"@request-target": ${path}`];
    const headers = { host };
    if (body !== undefined) {
      headers['content-digest'] = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
      parts.push('"content-digest"');
      lines.push(`"content-digest": ${headers['content-digest']}`);
    }
    const created = Math.floor(Date.now() / 1000);
    const params = `(${parts.join(' ')});created=${created};keyid="${this.id}";alg="ed25519"`;
    const base = [...lines, `"@signature-params": ${params}`].join('\n');
    headers['signature-input'] = `welcome=${params}`;
    headers.signature = `welcome=:${sign(null, Buffer.from(base), this.pair.privateKey).toString('base64')}:`;
    return headers;
  }

  #ask(method, path, json, isSigned = true) {
    const body = JSON.stringify(json);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    if (isSigned) Object.assign(headers, this.#signed(method, path, body));
    return new Promise((resolve, reject) => {
      const asked = request(this.url + path, { method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece) => (text += piece));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }
}

export { eventually };
