// The same hangs without Docker: in namespaces of their own, where the first process is node, npm or an init, and nothing
// but our own ending brings the service down. Whoever would restart it is this file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, OPTIONS } from './container.mjs';
import { HANGS, PATIENCE_MS, PROMISED_MS } from './hangs.mjs';

const NAMESPACES = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--ipc', '--uts'];
const POWERS = {
  root: [],
  'uid 1000': [
    'setpriv',
    '--reuid=1000',
    '--regid=1000',
    '--clear-groups',
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--no-new-privs',
  ],
};
const COMMANDS = {
  node: ['node', 'app.cjs'],
  npm: ['npm', 'run', 'start:prod'],
  init: ['docker-init', '--', 'node', 'app.cjs'],
};
const LIVES_MS = 30_000;

export function unshared({ service, root }, { hang, first, user }) {
  const { code, stack } = HANGS[hang];
  return {
    title: `unshare | ${hang} | ${first} | ${user}`,
    run: async () => {
      const incidents = mkdtempSync(join(tmpdir(), 'vitals-unshare-'));
      chmodSync(incidents, 0o777);
      try {
        const said = await lives({ root, service, incidents }, { hang, first, user });
        const [run] = read(incidents, /^(run|past)-/).filter(({ end }) => end);
        expect(run, 'it ended with a word', said);
        expect(
          run.end.code === code && /^(watchdog|recovery)$/.test(run.end.by),
          `we ended it for ${code}`,
          run.end,
        );
        const tookMs = Date.parse(run.end.at) - Number(readFileSync(join(incidents, 'hung'), 'utf8'));
        expect(tookMs <= PROMISED_MS[code] + PATIENCE_MS, `in ${PROMISED_MS[code]} ms and its patience`, {
          tookMs,
        });
        const records = read(incidents, /^incident-/).filter((one) => one.code === code);
        expect(
          records.some((one) => !stack || stack.test(one.stack)),
          `an incident ${code} is recorded${stack ? ` whose stack shows ${stack}` : ''}`,
          records,
        );
        return `${code} by ${run.end.by} after ${(tookMs / 1000).toFixed(1)} s`;
      } finally {
        rmSync(incidents, { recursive: true, force: true });
      }
    },
  };
}

/** One life, to its end. The folder of the service is bound to where every user may read it. */
async function lives({ root, service, incidents }, { hang, first, user }) {
  const script = [
    'ip link set lo up',
    'mkdir -p "$HERE/app/service" && mount --bind "$ROOT/node_modules" "$HERE/app/node_modules"',
    'mount --bind "$SERVICE" "$HERE/app/service"',
    'cd "$HERE/app/service" && exec "$@"',
  ].join(' && ');
  const here = join(incidents, 'here');
  mkdirSync(join(here, 'app', 'node_modules'), { recursive: true });
  const options = { ...OPTIONS, incidents: { directory: incidents } };
  const child = spawn(
    NAMESPACES[0],
    [...NAMESPACES.slice(1), 'sh', '-c', script, 'sh', ...POWERS[user], ...COMMANDS[first]],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: '/tmp',
        NO_COLOR: '1',
        HERE: here,
        ROOT: root,
        SERVICE: service,
        HANG: hang,
        INCIDENTS: incidents,
        OPTIONS: JSON.stringify(options),
      },
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), LIVES_MS);
  await once(child, 'close');
  clearTimeout(timer);
  expect(child.signalCode !== 'SIGKILL', `it ended within ${LIVES_MS} ms`, said.slice(-2_000));
  return said.slice(-2_000);
}

function read(folder, form) {
  return readdirSync(folder)
    .filter((name) => form.test(name) && name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}
