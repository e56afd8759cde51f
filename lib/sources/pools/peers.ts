/**
 * Stage 1, MEASURE: the names under which one pool's connections are counted. A driver that looks the host name up itself
 * (tedious, oracledb thin) connects to an address, and a reset is counted for that, not for the name it was given.
 */
import type { Socket } from 'node:net';
import { resetLedger } from '../reset-hook.js';
import { connectionOf } from '../reset-ledger.js';
import { peerOf, strangerOf } from '../reset-origins.js';
import { socketOf } from './duck.js';
import type { Target } from './reach.js';

/** Addresses kept for one pool besides the name: a database behind a changing one has few at a time. */
const MAX_MET = 32;

/** The peers of one pool, `host:port` or `unix:/path`. */
export class Peers {
  private readonly met = new Set<string>();
  private readonly looked = new WeakSet<object>();
  private configured: string | null = null;

  /** The pool was told to connect to `target`. */
  configure({ address }: Target): void {
    this.configured = peerOf([address]);
  }

  /** A live connection of the pool, looked at once. Learns nothing while nobody counts resets. */
  meet(connection: object): void {
    const socket = socketOf(connection) as Socket | null;
    const ledger = socket && !this.looked.has(socket) ? resetLedger() : null;
    if (!socket || !ledger) return;
    this.looked.add(socket);
    // A socket older than the hook is counted for its far end.
    const origin = connectionOf(ledger, socket)?.origin ?? strangerOf(socket);
    const isShared = origin === ledger.origins.others.outbound || origin?.peer === 'unknown';
    if (!origin || origin.direction !== 'outbound' || isShared) return;
    this.met.delete(origin.peer);
    this.met.add(origin.peer);
    if (this.met.size > MAX_MET) this.met.delete([...this.met][0]!);
  }

  has(peer: string): boolean {
    return peer === this.configured || this.met.has(peer);
  }

  /** Every name known so far, the configured one first. */
  get all(): readonly string[] {
    const { configured, met } = this;
    return [...new Set(configured === null ? met : [configured, ...met])];
  }
}
