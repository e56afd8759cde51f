/** What becomes of a ping that is late at each of its steps; the adapter is a recording of calls. */
import type { PoolAdapter } from '../../../lib/sources/pools/adapter.js';
import { ping } from '../../../lib/sources/pools/ping.js';
import { until } from './servers.js';

const connection = { name: 'connection' };

class Recording {
  readonly calls: string[] = [];
  grant!: (connection: object) => void;
  refuse!: (error: unknown) => void;
  answer!: () => void;
  fail!: (error: unknown) => void;
  isCrowdedOut = false;

  readonly adapter = {
    borrow: () => {
      this.calls.push('borrow');
      return {
        granted: new Promise<object>((resolve, reject) => {
          this.grant = resolve;
          this.refuse = reject;
        }),
        isCrowdedOut: () => this.isCrowdedOut,
        withdraw: () => void this.calls.push('withdraw'),
      };
    },
    ask: () => {
      this.calls.push('ask');
      return new Promise<void>((resolve, reject) => {
        this.answer = resolve;
        this.fail = reject;
      });
    },
    giveBack: () => void this.calls.push('giveBack'),
    discard: () => void this.calls.push('discard'),
  } as unknown as PoolAdapter;
}

const asked = (recording: Recording) => until('the question', () => recording.calls.includes('ask'));

test('a ping borrows, asks and gives back', async () => {
  const recording = new Recording();
  const { answer, settled } = ping(recording.adapter, 5_000);
  recording.grant(connection);
  await asked(recording);
  recording.answer();
  expect(await answer).toEqual({ kind: 'answered', ms: expect.any(Number) });
  await settled;
  expect(recording.calls).toEqual(['borrow', 'ask', 'giveBack']);
});

test('a connection whose query fails is thrown away', async () => {
  const recording = new Recording();
  const { answer, settled } = ping(recording.adapter, 5_000);
  recording.grant(connection);
  await asked(recording);
  recording.fail(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
  expect(await answer).toEqual({ kind: 'lost', code: 'ECONNRESET' });
  await settled;
  expect(recording.calls).toEqual(['borrow', 'ask', 'discard']);
});

test('an error of the database on a connection is the database, not the connection', async () => {
  const recording = new Recording();
  const { answer } = ping(recording.adapter, 5_000);
  recording.grant(connection);
  await asked(recording);
  recording.fail(Object.assign(new Error('out of memory'), { code: '53200' }));
  expect(await answer).toEqual({ kind: 'failed', code: '53200' });
});

test('a refused connection is the answer', async () => {
  const recording = new Recording();
  const { answer } = ping(recording.adapter, 5_000);
  recording.refuse(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
  expect(await answer).toEqual({ kind: 'failed', code: 'ECONNREFUSED' });
});

test('a wait for the database beyond the limit is withdrawn, and a grant that still comes is given back unused', async () => {
  const recording = new Recording();
  const { answer, settled } = ping(recording.adapter, 20);
  expect(['failed', 'inconclusive']).toContain((await answer).kind);
  expect(recording.calls).toEqual(['borrow', 'withdraw']);
  recording.grant(connection);
  await settled;
  expect(recording.calls).toEqual(['borrow', 'withdraw', 'giveBack']);
});

test('a wait behind the host beyond the limit says nothing of the database', async () => {
  const recording = new Recording();
  recording.isCrowdedOut = true;
  expect(await ping(recording.adapter, 20).answer).toEqual({ kind: 'unasked' });
  expect(recording.calls).toEqual(['borrow', 'withdraw']);
});

test('a query beyond the limit costs its connection, once, and the ping is not over before the driver says so', async () => {
  const recording = new Recording();
  const { answer, settled } = ping(recording.adapter, 50);
  recording.grant(connection);
  await asked(recording);
  expect(await answer).toMatchObject({ code: 'TIMEOUT' });
  expect(recording.calls).toEqual(['borrow', 'ask', 'discard']);
  let isSettled = false;
  void settled.then(() => (isSettled = true));
  await new Promise((done) => setTimeout(done, 50));
  expect(isSettled).toBe(false);
  recording.fail(new Error('Connection terminated'));
  await settled;
  expect(recording.calls).toEqual(['borrow', 'ask', 'discard']);
});

test('an answer that lay unread while our own loop was blocked is an answer', async () => {
  const recording = new Recording();
  const { answer } = ping(recording.adapter, 30);
  recording.grant(connection);
  await asked(recording);
  setImmediate(recording.answer);
  block(100);
  expect((await answer).kind).toBe('answered');
});

test('no answer after our own loop was blocked proves nothing', async () => {
  const recording = new Recording();
  const { answer } = ping(recording.adapter, 30);
  recording.grant(connection);
  await asked(recording);
  block(100);
  expect(await answer).toEqual({ kind: 'inconclusive', code: 'TIMEOUT' });
});

test('an abandoned ping leaves at once, wherever it is', async () => {
  const waiting = new Recording();
  ping(waiting.adapter, 60_000).abandon();
  expect(waiting.calls).toEqual(['borrow', 'withdraw']);

  const asking = new Recording();
  const flight = ping(asking.adapter, 60_000);
  asking.grant(connection);
  await asked(asking);
  flight.abandon();
  asking.fail(new Error('cut'));
  await flight.settled;
  expect(asking.calls).toEqual(['borrow', 'ask', 'discard']);
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
