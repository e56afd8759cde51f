// The rows that must end: the process goes, the engine's restart policy brings a new one, and that one knows why.
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
const PROMISED_MS = {
  LOOP_BLOCKED: 500 + 1_000 + 1_200,
  POOL_WEDGED: 2_000 + 1_200,
  ERRORS_SWALLOWED: 1_000 + 1_200,
};
/** Two cores with three containers starting beside it, and the steps of an ending that is refused, ms. */
const PATIENCE_MS = OPTIONS.recovery.graceMs + 8_000;

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
