// The Internet: `node internet.js CERT KEY`. Plays the hosts that systems probe, with their true answers, and every
// other host with one page. Prints one line of JSON a request. What is exported is what the tests compare with.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { fileURLToPath } from 'node:url';

const APPLE = '<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n';

/** What systems ask, and what the true hosts say: [system, address, status, body]. */
export const PROBES = [
  ['Apple', 'http://captive.apple.com/hotspot-detect.html', 200, APPLE],
  ['Android', 'http://connectivitycheck.gstatic.com/generate_204', 204, ''],
  ['Android, fallback', 'http://www.google.com/gen_204', 204, ''],
  ['Windows', 'http://www.msftconnecttest.com/connecttest.txt', 200, 'Microsoft Connect Test'],
  ['Firefox', 'http://detectportal.firefox.com/success.txt', 200, 'success\n'],
  ['GNOME', 'http://nmcheck.gnome.org/check_network_status.txt', 200, 'NetworkManager is online\n'],
];

/** The page of every other host. */
export const ORDINARY = '<!DOCTYPE html><title>Elsewhere</title><h1>Elsewhere on the Internet</h1>';

function answer(request, response) {
  const host = request.headers.host?.replace(/:\d+$/, '') ?? '';
  const url = `http://${host}${request.url}`;
  console.log(JSON.stringify({ method: request.method, host, port: request.socket.localPort, path: request.url }));
  const probe = PROBES.find(([, address]) => address === url);
  const [, , status, body] = probe ?? ['', '', 200, ORDINARY];
  response.writeHead(
    status,
    status === 204 ? {} : { 'content-type': 'text/html', 'content-length': Buffer.byteLength(body) },
  );
  response.end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [cert, key] = process.argv.slice(2, 4).map((file) => readFileSync(file));
  const servers = [
    [http.createServer(answer), 80],
    ...[443, 8443].map((port) => [https.createServer({ cert, key }, answer), port]),
  ];
  await Promise.all(servers.map(([server, port]) => new Promise((resolve) => server.listen(port, '::', resolve))));
  console.log('ready');
}
