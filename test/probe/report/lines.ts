/**
 * Lines as winston 3.19 writes them (keys sorted), and what the report makes of texts, for tests that need no process.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Entries } from '../../../lib/probe/report/entries.js';
import { inputsOf } from '../../../lib/probe/report/inputs.js';
import type { Entry } from '../../../lib/probe/report/record.js';
import { readAll } from '../../../lib/probe/report/report.js';
import type { Report } from '../../../lib/probe/report/shape.js';
import { Zone } from '../../../lib/probe/report/zone.js';

export const UTC = new Zone('UTC');

export interface Happening {
  readonly at: string;
  readonly pid?: number;
  readonly code?: string;
  readonly rss?: number;
  readonly stack?: string;
  /** Without it a format that adds no `timestamp`. */
  readonly hasTimestamp?: boolean;
  readonly handler?: 'exception' | 'rejection';
}

const RAW = 'at TCP.onStreamRead (node:internal/stream_base_commons:218:20)';

/** What winston's handler of exceptions or rejections writes. */
export function handled(happening: Happening): string {
  const { at, pid = 700, code = 'ECONNRESET', rss = 57_561_088, hasTimestamp = true } = happening;
  const { handler = 'exception', stack = RAW } = happening;
  const spoken = handler === 'exception' ? 'uncaughtException' : 'unhandledRejection';
  const ms = Date.parse(at);
  return JSON.stringify({
    date: `${new Date(ms)
      .toUTCString()
      .replace(/^(...), (..) (...) (....)/, '$1 $3 $2 $4')
      .replace('GMT', 'GMT+0000')} (Coordinated Universal Time)`,
    error: { code, errno: -104, syscall: 'read' },
    [handler]: true,
    level: 'error',
    message: `${spoken}: read ${code}\nError: read ${code}\n    ${stack}`,
    os: { loadavg: [0.14, 0.94, 1.64], uptime: Math.floor(ms / 10) / 100 - 1_700_000_000 },
    process: {
      argv: ['/usr/bin/node', '/app/dist/main.js'],
      cwd: '/app',
      memoryUsage: { arrayBuffers: 82192, external: 2070024, heapTotal: 11329536, heapUsed: rss / 8, rss },
      pid,
      uid: 0,
      version: 'v20.20.2',
    },
    stack: `Error: read ${code}\n    ${stack}`,
    ...(hasTimestamp && { timestamp: at }),
    trace: [
      { column: 20, file: 'node:internal/stream_base_commons', function: 'TCP.onStreamRead', line: 218 },
    ],
  });
}

/** What an application logs. */
export function logged(at: string, message = 'GET /api/v1/ 200'): string {
  return JSON.stringify({ level: 'info', message, timestamp: at });
}

export function lined(...lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** The entries of whole lines. */
export function entriesOf(text: string): readonly Entry[] {
  const found: Entry[] = [];
  const entries = new Entries(UTC, (entry) => found.push(entry));
  entries.read(Buffer.from(text).toString('latin1'));
  entries.close();
  return found;
}

/** The report on files of these contents. */
export async function reportOn(
  files: Readonly<Record<string, string | Uint8Array>>,
  zone = UTC,
): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'vitals-report-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return await readAll(inputsOf([folder]), zone);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
