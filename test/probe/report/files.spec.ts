import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { inputsOf } from '../../../lib/probe/report/inputs.js';
import { readAll } from '../../../lib/probe/report/report.js';
import { Tally } from '../../../lib/probe/report/tally.js';
import { UTC, handled, lined, logged, reportOn } from './lines.js';

const at = (second: number) => new Date(Date.UTC(2026, 10, 23, 12, 0, second)).toISOString();
const resetsAt = (...seconds: readonly number[]) =>
  lined(...seconds.map((second) => handled({ at: at(second) })));

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vitals-report-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
const found = (...names: readonly string[]) =>
  inputsOf(names.map((name) => join(folder, name))).map(({ path }) => path.slice(folder.length + 1));

describe('files that are read', () => {
  it('may be rotated and packed, whatever their names say', async () => {
    const { resets, files } = await reportOn({
      'exceptions-2026-11-23.log.gz': gzipSync(resetsAt(0, 1)),
      'exceptions-2026-11-23.log.1.gz': resetsAt(2),
      'exceptions-2026-11-23.log.2': gzipSync(resetsAt(3)),
      'exceptions-2026-11-23.log.3': resetsAt(4),
      'other.txt': resetsAt(5),
    });
    expect(resets.total).toBe(5);
    expect(files.map((file) => file.resets)).toEqual([1, 1, 1, 2]);
  });

  it('may be several gzip members, cut within a line', async () => {
    const text = Buffer.from(resetsAt(0, 1, 2, 3));
    const members = [text.subarray(0, 700), text.subarray(700, 1900), text.subarray(1900)].map((part) =>
      gzipSync(part),
    );
    expect((await reportOn({ 'a.log.gz': Buffer.concat(members) })).resets.total).toBe(4);
  });

  it('are read as far as broken gzip goes, and that is said', async () => {
    const packed = gzipSync(resetsAt(...Array.from({ length: 2000 }, (_, i) => i)));
    const cut = await reportOn({ 'a.log.gz': packed.subarray(0, packed.length - 100) });
    expect(cut.resets.total).toBeGreaterThan(1000);
    expect(cut.files[0]?.endedEarly).toBe('the gzip data ends early');
    packed.fill(0, packed.length - 8); // the checksum
    const broken = await reportOn({ 'a.log.gz': packed });
    expect(broken.files[0]?.endedEarly).toMatch(/^the gzip data is broken \(Z_/);
  });

  it.each(['', '\n', '\x1f', '\x1f\x8b', '{'])('may contain as good as nothing: %j', async (content) => {
    expect((await reportOn({ 'a.log': Buffer.from(content, 'latin1') })).resets.total).toBe(0);
  });

  it('are read to the end they had', async () => {
    const path = join(folder, 'a.log');
    write('a.log', resetsAt(0, 1));
    const inputs = inputsOf([path]);
    appendFileSync(path, resetsAt(2));
    expect((await readAll(inputs, UTC)).resets.total).toBe(2);
  });

  it('may be gone when their turn comes', async () => {
    write('a.log', resetsAt(0));
    write('b.log', resetsAt(1));
    const inputs = inputsOf([folder]);
    rmSync(join(folder, 'a.log'));
    const { resets, files } = await readAll(inputs, UTC);
    expect(resets.total).toBe(1);
    expect(files[0]?.endedEarly).toBe('it is gone');
  });

  it('are each read once, those of a day together', () => {
    for (const name of [
      'b-2026-11-23.log',
      'a-2026-11-24.log',
      'a-2026-11-23.log.2',
      'a-2026-11-23.log.10',
      'c.log',
    ])
      write(name, '');
    symlinkSync(join(folder, 'c.log'), join(folder, 'd.log'));
    mkdirSync(join(folder, 'e.log'));
    expect(found('', 'c.log', '*.log')).toEqual([
      'a-2026-11-23.log.2',
      'a-2026-11-23.log.10',
      'b-2026-11-23.log',
      'a-2026-11-24.log',
      'c.log',
    ]);
  });

  it('may be a pattern that no shell expanded', () => {
    for (const name of ['x', 'y']) mkdirSync(join(folder, name));
    for (const name of ['x/a-1.log', 'y/a-2.log', 'y/a+2.log', 'y/.a-3.log']) write(name, '');
    expect(found('*/a-?.log')).toEqual(['x/a-1.log', 'y/a-2.log']);
  });
});

describe('a reset in several files', () => {
  it('is counted once', async () => {
    const rejection = lined(handled({ at: at(0), handler: 'rejection' }));
    const { resets } = await reportOn({
      'application-2026-11-23.log': lined(logged(at(0))) + rejection,
      'rejections-2026-11-23.log': rejection,
    });
    expect(resets).toMatchObject({ total: 1, duplicates: 1, writers: { rejection: 1 } });
  });

  it('is one although each transport stamped its own time', async () => {
    const line = handled({ at: at(0), handler: 'rejection' });
    const other = line.replace(/"timestamp":"[^"]*"/, `"timestamp":"${at(0).replace('.000Z', '.001Z')}"`);
    const { resets } = await reportOn({ 'a.log': lined(line), 'b.log': lined(other) });
    expect(resets.total).toBe(1);
  });

  it('is as many as the file that has most of them says: five in one millisecond are five', async () => {
    const same = resetsAt(0, 0, 0, 0, 0);
    const { resets } = await reportOn({ 'a.log': resetsAt(0, 0), 'b.log': same, 'c.log': same });
    expect(resets).toMatchObject({ total: 5, duplicates: 7 });
  });

  it('is two in two processes, or at two times', async () => {
    const { resets } = await reportOn({
      'a.log': lined(handled({ at: at(0), pid: 1 }), handled({ at: at(1), pid: 1 })),
      'b.log': lined(handled({ at: at(0), pid: 2 })),
    });
    expect(resets.total).toBe(3);
  });

  it('is remembered until 100000 others came; what is forgotten is told', () => {
    const tally = new Tally(UTC);
    const reset = { code: 'EPIPE', kind: 'kernel', writer: 'logged', origin: 'pg' } as const;
    const add = (key: number, file: number) =>
      tally.add({ ...reset, key: String(key) }, Date.UTC(2026, 1), file, undefined);
    for (let key = 0; key < 200_000; key++) add(key, 0);
    expect([tally.forgotten, add(99_999, 1), add(100_000, 1)]).toEqual([0, false, false]);
    add(200_000, 0);
    expect([tally.forgotten, add(99_999, 1), add(100_000, 2)]).toEqual([100_000, true, false]);
  });
});

describe('hours', () => {
  it('are zero where a line proves life, and absent where none does', async () => {
    const { hours, days } = await reportOn({
      'a.log': lined(
        logged('2026-11-23T10:00:00.000Z'),
        handled({ at: at(0) }),
        logged('2026-11-25T13:00:00.000Z'),
      ),
    });
    expect(hours.map(({ at: hour, resets }) => [hour.slice(0, 13), resets])).toEqual([
      ['2026-11-23T10', 0],
      ['2026-11-23T12', 1],
      ['2026-11-25T13', 0],
    ]);
    expect(days.map(({ at: day, resets }) => [day, resets])).toEqual([
      ['2026-11-23', 1],
      ['2026-11-25', 0],
    ]);
  });
});
