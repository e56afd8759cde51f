/**
 * Stage 5, ACT: answers on a unix socket without a file, where the probe asks when the service is silent. The watchdog's
 * thread has it; where there is none, the main thread, so that the kernel can say at least whose service it is. Knows HTTP
 * as far as one question and one answer go, and keeps nothing alive.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Answer } from '../endpoint/answer.js';

/** Someone else answers for that port, a process of the same cluster perhaps: try again, ms. */
const AGAIN_MS = 5_000;
const MAX_QUESTION = 8_192;
const QUESTION_WITHIN_MS = 2_000;

export class Doorway {
  private server: Server | null = null;
  private port: number | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly answer: (url: string, accept: string | undefined) => Answer) {}

  /** Answers for that port from now on; `null`: for none. */
  serve(port: number | null): void {
    if (port === this.port || process.platform !== 'linux') return;
    this.close();
    this.port = port;
    if (port !== null) this.listen(port);
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    this.server?.close();
    this.server = null;
    this.port = null;
  }

  private listen(port: number): void {
    const server = createServer((socket) => this.converse(socket));
    server.maxConnections = 16;
    server.on('error', () => {
      if (this.port === port) this.timer = setTimeout(() => this.listen(port), AGAIN_MS).unref();
    });
    // In a cluster the primary would listen in our place, and be taken for the one that is ill.
    server.listen({ path: `\0nestjs-vitals-${port}`, exclusive: true });
    server.unref();
    this.server = server;
  }

  private converse(socket: Socket): void {
    let question = '';
    socket.unref().setEncoding('latin1');
    socket.setTimeout(QUESTION_WITHIN_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (text: string) => {
      question += text;
      if (/\r?\n\r?\n/.test(question)) socket.end(this.reply(question));
      else if (question.length > MAX_QUESTION) socket.destroy();
    });
  }

  private reply(question: string): Buffer {
    const [method = '', url = ''] = question.split(/\s/, 2);
    const accept = /^accept:\s*(.*?)\s*$/im.exec(question)?.[1];
    const { status, headers, body } = this.answer(url, accept);
    const lines = Object.entries({ ...headers, Connection: 'close' }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const head = `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Service Unavailable'}\r\n${lines.join('')}\r\n`;
    return Buffer.concat([Buffer.from(head, 'latin1'), method === 'HEAD' ? Buffer.alloc(0) : body]);
  }
}
