/**
 * Validation of an options object against a table of rules. Pure; knows nothing of which options there are.
 * Every problem is found, not only the first, and each names what was given and what is accepted.
 */

/** One accepted form of a value: how it reads in a message, and what is wrong with a value (nothing: it fits). */
export interface Rule {
  /** Finishes the sentence "... must be". */
  readonly accepts: string;
  /** Problems of `value`, each a whole sentence about `where`. */
  check(where: string, value: unknown): string[];
}

/** A rule that a predicate decides. */
export function rule(accepts: string, fits: (value: unknown) => boolean): Rule {
  return {
    accepts,
    check: (where, value) => (fits(value) ? [] : [`${where} must be ${accepts}, got ${show(value)}`]),
  };
}

/** Node fires a timer that is to wait longer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A number of milliseconds, at least `min`, and no more than a timer can wait: some 24 days. */
export function ms(min: number): Rule {
  return rule(
    `a number of ms, ${min} or more`,
    (v) => typeof v === 'number' && v >= min && v <= LONGEST_TIMER_MS,
  );
}

/** A whole number, at least `min`. */
export function count(min: number): Rule {
  return rule(`a whole number, ${min} or more`, (v) => Number.isSafeInteger(v) && (v as number) >= min);
}

/** A share from 0 to 1. */
export const ratio = rule('a number from 0 to 1', (v) => typeof v === 'number' && v >= 0 && v <= 1);

export const flag = rule('true or false', (v) => typeof v === 'boolean');

export const fn = rule('a function', (v) => typeof v === 'function');

/** One of the words. */
export function word(...words: readonly string[]): Rule {
  return rule(words.map((w) => `'${w}'`).join(' or '), (v) => words.includes(v as string));
}

/** The first rule whose form the value has; `undefined` is never passed to a rule. */
export function either(...rules: readonly Rule[]): Rule {
  const accepts = rules.map((r) => r.accepts).join(', or ');
  return {
    accepts,
    check: (where, value) => {
      if (rules.some((r) => r.check(where, value).length === 0)) return [];
      // An object was meant for the rule that takes objects: its own complaints say more than the list of forms.
      const shaped = isPlainObject(value) ? rules.find((r) => r.accepts.startsWith('an object')) : undefined;
      return shaped ? shaped.check(where, value) : [`${where} must be ${accepts}, got ${show(value)}`];
    },
  };
}

/** A plain object with these keys and no others; keys set to `undefined` count as left out. */
export function shape(keys: Readonly<Record<string, Rule>>): Rule {
  const accepts = `an object with ${Object.keys(keys).join(', ')}`;
  return {
    accepts,
    check: (where, value) => {
      if (!isPlainObject(value)) return [`${where} must be ${accepts}, got ${show(value)}`];
      return Object.entries(value).flatMap(([key, given]) => {
        const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
        if (!known) return [unknownKey(where, key, given, Object.keys(keys))];
        return given === undefined ? [] : known.check(`${where}.${key}`, given);
      });
    },
  };
}

/** A plain object from names of the user's choice to values of one form. */
export function named(name: Rule, value: Rule): Rule {
  const accepts = `an object from names to ${value.accepts}`;
  return {
    accepts,
    check: (where, given) => {
      if (!isPlainObject(given)) return [`${where} must be ${accepts}, got ${show(given)}`];
      return Object.entries(given).flatMap(([key, one]) => [
        ...name.check(`the name ${show(key)} in ${where}`, key),
        ...value.check(`${where}.${key}`, one),
      ]);
    },
  };
}

/** A plain object: made by a literal, not by a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A value as a message shows it: short, on one line, and never with more of an object than its kind. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    // A connection string given by mistake must not put its password into the log.
    const text = value.replace(/:\/\/[^@/\s]*@/, '://***@');
    return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
  }
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) {
    const name = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor
      ?.name;
    return name && name !== 'Object'
      ? `an instance of ${name}`
      : `an object with ${Object.keys(value).join(', ') || 'no keys'}`;
  }
  return String(value);
}

function unknownKey(where: string, key: string, given: unknown, known: readonly string[]): string {
  const [nearest] = known
    .map((candidate) => ({ candidate, steps: distance(key.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps);
  const isNear = nearest !== undefined && nearest.steps <= Math.max(1, key.length / 3);
  const hint = isNear ? ` Did you mean "${nearest.candidate}"?` : '';
  return `${where}.${key} is unknown, got ${show(given)}.${hint} Accepted: ${known.join(', ')}`;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
