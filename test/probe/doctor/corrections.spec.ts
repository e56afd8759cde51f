/** The corrected lines: each can be put in the place of the wrong one, and is right then. */
import { Desk } from './desk.js';

let desk: Desk;
beforeAll(() => (desk = new Desk()));
afterAll(() => desk.clear());

/** The fix of the first finding of a rule. */
const fixOf = (rule: string, compose: string, dockerfile?: string): readonly string[] | undefined => {
  desk.put({ 'compose.yml': compose, Dockerfile: dockerfile ?? 'FROM node:20\n' });
  const findings = desk.find(...(dockerfile === undefined ? ['compose.yml'] : ['compose.yml', 'Dockerfile']));
  return findings.find((one) => one.rule === rule)?.fix;
};
const redis = (test: string): string =>
  `services:\n  db:\n    image: redis\n    healthcheck:\n      test: ${test}\n`;
const api = (...lines: string[]): string => `services:\n  api:\n    build: .\n    ${lines.join('\n    ')}\n`;
const check = (test: string): string => `healthcheck: { test: ${test}, timeout: 10s, start_period: 40s }`;

describe('the words of a list', () => {
  it.each([
    ['"CMD","redis-cli","ping","||","exit","1"', '"CMD", "redis-cli", "ping"'],
    ['"CMD","redis-cli","ping || exit 1"', '"CMD", "redis-cli", "ping"'],
    ['"CMD","redis-cli","ping | grep PONG"', '"CMD", "redis-cli", "ping"'],
    ['"CMD","redis-cli","ping",">","/dev/null"', '"CMD", "redis-cli", "ping"'],
    ['"CMD","redis-cli","ping","&&","true"', '"CMD", "redis-cli", "ping"'],
  ])('end at the first operator: %s', (given, right) => {
    expect(fixOf('shell-in-list', redis(`[${given}]`))).toEqual([`test: [${right}]`]);
    expect(fixOf('shell-in-list', redis(`[${right}]`))).toBeUndefined();
  });

  it('are handed to a shell where a variable is among them', () => {
    const right = 'test: ["CMD-SHELL", "redis-cli -p $$PORT ping"]';
    expect(fixOf('shell-in-list', redis('["CMD", "redis-cli", "-p", "$$PORT", "ping"]'))).toEqual([right]);
    expect(fixOf('shell-in-list', redis(right.slice(6)))).toBeUndefined();
  });
});

describe('curl without -f', () => {
  const URL = 'http://localhost:3000/api/v1/health';
  it.each([
    [`curl -m 5 ${URL} || exit 1`, `test: ["CMD-SHELL", "curl -f -m 5 ${URL} || exit 1"]`],
    [`["CMD", "curl", "-m", "5", "${URL}"]`, `test: ["CMD", "curl", "-f", "-m", "5", "${URL}"]`],
    [`["CMD", "sh", "-c", "curl -m 5 ${URL}"]`, `test: ["CMD", "sh", "-c", "curl -f -m 5 ${URL}"]`],
  ])('is given it: %s', (given, right) => {
    expect(fixOf('curl-fail', api(check(given)))).toEqual([right]);
    expect(fixOf('curl-fail', api(check(right.slice(6))))).toBeUndefined();
  });

  it('is given it in the language of a Dockerfile, with its flags', () => {
    const image = `FROM node:20\nHEALTHCHECK --timeout=9s --start-period=30s CMD curl -m 5 ${URL}\n`;
    expect(fixOf('curl-fail', api('init: true'), image)).toEqual([
      `HEALTHCHECK --timeout=9s --start-period=30s CMD curl -f -m 5 ${URL}`,
    ]);
  });
});

describe('a port', () => {
  const URL = 'http://localhost:3000/api/v1/health';
  const given = (ports: string) => fixOf('port', api('environment: { PORT: 4000 }', `ports: ${ports}`));
  it.each([
    ["['8080:3000']", "ports: ['8080:4000']"],
    ["['127.0.0.1:80:3000/tcp']", "ports: ['127.0.0.1:80:4000/tcp']"],
    ["['3000']", "ports: ['4000']"],
    ["['${HOST_PORT:-8080}:3000']", "ports: ['${HOST_PORT:-8080}:4000']"],
    ["['8080:3000', '9229:9229']", "- '8080:4000'"],
    ['[{ target: 3000, published: 80 }]', 'target: 4000'],
  ])('of a mapping is changed on the side of the container only: %s', (ports, right) => {
    expect(given(ports)).toEqual([right]);
    if (right.startsWith('ports: ')) expect(given(right.slice(7))).toBeUndefined();
  });

  it.each([
    [
      `curl -fm 5 ${URL} || exit 1`,
      `test: ["CMD-SHELL", "curl -fm 5 ${URL.replace('3000', '4000')} || exit 1"]`,
    ],
    [`["CMD", "vitals-probe", "${URL}"]`, `test: ["CMD", "vitals-probe", "${URL.replace('3000', '4000')}"]`],
    [
      '["CMD", "vitals-probe", "http://127.0.0.1/api/v1/health"]',
      'test: ["CMD", "vitals-probe", "http://127.0.0.1:4000/api/v1/health"]',
    ],
  ])('of a check is changed in its URL: %s', (test, right) => {
    const compose = (line: string) => api('environment: { PORT: 4000 }', check(line));
    expect(fixOf('port', compose(test))).toEqual([
      right,
      'test: ["CMD", "vitals-probe"]   # or this, which reads PORT',
    ]);
    expect(fixOf('port', compose(right.slice(6)))).toBeUndefined();
  });
});

describe('start_interval', () => {
  it('is made up for by a short interval and as many more retries', () => {
    const text = api(
      'healthcheck:',
      '  test: vitals-probe',
      '  start_period: 40s',
      '  interval: 30s',
      '  retries: 4',
      '  start_interval: 2s',
    );
    expect(fixOf('start-interval', text)).toEqual(['interval: 10s', 'retries: 12']);
    expect(fixOf('start-interval', text.replace('      interval: 30s\n', ''))).toEqual([
      'interval: 10s',
      'retries: 12',
    ]);
    expect(fixOf('start-interval', text.replace('30s', '5s'))).toEqual(['interval: 5s', 'retries: 4']);
  });

  it('is so in the language of a Dockerfile', () => {
    const image = 'FROM node:20\nHEALTHCHECK --start-interval=2s --start-period=30s CMD vitals-probe\n';
    expect(fixOf('start-interval', api('init: true'), image)).toEqual(['--interval=10s --retries=9']);
  });
});
