/** What compose files may look like, and what must not throw. */
import { Desk } from './desk.js';

let desk: Desk;
beforeEach(() => (desk = new Desk()));
afterEach(() => desk.clear());

const lines = (text: string, ...more: string[]) =>
  desk.put({ 'compose.yml': text }).lines('compose.yml', ...more);
const NONE = { code: 2 };

describe('a compose file', () => {
  it('is read through anchors, extension fields and merges, and the line is where the value stands', () => {
    const text = [
      'x-check: &check',
      '  test: ["CMD", "vitals-probe", "/api/v1/health || exit 1"]',
      '  start_period: 30s',
      'x-node: &node',
      '  init: true',
      '  restart: always',
      '  labels: { autoheal: true }',
      '  healthcheck: *check',
      'services:',
      '  a: { <<: *node, build: . }',
      '  b:',
      '    build: .',
      '    <<: [*node]',
      '    healthcheck:',
      '      <<: *check',
      '      test: vitals-probe',
      '  c: *node',
    ].join('\n');
    expect(lines(text)).toEqual(['compose.yml:2 error shell-in-list']);
  });

  it('says one thing once, however many services share it', () => {
    const text =
      'x: &c\n  start_period: 30s\n  test: [CMD, vitals-probe, "a && b"]\nservices:\n  a: { healthcheck: *c }\n  b: { healthcheck: *c }\n';
    expect(lines(text).filter((line) => line.includes('shell-in-list'))).toHaveLength(1);
  });

  it('takes each service to its own Dockerfile', () => {
    desk.put({
      'one/Dockerfile': 'FROM node:20-alpine\nEXPOSE 1\nCMD ["node", "a"]\n',
      'two/prod.Dockerfile': 'FROM node:20-slim\nEXPOSE 2\nCMD ["node", "a"]\n',
    });
    const text =
      'services:\n  a: { build: ./one }\n  b: { build: { context: two, dockerfile: prod.Dockerfile } }\n';
    expect(lines(text).filter((line) => line.endsWith('port'))).toEqual([
      'one/Dockerfile:2 warning port',
      'two/prod.Dockerfile:2 warning port',
    ]);
  });

  it('leaves services of others alone', () => {
    const text =
      'services:\n  db:\n    image: postgres:16\n    restart: always\n    ports: ["1:5432"]\n    healthcheck: { test: pg_isready }\n';
    expect(lines(text)).toEqual([]);
  });

  it('is looked for where none is named, and the Dockerfile too', () => {
    desk.put({ 'docker-compose.yml': 'services: { a: { build: . } }', Dockerfile: 'FROM node:20\n' });
    expect(JSON.parse(desk.run('--json').text)).toMatchObject({
      files: ['docker-compose.yml', 'Dockerfile'],
      error: 1,
    });
    expect(desk.run().code).toBe(1);
  });
});

describe('what it cannot look at', () => {
  it.each([
    ['broken YAML', 'services:\n  a:\n   b: [1\n  c: }', /^vitals: compose\.yml:4: /],
    ['a tab', 'services:\n\ta: 1', /^vitals: compose\.yml:2: /],
    ['two documents', 'a: 1\n---\nb: 2', /^vitals: compose\.yml:/],
    ['a list', '- a', /compose\.yml:1: it is no map of services/],
    ['nothing', '', /compose\.yml:1: it is no map of services/],
  ])('is %s: the line, and exit code 2', (_, text, says) => {
    const outcome = desk.put({ 'compose.yml': text }).run('compose.yml');
    expect(outcome).toMatchObject(NONE);
    expect(outcome.text).toMatch(says);
  });

  it.each([
    [['--yaml'], 'unknown flag "--yaml": doctor takes [compose.yml] [Dockerfile] [--json]'],
    [['a.yml', 'b.yml'], 'one of each'],
    [['no.yml'], 'cannot read no.yml: ENOENT'],
    [['.'], 'cannot read .: EISDIR'],
    [[], 'there is no compose file and no Dockerfile in'],
  ])('is %j', (args, says) => {
    const outcome = desk.run(...args);
    expect(outcome).toMatchObject(NONE);
    expect(outcome.text).toContain(says);
  });

  it('is a Dockerfile without FROM', () => {
    expect(desk.put({ Dockerfile: 'RUN x' }).run('Dockerfile')).toMatchObject({
      code: 2,
      text: 'vitals: Dockerfile:1: there is no FROM in it\n',
    });
  });

  it('is a compose file without the package yaml, and it says how to get it; a Dockerfile needs none', () => {
    desk.clear();
    desk = new Desk({ hasYaml: false }).put({ 'compose.yml': 'services: {}', Dockerfile: 'FROM node:20\n' });
    expect(desk.run('compose.yml')).toMatchObject(NONE);
    expect(desk.run('compose.yml').text).toContain('npx -y -p nestjs-vitals -p yaml vitals doctor');
    expect(desk.run('Dockerfile').code).toBe(0);
  });
});

describe('the package yaml in version 1', () => {
  it('is not taken for the one that is needed', () => {
    desk.clear();
    desk = new Desk({ hasYaml: false }).put({
      'compose.yml': 'services: {}',
      'package.json': '{}',
      'node_modules/yaml/index.js': 'exports.parseDocument = () => ({ contents: null, errors: [] });',
    });
    expect(desk.run('compose.yml')).toMatchObject(NONE);
    expect(desk.run('compose.yml').text).toContain(
      'is not installed in version 2 or later: npx -y -p nestjs-vitals -p yaml vitals doctor, or npm install --save-dev yaml@2',
    );
  });
});

describe('odd compose files', () => {
  const bomb = Array.from(
    { length: 12 },
    (_, i) =>
      `  l${i}: &l${i} { <<: [${Array(9)
        .fill(`*l${i - 1}`)
        .join(', ')}] }`,
  );
  it.each([
    'services:',
    'services: []',
    'services: 7',
    'services: { a: }',
    'services: { a: [] , b: 1, c: { healthcheck: } }',
    'services: { a: { healthcheck: 1, ports: 2, environment: 3, depends_on: 4, labels: 5, build: 6, restart: [7] } }',
    'services: { a: { healthcheck: { test: [] }, build: {} } }',
    'services: { a: { healthcheck: { test: [[], {}, ~, 1] }, ports: [~, {}, []], environment: [~, {}] } }',
    'services: { a: { healthcheck: { test: "((((", timeout: [], start_period: x }, command: {}, entrypoint: [~] } }',
    'services: { a: &a { healthcheck: *a, depends_on: *a, <<: *a } }',
    'services: { ? [1, 2] : { build: . }, ~: { build: . } }',
    'services: { a: { build: ., env_file: !reset [], ports: !override [80:80] } }',
    'services: { __proto__: { build: . }, constructor: { build: . } }',
    `x:\n  l0: &l0 { a: 1 }\n${bomb.slice(1).join('\n')}\nservices:\n  a: { <<: *l11, build: . }`,
    'services: { a: { build: "https://example.com/x.git#main", healthcheck: { test: "${X" } } }',
  ])('are no crash: %s', (text) => {
    desk.put({
      'compose.yml': text,
      Dockerfile: 'FROM node:20\nHEALTHCHECK\nCMD\nENTRYPOINT []\nEXPOSE\nENV\n',
    });
    const outcome = desk.run('compose.yml', 'Dockerfile');
    expect(outcome.text).not.toMatch(/TypeError|RangeError|undefined|\[object/);
    expect(outcome.text).toMatch(/\d+ errors?, \d+ warnings?|^vitals: compose\.yml:\d+: /);
  });
});
