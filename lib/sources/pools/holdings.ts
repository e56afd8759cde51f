/**
 * Stage 1, MEASURE: what the host does with the connections that it holds: which of them it leaves alone, on which it waits
 * for the database, which fail, and who took them. It listens to nothing and asks nothing.
 */
import type { Gauges, PoolAdapter } from './adapter.js';
import { CheckoutCallers } from './checkout-callers.js';
import { Failures } from './failures.js';
import { LowWater } from './low-water.js';
import { rounded, type PoolReading } from './reading.js';
import { Silence } from './silence.js';

type Told = Pick<
  PoolReading,
  | 'silent'
  | 'oldestSilentMs'
  | 'silentBy'
  | 'asking'
  | 'oldestQueryMs'
  | 'queryAgeMs'
  | 'askedBy'
  | 'unseen'
  | 'lowWater'
  | 'lowWaterRises'
  | 'failing'
>;

/** The connections that are out, of one pool. */
export class Holdings {
  readonly failures = new Failures();
  private readonly silence: Silence;
  private readonly callers: CheckoutCallers;
  private readonly lowWater: LowWater;
  private used = 0;

  constructor(
    private readonly adapter: PoolAdapter,
    private readonly options: { readonly leakAfterMs: number; readonly windowMs: number },
  ) {
    this.silence = new Silence(adapter);
    this.callers = new CheckoutCallers(adapter);
    this.lowWater = new LowWater(options.leakAfterMs);
  }

  /** The connection went out. */
  checkout(now: number, connection: object): void {
    this.silence.checkout(now, connection);
    this.callers.forget(connection);
  }

  /** The pool as it is at a sample. */
  observe(now: number, { max, used }: Gauges, connections: readonly object[]): void {
    const { adapter, options } = this;
    this.used = used;
    this.silence.observe(now, connections);
    this.lowWater.observe(now, used);
    this.failures.observe(now, connections, adapter.idle?.() ?? null, options.windowMs);
    const isSuspicious = this.silence.over(now, options.leakAfterMs / 2).length > 0;
    this.callers.observe(now, { max, used, isSuspicious });
  }

  reading(now: number): Told {
    const leaked = this.silence.over(now, this.options.leakAfterMs);
    const asked = this.silence.asked(now);
    const askedMs = asked.reduce((sum, one) => sum + one.askedMs, 0);
    const worst = this.failures.worst(now);
    return {
      silent: leaked.length,
      oldestSilentMs: rounded(this.silence.over(now, 0)[0]?.silentMs ?? null),
      silentBy: this.callerOf(leaked),
      asking: asked.length,
      oldestQueryMs: rounded(asked[0]?.askedMs ?? null),
      queryAgeMs: rounded(asked.length > 0 ? askedMs / asked.length : null),
      askedBy: this.callerOf(asked),
      unseen: Math.max(0, this.used - this.silence.seen),
      lowWater: this.lowWater.mark,
      lowWaterRises: this.lowWater.rises,
      failing: worst && { inARow: worst.inARow, forMs: rounded(worst.forMs)!, errorCode: worst.code },
    };
  }

  close(): void {
    this.callers.close();
  }

  /** Of the first whose caller is known. */
  private callerOf(held: readonly { readonly connection: object }[]): string | null {
    return held.map(({ connection }) => this.callers.of(connection)).find((one) => one !== null) ?? null;
  }
}
