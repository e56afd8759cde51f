/** An application with real winston, in the format of its first argument, that loses connections in all ways. */
const http = require('node:http');
const net = require('node:net');
const { createRequire } = require('node:module');
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

// Four handled events; the files are on disk when each stream has told so.
const seen = { exceptions: 0, rejections: 0, application: 0 };
const count = (name, transport) => transport.on('logged', () => ((seen[name] += 1), finish()));
count('application', application);
count('exceptions', exceptions);
count('rejections', rejections);
function finish() {
  if (seen.exceptions < 2 || seen.rejections < 2 || seen.application < 2) return;
  let open = transports.length;
  for (const transport of transports) {
    transport.on('finish', () => --open === 0 && process.exit());
    transport.close();
  }
}
