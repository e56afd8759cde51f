// The rows that must end: the process goes, the engine's restart policy brings a new one, and that one knows why.
import { setTimeout as later } from 'node:timers/promises';
import { expect, OPTIONS, start } from './container.mjs';

/** What the record must say. */
export const HANGS = {
  loop: { code: 'LOOP_BLOCKED', stack: /parseTours/ },
  regex: { code: 'LOOP_BLOCKED', stack: /matchTours/ },
  wait: { code: 'LOOP_BLOCKED', stack: /waitForTours/ },
  exec: { code: 'LOOP_BLOCKED', stack: /sleep 54321/ },
  microtasks: { code: 'LOOP_BLOCKED', stack: /floodWithTours|microtask/ },
  garbage: { code: 'LOOP_BLOCKED', stack: /collectTours/ },
  wedge: { code: 'POOL_WEDGED' },
  swallow: { code: 'ERRORS_SWALLOWED' },
};

/** From the hang to the end of the process: the threshold, `restartAfterMs`, `afterMs` with its jitter, and `graceMs`. */
export const PROMISED_MS = {
  LOOP_BLOCKED: 500 + 1_000 + 1_200,
  POOL_WEDGED: 2_000 + 1_200,
  ERRORS_SWALLOWED: 1_000 + 1_200,
};
/** Two cores with three containers starting beside it, and the steps of an ending that is refused, ms. */
export const PATIENCE_MS = OPTIONS.recovery.graceMs + 8_000;

export function positive(given, { hang, first, user }) {
  const { code, stack } = HANGS[hang];
  return {
    title: `${hang} | ${first} | ${user}`,
    run: async () => {
      const container = await start(given, { first, user, hang });
      try {
        const seen = await container.until(
          'restarted',
          (_, log) => log.length > 0 && container.runs().some(({ end }) => end),
        );
        await container.until(
          'healthy again',
          (state) => state.Health?.Status === 'healthy' && container.runs().length > 1,
        );
        const { RestartCount } = await container.inspect();
        const run = container.runs().find(({ end }) => end);
        const tookMs = Date.parse(run.end.at) - container.hungAt();
        expect(RestartCount >= 1, 'the engine restarted it', { RestartCount, seen: seen.State.Status });
        expect(run.end.code === code, `the process ended for ${code}`, run.end);
        expect(['watchdog', 'recovery'].includes(run.end.by), 'we ended it', run.end);
        expect(tookMs <= PROMISED_MS[code] + PATIENCE_MS, `in ${PROMISED_MS[code]} ms and its patience`, {
          tookMs,
        });
        // There may be another one of before: of a busy machine's slow start, say.
        const incidents = container.incidents().filter((one) => one.code === code);
        const isTold = incidents.some((one) => !stack || stack.test(one.stack));
        expect(
          isTold,
          `an incident ${code} is recorded${stack ? ` whose stack shows ${stack}` : ''}`,
          incidents,
        );
        const { previous } = await container.ask();
        expect(previous?.code === code, 'the answer of the next one says why', previous ?? 'no previous');
        return `${code} by ${run.end.by} after ${(tookMs / 1000).toFixed(1)} s`;
      } finally {
        await container.remove();
      }
    },
  };
}

/** Where no thread of ours is in the process, the health check ends it: asked at the second in a row, killed at the third. */
export function fromOutside(given, { hang, first, user }) {
  return {
    title: `${hang}, no watchdog | ${first} | ${user}`,
    run: async () => {
      const container = await start(given, {
        first,
        user,
        hang,
        options: { ...OPTIONS, watchdog: false, recovery: false },
        probe: '--timeout-ms 1000 --restart-after 2',
      });
      try {
        const asked = /sent SIGTERM to process (\d+)/;
        const { log } = await container.until('asked to end', (_, seen) =>
          seen.some(({ Output }) => asked.test(Output)),
        );
        const [, pid] = asked.exec(log.find(({ Output }) => asked.test(Output)).Output);
        expect((pid === '1') === (first === 'node'), 'it is the service that is asked', { pid });
        await container.until(
          'restarted and healthy',
          ({ Health }) => Health?.Status === 'healthy' && container.runs().length > 1,
        );
        const { RestartCount } = await container.inspect();
        expect(RestartCount === 1, 'one restart', { RestartCount });
        // Whoever lived in another namespace is known to be dead by its silence only.
        const previous = await until(async () => (await container.ask()).previous);
        expect(previous?.by === 'killed', 'the next one knows of it', previous);
        return `the probe ended process ${pid}; the next one says ${previous.by} ${previous.code}`;
      } finally {
        await container.remove();
      }
    },
  };
}

async function until(look, ms = 40_000) {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await later(500)) {
    const seen = await look();
    if (seen) return seen;
  }
}
