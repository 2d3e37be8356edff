// Certificates for the tests, made as they run by openssl(1).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { run } from './process.js';

/**
 * A certification authority, and a certificate of it for each of `owners`, who have names in DNS:
 * `{ ca, OWNER: { cert, key } }`, all file names.
 */
export async function makeCertificates(dir, owners) {
  const ca = join(dir, 'ca.pem');
  const caKey = join(dir, 'ca.key');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await run(['openssl', 'req', '-x509', ...curve, '-keyout', caKey, '-out', ca, '-subj', '/CN=tests']);
  const made = { ca };
  for (const [owner, names] of Object.entries(owners)) {
    const [cert, key, request, extra] = ['pem', 'key', 'csr', 'ext'].map((kind) => join(dir, `${owner}.${kind}`));
    writeFileSync(extra, `subjectAltName=${names.map((name) => `DNS:${name}`)}\nextendedKeyUsage=serverAuth\n`);
    await run(['openssl', 'req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${owner}`]);
    const by = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', extra];
    await run(['openssl', 'x509', '-req', '-in', request, ...by, '-out', cert]);
    made[owner] = { cert, key };
  }
  return made;
}
