/**
 * Stage 6, ASK: every sentence the probe says, the same as in probe.c. `%w` stands for where it asked, `%p` for the
 * path, `%q` for what somebody else wrote, `%g` for the same as a mistake, `%n` for a number, `%t` for the ms.
 */
export const VERSION = '1.0.0';

export const DEFAULT_PATH = '/api/v1/health';

const NO_SHELL = '; no shell runs here: leave out "|| exit 1"';

/** About the service: `healthy: ` or `unhealthy: ` goes in front, the elapsed ms behind. */
export const TOLD = {
  status: '%n',
  said: '%n %q',
  watched: '%n from the watchdog: %q',
  of: '%n for /%p at %w',
  ofSaid: '%n for /%p at %w: %q',
  unreached: 'timed out: no connection to %w',
  refused: 'refused: nothing listens on %w',
  absent: 'refused: there is no socket %w',
  forbidden: 'refused: no permission for %w',
  unrouted: 'refused: no way to %w, errno %n',
  silent: 'silent: %w accepted and sent nothing (event loop blocked?)',
  late: 'timed out: %w sent %n bytes and no status line',
  closed: 'cut off: %w closed after %n bytes',
  reset: 'cut off: %w reset after %n bytes',
  foreign: 'not HTTP: %w answered "%q"',
} as const;

/** About the command line: `cannot ask: ` goes in front. */
export const MISTAKES = {
  blank: `the URL has a blank in it%g${NO_SHELL}`,
  second: `one URL is enough%g${NO_SHELL}`,
  byte: 'the URL is not printable ASCII%g',
  long: 'a URL has at most 1024 bytes, a socket 107%g',
  scheme: 'a URL begins with http:// (not https), unix:/ or /%g',
  noHost: 'the URL has no host%g',
  host: 'the host must be localhost or an IP%g',
  port: 'the port must be 1 to 65535%g',
  portVariable: 'PORT must be 1 to 65535%g',
  timeout: '--timeout-ms must be 1 to 600000%g',
  restart: '--restart-after must be 1 to 1000%g',
  /** Only here: Node.js cannot ask the kernel whose socket it is. */
  restartsNothing: '--restart-after needs the binary (npx --no vitals install DEST)%g',
  flag: 'unknown flag%g',
} as const;

export const USAGE = `vitals-probe [URL | PATH] [--timeout-ms N] [--restart-after N]
URL: http://IP[:PORT][/PATH] or unix:/SOCKET[:/PATH]; IP may be localhost
unset: http://127.0.0.1:$PORT${DEFAULT_PATH}, 3000, 2500 ms
exit: 0 for 2xx, else 1
`;

/** What a sentence speaks about. `path` begins behind its slash. */
export interface Facts {
  readonly where?: string;
  readonly path?: string;
  readonly quoted?: string;
  readonly number?: number;
}

const LINE_BYTES = 499;
const QUOTE_BYTES = 160;

/** One line of at most 500 bytes with its end; what does not fit is dropped, the ms behind it included. */
export function compose(verdict: string, sentence: string, facts: Facts, ms?: number): string {
  const line = fill(`${verdict}: `, sentence, facts).slice(0, LINE_BYTES).replace(/ $/, '');
  return `${(ms === undefined ? line : `${line} (${ms} ms)`).slice(0, LINE_BYTES)}\n`;
}

function fill(start: string, sentence: string, facts: Facts): string {
  let line = start;
  for (const part of sentence.replace('%g', ', got "%q"').split(/(%[a-z])/)) {
    if (part === '%w') line = quote(line, facts.where ?? '');
    else if (part === '%p') line = quote(line, facts.path ?? '');
    else if (part === '%q') line = quote(line, facts.quoted ?? '');
    else if (part === '%n') line += facts.number;
    else line += part;
  }
  return line;
}

/** Printable, on one line, white space as single blanks, cut at 160 bytes. `text` has one character per byte. */
function quote(line: string, text: string): string {
  let room = QUOTE_BYTES;
  for (const character of text) {
    if (character <= ' ' && line.endsWith(' ')) continue;
    if (room-- === 0) return `${line}...`;
    line += character <= ' ' ? ' ' : character > '~' ? '?' : character;
  }
  return line;
}
