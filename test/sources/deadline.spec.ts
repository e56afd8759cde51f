import { createConnection } from 'node:net';
import { Worker } from 'node:worker_threads';
import { isOwnFault, limit, type Outcome } from '../../lib/sources/deadline.js';
import { run } from '../verdict/child.js';
import { block, until } from '../verdict/make.js';

// Real timers and processes on a machine that may be busy.
jest.setTimeout(30_000);

function outcomesOf<T>(work: Promise<T>, timeoutMs: number): Outcome<T>[] {
  const outcomes: Outcome<T>[] = [];
  limit(work, timeoutMs, (outcome) => outcomes.push(outcome));
  return outcomes;
}

const first = async <T>(outcomes: readonly Outcome<T>[]): Promise<Outcome<T>> => {
  await until('an outcome', () => outcomes.length > 0);
  return outcomes[0]!;
};

/** A peer with a loop of its own: answers `delayMs` after it was asked, also while we are blocked. */
async function withPeer(delayMs: number, use: (port: number) => Promise<void>): Promise<void> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer((socket) => {
       socket.on('error', () => {});
       setTimeout(() => socket.end('answer'), ${delayMs});
     });
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
    { eval: true },
  );
  try {
    await use(await new Promise<number>((resolve) => worker.once('message', resolve)));
  } finally {
    await worker.terminate();
  }
}

/** Resolves with the first bytes of the peer. */
function ask(port: number): { connected: Promise<void>; answer: Promise<string> } {
  const socket = createConnection(port, '127.0.0.1');
  const answer = new Promise<string>((resolve, reject) => {
    socket.once('data', (bytes) => resolve(String(bytes)));
    socket.once('error', reject);
  });
  const connected = new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { connected, answer };
}

describe('limit', () => {
  it('reports a value, with how long it took', async () => {
    const work = new Promise((resolve) => setTimeout(() => resolve(42), 50));
    const outcome = await first(outcomesOf(work, 10_000));
    expect(outcome).toMatchObject({ kind: 'fulfilled', value: 42 });
    expect(outcome.ms).toBeGreaterThan(45);
  });

  it('reports an error, whatever was thrown', async () => {
    for (const error of [new Error('no'), 'text', undefined]) {
      expect(await first(outcomesOf(Promise.reject(error), 10_000))).toMatchObject({
        kind: 'rejected',
        error,
      });
    }
  });

  it('reports that the time is up, once, and nothing that comes later', async () => {
    let resolve!: (value: number) => void;
    const outcomes = outcomesOf(new Promise<number>((done) => (resolve = done)), 30);
    expect((await first(outcomes)).kind).toBe('timedOut');
    resolve(1);
    await new Promise((turn) => setTimeout(turn, 60));
    expect(outcomes).toHaveLength(1);
  });

  it('reports a value once and never that the time is up afterwards', async () => {
    const outcomes = outcomesOf(Promise.resolve(1), 20);
    await new Promise((turn) => setTimeout(turn, 80));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['fulfilled']);
  });

  it('takes an answer that came while our own loop was blocked for an answer', async () => {
    await withPeer(100, async (port) => {
      const { connected, answer } = ask(port);
      await connected;
      const outcomes = outcomesOf(answer, 300);
      block(600);
      expect(await first(outcomes)).toMatchObject({ kind: 'fulfilled', value: 'answer' });
    });
  });

  it('tells how late it was itself when nothing had come', async () => {
    await withPeer(60_000, async (port) => {
      const { connected, answer } = ask(port);
      await connected;
      const outcomes = outcomesOf(answer, 300);
      block(600);
      const outcome = await first(outcomes);
      expect(outcome.kind).toBe('timedOut');
      expect(outcome.kind === 'timedOut' && outcome.lateMs).toBeGreaterThan(250);
      expect(isOwnFault(outcome, 300)).toBe(true);
    });
  });

  it('reports that the time is up while the loop has nothing else to do, and not at its next event', async () => {
    const { output } = await run(`
      const { limit } = lib('sources/deadline.js');
      require('node:net').createServer().listen(0, '127.0.0.1', () => {
        limit(new Promise(() => {}), 100, ({ kind }) => console.log(kind));
        setTimeout(() => (console.log('next event'), setTimeout(() => process.exit(), 500)), 3000);
      });
    `);
    expect(output.split('\n')[0]).toBe('timedOut');
  });

  it('does not keep the process alive', async () => {
    const ended = await run(
      `lib('sources/deadline.js').limit(new Promise(() => {}), 600_000, () => {}); console.log('end');`,
    );
    expect(ended).toEqual({ code: 0, output: 'end\n' });
  });
});

describe('isOwnFault', () => {
  it.each([
    ['timedOut', 0, false],
    ['timedOut', 250, false],
    ['timedOut', 250.1, true],
  ] as const)('of a limit of 1000 ms that ended %s and %d ms late is %s', (kind, lateMs, expected) => {
    expect(isOwnFault({ kind, ms: 1_000, lateMs }, 1_000)).toBe(expected);
  });

  it('is never said of an answer or an error, however long it took', () => {
    expect(isOwnFault({ kind: 'fulfilled', value: 1, ms: 1e6 }, 1)).toBe(false);
    expect(isOwnFault({ kind: 'rejected', error: 1, ms: 1e6 }, 1)).toBe(false);
  });
});
