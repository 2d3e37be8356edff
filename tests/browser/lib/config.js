// Configurations of the agent, as far as the tests share them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './world.js';

/** One network with guests and its owner on the same interface, told apart by their keys. */
export function cafe(mode, more = []) {
  const lines = [
    "config network 'cafe'",
    "list ifname 'phy0-ap0'",
    "option credential 'keyid'",
    "list shared_keyid 'shared'",
    "list owner_keyid 'owner'",
    `option mode '${mode}'`,
    ...more,
  ];
  return `${lines.join('\n\t')}\n\n`;
}

/** One message. */
export const offer = (id, options) => section(`offer '${id}'`, options);

/** What it says to those who read another language. */
export const translation = (id, language, options) => section('translation', { offer: id, language, ...options });

function section(head, options) {
  const lines = Object.entries(options).map(([name, value]) => `\toption ${name} ${quoted(value)}\n`);
  return `config ${head}\n${lines.join('')}\n`;
}

/** As UCI and shells quote. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The message that most tests show. */
export const HELLO = offer('hello', {
  title: 'Coffee is half price',
  text: 'Until noon, for everybody who says hello at the counter.',
  link: 'https://cafe.example/today',
});

/** What our own pages say, by language. */
export const WORDS = Object.fromEntries(
  ['en', 'zh'].map((name) => [
    name,
    JSON.parse(readFileSync(join(ROOT, `files/usr/share/welcomed/languages/${name}.json`))),
  ]),
);
