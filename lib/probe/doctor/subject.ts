/**
 * Stage 6, ASK, the doctor: a compose file and what its services are built from in, one subject per container out, with
 * the health check that holds. Pure: it is handed a way to find images.
 */
import { expand, split } from './dockerfile.js';
import { type Check, type Image, namedImage } from './image.js';
import type { Node } from './yaml.js';

export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface HealthCheck extends Place {
  readonly words: readonly string[];
  readonly isShell: boolean;
  /** A list of compose that begins with none of CMD, CMD-SHELL and NONE: it is turned away. */
  readonly isMisformed: boolean;
  /** timeout, interval, start_period and so on as they hold, from compose or else from the image. */
  readonly fields: ReadonlyMap<string, Place & { readonly text: string }>;
}

export interface Subject extends Place {
  readonly name: string;
  /** The service in its compose file; without it only an image is judged. */
  readonly node: Node | undefined;
  readonly image: Image | undefined;
  /** Whether it is a service of Node's; of others only the form of their check is judged. */
  readonly isNode: boolean;
  /** An overlay, or what was pasted: what is not in it says nothing. */
  readonly isPart: boolean;
  readonly check: HealthCheck | 'none' | undefined;
  /** The words that become process 1, where they are known. */
  readonly start: readonly string[] | undefined;
  readonly port: Port;
  readonly others: readonly Subject[];
}

/** The port that the service listens on. `isGiven`: by PORT; else 3000 is taken for granted. */
export interface Port extends Place {
  readonly value: string | undefined;
  readonly isGiven: boolean;
}

export const DEFAULT_PORT = '3000';
const FLAGS: Readonly<Record<string, string>> = {
  'start-period': 'start_period',
  'start-interval': 'start_interval',
};

/** `imageFor` gives what a service is built from, as far as it is known. */
export function subjectsOf(
  root: Node,
  file: string,
  imageFor: (service: Node) => Image | undefined,
): Subject[] {
  const services = root.get('services');
  // What people paste: a service, or only its check.
  const isFragment = !services && root.get('healthcheck') !== undefined;
  const named: [string, Node][] = isFragment ? [['the service', root]] : (services?.fields ?? []);
  const found: Subject[] = [];
  for (const [name, node] of named) {
    const image = imageFor(node) ?? baseOf(node);
    const check = checkOf(node, file, image);
    const start = startOf(node) ?? image?.start?.words;
    const isNode = isNodes({ node, image, check, start });
    const port = portOf(node, file, image);
    const isPart = isFragment || (!image && !node.get('build') && !node.get('image'));
    found.push({
      name,
      file,
      line: node.line,
      node,
      image,
      check,
      start,
      isNode,
      isPart,
      port,
      others: found,
    });
  }
  return found;
}

/** An image without a compose file. */
export function subjectOf(image: Image, file: string): Subject {
  const { check } = image;
  return {
    name: 'the image',
    file,
    line: image.line,
    node: undefined,
    image,
    isNode: true,
    isPart: false,
    check: typeof check === 'object' ? fromImage(check, file) : check,
    start: image.start?.words,
    port: {
      file,
      ...(image.port ?? { value: DEFAULT_PORT, line: image.line }),
      isGiven: image.port !== undefined,
    },
    others: [],
  };
}

/** The value of a variable of a service, in the map form and in the list form; undefined when it is not there. */
export function variable(node: Node, key: string): { text: string | undefined; line: number } | undefined {
  const environment = node.get('environment');
  if (!environment?.isList) {
    const found = environment?.get(key);
    return found && { text: found.text, line: found.line };
  }
  const item = environment.items.find(({ text }) => text?.split('=', 1)[0] === key);
  return (
    item && { text: item.text?.includes('=') ? item.text.slice(key.length + 1) : undefined, line: item.line }
  );
}

/** A field that takes words or one text. */
export function wordsOf(node: Node | undefined): string[] | undefined {
  if (node?.isList) return node.items.map(({ text }) => text ?? '');
  return node?.text === undefined ? undefined : split(node.text);
}

function baseOf(node: Node): Image | undefined {
  const text = node.get('image')?.text;
  const base = text === undefined || node.get('build') ? undefined : expand(text);
  return base === undefined ? undefined : namedImage(base);
}

function checkOf(node: Node, file: string, image: Image | undefined): Subject['check'] {
  const own = node.get('healthcheck');
  const below = typeof image?.check === 'object' ? fromImage(image.check, image.file ?? file) : image?.check;
  if (!own) return below;
  const test = own.get('test');
  if (own.get('disable')?.text === 'true') return 'none';
  const fields = new Map(typeof below === 'object' ? below.fields : []);
  for (const [name, { text, line }] of own.fields)
    if (text !== undefined) fields.set(name, { text, line, file });
  if (!test) return typeof below === 'object' ? { ...below, fields } : below;
  const place = { file, line: test.line, isMisformed: false, fields };
  if (!test.isList) return { ...place, words: [test.text ?? ''], isShell: true };
  const [first, ...words] = test.items.map(({ text }) => text ?? '');
  if (first === 'NONE') return 'none';
  if (first === 'CMD') return { ...place, words, isShell: false };
  if (first === 'CMD-SHELL') return { ...place, words: [words.join(' ')], isShell: true };
  return { ...place, words: [first ?? '', ...words], isShell: false, isMisformed: true };
}

function fromImage({ words, isShell, line, flags }: Check, file: string): HealthCheck {
  const fields = new Map(
    Object.entries(flags).map(([name, text]) => [FLAGS[name] ?? name, { text, line, file }] as const),
  );
  return { file, line, words, isShell, isMisformed: false, fields };
}

function startOf(node: Node): string[] | undefined {
  const [entry, command] = [wordsOf(node.get('entrypoint')), wordsOf(node.get('command'))];
  return entry || command ? [...(entry ?? []), ...(command ?? [])] : undefined;
}

function portOf(node: Node, file: string, image: Image | undefined): Port {
  const own = variable(node, 'PORT');
  if (own)
    return {
      file,
      line: own.line,
      value: own.text === undefined ? undefined : expand(own.text),
      isGiven: true,
    };
  const line = node.line;
  // It may be in there, and what is in there is not for us to read.
  if (node.get('env_file')) return { file, line, value: undefined, isGiven: false };
  if (image?.port) return { file: image.file ?? file, ...image.port, isGiven: true };
  return { file, line, value: DEFAULT_PORT, isGiven: false };
}

function isNodes({
  node,
  image,
  check,
  start,
}: Pick<Subject, 'image' | 'check' | 'start'> & { node: Node }): boolean {
  const words = [...(start ?? []), ...(typeof check === 'object' ? check.words : [])].join(' ');
  if (/\b(node|npm|npx|yarn|pnpm|vitals-probe)\b|\/api\/v1\//.test(words)) return true;
  if (!image) return node.get('image') === undefined || node.get('build') !== undefined;
  return /\bnode(js)?/.test(`${image.base} ${image.instructions.map(({ rest }) => rest).join(' ')}`);
}
