import { History, SLOT_MS, SLOTS, type Group } from '../../lib/sources/history.js';

const HOUR_MS = 3_600_000;

function valuesOf(history: History, now: number, name = 'p99', first = 0): readonly (number | null)[] {
  return history.since(first, now).series.find((one) => one.name === name)?.values ?? [];
}

describe('History', () => {
  it('holds an hour', () => {
    expect(SLOTS * SLOT_MS).toBe(HOUR_MS);
  });

  it('keeps the largest figure of each slot, and nothing where nothing was noted', () => {
    const history = new History();
    history.note(5, 'loop', 'p99', 3);
    history.note(6, 'loop', 'p99', 7.25);
    history.note(7, 'loop', 'p99', 2);
    history.note(3 * SLOT_MS, 'loop', 'p99', 1);
    expect(valuesOf(history, 3 * SLOT_MS + 1)).toEqual([7.25, null, null, 1]);
  });

  it('keeps zero and negative figures, and thousandths', () => {
    const history = new History();
    history.note(0, 'loop', 'p99', 0);
    history.note(SLOT_MS, 'loop', 'p99', -2);
    history.note(2 * SLOT_MS, 'loop', 'p99', 0.1236);
    expect(valuesOf(history, 2 * SLOT_MS)).toEqual([0, -2, 0.124]);
  });

  it('leaves out what is no number, and what comes later than its slot', () => {
    const history = new History();
    history.note(SLOT_MS, 'loop', 'p99', 4);
    history.note(SLOT_MS, 'loop', 'p99', NaN);
    history.note(SLOT_MS, 'loop', 'p99', Infinity);
    history.note(0, 'loop', 'p99', 9);
    expect(valuesOf(history, SLOT_MS)).toEqual([null, 4]);
  });

  it('tells the last hour and no more, whatever lies before', () => {
    const history = new History();
    for (let slot = 0; slot < 2 * SLOTS; slot++) history.note(slot * SLOT_MS, 'loop', 'p99', slot);
    const values = valuesOf(history, (2 * SLOTS - 1) * SLOT_MS);
    expect([values.length, values[0], values.at(-1)]).toEqual([SLOTS, SLOTS, 2 * SLOTS - 1]);
  });

  it.each([1, 2, 100, SLOTS - 1, SLOTS, SLOTS + 1, 3 * SLOTS])(
    'shows a silence of %d slots as such',
    (silent) => {
      const history = new History();
      for (let slot = 0; slot < SLOTS; slot++) history.note(slot * SLOT_MS, 'loop', 'p99', 5);
      const end = SLOTS - 1 + silent + 1;
      history.note(end * SLOT_MS, 'loop', 'p99', 6);
      const values = valuesOf(history, end * SLOT_MS);
      const old = Math.max(0, SLOTS - 1 - silent);
      expect(values).toEqual([...Array(old).fill(5), ...Array(SLOTS - 1 - old).fill(null), 6]);
    },
  );

  it('tells only what the asker has not seen, and from where that begins', () => {
    const history = new History();
    for (let slot = 0; slot < 10; slot++) history.note(slot * SLOT_MS, 'loop', 'p99', slot);
    const now = 9 * SLOT_MS;
    expect(history.since(8, now)).toMatchObject({ first: 8, series: [{ values: [8, 9] }] });
    expect(history.since(9, now)).toMatchObject({ first: 9, series: [{ values: [9] }] });
    expect(history.since(1e9, now)).toMatchObject({ first: 9, series: [{ values: [9] }] });
    expect(history.since(-5, now).first).toBe(0);
  });

  it('names every series of the hour, those without a figure in the span asked for as well', () => {
    const history = new History();
    history.note(0, 'reset', 'peer a:1', 3);
    history.note(SLOT_MS, 'loop', 'p99', 1);
    expect(history.since(1, SLOT_MS).series.map(({ name, values }) => [name, values])).toEqual([
      ['peer a:1', [null]],
      ['p99', [1]],
    ]);
    expect(history.since(0, HOUR_MS).series.map(({ name }) => name)).toEqual(['p99']);
  });

  it.each<[Group, number]>([
    ['loop', 3],
    ['pool', 64],
    ['reset', 12],
  ])('has room for so many series of %s at a time: %d', (group, most) => {
    const history = new History();
    const noted = Array.from({ length: 200 }, (_, i) => history.note(0, group, `s${i}`, 1));
    expect(noted.filter(Boolean)).toHaveLength(most);
    expect(history.note(0, group, 's0', 2)).toBe(true);
    expect(history.bytes).toBe(most * 1_440);
  });

  it('gives the room of a series that was silent for an hour to a new one, with a number of its own', () => {
    const history = new History();
    for (let i = 0; i < 12; i++) history.note(i === 0 ? 0 : SLOT_MS, 'reset', `peer ${i}`, 1);
    expect(history.note(HOUR_MS - 1, 'reset', 'new', 1)).toBe(false);
    expect(history.note(HOUR_MS, 'reset', 'new', 1)).toBe(true);
    expect(history.note(HOUR_MS, 'reset', 'peer 0', 1)).toBe(false);
    const ids = history.since(0, HOUR_MS).series.map(({ id }) => id);
    expect(ids).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  it.each([
    [1, 3 + 2 * 1 + 12],
    [20, 3 + 2 * 20 + 12],
    [1_000, 3 + 64 + 12],
  ])('takes 1 440 bytes a series, with %d pools for %d series', (pools, series) => {
    const history = new History();
    for (let slot = 0; slot < 2 * SLOTS; slot++) {
      for (const name of ['p99', 'max', 'utilization']) history.note(slot * SLOT_MS, 'loop', name, slot);
      for (let pool = 0; pool < pools; pool++)
        for (const key of ['used', 'waiting']) history.note(slot * SLOT_MS, 'pool', `${pool} ${key}`, slot);
      for (let peer = 0; peer < 50; peer++) history.note(slot * SLOT_MS, 'reset', `peer ${peer}`, slot);
    }
    expect(history.bytes).toBe(series * 1_440);
    expect(history.bytes).toBeLessThanOrEqual(114_000);
    if (pools === 20) expect(Math.round(history.bytes / 1000)).toBe(79);
  });
});
