/** Peers on loopback that misbehave as told, and the lib compiled for child processes. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

import { transformSync } from '@swc/core';

/** Waits until `isTrue`; fails after ten seconds with what it waited for. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited 10000 ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Listens on a free loopback port, or on a path, and answers with it. */
export function listening(server: net.Server, path?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => resolve(path ? 0 : (server.address() as net.AddressInfo).port);
    if (path) server.listen(path, ready);
    else server.listen(0, '127.0.0.1', ready);
  });
}

/** The first `error` of a socket or request, or `null` when it closes without one. */
export function errorOf(emitter: NodeJS.EventEmitter): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    emitter.once('error', resolve);
    emitter.once('close', () => resolve(null));
  });
}

/** A key and a certificate for `localhost` that nobody trusts but the tests. */
export function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = join(__dirname, '../app/fixture');
  return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
}

/** Compiles this part of the lib as the package ships it: one folder per module format. */
export function compiled(folder: string, format: 'commonjs' | 'es6'): string {
  const lib = join(__dirname, '../../lib');
  const sources = readdirSync(join(lib, 'sources')).filter((name) =>
    /^(reset.*|kernel|swallowed|window)\.ts$/.test(name),
  );
  mkdirSync(join(folder, 'sources'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), `{"type":"${format === 'es6' ? 'module' : 'commonjs'}"}`);
  for (const name of ['register.ts', ...sources.map((source) => `sources/${source}`)]) {
    const { code } = transformSync(readFileSync(join(lib, name), 'utf8'), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: format },
    });
    writeFileSync(join(folder, name.replace(/\.ts$/, '.js')), code);
  }
  return folder;
}

export interface ChildResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs this Node to its end, at most half a minute. */
export function child(...args: string[]): Promise<ChildResult> {
  return new Promise((resolve) => {
    const started = execFile(process.execPath, args, { timeout: 30_000 }, (_error, stdout, stderr) =>
      resolve({ code: started.exitCode, signal: started.signalCode, stdout, stderr }),
    );
  });
}
