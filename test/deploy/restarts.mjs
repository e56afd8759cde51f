// When the monitor restarts, and when it must not: each against a container of its own in the real engine.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '../container/containers.mjs';
import { make, once, until, watch } from './monitor.mjs';

const SHELLS = { dash: ['dash'], 'busybox sh': ['busybox', 'sh'], 'bash --posix': ['bash', '--posix'] };
const QUICK = ['--interval', '1', '--stop-timeout', '5'];

export function cases(engine) {
  const given = (title, run) => ({ title, run: () => run(engine) });
  return [
    ...Object.entries(SHELLS).map(([name, shell], n) =>
      given(
        `under ${name} it restarts after exactly 3 unhealthy checks, says why, and says when it is back`,
        () => restarts(engine, `exact${n}`, shell),
      ),
    ),
    given('a healthy container is never restarted, and quiet checks print nothing', healthy),
    given('a healthy check in between begins the count anew', anew),
    given('a container that others started again begins the count anew', startedByOthers),
    given('absence is said once and survived, and so is the return', absence),
    given('a paused container is never restarted, however sick', paused),
    given('a created, a stopped and a restarting container are left alone', leftAlone),
    given('a container without a HEALTHCHECK is said to be so, once', withoutCheck),
    given('the pause between restarts doubles up to its limit', backoff),
    given('after the restarts of an hour it only says so, once', budget),
    given('restarts older than an hour, or in the future, are forgotten; none are forgotten by --once', hour),
    given('with --per-hour 0 it says what it sees and never restarts', watchOnly),
    given('a restart that the engine refuses is said, counted and followed by the pause', refused),
  ];
}

async function restarts(engine, name, shell) {
  const container = await make(engine, name);
  await container.becomes('healthy');
  const before = await container.state();
  const monitor = watch(engine, ['--container', name, ...QUICK], { shell });
  await monitor.says(/seen: healthy/);
  await container.sicken();
  await monitor.says(/: restarted after/);
  await monitor.says(/back: healthy after \d+ s/);
  expect((await monitor.stop()) === 0, 'it ends with 0', monitor.error());
  const calls = monitor.calls();
  const at = calls.findIndex((call) => call.startsWith('restart'));
  const streak = calls.slice(0, at).reverse();
  const unhealthy = streak.findIndex((call) => call !== 'inspect 0 running unhealthy');
  expect(unhealthy === 3 && streak[3] === 'inspect 0 running healthy', 'exactly 3 before it', calls);
  expect(calls[at].startsWith('restart -t 5 ') && monitor.restarts().length === 1, 'one restart', calls);
  expect((await container.state()).StartedAt !== before.StartedAt, 'it was started again', before);
  const said = monitor.lines().map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /, ''));
  const expected = [1, 2, 3].map((n) => `${name}: unhealthy ${n} of 3: 503 POOL_WEDGED: 10 of 10 used`);
  expect(said.slice(1, 4).join() === expected.join() && !monitor.error(), 'one line each', monitor.lines());
  return monitor.lines().slice(-4).join('\n         ');
}

async function healthy(engine) {
  const container = await make(engine, 'healthy');
  await container.becomes('healthy');
  const { StartedAt } = await container.state();
  const monitor = watch(engine, ['--container', 'healthy', '--failures', '1', ...QUICK]);
  await monitor.checksAgain(5);
  await monitor.stop();
  expect(monitor.lines().length === 2 && monitor.restarts().length === 0, 'seen, ended', monitor.lines());
  expect((await container.state()).StartedAt === StartedAt, 'not restarted', StartedAt);
}

async function anew(engine) {
  const container = await make(engine, 'anew');
  await container.becomes('healthy');
  const look = () => once(engine, join(engine.dir, 'anew.state'), ['--container', 'anew']);
  const said = [await look()];
  await container.sicken();
  said.push(await look(), await look());
  await container.cure();
  said.push(await look());
  await container.sicken();
  said.push(await look(), await look(), await look());
  const text = said.map(({ lines }) => /: (unhealthy \d|seen|back)/.exec(lines[0])?.[1]).join();
  expect(text === 'seen,unhealthy 1,unhealthy 2,back,unhealthy 1,unhealthy 2,unhealthy 3', 'anew', said);
  expect(said.map(({ restarts }) => restarts.length).join('') === '0000001', 'the last one restarts', said);
}

async function startedByOthers(engine) {
  const container = await make(engine, 'others');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const look = () =>
    once(engine, join(engine.dir, 'others.state'), ['--container', 'others', '--failures', '2']);
  await look();
  await engine.docker('restart', '-t', '5', 'others');
  await container.becomes('unhealthy');
  const { lines, restarts } = await look();
  expect(/unhealthy 1 of 2/.test(lines[0]) && restarts.length === 0, 'first of its run', lines);
}

async function absence(engine) {
  const monitor = watch(engine, ['--container', 'absent', ...QUICK]);
  await monitor.says(/absent: no container of this name/);
  await monitor.checksAgain(3);
  expect(monitor.lines().length === 1, 'one line', monitor.lines());
  await make(engine, 'absent');
  await monitor.says(/back: healthy/);
  await engine.docker('rm', '-f', 'absent');
  await monitor.says(/: absent: no/, 2);
  const again = await make(engine, 'absent');
  await monitor.says(/back: healthy/, 2);
  await again.sicken();
  await monitor.says(/: restarted after/);
  expect((await monitor.stop()) === 0, 'ends with 0', monitor.error());
}

async function paused(engine) {
  const container = await make(engine, 'paused');
  await container.becomes('healthy');
  const monitor = watch(engine, ['--container', 'paused', '--failures', '3', ...QUICK]);
  await monitor.says(/seen: healthy/);
  await container.sicken();
  await monitor.says(/unhealthy 1 of 3/);
  await engine.docker('pause', 'paused');
  await monitor.says(/seen: paused/);
  await monitor.checksAgain(5);
  const { Status, Health } = await container.state();
  expect(Status === 'paused' && Health.Status === 'unhealthy', 'paused, unhealthy', { Status, Health });
  expect(monitor.restarts().length === 0, 'no restart', monitor.calls());
  await engine.docker('unpause', 'paused');
  await monitor.says(/: restarted after/);
  await monitor.stop();
  const after = monitor.lines().slice(monitor.lines().findIndex((line) => /paused;/.test(line)));
  expect(/unhealthy 1 of 3/.test(after[1]), 'counted anew after it', after);
}

async function leftAlone(engine) {
  await make(engine, 'created', { how: ['create'] });
  await make(engine, 'exited', { app: 'exit 3' });
  await make(engine, 'restarting', { flags: ['--restart', 'always'], app: 'exit 3' });
  const is = (name, status) =>
    until(status, async () => (await engine.docker('inspect', '-f', '{{.State.Status}}', name)) === status);
  for (const name of ['exited', 'restarting']) await is(name, name);
  const said = [];
  for (const name of ['created', 'exited', 'restarting']) {
    const state = join(engine.dir, `${name}.state`);
    let looked;
    // Docker's pauses between its own restarts grow; one of ours falls into one of them.
    await until(`seen ${name}`, async () => {
      looked = await once(engine, state, ['--container', name, '--failures', '1']);
      return looked.lines.some((line) => line.includes(`seen: ${name};`));
    });
    expect(looked.restarts.length === 0 && looked.code === 0, 'left alone', looked);
    said.push(...looked.lines);
  }
  await engine.docker('rm', '-f', 'restarting');
  return said.join('\n         ');
}

async function withoutCheck(engine) {
  await make(engine, 'unchecked', { check: null });
  const monitor = watch(engine, ['--container', 'unchecked', ...QUICK]);
  await monitor.checksAgain(4);
  await monitor.stop();
  const [said, ...rest] = monitor.lines();
  expect(/no HEALTHCHECK/.test(said) && rest.length === 1, 'once, and the end', monitor.lines());
  expect(monitor.restarts().length === 0, 'no restart', monitor.calls());
}

async function backoff(engine) {
  const container = await make(engine, 'backoff');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const state = join(engine.dir, 'backoff.state');
  const limits = ['--failures', '1', '--backoff', '3', '--backoff-max', '8', '--per-hour', '9'];
  const monitor = watch(engine, ['--container', 'backoff', ...QUICK, ...limits, '--state', state]);
  await monitor.says(/: restarted after/, 4);
  await monitor.stop();
  const [first, ...times] = restartsIn(state);
  const gaps = times.map((at, n) => at - [first, ...times][n]);
  expect(gaps[0] >= 3 && gaps[1] >= 6 && gaps[2] >= 8, 'at least 3, 6, 8 s', gaps);
  const pauses = monitor.lines().flatMap((line) => /of the (\d+) s after/.exec(line)?.[1] ?? []);
  // On a busy machine the restart itself takes the first three seconds: nothing is left to be said of them.
  expect(/^(3,)?6,8(,8)?$/.test(pauses.join()), 'each pause is said once', monitor.lines());
  return `restarts ${gaps.join(', ')} s apart`;
}

async function budget(engine) {
  const container = await make(engine, 'budget');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const limits = ['--failures', '1', '--backoff', '0', '--per-hour', '2'];
  const monitor = watch(engine, ['--container', 'budget', ...QUICK, ...limits]);
  await monitor.says(/budget spent/);
  await monitor.checksAgain(5);
  await monitor.stop();
  const spent = monitor
    .lines()
    .filter((line) => /budget spent: 2 restarts in the last hour \(limit 2\)/.test(line));
  expect(spent.length === 1 && monitor.restarts().length === 2, 'two, and said once', monitor.lines());
  return spent[0];
}

async function hour(engine) {
  const container = await make(engine, 'hour');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const state = join(engine.dir, 'hour.state');
  const args = ['--container', 'hour', '--failures', '1', '--per-hour', '2', '--backoff', '0'];
  const now = Math.floor(Date.now() / 1000);
  const { Id, State } = await container.inspect();
  const run = `${Id}:${State.StartedAt}`;
  const text = (restarts) =>
    `nestjs-vitals-monitor 1\nlast unhealthy\nheld \nrun ${run}\nstreak 3\nsince ${now}\nrestarts ${restarts}\n`;
  writeFileSync(state, text(`${now - 3400} ${now - 3300}`));
  const full = await once(engine, state, args);
  const still = await once(engine, state, args);
  expect(/budget spent/.test(full.lines[0]) && full.restarts.length === 0, 'spent', full);
  expect(still.lines.length === 0 && still.restarts.length === 0, 'still spent, and said before', still);
  writeFileSync(state, text(`${now - 3700} ${now - 3601} ${now + 9000}`));
  const free = await once(engine, state, args);
  expect(free.restarts.length === 1 && restartsIn(state).length === 1, 'forgotten', free);
}

async function watchOnly(engine) {
  const container = await make(engine, 'only');
  await container.becomes('healthy');
  await container.sicken();
  const { lines, restarts } = await once(engine, join(engine.dir, 'only.state'), [
    '--container',
    'only',
    '--failures',
    '1',
    '--per-hour',
    '0',
  ]);
  expect(/limit 0/.test(lines[1]) && restarts.length === 0, 'said, not done', lines);
}

async function refused(engine) {
  const container = await make(engine, 'refused');
  await container.becomes('healthy');
  await container.sicken();
  const args = ['--container', 'refused', '--failures', '1', ...QUICK];
  const monitor = watch(engine, args, { env: { SPY_REFUSES: 'driver failed' } });
  await monitor.says(/restart failed \(1\): Error response from daemon: driver failed/);
  await monitor.says(/waits: \d+ s are left of the 60 s/);
  await monitor.checksAgain(2);
  await monitor.stop();
  expect(monitor.restarts().length === 1, 'once', monitor.calls());
}

function restartsIn(state) {
  return /^restarts (.*)$/m.exec(readFileSync(state, 'utf8'))[1].trim().split(' ').map(Number);
}
