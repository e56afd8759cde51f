import {
  count,
  either,
  flag,
  fn,
  isPlainObject,
  ms,
  named,
  ratio,
  rule,
  shape,
  show,
  word,
  type Rule,
} from '../lib/validation.js';

const problems = (rules: Rule, value: unknown): string[] => rules.check('options', value);

describe('a rule', () => {
  it.each<[string, Rule, unknown[], unknown[]]>([
    [
      'ms(100)',
      ms(100),
      [100, 100.5, 1e6],
      [99.9, -1, 0, NaN, Infinity, '100', 100n, null, undefined, [], {}, true],
    ],
    ['ms(0)', ms(0), [0, 1], [-0.1, NaN]],
    ['count(1)', count(1), [1, 2, 1e9], [0, -1, 1.5, NaN, Infinity, 2 ** 53, '1', null, undefined]],
    ['ratio', ratio, [0, 0.5, 1], [-0.1, 1.1, NaN, Infinity, '0.5', null]],
    ['flag', flag, [true, false], [0, 1, 'true', null, undefined]],
    ['fn', fn, [() => 1, class {}], [{}, 'f', null]],
    ["word('a', 'b')", word('a', 'b'), ['a', 'b'], ['A', '', 'c', null, ['a'], undefined]],
  ])('%s takes what it says and nothing else, and says what it got', (_name, one, good, bad) => {
    for (const value of good) expect(problems(one, value)).toEqual([]);
    for (const value of bad)
      expect(problems(one, value)).toEqual([`options must be ${one.accepts}, got ${show(value)}`]);
  });

  it('for ms takes no more than a timer can wait: Node would fire it at once', () => {
    expect(problems(ms(0), 2 ** 31 - 1)).toEqual([]);
    expect(problems(ms(0), 2 ** 31)).toHaveLength(1);
    expect(problems(ms(0), Number.MAX_SAFE_INTEGER)).toHaveLength(1);
  });
});

describe('either', () => {
  const rules = either(
    rule('false', (v) => v === false),
    shape({ everyMs: ms(1), name: word('a') }),
  );

  it('takes any of the forms', () => {
    for (const value of [false, {}, { everyMs: 1 }]) expect(problems(rules, value)).toEqual([]);
  });

  it('names all forms for a value that is none of them', () => {
    expect(problems(rules, true)).toEqual([
      'options must be false, or an object with everyMs, name, got true',
    ]);
  });

  it('complains about the keys of an object, not that it is no other form', () => {
    expect(problems(rules, { everyMs: 0, name: 'b' })).toEqual([
      'options.everyMs must be a number of ms, 1 or more, got 0',
      'options.name must be \'a\', got "b"',
    ]);
  });
});

describe('shape', () => {
  const keys = { failAfter: count(1), p99DelayMs: ms(1), maxDelayMs: ms(1), recoverAfter: count(1) };
  const rules = shape(keys);

  it('finds every problem, in the order given', () => {
    expect(problems(rules, { maxDelayMs: 'x', bogus: 1, failAfter: 0 })).toHaveLength(3);
  });

  it.each([null, undefined, 1, 'x', [], new Map(), new (class Config {})(), () => 1])(
    'takes only a plain object, not %p',
    (value) => {
      expect(problems(rules, value)).toEqual([`options must be ${rules.accepts}, got ${show(value)}`]);
    },
  );

  it('takes a key set to undefined for one left out, and an unknown one still for unknown', () => {
    expect(problems(rules, { failAfter: undefined })).toEqual([]);
    expect(problems(rules, { failAfte: undefined })).toHaveLength(1);
  });

  it('knows no key that objects have by themselves', () => {
    for (const json of ['{"constructor":1}', '{"__proto__":1}', '{"toString":1}']) {
      expect(problems(rules, JSON.parse(json))).toHaveLength(1);
    }
  });

  it.each([
    ['failafter', 'failAfter'],
    ['failAftr', 'failAfter'],
    ['p99Delay', 'p99DelayMs'],
    ['recoverAfterMs', 'recoverAfter'],
  ])('asks of %s: did you mean %s', (given, meant) => {
    expect(problems(rules, { [given]: 1 })).toEqual([
      `options.${given} is unknown, got 1. Did you mean "${meant}"? Accepted: failAfter, p99DelayMs, maxDelayMs, recoverAfter`,
    ]);
  });

  it('guesses nothing from what is far away', () => {
    expect(problems(rules, { colour: 1 })[0]).not.toContain('Did you mean');
  });

  it('guesses the nearest of several keys, not the first that is near enough', () => {
    for (const key of ['mxDelayMs', 'maxDelayMS', 'maxdelay']) {
      expect(problems(rules, { [key]: 1 })[0]).toContain('Did you mean "maxDelayMs"?');
    }
  });
});

describe('named', () => {
  const name = rule('a short name', (v) => typeof v === 'string' && v.length < 4);

  it('checks every name and every value', () => {
    const rules = named(name, flag);
    expect(problems(rules, { a: true, b: false })).toEqual([]);
    expect(problems(rules, { long1: 2, b: false, c: undefined })).toEqual([
      'the name "long1" in options must be a short name, got "long1"',
      'options.long1 must be true or false, got 2',
      'options.c must be true or false, got undefined',
    ]);
    expect(problems(rules, ['a'])).toEqual([
      'options must be an object from names to true or false, got an array of 1',
    ]);
  });
});

describe('isPlainObject', () => {
  it('is said of literals and of objects without a prototype, and of nothing else', () => {
    for (const value of [{}, { a: 1 }, Object.create(null)]) expect(isPlainObject(value)).toBe(true);
    for (const value of [null, undefined, [], new Date(), new (class {})(), () => 1, 'x', Object.create({})])
      expect(isPlainObject(value)).toBe(false);
  });
});

describe('show', () => {
  it.each<[unknown, string]>([
    ['', '""'],
    ['a "b"\n', '"a \\"b\\"\\n"'],
    ['x'.repeat(61), `"${'x'.repeat(60)}..."`],
    [0, '0'],
    [NaN, 'NaN'],
    [10n, '10'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('s'), 'Symbol(s)'],
    [function named() {}, 'the function named'],
    [
      (
        () => () =>
          1
      )(),
      'a function',
    ],
    [[1, 2], 'an array of 2'],
    [{}, 'an object with no keys'],
    [{ user: 'x', password: 'y' }, 'an object with user, password'],
    [Object.create(null), 'an object with no keys'],
    [new (class Pool {})(), 'an instance of Pool'],
  ])('shows %p on one line as %s', (value, text) => {
    expect(show(value)).toBe(text);
  });

  it('never shows the password of a connection string given by mistake', () => {
    expect(show('postgres://app:hunter2@db:5432/app')).toBe('"postgres://***@db:5432/app"');
  });
});
