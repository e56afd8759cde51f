/**
 * The README is code and output: its code is compiled, its output is produced, its tables are compared.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { Module, type INestApplication } from '@nestjs/common';
import { Pool } from 'pg';
import { VitalsModule } from '../lib/index.js';
import { CODES } from '../lib/indicators/finding.js';
import { DEFAULTS } from '../lib/options.js';
import { blocksOf, compile, compiledFolder } from './compiled.js';
import { startPostgres, type Server } from './sources/pools/servers.js';

const ROOT = join(__dirname, '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

const blocks = (language: string): string[] => blocksOf(README, language);

/** The cells of the table whose first heading is `heading`, row by row. */
function table(heading: string): string[][] {
  const start = README.indexOf(`| ${heading} |`);
  const rows = README.slice(start).split('\n\n', 1)[0]!.split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What a clock says, and the spans that the test shortens. */
const MEASURED = [
  'since',
  'checkedAt',
  'stillMs',
  'oldestCheckoutMs',
  'oldestWaiterMs',
  'oldestSilentMs',
  'lowWater',
  'lowWaterRises',
  'connectMs',
  'databaseAgeMs',
  'wedgedAfterMs',
  'leakAfterMs',
  'windowMs',
];

/** Values with their keys in order, and what a clock says replaced by its type. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).map(([key, one]) => [key, MEASURED.includes(key) ? typeof one : shapeOf(one)]);
}

describe('the sick example', () => {
  let postgres: Server;
  let pool: Pool;
  let app: INestApplication;

  beforeAll(async () => {
    postgres = await startPostgres();
    const { port, user, password } = postgres;
    pool = new Pool({ host: '127.0.0.1', port, user, password, database: 'postgres', max: 5 });
    pool.on('error', () => {});
    @Module({
      imports: [
        VitalsModule.forRoot({
          pools: {
            main: { pool, wedgedAfterMs: 1_500, leakAfterMs: 1_000, windowMs: 1_000, pingEveryMs: 500 },
          },
          drain: false,
        }),
      ],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
  }, 60_000);

  afterAll(async () => {
    await app?.close();
    await postgres?.end();
  }, 30_000);

  it('is what a leaked pool answers, key for key', async () => {
    const leaked = await Promise.all(Array.from({ length: 5 }, () => pool.connect()));
    // The server is ended while they are out; in a real leak nobody listens either, but then nobody ends the server.
    for (const client of leaked) client.on('error', () => {});
    for (let i = 0; i < 3; i++) void pool.connect().catch(() => {});
    const url = `${await app.getUrl()}/api/v1/health`;
    const deadline = Date.now() + 30_000;
    let body = '';
    while (!body.includes('POOL_WEDGED') && Date.now() < deadline) {
      body = await (await fetch(url)).text();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { status, cause, remedy, error } = JSON.parse(body) as Record<string, unknown>;
    expect(shapeOf({ status, cause, remedy, error })).toEqual(shapeOf(JSON.parse(blocks('json')[0]!)));
  }, 60_000);
});

describe('the code', () => {
  it('compiles, every block of it, against the built package', () => {
    const sources = blocks('ts');
    expect(sources.length).toBeGreaterThanOrEqual(4);
    expect(compile(compiledFolder('readme'), sources)).toBe('');
  }, 60_000);

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...README.matchAll(/npm (?:run )?(\w+)`?/g)].map(([, name]) => name!);
    const own = named.filter((name) => !['ci', 'install', 'run'].includes(name));
    expect(own).toEqual(expect.arrayContaining(['example', 'test', 'bench']));
    for (const name of own) expect(scripts).toHaveProperty(name);
  });
});

describe('the tables', () => {
  it('list every code, and no other', () => {
    const listed = table('Code').flatMap(([cell]) =>
      [...cell!.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code),
    );
    expect(listed.sort()).toEqual([...CODES].sort());
  });

  it('give the default of every option', () => {
    for (const [cell, given] of table('Option')) {
      const name = cell!.replaceAll('`', '') as keyof typeof DEFAULTS;
      const value = DEFAULTS[name] as unknown;
      if (typeof value === 'object' || !(name in DEFAULTS)) continue;
      expect(`${name} ${given!}`).toBe(`${name} \`${String(value)}\``);
    }
  });

  it.each(['eventLoop', 'resets', 'swallowed', 'audit', 'pool', 'check'] as const)(
    'give the default of every setting of %s',
    (kind) => {
      const line = {
        eventLoop: '| `eventLoop` |',
        resets: '| `resets` |',
        swallowed: '| `swallowed` |',
        recovery: '| `recovery` |',
        incidents: '| `incidents` |',
        watchdog: '| `watchdog` |',
        audit: '| `audit` |',
        pool: 'A pool takes',
        check: 'A check takes',
      }[kind];
      const start = README.indexOf(line);
      const text = README.slice(
        start,
        kind === 'pool' || kind === 'check' ? README.indexOf('\n\n', start) : README.indexOf('\n', start),
      );
      const all = `${text} ${README.slice(README.indexOf('All indicators take'))}`;
      for (const [name, value] of Object.entries(DEFAULTS[kind])) {
        expect(all).toMatch(new RegExp(`\`${name}\` \`?${String(value).replace('.', '\\.')}\\b`));
      }
    },
  );

  it('name no setting that does not exist', () => {
    const given = README.slice(README.indexOf('| `eventLoop` |'), README.indexOf('## A check of your own'));
    const known = new Set<string>(
      Object.values(DEFAULTS).flatMap((v) => (typeof v === 'object' ? Object.keys(v) : [])),
    );
    const named = [...given.matchAll(/`([a-z]\w*(?:Ms|At|Ratio|After))`/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
