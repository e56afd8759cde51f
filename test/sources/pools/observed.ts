/** A pool source under a fast schedule, with the verdict of every sample. */
import { judgePool, type PoolThresholds } from '../../../lib/indicators/pool.js';
import type { Finding } from '../../../lib/indicators/finding.js';
import type { PoolReading } from '../../../lib/sources/pools/reading.js';
import { PoolSource } from '../../../lib/sources/pools/source.js';
import { until } from './servers.js';

export const ASKING = {
  pingEveryMs: 400,
  pingTimeoutMs: 1_000,
  wedgedAfterMs: 1_500,
  leakAfterMs: 60_000,
  windowMs: 5_000,
  hygiene: false,
};
export const THRESHOLDS = { wedgedAfterMs: 1_500, slowAfterMs: 1_000, starvedAfterMs: 300 };

export class Observed {
  readonly source: PoolSource;
  readings: PoolReading[] = [];
  findings: Finding[] = [];
  /** What hygiene said it did. */
  readonly told: string[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly thresholds: PoolThresholds;

  constructor(resolve: () => unknown, asking: Partial<typeof ASKING> = {}) {
    const { wedgedAfterMs, leakAfterMs } = { ...ASKING, ...asking };
    this.thresholds = { ...THRESHOLDS, wedgedAfterMs, leakAfterMs };
    this.source = new PoolSource('main', resolve, { ...ASKING, ...asking }, (did) => this.told.push(did));
    this.timer = setInterval(() => this.sample(), 50);
  }

  sample(): PoolReading | null {
    const reading = this.source.sample(performance.now());
    if (!reading) return null;
    this.readings.push(reading);
    this.findings.push(judgePool('main', reading, this.thresholds));
    return reading;
  }

  get reading(): PoolReading | undefined {
    return this.readings.at(-1);
  }

  get finding(): Finding | undefined {
    return this.findings.at(-1);
  }

  /** Waits for a verdict: a code, or `up`. */
  async sees(wanted: string, deadlineMs?: number): Promise<Finding> {
    const is = (finding?: Finding): boolean =>
      finding !== undefined && !finding.inconclusive && (finding.code ?? finding.status) === wanted;
    try {
      await until(wanted, () => is(this.finding), deadlineMs);
    } catch {
      throw new Error(`never ${wanted}; last: ${JSON.stringify(this.finding)}`);
    }
    return this.finding!;
  }

  close(): void {
    clearInterval(this.timer);
    this.source.close();
  }
}
