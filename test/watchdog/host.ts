/** Whole processes with a watchdog of the build in dist/, and questions to it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

export const ROOT = join(__dirname, '..', '..');
export const APP = join(__dirname, 'hang-app.cjs');
/** The module's options for a watchdog that is soon sure. */
export const QUICK = { eventLoop: { maxDelayMs: 400, restartAfterMs: 1_000 } };
export const ENDS = { exit: true, afterMs: 1_000, minUptimeMs: 0 };
export const PID_1 = [
  'unshare',
  ...(process.getuid!() === 0 ? [] : ['-Ur']),
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

/** The line of the app on which this text stands, as a stack says it. */
export function lineOf(text: string): string {
  const at = readFileSync(APP, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text));
  return `test/watchdog/hang-app.cjs:${at + 1}`;
}

export interface Reply {
  readonly status: number;
  readonly said: string;
  readonly body: Record<string, any>;
}

const hosts: Host[] = [];

export function endAll(): void {
  for (const host of hosts.splice(0)) host.kill('SIGKILL');
}

export class Host {
  readonly child: ChildProcess;
  output = '';

  constructor(
    options: object = QUICK,
    { env = {}, command = [] as readonly string[], args = [] as readonly string[] } = {},
  ) {
    const [file = process.execPath, ...rest] = [...command, process.execPath, ...args, APP];
    this.child = spawn(file, rest, {
      cwd: ROOT,
      env: {
        ...process.env,
        VITALS: join(ROOT, 'dist', 'cjs'),
        NO_COLOR: '1',
        OPTIONS: JSON.stringify(options),
        ...env,
      },
    });
    hosts.push(this);
    this.child.stdin!.on('error', () => {});
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk) => (this.output += String(chunk)));
  }

  get pid(): number {
    return this.child.pid!;
  }

  async says(text: string | RegExp): Promise<RegExpExecArray> {
    const form = typeof text === 'string' ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : text;
    return until(
      () => form.exec(this.output),
      () => `it did not say ${form}: ${this.output}`,
    );
  }

  tell(word: string): void {
    this.child.stdin!.write(`${word}\n`);
  }

  async up(): Promise<this> {
    await this.says(/listening \d+/);
    // The thread is told of the port without waiting for it.
    await until(
      () => this.ask().catch(() => null),
      () => `nobody answers beside it: ${this.output}`,
    );
    return this;
  }

  /** Asks the watchdog as the probe does. */
  async ask(path = '/api/v1/health', method = 'GET'): Promise<Reply> {
    const [, port] = await this.says(/listening (\d+)/);
    const socket = connect(`\0nestjs-vitals-${port}`);
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.write(`${method} ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'close');
    const [head, body] = text.split('\r\n\r\n');
    return {
      status: Number(head!.slice(9, 12)),
      said: /x-health-status: (.*)/i.exec(head!)?.[1] ?? '',
      body: body ? JSON.parse(body) : {},
    };
  }

  /** The first reply like that. */
  async reply(isLike: (reply: Reply) => boolean, path?: string): Promise<Reply> {
    let last: Reply | null = null;
    return until(
      async () => {
        // Nobody listens while the thread starts anew.
        last = await this.ask(path).catch(() => null);
        return last && isLike(last) ? last : null;
      },
      () => `the last reply was ${JSON.stringify(last)}; ${this.output}`,
    );
  }

  async end(): Promise<number | string | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode ?? this.child.signalCode;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  count(form: RegExp): number {
    return this.output.match(form)?.length ?? 0;
  }
}

/** What `look` finds, at most 30 s later. */
export async function until<T>(look: () => T | null | Promise<T | null>, why: () => string): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(why());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
