/**
 * Stage 5, ACT: from a stack to the place that a person would look at first. Pure.
 */
import { fileURLToPath } from 'node:url';

interface Frame {
  /** Empty for a function without a name. */
  readonly name: string;
  /** Empty for what is built into the engine. */
  readonly file: string;
  readonly line: string;
}

const FRAME = /^\s*at (?:async )?(?:(.*) \()?(.*?)(?::(\d+):\d+)?\)?$/;
/** What our own question leaves on top. */
const QUESTION = /^\s*at (?:\S+ \()?<anonymous>:\d+:\d+\)?$/;
const MAX_CHARS = 200;

/** The stack without its headline and without the frames of the question; empty where nothing of the host runs. */
export function framesOf(stack: string): string {
  const lines = stack.split('\n').filter((line) => /^\s*at /.test(line));
  const first = lines.findIndex((line) => !QUESTION.test(line));
  return first < 0 ? '' : lines.slice(first).join('\n');
}

/** Is there anything in it but Node's own? */
export function isNamed(frames: string): boolean {
  return frames
    .split('\n')
    .some((line) => frameOf(line).some(({ file }) => file !== '' && !file.startsWith('node:')));
}

/** The application's topmost frame as `function (file:line)`, and what it called, where that is not its own. */
export function placeIn(frames: string, cwd: string): string {
  const all = frames.split('\n').flatMap(frameOf);
  const isForeign = ({ file }: Frame): boolean => file === '' || /^node:|[\\/]node_modules[\\/]/.test(file);
  const own =
    all.find((one) => !isForeign(one)) ??
    all.find(({ file }) => file !== '' && !file.startsWith('node:')) ??
    all[0];
  if (!own) return 'a function that cannot be named';
  const top = all[0] === own ? '' : (all.find(({ name }) => name !== '')?.name ?? '');
  const at = `${inside(own.file, cwd)}:${own.line}`;
  const place = own.file === '' ? own.name : own.name === '' ? at : `${own.name} (${at})`;
  return (top === '' || top === own.name ? place : `${place}, in ${top}`).slice(0, MAX_CHARS);
}

function frameOf(text: string): Frame[] {
  const [, name = '', file = '', line = ''] = FRAME.exec(text) ?? [];
  if (name === '' && file === '') return [];
  return [
    {
      name: name.replace(/^(Timeout|Immediate)\.| \[as .*\]$/g, ''),
      file: /^(<anonymous>|native)$/.test(file) ? '' : plain(file),
      line,
    },
  ];
}

function plain(file: string): string {
  try {
    return file.startsWith('file:') ? fileURLToPath(file) : file;
  } catch {
    return file;
  }
}

function inside(file: string, cwd: string): string {
  return file.startsWith(cwd) ? file.slice(cwd.length).replace(/^[\\/]/, '') : file;
}
