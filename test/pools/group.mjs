/**
 * All drivers of one server through all scenarios, side by side: `group.mjs <group> <dist> <postgres script>`. Prints a
 * JSON line per driver and scenario.
 */
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';

import { GROUPS, STAND_IN_FOR } from './drivers.mjs';
import { allowed, Caller, less, priced } from './load.mjs';
import { mariadb, postgres, redis, redisCluster, standIn } from './servers.mjs';

const [, , group, dist, postgresScript, only] = process.argv;
const require = createRequire(import.meta.url);
const { PoolSource } = require(join(dist, 'sources/pools/source.js'));
const { judgePool } = require(join(dist, 'indicators/pool.js'));

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
const WORKERS = 6;

// A pool's own connection that breaks is the application's, and of no interest.
process.on('unhandledRejection', () => {});

class Bench {
  constructor({ name, made, ...price }) {
    this.name = name;
    this.price = price;
    this.caller = new Caller(made);
    this.made = this.caller.counted;
    this.source = new PoolSource(name, () => made.value, ASKING);
    this.start(true);
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  /** Counts anew; `isWell`, the server is there and known to be. */
  start(isWell) {
    this.isWell = isWell;
    this.caller.checkouts = 0;
    this.spareMs = 0;
    this.fullMs = 0;
    this.added = 0;
    this.opener = 0;
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
    if (hasRoom && !this.isWell && excess === 1) this.opener = 1;
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

  end() {
    this.isEnded = true;
    clearInterval(this.timer);
    this.source.close();
  }
}

const is = (wanted) => (_reading, verdict) => (verdict === wanted ? null : `verdict ${verdict}`);
const all =
  (...checks) =>
  (reading, verdict) =>
    checks.map((check) => check(reading, verdict)).find(Boolean) ?? null;
const figure = (name, test) => (reading) => (test(reading[name]) ? null : `${name} ${reading[name]}`);

/** Per scenario: the verdict expected and what makes it so; `needs` a way to take connections; `server` acts once for all. */
const SCENARIOS = {
  idle: {
    expected: 'up',
    async run(bench) {
      // Both connections are there from now on: what is opened later is opened by us.
      await taking(bench, bench.made.take ? 2 : 0, () => {});
      return bench.sees(
        all(
          is('up'),
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
            // Not all show who waits.
            figure('oldestWaiterMs', (ms) => ms === null || ms > ASKING.wedgedAfterMs),
            () =>
              bench.made.queue && bench.made.queue() !== 1 ? `${bench.made.queue()} in the queue` : null,
          ),
        );
        waiter.then((connection) => bench.made.give(connection)).catch(() => {});
        return why;
      });
      const { got } = bench;
      const after = problem ?? (await bench.sees(is('up')));
      bench.got = after && !problem ? `${got}, then ${bench.got}` : got;
      return after;
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
    server: (server) => server.stop(),
    async run(bench) {
      // Once its client knows.
      await wait(200);
      const asked = bench.made.ask?.().catch(() => {});
      return bench.sees(
        all(
          is('DB_UNREACHABLE'),
          figure('waiting', (n) => !asked || n === 1),
          figure('oldestWaiterMs', (ms) => !asked || ms > 0),
        ),
        1_500,
      );
    },
  },
  'server back': {
    expected: 'up',
    server: (server) => server.start(),
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
    server: (server) => server.freeze(),
    run: (bench) => bench.sees(is('DB_UNREACHABLE'), 2_500),
  },
  'path back': {
    expected: 'up',
    server: (server) => server.thaw(),
    run: (bench) => bench.sees(is('up')),
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
    for (const [scenario, { needsTaking, isPart, server: act, ...its }] of Object.entries(SCENARIOS)) {
      const playing = benches.filter(({ made }) => made.take || !needsTaking);
      if (playing.length === 0 || (isPart && !server.one)) continue;
      const wasAway = scenario === 'server back' || scenario === 'path back';
      for (const bench of benches) bench.start(!act);
      const at = performance.now();
      if (scenario !== 'path back' && !isPart) before = { at, count: wasAway ? null : await server.look() };
      await act?.(server);
      before.count ??= server.born;
      await Promise.all(playing.map((bench) => played(bench, scenario, its)));
      // While a server is away it cannot be asked.
      if (isPart || scenario === 'server stopped' || scenario === 'black-holed') continue;
      await counted({ scenario, server, before, benches, quiet, wasAway, frozenMs: at - before.at });
    }
  } finally {
    for (const bench of benches) bench.end();
    server.thaw();
    await Promise.race([Promise.allSettled(benches.map(({ made }) => made.close())), wait(3_000)]);
    await server.end();
  }
}

async function played(bench, scenario, { expected, run }) {
  let why = await run(bench).catch((error) => String(error.stack));
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
