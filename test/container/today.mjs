// The health check that is in the field today beside ours, and services that wait for a healthy one.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, freePort, toolFor } from './containers.mjs';

export function cases(given) {
  return [
    {
      title:
        'today\'s ["CMD", "curl", "-f", "URL || exit 1"] is unhealthy for ever beside a healthy ours, which explains it',
      run: () => today(given),
    },
    {
      title: '`depends_on: condition: service_healthy` holds a service back until ours is healthy',
      run: () => waiting(given),
    },
  ];
}

/** The same service three times; only the line differs. */
async function today(given) {
  const wrong = 'http://localhost:$$PORT/api/v1/ || exit 1'.replace('$$PORT', '3000');
  const file = await write(given, 'today', {
    today: { test: ['CMD', 'curl', '-f', wrong] },
    ours: { test: ['CMD', 'vitals-probe'] },
    explained: { test: ['CMD', 'vitals-probe', wrong] },
  });
  await given.engine.compose('today', file, 'up', '-d');
  const tools = ['today', 'ours', 'explained'].map((name) => toolFor(given.engine, `today_${name}_1`));
  const [theirs, ours, explained] = await Promise.all([
    tools[0].until('unhealthy after five checks', ({ Health }) => Health.FailingStreak >= 5),
    tools[1].untilHealth('healthy'),
    tools[2].untilHealth('unhealthy'),
  ]);
  expect(
    theirs.State.Health.Status === 'unhealthy' && theirs.last.ExitCode === 3,
    'curl: malformed URL',
    theirs.log,
  );
  expect(
    theirs.RestartCount === 0 && theirs.State.Running,
    '`restart: always` leaves it alone',
    theirs.RestartCount,
  );
  expect(
    /blank.*leave out "\|\| exit 1"/.test(explained.last.Output),
    'the mistake is explained',
    explained.log,
  );
  await given.engine.compose('today', file, 'down', '-t', '1');
  const said = theirs.last.Output.split('\n').at(-1);
  return `today: ${said}\n         ours: ${ours.last.Output}\n         explained: ${explained.last.Output}`;
}

async function waiting(given) {
  const dependent = {
    image: 'service',
    command: ['true'],
    network_mode: 'host',
    healthcheck: { disable: true },
    depends_on: { api: { condition: 'service_healthy' } },
  };
  const file = await write(given, 'waiting', { api: { test: ['CMD', 'vitals-probe'] } }, { dependent });
  await given.engine.compose('waiting', file, 'up', '-d');
  const api = await toolFor(given.engine, 'waiting_api_1').inspect();
  const second = await toolFor(given.engine, 'waiting_dependent_1').until(
    'started',
    ({ StartedAt }) => StartedAt > '2',
  );
  const healthyAt = api.State.Health.Log.find(({ ExitCode }) => ExitCode === 0)?.End;
  const startedAt = second.State.StartedAt;
  expect(healthyAt && Date.parse(startedAt) >= Date.parse(healthyAt), 'started after healthy', {
    healthyAt,
    startedAt,
  });
  await given.engine.compose('waiting', file, 'down', '-t', '1');
  return `started ${Date.parse(startedAt) - Date.parse(healthyAt)} ms after the first healthy check`;
}

/** JSON is YAML. */
async function write({ engine, database }, name, checks, more = {}) {
  const services = { ...more };
  for (const [service, { test }] of Object.entries(checks)) {
    services[service] = {
      image: 'service',
      network_mode: 'host',
      restart: 'always',
      environment: { PORT: String(await freePort()), HOST: '127.0.0.1', DATABASE_URL: database },
      healthcheck: { test, interval: '1s', timeout: '5s', retries: 2 },
    };
  }
  const file = join(engine.dir, `${name}.yml`);
  writeFileSync(file, JSON.stringify({ services }));
  await promisify(execFile)('docker-compose', ['-f', file, 'config', '-q']);
  return file;
}
