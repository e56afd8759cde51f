/**
 * Stage 6, ASK, the doctor: what an image brings, from its name and the instructions on top of it. Pure. `undefined`
 * means that nobody can know from here, and then nothing is claimed.
 */
import { type Instruction, type Stage, assignments, execForm, expand, split } from './dockerfile.js';

export interface Check {
  readonly line: number;
  /** The words of an exec form, or the one text of a shell form. */
  readonly words: readonly string[];
  readonly isShell: boolean;
  readonly flags: Readonly<Record<string, string>>;
}

export interface Image {
  /** Without it: an image that is only named, of which nothing but its base is known. */
  readonly file: string | undefined;
  readonly base: string;
  readonly line: number;
  readonly instructions: readonly Instruction[];
  readonly check: Check | 'none' | undefined;
  readonly start: Start | undefined;
  readonly port: { readonly value: string | undefined; readonly line: number } | undefined;
  readonly exposes: readonly { readonly value: string; readonly line: number }[];
}

/** What becomes process 1. */
export interface Start {
  readonly line: number;
  readonly words: readonly string[];
}

/** Name of an image -> which of these are in it. Order matters: the first that fits. */
const BASES: readonly { readonly is: RegExp; readonly brings: readonly string[] }[] = [
  { is: /^scratch$/, brings: [] },
  { is: /distroless.*debug/, brings: ['sh', 'wget', 'nc'] },
  { is: /distroless/, brings: [] },
  { is: /^cgr\.dev\/.*-dev(@|$)/, brings: ['sh'] },
  { is: /^cgr\.dev\//, brings: [] },
  { is: /alpine|(^|\/)busybox(:|@|$)/, brings: ['sh', 'wget', 'nc'] },
  {
    is: /^(?:docker\.io\/)?(?:library\/)?(?:node:.*-slim|debian(:|@|$)|ubuntu(:|@|$))/,
    brings: ['sh', 'bash'],
  },
  {
    is: /^(?:docker\.io\/)?(?:library\/)?node(?:$|@|:(?:lts|current|latest|\d[\d.]*)?(?:-(?:bookworm|bullseye|trixie|buster))?$)/,
    brings: ['sh', 'bash', 'curl', 'wget'],
  },
];
const MANAGERS = /(^|[/(])(apk|apt|apt-get|yum|dnf|microdnf|tdnf|zypper)$/;
const TOOLS = ['sh', 'bash', 'curl', 'wget', 'nc', 'vitals-probe'];

export function imageOf(stage: Stage, file: string): Image {
  const { base, line, instructions } = stage;
  return {
    file,
    base,
    line,
    instructions,
    check: checkOf(instructions),
    start: startOf(stage),
    port: portOf(instructions),
    exposes: instructions
      .filter(({ name }) => name === 'EXPOSE')
      .flatMap(({ rest, line: at }) => rest.split(/\s+/).map((port) => ({ value: port, line: at })))
      .map(({ value, line: at }) => ({ value: value.replace(/\/tcp$/, ''), line: at }))
      .filter(({ value }) => /^\d+$/.test(value)),
  };
}

/** An image that no Dockerfile here makes. */
export function namedImage(base: string): Image {
  return {
    file: undefined,
    base,
    line: 0,
    instructions: [],
    check: undefined,
    start: undefined,
    port: undefined,
    exposes: [],
  };
}

/** Whether a command is in the image; undefined where it cannot be known. */
export function has({ base, instructions }: Image, tool: string): boolean | undefined {
  const name = tool.split('/').at(-1) ?? tool;
  if (!TOOLS.includes(name)) return undefined;
  const brought = instructions.map((one) => brings(one, name));
  if (brought.includes(true)) return true;
  if (brought.includes(undefined)) return undefined;
  const known = BASES.find(({ is }) => is.test(base.toLowerCase()));
  if (name === 'vitals-probe')
    return instructions.length > 0 && known && !carriesOn(instructions) ? false : undefined;
  return known?.brings.includes(name);
}

/** `undefined`: what is installed stands in a variable, or comes from elsewhere. */
function brings({ name, rest }: Instruction, tool: string): boolean | undefined {
  const word = new RegExp(`(^|[\\s/])${tool}(?=$|[\\s/;&|=@"',\\]])`);
  if (name === 'COPY' || name === 'ADD') return word.test(rest);
  if (name !== 'RUN') return false;
  if (tool === 'vitals-probe' && (/\bvitals["',\s]+install\b/.test(rest) || word.test(rest))) return true;
  const packages = (execForm(rest)?.join(' ') ?? rest).split(/&&|\|\||[;|&\n]/).flatMap(installedBy);
  if (packages.some((one) => one.split(/[=@:~<>]/, 1)[0] === tool)) return true;
  return packages.some((one) => /^[^-].*[$`]|^[$`]/.test(one)) ? undefined : false;
}

/** The packages that one command installs; `$` where it is handed them. */
function installedBy(command: string): string[] {
  const words = split(command);
  const manager = words.findIndex((word) => MANAGERS.test(word));
  const verb = words.findIndex((word, index) => index > manager && /^(add|install)$/.test(word));
  if (manager === -1 || verb === -1) return [];
  return words.slice(0, manager).some((word) => /(^|\/)xargs$/.test(word)) ? ['$'] : words.slice(verb + 1);
}

/** Whole folders are copied, and the probe may lie in one. */
function carriesOn(instructions: readonly Instruction[]): boolean {
  return instructions.some(({ name, rest }) => name === 'COPY' && /\/usr\/local(\/bin)?\/?\s/.test(rest));
}

function checkOf(instructions: readonly Instruction[]): Image['check'] {
  const last = instructions.findLast(({ name }) => name === 'HEALTHCHECK');
  if (!last) return undefined;
  if (/^none\b/i.test(last.rest)) return 'none';
  const text = last.rest.replace(/^cmd\s+/i, '');
  const words = execForm(text);
  return { line: last.line, words: words ?? [text], isShell: words === undefined, flags: last.flags };
}

function startOf({ base, instructions }: Stage): Start | undefined {
  const entry = instructions.findLast(({ name }) => name === 'ENTRYPOINT');
  const command = instructions.findLast(({ name }) => name === 'CMD');
  const last = command ?? entry;
  if (!last) return undefined;
  const wordsOf = (one: Instruction | undefined): string[] =>
    one ? (execForm(one.rest) ?? ['sh', '-c', one.rest]) : [];
  // That image begins with node itself; the one of node's with a script that gives way to what follows.
  const first = !entry && /distroless\/nodejs/.test(base) ? ['node'] : wordsOf(entry);
  return { line: last.line, words: [...first, ...wordsOf(command)] };
}

function portOf(instructions: readonly Instruction[]): Image['port'] {
  const known: Record<string, string> = {};
  let found: Image['port'];
  for (const { name, rest, line } of instructions) {
    if (name !== 'ENV' && name !== 'ARG') continue;
    for (const [key, value] of Object.entries(assignments(rest))) {
      const expanded = expand(value, known);
      if (expanded !== undefined) known[key] = expanded;
      if (key === 'PORT' && name === 'ENV') found = { value: expanded, line };
    }
  }
  return found;
}
