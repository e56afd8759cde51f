/**
 * Counts claims. Jest cannot load Nest 12 on Node 20, and one process per Nest is wanted: this is all that is needed.
 */

const LIMIT_MS = 60_000;

/** Runs claims, a few at a time, and keeps what failed. */
export class Tally {
  passed = 0;
  failures = [];
  #pattern;
  #trail;

  /** `trail` stands before every title; `pattern` picks the titles to run. */
  constructor(trail = '', pattern = null) {
    this.#trail = trail;
    this.#pattern = pattern ? new RegExp(pattern, 'i') : null;
  }

  wants(title) {
    return !this.#pattern || this.#pattern.test(`${this.#trail} ${title}`);
  }

  /** Holds or fails, never throws. A claim that neither holds nor fails in `limitMs`, a minute, has failed. */
  async claim(title, prove, limitMs = LIMIT_MS) {
    if (!this.wants(title)) return;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not proved in ${limitMs} ms`)), limitMs);
    });
    try {
      await Promise.race([prove(), late]);
      this.passed += 1;
    } catch (error) {
      this.failures.push({ title: `${this.#trail} ${title}`.trim(), why: error?.stack ?? String(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  add({ passed, failures }) {
    this.passed += passed;
    this.failures.push(...failures);
  }
}

/** Runs all, at most `width` at a time. */
export async function inParallel(width, works) {
  const queue = [...works];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await next();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Asks until the answer fits and returns it; when the time is up, throws with the last answer. */
export async function until(ask, fits, what, limitMs = 20_000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`${what}: not in ${limitMs} ms; last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
