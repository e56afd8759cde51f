/**
 * What a scenario may put on the server, against what the server counted: the traffic of the scenario itself, at the price
 * that each driver was seen to pay for it before anybody watched, and what the schedule allows in that time.
 */
import { setTimeout as wait } from 'node:timers/promises';

const MAX = 2;
/** Longer than a driver trusts a free connection without a question of its own. */
const IDLE_MS = 700;
const CONTROL_MS = 2_000;
/** How far the connects to a full pool's database get apart, as a multiple of the first distance. */
const CONNECTS_GROW_TO = { postgres: 6, mysql: 120 };

/** A pool's own ways, with a count of what its caller does. */
export class Caller {
  checkouts = 0;
  pending = 0;

  constructor(made) {
    this.made = made;
  }

  /** How many more the driver has waiting than the caller put there. */
  get excess() {
    return Math.max(0, (this.made.queue?.() ?? 0) - this.pending);
  }

  /** `made`, counted. */
  get counted() {
    const { made } = this;
    const counting = (call) =>
      call &&
      (async (...args) => {
        this.checkouts += 1;
        this.pending += 1;
        try {
          return await call(...args);
        } finally {
          this.pending -= 1;
        }
      });
    return { ...made, take: counting(made.take), use: counting(made.use) };
  }
}

/** Makes the pools one after the other, nobody watching: what each asks to open its connections, for a checkout, and alone. */
export async function priced(server, makers) {
  const pools = [];
  for (const [name, make] of makers) {
    const before = await server.look();
    const made = await make(server.at);
    await used(made);
    pools.push({ name, made, opened: less(await server.look(), before) });
  }
  await wait(IDLE_MS);
  const quiet = await alone(server);
  for (const pool of pools) {
    const before = await server.look();
    await used(pool.made);
    pool.checkedOut = less(await server.look(), before);
  }
  return { pools, quiet };
}

async function used({ take, give }) {
  const taken = [];
  for (let i = 0; take && i < MAX; i++) taken.push(await take());
  for (const connection of taken) await give(connection);
  if (take) await wait(20);
}

/** What the drivers ask of themselves, per ms. */
async function alone(server) {
  const [from, before] = [performance.now(), await server.look()];
  await wait(CONTROL_MS);
  const { requests, connections } = less(await server.look(), before);
  const spanMs = performance.now() - from;
  return { requests: requests / spanMs, connections: connections / spanMs };
}

/**
 * The most that a server may count in `spanMs`. `state`: `spare`, the pools can be asked; `full`, they cannot for a
 * while; `sick`, the server was away. `benches` tell their price and their checkouts since.
 */
export function allowed({ state, spanMs, group, benches, quiet, asking }) {
  const retryMs = Math.min(800, asking.pingEveryMs, asking.wedgedAfterMs / 6);
  const [pings, connects] = {
    spare: () => [Math.floor(spanMs / asking.pingEveryMs) + 1, 0],
    full: () => [
      Math.floor(spanMs / asking.pingEveryMs) + 1,
      connectsIn(spanMs, retryMs, CONNECTS_GROW_TO[group] ?? 6),
    ],
    // Each connection that breaks is a reason to ask at once; a question that is lost with its connection is put outside.
    sick: () => [Math.floor(spanMs / retryMs) + 1 + MAX, Math.floor(spanMs / retryMs) + 1 + MAX],
  }[state]();
  const most = { requests: 0, connections: 0 };
  for (const { price, checkouts } of benches) {
    for (const what of ['requests', 'connections']) {
      const each = price.checkedOut[what] / MAX;
      most[what] += checkouts * each + pings * each;
      // What was lost is opened again, by the caller or by a ping.
      if (state === 'sick') most[what] += price.opened[what];
    }
    most.requests += pings + connects;
    most.connections += connects;
  }
  return {
    requests: Math.ceil(most.requests + quiet.requests * spanMs) + (quiet.requests ? 2 * benches.length : 0),
    connections: Math.ceil(most.connections + quiet.connections * spanMs),
  };
}

function connectsIn(spanMs, firstMs, growTo) {
  let count = 1;
  for (let at = firstMs; at <= spanMs; count++) at += firstMs * Math.min(2 ** (count - 1), growTo);
  return count;
}

export function less(after, before) {
  return {
    requests: after.requests - before.requests,
    connections: after.connections - before.connections,
  };
}
