import { entriesOf, handled, lined, logged, reportOn } from './lines.js';

const AT = '2026-11-24T03:00:00.123Z';
const LINE = handled({ at: AT });
const LATER = handled({ at: '2026-11-24T03:00:05.000Z' });
const OK = logged('2026-11-24T03:00:07.000Z');

const PRINTF = lined(
  '2026-11-24T03:00:00.100Z [error] uncaughtException: read ECONNRESET',
  'Error: read ECONNRESET',
  '    at TCP.onStreamRead (node:internal/stream_base_commons:218:20)',
  '2026-11-24T03:00:01.000Z [info] hello',
  '2026-11-24 03:00:02 \u001B[31merror\u001B[39m: write EPIPE',
);
const fields = JSON.stringify({ ...JSON.parse(LINE), level: undefined, message: undefined });
const SIMPLE = lined(
  'error: uncaughtException: read ECONNRESET',
  'Error: read ECONNRESET',
  `    at TCP.onStreamRead (node:internal/stream_base_commons:218:20) ${fields}`,
  'error: query {"x} failed {"err":{"code":"ECONNRESET","errno":-104,"syscall":"read"}}',
  'info: hello',
);

describe('broken lines', () => {
  it.each([
    ['cut', lined(LINE, LATER.slice(0, 300), OK), { broken: 1, resets: 1 }],
    ['two in one, the first cut', lined(LATER.slice(0, 300) + LINE, OK), { broken: 1, resets: 1 }],
    ['two in one, both whole', lined(LINE + LATER), { broken: 1, resets: 2 }],
    ['one within another', lined(LATER.slice(0, 200) + LINE + LATER.slice(200)), { broken: 1, resets: 0 }],
    ['NULs in front', lined(`${'\0'.repeat(4096)}${LINE}`), { broken: 0, resets: 1 }],
    ['nothing but NULs', lined(LINE, '\0'.repeat(512)), { broken: 1, resets: 1 }],
    ['JSON that is no object', lined('{]', '[1]', '"ECONNRESET"', LINE), { broken: 1, resets: 1 }],
    ['a byte order mark and CRLF', `\uFEFF${LINE}\r\n${OK}\r\n${LATER}\r\n`, { broken: 0, resets: 2 }],
    ['empty lines', lined('', LINE, '', ' '), { broken: 0, resets: 1 }],
  ])('are survived and counted: %s', async (_, text, expected) => {
    const { files, resets } = await reportOn({ 'a.log': text });
    expect({ broken: files[0]?.broken, resets: resets.total }).toEqual(expected);
  });

  it('with a reset are told apart, not counted', async () => {
    const { resets } = await reportOn({ 'a.log': lined(LATER.slice(0, 300), LINE) });
    expect(resets).toMatchObject({ total: 1, unreadable: 1 });
  });

  it.each([
    ['is whole', LINE, { resets: 1, isGrowing: false }],
    ['is half a record', LINE.slice(0, 400), { resets: 0, isGrowing: true }],
  ])('do not include the last one of a growing file, which %s', async (_, last, { resets, isGrowing }) => {
    const report = await reportOn({ 'a.log': lined(OK) + last });
    expect(report).toMatchObject({
      resets: { total: resets, unreadable: 0 },
      files: [{ isGrowing, broken: 0 }],
    });
  });

  it('over 1 MB are passed over and the next is read', async () => {
    const long = logged(AT, `ECONNRESET ${'x'.repeat(3_000_000)}`);
    const { files, resets } = await reportOn({ 'a.log': lined(LINE, long, LATER) });
    expect(resets.total).toBe(2);
    expect(files).toMatchObject([{ lines: 2, tooLong: 1, broken: 0 }]);
  });

  it('over 1 MB at the end are counted once', async () => {
    const { files, resets } = await reportOn({ 'a.log': lined(LINE) + 'x'.repeat(3_000_000) });
    expect(resets.total).toBe(1);
    expect(files).toMatchObject([{ tooLong: 1 }]);
  });
});

describe('entries that are not JSON', () => {
  it('go on until the next time or level', async () => {
    const { resets, firstAt, lastAt } = await reportOn({ 'a.log': PRINTF });
    expect(resets).toMatchObject({ total: 2, codes: { ECONNRESET: 1, EPIPE: 1 }, kinds: { kernel: 2 } });
    expect([firstAt, lastAt]).toEqual(['2026-11-24T03:00:00.100Z', '2026-11-24T03:00:02.000Z']);
  });

  it('tell with the fields of format.simple() what JSON tells', () => {
    const [json] = entriesOf(lined(LINE));
    expect(entriesOf(SIMPLE)[0]).toEqual(json);
  });

  it('without a time count on the day of the file’s name', async () => {
    const { days, resets } = await reportOn({ 'app-2026-11-20.log.1': 'error: read ECONNRESET\n' });
    expect(days).toEqual([{ at: '2026-11-20', resets: 1, codes: { ECONNRESET: 1 } }]);
    expect(resets.undated).toBe(1);
  });

  it('are none without times and levels, and that is told', async () => {
    const { resets } = await reportOn({ 'app.log': 'Error: read ECONNRESET\nError: read ECONNRESET' });
    expect(resets).toMatchObject({ total: 0, unreadable: 2 });
  });

  it('without a time in a file without a date count in no day', async () => {
    const { days, resets } = await reportOn({ 'app.log': 'error: read ECONNRESET\n' });
    expect({ days, resets }).toMatchObject({ days: [], resets: { total: 1, undated: 1 } });
  });
});

describe('lines without a hit word', () => {
  it.each([
    ['as winston sorts them', handled({ at: AT, code: 'ENOENT' })],
    [
      'with keys in another order',
      JSON.stringify(
        Object.fromEntries(
          Object.entries(JSON.parse(handled({ at: AT, code: 'ENOENT' })) as object).toReversed(),
        ),
      ),
    ],
    [
      'with a second timestamp within',
      `{"a":{"timestamp":"2020-01-01T00:00:00Z"},"level":"info","timestamp":"${AT}"}`,
    ],
    ['with only a date', handled({ at: AT, code: 'ENOENT', hasTimestamp: false })],
    ['with a quoted key in the message', logged(AT, 'said "process":{"pid":1} and "timestamp":"x"')],
    ['with the time as a number', `{"level":30,"time":${Date.parse(AT)},"pid":700}`],
  ])('say the same as when they are parsed: %s', (_, line) => {
    const parsed = entriesOf(lined(`\0${line}`));
    expect(parsed).toHaveLength(1);
    expect(entriesOf(lined(line))).toEqual(parsed);
  });
});

describe('a file cut anywhere', () => {
  const JSON_LINES = lined(LINE, OK, LATER);
  const whole = async (text: string) => (await reportOn({ 'a.log': text })).resets.total;

  it.each([
    ['JSON', JSON_LINES],
    ['printf', PRINTF],
    ['format.simple()', SIMPLE],
  ])('never counts a reset twice: %s', (_, text) => {
    const resets = (part: string) => entriesOf(part).filter(({ reset }) => reset).length;
    const all = resets(text);
    expect(all).toBe(2);
    for (let cut = 0; cut <= text.length; cut++) {
      const [head, tail] = [resets(`${text.slice(0, cut)}\n`), resets(text.slice(cut))];
      if (head + tail > all) throw new Error(`cut at ${cut}: ${head} and ${tail} of ${all}`);
      // Only the one that is cut may be lost.
      if (head + tail < all - 1) throw new Error(`cut at ${cut}: ${head} and ${tail} of ${all}`);
    }
  });

  it('as a file that is being written is read to there', async () => {
    for (let cut = 0; cut <= JSON_LINES.length; cut += 61)
      expect(await whole(JSON_LINES.slice(0, cut))).toBeLessThanOrEqual(2);
    expect(await whole(JSON_LINES)).toBe(2);
  });
});
