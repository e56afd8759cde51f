/** The disk is real, and so are the processes that die on it; only clocks are set. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from '@swc/core';
import { FlightDirectory } from '../../lib/recovery/flight-directory.js';
import { ownIdentity } from '../../lib/recovery/identity.js';
import type { Incident } from '../../lib/recovery/incident.js';

jest.setTimeout(60_000);

const HOUR_MS = 3_600_000;
const LIB = join(__dirname, '../../lib/recovery');
let compiled: string;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  compiled = mkdtempSync(join(tmpdir(), 'flight-lib-'));
  for (const name of ['flight-directory', 'flight-files', 'identity', 'incident', 'predecessors']) {
    const { code } = transformSync(readFileSync(join(LIB, `${name}.ts`), 'utf8'), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
    });
    writeFileSync(join(compiled, `${name}.js`), code);
  }
});
afterAll(() => rmSync(compiled, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flight-'));
});
afterEach(() => {
  jest.restoreAllMocks();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const incident = (id: string, more: Partial<Incident> = {}): Incident => ({
  id,
  at: new Date().toISOString(),
  indicator: 'main',
  code: 'POOL_WEDGED',
  status: 'down',
  remedy: 'restart',
  message: 'no connection returned',
  ended: null,
  ...more,
});
const opened = (onTrouble?: (text: string) => void, guards = {}): FlightDirectory => {
  const directory = new FlightDirectory(folder, onTrouble, { minUptimeMs: 0, ...guards });
  directory.begin();
  return directory;
};
const names = (kind: string): string[] => readdirSync(folder).filter((name) => name.startsWith(kind));

/** Another process with a directory of its own at the same place; `code` has it as `d`. */
function process_(code: string, at = folder, command: readonly string[] = []): ChildProcess {
  const script = `
    const { FlightDirectory } = require(${JSON.stringify(join(compiled, 'flight-directory.js'))});
    const d = new FlightDirectory(${JSON.stringify(at)}, (text) => console.log('TROUBLE ' + text), { minUptimeMs: 0, keep: 20 });
    d.begin();
    ${code}`;
  const [file = process.execPath, ...args] = [...command, process.execPath, '-e', script];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout!.on('data', (chunk) => (output += String(chunk)));
  await once(child, 'close');
  return output;
}

/** Ends by itself, or is killed when it has said so. */
async function ran(code: string): Promise<string> {
  const child = process_(`${code}; console.log('ready ' + process.pid); setInterval(() => {}, 1000)`);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  child.kill('SIGKILL');
  await once(child, 'close');
  return String(line).trim().split(' ').at(-1)!;
}

const END = (by: string): string => `d.noteEnd({ by: '${by}', code: 'POOL_WEDGED', message: 'because' })`;

describe('the next process', () => {
  it.each(['recovery', 'watchdog', 'crash', 'stop', 'exit'])('learns of an end by %s', async (by) => {
    const pid = Number(await ran(END(by)));
    const [past, ...more] = opened().claim();
    expect(past).toMatchObject({ pid, end: { by, code: 'POOL_WEDGED', message: 'because' } });
    expect(more).toEqual([]);
  });

  it('learns that one was killed which left no word, and that its open incident ended with it', async () => {
    await ran(`d.write(${JSON.stringify(incident('open'))})`);
    const directory = opened();
    expect(directory.claim()).toMatchObject([{ end: { by: 'killed' } }]);
    expect(directory.incidents()).toMatchObject([{ id: 'open', ended: { how: 'process ended' } }]);
    expect(directory.claim()).toEqual([]);
    expect(directory.past()).toHaveLength(1);
  });

  it('takes none for dead that lives', async () => {
    const child = process_("console.log('ready'); setInterval(() => {}, 1000)");
    await once(child.stdout!, 'data');
    expect(opened().claim()).toEqual([]);
    expect(names('run')).toHaveLength(2);
  });

  it('is not deceived by a pid that is used again, as in a container that is started again', () => {
    const own = ownIdentity();
    plant('run', { ...own, id: 'before', startTicks: own.startTicks - 1 });
    expect(opened().claim()).toMatchObject([{ id: 'before', pid: process.pid }]);
  });

  it('shares the news: of several that start at once each end is told to one', async () => {
    for (let i = 0; i < 5; i++) await ran(END('recovery'));
    const print =
      "console.log(d.claim().flatMap(({ id, end }) => (end.by === 'recovery' ? [id] : [])).join(' '))";
    const starts = Array.from({ length: 4 }, () => outputOf(process_(print)));
    const told = (await Promise.all(starts)).join(' ').split(/\s+/).filter(Boolean);
    expect([told.length, new Set(told).size]).toEqual([5, 5]);
  });

  it.each([
    ['has been silent for 15 s', false, 15_001, 1],
    ['has not been silent for so long', false, 14_000, 0],
    ['was touched in between', true, 15_001, 0],
  ])('takes one of another container for dead when it %s', (_, isTouched, laterMs, dead) => {
    const file = plant('run', { ...ownIdentity(), id: 'other', namespace: '1' });
    const directory = opened();
    expect(directory.claim()).toEqual([]);
    if (isTouched) utimesSync(file, new Date(), new Date(Date.now() + 5_000));
    later(laterMs);
    expect(directory.claim()).toHaveLength(dead);
  });
});

/** A record as another life left it. */
function plant(kind: 'run' | 'past', run: object): string {
  const number = String(readdirSync(folder).length + 1).padStart(10, '0');
  const { id } = run as { id: string };
  const file = join(folder, `${kind}-${number}-${id}.json`);
  const startedAt = new Date(Date.now() - HOUR_MS).toISOString();
  writeFileSync(file, JSON.stringify({ startedAt, startedBootMs: 0, end: null, ...run }));
  return file;
}

function later(ms: number): void {
  const now = process.hrtime.bigint();
  jest.spyOn(process.hrtime, 'bigint').mockReturnValue(now + BigInt(ms) * 1_000_000n);
}

describe('the budget', () => {
  const past = (
    id: string,
    given: { by?: string; agoMs?: number; boot?: string; atMs?: number } = {},
  ): string => {
    const { by = 'recovery', agoMs = 0, boot = ownIdentity().boot } = given;
    return plant('past', {
      ...ownIdentity(),
      id,
      boot,
      end: {
        by,
        code: 'X',
        message: '',
        at: new Date(given.atMs ?? Date.now() - agoMs).toISOString(),
        bootMs: Number(process.hrtime.bigint() / 1_000_000n) - agoMs,
      },
    });
  };

  it('is spent by what we ended, and says so', () => {
    const directory = opened();
    for (const [i, by] of ['recovery', 'watchdog', 'killed', 'crash', 'stop', 'exit'].entries())
      past(`p${i}`, { by });
    expect(directory.mayRestart(Date.now())).toEqual({ may: true });
    past('third');
    expect(directory.mayRestart(Date.now())).toEqual({
      may: false,
      why: 'the budget is spent: 3 in the last hour (threshold 3)',
    });
  });

  it('counts real processes that ended themselves a moment ago, claimed or not', async () => {
    for (let i = 0; i < 3; i++) await ran(END('recovery'));
    expect(opened().mayRestart(Date.now())).toMatchObject({ may: false });
  });

  it('is there again after an hour', () => {
    const directory = opened();
    for (const id of ['a', 'b', 'c']) past(id, { agoMs: HOUR_MS - 5_000 });
    expect(directory.mayRestart(Date.now()).may).toBe(false);
    later(6_000);
    expect(directory.mayRestart(Date.now()).may).toBe(true);
  });

  it.each([
    ['a year ahead', 365 * 24 * HOUR_MS],
    ['a year back', -365 * 24 * HOUR_MS],
  ])('stays as it is when the clock is set %s', (_, jumpMs) => {
    const directory = opened();
    for (const id of ['a', 'b', 'c']) past(id, { agoMs: 60_000 });
    expect(directory.mayRestart(Date.now() + jumpMs).may).toBe(false);
    for (const name of names('past')) rmSync(join(folder, name));
    for (const id of ['d', 'e', 'f']) past(id, { agoMs: 2 * HOUR_MS, atMs: Date.now() + jumpMs });
    expect(directory.mayRestart(Date.now()).may).toBe(true);
  });

  it('goes by the calendar across a start of the machine, but never longer than that is ago', () => {
    const directory = opened();
    const bootMs = (ms: number) =>
      jest.spyOn(process.hrtime, 'bigint').mockReturnValue(BigInt(ms) * 1_000_000n);
    for (const id of ['a', 'b', 'c']) past(id, { boot: 'before', atMs: Date.now() - 60_000 });
    bootMs(30_000);
    expect(directory.mayRestart(Date.now()).may).toBe(false);
    expect(directory.mayRestart(Date.now() + HOUR_MS).may).toBe(true);
    expect(directory.mayRestart(Date.now() - 1000 * HOUR_MS).may).toBe(false);
    bootMs(HOUR_MS + 1);
    expect(directory.mayRestart(Date.now() - 1000 * HOUR_MS).may).toBe(true);
  });

  it('does not matter to a process that is too young', () => {
    const years = 1e11;
    const verdict = opened(() => {}, { minUptimeMs: years }).mayRestart(Date.now());
    expect(verdict).toMatchObject({ may: false });
    expect(verdict).toHaveProperty(
      'why',
      expect.stringMatching(/^it runs for \d+ s \(threshold 100000000 s\)$/),
    );
  });

  it.each([
    ['there is none', () => null, 'no directory for incidents is set'],
    ['nothing can be written', () => '/proc/vitals', 'nothing can be written to /proc/vitals'],
    ['it is in memory and empty', () => mkdtempSync('/dev/shm/flight-'), 'is in memory'],
  ])('asks for a whole share of an hour where no record survives: %s', (_, make, why) => {
    const at = make();
    const uptime = jest.spyOn(process, 'uptime').mockReturnValue(1199);
    const directory = new FlightDirectory(at, () => {}, { minUptimeMs: 0 });
    directory.begin();
    expect(directory.mayRestart(Date.now())).toMatchObject({ may: false, why: expect.stringContaining(why) });
    uptime.mockReturnValue(1200);
    expect(directory.mayRestart(Date.now())).toEqual({ may: true });
    if (at?.startsWith('/dev/shm')) rmSync(at, { recursive: true });
  });
});

describe('the directory', () => {
  it('keeps the last incidents, in the order they were written, whatever the clock said', () => {
    const directory = opened(undefined, { keep: 3 });
    for (const [i, at] of ['2030-01-01', '2020-01-01', '2025-01-01', '1999-01-01'].entries())
      directory.write(incident(`i${i}`, { at: `${at}T00:00:00.000Z` }));
    expect(directory.incidents().map(({ id }) => id)).toEqual(['i1', 'i2', 'i3']);
  });

  it('writes an incident anew under the same name', () => {
    const directory = opened();
    const ended = { how: 'recovered', at: new Date().toISOString(), lastedMs: 5 } as const;
    directory.write(incident('a'));
    directory.write(incident('b'));
    directory.write(incident('a', { ended }));
    expect(directory.incidents()).toMatchObject([
      { id: 'a', ended },
      { id: 'b', ended: null },
    ]);
    expect(names('incident')).toHaveLength(2);
  });

  it('keeps every file small, and what matters most in it', () => {
    const directory = opened();
    const large = 'x'.repeat(1_000_000);
    const before = Array.from({ length: 5 }, () => ({
      at: new Date().toISOString(),
      figures: { a: { large } },
    }));
    directory.write(incident('a', { message: large, stack: large, data: { large }, before }));
    expect(statSync(join(folder, names('incident')[0]!)).size).toBeLessThanOrEqual(16_500);
    expect(directory.incidents()).toMatchObject([
      { id: 'a', code: 'POOL_WEDGED', stack: large.slice(0, 6_000) },
    ]);
  });

  it('is readable by its owner only', () => {
    const deep = join(folder, 'a', 'b');
    const directory = new FlightDirectory(deep);
    directory.begin();
    expect(statSync(deep).mode & 0o777).toBe(0o700);
    expect(statSync(join(deep, readdirSync(deep)[0]!)).mode & 0o777).toBe(0o600);
  });

  it('passes over garbage, and goes on among it', () => {
    const deeds: Record<string, string | null> = {
      'run-0000000001-a.json': 'no json',
      'run-0000000002-b.json': '{"id":"b"}',
      'past-0000000003-c.json': '{"end":{"by":"recovery"}}',
      'past-0000000004-null.json': 'null',
      'incident-0000000005-d.json': '[]',
      'incident-0000000006-e.json': '\0'.repeat(100),
      'incident-0000000007-f.json': '{"id":"f","at":"yesterday"}',
      'incident-0000000008-g.json': 'x'.repeat(1_000_000),
      'incident-0000000009-folder.json': null,
      'incident-9999999999-last.json': '',
      'notes.txt': 'mine',
      '.writing-dead-0': '{',
    };
    for (const [name, text] of Object.entries(deeds)) {
      if (text === null) mkdirSync(join(folder, name));
      else writeFileSync(join(folder, name), text);
    }
    const trouble = jest.fn();
    const directory = opened(trouble);
    expect([directory.claim(), directory.past(), directory.incidents()]).toEqual([[], [], []]);
    directory.write(incident('good'));
    expect(directory.incidents()).toMatchObject([{ id: 'good' }]);
    expect(directory.mayRestart(Date.now())).toEqual({ may: true });
    expect(readdirSync(folder)).toContain('notes.txt');
    expect(readdirSync(folder)).not.toContain('.writing-dead-0');
    expect(trouble).not.toHaveBeenCalled();
  });

  it('comes back when it is taken away', () => {
    const directory = opened();
    rmSync(folder, { recursive: true });
    expect(directory.incidents()).toEqual([]);
    directory.write(incident('a'));
    directory.noteEnd({ by: 'recovery', code: 'X', message: '' });
    expect([names('incident').length, names('run').length]).toEqual([1, 1]);
  });

  it('is the same for a worker thread of the process', async () => {
    const code = `
      const { Worker, isMainThread } = require('node:worker_threads');
      new Worker(\`const { FlightDirectory } = require(${JSON.stringify(join(compiled, 'flight-directory.js'))});
        new FlightDirectory(${JSON.stringify(folder)}).noteEnd({ by: 'watchdog', code: 'LOOP_BLOCKED', message: 'x' });\`, { eval: true })
        .on('exit', () => d.noteEnd({ by: 'stop', code: 'STOP', message: 'later and weaker' }));`;
    await outputOf(process_(code));
    expect(names('run')).toHaveLength(1);
    expect(opened().claim()).toMatchObject([{ end: { by: 'watchdog', code: 'LOOP_BLOCKED' } }]);
  });
});

describe('with trouble on the disk', () => {
  const ALL = `
    const i = ${JSON.stringify(incident('a'))};
    for (let n = 0; n < 3; n++) { d.write(i); d.beat(); d.claim(); d.noteEnd({ by: 'recovery', code: 'X', message: '' }); d.past(); d.incidents(); }
    console.log(JSON.stringify(d.mayRestart(Date.now())));`;

  it.each([
    ['no such place', '/proc/nothing/here', 'ENOENT'],
    ['a file in its place', __filename, 'ENOTDIR'],
    ['a file on the way', join(__filename, 'x'), 'ENOTDIR'],
  ])('%s: it is said once, and nothing is thrown', async (_, at, code) => {
    const [trouble, may, ...rest] = (await outputOf(process_(ALL, at))).trim().split('\n');
    expect(trouble).toMatch(new RegExp(`^TROUBLE incidents cannot be kept in .*: ${code}`));
    expect(JSON.parse(may!)).toMatchObject({
      may: false,
      why: expect.stringContaining('nothing can be written'),
    });
    expect(rest).toEqual([]);
  });

  it('a file system that is full, or read-only: the same', async () => {
    const mounts = ['-o size=32k', '-o size=4k,nr_inodes=2', '-o ro'];
    for (const options of mounts) {
      const script = `mount -t tmpfs ${options} tmpfs ${folder} && { cat /dev/zero > ${folder}/full 2>/dev/null; exec "$@"; }`;
      const unshare = ['unshare', ...(process.getuid!() === 0 ? ['-m'] : ['-Urm']), 'sh', '-c', script, 'sh'];
      const [trouble, may, ...rest] = (await outputOf(process_(ALL, folder, unshare))).trim().split('\n');
      expect(trouble).toMatch(/^TROUBLE incidents cannot be kept in .*: (ENOSPC|EROFS)/);
      expect(JSON.parse(may!)).toMatchObject({
        may: false,
        why: expect.stringContaining('nothing can be written'),
      });
      expect(rest).toEqual([]);
    }
  });

  it('a process killed in the middle of writing leaves every file whole', async () => {
    for (let round = 0; round < 8; round++) {
      const child = process_(`
        console.log('ready');
        for (let n = 0; ; n++) d.write({ ...${JSON.stringify(incident('a'))}, id: 'i' + n % 30, stack: 'x'.repeat(n % 5000) });`);
      await once(child.stdout!, 'data');
      await new Promise((resolve) => setTimeout(resolve, 20 + round * 7));
      child.kill('SIGKILL');
      await once(child, 'close');
      const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
      for (const name of files)
        expect(() => JSON.parse(readFileSync(join(folder, name), 'utf8'))).not.toThrow();
    }
    const directory = opened(undefined, { keep: 20 });
    expect(readdirSync(folder).filter((name) => name.startsWith('.writing'))).toEqual([]);
    expect(directory.claim()).toHaveLength(8);
    expect(directory.incidents().length).toBeGreaterThanOrEqual(20);
    directory.write(incident('last'));
    expect(directory.incidents()).toHaveLength(20);
  });

  it('several processes writing, starting and clearing up at once lose nothing of each other', async () => {
    const writers = Array.from({ length: 4 }, (_, i) =>
      outputOf(
        process_(`
          for (let n = 0; n < 50; n++) { d.write({ ...${JSON.stringify(incident('a'))}, id: 'w${i}-' + n }); d.begin(); }
          console.log('done');`),
      ),
    );
    expect(await Promise.all(writers)).toEqual(['done\n', 'done\n', 'done\n', 'done\n']);
    const directory = opened();
    const ids = directory.incidents().map(({ id }) => id);
    expect(ids).toHaveLength(20);
    expect(ids.some((id) => id.endsWith('-49'))).toBe(true);
    expect(directory.claim()).toHaveLength(4);
  });
});

describe('readIncidents', () => {
  it('answers what incidents answers', async () => {
    const directory = opened();
    for (const id of ['i1', 'i2']) directory.write(incident(id));
    writeFileSync(join(folder, 'incident-0000000009-garbage.json'), '{');
    expect(await directory.readIncidents()).toEqual(directory.incidents());
    expect(await directory.readIncidents()).toHaveLength(2);
    expect(await new FlightDirectory(null).readIncidents()).toEqual([]);
    expect(await new FlightDirectory(join(folder, 'none')).readIncidents()).toEqual([]);
  });

  it('waits for a disk that hangs, and the process does not', async () => {
    const directory = opened();
    directory.write(incident('i1'));
    // Whoever reads a pipe to which nobody writes waits, as on a disk that hangs.
    const pipe = join(folder, 'incident-0000000009-pipe.json');
    execFileSync('mkfifo', [pipe]);
    let isRead = false;
    const reading = directory.readIncidents().finally(() => (isRead = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isRead).toBe(false);
    await writeFile(pipe, JSON.stringify(incident('late')));
    expect((await reading).map(({ id }) => id)).toEqual(['i1', 'late']);
  });

  it('tells of trouble once and answers nothing', async () => {
    const troubles: string[] = [];
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const directory = new FlightDirectory(file, (text) => troubles.push(text));
    expect([await directory.readIncidents(), await directory.readIncidents()]).toEqual([[], []]);
    expect(troubles).toEqual([expect.stringMatching(/^incidents cannot be kept in .*: ENOTDIR/)]);
  });
});
