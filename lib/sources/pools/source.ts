/**
 * Stage 1, MEASURE: reads one pool on the schedule and asks the database behind it when nothing else tells.
 * The pool is looked up at every sample, because a host may create it late and replace it. It never judges.
 */
import { poolFacts } from '../configuration.js';
import type { PoolAdapter } from './adapter.js';
import { peek } from './duck.js';
import { ACCEPTED_POOLS, adapterFor } from './index.js';
import type { PoolReading } from './reading.js';
import { Watch, type Owned, type PoolSettings } from './watch.js';

export type { PoolAsking } from './asking.js';

/** One pool under observation. */
export class PoolSource {
  /** Why there is nothing to read although the resolver answered: what it must be, what it was. */
  problem: string | null = null;
  private watch: Watch | null = null;
  private value: unknown;
  private isClosed = false;
  private hasSaidSo = false;

  /** `resolve` is called at every sample; while it answers nothing, or throws, the pool is not there yet. */
  constructor(
    readonly name: string,
    private readonly resolve: () => unknown,
    private readonly options: PoolSettings,
    /** Told, one line each time, what hygiene did. */
    private readonly tell: (did: string) => void = () => {},
  ) {}

  /**
   * The pool at `now` (on the clock of `performance.now()`), without taking a connection; `null` while there is no
   * pool. Starts a question when one is due; its answer is in a later reading. Never throws.
   */
  sample(now: number): PoolReading | null {
    if (this.isClosed) return null;
    try {
      const adapter = this.find();
      if (adapter?.pool !== this.watch?.adapter.pool) this.swap(adapter, now);
      return this.watch?.sample(now) ?? null;
    } catch (error) {
      this.problem = `pool "${this.name}" could not be read (${String(peek(error, 'message'))})`;
      return null;
    }
  }

  /** Where the database of the present pool is, and by which driver; `null` while there is no pool. */
  get owned(): Owned | null {
    return this.watch?.owned ?? null;
  }

  /** Takes every listener off the pool and gives up the question under way. */
  close(): void {
    this.isClosed = true;
    this.swap(null, 0);
  }

  private find(): PoolAdapter | null {
    this.problem = null;
    let value: unknown;
    try {
      value = this.resolve();
    } catch {
      return null;
    }
    if (value === undefined || value === null) return null;
    this.value = value;
    const adapter = adapterFor(value);
    if (!adapter) this.problem = `pool "${this.name}" must be ${ACCEPTED_POOLS}, got ${kindOf(value)}`;
    return adapter?.pool ? adapter : null;
  }

  private swap(adapter: PoolAdapter | null, now: number): void {
    this.watch?.end();
    this.watch = null;
    if (!adapter) return;
    this.sayWhatHygieneCannot(adapter);
    const evictsLost = poolFacts(this.name, this.value)?.evictsLost ?? null;
    this.watch = new Watch(adapter, this.options, now, evictsLost, this.tell);
  }

  /** Once, however often the host has its pool made anew. */
  private sayWhatHygieneCannot({ driver, retire }: PoolAdapter): void {
    if (!this.options.hygiene || retire || this.hasSaidSo) return;
    this.hasSaidSo = true;
    this.tell(`closes nothing: a pool of ${driver} lets nobody close single idle connections`);
  }
}

/** What a value is, never what it holds. */
function kindOf(value: unknown): string {
  if (typeof value !== 'object') return typeof value === 'function' ? 'a function' : `a ${typeof value}`;
  const name = peek(value, 'constructor', 'name');
  return typeof name === 'string' && name !== '' ? `an object of class ${name}` : 'an object';
}
