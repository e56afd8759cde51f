// The rows that must not end: nothing that a restart would cure is wrong.
import { setTimeout as later } from 'node:timers/promises';
import { expect, OPTIONS, start } from './container.mjs';

const AS = { first: 'node', user: 'uid 1000' };

export function negatives(given) {
  return [
    survives(given, 'dead database', { hang: 'dead database' }, async () => {
      await later(15_000);
      return 'the pool is down for 15 s';
    }),
    survives(given, 'paused container', {}, async ({ name }) => {
      await given.engine.docker('pause', name);
      await later(20_000);
      await given.engine.docker('unpause', name);
      await later(3_000);
      return 'for 20 s';
    }),
    survives(given, 'SIGSTOP', {}, async ({ inspect }) => {
      const { Pid } = (await inspect()).State;
      process.kill(Pid, 'SIGSTOP');
      await later(60_000);
      process.kill(Pid, 'SIGCONT');
      await later(3_000);
      return 'for 60 s';
    }),
    survives(given, 'CPU quota 5 %', {}, async ({ name }) => {
      await given.engine.docker('update', '--cpu-period', '100000', '--cpu-quota', '5000', name);
      await later(40_000);
      await given.engine.docker('update', '--cpu-quota', '-1', name);
      await later(3_000);
      return 'for 40 s';
    }),
    survives(
      given,
      'dead database, --restart-after 2',
      { hang: 'dead database', probe: '--restart-after 2', options: { ...OPTIONS, watchdog: false } },
      async () => {
        await later(15_000);
        return 'the pool is down for 15 s';
      },
    ),
    survives(given, 'slow start', { env: { SLOW_START_MS: '15000' } }, () => '15 s before the first line'),
    survives(given, 'debugger attached', { hang: 'debugger' }, async () => {
      await later(18_000);
      return 'blocked for 15 s meanwhile';
    }),
    survives(
      given,
      'recovery not asked for',
      { hang: 'loop', options: { ...OPTIONS, recovery: false } },
      async () => {
        await later(12_000);
        return 'blocked for 12 s';
      },
    ),
  ];
}

function survives(given, title, terms, happens) {
  return {
    title: `${title} | never ended`,
    run: async () => {
      const container = await start(given, { ...AS, ...terms });
      try {
        await container.untilHealth('healthy');
        const before = await container.inspect();
        const said = await happens(container);
        const after = await container.inspect();
        const isOn = after.State.Running && after.RestartCount === 0;
        if (!isOn)
          expect(false, 'it was not restarted', { runs: container.runs(), log: await container.logs() });
        expect(after.State.Pid === before.State.Pid, 'it is the same process', after.State);
        expect(
          container.runs().length === 1 && container.runs().every(({ end }) => !end),
          'no end is recorded',
          container.runs(),
        );
        return said;
      } finally {
        await container.remove();
      }
    },
  };
}
