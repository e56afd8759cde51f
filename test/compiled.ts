/** What the compiler says of the code that the pages show, against the built package. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const TSC = join(dirname(createRequire(__filename).resolve('typescript/package.json')), 'bin', 'tsc');
/** What the examples import of the reader's own code. */
const DATABASE = `import type { Knex } from 'knex';
export declare class KnexService { readonly knex: Knex }
export declare class DatabaseModule {}
export declare const db: KnexService;
export declare const connection: object, dataSource: object, drizzle: object, orm: object;
export declare const pool: object, prisma: object, redis: object, sequelize: object;
`;

/** Where a folder lies from which `nestjs-vitals` is this package. */
export const compiledFolder = (name: string): string => join(__dirname, '..', '.cache', name);

/** The code blocks of a page, by their language. */
export function blocksOf(page: string, language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, body]) => body!,
  );
}

/** Compiles each source as a file of its own, beside whatever else lies in the folder; the errors, or nothing. */
export function compile(folder: string, sources: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  sources.forEach((source, i) => writeFileSync(join(folder, `block-${i}.ts`), source));
  writeFileSync(join(folder, 'database.ts'), DATABASE);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    module: 'commonjs',
    moduleResolution: 'bundler',
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
    experimentalDecorators: true,
    skipLibCheck: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  try {
    return String(execFileSync(process.execPath, [TSC, '-p', folder]));
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
