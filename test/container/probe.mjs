// The probe as HEALTHCHECK: what Docker keeps of a well, a sick and a hanging service, and what is left behind.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SOON, block, expect, start } from './containers.mjs';
import { build } from './image.mjs';

const DOCKERS_OWN_WORDS = /exceeded timeout/i;
/** A hung check takes half a second: ten of them are soon over. */
const BRISK = ['--health-interval=500ms', '--health-timeout=5s', '--health-retries=2'];
const BRISKLY = [...BRISK, '--health-cmd', 'exec vitals-probe --timeout-ms 500'];
const HUNG = 10;

export function cases(given) {
  return [
    { title: 'a well service is healthy, and the line in `docker inspect` says so', run: () => well(given) },
    {
      title:
        'a wedged pool is 503: the reason is in `docker inspect`, and `restart: always` restarts nothing',
      run: () => wedged(given),
    },
    { title: 'a gone database is 503, and named', run: () => withoutDatabase(given) },
    {
      title: "a blocked event loop is told in the probe's sentence, not in Docker's",
      run: () => hanging(given),
    },
    {
      title: `after ${HUNG} checks of a hung service no probe is left, alive or dead`,
      run: () => tenHung(given),
    },
    {
      title: 'the customary `sh -c "curl ... || exit 1"` leaves some: the case above can fail',
      run: () => tenHungShells(given),
    },
    {
      title: 'USER 1000 with a read-only root, no capability and no new privileges is healthy',
      run: () => locked(given),
    },
    {
      title: 'in an image from scratch, with no file but a server and the probe, it is healthy',
      run: () => scratch(given),
    },
    { title: 'the shell form with `exec` and `uname -m` is healthy', run: () => shellForm(given) },
    {
      title: 'the multi-stage COPY with TARGETARCH is healthy in an image without a shell',
      run: () => distroless(given),
    },
  ];
}

async function well(given) {
  const service = await start(given);
  const { last, Config } = await service.untilHealth('healthy');
  expect(last.ExitCode === 0 && last.Output.startsWith('healthy: 200 ok'), 'healthy: 200 ok', last);
  expect(Config.Cmd.join(' ') === 'npm run start:prod', 'npm is PID 1', Config.Cmd);
  await service.remove();
  const execMs = Date.parse(last.End) - Date.parse(last.Start);
  return `${last.Output.trim()}; with what the engine needs to start and end any check: ${execMs} ms`;
}

async function wedged(given) {
  const service = await start(given, { flags: [...SOON, '--restart', 'always'] });
  await service.untilHealth('healthy');
  await service.ask('/api/v1/sick/leak');
  const { last, log, State, RestartCount } = await service.until(
    'unhealthy with POOL_WEDGED',
    ({ Health }, lines) => Health.Status === 'unhealthy' && lines.at(-1)?.Output.includes('POOL_WEDGED'),
  );
  expect(
    last.ExitCode === 1 && last.Output.startsWith('unhealthy: 503 error main=POOL_WEDGED remedy=restart ('),
    'the reason is said',
    log,
  );
  // Longer than the engine would wait before a restart.
  const since = State.Health.FailingStreak;
  const later = await service.until('still unhealthy', ({ Health }) => Health.FailingStreak >= since + 3);
  expect(
    RestartCount === 0 && later.RestartCount === 0 && later.State.Running,
    'no restart',
    later.RestartCount,
  );
  await service.ask('/api/v1/sick/heal');
  await service.untilHealth('healthy');
  await service.remove();
  return `${last.Output}; ${later.State.Health.FailingStreak} failed checks, ${later.RestartCount} restarts`;
}

async function withoutDatabase(given) {
  const service = await start(given, { env: { DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none' } });
  const { last } = await service.until('unhealthy with DB_UNREACHABLE', (state, log) =>
    log.at(-1)?.Output.includes('DB_UNREACHABLE'),
  );
  expect(last.ExitCode === 1 && last.Output.startsWith('unhealthy: 503'), 'unhealthy: 503', last);
  await service.remove();
  return last.Output;
}

async function hanging(given) {
  const service = await start(given);
  await service.untilHealth('healthy');
  block(service, 60_000);
  const { last, log } = await service.untilHealth('unhealthy');
  const where =
    /^unhealthy: 503 from the watchdog: .*LOOP_BLOCKED blocked for .* in SickController\.block \(/;
  expect(last.ExitCode === 1 && where.test(last.Output), 'the watchdog says where', log);
  expect(!log.some(({ Output }) => DOCKERS_OWN_WORDS.test(Output)), "none of Docker's own words", log);
  await service.remove();
  return last.Output;
}

async function tenHung(given) {
  const service = await start(given, { flags: BRISKLY });
  await service.untilHealth('healthy');
  block(service, 120_000);
  await service.until(`checked ${HUNG} times`, ({ Health }) => Health.FailingStreak >= HUNG);
  const left = await processes(service);
  // One may be asking at this very moment: it is a child of the engine, never of PID 1, and no zombie.
  const foreign = left.filter(({ what, parent }) => !/npm|node|ps -o/.test(what) && parent !== '0');
  expect(foreign.length === 0 && !left.some(({ state }) => state.startsWith('Z')), 'nothing is left', left);
  await service.remove();
  return `left: ${left
    .filter(({ what }) => !what.startsWith('ps'))
    .map(({ what }) => what)
    .join(' | ')}`;
}

async function tenHungShells(given) {
  const shell = 'curl -sf http://127.0.0.1:$PORT/api/v1/ || exit 1';
  const flags = [
    '--health-interval=500ms',
    '--health-timeout=1s',
    '--health-retries=2',
    '--health-cmd',
    shell,
  ];
  const service = await start(given, { flags });
  await service.untilHealth('healthy');
  block(service, 120_000);
  const { last } = await service.until('checked 3 times', ({ Health }) => Health.FailingStreak >= 3);
  const orphans = (await processes(service)).filter(({ what }) => what.startsWith('curl'));
  expect(orphans.length > 0, 'curl processes are left', await processes(service));
  await service.remove();
  return `${orphans.length} curl processes under PID 1 after 3 checks; Docker says: ${last.Output}`;
}

async function processes(service) {
  const lines = (await service.exec('ps', '-o', 'pid,ppid,stat,args')).split('\n').slice(1);
  return lines.map((line) => {
    const [pid, parent, state, ...what] = line.trim().split(/\s+/);
    return { pid, parent, state, what: what.join(' ') };
  });
}

async function locked(given) {
  const service = await start(given, {
    flags: [
      ...SOON,
      '--user',
      '1000',
      '--read-only',
      '--cap-drop',
      'ALL',
      '--security-opt',
      'no-new-privileges',
    ],
    env: { HOME: '/tmp', npm_config_cache: '/tmp' },
  });
  const { last, HostConfig, Config } = await service.untilHealth('healthy');
  expect(HostConfig.ReadonlyRootfs && Config.User === '1000', 'locked', HostConfig);
  await service.remove();
  return last.Output;
}

async function scratch(given) {
  const file = join(given.engine.dir, 'scratch.Dockerfile');
  const lines = [
    'FROM scratch',
    'COPY --from=service /bin/busybox /busybox',
    'COPY --from=service /usr/local/bin/vitals-probe /vitals-probe',
    'COPY deploy/README.md /index.html',
    'USER 65532',
    'HEALTHCHECK CMD ["/vitals-probe", "/"]',
    'CMD ["/busybox", "httpd", "-f", "-h", "/", "-p", "127.0.0.1:3000"]',
  ];
  writeFileSync(file, lines.join('\n'));
  await build(given.engine, given.context, 'from-scratch', file);
  const flags = [...SOON, '--read-only', '--cap-drop', 'ALL'];
  const container = await start(given, {
    image: 'from-scratch',
    flags,
    network: 'none',
    env: { PORT: 3000 },
  });
  const { last } = await container.untilHealth('healthy');
  await container.remove();
  return last.Output;
}

async function shellForm(given) {
  const file = join(given.engine.dir, 'shell.Dockerfile');
  const probe =
    'node_modules/nestjs-vitals/dist/probe/linux-$(uname -m | sed s/x86_64/amd64/ | sed s/aarch64/arm64/)';
  const lines = [
    'FROM service',
    'RUN rm /usr/local/bin/vitals-probe',
    `HEALTHCHECK CMD exec ${probe}/vitals-probe`,
  ];
  writeFileSync(
    file,
    lines.map((line) => (line.startsWith('RUN') ? `USER root\n${line}\nUSER node` : line)).join('\n'),
  );
  await build(given.engine, given.context, 'shell-form', file);
  const service = await start(given, { image: 'shell-form' });
  const { last, Config } = await service.untilHealth('healthy');
  expect(Config.Healthcheck.Test[0] === 'CMD-SHELL', 'a shell form', Config.Healthcheck);
  await service.remove();
  return last.Output;
}

async function distroless(given) {
  await build(given.engine, given.context, 'distroless', join(given.context, 'deploy/Dockerfile.distroless'));
  const service = await start(given, { image: 'distroless' });
  const { last, Config } = await service.untilHealth('healthy');
  expect(Config.Healthcheck.Test[0] === 'CMD' && Config.User === '65532', 'exec form, no root', Config);
  await service.remove();
  return last.Output;
}
