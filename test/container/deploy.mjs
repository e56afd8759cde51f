// The files under example-app/deploy: every one is read by the program it is for, as far as it is installed here.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, freePort, start, toolFor } from './containers.mjs';

const COMPOSE = ['production', 'staging', 'development'];

export function cases(given) {
  const deploy = join(given.root, 'example-app/deploy');
  return [
    {
      title: 'compose.production.yml, with its own intervals, comes up healthy with init as PID 1',
      run: () => production(given, deploy),
    },
    ...COMPOSE.map((name) => ({
      title: `compose.${name}.yml holds the agreed health check and restart policy`,
      run: () => composeFile(given, deploy, name),
    })),
    { title: 'the `docker run` command of the README comes up healthy', run: () => dockerRun(given, deploy) },
    { title: 'the Kubernetes and ECS files parse, and ask live and ready', run: () => parsed(deploy) },
    { title: 'HAProxy reads its file and takes the service up', run: () => haproxy(given, deploy) },
    { title: 'nginx reads its file', run: () => nginx(given, deploy) },
  ];
}

/** The first check comes after 30 s. Ports go, because the engine has no bridge, and `build`: the image is there. */
async function production(given, deploy) {
  const port = await freePort();
  const env = { IMAGE: 'service', PORT: String(port), HOST: '127.0.0.1', DATABASE_URL: given.database };
  const text = readFileSync(join(deploy, 'compose.production.yml'), 'utf8');
  const file = join(given.engine.dir, 'production.yml');
  const ports = /    ports:\n(      - .*\n)+/;
  expect(ports.test(text), 'the file has ports to take out', text);
  writeFileSync(
    file,
    text.replace(ports, '    network_mode: host\n').replace(/    build:\n(      .*\n)+/, ''),
  );
  const args = ['--no-ansi', '-p', 'production', '-f', file];
  await given.engine.run('docker-compose', [...args, 'up', '-d'], env);
  const tool = toolFor(given.engine, 'production_api_1');
  const { last, HostConfig } = await tool.untilHealth('healthy', 120_000);
  expect(HostConfig.Init === true && HostConfig.RestartPolicy.Name === 'always', 'init, always', HostConfig);
  const first = await tool.exec('sh', '-c', 'tr "\\0" " " </proc/1/cmdline');
  expect(/docker-init|tini/.test(first), 'init is PID 1', first);
  await given.engine.run('docker-compose', [...args, 'down', '-t', '10'], env);
  return last.Output;
}

async function composeFile(given, deploy, name) {
  const file = join(deploy, `compose.${name}.yml`);
  const env = { DATABASE_URL: 'postgres://database/service' };
  const { services } = await fromYaml(await given.engine.run('docker-compose', ['-f', file, 'config'], env));
  const { healthcheck, restart, init } = services.api;
  const { test, interval, timeout, retries, start_period } = healthcheck;
  const agreed = 'CMD vitals-probe 30s 10s 3 40s';
  expect([...test, interval, timeout, retries, start_period].join(' ') === agreed, agreed, healthcheck);
  const policy = name === 'development' ? 'unless-stopped' : 'always';
  expect(restart === policy && init === true, `init, restart: ${policy}`, { restart, init });
  await given.engine.run('docker-compose', ['-f', file, 'config']).then(
    () => expect(false, 'without DATABASE_URL it is refused'),
    (error) => expect(/DATABASE_URL/.test(error.message), 'DATABASE_URL', error),
  );
  return `${agreed}, restart: ${restart}`;
}

/** The flags that begin with --health, --restart, --init and so on, as the README has them; a quicker interval wins. */
async function dockerRun(given, deploy) {
  const [, command] =
    /```sh\n(docker run [^`]+)```/.exec(readFileSync(join(deploy, 'README.md'), 'utf8')) ?? [];
  expect(command, 'there is a docker run command');
  const flags = command
    .match(/--(?:health-|restart|init|stop-)\S*(?: always)?/g)
    .flatMap((flag) => flag.split(' '));
  expect(flags.length >= 7, 'its flags are found', flags);
  const service = await start(given, { flags: [...flags, '--health-interval=1s'] });
  const { last, HostConfig, Config } = await service.untilHealth('healthy');
  expect(HostConfig.Init && HostConfig.RestartPolicy.Name === 'always', 'init, always', HostConfig);
  expect(
    Config.Healthcheck.Timeout === 10e9 && Config.Healthcheck.StartPeriod === 40e9,
    '10 s, 40 s',
    Config.Healthcheck,
  );
  await service.remove();
  return last.Output;
}

async function parsed(deploy) {
  const [deployment] = [await fromYaml(readFileSync(join(deploy, 'kubernetes.yaml'), 'utf8'))];
  const [container] = deployment.spec.template.spec.containers;
  const paths = ['livenessProbe', 'readinessProbe', 'startupProbe'].map(
    (probe) => container[probe].httpGet.path,
  );
  expect(
    paths.join() === '/api/v1/health/live,/api/v1/health/ready,/api/v1/health/live',
    'live, ready, live',
    paths,
  );
  const task = JSON.parse(readFileSync(join(deploy, 'ecs-task-definition.json'), 'utf8'));
  const { healthCheck, essential } = task.containerDefinitions[0];
  expect(
    essential && healthCheck.command.join(' ') === 'CMD vitals-probe /api/v1/health/live',
    'ECS',
    healthCheck,
  );
  const traefik = await fromYaml(readFileSync(join(deploy, 'traefik.yml'), 'utf8'));
  const { healthCheck: check } = traefik.http.services.api.loadBalancer;
  expect(check.path === '/api/v1/health/ready', 'Traefik asks ready', check);
}

/** HAProxy itself says which server is up: on a socket of its own, on loopback. */
async function haproxy(given, deploy) {
  const program = installed('haproxy');
  if (!program) return missing('haproxy');
  const service = await start(given);
  await service.untilHealth('healthy');
  const text = readFileSync(join(deploy, 'haproxy.cfg'), 'utf8');
  const front = await freePort();
  const file = join(given.engine.dir, 'haproxy.cfg');
  writeFileSync(
    file,
    text.replaceAll(/app-[12]:3000/g, `127.0.0.1:${service.port}`).replace('*:80', `127.0.0.1:${front}`),
  );
  execFileSync(program, ['-c', '-f', file], { stdio: 'pipe' });
  const child = spawn(program, ['-db', '-f', file], { stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', done));
  try {
    const status = () =>
      fetch(`http://127.0.0.1:${front}/api/v1`).then(
        (response) => response.status,
        () => 0,
      );
    await until('200 through HAProxy', async () => (await status()) === 200);
    await service.ask('/api/v1/sick/leak');
    await until('503 from HAProxy once the service is not ready', async () => (await status()) === 503);
  } finally {
    child.kill('SIGKILL');
    await ended;
    await service.remove();
  }
  return '200 while ready, 503 from HAProxy itself once POOL_WEDGED takes the service out';
}

async function nginx(given, deploy) {
  const program = installed('nginx');
  if (!program) return missing('nginx');
  const text = readFileSync(join(deploy, 'nginx.conf'), 'utf8');
  const file = join(given.engine.dir, 'nginx.conf');
  const prefix = `pid ${given.engine.dir}/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n`;
  writeFileSync(file, `${prefix}${text.replaceAll(/app-[12]:3000/g, '127.0.0.1:3000')}\n}\n`);
  execFileSync(program, ['-t', '-c', file, '-p', given.engine.dir], { stdio: 'pipe' });
}

async function until(what, isSo, ms = 90_000) {
  for (
    const deadline = Date.now() + ms;
    !(await isSo());
    await new Promise((next) => setTimeout(next, 100))
  ) {
    if (Date.now() > deadline) throw new Error(`no ${what} in ${ms} ms`);
  }
}

function installed(name) {
  return ['/usr/sbin', '/usr/bin', '/usr/local/sbin']
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
}

function missing(name) {
  expect(!process.env.CI, `${name} is installed`, 'not found, and CI is set');
  return `SKIPPED: ${name} is not installed`;
}

/** docker-compose brings a YAML parser along, in Python. */
async function fromYaml(text) {
  const program = 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)';
  return JSON.parse(execFileSync('/usr/bin/python3', ['-c', program], { input: text, encoding: 'utf8' }));
}
