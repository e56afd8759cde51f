/**
 * What docs/adoption.md makes of a plain application: its diffs, applied to the files in `plain`. A line that a diff
 * leaves or removes must stand there word for word. `node page.mjs FOLDER` writes the result.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ROOT } from '../../tool/pack.mjs';

const PLAIN = join(dirname(fileURLToPath(import.meta.url)), 'plain');

/** Copies the plain application to `folder`, applies every diff of the page, and returns the names of the changed files. */
export function adopt(folder) {
  const page = readFileSync(join(ROOT, 'docs', 'adoption.md'), 'utf8');
  cpSync(PLAIN, folder, { recursive: true });
  const diffs = [...page.matchAll(/^## \d+\. `([^`]+)`\n+```diff\n([\s\S]*?)^```$/gm)];
  for (const [, name, diff] of diffs) {
    const path = join(folder, name);
    writeFileSync(path, applied(readFileSync(path, 'utf8'), diff, name));
  }
  return diffs.map(([, name]) => name);
}

function applied(text, diff, name) {
  const lines = diff.replace(/\n$/, '').split('\n');
  const side = (gone) =>
    lines
      .filter((line) => line[0] !== gone)
      .map((line) => line.slice(1))
      .join('\n');
  const parts = `\n${text}`.split(`\n${side('+')}\n`);
  if (parts.length !== 2)
    throw new Error(`the diff of ${name} fits ${parts.length - 1} times:\n${side('+')}`);
  return parts.join(`\n${side('-')}\n`).slice(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(`${adopt(process.argv[2]).join('\n')}\n`);
