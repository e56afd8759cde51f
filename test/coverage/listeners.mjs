/**
 * The servers under test, by name, and what their callers send before the reset: `half` of a question, the whole of an
 * `easy` one, or a `slow` one to which the answer has only begun.
 */
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

import { certificate } from './stand-in-messages.mjs';

const PHASES = ['connect', 'handshake', 'idle', 'mid'];
const HTTP = {
  half: 'GET / HTTP/1.1\r\nHos',
  easy: 'GET / HTTP/1.1\r\nHost: any\r\n\r\n',
  slow: 'GET /slow HTTP/1.1\r\nHost: any\r\n\r\n',
};
/** How a TLS handshake begins: a record of 512 bytes of which only these come. */
const HALF_HELLO = Buffer.from('160301020001', 'hex');
const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: any',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: c29tZSBzaXh0ZWVuIGJ5dA==',
  '\r\n',
].join('\r\n');

export const LISTENERS = {
  'inbound net': { make: () => net.createServer(half), half: 'ea', easy: 'easy', slow: 'slow' },
  'inbound tls': {
    make: () => tls.createServer(certificate(), half),
    isSecure: true,
    half: HALF_HELLO,
    easy: 'easy',
    slow: 'slow',
  },
  'inbound http': { make: () => http.createServer(answer), ...HTTP },
  'inbound https': {
    make: () => https.createServer(certificate(), answer),
    isSecure: true,
    ...HTTP,
    half: HALF_HELLO,
  },
  'inbound http2': {
    make: () => http2.createServer(answer),
    half: 'PRI * HTTP/2.0\r\n',
    easy: http2Request('/'),
    slow: http2Request('/slow'),
  },
  'inbound http2 over tls': {
    make: () => http2.createSecureServer(certificate(), answer),
    isSecure: true,
    protocol: 'h2',
    half: HALF_HELLO,
    easy: http2Request('/'),
    slow: http2Request('/slow'),
  },
  'inbound ws': {
    make: webSockets,
    // Half of a text frame: its head promises five bytes and four of a mask.
    half: UPGRADE.slice(0, 60),
    easy: UPGRADE,
    slow: UPGRADE,
    after: Buffer.from([0x81, 0x85, 1, 2]),
  },
};

export const listenerScenarios = Object.keys(LISTENERS).flatMap((name) =>
  PHASES.map((phase) => ({ kind: 'listener', name, phase })),
);

/** What the peer is to do so that the server is hit in that phase. */
export function callFor({ half: begun, easy, slow, after, isSecure, protocol }, phase) {
  const bytes = (content) => Buffer.from(content).toString('base64');
  if (phase === 'connect') return { sends: [] };
  if (phase === 'handshake') return { sends: [bytes(begun)] };
  const asked = { isSecure, protocol, sends: [bytes(phase === 'idle' ? easy : slow)], awaitsAnswers: true };
  return phase === 'mid' && after ? { ...asked, last: bytes(after) } : asked;
}

function half(socket) {
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    if (bytes.length === 4) socket.write('answer');
  });
}

function answer(request, response) {
  if (request.url !== '/slow') return response.end('answer');
  response.write('the beginning of an answer');
}

async function webSockets() {
  const { WebSocketServer } = await import('ws');
  const server = http.createServer();
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('error', () => {});
    socket.send('welcome');
  });
  return server;
}

/** Preface, empty settings, and one request without a body, compressed by hand. */
function http2Request(path) {
  const field = (index, text) => Buffer.concat([Buffer.from([index, text.length]), Buffer.from(text)]);
  // GET and https are entries 2 and 7 of the static table; 4 is `:path`, 1 is `:authority`.
  const headers = Buffer.concat([Buffer.from([0x82, 0x87]), field(0x44, path), field(0x41, 'any')]);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from('000000040000000000', 'hex'),
    Buffer.from([0, 0, headers.length, 1, 5, 0, 0, 0, 1]),
    headers,
  ]);
}
