/** oracledb's thick mode shows no socket: its pool as far as it is looked at, over connections that are nothing. */
import { Observed } from './observed.js';

const LEAK_MS = 400;

class ThickPool {
  readonly poolMax = 8;
  readonly _pendingRequestQueue = new Set<object>();
  private readonly out = new Set<object>();

  get connectionsOpen(): number {
    return this.out.size;
  }
  get connectionsInUse(): number {
    return this.out.size;
  }
  get _connectionsOut(): number {
    return this.out.size;
  }
  getStatistics(): null {
    return null;
  }
  async getConnection(): Promise<{ _impl: object; ping(): Promise<void>; close(): Promise<void> }> {
    const _impl = {};
    this.out.add(_impl);
    return { _impl, ping: async () => {}, close: async () => this._release(_impl) };
  }
  async _release(impl: object): Promise<void> {
    this.out.delete(impl);
  }
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

let pool: ThickPool;
let observed: Observed;
beforeEach(() => {
  pool = new ThickPool();
  observed = new Observed(() => pool, { leakAfterMs: LEAK_MS });
});
afterEach(() => observed.close());

test('connections that are taken one after the other and never come back are a leak', async () => {
  let isOn = true;
  const leaking = (async () => {
    for (; isOn && pool.connectionsInUse < pool.poolMax - 1; await wait(LEAK_MS)) await pool.getConnection();
  })();
  expect(await observed.sees('POOL_LEAK')).toMatchObject({ status: 'degraded', data: { silent: 0 } });
  isOn = false;
  await leaking;
});

test('a load that grows, of connections that do come back, is none', async () => {
  let wanted = 0;
  const uses: Promise<void>[] = [];
  const use = async (): Promise<void> => {
    for (let connection; wanted > 0; await connection.close()) {
      connection = await pool.getConnection();
      await wait(60);
    }
  };
  for (; wanted < 6; await wait(LEAK_MS)) {
    wanted += 1;
    uses.push(use());
  }
  expect(observed.reading!.checkins).toBeGreaterThan(20);
  expect(observed.findings.map(({ code }) => code)).not.toContain('POOL_LEAK');
  wanted = 0;
  await Promise.all(uses);
});
