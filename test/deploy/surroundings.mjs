// The monitor's options, its state, its end; the cron line, the unit, and autoheal's narrow socket.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect } from '../container/containers.mjs';
import { HOST, MONITOR, make, once, until, watch } from './monitor.mjs';

const WRONG = [
  [['--container', 'a', '--interval', 'soon'], /--interval must be .* from 1 to 86400, got 'soon'/],
  [['--container', 'a', '--interval', '0'], /--interval must be .*, got '0'/],
  [['--container', 'a', '--interval=1.5'], /--interval must be .*, got '1.5'/],
  [['--container', 'a', '--failures', '08'], /--failures must be .* from 1 to 1000, got '08'/],
  [['--container', 'a', '--failures', '99999999999999999999'], /--failures must be /],
  [['--container', 'a', '--stop-timeout', '-1'], /--stop-timeout must be .* from 0 to 3600, got '-1'/],
  [['--container', 'a', '--backoff', ''], /--backoff must be .* from 0 to 86400, got ''/],
  [['--container', 'a', '--backoff-max', 'x'], /--backoff-max must be .* from 0 to 86400, got 'x'/],
  [['--container', 'a', '--per-hour', '61'], /--per-hour must be .* from 0 to 60, got '61'/],
  [['--container', 'a', '--once', '--state', ''], /--state must name a file/],
  [['--container', 'a b'], /--container must be a name or an id .*, got 'a b'/],
  [['--container', '--rm'], /--container must be a name or an id .*, got '--rm'/],
  [['--container'], /--container needs a value/],
  [['--container', 'a', '--retries', '3'], /unknown argument '--retries'; --help/],
  [[], /--container or VITALS_CONTAINER must name a container/],
];

export function cases(engine) {
  const given = (title, run) => ({ title, run: () => run(engine) });
  return [
    given(
      'every wrong option ends with 64, names what was given and what is accepted, and asks nothing',
      wrong,
    ),
    given('a wrong variable is called by its name, and all mistakes come at once', wrongVariables),
    given('--help names every flag, variable and default', help),
    given('a flag wins over its variable, and a variable over the default', precedence),
    given('SIGTERM ends it in the middle of a pause, with no process and no file left', ends),
    given('garbage in the state file is said, and it starts afresh', garbage),
    given('--once that cannot keep its counts says so, ends with 74 and does not restart', unwritable),
    given('the cron line restarts once, and does not overlap itself', cron),
    given('the cron file has the form that cron.d wants', cronForm),
    given('shellcheck finds nothing in the monitor', shellcheck),
    given('systemd-analyze finds nothing in the unit, and its exposure below 1.0', unit),
    given("docker does its work under the unit's filter of system calls", filtered),
    given('compose.autoheal.yml is read, and gives the Docker socket to the proxy only', composeFile),
    given("autoheal's two requests pass its proxy and heal the labeled container; others get 403", proxy),
  ];
}

/** The engine is stopped and frozen here: nothing else may run meanwhile. */
export function aloneCases(engine) {
  const given = (title, run) => ({ title, run: () => run(engine) });
  return [
    given(
      'an engine that is stopped is said once and survived; afterwards it restarts as before',
      engineDown,
    ),
    given('SIGTERM ends it while the engine hangs', engineHangs),
  ];
}

async function wrong(engine) {
  for (const [args, message] of WRONG) {
    const monitor = watch(engine, args);
    const code = await monitor.ended;
    expect(code === 64 && message.test(monitor.error()), `64, ${message}`, `${code} ${monitor.error()}`);
    expect(monitor.calls().length === 0 && monitor.lines().length === 0, 'nothing asked', monitor.calls());
  }
  return `${WRONG.length} of them`;
}

async function wrongVariables(engine) {
  const env = { VITALS_CONTAINER: '/etc', VITALS_FAILURES: 'none', VITALS_PER_HOUR: 'all' };
  const monitor = watch(engine, ['--interval', '0'], { env });
  const code = await monitor.ended;
  const said = monitor.error().trim().split('\n');
  const names = said.map((line) => /^monitor.sh: (\S+) must be .*, got/.exec(line)?.[1]).join();
  expect(
    code === 64 && names === 'VITALS_CONTAINER,--interval,VITALS_FAILURES,VITALS_PER_HOUR',
    'all four',
    said,
  );
}

async function help(engine) {
  const monitor = watch(engine, ['--help']);
  const code = await monitor.ended;
  const text = monitor.lines().join('\n');
  const source = readFileSync(MONITOR, 'utf8');
  const flags = [...source.matchAll(/^ {4}(--[a-z-]+)\) flag_/gm)].map(([, flag]) => flag);
  expect(code === 0 && flags.length === 8, 'eight flags with a value', flags);
  for (const flag of flags) {
    const variable = `VITALS_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`;
    const part = new RegExp(`^  ${flag} [\\s\\S]*?(?=^  --|\n\n)`, 'm').exec(`${text}\n\n`)?.[0] ?? '';
    const [, byDefault] = new RegExp(`\\$\\{${variable}:-(\\d+)\\}`).exec(source) ?? [];
    expect(part.includes(variable), `${flag} and ${variable}`, part);
    expect(!byDefault || new RegExp(`; ${byDefault}\\b`).test(part), `${flag}: ${byDefault}`, part);
  }
}

async function precedence(engine) {
  const container = await make(engine, 'wins');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const env = {
    VITALS_CONTAINER: 'wins',
    VITALS_FAILURES: '7',
    VITALS_STOP_TIMEOUT: '6',
    VITALS_STATE: '/x/y',
  };
  const state = join(engine.dir, 'wins.state');
  const byVariable = await once(engine, state, [], { env });
  expect(/ wins: unhealthy 1 of 7/.test(byVariable.lines[0]), 'variables', byVariable);
  const args = ['--failures=2', '--container=wins'];
  const byFlag = await once(engine, state, args, { env: { ...env, VITALS_CONTAINER: 'other' } });
  expect(/ wins: unhealthy 2 of 2/.test(byFlag.lines[0]), 'flags', byFlag);
  expect(byFlag.restarts.length === 1 && byFlag.restarts[0].startsWith('restart -t 6 '), '-t 6', byFlag);
}

async function ends(engine) {
  const container = await make(engine, 'ends');
  await container.becomes('healthy');
  const monitor = watch(engine, ['--container', 'ends', '--interval', '86400']);
  await monitor.says(/seen: healthy/);
  // `sleep` has begun: what comes next is the pause.
  await until('its pause', () => groupOf(monitor.pid).some((cmdline) => cmdline.includes('86400')));
  const code = await monitor.stop();
  expect(code === 0 && /ended by SIGTERM/.test(monitor.lines().at(-1)), 'said, 0', `${code}`);
  expect(groupOf(monitor.pid).length === 0, 'no process', groupOf(monitor.pid));
  expect(readdirSync(monitor.tmp).length === 0, 'no file', readdirSync(monitor.tmp));
}

async function garbage(engine) {
  const container = await make(engine, 'garbage');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const said = [];
  for (const text of [
    '',
    '\u0000\u0001',
    'nestjs-vitals-monitor 1\nstreak 1+$(touch /tmp/owned)\n',
    'x\nstreak 9\n',
  ]) {
    const state = join(engine.dir, 'garbage.state');
    writeFileSync(state, text);
    const { code, lines, error } = await once(engine, state, ['--container', 'garbage']);
    const isSaid = /not one of ours: starts afresh/.test(lines[0]) && /unhealthy 1 of 3/.test(lines[1]);
    expect(code === 0 && isSaid, 'said, afresh', { text, lines, error });
    said.push(...lines);
  }
  return said[0];
}

async function unwritable(engine) {
  const container = await make(engine, 'unwritable');
  await container.becomes('healthy');
  await container.sicken();
  const state = join(engine.dir, 'nowhere/at/all.state');
  const { code, lines, restarts } = await once(engine, state, [
    '--container',
    'unwritable',
    '--failures',
    '1',
  ]);
  expect(code === 74 && lines.some((line) => /cannot write state file/.test(line)), '74', { code, lines });
  expect(restarts.length === 0, 'no restart', restarts);
}

function cronLine() {
  const text = readFileSync(join(HOST, 'nestjs-vitals-monitor.cron'), 'utf8');
  return { text, fields: /^(\S+ \S+ \S+ \S+ \S+) root (.+)$/m.exec(text) };
}

/** The command of the file, with our container, lock and path, and without the system's log at its end. */
async function cron(engine) {
  const container = await make(engine, 'cron');
  await container.becomes('healthy');
  // It takes its whole stop timeout: long enough for the next one to come.
  await container.exec('touch /deaf');
  await engine.docker('restart', '-t', '0', 'cron');
  await container.becomes('healthy');
  await container.sicken({ stays: true });
  const line = cronLine()
    .fields[2].replace(' | logger -t nestjs-vitals-monitor', '')
    .replace('/usr/local/lib/nestjs-vitals/monitor.sh', MONITOR)
    .replace('/run/lock', engine.dir)
    .replaceAll('tat-api', 'cron');
  const env = { VITALS_STATE: join(engine.dir, 'cron.state'), VITALS_STOP_TIMEOUT: '5' };
  const run = () => watch(engine, [], { line, env });
  const first = run();
  await first.ended;
  const second = run();
  await until('its restart', () => second.restarts().length === 1);
  const third = run();
  const code = await third.ended;
  expect(code === 1 && third.calls().length === 0 && !third.lines().length, 'left out', third.calls());
  expect(
    !second.lines().some((one) => /: restarted after/.test(one)),
    'while the second restarts',
    second.lines(),
  );
  await second.ended;
  expect(/unhealthy 1 of 2/.test(first.lines()[0]), 'one', first.lines());
  expect(
    /unhealthy 2 of 2/.test(second.lines()[0]) && /: restarted after/.test(second.lines()[1]),
    'two',
    second.lines(),
  );
  return line.replace(MONITOR, 'monitor.sh').replace(engine.dir, '/run/lock');
}

function cronForm() {
  const { text, fields } = cronLine();
  expect(fields?.[1] === '* * * * *', 'five fields and the user', text);
  expect(!fields[2].includes('%') && text.endsWith('\n'), 'no %, and a line end', text);
  expect(/^PATH=\/\S+$/m.test(text) && /^SHELL=\/bin\/sh$/m.test(text), 'PATH, SHELL', text);
  expect(/\/etc\/cron\.d\/[A-Za-z0-9_-]+ /.test(text), 'a name that cron reads', text);
  expect(/^flock -n \/\S+ \//.test(fields[2]), 'flock -n comes first', fields[2]);
}

function shellcheck() {
  const { error, stdout, status } = spawnSync('shellcheck', [MONITOR], { encoding: 'utf8' });
  if (error) return missing('shellcheck');
  expect(status === 0, 'clean', stdout);
}

function unit(engine) {
  const name = 'nestjs-vitals-monitor@.service';
  const dir = join(engine.dir, 'unit');
  mkdirSync(dir);
  const text = readFileSync(join(HOST, name), 'utf8');
  expect(text.includes('/usr/local/lib/nestjs-vitals/monitor.sh --container %i'), 'ExecStart', text);
  writeFileSync(
    join(dir, name),
    text.replace('ExecStart=/usr/local/lib/nestjs-vitals/monitor.sh', `ExecStart=${MONITOR}`),
  );
  const analyze = (...args) => spawnSync('systemd-analyze', [...args, join(dir, name)], { encoding: 'utf8' });
  const verified = analyze('verify', '--man=no');
  if (verified.error) return missing('systemd-analyze');
  expect(verified.status === 0 && !verified.stderr && !verified.stdout, 'clean', verified.stderr);
  const secure = analyze('security', '--offline=yes', '--threshold=10', '--no-pager');
  expect(secure.status === 0, 'exposure', secure.stdout + secure.stderr);
  return /Overall exposure level.*?: [\d.]+ \w+/.exec(secure.stdout)?.[0];
}

/** The unit's own lists, by systemd's own names, put before the docker command as systemd would. */
const UNDER_FILTER = `
import os, resource, seccomp, sys
action = seccomp.ERRNO(1) if sys.argv[1] == 'EPERM' else seccomp.KILL_PROCESS
rules = seccomp.SyscallFilter(seccomp.ALLOW)
for name in sys.argv[2].split():
    try: rules.add_rule(action, name)
    except (RuntimeError, ValueError): pass  # not on this machine
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard - 1), hard))
rules.load()
os.execvp(sys.argv[3], sys.argv[3:])
`;

async function filtered(engine) {
  const text = readFileSync(join(HOST, 'nestjs-vitals-monitor@.service'), 'utf8');
  const groups = /^SystemCallFilter=~(.*)$/m.exec(text)[1].split(' ');
  const names = (group) => {
    const listed = spawnSync('systemd-analyze', ['syscall-filter', group], { encoding: 'utf8' }).stdout ?? '';
    const found = [...listed.matchAll(/^ {4}([@\w]+)$/gm)].map(([, name]) => name);
    return found.flatMap((name) => (name.startsWith('@') ? names(name) : [name]));
  };
  const forbidden = groups.flatMap(names);
  if (forbidden.length === 0) return missing('systemd-analyze');
  const number = /^SystemCallErrorNumber=(\w+)$/m.exec(text)?.[1] ?? '';
  const args = [
    '-c',
    UNDER_FILTER,
    number,
    forbidden.join(' '),
    '/usr/bin/docker',
    'version',
    '--format',
    '{{.Server.Version}}',
  ];
  const version = await engine.run('/usr/bin/python3', args);
  expect(version.trim() === engine.version, 'the engine answers', version);
  return `${forbidden.length} system calls are refused`;
}

async function composeFile(engine) {
  const files = ['compose.production.yml', 'host/compose.autoheal.yml'].flatMap((file) => [
    '-f',
    join(HOST, '..', file),
  ]);
  const text = await engine.run('docker-compose', [...files, 'config'], {
    DATABASE_URL: 'postgres://database/service',
  });
  const program = 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)';
  const { services } = JSON.parse(
    execFileSync('/usr/bin/python3', ['-c', program], { input: text, encoding: 'utf8' }),
  );
  const { autoheal, api } = services;
  const socket = Object.keys(services).filter((name) =>
    JSON.stringify(services[name].volumes ?? '').includes('/var/run/docker.sock'),
  );
  expect(socket.join() === 'autoheal-proxy', 'one service has the socket', socket);
  expect(/:\d+\.\d+\.\d+$/.test(autoheal.image), 'pinned', autoheal.image);
  expect(api.labels[autoheal.environment.AUTOHEAL_CONTAINER_LABEL] === 'true', 'the label', api.labels);
  expect(api.healthcheck.test.join(' ') === 'CMD vitals-probe /api/v1/health/live', 'live', api.healthcheck);
  for (const name of ['autoheal', 'autoheal-proxy']) {
    const { network_mode, cap_drop, read_only } = services[name];
    expect(network_mode === 'none' && cap_drop.join() === 'ALL' && read_only, 'confined', services[name]);
  }
  expect(text.includes(join(HOST, 'autoheal-proxy.cfg')), 'the path of its configuration', text);
}

/** autoheal's image is not here, so its requests are made as its script makes them. */
async function proxy(engine) {
  const program = ['/usr/sbin/haproxy', '/usr/bin/haproxy'].find((path) => existsSync(path));
  if (!program) return missing('haproxy');
  const socket = join(engine.dir, 'autoheal.sock');
  const file = join(engine.dir, 'autoheal-proxy.cfg');
  const text = readFileSync(join(HOST, 'autoheal-proxy.cfg'), 'utf8');
  const engineSocket = engine.env.DOCKER_HOST.replace('unix://', '');
  writeFileSync(
    file,
    text.replace('/run/autoheal/docker.sock', socket).replace('/var/run/docker.sock', engineSocket),
  );
  const child = spawn(program, ['-db', '-f', file], { stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', done));
  try {
    await until('its socket', () => existsSync(socket));
    return await throughProxy(engine, (method, path) => ask(socket, method, path));
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

async function throughProxy(engine, say) {
  const labeled = await make(engine, 'labeled', { flags: ['--label', 'autoheal=true'] });
  const other = await make(engine, 'unlabeled');
  for (const container of [labeled, other]) {
    await container.becomes('healthy');
    await container.sicken();
  }
  const { Id, State } = await labeled.inspect();
  const filters = encodeURIComponent('{"health":["unhealthy"],"label":["autoheal=true"]}');
  const list = await say('GET', `/containers/json?filters=${filters}`);
  const found = JSON.parse(list.text).map((container) => container.Id);
  expect(list.status === 200 && found.join() === Id, 'the labeled one', list.text);
  const refusals = [
    `POST /containers/create`,
    `POST /containers/${Id}/exec`,
    `POST /containers/${Id}/kill`,
    `POST /containers/${Id}/stop`,
    `DELETE /containers/${Id}`,
    `GET /containers/${Id}/json`,
    `POST /containers/${Id}/restart/../../create`,
    `POST /containers/create?/containers/${Id}/restart`,
    `POST /containers/${Id}%2frestart`,
    `GET /containers/${Id}/archive?path=/`,
    'GET /version',
    'POST /build',
    'POST /containers/json',
    `GET /containers/${Id}/restart`,
    'GET /v1.41/info',
    'PUT /containers/json',
  ];
  for (const refusal of refusals) {
    const { status, text } = await say(...refusal.split(' '));
    expect(status === 403, `403 for ${refusal}`, `${status} ${text}`);
  }
  const healed = await say('POST', `/containers/${Id}/restart?t=5`);
  expect(healed.status === 204, '204', healed);
  await labeled.becomes('healthy');
  expect((await labeled.state()).StartedAt !== State.StartedAt, 'started again', State);
  return `list 200, restart 204, ${refusals.length} others 403`;
}

async function engineDown(engine) {
  const container = await make(engine, 'survivor', { flags: ['--restart', 'always'] });
  await container.becomes('healthy');
  const monitor = watch(engine, [
    '--container',
    'survivor',
    '--interval',
    '1',
    '--failures',
    '2',
    '--stop-timeout',
    '5',
  ]);
  await monitor.says(/seen: healthy/);
  engine.daemon.kill('SIGTERM');
  await engine.ended;
  await monitor.says(/the engine does not answer: .*Cannot connect/);
  await monitor.checksAgain(3);
  expect(monitor.lines().length === 2, 'one line', monitor.lines());
  await engine.start();
  await monitor.says(/back: healthy/);
  await container.sicken();
  await monitor.says(/: restarted after/);
  expect((await monitor.stop()) === 0, 'ends with 0', monitor.error());
  return monitor.lines()[1];
}

async function engineHangs(engine) {
  engine.daemon.kill('SIGSTOP');
  try {
    const monitor = watch(engine, ['--container', 'survivor', '--interval', '1'], { hasSpy: false });
    await until('it asks', () => groupOf(monitor.pid).some((cmdline) => cmdline.includes('docker inspect')));
    const code = await monitor.stop();
    expect(code === 0, 'ends with 0', String(code));
    await until('no process is left', () => groupOf(monitor.pid, 'session').length === 0);
    const patient = watch(engine, ['--container', 'survivor', '--interval', '1'], { hasSpy: false });
    await patient.says(/the engine does not answer: no answer in 10 s/);
    await patient.stop();
    return patient.lines()[0];
  } finally {
    engine.daemon.kill('SIGCONT');
  }
}

/** The command lines of its session: it was started as the leader of one, and `timeout` makes groups of its own. */
function groupOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, , , session] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ');
        const cmdline = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return Number(session) === pid && cmdline ? [cmdline] : [];
      } catch {
        return [];
      }
    });
}

function ask(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

function missing(name) {
  expect(!process.env.CI, `${name} is installed`, 'not found, and CI is set');
  return `SKIPPED: ${name} is not installed`;
}
