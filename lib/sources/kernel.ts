/**
 * Stage 1, MEASURE: what the Linux kernel knows of this network namespace's connections and Node does not: resets that
 * passed it by, and connections whose data nobody acknowledges. Reads /proc, asynchronously and rarely: a look at the
 * table of sockets costs the kernel some 20 ms, though not on our thread. Elsewhere than on Linux it knows nothing.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

import type { Connection, ResetLedger } from './reset-ledger.js';
import type { KernelReading, StalledPeer } from './resets-reading.js';

/** A row of /proc/net/tcp whose data was sent again. */
export interface StalledRow {
  readonly localPort: number;
  readonly remotePort: number;
  readonly retransmits: number;
}

const LOOK_EVERY_MS = 30_000;
/** While something is stalled, so that its end is seen soon. */
const LOOK_AGAIN_MS = 10_000;
/**
 * Established (01), with the retransmission timer running (01):
 * `sl local:port remote:port st tx:rx timer:when retransmits`, in hexadecimal.
 */
const STALLED =
  /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:([\dA-F]{4}) 01 [\dA-F]{8}:[\dA-F]{8} 01:[\dA-F]{8} ([\dA-F]{8})/gm;

/** `Tcp: EstabResets` of /proc/net/snmp: established connections that a RST ended. `null` where it is not told. */
export function establishedResets(snmp: string): number | null {
  const [names, values] = (snmp.match(/^Tcp: .*$/gm) ?? []).map((line) => line.split(' '));
  const value = Number(values?.[names?.indexOf('EstabResets') ?? -1]);
  return Number.isInteger(value) ? value : null;
}

/** The rows of a part of /proc/net/tcp or tcp6 whose data was sent again, and is not acknowledged yet. */
export function stalledRows(table: string): StalledRow[] {
  return [...table.matchAll(STALLED)]
    .map(([, local = '', remote = '', retransmits = '']) => ({
      localPort: parseInt(local, 16),
      remotePort: parseInt(remote, 16),
      retransmits: parseInt(retransmits, 16),
    }))
    .filter(({ retransmits }) => retransmits > 0);
}

/** Looks at the kernel's figures now and then, and compares them with the ledger's. */
export class KernelSource {
  private readonly everyMs: number;
  private base: { readonly kernel: number; readonly counted: number } | null = null;
  private reading: KernelReading | null = null;
  private lookedAt = -Infinity;
  private isLooking = false;

  constructor(
    private readonly ledger: ResetLedger,
    { everyMs = LOOK_EVERY_MS }: { readonly everyMs?: number } = {},
  ) {
    this.everyMs = process.platform === 'linux' ? everyMs : Infinity;
  }

  /** What the last look saw; `null` before the first. A look that is due is begun, and is known to a later sample. */
  sample(now: number): KernelReading | null {
    const dueMs = this.reading?.stalled.length ? Math.min(LOOK_AGAIN_MS, this.everyMs) : this.everyMs;
    if (now - this.lookedAt >= dueMs && !this.isLooking && this.everyMs < Infinity) {
      this.lookedAt = now;
      this.isLooking = true;
      const over = (): void => void (this.isLooking = false);
      // Nobody waits for it: what goes wrong must not become the host's unhandled rejection.
      this.look().then(over, over);
    }
    return this.reading;
  }

  private async look(): Promise<void> {
    const kernel = establishedResets(await readFile('/proc/self/net/snmp', 'utf8').catch(() => ''));
    // Not under a kernel that hides it (gVisor): there is nothing to compare with.
    if (kernel === null) return;
    const counted = this.ledger.resets;
    this.base ??= { kernel, counted };
    const resets = kernel - this.base.kernel;
    const tables = await Promise.all([rowsOf('/proc/self/net/tcp'), rowsOf('/proc/self/net/tcp6')]);
    this.reading = {
      resets,
      outsideNode: Math.max(0, resets - (counted - this.base.counted)),
      stalled: byPeer(this.ledger.open, tables.flat()),
    };
  }
}

/** In pieces, as it is read: the table of a busy host has megabytes, and the loop must go on in between. */
async function rowsOf(path: string): Promise<StalledRow[]> {
  const rows: StalledRow[] = [];
  let rest = '';
  try {
    for await (const piece of createReadStream(path, 'latin1')) {
      const text = rest + String(piece);
      const end = text.lastIndexOf('\n') + 1;
      rows.push(...stalledRows(text.slice(0, end)));
      rest = text.slice(end);
    }
  } catch {
    // Without IPv6 there is no tcp6.
  }
  return rows;
}

/** Only our own outbound ones: a client of ours that is gone is no trouble, and neighbors share the namespace. */
function byPeer(open: ReadonlyMap<Connection, Socket>, rows: readonly StalledRow[]): StalledPeer[] {
  if (rows.length === 0) return [];
  const peers = new Map<string, StalledPeer>();
  const byPorts = new Map(rows.map((row) => [`${row.localPort} ${row.remotePort}`, row]));
  for (const [{ origin }, socket] of open) {
    if (origin.direction !== 'outbound') continue;
    const row = byPorts.get(`${socket.localPort} ${socket.remotePort}`);
    if (!row) continue;
    const { connections, retransmits } = peers.get(origin.peer) ?? { connections: 0, retransmits: 0 };
    peers.set(origin.peer, {
      peer: origin.peer,
      connections: connections + 1,
      retransmits: Math.max(retransmits, row.retransmits),
    });
  }
  return [...peers.values()].toSorted((a, b) => b.connections - a.connections);
}
