import { settingsOf } from '../../../lib/probe/report/settings.js';
import { table } from '../../../lib/probe/report/table.js';
import { handled, lined, reportOn, UTC } from './lines.js';

const PERIOD = { periodMs: 350_000, ratio: 1, gaps: 9, known: 'AWS NLB and NAT' };
const T0 = Date.UTC(2026, 10, 24);
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

/** Resets of a driver, so many seconds apart. */
const each = (seconds: number, count: number, more: object): string =>
  lined(...Array.from({ length: count }, (_, i) => handled({ at: at(i * seconds), ...more })));
const printed = async (text: string): Promise<string> =>
  table(await reportOn({ 'app.log': text }), 'day', UTC, { columns: 200, hasColor: false });

describe('the settings', () => {
  it.each([
    ['oracledb', 'set (EXPIRE_TIME=2) in the connect string'],
    ['tedious', 'set pool: { min: 0, idleTimeoutMillis: 175000 }'],
    ['pg-protocol', 'set keepAlive: true and keepAliveInitialDelayMillis: 175000'],
    ['node:http', 'set new Agent({ keepAlive: true, timeout: 175000 })'],
    ['raw socket, unknown peer', 'set socket.setKeepAlive(true, 175000)'],
  ])('of %s keep its connections from being silent for a period that is known', (name, setting) => {
    expect(settingsOf(PERIOD, [{ name }], {})).toEqual([{ origin: name, setting }]);
  });

  it('are none for a period that nobody is known for, without a period, and past three origins', () => {
    const origins = ['pg', 'mysql2', 'redis', 'mongodb'].map((name) => ({ name }));
    expect(settingsOf({ ...PERIOD, known: null }, origins, {})).toEqual([]);
    expect(settingsOf(null, origins, {})).toEqual([]);
    expect(settingsOf(PERIOD, origins, {})).toHaveLength(3);
  });

  it('name Knex 3.2.0 where oracledb lost three connections or more, by whatever code', () => {
    const setting =
      'upgrade Knex to 3.2.0 or later where an older one is above oracledb: it hands a lost connection out for ever';
    expect(settingsOf(null, [], { 'NJS-500': 2, 'DPI-1010': 1, ECONNRESET: 9 })).toEqual([
      { origin: 'NJS-500, DPI-1010', setting },
    ]);
    expect(settingsOf(null, [], { 'NJS-500': 2, 'NJS-510': 9 })).toEqual([]);
  });
});

test('the printed report has a line for each, and --json the same', async () => {
  const stack = 'at Connection.socketError (/app/node_modules/tedious/lib/connection.js:1:1)';
  await expect(printed(each(350, 10, { stack }))).resolves.toMatch(
    /^setting {5}tedious: set pool: \{ min: 0, idleTimeoutMillis: 175000 \}$/m,
  );
  const lost = lined(
    ...Array.from({ length: 3 }, (_, i) =>
      handled({ at: at(i * 7), code: i === 0 ? 'DPI-1010' : 'NJS-500' }),
    ),
  );
  await expect(printed(lost)).resolves.toMatch(
    /^setting {5}NJS-500, DPI-1010: upgrade Knex to 3\.2\.0 or later where an older one is above oracledb: /m,
  );
  expect((await reportOn({ 'app.log': lost })).settings).toHaveLength(1);
});
