/**
 * Stage 6, ASK, the report: the names under which a broken connection is written, and what kind each one is. Pure; the
 * one list of them.
 */

/** Who said so: the kernel (errno and syscall), Node for it (`socket hang up`), or a driver under a name of its own. */
export type Kind = 'kernel' | 'synthesized' | 'driver';

export interface Named {
  readonly code: string;
  readonly kind: Kind;
}

const KERNEL = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNREFUSED', 'ECONNABORTED'];
const DRIVER = ['ESOCKET', 'PROTOCOL_CONNECTION_LOST', 'UND_ERR_SOCKET'];
const HANG_UP = 'socket hang up';

const CODES = [...KERNEL, ...DRIVER, 'NJS-5\\d\\d', 'DPI-10[18]0'].join('|');
const CODE = new RegExp(`^(?:${CODES})$`);
const IN_TEXT = new RegExp(`\\b(?:${CODES})\\b|${HANG_UP}`);
const FROM_SYSCALL = new RegExp(
  `\\b(?:read|write|writev|connect|shutdown|send|recv) (?:${KERNEL.join('|')})\\b`,
);

/** Where a line may name one, for a search through whole blocks. It is `g`: each search takes its own copy. */
export const hitWords = (): RegExp => new RegExp(`${CODES}|${HANG_UP}`, 'g');

/** The package behind a driver's code, where no frame names one. */
const PACKAGES: readonly (readonly [prefix: string, name: string])[] = [
  ['NJS-', 'oracledb'],
  ['DPI-', 'oracledb'],
  ['UND_ERR_', 'undici'],
];

interface Fault {
  readonly code: string;
  readonly errno?: unknown;
  readonly syscall?: unknown;
}

/** A logged error's own code; undefined for codes that are no broken connection. */
export function nameOfError(error: Readonly<Record<string, unknown>>): Named | undefined {
  const { code, errno, syscall } = error;
  if (typeof code !== 'string' || !CODE.test(code)) return undefined;
  return { code: canonical(code), kind: kindOf({ code, errno, syscall }) };
}

/** The first name in a message or stack; undefined when there is none. */
export function nameInText(text: string): Named | undefined {
  const found = IN_TEXT.exec(text)?.[0];
  if (found === undefined) return undefined;
  if (found === HANG_UP) return { code: 'ECONNRESET', kind: 'synthesized' };
  const code = canonical(found);
  if (!KERNEL.includes(code)) return { code, kind: 'driver' };
  return { code, kind: FROM_SYSCALL.test(text) ? 'kernel' : 'synthesized' };
}

/** The package that a code belongs to, if only one uses it. */
export function packageOf(code: string): string | undefined {
  return PACKAGES.find(([prefix]) => code.startsWith(prefix))?.[1];
}

// Node gives `socket hang up` and `aborted` the code ECONNRESET, but neither errno nor syscall.
function kindOf({ code, errno, syscall }: Fault): Kind {
  if (!KERNEL.includes(code)) return 'driver';
  return typeof errno === 'number' && typeof syscall === 'string' ? 'kernel' : 'synthesized';
}

/** A piece of a block keeps the whole block in memory; a list entry does not. */
function canonical(code: string): string {
  const known = [...KERNEL, ...DRIVER].find((name) => name === code);
  return known ?? Buffer.from(code, 'latin1').toString('latin1');
}
