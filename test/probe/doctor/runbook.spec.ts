/** The compose files of the guide that is in the field today, and those that are meant to be right. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../implementations.js';
import { Desk } from './desk.js';

/** Word for word. The image is the one that it is for. */
const GUIDE = {
  'docker-compose.prod.yml': `services:
  tat-api:
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:3000/api/v1/ || exit 1"]
      interval: 30s          # Check every 30 seconds
      timeout: 10s           # Timeout after 10 seconds
      retries: 3             # Retry 3 times before marking as unhealthy
      start_period: 40s     # Give 40 seconds for startup
    restart: always          # Auto-restart when unhealthy
`,
  'docker-compose.yml': `services:
  tat-api:
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:3000/api/v1/ || exit 1"]
      interval: 30s
      timeout: 10s
      retries: 3
      start_period: 40s
    restart: unless-stopped
`,
  'wget.yml': `healthcheck:
  test: ["CMD", "wget", "--quiet", "--tries=1", "--spider", "http://localhost:3000/api/v1/ || exit 1"]
`,
  Dockerfile: `FROM node:20-alpine AS build
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY . .
RUN npm run build

FROM node:20-alpine
WORKDIR /app
COPY --from=build /app ./
EXPOSE 3000
CMD ["npm", "run", "start:prod"]
`,
};

let desk: Desk;
beforeAll(() => {
  desk = new Desk();
  desk.put(GUIDE);
  cpSync(join(ROOT, 'example-app', 'deploy'), join(desk.folder, 'deploy'), { recursive: true });
});
afterAll(() => desk.clear());

describe("today's guide", () => {
  it.each([
    ['docker-compose.prod.yml', 'always'],
    ['docker-compose.yml', 'unless-stopped'],
  ])('has six faults in %s with the alpine image, each found in its line', (name, policy) => {
    const findings = desk.find(name, 'Dockerfile');
    expect(findings.map(({ line, severity, rule }) => `${line} ${severity} ${rule}`)).toEqual([
      '2 warning init',
      '4 error shell-in-list',
      '4 error tool-missing',
      '4 warning path',
      '6 warning timeout',
      '9 error restart-on-unhealthy',
    ]);
    expect(findings[1]).toMatchObject({
      message: expect.stringContaining(
        '"|| exit 1" becomes a part of an argument, curl ends with 3',
      ) as string,
      fix: expect.arrayContaining(["test: ['CMD', 'vitals-probe']"]) as string[],
    });
    expect(findings[2]?.message).toContain('curl is not in node:20-alpine');
    expect(findings[4]?.message).toContain('curl without -m waits for ever');
    expect(findings[5]?.message).toContain(`restart: ${policy} acts when the process ends`);
  });

  it('has three faults in the wget variant, pasted without its service', () => {
    expect(desk.lines('wget.yml')).toEqual([
      'wget.yml:2 error shell-in-list',
      'wget.yml:2 warning timeout',
      'wget.yml:2 warning path',
    ]);
    // busybox brings wget, so nothing more is wrong with the alpine image.
    expect(desk.lines('wget.yml', 'Dockerfile')).toEqual(desk.lines('wget.yml'));
  });

  it('has the four that do not depend on the image without a Dockerfile as well', () => {
    expect(desk.lines('docker-compose.prod.yml')).toEqual([
      'docker-compose.prod.yml:4 error shell-in-list',
      'docker-compose.prod.yml:4 warning path',
      'docker-compose.prod.yml:6 warning timeout',
      'docker-compose.prod.yml:9 error restart-on-unhealthy',
    ]);
  });

  it('ends with exit code 1', () => {
    expect(desk.run('docker-compose.prod.yml', 'Dockerfile').code).toBe(1);
  });
});

describe("the example's own files", () => {
  const folder = join(ROOT, 'example-app', 'deploy');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(^|\/)(compose\..*\.yml|Dockerfile\..*)$/.test(name),
  );

  it('are all looked at', () => expect(files.length).toBeGreaterThanOrEqual(6));

  it.each(files)('have no error and no warning in %s', (name) => {
    const outcome = desk.run(join('deploy', name));
    expect(outcome.code).toBe(0);
    expect(outcome.text).toContain('0 errors, 0 warnings');
  });
});
