/**
 * Stage 5, ACT: the watchdog's own thread. It counts the main thread's beats; when they stay out, it asks where the main
 * thread is, answers in its place, and ends the process if that was asked for and nothing speaks against it.
 */
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { answerOf, type Answer } from '../endpoint/answer.js';
import { questionOf, routeOf } from '../endpoint/question.js';
import { FlightDirectory } from '../recovery/flight-directory.js';
import { READINGS_BEFORE } from '../recovery/figures.js';
import { aged, replacing, type Snapshot } from '../verdict/snapshot.js';
import { detailOf, incidentOf, messageOf, shortWords, type Block } from './block.js';
import { Doorway } from './doorway.js';
import { Ending } from './ending.js';
import { MainThread } from './kernel.js';
import { isNamed, placeIn } from './place.js';
import { Pulse, type Tick } from './pulse.js';
import { Question } from './question.js';
import { say } from './stderr.js';
import { BEAT, DEBUGGED, type News, type Over, type Terms } from './terms.js';

/** A stack that takes longer than this is one of native code, ms. */
const STACK_WITHIN_MS = 300;
/** Where only the kernel knows anything, it is asked again so often, ms. */
const LOOK_EVERY_MS = 5_000;
/** An idle main thread that does not beat has its timers replaced, as tests do: after so many, we trust it no more. */
const MAX_IDLE = 3;
const DEBUGGED_WORDS = 'a function that is not looked for, because a debugger may be attached';

class WatchdogThread {
  private readonly main = new MainThread();
  private readonly question = new Question();
  private readonly doorway = new Doorway((url, accept) => this.answer(url, accept));
  private readonly directory: FlightDirectory;
  private readonly ending: Ending;
  private readonly pulse: Pulse;
  private news: News | null = null;
  private heardAt = 0;
  private block: Block | null = null;
  private lookedAt = -Infinity;
  private hasStack = false;
  private isLooking: Promise<void> | null = null;
  private isKept = false;
  private idle = 0;
  /** Share of the last tick that the main thread ran, of the time in which it could. */
  private busyRatio = 0;
  private lastTick: (Tick & { ranMs: number }) | null = null;
  /** The last snapshots, oldest first. */
  private before: readonly Snapshot[] = [];

  constructor(private readonly terms: Terms) {
    this.directory = new FlightDirectory(terms.directory, () => {}, terms.guards);
    this.pulse = new Pulse(terms.beatMs, this.tickNow());
    const { directory, question } = this;
    const before = (): readonly Snapshot[] => this.before;
    this.ending = new Ending({
      terms,
      directory,
      question,
      get before() {
        return before();
      },
      look: async () => {
        await this.look();
        return this.block;
      },
      veto: () => this.veto(),
    });
  }

  hear(news: News): void {
    // While it is ill, it is not before it any more.
    if (!this.block) this.before = [...this.before.slice(1 - READINGS_BEFORE), news.snapshot];
    this.news = news;
    this.heardAt = performance.now();
    this.doorway.serve(news.port);
  }

  tick(): void {
    const before = this.lastTick;
    const tick = (this.lastTick = this.tickNow());
    if (before) {
      const couldMs = tick.now - before.now - (tick.queuedMs - before.queuedMs);
      this.busyRatio = (tick.ranMs - before.ranMs) / Math.max(1, couldMs);
    }
    this.pulse.tick(tick);
    const { effectiveMs: forMs, wallMs } = this.pulse;
    if (forMs < this.terms.blockedAfterMs) return this.over();
    if (this.idle >= MAX_IDLE) return;
    const now = performance.now();
    const since = this.block?.since ?? performance.timeOrigin + now - wallMs;
    const { where = 'a function that is not known yet', stack = '' } = this.block ?? {};
    this.block = { since, forMs, wallMs, where, stack };
    if (!this.hasStack && now - this.lookedAt >= LOOK_EVERY_MS) void this.look();
    if (forMs >= this.terms.restartAfterMs) void this.keep();
    this.ending.see(this.block, now);
  }

  private tickNow(): Tick & { ranMs: number } {
    const beats = Atomics.load(this.terms.beats, BEAT);
    const times = this.main.times();
    const isInLine = times.ranMs > 0 && times.ranMs === this.lastTick?.ranMs && this.main.isRunnable;
    return { now: performance.now(), beats, isInLine, ...times };
  }

  /** Once at a time: whoever asks meanwhile waits for the same answer. */
  private look(): Promise<void> {
    return (this.isLooking ??= this.lookOnce().finally(() => (this.isLooking = null)));
  }

  private async lookOnce(): Promise<void> {
    this.lookedAt = performance.now();
    if (this.isDebugged) return this.found(DEBUGGED_WORDS, '');
    const answer = await this.question.where(STACK_WITHIN_MS, (frames) => this.see(frames));
    if (!this.block) return;
    if (typeof answer === 'object') this.see(answer.frames);
    else if (answer === 'debugged') Atomics.store(this.terms.beats, DEBUGGED, 1);
    else if (answer === 'idle') this.doubt();
    else if (!this.hasStack) {
      const where = this.main.doing();
      this.found(where, where);
    }
  }

  private see(frames: string): void {
    if (!this.block || (this.hasStack && !isNamed(frames))) return;
    this.hasStack = true;
    this.found(placeIn(frames, this.terms.cwd), frames);
  }

  private found(where: string, stack: string): void {
    if (this.block) this.block = { ...this.block, where, stack };
  }

  /** It answers and runs nothing: a flood of microtasks too short to be seen takes the CPU, an idle loop does not. */
  private doubt(): void {
    if (this.busyRatio > 0.5) {
      // What was seen before says more.
      if (!this.hasStack) this.found('microtasks or callbacks too short to be seen', '');
      this.lookedAt -= LOOK_EVERY_MS * 0.9;
      return;
    }
    this.idle++;
    this.pulse.forgive();
    this.block = null;
    this.hasStack = this.isKept = false;
    this.lookedAt = -Infinity;
    this.question.close();
  }

  /** Whoever kills the process must find it there. What was seen once may have run for a moment: it is looked at again. */
  private async keep(): Promise<void> {
    if (this.isKept) return;
    this.isKept = true;
    await this.look();
    if (!this.block || !this.isKept) return;
    this.directory.write(incidentOf(this.block, this.terms, this.before));
    void say(`a restart would cure it: ${messageOf(this.block, this.terms)}`);
  }

  private over(): void {
    const { block } = this;
    if (!block) return;
    const at = new Date().toISOString();
    const ended = { how: 'recovered', at, lastedMs: Math.round(block.wallMs) } as const;
    const incident = this.isKept ? incidentOf(block, this.terms, this.before, ended) : null;
    if (incident) this.directory.write(incident);
    const { forMs, where, stack } = block;
    parentPort?.postMessage({
      forMs: Math.round(forMs),
      where,
      stack: stack || where,
      incident,
    } satisfies Over);
    this.block = null;
    this.hasStack = this.isKept = false;
    this.lookedAt = -Infinity;
    this.question.close();
    this.ending.see(null, 0);
  }

  private get isDebugged(): boolean {
    return Atomics.load(this.terms.beats, DEBUGGED) !== 0 || this.main.isTraced;
  }

  private veto(): string | null {
    if (this.isDebugged) return 'a debugger may be attached';
    if (this.main.isKnown) return null;
    return 'on this machine a blocked process cannot be told from one that waits for a CPU';
  }

  /** What the endpoint would say, could it speak. */
  private answer(url: string, accept: string | undefined): Answer {
    const { terms, news, block } = this;
    if (!news) throw new Error('nobody is answered before there is a port');
    const now = performance.timeOrigin + performance.now();
    const snapshot = block
      ? replacing(news.snapshot, detailOf(block, terms, now), Math.round(now))
      : aged(news.snapshot, performance.now() - this.heardAt, terms.freshness);
    const { refused } = this.ending;
    const known = news.history;
    const history = refused
      ? { previous: known?.previous ?? null, restarts: { ...known?.restarts, refused } }
      : known;
    const { details, retryAfterSeconds } = terms;
    const route = routeOf(url, terms.path) ?? 'health';
    const blocked = block ? { blocked: shortWords(block) } : {};
    return answerOf(snapshot, questionOf(route, url, accept), {
      details,
      retryAfterSeconds,
      history,
      ...blocked,
    });
  }
}

const thread = new WatchdogThread(workerData as Terms);
parentPort?.on('message', (news: News) => thread.hear(news));
setInterval(() => thread.tick(), (workerData as Terms).beatMs);
