/** Each rule where it speaks, in its line, and beside it what is so near that only that rule can tell them apart. */
import { Desk } from './desk.js';

let desk: Desk;
beforeAll(() => (desk = new Desk()));
afterAll(() => desk.clear());

const ALPINE =
  'FROM node:20-alpine\nRUN npx --no vitals install /usr/local/bin/vitals-probe\nCMD ["node", "dist/main"]\n';
const GOOD = `services:
  api:
    build: .
    init: true
    restart: always
    labels: { autoheal: 'true' }
    healthcheck:
      test: ['CMD', 'vitals-probe']
      timeout: 10s
      start_period: 40s
`;

function judged(compose: string, dockerfile = ALPINE): string[] {
  return desk
    .put({ 'compose.yml': compose, Dockerfile: dockerfile })
    .lines('compose.yml', 'Dockerfile')
    .map((line) => line.replace('compose.yml:', ''));
}

/** The good file with one thing changed. */
const but = (from: string, to: string): string => {
  expect(GOOD).toContain(from);
  return GOOD.replace(from, () => to);
};
const test = (line: string): string => but("test: ['CMD', 'vitals-probe']", `test: ${line}`);
const on = (base: string, ...lines: string[]): string =>
  [`FROM ${base}`, ...lines, 'CMD ["node", "a"]', ''].join('\n');
const CURL = "'curl -f -m 5 http://localhost:3000/api/v1/health'";
const INSTALL = 'RUN npx --no vitals install /usr/local/bin/';

it('finds nothing in a file without a fault', () => expect(judged(GOOD)).toEqual([]));

describe('shell-in-list', () => {
  it.each([
    "['CMD', 'vitals-probe', '/api/v1/health || exit 1']",
    "['CMD', 'vitals-probe', '||', 'exit', '1']",
    "['CMD', 'vitals-probe', '/api/v1/health && true']",
    "['CMD', 'vitals-probe', '/api/v1/health | grep ok']",
    "['CMD', 'vitals-probe', '>', '/dev/null']",
    "['CMD', 'vitals-probe', '2>&1']",
    "['CMD', 'vitals-probe', 'http://127.0.0.1:$$PORT/api/v1/health']",
  ])('speaks on %s', (line) => expect(judged(test(line))).toContain('8 error shell-in-list'));

  it.each([
    "['CMD-SHELL', 'vitals-probe || exit 1']",
    'vitals-probe || exit 1',
    "['CMD', 'sh', '-c', 'vitals-probe || exit 1']",
    "['CMD', 'sh', '-c', 'vitals-probe http://127.0.0.1:$$PORT/api/v1/health > /dev/null']",
    "['CMD', 'vitals-probe', '/api/v1/health?exclude=a']",
    "['CMD', 'node', '-e', 'fetch(url).then((r) => r.ok || process.exit(1), () => process.exit(1))']",
  ])('is silent on %s', (line) => expect(judged(test(line))).toEqual([]));

  it('only warns of a variable outside a URL, where it may do no harm', () => {
    const list = "['CMD', 'pg_isready', '-U', '$${POSTGRES_USER}']";
    desk.put({
      'compose.yml': `services:\n  db:\n    image: postgres:16\n    healthcheck: { test: ${list} }\n`,
    });
    expect(desk.find('compose.yml')).toMatchObject([
      {
        severity: 'warning',
        message: 'no shell runs in a CMD list: "${POSTGRES_USER}" stays as it is written',
        fix: ['test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER}"]'],
      },
    ]);
  });

  it('reads a single dollar in a list of a HEALTHCHECK, which compose would have replaced', () => {
    const list = '["vitals-probe", "http://127.0.0.1:$PORT/api/v1/health"]';
    desk.put({ Dockerfile: on('node:20', INSTALL, `HEALTHCHECK --start-period=30s CMD ${list}`) });
    expect(desk.find('Dockerfile')[0]?.message).toContain('"$PORT" stays as it is written');
    expect(judged(test("['CMD', 'vitals-probe', 'http://127.0.0.1:${PORT}/api/v1/health']"))).toEqual([]);
  });

  it('speaks on a list of a HEALTHCHECK', () => {
    const text = on(
      'node:20',
      INSTALL,
      'HEALTHCHECK --start-period=30s \\',
      '  CMD ["vitals-probe", "/api/v1/health || exit 1"]',
    );
    desk.put({ Dockerfile: text });
    expect(desk.lines('Dockerfile')).toEqual(['Dockerfile:3 error shell-in-list', 'Dockerfile:5 info init']);
  });

  it('speaks for services that are not of Node too, and cleans their line', () => {
    desk.put({
      'compose.yml':
        "services:\n  db:\n    image: redis\n    healthcheck:\n      test: ['CMD', 'redis-cli', 'ping || exit 1']\n",
    });
    expect(desk.find('compose.yml')).toMatchObject([
      { line: 5, rule: 'shell-in-list', fix: ['test: ["CMD", "redis-cli", "ping"]'] },
    ]);
  });
});

describe('test-form', () => {
  it('speaks on a list that begins with the command', () => {
    expect(judged(test("['vitals-probe']"))).toEqual(['8 error test-form']);
  });
});

describe('tool-missing', () => {
  it.each([
    ['curl', 'node:20-alpine'],
    ['curl', 'node:22-bookworm-slim'],
    ['wget', 'node:22-slim'],
    ['curl', 'cgr.dev/chainguard/node:latest-dev'],
  ])('speaks on %s in %s', (tool, base) => {
    const line = CURL.replace('curl -f -m 5', tool === 'curl' ? 'curl -f -m 5' : `${tool} -T 5`);
    expect(judged(test(line), on(base))).toEqual(['8 error tool-missing']);
  });

  it.each([
    ['curl', 'node:20'],
    ['wget', 'node:20-alpine'],
    ['curl', 'registry.example.com/base:7'],
  ])('is silent on %s in %s', (tool, base) => {
    const line = CURL.replace('curl -f -m 5', tool === 'curl' ? 'curl -f -m 5' : `${tool} -T 5`);
    expect(judged(test(line), on(base))).toEqual([]);
  });

  it.each([
    'RUN apk add --no-cache curl',
    'RUN apk --no-cache add tini curl=8.5.0-r0 && rm -rf /tmp/*',
    'RUN apt-get update && \\\n  # for the check\n  apt-get install -y \\\n  curl',
    'COPY --from=tools /usr/bin/curl /usr/bin/curl',
    'RUN apk add curl && apk add tini',
    'RUN apk add tini; apk add curl; rm -rf /tmp/*',
    'RUN ["apk", "add", "curl"]',
    'RUN <<EOF\napk add tini\napk add \\\n  curl\nEOF',
    'RUN apk add $TOOLS',
    'RUN apk add $(cat tools)',
    'RUN cat tools | xargs apk add',
  ])('is silent when %j brings it', (line) =>
    expect(judged(test(CURL), on('node:20-alpine', line))).toEqual([]),
  );

  it.each([
    'RUN apk add tini && echo curl',
    'RUN apk add --repository=https://example.com/$VERSION/main tini',
    'RUN <<EOF\napk add tini\n# apk add curl\nEOF',
    'COPY <<EOF /install.sh\napk add curl\nEOF',
  ])('speaks when %j does not', (line) =>
    expect(judged(test(CURL), on('node:20-alpine', line))).toEqual(['8 error tool-missing']),
  );

  it('speaks when it is installed in another stage only, or is part of another name', () => {
    const stages = `FROM node:20-alpine AS build\nRUN apk add curl\n${on('node:20-alpine', 'RUN apk add curlftpfs libcurl')}`;
    expect(judged(test(CURL), stages)).toEqual(['8 error tool-missing']);
  });

  it('is silent when it is installed in the stage that this one begins with, or in the target', () => {
    const base = `FROM node:20-alpine AS base\nRUN apk add curl\nFROM base AS prod\nCMD ["node", "a"]\n`;
    expect(judged(test(CURL), base)).toEqual([]);
    const target = but('build: .', 'build: { context: ., target: prod }').replace(
      "['CMD', 'vitals-probe']",
      CURL,
    );
    expect(judged(target, `${base}FROM scratch\n`)).toEqual([]);
  });

  it('speaks on our probe where nothing brings it', () => {
    desk.put({ Dockerfile: on('node:20-alpine', 'HEALTHCHECK --start-period=30s CMD ["vitals-probe"]') });
    expect(desk.find('Dockerfile')).toMatchObject([
      { line: 2, rule: 'tool-missing', fix: ['RUN npx --no vitals install /usr/local/bin/vitals-probe'] },
      { rule: 'init' },
    ]);
  });
});

describe('no-shell', () => {
  it.each(['gcr.io/distroless/nodejs20-debian12', 'scratch', 'cgr.dev/chainguard/node'])(
    'speaks on a text in %s',
    (base) =>
      expect(judged(test('vitals-probe'), on(base, 'COPY vitals-probe /bin/vitals-probe'))).toEqual([
        '8 error no-shell',
      ]),
  );

  it('is silent on a list there, and on a text where there is a shell', () => {
    const copied = 'COPY vitals-probe /bin/vitals-probe';
    expect(judged(GOOD, on('scratch', copied))).toEqual([]);
    expect(judged(test('vitals-probe'), on('gcr.io/distroless/nodejs20-debian12:debug', copied))).toEqual([]);
  });
});

describe('timeout', () => {
  it.each([
    ['2s', "['CMD', 'vitals-probe']"],
    ['10s', "['CMD', 'vitals-probe', '--timeout-ms', '10000']"],
    ['10s', 'wget -T 20 http://localhost:3000/api/v1/health'],
  ])('speaks on %s with %s', (limit, line) => {
    expect(judged(test(line).replace('timeout: 10s', `timeout: ${limit}`))).toEqual(['9 warning timeout']);
  });

  it.each([
    ['3s', "['CMD', 'vitals-probe']"],
    ['1m30s', "['CMD', 'vitals-probe', '--timeout-ms', '20000']"],
    ['10s', 'wget -T 5 http://localhost:3000/api/v1/health'],
  ])('is silent on %s with %s', (limit, line) => {
    expect(judged(test(line).replace('timeout: 10s', `timeout: ${limit}`))).toEqual([]);
  });

  it("takes the image's own limit where compose gives none, and compose's where both do", () => {
    const image = on('node:20', INSTALL, 'HEALTHCHECK --timeout=1s --start-period=30s CMD ["vitals-probe"]');
    expect(judged(GOOD.replace(/    healthcheck:[\s\S]*/, ''), image)).toEqual([
      'Dockerfile:3 warning timeout',
    ]);
    expect(judged(GOOD.replace(/      test:.*\n/, ''), image)).toEqual([]);
  });

  it('reads --max-time and -m of curl', () => {
    const curl = (flag: string) =>
      judged(test(`curl -f ${flag} http://localhost:3000/api/v1/health`), on('node:20'));
    expect(curl('--max-time 10')).toEqual(['9 warning timeout']);
    expect(curl('--max-time=10')).toEqual(['9 warning timeout']);
    expect(curl('-m10')).toEqual(['9 warning timeout']);
    expect(curl('-m 9')).toEqual([]);
    expect(curl('-sSm 9')).toEqual([]);
    expect(curl('-sSm9')).toEqual([]);
    expect(curl('-sm10')).toEqual(['9 warning timeout']);
    expect(curl('-m $$LIMIT')).toEqual([]);
  });

  it.each([
    ['curl -f', 'curl without -m waits for ever', 'curl -m 9 -f'],
    ['wget -q', 'wget without -T waits 900 s', 'wget -T 9 -q'],
  ])('speaks on %s, which has no limit', (tool, says, fixed) => {
    const line = test(`${tool} http://localhost:3000/api/v1/health || exit 1`);
    expect(judged(line, on('node:20'))).toEqual(['9 warning timeout']);
    const [finding] = desk.find('compose.yml', 'Dockerfile');
    expect(finding?.message).toContain(says);
    expect(finding?.fix).toEqual([
      `test: ["CMD-SHELL", "${fixed} http://localhost:3000/api/v1/health || exit 1"]`,
    ]);
  });
});

describe('curl-fail', () => {
  const curl = (flags: string) =>
    judged(test(`curl -m 5 ${flags} http://localhost:3000/api/v1/health`), on('node:20'));
  it('speaks without -f, which is always healthy', () => expect(curl('-s')).toEqual(['8 error curl-fail']));
  it.each(['-f', '-sf', '-fsS', '--fail', '--fail-with-body'])('is silent with %s', (flag) =>
    expect(curl(flag)).toEqual([]),
  );
});

describe('path', () => {
  const asks = (path: string) => judged(test(`wget -q -T 5 http://localhost:3000${path}`));
  it.each(['/', '', '/api/v1/', '/health', '/api/v1/healthz'])('speaks on "%s"', (path) =>
    expect(asks(path)).toEqual(['8 warning path']),
  );
  it.each(['/api/v1/health', '/api/v1/health/live', '/api/v1/health/ready?exclude=main'])(
    'is silent on %s',
    (path) => expect(asks(path)).toEqual([]),
  );
  it("reads our probe's own way to name a path", () => {
    expect(judged(test("['CMD', 'vitals-probe', '/status']"))).toEqual(['8 warning path']);
    expect(judged(test("['CMD', 'vitals-probe', '/api/v1/health/live']"))).toEqual([]);
  });
});

describe('start-period', () => {
  it('speaks when there is none, or one below 10 s', () => {
    expect(judged(but('      start_period: 40s\n', ''))).toEqual(['8 warning start-period']);
    expect(judged(but('40s', '5s'))).toEqual(['10 warning start-period']);
    expect(judged(but('40s', '10s'))).toEqual([]);
  });
});

describe('start-interval', () => {
  it('tells from which engine on it is known', () => {
    expect(judged(`${GOOD}      start_interval: 2s\n`)).toEqual(['11 info start-interval']);
  });
});

describe('no-check and check-off', () => {
  const without = GOOD.replace(/    healthcheck:[\s\S]*/, '');
  it('speaks where neither compose nor the image has one', () =>
    expect(judged(without)).toEqual(['2 error no-check']));
  it('is silent where the image has one', () => {
    const image = on('node:20', INSTALL, 'HEALTHCHECK --start-period=30s CMD vitals-probe');
    expect(judged(without, image)).toEqual([]);
  });
  it('only warns for an image that others build', () => {
    desk.put({ 'compose.yml': without.replace('build: .', 'image: registry.example.com/node-api:3') });
    expect(desk.lines('compose.yml')).toEqual(['compose.yml:2 warning no-check']);
  });
  it.each(['test: [NONE]', 'disable: true'])('speaks on %s', (line) => {
    expect(judged(`${without}    healthcheck:\n      ${line}\n`)).toEqual(['7 error check-off']);
  });
  it('speaks on HEALTHCHECK NONE, unless compose has a check', () => {
    expect(judged(without, on('node:20', 'HEALTHCHECK NONE'))).toEqual(['Dockerfile:2 error check-off']);
    expect(judged(GOOD, on('node:20', INSTALL, 'HEALTHCHECK NONE'))).toEqual([]);
  });
});

describe('restart-on-unhealthy', () => {
  const alone = but("    labels: { autoheal: 'true' }\n", '');
  it('tells where our path is asked, which may be enough, and is an error with another', () => {
    expect(judged(alone)).toEqual(['5 info restart-on-unhealthy']);
    const asks = (url: string) => judged(alone.replace("['CMD', 'vitals-probe']", url), on('node:20'));
    expect(asks(CURL)).toEqual(['5 info restart-on-unhealthy']);
    expect(asks(CURL.replace('/health', '/'))).toContain('5 error restart-on-unhealthy');
    expect(asks('node check.js')).toEqual(['5 error restart-on-unhealthy']);
  });
  it('is silent where the probe itself ends the service, and only there', () => {
    const asks = (...words: string[]) =>
      judged(alone.replace("'vitals-probe'", `'vitals-probe', '${words.join("', '")}'`));
    expect(asks('--restart-after', '3')).toEqual([]);
    expect(asks('/api/v1/health/live', '--restart-after', '3')).toEqual([]);
    expect(asks('http://127.0.0.1:3000/api/v1/health', '--restart-after', '3')).toEqual([]);
    expect(asks('--timeout-ms', '2000')).toEqual(['5 info restart-on-unhealthy']);
    expect(asks('--restart-after', '0')).toEqual(['5 info restart-on-unhealthy']);
    expect(asks('unix:/run/app.sock', '--restart-after', '3')).toEqual(['5 info restart-on-unhealthy']);
    expect(asks('http://10.0.0.7:3000/api/v1/health', '--restart-after', '3')).toEqual([
      '5 info restart-on-unhealthy',
    ]);
  });
  it("reads Swarm's policy as what Compose makes of it", () => {
    const swarms = (policy: string) =>
      judged(alone.replace('restart: always', `deploy: { restart_policy: ${policy} }`));
    expect(swarms('{ condition: any }')).toEqual(['5 info restart-on-unhealthy']);
    expect(desk.find('compose.yml', 'Dockerfile')[0]?.message).toContain('with docker compose up');
    expect(swarms('{ delay: 5s }')).toEqual(['5 info restart-on-unhealthy']);
    expect(swarms('{ condition: none }')).toEqual(['5 warning restart-missing']);
  });
  it.each(["labels: ['autoheal=true']", 'labels:\n      autoheal: true'])('is silent with %j', (line) =>
    expect(judged(alone.replace('init: true', `init: true\n    ${line}`))).toEqual([]),
  );
  it('is silent beside an autoheal that looks after all', () => {
    const heal =
      '  heal:\n    image: willfarrell/autoheal\n    environment: [AUTOHEAL_CONTAINER_LABEL=all]\n';
    expect(judged(`${alone}${heal}`)).toEqual([]);
    expect(judged(`${alone}${heal.replace('=all', '=autoheal')}`)).toEqual(['5 info restart-on-unhealthy']);
  });
  it('is silent when the check ends process 1 itself', () => {
    expect(judged(alone.replace("['CMD', 'vitals-probe']", 'vitals-probe || kill 1'))).toEqual([]);
  });
});

describe('restart-missing', () => {
  it.each([
    ['', 2],
    ["    restart: 'no'\n", 5],
  ])('speaks on "%s"', (line, at) => {
    expect(judged(but('    restart: always\n', line))).toEqual([`${at} warning restart-missing`]);
  });
});

describe('init', () => {
  it('speaks without it, and names who is process 1', () => {
    const compose = but('    init: true\n', '');
    for (const [command, says] of [
      ['CMD ["npm", "run", "start:prod"]', 'npm, a package manager, is process 1'],
      ['CMD ["yarn", "start"]', 'yarn, a package manager, is process 1'],
      ['CMD npm run start', 'a shell, which passes no SIGTERM on, is process 1'],
      ['CMD ["node", "dist/main"]', 'node is process 1'],
    ] as const) {
      expect(judged(compose, ALPINE.replace(/CMD .*/, command))).toEqual(['2 warning init']);
      expect(desk.find('compose.yml', 'Dockerfile')[0]?.message).toContain(says);
    }
  });
  it('speaks on init: false in its line', () =>
    expect(judged(but('init: true', 'init: false'))).toEqual(['4 warning init']));
  it('is silent where the image or compose begins with an init', () => {
    const compose = but('    init: true\n', '');
    expect(judged(compose, ALPINE.replace('CMD', 'ENTRYPOINT ["/sbin/tini", "--"]\nCMD'))).toEqual([]);
    expect(judged(compose.replace('build: .', 'build: .\n    entrypoint: dumb-init --'))).toEqual([]);
  });
  it("takes compose's command before the image's", () => {
    judged(but('init: true', 'command: npm start'));
    expect(desk.find('compose.yml', 'Dockerfile')[0]?.message).toContain('npm, a package manager');
  });
});

describe('port', () => {
  const given = (lines: string) => but('init: true', `init: true\n    ${lines}`);
  it.each([
    ["environment: { PORT: 8080 }\n    ports: ['3000:3000']", ['6 error port']],
    ["environment:\n      - PORT=8080\n    ports: ['80:3000/tcp']", ['7 error port']],
    ["environment: { PORT: '${PORT:-8080}' }\n    ports: ['${PORT:-8080}:3000']", ['6 error port']],
    ['environment: { PORT: 8080 }\n    ports: [{ target: 3000, published: 80 }]', ['6 error port']],
    ["ports: ['80:8080']", ['5 warning port']],
  ])('speaks on %j', (lines, expected) => expect(judged(given(lines))).toEqual(expected));

  it.each([
    "environment: { PORT: 8080 }\n    ports: ['127.0.0.1:80:8080', '9229:9229']",
    "environment: { PORT: '${PORT:-3000}' }\n    ports: ['${PORT:-3000}:${PORT:-3000}']",
    "environment: { PORT: '${PORT}' }\n    ports: ['80:8080']",
    "env_file: .env\n    ports: ['80:8080']",
    "ports: ['80:3000', '514:514/udp']",
    "ports: ['3000-3010:3000-3010']",
    'ports: [{ target: 3000, published: 80 }]',
  ])('is silent on %j', (lines) => expect(judged(given(lines))).toEqual([]));

  it('compares the URL of the check with PORT of compose, of the image, or 3000', () => {
    const asks = test('wget -q -T 5 http://localhost:3000/api/v1/health');
    expect(judged(asks.replace('init: true', 'init: true\n    environment: { PORT: 8080 }'))).toEqual([
      '9 error port',
    ]);
    expect(judged(asks, ALPINE.replace('CMD', 'ENV NODE_ENV=production PORT=8080\nCMD'))).toEqual([
      '8 error port',
    ]);
    expect(judged(asks.replace(':3000', ':4000'))).toEqual(['8 warning port']);
    expect(judged(asks)).toEqual([]);
  });

  it('compares EXPOSE with PORT', () => {
    const image = (lines: string) => ALPINE.replace('CMD', `${lines}\nCMD`);
    expect(judged(GOOD, image('EXPOSE 8080'))).toEqual(['Dockerfile:3 warning port']);
    expect(judged(GOOD, image('ENV PORT 8080\nEXPOSE 8080'))).toEqual([]);
    expect(judged(GOOD, image('EXPOSE 9229 3000/tcp'))).toEqual([]);
  });
});

describe('depends-on', () => {
  const worker = (lines: string) => `${GOOD}  other:\n    image: nginx\n    depends_on: ${lines}\n`;
  it.each(['[api]', '{ api: { condition: service_started } }'])('tells on %s', (lines) =>
    expect(judged(worker(lines))).toEqual(['13 info depends-on']),
  );
  it('is silent with service_healthy, and on services without a check', () => {
    expect(judged(worker('{ api: { condition: service_healthy } }'))).toEqual([]);
    expect(judged(`${worker('[db]')}  db:\n    image: mysql\n`)).toEqual([]);
  });
});
