/**
 * Stage 6, ASK, the doctor: a view of a YAML text that keeps lines. Loads `yaml`, an optional peer, when it is needed;
 * looks through aliases and merges only where it is asked, so that no text can make it grow.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** What is used of the package `yaml`. */
interface Yaml {
  readonly LineCounter: new () => { linePos(offset: number): { readonly line: number } };
  parseDocument(
    text: string,
    options: object,
  ): {
    readonly contents: unknown;
    readonly errors: readonly { readonly message: string; readonly pos?: readonly number[] }[];
  };
}

interface Parsed {
  readonly range?: readonly number[];
  readonly items?: readonly unknown[];
  readonly value?: unknown;
  readonly source?: string;
  resolve?(document: unknown): unknown;
}

interface Pair {
  readonly key: Parsed | null;
  readonly value: unknown;
}

const MOST_ALIASES = 20;
/** Merges of merges of merges multiply. */
const MOST_MERGES = 200;

/** A mistake in the text, with its line. */
export class YamlError extends Error {
  constructor(
    readonly line: number,
    message: string,
  ) {
    super(message);
  }
}

/** One value: a map, a list, a text, or nothing. Asking what is not there gives nothing. */
export class Node {
  constructor(
    private readonly parsed: Parsed | undefined,
    readonly line: number,
    private readonly lineOf: (offset: number) => number,
    private readonly document: unknown,
  ) {}

  /** The text of a scalar as it is written, without its quotes. */
  get text(): string | undefined {
    const value = this.parsed?.value;
    if (value === null || value === undefined || this.parsed?.items || typeof value === 'object')
      return undefined;
    return typeof value === 'string' ? value : (this.parsed?.source ?? String(value));
  }

  get isMap(): boolean {
    return this.parsed?.items !== undefined && !this.isList;
  }

  get isList(): boolean {
    return this.parsed?.items?.every((item) => !isPair(item)) ?? false;
  }

  get items(): Node[] {
    return this.isList ? (this.parsed?.items ?? []).map((item) => this.at(item, this.line)) : [];
  }

  /** Name and value of each field; a field of the map itself wins over one that `<<` merges in. */
  get fields(): [string, Node][] {
    return [...this.collect()];
  }

  get(...path: readonly string[]): Node | undefined {
    const [name, ...rest] = path;
    if (name === undefined) return this;
    return this.collect()
      .get(name)
      ?.get(...rest);
  }

  private collect(budget = { left: MOST_MERGES }): Map<string, Node> {
    const found = new Map<string, Node>();
    const pairs = this.isMap ? ((this.parsed?.items ?? []) as readonly Pair[]) : [];
    for (const { key, value } of pairs) {
      const line = key?.range ? this.lineOf(key.range[0] ?? 0) : this.line;
      const name = key?.source ?? String(key?.value ?? '');
      if (name === '') continue;
      const node = this.at(value, line);
      if (name !== '<<') {
        found.set(name, node);
        continue;
      }
      for (const one of node.isList ? node.items : [node]) {
        if (budget.left-- <= 0) break;
        for (const [inner, merged] of one.collect(budget)) if (!found.has(inner)) found.set(inner, merged);
      }
    }
    return found;
  }

  /** The line is where the key stands; a list's item has its own. */
  private at(value: unknown, line: number): Node {
    let parsed = value as Parsed | undefined;
    for (let i = 0; parsed?.resolve && i < MOST_ALIASES; i++)
      parsed = parsed.resolve(this.document) as Parsed | undefined;
    const isItem = this.isList && (value as Parsed | null)?.range;
    const own = isItem ? this.lineOf((value as Parsed).range?.[0] ?? 0) : line;
    return new Node(parsed ?? undefined, own, this.lineOf, this.document);
  }
}

/** Throws YamlError for a text that is no YAML, and says how to install the package where it is not found. */
export function readYaml(text: string, yaml: Yaml = load()): Node {
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, merge: true, logLevel: 'error' });
  const lineOf = (offset: number): number => lines.linePos(offset).line;
  const [error] = document.errors;
  if (error) throw new YamlError(lineOf(error.pos?.[0] ?? 0), error.message.split(' at line ')[0] ?? '');
  return new Node((document.contents ?? undefined) as Parsed | undefined, 1, lineOf, document);
}

function load(): Yaml {
  let old = '';
  for (const from of [__filename, join(process.cwd(), 'package.json')]) {
    try {
      const yaml = createRequire(from)('yaml') as Yaml;
      // Version 1, which many packages still bring, counts no lines.
      if (typeof yaml.LineCounter === 'function') return yaml;
      old = ' in version 2 or later';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error(
    `doctor reads compose files with the package yaml, which is not installed${old}: npx -y -p nestjs-vitals -p yaml vitals doctor, or npm install --save-dev yaml@2`,
  );
}

function isPair(item: unknown): item is Pair {
  return typeof item === 'object' && item !== null && 'key' in item && 'value' in item && !('range' in item);
}
