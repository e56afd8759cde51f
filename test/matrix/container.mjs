// One container of the matrix: how it is started, and what is read of it from outside.
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolFor } from '../container/containers.mjs';

/** Short enough to wait for; the thresholds that users have by default are minutes. */
export const OPTIONS = {
  everyMs: 200,
  drain: 200,
  discover: false,
  resets: false,
  eventLoop: { maxDelayMs: 500, restartAfterMs: 1_000 },
  swallowed: { degradedAt: 10, downAt: 50, windowMs: 10_000 },
  recovery: { exit: true, afterMs: 1_000, graceMs: 5_000, minUptimeMs: 0, perHour: 10 },
  incidents: { directory: '/incidents' },
};

const COMMANDS = {
  node: ['node', 'app.cjs'],
  npm: ['npm', 'run', 'start:prod'],
  init: ['node', 'app.cjs'],
};
const POWERS = {
  root: [],
  'uid 1000': ['--user', '1000:1000', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
};
let made = 0;

export async function start(
  { engine, image, service, root },
  { first, user, hang = 'none', options = OPTIONS, probe: probeFlags = '', flags = [], env = {} },
) {
  const name = `matrix-${++made}`;
  const incidents = join(engine.dir, name);
  mkdirSync(incidents);
  chmodSync(incidents, 0o777);
  const arch = { x64: 'amd64' }[process.arch] ?? process.arch;
  const probe = `${service}/node_modules/nestjs-vitals/dist/probe/linux-${arch}/vitals-probe`;
  const mounts = [
    `${root}/node_modules:/app/node_modules:ro`,
    `${service}:/app/service:ro`,
    `${incidents}:/incidents`,
    `${probe}:/usr/local/bin/vitals-probe:ro`,
  ].flatMap((mount) => ['-v', mount]);
  const variables = { HANG: hang, OPTIONS: JSON.stringify(options), HOME: '/tmp', NO_COLOR: '1', ...env };
  const set = Object.entries(variables).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const health = [
    '--health-cmd',
    `exec vitals-probe ${probeFlags}`,
    '--health-interval',
    '1s',
    '--health-timeout',
    '5s',
  ];
  const all = [
    ...mounts,
    ...set,
    ...health,
    '--health-retries',
    '2',
    '-w',
    '/app/service',
    ...POWERS[user],
    ...flags,
  ];
  const init = first === 'init' ? ['--init'] : [];
  await engine.docker(
    'run',
    '-d',
    '--name',
    name,
    '--network',
    'none',
    '--restart',
    'always',
    ...init,
    ...all,
    image,
    ...COMMANDS[first],
  );
  const file = (prefix) =>
    readdirSync(incidents)
      .filter((one) => one.startsWith(prefix) && one.endsWith('.json'))
      .map((one) => JSON.parse(readFileSync(join(incidents, one), 'utf8')));
  return {
    name,
    ...toolFor(engine, name),
    hungAt: () => Number(readFileSync(join(incidents, 'hung'), 'utf8')),
    incidents: () => file('incident-'),
    runs: () => [...file('past-'), ...file('run-')],
    logs: () => engine.run('sh', ['-c', `docker logs ${name} 2>&1`]),
    ask: async () =>
      JSON.parse(await engine.docker('exec', name, 'wget', '-qO-', 'http://127.0.0.1:3000/api/v1/health')),
  };
}

export function expect(isTrue, claim, seen) {
  if (!isTrue)
    throw new Error(`not so: ${claim}\nseen: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`);
}
