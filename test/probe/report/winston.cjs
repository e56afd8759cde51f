/** An application with real winston, in the format of its first argument, that loses connections in all ways. */
const { readdirSync, readFileSync } = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const [format, packages, folder] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const winston = load('winston');
load('winston-daily-rotate-file');

const { combine, timestamp, json, simple, printf } = winston.format;
const FORMATS = {
  json: combine(timestamp(), json()),
  simple: simple(),
  printf: combine(
    timestamp(),
    printf(({ timestamp: at, level, message }) => `${at} [${level}] ${message}`),
  ),
};
const file = (name) =>
  new winston.transports.DailyRotateFile({
    dirname: folder,
    filename: `${name}-%DATE%.log`,
    datePattern: 'YYYY-MM-DD',
    utc: true,
  });
const transports = [file('application'), file('exceptions'), file('rejections')];
const [application, exceptions, rejections] = transports;
winston.createLogger({
  format: FORMATS[format],
  exitOnError: false,
  transports: [application],
  exceptionHandlers: [exceptions],
  rejectionHandlers: [rejections],
});

const reset = () =>
  Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
// One exception from a socket, one hang-up from http, two rejections, which winston writes to two files each.
const server = net.createServer((socket) => socket.on('data', () => socket.resetAndDestroy()));
const closer = net.createServer((socket) => socket.on('data', () => socket.end()));
server.listen(0, () => net.connect(server.address().port).write('x'));
closer.listen(0, () => http.get({ port: closer.address().port }));
setTimeout(() => Promise.reject(reset()), 50);
setTimeout(() => Promise.reject(reset()), 90);

// The transports tell that they have logged before the files have it: only the files are asked.
const inFiles = (name, word) =>
  readdirSync(folder)
    .filter((one) => one.startsWith(name) && one.endsWith('.log'))
    .map((one) => readFileSync(join(folder, one), 'utf8').split(word).length - 1)
    .reduce((all, count) => all + count, 0);
setInterval(() => {
  const isWhole =
    inFiles('exceptions', 'uncaughtException: ') >= 2 &&
    inFiles('rejections', 'unhandledRejection: ') >= 2 &&
    inFiles('application', 'unhandledRejection: ') >= 2;
  if (isWhole) setTimeout(() => process.exit(), 100);
}, 50);
