// The layout that all this is for: npm as process 1, `restart: always`, no curl, a health check with the probe.
import { expect, OPTIONS, start } from './container.mjs';

const SEEN = /503 from the watchdog: .*LOOP_BLOCKED.*parseTours/s;

export function tatApi(given) {
  return {
    title: 'tat-api hangs, explains itself and comes back',
    run: async () => {
      const recovery = { ...OPTIONS.recovery, afterMs: 8_000 };
      const container = await start(given, {
        first: 'npm',
        user: 'root',
        hang: 'loop',
        options: { ...OPTIONS, details: 'full', recovery },
      });
      try {
        await container.untilHealth('healthy');
        const ill = await container.until(
          'unhealthy',
          ({ Health }, log) => Health?.Status === 'unhealthy' && log.some(({ Output }) => SEEN.test(Output)),
        );
        const { Output } = ill.log.findLast((one) => SEEN.test(one.Output));
        await container.until(
          'restarted and healthy',
          ({ Health }) => Health?.Status === 'healthy' && container.runs().length > 1,
        );
        const { RestartCount } = await container.inspect();
        const { previous, restarts } = await container.ask();
        expect(RestartCount === 1, 'one restart', { RestartCount });
        expect(
          previous.code === 'LOOP_BLOCKED' && /parseTours/.test(previous.message),
          'the next one knows why',
          previous,
        );
        return `\n         docker inspect: ${Output}\n         previous: ${JSON.stringify(previous)}\n         restarts: ${JSON.stringify(restarts)}`;
      } finally {
        await container.remove();
      }
    },
  };
}
