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
  await wait(50);
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
 * The most that a server may count. `benches` tell their price, their checkouts since, for how long their pool had a
 * connection to spare and for how long it had none; `spanMs`, the time since, of which the server was frozen for
 * `frozenMs`; `wasAway`, nobody knew at first that it is there; `reopens`, the connections were closed; `opened`, the
 * scenario's own, of no pool.
 */
export function allowed({ benches, spanMs, frozenMs, wasAway, reopens, opened = 0, group, quiet, asking }) {
  const most = { requests: quiet.requests * spanMs, connections: quiet.connections * spanMs + opened };
  for (const { price, checkouts, asks, ...bench } of benches) {
    const times = wasAway
      ? afterAbsence({ ...bench, spanMs, frozenMs, asking })
      : whenWell({ ...bench, group, asking });
    const pings = asks ? times.pings : 0;
    for (const what of ['requests', 'connections']) {
      most[what] += (checkouts + pings) * (price.checkedOut[what] / MAX);
      // What was lost is opened again, by the caller or by a ping.
      if (wasAway || reopens) most[what] += price.opened[what];
    }
    // Of what the schedule asks, one may fall on either side of the span.
    const edge = (count) => (count > 0 ? 1 : 0);
    most.requests += pings + times.connects + edge(pings) + edge(times.connects);
    most.connections += times.connects + edge(times.connects);
    // A driver that opens one anew for a checkout does so in its own time: one may fall on either side of the span.
    if (price.checkedOut.connections > 0) most.connections += 1;
    // What the driver asks by itself may fall on either side of the span.
    if (quiet.requests) most.requests += 2;
  }
  return { requests: Math.ceil(most.requests), connections: Math.ceil(most.connections) };
}

/** A ping where there is a connection to spare; where there is none, a connect after a third of the threshold. */
function whenWell({ spareMs, fullMs, group, asking }) {
  const firstMs = asking.wedgedAfterMs / 3;
  let [connects, everyMs] = [0, retryMs(asking)];
  const mostMs = everyMs * (CONNECTS_GROW_TO[group] ?? 6);
  for (let at = firstMs; at <= fullMs; connects++) {
    at += everyMs;
    if (connects > 0) everyMs = Math.min(2 * everyMs, mostMs);
  }
  return { pings: Math.floor(spareMs / asking.pingEveryMs) + 1, connects };
}

/**
 * Of each kind one at a time; each connection that breaks, and each question lost with one, is a reason to ask at once. A
 * full pool is not pinged.
 */
function afterAbsence({ spareMs, spanMs, frozenMs, asking }) {
  const inVain = frozenMs > 0 ? Math.floor(frozenMs / asking.pingTimeoutMs) + 1 : 0;
  const each = inVain + Math.floor((spanMs - frozenMs) / retryMs(asking)) + 1 + MAX;
  return { pings: Math.min(each, Math.floor(spareMs / retryMs(asking)) + 1 + MAX), connects: each };
}

function retryMs({ pingEveryMs, wedgedAfterMs }) {
  return Math.min(800, pingEveryMs, wedgedAfterMs / 6);
}

export function less(after, before) {
  return {
    requests: after.requests - before.requests,
    connections: after.connections - before.connections,
  };
}
