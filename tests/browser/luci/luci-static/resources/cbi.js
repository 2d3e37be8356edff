// A stand-in for LuCI's file of the same name: formatting and translation, as far as our pages use them.

/** `%s`, `%d`, `%h` (escaped), `%x`, with a width in zeros. */
String.prototype.format = function (...values) {
  return this.replace(/%(%|0?(\d*)(?:\.\d+)?([sdhx]))/g, (all, kind, width, letter) => {
    if (kind === '%') return '%';
    const value = values.shift();
    if (letter === 's') return String(value ?? '');
    if (letter === 'h') return String(value ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
    const digits = Math.trunc(Number(value) || 0).toString(letter === 'x' ? 16 : 10);
    return digits.padStart(Number(width) || 0, '0');
  });
};

/** The real one hashes; any function will do that tells texts apart. */
const sfh = (text) => text;

const squeezed = (text) => String(text).trim().replace(/[ \t\n]+/g, ' ');
const translated = (key) => (window.TR ?? {})[sfh(key)];

function _(text) {
  return translated(squeezed(text)) || text;
}

function N_(n, one, many) {
  const rule = (window.TR ?? {})['00000000'] || 'plural=(n != 1);';
  const form = Number(new Function('n', `let plural; ${rule} return plural`)(n));
  return translated(`${squeezed(one)}\u0002${form}`) || (form ? many : one);
}
