#!/usr/bin/env node
/**
 * Stage 6, ASK: the `vitals` command. One table of commands; each loads what it needs when it is called, because an
 * image build and a health check wait for it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Command {
  readonly usage: string;
  readonly summary: string;
  /** Resolves to the exit code: 0, 1, or 2 of the doctor's. What it throws is a mistake to show, not a crash. */
  run(args: readonly string[]): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  install: {
    usage: 'install <dest>',
    summary: 'copy the probe for this machine to a file or folder, executable',
    async run(args) {
      const [destination, ...rest] = args;
      if (!destination || rest.length > 0)
        throw new Error('install takes one destination: a file or a folder');
      const { install } = await import('./install.js');
      return print(`${install(destination)}\n`);
    },
  },
  path: {
    usage: 'path',
    summary: "print where this machine's probe is in the package",
    async run(args) {
      if (args.length > 0) throw new Error('path takes no argument');
      const { binaryPath } = await import('./install.js');
      return print(`${binaryPath()}\n`);
    },
  },
  probe: {
    usage: 'probe [URL | PATH] [--timeout-ms N]',
    summary: 'ask as the probe does, in JavaScript, for machines without a binary',
    async run(args) {
      const { understand } = await import('./target.js');
      const order = understand(args, process.env);
      if ('print' in order) return print(order.print, order.isMistake ? 1 : 0);
      const { ask } = await import('./ask.js');
      const { line, code } = await ask(order.ask);
      return print(line, code);
    },
  },
  report: {
    usage: 'report LOGS... | --incidents DIR [--json] [--time-zone ZONE] [--by hour|day]',
    summary:
      'count connection resets in winston logs: files, folders or - for the standard input; * and gzip are fine; or restarts and their causes in the directory of the option incidents',
    async run(args) {
      const { report } = await import('./report/report.js');
      return print(await report(args));
    },
  },
  doctor: {
    usage: 'doctor [compose.yml] [Dockerfile] [--json]',
    summary: 'find what keeps a health check from working; exit code 1 on errors, 2 when it cannot look',
    async run(args) {
      const { doctor } = await import('./doctor/doctor.js');
      const { text, code } = doctor(args);
      // What it finds is its result and not a mistake of the caller's.
      (code === 2 ? process.stderr : process.stdout).write(text);
      return code;
    },
  },
};

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help')
    return print(help(), name === undefined ? 1 : 0);
  if (name === '--version') return print(`${version()}\n`);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Error(`unknown command "${name}"${hint(name)}; see vitals --help`);
  if (name !== 'probe' && args.includes('--help'))
    return print(`vitals ${command.usage}\n${command.summary}\n`);
  return command.run(args);
}

function help(): string {
  const lines = Object.values(COMMANDS).map(({ usage, summary }) => `  vitals ${usage}\n      ${summary}\n`);
  return `usage: vitals <command>\n${lines.join('')}`;
}

/** Typing errors keep the first two letters, or swap or double some. */
function hint(name: string): string {
  const letters = (word: string): string => [...new Set(word)].toSorted().join('');
  const near = Object.keys(COMMANDS).find(
    (c) => c.startsWith(name.slice(0, 2)) || letters(c) === letters(name),
  );
  return near ? `, did you mean "${near}"` : '';
}

function version(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (!existsSync(path)) continue;
    // The two builds have a package.json of their own, which says only of what type they are.
    const { name, version: found } = JSON.parse(readFileSync(path, 'utf8')) as {
      name?: string;
      version?: string;
    };
    if (name === 'nestjs-vitals' && found) return found;
  }
  return 'unknown';
}

/** Mistakes go to the error output, as the binary has it. */
function print(text: string, code = 0): number {
  const isMistake = code !== 0 && !text.startsWith('unhealthy');
  (isMistake ? process.stderr : process.stdout).write(text);
  return code;
}

// Whoever reads our line may have gone; the exit code is still what it was.
for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`vitals: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
