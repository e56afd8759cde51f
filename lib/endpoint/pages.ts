/**
 * Stage 4, TELL: notes what the page's charts need, and brings the page when a browser asks for it. The page itself is
 * not loaded before: nobody else pays for it.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { DataValue } from '../indicators/finding.js';
import type { Details } from '../options.js';
import { History, SLOT_MS, SLOTS } from '../sources/history.js';
import type { Snapshot } from '../verdict/snapshot.js';
import type { Answer } from './answer.js';
import type { Answers } from './answers.js';
import type { Cure, Ended, Incident, Told } from './page/told.js';
import type { Question } from './question.js';

/** The incidents may lie on a disk: they are read no more often than this, ms. */
const INCIDENTS_EVERY_MS = 10_000;
/** A page does not wait longer for a disk, ms: it comes with what is known. */
const INCIDENTS_WITHIN_MS = 300;
const MINUTE_MS = 60_000;

/** What the page tells besides the snapshot. */
export interface PageSources {
  /** May take as long as a disk does. */
  readonly incidents: () => Promise<readonly Incident[]>;
  /** How the processes before this one ended, oldest first. */
  readonly ends: () => readonly Ended[];
  readonly cure: () => Cure;
}

const NO_SOURCES: PageSources = {
  incidents: () => Promise.resolve([]),
  ends: () => [],
  cure: () => ({ isOn: false, inMs: null }),
};

/** The page of one application. */
export class Pages {
  private readonly history = new History();
  /** Tells this process' slots from those of one before it. */
  private readonly run = randomBytes(6).toString('hex');
  private incidents: readonly Incident[] = [];
  private incidentsAt = -Infinity;
  private reading: { readonly done: Promise<void>; readonly since: number } | null = null;
  private readonly sources: PageSources;

  constructor(
    private readonly answers: Answers,
    sources: Partial<PageSources> = {},
    /** Monotonic ms. */
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.sources = { ...NO_SOURCES, ...sources };
  }

  /** Notes the figures of one snapshot, taken now unless it is said when. */
  note({ details }: Snapshot, now: number = this.clock()): void {
    for (const { name, data } of details) {
      if (name === 'eventLoop') this.noteLoop(now, data);
      else if (name === 'resets') this.noteResets(now, data);
      else if ('stillMs' in data)
        for (const key of ['used', 'waiting'])
          if (typeof data[key] === 'number') this.history.note(now, 'pool', `${name} ${key}`, data[key]);
    }
  }

  /** The document, or with `question.page` what it needs to go on living. */
  async answer(snapshot: Snapshot, question: Question, details: Details): Promise<Answer> {
    const { documentOf, updateOf } = await import('./page/index.js');
    const answer = this.answers.choose(snapshot, { ...question, format: 'json', verbose: false }, details);
    await this.readIncidents();
    const now = this.clock();
    const content = {
      told: JSON.parse(answer.body.toString()) as Told,
      isFull: details === 'full',
      self: { host: hostname(), pid: process.pid },
      cure: this.sources.cure(),
      incidents: this.incidents,
      incidentsLateMs: this.reading ? now - this.reading.since : null,
      ends: this.sources.ends(),
    };
    if (question.format !== 'html') {
      const [run, first] = question.page?.split('-') ?? [];
      const since = run === this.run ? Number(first) || 0 : 0;
      const past = { run: this.run, slots: SLOTS, slotMs: SLOT_MS, ...this.history.since(since, now) };
      // 200 whatever the verdict is: a proxy may replace the body of a 503, and this is no machine's question.
      const { 'Retry-After': _, ...headers } = answer.headers;
      return answerWith(200, headers, updateOf(content, past));
    }
    const nonce = randomBytes(16).toString('base64');
    const { body, headers } = documentOf(content, nonce);
    return answerWith(answer.status, { ...answer.headers, ...headers }, body);
  }

  private noteLoop(now: number, data: Data): void {
    for (const [name, key] of [
      ['p99', 'p99DelayMs'],
      ['max', 'maxDelayMs'],
      ['utilization', 'utilizationRatio'],
    ] as const)
      this.history.note(now, 'loop', name, numberOf(data[key]));
  }

  /** Resets of a minute, by pool where one is known and by peer else; those of no peer of their own together. */
  private noteResets(now: number, data: Data): void {
    const perMinute = MINUTE_MS / numberOf(data['windowMs']);
    let others = numberOf(data['outboundInWindow']);
    const byName = new Map<string, number>();
    for (const origin of Array.isArray(data['origins']) ? data['origins'] : []) {
      const { direction, peer, pool, inWindow } = origin as Data;
      const count = numberOf(inWindow);
      if (direction !== 'outbound' || !(count > 0)) continue;
      const name = typeof pool === 'string' ? `pool ${pool}` : `peer ${String(peer)}`;
      byName.set(name, (byName.get(name) ?? 0) + count);
    }
    for (const [name, count] of byName)
      if (this.history.note(now, 'reset', name, count * perMinute)) others -= count;
    this.history.note(now, 'reset', 'others', Math.max(0, others) * perMinute);
    this.history.note(now, 'reset', 'clients', numberOf(data['inboundInWindow']) * perMinute);
  }

  /** One reading at a time, and nobody waits long for it: somebody who looks must not be what stops the service. */
  private async readIncidents(): Promise<void> {
    const now = this.clock();
    if (!this.reading && now - this.incidentsAt >= INCIDENTS_EVERY_MS) this.beginReading(now);
    const { reading } = this;
    if (!reading || now - reading.since >= INCIDENTS_WITHIN_MS) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, INCIDENTS_WITHIN_MS).unref()));
    await Promise.race([reading.done, late]).finally(() => clearTimeout(timer));
  }

  private beginReading(since: number): void {
    const done = this.sources
      .incidents()
      .then((incidents) => {
        this.incidents = incidents;
        this.incidentsAt = since;
      })
      .finally(() => (this.reading = null));
    // Told to those who still wait for it.
    done.catch(() => {});
    this.reading = { done, since };
  }
}

type Data = { readonly [key: string]: DataValue };

function numberOf(value: DataValue | undefined): number {
  return typeof value === 'number' ? value : NaN;
}

function answerWith(status: Answer['status'], given: Answer['headers'], text: string): Answer {
  const body = Buffer.from(text);
  const headers = { ...given, 'Content-Length': String(body.length) };
  return { status, headers, flatHeaders: Object.entries(headers).flat(), body };
}
