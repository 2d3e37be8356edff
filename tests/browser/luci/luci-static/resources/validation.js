'use strict';
'require baseclass';

// A stand-in for LuCI's `validation`: the datatypes that our pages name. Each answers true, or what would be right.

const V4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

function isV6(text) {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return false;
  try {
    return Boolean(new URL(`http://[${text}]/`));
  } catch {
    return false;
  }
}

function isPrefix(text, isAddress, most) {
  const [address, bits, more] = text.split('/');
  return more === undefined && isAddress(address) && /^\d{1,3}$/.test(bits ?? '') && Number(bits) <= most;
}

const TYPES = {
  string: [() => true, ''],
  uinteger: [(text) => /^\d+$/.test(text), 'positive integer value'],
  uciname: [(text) => /^[a-zA-Z0-9_]+$/.test(text), 'valid UCI identifier'],
  ip4addr: [(text) => V4.test(text), 'valid IPv4 address'],
  ip6addr: [isV6, 'valid IPv6 address'],
  cidr4: [(text) => isPrefix(text, (a) => V4.test(a), 32), 'valid IPv4 CIDR'],
  cidr6: [(text) => isPrefix(text, isV6, 128), 'valid IPv6 CIDR'],
};

return baseclass.extend({
  check(datatype, text) {
    const any = /^or\((.*)\)$/.exec(datatype);
    const names = any ? any[1].split(/,\s*/) : [datatype];
    const found = names.map((name) => {
      if (!TYPES[name]) throw new Error(`the stand-in has no datatype ${name}`);
      return TYPES[name];
    });
    if (found.some(([fits]) => fits(text))) return true;
    return `Expecting: ${found.map(([, right]) => right).join('; ')}`;
  },
});
