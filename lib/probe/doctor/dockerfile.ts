/**
 * Stage 6, ASK, the doctor: the text of a Dockerfile in, its stages out, each with the instructions that hold in it.
 * Pure. What it does not know it passes over: a builder says better what is wrong there.
 */
export interface Instruction {
  /** In capitals. */
  readonly name: string;
  readonly line: number;
  /** Behind the flags, continuations joined, comments between them left out; of RUN with the script of `<<EOF`. */
  readonly rest: string;
  readonly flags: Readonly<Record<string, string>>;
}

export interface Stage {
  readonly name: string | undefined;
  /** The image it begins with, variables of the Dockerfile's head replaced. */
  readonly base: string;
  readonly line: number;
  /** Those of the stage it begins with come first. */
  readonly instructions: readonly Instruction[];
}

/** All stages, in order; the last one is what is built unless a target is named. */
export function readDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  const head: Record<string, string> = {};
  let own: Instruction[] = [];
  for (const one of instructionsOf(text)) {
    if (one.name === 'FROM') {
      const [image = '', , name] = one.rest.split(/\s+/);
      const base = expand(image, head) ?? image;
      const parent = stages.find((stage) => stage.name !== undefined && stage.name === base.toLowerCase());
      own = [...(parent?.instructions ?? [])];
      stages.push({
        name: name?.toLowerCase(),
        base: parent?.base ?? base,
        line: one.line,
        instructions: own,
      });
    } else if (stages.length > 0) own.push(one);
    else if (one.name === 'ARG') {
      const [, key = '', value = ''] = /^([^=\s]+)=?(.*)$/.exec(one.rest) ?? [];
      head[key] = unquoted(value);
    }
  }
  return stages;
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const mark = escapeOf(lines);
  const found: Instruction[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    const parts: string[] = [];
    for (; i < lines.length; i++) {
      const part = lines[i] ?? '';
      if (/^\s*(#|$)/.test(part)) {
        if (parts.length === 0) break;
        continue;
      }
      const isContinued = part.trimEnd().endsWith(mark);
      parts.push(isContinued ? part.trimEnd().slice(0, -1) : part);
      if (!isContinued) break;
    }
    const one = instruction(parts.join('').trim(), line);
    if (!one) continue;
    const end = afterHereDocuments(one, lines, i);
    // What RUN is given there is a script; to the others it is the content of a file.
    const body = one.name === 'RUN' ? lines.slice(i + 1, end).filter((part) => !/^\s*#/.test(part)) : [];
    const script = body.join('\n').replaceAll(`${mark}\n`, ' ');
    found.push(script === '' ? one : { ...one, rest: `${one.rest}\n${script}` });
    i = end;
  }
  return found;
}

/** Directives are comments before anything else. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = /^\s*#\s*(\w+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (name === undefined) break;
    if (name.toLowerCase() === 'escape') return value === '`' ? '`' : '\\';
  }
  return '\\';
}

function instruction(text: string, line: number): Instruction | undefined {
  const [, name, after = ''] = /^([a-z]+)(?:\s+([\s\S]*))?$/i.exec(text) ?? [];
  if (name === undefined) return undefined;
  const flags: Record<string, string> = {};
  let rest = after;
  for (
    let flag = /^--([a-z-]+)(?:=(\S*))?\s*/.exec(rest);
    flag;
    flag = /^--([a-z-]+)(?:=(\S*))?\s*/.exec(rest)
  ) {
    flags[flag[1] ?? ''] = flag[2] ?? '';
    rest = rest.slice(flag[0].length);
  }
  return { name: name.toUpperCase(), line, rest, flags };
}

/** The index of the last line of what `<<EOF` brings; of the instruction where nothing closes it. */
function afterHereDocuments({ name, rest }: Instruction, lines: readonly string[], from: number): number {
  if (!['RUN', 'COPY', 'ADD'].includes(name)) return from;
  let at = from;
  for (const [, , word = ''] of rest.matchAll(/<<-?(["']?)(\w+)\1/g)) {
    const end = lines.findIndex((line, index) => index > at && line.trim() === word);
    if (end !== -1) at = end;
  }
  return at;
}

/** The strings of an exec form, or undefined for a shell form. Docker takes broken JSON for a shell form too. */
export function execForm(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const parts = JSON.parse(text) as unknown[];
    return parts.every((part) => typeof part === 'string') ? parts : undefined;
  } catch {
    return undefined;
  }
}

/** As a shell takes a line apart, as far as it matters here. */
export function split(text: string): string[] {
  return [...text.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replace(/["']/g, ''),
  );
}

/** `a=1 b="2 3"` and the old `a 1`. */
export function assignments(text: string): Record<string, string> {
  const old = /^([^\s=]+)\s+([\s\S]+)$/.exec(text);
  if (old) return { [old[1] ?? '']: unquoted(old[2] ?? '') };
  const pairs = [...text.matchAll(/([^\s=]+)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s]*)/g)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, unquoted(value)]));
}

/**
 * `$NAME`, `${NAME}`, `${NAME:-default}`, with what is known of their values; `$$` is a dollar. Undefined where a value is
 * not known.
 */
export function expand(text: string, known: Readonly<Record<string, string>> = {}): string | undefined {
  let isKnown = true;
  const expanded = text.replace(
    /\$(?:\$|([a-z_]\w*)|\{([a-z_]\w*)(?:(:?[-?+])([^{}]*))?\})/gi,
    (all, bare?: string, braced?: string, operator?: string, other = '') => {
      if (all === '$$') return '$';
      const value = Object.hasOwn(known, bare ?? braced ?? '') ? known[bare ?? braced ?? ''] : undefined;
      if (value !== undefined) return value;
      if (operator?.endsWith('-') === true) return other;
      isKnown = false;
      return '';
    },
  );
  return isKnown ? expanded : undefined;
}

function unquoted(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}
