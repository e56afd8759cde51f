/**
 * The smallest servers that the drivers take for real ones: enough of each protocol to log in and to have one question
 * answered. Databases are in a file of their own.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

import { mongo, mysql, postgres, redis, tds } from './stand-in-databases.mjs';
import { certificate, eachMessage } from './stand-in-messages.mjs';

/** By name; each makes a server that does not listen yet. */
export const STAND_INS = {
  postgres: () => net.createServer(quietly(postgres)),
  mysql: () => net.createServer(quietly(mysql)),
  tds: () => net.createServer(quietly(tds)),
  redis: () => net.createServer(quietly(redis)),
  mongo: () => net.createServer(quietly(mongo)),
  ldap: () => net.createServer(quietly(ldap)),
  smtp: () => net.createServer(quietly(smtp)),
  echo: () => net.createServer(quietly(echo)),
  mute: () => net.createServer(quietly(() => {})),
  'echo over tls': () => tls.createServer(certificate(), quietly(echo)),
  http: () => upgradable(http.createServer(answer)),
  https: () => https.createServer(certificate(), answer),
  http2: () => http2.createServer(answer),
  'http2 over tls': () => http2.createSecureServer(certificate(), answer),
};

function quietly(serve) {
  return (socket) => {
    socket.on('error', () => {});
    serve(socket);
  };
}

function echo(socket) {
  socket.on('data', (bytes) => socket.write(bytes));
}

function answer(request, response) {
  request.resume();
  request.on('end', () => response.end('one answer, long enough to be cut in half'));
}

/** The WebSocket handshake, and frames sent back unmasked: short texts only. */
function upgradable(server) {
  server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accepted = createHash('sha1').update(key).digest('base64');
    socket.on('error', () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n\r\n`,
    );
    eachMessage(
      socket,
      (bytes) => (bytes.length < 2 ? 0 : 6 + (bytes[1] & 0x7f)),
      (frame) => {
        const text = frame.subarray(6).map((byte, index) => byte ^ frame[2 + (index % 4)]);
        socket.write(Buffer.concat([Buffer.from([frame[0], text.length]), text]));
      },
    );
  });
  return server;
}

/** Bind and search succeed, and find nothing. */
function ldap(socket) {
  const sizeOf = (bytes) => {
    if (bytes.length < 6) return 0;
    const extra = bytes[1] & 0x80 ? bytes[1] & 0x7f : 0;
    return 2 + extra + (extra ? bytes.readUIntBE(2, extra) : bytes[1]);
  };
  eachMessage(socket, sizeOf, (message) => {
    const start = 2 + (message[1] & 0x80 ? message[1] & 0x7f : 0);
    const id = message.subarray(start, start + 2 + message[start + 1]);
    const operation = message[start + id.length];
    const result = Buffer.from([{ 0x60: 0x61, 0x63: 0x65 }[operation] ?? 0, 7, 0x0a, 1, 0, 4, 0, 4, 0]);
    if (result[0]) socket.write(Buffer.concat([Buffer.from([0x30, id.length + result.length]), id, result]));
  });
}

function smtp(socket) {
  let isBody = false;
  socket.write('220 stand-in\r\n');
  eachMessage(
    socket,
    (bytes) => (bytes.includes('\r\n') ? bytes.indexOf('\r\n') + 2 : 0),
    (message) => {
      const line = message.toString().trimEnd();
      if (isBody && line !== '.') return;
      isBody = !isBody && line === 'DATA';
      if (isBody) socket.write('354 go on\r\n');
      else if (/^EHLO/i.test(line)) socket.write('250-stand-in\r\n250 8BITMIME\r\n');
      else socket.write('250 fine\r\n');
    },
  );
}
