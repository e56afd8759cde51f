/**
 * The pages under docs: what they name exists, what they leave out does not, and what they show is what comes out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CODES } from '../lib/indicators/finding.js';
import { RULES } from '../lib/probe/doctor/finding.js';
import { TOLD } from '../lib/probe/sentences.js';
import { blocksOf as blocks, compile, compiledFolder } from './compiled.js';
import { Desk } from './probe/doctor/desk.js';

const ROOT = join(__dirname, '..');
const DOCS = join(ROOT, 'docs');
const PAGES = readdirSync(DOCS).filter((name) => name.endsWith('.md'));
const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const sources = (folder: string): string =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(folder, name))
    .join('\n');
const LIB = sources('lib');
const OPTIONS = read('lib', 'options.ts');

/** The first cells of the table's rows that are one code span. */
const named = (page: string, pattern: RegExp): string[] =>
  page.split('\n').flatMap((line) => {
    const [, name] = /^\| `([^`]+)` \|/.exec(line) ?? [];
    return name && pattern.test(name) ? [name] : [];
  });
const headings = (page: string): string[] =>
  [...page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^(#+) (.*)$/gm)].map(
    ([, depth, text]) => `${depth} ${text}`,
  );
/** As GitHub makes them. */
const anchor = (heading: string): string =>
  heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');

describe('docs/codes.md', () => {
  const page = read('docs', 'codes.md');
  it('has every code, each once, and none that is not', () => {
    expect(named(page, /^[A-Z_]+$/).toSorted()).toEqual([...CODES].toSorted());
  });
  it('has every way in which a process ends', () => {
    const [, words = ''] = /type EndedBy = ([^;]+);/.exec(LIB) ?? [];
    const ways = [...words.matchAll(/'(\w+)'/g)].map(([, word]) => word!);
    expect(ways.length).toBeGreaterThan(3);
    expect(named(page, new RegExp(`^(${ways.join('|')})$`)).toSorted()).toEqual(ways.toSorted());
  });
  it("has every rule of the doctor's, and none that is not", () => {
    expect(named(page.split('## What `vitals doctor`')[1]!, /^[a-z-]+$/).toSorted()).toEqual(
      [...RULES].toSorted(),
    );
  });
});

describe('why a restart is refused, in docs/codes.md', () => {
  const [, section = ''] = read('docs', 'codes.md').split('## Why a restart is refused');
  it.each([
    'it runs for',
    'no directory for incidents is set',
    'nothing can be written to',
    'is in memory',
    'the budget is spent: ',
    'a debugger may be attached',
    'it runs in a worker thread, which ends no process',
    'a blocked process cannot be told from one that waits for a CPU',
  ])('has the words of the code: %s', (words) => {
    expect(LIB).toContain(words);
    expect(section).toContain(words);
  });
});

describe('the probe', () => {
  it('is as large as every page says', () => {
    const bins = join(ROOT, 'lib', 'probe', 'bin');
    const sizes = readdirSync(bins, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => statSync(join(bins, name, 'vitals-probe')).size / 1000);
    const [least, most] = [Math.round(Math.min(...sizes)), Math.round(Math.max(...sizes))];
    const texts = ['README.md', 'CHANGELOG.md', ...PAGES.map((name) => join('docs', name))].map((name) =>
      read(name),
    );
    const said = texts.flatMap((text) => text.match(/[\d.]+ to [\d.]+ KB|about \d+ KB/g) ?? []);
    expect(said.length).toBeGreaterThanOrEqual(4);
    expect(new Set(said)).toEqual(new Set([`${least} to ${most} KB`]));
  });
});

describe('npx', () => {
  // `npx vitals` outside a project that has nestjs-vitals is a package of somebody else's.
  it.each(['README.md', 'CHANGELOG.md', 'lib', ...PAGES.map((name) => join('docs', name))])(
    'takes no vitals but ours in %s',
    (name) => {
      const text = name === 'lib' ? LIB : read(name);
      const calls = [...text.matchAll(/\bnpx\b[^\n`']*?\svitals(?=\s|$)/gm)].map(([call]) => call);
      const isSafe = (call: string) =>
        /^npx (--no|-y -p nestjs-vitals( -p yaml)?) vitals$/.test(call.replaceAll(/\s+/g, ' '));
      expect(calls.filter((call) => !isSafe(call))).toEqual([]);
    },
  );
});

describe('the runbooks', () => {
  const [english, thai] = [read('docs', 'runbook.md'), read('docs', 'runbook.th.md')];
  it('have the same headings in depth and order, the same commands, and tables of the same length', () => {
    const depths = (page: string) => headings(page).map((line) => line.split(' ')[0]);
    expect(depths(thai)).toEqual(depths(english));
    expect(blocks(thai, 'sh')).toEqual(blocks(english, 'sh'));
    const bare = (text: string) => text.replace(/ *#.*/g, '');
    expect(blocks(thai, 'yaml').map(bare)).toEqual(blocks(english, 'yaml').map(bare));
    const rows = (page: string) => page.split('\n').filter((line) => line.startsWith('|')).length;
    expect(rows(thai)).toBe(rows(english));
  });
  it('name the same codes, paths and options', () => {
    const spans = (page: string) =>
      new Set([...page.matchAll(/`([A-Z_]{5,}|\/api[\w/]*|[\w]+: [^`]+)`/g)].map(([, span]) => span));
    expect([...spans(thai)].toSorted()).toEqual([...spans(english)].toSorted());
  });
});

describe('docs/runbook.md', () => {
  const page = read('docs', 'runbook.md');

  it('begins with words that the probe says', () => {
    const [, table = ''] = page.split('| The line says |');
    const [, cell = ''] = /^\| (`refused`[^|]*) \|/m.exec(table) ?? [];
    const words = [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
    expect(words.length).toBeGreaterThan(2);
    for (const word of words)
      expect(Object.values(TOLD).some((sentence) => sentence.startsWith(`${word}: `))).toBe(true);
  });

  it('has compose lines in which the doctor finds no error and no warning', () => {
    const desk = new Desk();
    try {
      adopt(desk.folder);
      const [compose = ''] = blocks(page, 'yaml');
      desk.put({ 'compose.yml': compose.replace('tat-api:\n', 'tat-api:\n    build: .\n') });
      expect(desk.run('compose.yml', 'Dockerfile').text).toContain('0 errors, 0 warnings');
    } finally {
      desk.clear();
    }
  });
});

describe.each(PAGES)('docs/%s', (name) => {
  const page = read('docs', name);
  const code = [...page.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([span]) => span).join('\n');

  it('is at most 200 lines long', () => expect(page.split('\n').length).toBeLessThanOrEqual(200));

  it('has only links that lead somewhere', () => {
    const links = [...page.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, to]) => to!)
      .filter((to) => !/^https?:/.test(to));
    const broken = links.filter((to) => {
      const [path = '', fragment] = to.split('#');
      const file = path === '' ? join(DOCS, name) : join(dirname(join(DOCS, name)), path);
      if (!existsSync(file)) return true;
      return fragment !== undefined && !headings(readFileSync(file, 'utf8')).map(anchor).includes(fragment);
    });
    expect(broken).toEqual([]);
  });

  it('names only commands that there are', () => {
    const [, table = ''] =
      /const COMMANDS[^{]*= \{([\s\S]*?)\n\};/.exec(read('lib', 'probe', 'cli.ts')) ?? [];
    const commands = [...table.matchAll(/^ {2}(\w+): \{/gm)].map(([, command]) => command);
    const used = [...code.matchAll(/\bvitals ((?!vitals)[a-z]+)/g)].map(([, command]) => command);
    expect(used.filter((command) => !commands.includes(command))).toEqual([]);
  });

  it('names only durations that there are', () => {
    const used = new Set([...code.matchAll(/\b[a-z]+[A-Z]?\w*Ms\b/g)].map(([word]) => word));
    expect([...used].filter((word) => !new RegExp(`\\b${word}\\b`).test(LIB))).toEqual([]);
  });

  it('gives only options that there are', () => {
    const examples = [...blocks(page, 'ts'), ...blocks(page, 'diff')].filter((text) =>
      text.includes('VitalsModule.for'),
    );
    const spans = [
      ...page.matchAll(/`(recovery|incidents|watchdog|hygiene|audit|drain|details|mount)\b[^`\n]*`/g),
    ].map(([span]) => span);
    const keys = [...examples, ...spans].flatMap((text) =>
      [...text.replaceAll(/ \/\/ .*/g, '').matchAll(/[{,\s`](\w+):/g)].map(([, key]) => key!),
    );
    // Nest's, and the names that the examples give.
    const theirs = [
      'imports',
      'inject',
      'useFactory',
      'cache',
      'oracle',
      'mssql',
      'search',
      'mail',
      'rates',
      'app',
      'request',
      'signal',
      'http',
    ];
    expect(keys.filter((key) => !theirs.includes(key) && !new RegExp(`\\b${key}\\b`).test(OPTIONS))).toEqual(
      [],
    );
  });
});

/** The plain application of the tests with the page's diffs applied; the names of the files that they change. */
function adopt(folder: string): string[] {
  const command = join(ROOT, 'test', 'app', 'adoption', 'page.mjs');
  const output = execFileSync(process.execPath, [command, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
  return String(output).trim().split('\n');
}

describe('the code of the pages', () => {
  it('compiles, every block of it and what docs/adoption.md makes of a plain application', () => {
    const folder = compiledFolder('docs');
    rmSync(folder, { recursive: true, force: true });
    adopt(folder);
    const sources = PAGES.flatMap((name) => blocks(read('docs', name), 'ts'));
    expect(sources.length).toBeGreaterThanOrEqual(3);
    expect(compile(folder, sources)).toBe('');
  }, 60_000);
});

describe('the files of docs/adoption.md', () => {
  const page = read('docs', 'adoption.md');

  it('are those of a plain application, line by line', () => {
    const desk = new Desk();
    try {
      expect(adopt(desk.folder)).toEqual([
        'src/app.module.ts',
        'src/main.ts',
        'Dockerfile',
        'docker-compose.prod.yml',
      ]);
      expect(blocks(page, 'diff')).toHaveLength(4);
    } finally {
      desk.clear();
    }
  });

  it('leave the doctor nothing but what the page says', () => {
    const desk = new Desk();
    try {
      adopt(desk.folder);
      const { text, code } = desk.run('docker-compose.prod.yml', 'Dockerfile');
      expect(code).toBe(0);
      const [first = '', last = ''] = page
        .split('```\n')
        .find((part) => part.startsWith('docker-compose.prod.yml:'))!
        .split('\n');
      expect(text).toContain(first.replace(/ \.\.\.$/, ''));
      expect(text).toContain(last);
    } finally {
      desk.clear();
    }
  });
});
