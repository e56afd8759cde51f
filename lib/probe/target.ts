/**
 * Stage 6, ASK: the command line and PORT in, what to ask or the mistake out. Pure; accepts what probe.c accepts.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { DEFAULT_PATH, MISTAKES, USAGE, VERSION, compose } from './sentences.js';

/** Where one attempt connects to: a unix socket, or an address and a port. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

export interface Target {
  /** In the order they are tried. */
  readonly addresses: readonly Address[];
  /** `127.0.0.1:3000` or `unix:/run/app.sock`. */
  readonly where: string;
  /** Behind the slash. */
  readonly path: string;
  /** Where the watchdog of a service on this machine answers: a name in Linux' abstract namespace of sockets. */
  readonly watchdog: string | undefined;
  readonly limitMs: number;
}

/** What a command line means: a question, or only something to print. */
export type Order = { readonly ask: Target } | { readonly print: string; readonly isMistake: boolean };

const DEFAULT_PORT = 3000;
const DEFAULT_MS = 2500;
const MOST_MS = 600_000;
const MOST_CHECKS = 1000;
const MOST_PORT = 65_535;
const MOST_URL_BYTES = 1024;
const MOST_SOCKET_BYTES = 107;

class Mistake {
  constructor(
    readonly sentence: string,
    readonly given: string,
  ) {}
}

/** Understands a command line as `vitals-probe` does. */
export function understand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Order {
  try {
    return readArguments(args.map(bytes), env);
  } catch (mistake) {
    if (!(mistake instanceof Mistake)) throw mistake;
    const line = compose('cannot ask', mistake.sentence, { quoted: mistake.given });
    return { print: line, isMistake: true };
  }
}

function readArguments(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Order {
  let limitMs = DEFAULT_MS;
  let url: string | undefined;
  let restartAfter: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? '';
    if (argument === '--help') return { print: USAGE, isMistake: false };
    if (argument === '--version') return { print: `vitals-probe ${VERSION}\n`, isMistake: false };
    if (argument === '--timeout-ms') limitMs = number(args[++i] ?? '', MOST_MS, MISTAKES.timeout);
    else if (argument === '--restart-after')
      number((restartAfter = args[++i] ?? ''), MOST_CHECKS, MISTAKES.restart);
    else if (argument.startsWith('-')) throw new Mistake(MISTAKES.flag, argument);
    else if (url !== undefined) throw new Mistake(MISTAKES.second, argument);
    else url = argument;
  }
  if (restartAfter !== undefined) throw new Mistake(MISTAKES.restartsNothing, restartAfter);
  return { ask: { ...(url === undefined ? local(undefined, env) : readUrl(url, env)), limitMs } };
}

type Place = Omit<Target, 'limitMs'>;

function readUrl(url: string, env: Readonly<Record<string, string | undefined>>): Place {
  const foreign = /[^!-~]/.exec(url);
  if (foreign) throw new Mistake(foreign[0] === ' ' ? MISTAKES.blank : MISTAKES.byte, url);
  if (url.length > MOST_URL_BYTES) throw new Mistake(MISTAKES.long, url);
  if (url.startsWith('http://')) return readHttp(url);
  if (url.startsWith('unix:/')) return readUnix(url);
  if (!url.startsWith('/')) throw new Mistake(MISTAKES.scheme, url);
  return local(url, env);
}

function local(path: string | undefined, env: Readonly<Record<string, string | undefined>>): Place {
  const port = env['PORT'] ? number(bytes(env['PORT']), MOST_PORT, MISTAKES.portVariable) : DEFAULT_PORT;
  return place([{ host: '127.0.0.1', port }], `127.0.0.1:${port}`, path, watchdogOf(port));
}

function readUnix(url: string): Place {
  const [, socket = '', path] = /^unix:(.*?)(?::(\/.*))?$/.exec(url) ?? [];
  if (socket.length > MOST_SOCKET_BYTES) throw new Mistake(MISTAKES.long, socket);
  return place([{ path: socket }], `unix:${socket}`, path);
}

function readHttp(url: string): Place {
  const [, authority = '', path] = /^http:\/\/([^/]*)(\/.*)?$/.exec(url) ?? [];
  if (authority === '' || authority.startsWith(':'))
    throw new Mistake(MISTAKES.noHost, `http://${authority}`);
  const [, host = '', digits] = /^(\[[^\]]*\][^:]*|\[[^\]]*$|[^:[][^:]*)(?::(.*))?$/.exec(authority) ?? [];
  const port = digits === undefined ? 80 : number(digits, MOST_PORT, MISTAKES.port);
  return place(
    addressesOf(host).map((ip) => ({ host: ip, port })),
    `${host}:${port}`,
    path,
    /^(127\.|localhost$|\[::1\]$)/.test(host) ? watchdogOf(port) : undefined,
  );
}

function addressesOf(host: string): readonly string[] {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  const inside = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : undefined;
  if (inside !== undefined && isIPv6(inside) && !/[.%]/.test(inside)) return [inside];
  if (isIPv4(host)) return [host];
  throw new Mistake(MISTAKES.host, host);
}

function watchdogOf(port: number): string {
  return `\0nestjs-vitals-${port}`;
}

function place(
  addresses: readonly Address[],
  where: string,
  path: string = DEFAULT_PATH,
  watchdog?: string,
): Place {
  return { addresses, where, path: path.slice(1), watchdog };
}

/** A decimal number from 1 to `most`. */
function number(text: string, most: number, mistake: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new Mistake(mistake, text);
  return value;
}

/** One character per byte, as the binary sees it. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
