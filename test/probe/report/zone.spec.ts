import { Zone } from '../../../lib/probe/report/zone.js';
import { handled, lined, reportOn } from './lines.js';

const BERLIN = new Zone('Europe/Berlin');
const BANGKOK = new Zone('Asia/Bangkok');

/** A reset at each hour of UTC of some days. */
const hourly = (from: string, hours: number) =>
  lined(
    ...Array.from({ length: hours }, (_, i) =>
      handled({ at: new Date(Date.parse(from) + i * 3_600_000).toISOString() }),
    ),
  );

describe('days and hours', () => {
  it('has 25 hours, two of them 02:00, on the day the clocks go back in Berlin', async () => {
    const { days, hours, hoursOfDay } = await reportOn(
      { 'a.log': hourly('2026-10-24T22:00:00Z', 25) },
      BERLIN,
    );
    expect(days).toMatchObject([{ at: '2026-10-25', resets: 25 }]);
    expect(hours.filter(({ at }) => at.includes('T02')).map(({ at }) => at)).toEqual([
      '2026-10-25T02:00+02:00',
      '2026-10-25T02:00+01:00',
    ]);
    expect(hoursOfDay[2]).toBe(2);
  });

  it('has 23 hours and no 02:00 on the day they go forward', async () => {
    const { days, hours } = await reportOn({ 'a.log': hourly('2026-03-28T23:00:00Z', 23) }, BERLIN);
    expect(days).toMatchObject([{ at: '2026-03-29', resets: 23 }]);
    expect(hours.filter(({ at }) => at.includes('T02'))).toEqual([]);
  });

  it('begins the day at 17:00 UTC in Bangkok, all year', async () => {
    const { days } = await reportOn({ 'a.log': hourly('2026-10-24T16:00:00Z', 26) }, BANGKOK);
    expect(days.map(({ at, resets }) => [at, resets])).toEqual([
      ['2026-10-24', 1],
      ['2026-10-25', 24],
      ['2026-10-26', 1],
    ]);
  });

  it.each(['Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Apia', 'UTC'])(
    'puts every quarter of an hour where Intl puts it: %s',
    (name) => {
      const zone = new Zone(name);
      const intl = new Intl.DateTimeFormat('sv-SE', {
        timeZone: name,
        dateStyle: 'short',
        timeStyle: 'medium',
      });
      for (let ms = Date.UTC(2026, 2, 27); ms < Date.UTC(2026, 3, 7); ms += 900_000) {
        expect(zone.text(ms)).toBe(intl.format(ms));
        expect(zone.slot(ms).hour.slice(0, 13)).toBe(intl.format(ms).slice(0, 13).replace(' ', 'T'));
      }
    },
  );
});

describe('a time', () => {
  it.each([
    ['2026-11-24T03:00:00.5Z', Date.UTC(2026, 10, 24, 3, 0, 0, 500)],
    ['2026-11-24 03:00:00,123', Date.UTC(2026, 10, 24, 2, 0, 0, 123)],
    ['2026-11-24T03:00:00+0700', Date.UTC(2026, 10, 23, 20)],
    ['2026-07-01 12:00:00', Date.UTC(2026, 6, 1, 10)],
    ['2026-10-25 02:30:00', Date.UTC(2026, 9, 25, 0, 30)],
    ['2026-03-29 03:00:00', Date.UTC(2026, 2, 29, 1)],
    [1_795_489_200_000, 1_795_489_200_000],
    [1_795_489_200, 1_795_489_200_000],
  ])('%s is read, in Berlin if it names no zone', (value, ms) => {
    expect(BERLIN.parse(value)).toBe(ms);
  });

  it.each([undefined, null, '', 'yesterday', NaN, -1, 1e300, '9999-99-99T00:00:00Z', {}, 'Nov 24 1970'])(
    '%p is none',
    (value) => {
      expect(BERLIN.parse(value)).toBeUndefined();
    },
  );
});
