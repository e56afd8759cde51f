/**
 * A stand-in server in a process of its own, so that it can be stopped, started again and frozen: `stand-in.mjs <name>
 * <port> [full]`. Counts what comes in. A message that says `hold600` reaches the stand-in 600 ms late.
 */
import net from 'node:net';

import { STAND_INS } from './stand-ins.mjs';

const [, , name, port, full] = process.argv;
const counts = { connections: 0, requests: 0 };
const inner = STAND_INS[name]();

inner.listen(0, '127.0.0.1', () => {
  const front = net.createServer((caller) => {
    counts.connections += 1;
    const server = net.connect(inner.address().port, '127.0.0.1');
    for (const [one, other] of [
      [caller, server],
      [server, caller],
    ]) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
    server.on('data', (bytes) => caller.write(bytes));
    caller.on('data', (bytes) => {
      counts.requests += 1;
      const [, ms] = /hold(\d+)/.exec(bytes.toString('latin1')) ?? [];
      setTimeout(() => server.write(bytes), Number(ms ?? 0));
    });
  });
  // With hardly any room for those who are not accepted yet, a frozen one soon drops whoever knocks.
  front.listen({ port: Number(port), host: '127.0.0.1', backlog: full ? 1 : 511 }, () =>
    process.send({ port: front.address().port }),
  );
});
process.on('message', () => process.send(counts));
process.on('disconnect', () => process.exit());
