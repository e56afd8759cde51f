/**
 * Stand-ins for databases: everybody may log in, and every question has the shortest answer that its driver accepts.
 */
import { BSON } from 'bson';

import { eachMessage, secured } from './stand-in-messages.mjs';

const SSL_REQUEST = 80877103;

/** PostgreSQL's protocol 3, with TLS for those who ask. */
export function postgres(socket) {
  let isStarted = false;
  const size = (bytes) => {
    if (bytes.length < 5) return 0;
    return isStarted ? 1 + bytes.readInt32BE(1) : bytes.readInt32BE(0);
  };
  const stop = eachMessage(socket, size, (message) => {
    if (!isStarted && message.length === 8 && message.readInt32BE(4) === SSL_REQUEST) {
      stop();
      socket.write('S');
      postgres(secured(socket));
    } else if (!isStarted) {
      isStarted = true;
      socket.write(Buffer.concat([typed('R', Buffer.alloc(4)), typed('Z', 'I')]));
    } else if (message[0] === 0x51) {
      socket.write(Buffer.concat([typed('C', 'SELECT 0\0'), typed('Z', 'I')]));
    }
  });
}

function typed(type, content) {
  const message = Buffer.concat([Buffer.from(`${type}....`), Buffer.from(content)]);
  message.writeInt32BE(message.length - 1, 1);
  return message;
}

const MYSQL_SSL = 0x800;
// LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, SSL, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
const MYSQL_CAPABILITIES = 0x1 | 0x8 | 0x200 | MYSQL_SSL | 0x2000 | 0x8000 | 0x80000;

/** MySQL's and MariaDB's protocol, with TLS for those who ask. */
export function mysql(socket) {
  socket.write(packet(0, mysqlGreeting()));
  mysqlSession(socket);
}

function mysqlSession(socket) {
  let isLoggedIn = false;
  const size = (bytes) => (bytes.length < 4 ? 0 : 4 + bytes.readUIntLE(0, 3));
  const stop = eachMessage(socket, size, (message) => {
    const content = message.subarray(4);
    if (!isLoggedIn && content.length === 32 && content.readUInt32LE(0) & MYSQL_SSL) {
      stop();
      mysqlSession(secured(socket));
      return;
    }
    const isSelect = isLoggedIn && content[0] === 3 && /^\s*select/i.test(content.toString('latin1', 1));
    isLoggedIn = true;
    if (isSelect) socket.write(mysqlRow(content.toString('latin1', 1).split(',')));
    else if (content[0] !== 1 || message[3] !== 0) socket.write(packet(message[3] + 1, OK));
  });
}

const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);
const EOF = Buffer.from([0xfe, 0, 0, 2, 0]);

function packet(sequence, content) {
  const head = Buffer.alloc(4);
  head.writeUIntLE(content.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, content]);
}

function mysqlGreeting() {
  const numbers = Buffer.alloc(18);
  numbers.writeUInt16LE(MYSQL_CAPABILITIES & 0xffff, 0);
  numbers[2] = 45;
  numbers.writeUInt16LE(2, 3);
  numbers.writeUInt16LE(MYSQL_CAPABILITIES >>> 16, 5);
  numbers[7] = 21;
  return Buffer.concat([
    Buffer.from('\x0a8.0.36\0'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from('saltsalt\0'),
    numbers,
    Buffer.from('saltsaltsalt\0mysql_native_password\0'),
  ]);
}

function mysqlRow(names) {
  const text = (value) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const column = (name) => {
    const names6 = ['def', '', '', '', name.slice(0, 60), ''].map(text);
    return Buffer.concat([...names6, Buffer.from([12, 33, 0, 64, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0])]);
  };
  const row = Buffer.concat(names.map(() => text('1')));
  const contents = [Buffer.from([names.length]), ...names.map(column), EOF, row, EOF];
  return Buffer.concat(contents.map((content, index) => packet(index + 1, content)));
}

/** SQL Server's protocol, without TLS. */
export function tds(socket) {
  const size = (bytes) => (bytes.length < 8 ? 0 : bytes.readUInt16BE(2));
  eachMessage(socket, size, (message) => {
    const isLast = message[1] & 1;
    if (!isLast) return;
    if (message[0] === 0x12) socket.write(tabular(PRELOGIN));
    else if (message[0] === 0x10) socket.write(tabular(Buffer.concat([loginAck(), done(0xfd)])));
    else if (message[0] === 0x01) socket.write(tabular(done(0xfd)));
    else if (message[0] === 0x03) socket.write(tabular(Buffer.concat([oneRow(message), done(0xfe)])));
  });
}

// Version at 11, encryption at 17 (2: there is none), end of the list.
const PRELOGIN = Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2]);

function tabular(content) {
  const head = Buffer.from([4, 1, 0, 0, 0, 0, 1, 0]);
  head.writeUInt16BE(head.length + content.length, 2);
  return Buffer.concat([head, content]);
}

/** What TypeORM asks when it connects has one text for an answer; nothing else has any. */
function oneRow(message) {
  const said = message.toString('latin1').replaceAll('\0', '');
  const [, name] = /SCHEMA_NAME\(\) AS "(\w+)"/.exec(said) ?? [];
  if (!name) return Buffer.alloc(0);
  const text = Buffer.from('dbo', 'utf16le');
  // One column, NVARCHAR of up to 128, without a collation; then its row.
  const column = Buffer.from([0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 1, 0, 0, 0, 0, 0, name.length]);
  const row = Buffer.concat([Buffer.from([0xd1, text.length, 0]), text]);
  // One row, and more to come.
  const end = Buffer.from([0xff, 0x11, 0, 0xc1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([column, Buffer.from(name, 'utf16le'), row, end]);
}

function loginAck() {
  const name = Buffer.from('SQL', 'utf16le');
  const content = Buffer.concat([Buffer.from([1, 0x74, 0, 0, 4, 3]), name, Buffer.from([16, 0, 0, 0])]);
  const head = Buffer.from([0xad, 0, 0]);
  head.writeUInt16LE(content.length, 1);
  return Buffer.concat([head, content]);
}

function done(token) {
  return Buffer.concat([Buffer.from([token]), Buffer.alloc(12)]);
}

/** Redis' protocol, 2 and 3. */
export function redis(socket) {
  eachMessage(socket, redisSize, (message) => {
    const [command, first] = [...message.toString().matchAll(/\r\n([^$*\r\n][^\r\n]*)/g)].map(
      ([, word]) => word,
    );
    if (/^hello$/i.test(command)) socket.write(`%1\r\n$5\r\nproto\r\n:${first}\r\n`);
    else if (/^info$/i.test(command)) socket.write('$32\r\nredis_version:7.4.0\r\nloading:0\r\n\r\n');
    else if (/^ping$/i.test(command)) socket.write('+PONG\r\n');
    else socket.write('+OK\r\n');
  });
}

function redisSize(bytes) {
  const [, count] = /^\*(\d+)\r\n/.exec(bytes.toString('latin1', 0, 16)) ?? [];
  let at = bytes.indexOf('\r\n') + 2;
  for (let left = Number(count ?? 0); left > 0; left--) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return 0;
    at = end + 2 + Number(bytes.toString('latin1', at + 1, end)) + 2;
  }
  return count === undefined ? 0 : at;
}

const OP_QUERY = 2004;

/** MongoDB's protocol: a primary without data. */
export function mongo(socket) {
  const size = (bytes) => (bytes.length < 16 ? 0 : bytes.readInt32LE(0));
  eachMessage(socket, size, (message) => {
    const isOld = message.readInt32LE(12) === OP_QUERY;
    const document = BSON.serialize({
      helloOk: true,
      ismaster: true,
      isWritablePrimary: true,
      maxBsonObjectSize: 16777216,
      maxMessageSizeBytes: 48000000,
      maxWriteBatchSize: 100000,
      localTime: new Date(),
      minWireVersion: 0,
      maxWireVersion: 25,
      readOnly: false,
      ok: 1,
    });
    // OP_REPLY: flags, cursor, start, one document; OP_MSG: flags, a section of kind 0.
    const middle = isOld ? Buffer.from(`08${'00'.repeat(15)}01000000`, 'hex') : Buffer.alloc(5);
    const head = Buffer.alloc(16);
    head.writeInt32LE(head.length + middle.length + document.length, 0);
    head.writeInt32LE(message.readInt32LE(4), 8);
    head.writeInt32LE(isOld ? 1 : 2013, 12);
    socket.write(Buffer.concat([head, middle, document]));
  });
}
