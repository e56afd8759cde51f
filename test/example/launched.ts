/** The example as a newcomer starts it: start.mjs in a process of its own, driven over HTTP. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.js';

const EXAMPLE = join(__dirname, '..', '..', 'example-app');

/** What the health endpoint says of one thing. */
interface Detail {
  readonly status: string;
  readonly code?: string;
  readonly remedy: string;
}

export interface Seen {
  /** `null`: no answer. */
  readonly status: number | null;
  readonly body: string;
}

export class Launched {
  private text = '';
  readonly ended: Promise<number | null>;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    }
    this.ended = once(child, 'close').then(([code]) => code as number | null);
  }

  /** Port 0: any free one. */
  static spawn(port = 0): Launched {
    if (!existsSync(join(EXAMPLE, 'dist', 'main.js'))) {
      throw new Error('the example is not built; run: npm run build && npm run build -w example-app');
    }
    const env = { ...process.env, NO_COLOR: '1' };
    return new Launched(
      spawn(process.execPath, [join(EXAMPLE, 'start.mjs'), '--port', String(port)], { env }),
    );
  }

  /** Spawned, and it has said what to try. */
  static async start(): Promise<Launched> {
    const launched = Launched.spawn();
    try {
      await until('it says what to try', () => launched.text.includes('Ctrl-C ends') || launched.isOver());
      if (launched.isOver()) throw new Error('it ended at once');
    } catch (error) {
      await launched.end();
      throw new Error(`${(error as Error).message}:\n${launched.text}`);
    }
    return launched;
  }

  private isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get output(): string {
    return this.text;
  }

  get url(): string {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(this.text) ?? [];
    if (!url) throw new Error(`no URL in:\n${this.text}`);
    return url;
  }

  /** Asks `path` below /api/v1. */
  async get(path: string, method = 'GET'): Promise<Seen> {
    try {
      const response = await fetch(`${this.url}/api/v1${path}`, {
        method,
        signal: AbortSignal.timeout(30_000),
      });
      return { status: response.status, body: await response.text() };
    } catch {
      return { status: null, body: '' };
    }
  }

  async post(path: string): Promise<unknown> {
    const { status, body } = await this.get(path, 'POST');
    if (status !== 200) throw new Error(`POST ${path}: ${status} ${body}`);
    return JSON.parse(body);
  }

  /** Waits until the health endpoint reports `code` of `name`, none for `undefined`, and returns all it says of it. */
  untilFound(name: string, code: string | undefined): Promise<Detail> {
    return until(`${name} is ${code ?? 'well'}`, async () => {
      const { body } = await this.get('/health');
      const detail = (JSON.parse(body || '{}') as { details?: Record<string, Detail> }).details?.[name];
      return detail && detail.code === code ? detail : undefined;
    });
  }

  /** Waits until readiness and liveness answer so, both in one round. */
  async untilAnswered(ready: number, live: number): Promise<void> {
    await until(`ready ${ready}, live ${live}`, async () => {
      const answers = await Promise.all([this.get('/health/ready'), this.get('/health/live')]);
      return answers[0].status === ready && answers[1].status === live;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it, if it still runs. */
  async end(): Promise<void> {
    this.kill('SIGINT');
    await this.ended;
  }
}
