/**
 * All drivers of one server through all scenarios, side by side: `group.mjs <group> <dist> <postgres script>`. Prints a
 * JSON line per driver and scenario.
 */
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

import { GROUPS, STAND_IN_FOR } from './drivers.mjs';
import { allowed, Caller, less, priced } from './load.mjs';
import { mariadb, postgres, redis, redisCluster, standIn } from './servers.mjs';

const [, , group, dist, postgresScript, only] = process.argv;
const require = createRequire(import.meta.url);
const { PoolSource } = require(join(dist, 'sources/pools/source.js'));
const { judgePool } = require(join(dist, 'indicators/pool.js'));
const { bare } = require(join(dist, 'discovery.js'));
const { partsOf, Replica } = require(join(dist, 'sources/pools/index.js'));

const ASKING = {
  pingEveryMs: 400,
  pingTimeoutMs: 1_000,
  wedgedAfterMs: 1_500,
  windowMs: 5_000,
  leakAfterMs: 1_000,
};
const THRESHOLDS = { ...ASKING, slowAfterMs: 10_000, starvedAfterMs: 300 };
const SAMPLE_MS = 50;
const LIMIT_MS = 25_000;
/** A verdict that was reached has to stay that long. */
const HOLD_MS = 800;
const HOLD_WORKER_MS = 600;
/** A caller who is given up was seen to wait. */
const GIVE_UP_MS = 400;
/** So many resets at once are a burst. */
const BURST = 3;
const WORKERS = 6;

// A pool's own connection that breaks is the application's, and of no interest.
process.on('unhandledRejection', () => {});

class Bench {
  constructor({ name, made, ...price }) {
    this.name = name;
    this.price = price;
    this.caller = new Caller(made);
    this.made = this.caller.counted;
    this.value = made.role ? new Replica(made.value, made.role) : made.value;
    this.held = [];
    this.watch(ASKING);
    this.start({ isWell: true });
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  /** From now on by these options, as after a restart. */
  watch(asking) {
    this.source?.close();
    this.told = [];
    this.reading = undefined;
    this.verdict = undefined;
    this.source = new PoolSource(
      this.name,
      () => this.value,
      asking,
      (line) => this.told.push(line),
    );
  }

  /** `isWell`, the server is there and known to be. Counts anew, unless it `goesOn`. */
  start({ isWell, goesOn }) {
    this.isWell = isWell;
    this.added = 0;
    // One that was in the queue while the server was away may still be.
    if (isWell) this.opener = 0;
    if (goesOn) return;
    // Who waits is yet to be served, and what is held is yet to come back.
    this.caller.checkouts = this.caller.pending + this.held.length;
    this.spareMs = 0;
    this.fullMs = 0;
    this.lookedAt = performance.now();
  }

  sample() {
    this.look();
    const reading = this.source.sample(performance.now());
    // Some pools queue whoever comes, and serve him in the same turn.
    setImmediate(() => this.look());
    if (!reading) return;
    this.reading = reading;
    const finding = judgePool(this.name, reading, THRESHOLDS);
    if (!finding.inconclusive) this.verdict = finding.code ?? finding.status;
    this.message = finding.message;
  }

  /**
   * Who waits beyond the scenario's own callers: nobody while the server is well, and afterward one ping at most, in a
   * pool with room that opens a connection for it.
   */
  look() {
    if (this.isEnded) return;
    const { excess } = this.caller;
    const { used, idle, opening, waiting, max } = this.reading ?? {
      used: 0,
      idle: 0,
      opening: 0,
      waiting: 0,
    };
    const hasRoom = waiting === 0 && !(idle === 0 && used + opening >= max);
    const now = performance.now();
    this[hasRoom ? 'spareMs' : 'fullMs'] += now - this.lookedAt;
    this.lookedAt = now;
    // It was there before a caller came.
    if ((hasRoom || this.opener) && !this.isWell && excess === 1) this.opener = 1;
    else this.added = Math.max(this.added, excess);
  }

  /** Waits until `isSo`, which answers with what is still wrong, has nothing to say, and goes on having nothing. */
  async sees(isSo, holdMs = HOLD_MS) {
    const deadline = performance.now() + LIMIT_MS;
    let since = null;
    let why = 'no reading';
    while (performance.now() < deadline) {
      why = this.reading ? isSo(this.reading, this.verdict) : (this.source.problem ?? 'no pool');
      since = why ? null : (since ?? performance.now());
      this.got = this.verdict;
      if (since !== null && performance.now() - since >= holdMs) return null;
      await wait(SAMPLE_MS);
    }
    return why;
  }

  /** Looks no more of itself. */
  rest() {
    this.isEnded = true;
    clearInterval(this.timer);
  }

  end() {
    this.rest();
    this.source.close();
  }
}

const is = (wanted) => (_reading, verdict) => (verdict === wanted ? null : `verdict ${verdict}`);
const all =
  (...checks) =>
  (reading, verdict) =>
    checks.map((check) => check(reading, verdict)).find(Boolean) ?? null;
const figure = (name, test) => (reading) => (test(reading[name]) ? null : `${name} ${reading[name]}`);

/**
 * Per scenario: the verdict expected and what makes it so. `needsTaking`, of pools with a way to take connections;
 * `prepare` comes before what the `server` does, once for all.
 */
const SCENARIOS = {
  idle: {
    expected: 'up',
    async run(bench) {
      // Both connections are there from now on: what is opened later is opened by us.
      await taking(bench, bench.made.take ? 2 : 0, () => {});
      return bench.sees(
        all(
          is('up'),
          () => (isFoundBare(bench.made.value) ? null : 'not found without its getters'),
          // What comes after a blank says how it was made.
          ({ driver }) => (driver === bench.name.split(' ')[0] ? null : `called ${driver}`),
          figure('used', (n) => n === 0),
          figure('waiting', (n) => n === 0),
        ),
        2_000,
      );
    },
  },
  busy: {
    expected: 'up',
    needsTaking: true,
    run: (bench) =>
      taking(bench, 2, () =>
        bench.sees(
          all(
            is('up'),
            figure('used', (n) => n === 2),
            figure('waiting', (n) => n === 0),
          ),
        ),
      ),
  },
  starved: {
    expected: 'POOL_STARVED',
    needsTaking: true,
    run: starve,
  },
  wedged: {
    expected: 'POOL_WEDGED',
    needsTaking: true,
    async run(bench) {
      const problem = await taking(bench, 2, async () => {
        const waiter = bench.made.take();
        const why = await bench.sees(
          all(
            is('POOL_WEDGED'),
            figure('used', (n) => n === 2),
            figure('waiting', (n) => n === 1),
            figure('oldestWaiterMs', (ms) => ms > ASKING.wedgedAfterMs),
            () =>
              bench.made.queue && bench.made.queue() !== 1 ? `${bench.made.queue()} in the queue` : null,
          ),
        );
        waiter.then((connection) => bench.made.give(connection)).catch(() => {});
        return why;
      });
      return problem ?? upAfter(bench);
    },
  },
  leak: {
    // MongoDB gives a connection out for as long as a command takes: that is a long query.
    expected: ({ made }) => (made.use || made.isOpaque ? 'up' : 'POOL_LEAK'),
    needsTaking: true,
    run: (bench) =>
      taking(bench, 1, () =>
        bench.sees(
          all(
            (reading, verdict) => is(SCENARIOS.leak.expected(bench))(reading, verdict),
            figure('used', (n) => n === 1),
            figure('oldestCheckoutMs', (ms) => ms > 1_000),
          ),
        ),
      ),
  },
  'who leaked': {
    expected: 'POOL_LEAK',
    needs: ({ take, use, isOpaque }) => take && !use && !isOpaque,
    async run(bench) {
      const { made } = bench;
      // A pool in which something leaks is under pressure: from now on it is recorded who takes what.
      const problem = await taking(bench, 1, async () => {
        const why = await bench.sees(is('POOL_LEAK'), 0);
        bench.forgotten = await forgetful(made);
        return why;
      });
      const why = await bench.sees(
        all(
          is('POOL_LEAK'),
          figure('silent', (n) => n === 1),
          figure('silentBy', (by) => /(group|drivers)\.mjs:\d+/.test(by)),
        ),
        0,
      );
      await made.give(bench.forgotten);
      return problem ?? why;
    },
  },
  'gives up': {
    // Nobody dares to ask any more, and it is wedged as before.
    expected: 'POOL_WEDGED',
    needs: ({ take, limit }) => take && limit,
    async run(bench) {
      const { made } = bench;
      const problem = await taking(bench, 2, async () => {
        const { timeouts } = bench.reading;
        made.limit(GIVE_UP_MS);
        const got = await (made.use?.(1) ?? made.take()).then(
          () => 'a connection where there was none',
          () => null,
        );
        made.limit();
        const why = await bench.sees(
          all(
            is('POOL_WEDGED'),
            figure('waiting', (n) => n === 0),
            figure('timeouts', (n) => n === timeouts + 1),
          ),
          0,
        );
        return got ?? why;
      });
      const { got } = bench;
      const after = problem ?? (await bench.sees(is('up'), 0));
      bench.got = got;
      return after;
    },
  },
  'reset burst': {
    expected: ({ closes }) => `up, ${closes} retired`,
    needsTaking: true,
    reopens: true,
    async prepare(bench) {
      await taking(bench, 2, () => {});
      bench.watch({ ...ASKING, hygiene: true });
      const why = await bench.sees(
        all(
          is('up'),
          // MongoDB's driver closes the connection of a command that is aborted.
          figure('idle', (n) => n >= 2 || Boolean(bench.made.use)),
        ),
        0,
      );
      // MongoDB and mariadb clear their pools themselves.
      bench.closes = bench.told.some((line) => line.startsWith('closes nothing')) ? 0 : 2;
      return why;
    },
    server: burst,
    async run(bench) {
      const { closes } = bench;
      const why = await bench.sees(
        all(
          is('up'),
          figure('retired', (n) => n === closes),
          figure('evicted', (n) => n === 0),
        ),
      );
      bench.got = `${bench.got}, ${bench.reading.retired} retired`;
      await taking(bench, 2, () => {});
      bench.watch(ASKING);
      return why;
    },
  },
  // One server of several: the others do answer. What a client has lost it connects to when it is used again.
  'one stopped': { expected: 'up', isPart: true, server: ({ one }) => one.stop(), run: holdsUp },
  'one back': {
    expected: 'up',
    isPart: true,
    server: ({ one }) => one.start(),
    run: async (bench) => (await holdsUp(bench)) ?? (await bench.made.touch(), null),
  },
  'one black-holed': { expected: 'up', isPart: true, server: ({ one }) => one.freeze(), run: holdsUp },
  'its path back': { expected: 'up', isPart: true, server: ({ one }) => one.thaw(), run: holdsUp },
  'server stopped': {
    expected: 'DB_UNREACHABLE',
    server: 'stop',
    async run(bench) {
      const { made } = bench;
      // Once its client knows.
      await wait(200);
      const asked = made.ask?.().catch(() => {});
      const why = await bench.sees(
        all(
          is('DB_UNREACHABLE'),
          figure('waiting', (n) => !asked || n === 1),
          figure('oldestWaiterMs', (ms) => !asked || ms > 0),
        ),
        1_500,
      );
      if (why || !made.take || made.use || made.isOpaque) return why;
      // A caller comes, and no connection can be opened for him.
      made
        .take()
        .then(made.give)
        .catch(() => {});
      return bench.sees(
        all(
          is('DB_UNREACHABLE'),
          figure('createFailures', (n) => n > 0),
        ),
        0,
      );
    },
  },
  'server back': {
    expected: 'up',
    server: 'start',
    run: (bench) =>
      bench.sees(
        all(
          is('up'),
          figure('waiting', (n) => n === 0),
        ),
      ),
  },
  'black-holed': {
    expected: 'DB_UNREACHABLE',
    server: 'freeze',
    run: (bench) => bench.sees(is('DB_UNREACHABLE'), 2_500),
  },
  'path back': {
    expected: 'up',
    server: 'thaw',
    run: (bench) => bench.sees(is('up')),
  },
  'full, cut off': {
    expected: 'DB_UNREACHABLE',
    needsTaking: true,
    prepare: fill,
    server: 'freeze',
    run: (bench) => bench.sees(is('DB_UNREACHABLE'), 2_500),
  },
  'full, path back': {
    expected: ({ wanted = 'POOL_WEDGED' }) => wanted,
    needsTaking: true,
    server: 'thaw',
    run: empty,
  },
  'full, stopped': {
    expected: 'DB_UNREACHABLE',
    needsTaking: true,
    prepare: fill,
    server: 'stop',
    run: (bench) => bench.sees(is('DB_UNREACHABLE'), 2_500),
  },
  'full, back': {
    expected: ({ wanted = 'POOL_WEDGED' }) => wanted,
    needsTaking: true,
    server: 'start',
    run: empty,
  },
  closed: {
    expected: 'no reading',
    isUncounted: true,
    async run(bench) {
      bench.rest();
      // oracledb refuses to close with a connection out: the last ping has given its own back by then.
      await wait(2 * SAMPLE_MS);
      await Promise.race([bench.made.close(), wait(3_000)]);
      const isThere = () => bench.source.sample(performance.now()) !== null;
      const deadline = performance.now() + 1_000;
      while (isThere() && performance.now() < deadline) await wait(SAMPLE_MS);
      bench.got = isThere() ? 'a reading' : 'no reading';
      return isThere() ? 'found after its end' : null;
    },
  },
};

/** At no time anything else, for longer than each of the servers is asked. */
async function holdsUp(bench) {
  const end = performance.now() + 5_000;
  while (performance.now() < end && bench.verdict === 'up') await wait(SAMPLE_MS);
  bench.got = bench.verdict;
  return is('up')(null, bench.verdict);
}

/** Holds `count` connections while `body` looks. */
async function taking({ made }, count, body) {
  const taken = [];
  try {
    for (let i = 0; i < count; i++) taken.push(await made.take());
    return await body();
  } finally {
    for (const connection of taken) await made.give(connection);
  }
}

/** As discovery sees it, no getter is run; and it is the same. */
function isFoundBare(value) {
  const [found, known] = [partsOf(bare(value)), partsOf(value)].map((parts) =>
    parts.map(({ role, adapter }) => `${role} ${adapter.driver} ${adapter.pool !== null}`),
  );
  return known.length > 0 && String(found) === String(known);
}

/** Whoever is told of as the one who took it. */
async function forgetful({ take }) {
  return await take();
}

/** What a failover looks like from here: connections to the server, not of any pool, that are reset at the same time. */
async function burst({ at }) {
  const sockets = Array.from({ length: BURST }, () => net.connect(at.port, at.host).on('error', () => {}));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const reset = { code: 'ECONNRESET', errno: -104, syscall: 'read' };
  for (const socket of sockets) socket.destroy(Object.assign(new Error('read ECONNRESET'), reset));
  return BURST;
}

/** Takes all there are, with one caller more; they are kept until the pool is emptied. */
async function fill(bench) {
  const { made } = bench;
  for (let i = 0; i < 2; i++) bench.held.push(await made.take());
  made
    .take()
    .then((connection) => made.give(connection))
    .catch(() => {});
  return bench.sees(
    all(
      figure('used', (n) => n === 2),
      figure('waiting', (n) => n === 1),
    ),
    0,
  );
}

/** The connections come back once it is seen what comes of them being kept. */
async function empty(bench) {
  const problem = await bench.sees((reading, verdict) => {
    // Some drivers drop what is lost, whoever holds it: then the caller that came too late was served, or refused.
    bench.wanted = bench.caller.pending > 0 ? 'POOL_WEDGED' : 'up';
    return is(bench.wanted)(reading, verdict);
  });
  for (const connection of bench.held.splice(0)) await bench.made.give(connection);
  return problem ?? upAfter(bench);
}

/** The trouble seen is over. */
async function upAfter(bench) {
  const { got } = bench;
  const why = await bench.sees(is('up'));
  bench.got = why ? `${got}, then ${bench.got}` : got;
  return why;
}

/** More callers than connections, each of which comes back: moving, but short. Tells whether the mean wait is true. */
async function starve(bench) {
  const { made } = bench;
  const waits = [];
  let isOn = true;
  const use =
    made.use ??
    (async (ms) => {
      const askedAt = performance.now();
      const connection = await made.take();
      waits.push({ at: performance.now(), ms: performance.now() - askedAt });
      await wait(ms);
      await made.give(connection);
    });
  const worker = async () => {
    while (isOn) {
      await use(HOLD_WORKER_MS);
      // Some pools serve whoever comes at once before those who wait.
      await wait(5);
    }
  };
  const workers = Array.from({ length: WORKERS }, worker);
  const isTrue = ({ acquireWaitMs }) => {
    if (!made.take || made.use) return null;
    const recent = waits.filter(({ at }) => at > performance.now() - ASKING.windowMs).map(({ ms }) => ms);
    const mean = recent.reduce((sum, ms) => sum + ms, 0) / recent.length;
    return Math.abs(acquireWaitMs - mean) < Math.max(150, 0.3 * mean)
      ? null
      : `acquireWaitMs ${acquireWaitMs}, measured ${Math.round(mean)}`;
  };
  try {
    await wait(2_000);
    return await bench.sees(
      all(
        isTrue,
        figure('used', (n) => n >= 1),
        figure('checkins', (n) => n > 4),
        is('POOL_STARVED'),
      ),
      0,
    );
  } finally {
    isOn = false;
    await Promise.allSettled(workers);
  }
}

async function main() {
  const server = await serverOf(group);
  if (!server) return tell({ skipped: `no server for ${group}` });
  const makers = Object.entries(GROUPS[group]).filter(([name]) => !only || only.split(',').includes(name));
  const { pools, quiet } = await priced(server, makers);
  const benches = pools.map((pool) => new Bench(pool));
  // The last time it could be asked: what reaches a frozen server is counted when it runs again.
  let before;
  try {
    for (const [scenario, its] of Object.entries(SCENARIOS)) {
      const { needsTaking, needs, isPart, prepare, server: act, reopens } = its;
      const playing = benches.filter(({ made }) => (made.take || !needsTaking) && (!needs || needs(made)));
      if (playing.length === 0 || (isPart && !server.one)) continue;
      if (prepare) await Promise.all(playing.map((bench) => prepared(bench, prepare)));
      for (const bench of benches) bench.start({ isWell: !act, goesOn: act === 'thaw' });
      const wasAway = act === 'start' || act === 'thaw';
      const at = performance.now();
      if (act !== 'thaw' && !isPart) before = { at, count: wasAway ? null : await server.look() };
      if (typeof act === 'string') await server[act]();
      const opened = typeof act === 'function' ? await act(server) : 0;
      before.count ??= server.born;
      await Promise.all(playing.map((bench) => played(bench, scenario, its)));
      // While a server is away it cannot be asked.
      if (isPart || act === 'stop' || act === 'freeze' || its.isUncounted) continue;
      const frozenMs = at - before.at;
      await counted({ scenario, server, before, benches, quiet, wasAway, frozenMs, reopens, opened });
    }
  } finally {
    for (const bench of benches) bench.end();
    server.thaw();
    await Promise.race([Promise.allSettled(benches.map(async ({ made }) => made.close())), wait(3_000)]);
    await server.end();
  }
}

async function prepared(bench, prepare) {
  bench.unprepared = await prepare(bench).catch((error) => String(error.stack));
}

async function played(bench, scenario, { expected, run }) {
  let why = bench.unprepared ?? (await run(bench).catch((error) => String(error.stack)));
  bench.unprepared = null;
  const wanted = typeof expected === 'function' ? expected(bench) : expected;
  const { added, opener } = bench;
  const queued = bench.made.queue ? `${added} waiters added${opener ? ', the opener in the queue' : ''}` : '';
  if (!why && added > 0) why = 'a waiter more than the scenario put there';
  tell({ name: bench.name, scenario, expected: wanted, got: bench.got, queued, why });
}

/** By the server's own count: no more questions and connections than the scenario and the schedule make. */
async function counted({ scenario, server, before, benches, ...times }) {
  const spanMs = Math.round(performance.now() - before.at);
  const count = less(await server.look(), before.count);
  const most = allowed({
    ...times,
    spanMs,
    group,
    asking: ASKING,
    benches: benches.map(({ price, caller, made, spareMs, fullMs }) => ({
      price,
      checkouts: caller.checkouts,
      // MongoDB is asked by its driver alone.
      asks: !made.use,
      // What is seen at each sample began, and ended, up to a sample away.
      spareMs: spareMs + 2 * SAMPLE_MS,
      fullMs: fullMs + 2 * SAMPLE_MS,
    })),
  });
  const isMore = count.requests > most.requests || count.connections > most.connections;
  tell({
    name: `all of ${group}`,
    scenario,
    expected: `<= ${most.requests} asked, <= ${most.connections} connected`,
    got: `${count.requests} asked, ${count.connections} connected in ${spanMs} ms`,
    why: isMore ? 'more than the scenario and the schedule' : null,
  });
}

function serverOf(name) {
  if (name === 'postgres') return postgres(postgresScript);
  if (name === 'mysql') return mariadb();
  if (name === 'redis') return redis();
  if (name === 'redis-cluster') return redisCluster();
  return standIn(STAND_IN_FOR[name], new URL('stand-in.mjs', import.meta.url).pathname, name === 'oracle');
}

function tell(row) {
  process.stdout.write(`${JSON.stringify({ group, ...row })}\n`);
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
