/**
 * Stage 5, ACT: where the code of a thread of ours lies.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The file of that name beside this one; `null` where a bundler has put this code elsewhere, beside files of the host's. */
export function threadFile(name: string): string | null {
  const own = typeof __filename === 'string' ? __filename : '';
  if (basename(own) !== 'thread-file.js' || basename(dirname(own)) !== 'watchdog') return null;
  const file = join(dirname(own), name);
  return existsSync(file) ? file : null;
}
