/**
 * Stage 4, TELL: the answers to the present snapshot, kept so that a request only has to choose one.
 */
import type { Details } from '../options.js';
import type { Snapshot } from '../verdict/snapshot.js';
import { answerOf, type Answer, type History } from './answer.js';
import type { Question, Route } from './question.js';

/** Combinations of `?exclude` are the caller's to invent: beyond this many of one snapshot only plain ones are kept. */
const MAX_KEPT = 64;
const MAX_RETRY_AFTER_SECONDS = 30;
const ROUTES: readonly Route[] = ['health', 'live', 'ready'];

/** Keeps the answers of one snapshot. The usual ones are made when it comes, others when first asked for. */
export class Answers {
  private snapshot: Snapshot | null = null;
  private kept = new Map<string, Answer>();
  private ready: Partial<Record<Route, Answer>> = {};
  private readonly retryAfterSeconds: number;

  /** `retryAfterMs`: when the next snapshot is due, for `Retry-After`. */
  constructor(
    private readonly usual: Details | null,
    retryAfterMs: number,
    private readonly history: () => History | null = () => null,
  ) {
    this.retryAfterSeconds = Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(retryAfterMs / 1000)));
  }

  /** Makes the answers to the questions that are usually asked. */
  prepare(snapshot: Snapshot): void {
    this.begin(snapshot);
    if (!this.usual) return;
    for (const route of ROUTES) {
      this.ready[route] = this.choose(
        snapshot,
        { route, format: 'json', verbose: false, exclude: [] },
        this.usual,
      );
    }
  }

  /** The answer to `question` for this audience. */
  choose(snapshot: Snapshot, question: Question, details: Details): Answer {
    if (snapshot !== this.snapshot) this.begin(snapshot);
    const { route, format, verbose, exclude } = question;
    const ready = this.ready[route];
    if (ready && format === 'json' && !verbose && exclude.length === 0 && details === this.usual)
      return ready;
    const key = keyOf(question, details);
    const kept = this.kept.get(key);
    if (kept) return kept;
    const { retryAfterSeconds } = this;
    const answer = answerOf(snapshot, question, { details, retryAfterSeconds, history: this.history() });
    const isPlain = !verbose && exclude.length === 0;
    if (isPlain || this.kept.size < MAX_KEPT) this.kept.set(key, answer);
    return answer;
  }

  private begin(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.kept = new Map();
    this.ready = {};
  }
}

function keyOf({ route, format, verbose, exclude }: Question, details: Details): string {
  const usual = `${route} ${format} ${details}`;
  return verbose || exclude.length > 0 ? `${usual} ${String(verbose)} ${JSON.stringify(exclude)}` : usual;
}
