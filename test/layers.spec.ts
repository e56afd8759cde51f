import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const LIB = join(__dirname, '../lib');
/** The sentence of the design, in its order: a stage may import itself and those before it. */
const STAGES = ['sources', 'indicators', 'verdict', 'endpoint', 'recovery', 'watchdog', 'metrics', 'probe'];
/** What lies beside the stages is wiring and may import all of them. Stages may take types from the first and the tokens. */
const TYPES_FOR_STAGES = ['options.ts'];
const VALUES_FOR_STAGES = ['tokens.ts'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const text = readFileSync(join(LIB, path), 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?([^;]*?)from\s+'([^']+)'/gm);
  return [...found].map(([, type, names, to]) => {
    const each = /\{([^}]*)\}/
      .exec(names!)?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean) ?? [''];
    const isTypeOnly = type !== undefined || each.every((name) => name.startsWith('type '));
    return { from: path, to: to!, isTypeOnly };
  });
}

const files = (readdirSync(LIB, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'));
const imports = files.flatMap(importsOf);
const stageOf = (path: string): number => STAGES.indexOf(path.split('/')[0]!);
const target = ({ from, to }: Import): string =>
  relative(LIB, resolve(join(LIB, dirname(from)), to)).replace(/\.js$/, '.ts');
const shown = (one: Import): string => `${one.from} -> ${one.to}`;

describe('the layers', () => {
  it('are all there is: every folder of lib is a stage', () => {
    const folders = readdirSync(LIB, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(folders.filter((name) => !STAGES.includes(name))).toEqual([]);
  });

  it('are seen by this test: it finds the imports there are', () => {
    expect(files.length).toBeGreaterThan(30);
    expect(imports.filter(({ from }) => from === 'endpoint/answer.ts').map(({ to }) => to)).toContain(
      '../verdict/snapshot.js',
    );
    const known = new Set(files);
    const inside = imports.filter(({ to }) => to.startsWith('.'));
    expect(inside.filter((one) => !known.has(target(one))).map(shown)).toEqual([]);
  });

  it('import backwards only', () => {
    const forward = imports.filter((one) => {
      if (!one.to.startsWith('.') || stageOf(one.from) === -1) return false;
      return stageOf(target(one)) > stageOf(one.from);
    });
    expect(forward.map(shown)).toEqual([]);
  });

  it('import nothing of the wiring but the types of the options and the tokens', () => {
    const upward = imports.filter((one) => {
      if (!one.to.startsWith('.') || stageOf(one.from) === -1 || stageOf(target(one)) !== -1) return false;
      if (VALUES_FOR_STAGES.includes(target(one))) return false;
      return !(one.isTypeOnly && TYPES_FOR_STAGES.includes(target(one)));
    });
    expect(upward.map(shown)).toEqual([]);
  });

  it('have tokens that depend on nothing', () => {
    for (const path of VALUES_FOR_STAGES)
      expect(importsOf(path).filter(({ isTypeOnly }) => !isTypeOnly)).toEqual([]);
  });

  it.each([
    ['@nestjs/terminus', ['terminus.ts']],
    ['rxjs', ['vitals.service.ts']],
    [
      '@nestjs/',
      [
        'discovery.ts',
        'endpoint/vitals.controller.ts',
        'terminus.ts',
        'vitals.module.ts',
        'vitals.service.ts',
      ],
    ],
  ])('touch %s only where it belongs', (name, where) => {
    const users = imports.filter(({ to }) => to.startsWith(name)).map(({ from }) => from);
    expect([...new Set(users)].sort()).toEqual(where);
  });

  it('import no package at run time but the peers', () => {
    const packages = imports.filter(
      ({ to, isTypeOnly }) => !isTypeOnly && !to.startsWith('.') && !to.startsWith('node:'),
    );
    expect(new Set(packages.map(({ to }) => to))).toEqual(
      new Set(['@nestjs/common', '@nestjs/core', '@nestjs/terminus', 'rxjs']),
    );
  });

  it('name every relative file with its suffix, as Node wants it', () => {
    expect(imports.filter(({ to }) => to.startsWith('.') && !to.endsWith('.js')).map(shown)).toEqual([]);
  });

  it('keep indicators pure: no clock, no timer, no socket, no file', () => {
    for (const path of files.filter(
      (name) =>
        name.startsWith('indicators/') ||
        /verdict\/(hysteresis|snapshot|transition)|endpoint\/(question|answer)\.ts/.test(name),
    )) {
      const text = readFileSync(join(LIB, path), 'utf8');
      expect([
        path,
        /node:|Date\.now|performance\.|setTimeout|setInterval|setImmediate/.exec(text)?.[0],
      ]).toEqual([path, undefined]);
    }
  });
});
