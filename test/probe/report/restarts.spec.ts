import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report } from '../../../lib/probe/report/report.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'restarts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function ended(number: number, by: string, code: string, at: string): void {
  const life = {
    pid: 1,
    startTicks: number,
    namespace: '',
    host: 'h',
    boot: 'b',
    startedAt: at,
    startedBootMs: 0,
  };
  const run = { id: `r${number}`, ...life, end: { by, code, message: '', at, bootMs: 0 } };
  writeFileSync(join(folder, `past-000000000${number}-r${number}.json`), JSON.stringify(run));
}

it('counts the last end before a later process has found it, and no process that lives', async () => {
  ended(1, 'recovery', 'POOL_WEDGED', '2026-11-23T16:59:00.000Z');
  renameSync(join(folder, 'past-0000000001-r1.json'), join(folder, 'run-0000000001-r1.json'));
  const lives = { ...JSON.parse(readFileSync(join(folder, 'run-0000000001-r1.json'), 'utf8')), end: null };
  writeFileSync(join(folder, 'run-0000000002-r2.json'), JSON.stringify({ ...lives, id: 'r2' }));
  expect(JSON.parse(await report(['--json', '--incidents', folder]))).toMatchObject({
    total: 1,
    runs: [{ id: 'r1' }],
  });
});

it('prints restarts by day and cause, in the zone asked for, and the last incidents', async () => {
  ended(1, 'recovery', 'POOL_WEDGED', '2026-11-23T16:59:00.000Z');
  ended(2, 'recovery', 'POOL_WEDGED', '2026-11-23T17:01:00.000Z');
  ended(3, 'killed', 'KILLED', '2026-11-24T01:00:00.000Z');
  ended(4, 'stop', 'STOP', '2026-11-24T02:00:00.000Z');
  writeFileSync(join(folder, 'past-0000000005-x.json'), 'garbage');
  const incident = {
    id: 'i',
    at: '2026-11-23T16:58:00.000Z',
    indicator: 'main',
    code: 'POOL_WEDGED',
    status: 'down',
    remedy: 'restart',
    message: 'nothing came back\u001b[31m',
    ended: { how: 'process ended', at: '2026-11-23T16:59:00.000Z', lastedMs: 60_000 },
  };
  writeFileSync(join(folder, 'incident-0000000006-i.json'), JSON.stringify(incident));
  const before = readdirSync(folder);
  expect(await report(['--incidents', folder, '--time-zone', 'Asia/Bangkok'])).toBe(
    `3 restarts and 1 stops, 1 incidents (Asia/Bangkok)

day         recovery  watchdog    killed     crash      exit      stop
2026-11-23         1         0         0         0         0         0
2026-11-24         1         0         1         0         0         1

     2  recovery: POOL_WEDGED
     1  killed: KILLED

2026-11-23 23:58:00  main=POOL_WEDGED  process ended after 60 s  nothing came back [31m
`,
  );
  expect(JSON.parse(await report(['--json', `--incidents=${folder}`]))).toMatchObject({ total: 3 });
  expect(readdirSync(folder)).toEqual(before);
});

it('says what is wrong with the directory, and takes no logs beside it', async () => {
  await expect(report(['--incidents', '/nowhere'])).rejects.toThrow(
    '--incidents must be the directory of the option "incidents", got "/nowhere"',
  );
  await expect(report(['--incidents', folder, 'logs'])).rejects.toThrow('got both');
});
