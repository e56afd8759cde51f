/**
 * Stage 1, MEASURE: the names of those we are connected with, and one bounded table of counts for them.
 * It reads sockets and the arguments of `connect`; it never changes either.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

import type { Direction } from './resets-reading.js';

/** Counts of one origin since the hook was installed. */
export interface OriginCounts {
  readonly direction: Direction;
  readonly peer: string;
  /** Where an outbound one was last seen to lead, as an IP address; `null` until then, and for what is no network. */
  address: string | null;
  /** Connections open or opening now. */
  open: number;
  /** Kernel resets. */
  resets: number;
  /** The longest silence of the last day after which a connection was still good, ms, and when that was. */
  survivedMs: number;
  survivedAt: number;
  /** Of the last kernel reset; `-Infinity`: there was none. */
  resetAt: number;
}

/** All counts there are. */
export interface Origins {
  /** By `direction peer`. */
  readonly named: Map<string, OriginCounts>;
  readonly others: Readonly<Record<Direction, OriginCounts>>;
}

/** Past this many named origins a new one is counted as `other`. */
const MAX_ORIGINS = 200;

/** An origin with a reset is kept for so long after it, however full the table, ms. */
const KEPT_MS = 3_600_000;

const MAX_PEER_LENGTH = 260;

export function newOrigins(): Origins {
  const other = (direction: Direction): OriginCounts => newCounts(direction, 'other');
  return { named: new Map(), others: { outbound: other('outbound'), inbound: other('inbound') } };
}

/**
 * The counts of one origin, made when first asked for. A full table first lets go of an origin that has no
 * connection, and had no reset for an hour; only when there is none is the newcomer counted as `other`.
 */
export function originOf(
  { named, others }: Origins,
  direction: Direction,
  peer: string,
  now = performance.now(),
): OriginCounts {
  const key = `${direction} ${peer}`;
  const known = named.get(key);
  if (known) return known;
  if (named.size >= MAX_ORIGINS && !makeRoom(named, now)) return others[direction];
  const counts = newCounts(direction, peer);
  named.set(key, counts);
  return counts;
}

function newCounts(direction: Direction, peer: string): OriginCounts {
  return {
    direction,
    peer,
    address: null,
    open: 0,
    resets: 0,
    survivedMs: 0,
    survivedAt: -Infinity,
    resetAt: -Infinity,
  };
}

function makeRoom(named: Origins['named'], now: number): boolean {
  for (const [key, { open, resetAt }] of named) {
    if (open === 0 && now - resetAt > KEPT_MS) return named.delete(key);
  }
  return false;
}

/**
 * Whom `socket.connect(...args)` asks for, read as Node reads it: options, a port and perhaps a host, a path, or
 * Node's own already normalized array whose first element is the options.
 */
export function peerOf(args: readonly unknown[]): string {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof first === 'object' && first !== null) {
    const { host, port, path } = first as { host?: unknown; port?: unknown; path?: unknown };
    return path ? bounded(`unix:${String(path)}`) : hostAndPort(host, port);
  }
  if (typeof first === 'string' && !(Number(first) >= 0)) return bounded(`unix:${first}`);
  return hostAndPort(args[1], first);
}

/** Which of our listeners accepted this socket. */
export function listenerOf(socket: Socket): string {
  if (typeof socket.localPort === 'number') return `:${socket.localPort}`;
  const address = serverOf(socket)?.address?.();
  return typeof address === 'string' ? bounded(`unix:${address}`) : ':unknown';
}

/** The origin of a connection whose beginning was not seen. `null` for what is no network connection: a pipe. */
export function strangerOf(socket: Socket): Pick<OriginCounts, 'direction' | 'peer'> | null {
  // Standard streams and the pipes to child processes are sockets too, and a closed reader gives them EPIPE.
  if (typeof socket.localPort !== 'number') return null;
  if (serverOf(socket)) return { direction: 'inbound', peer: listenerOf(socket) };
  // After a reset the kernel no longer knows the peer; Node does if somebody asked before.
  const { remoteAddress, remotePort } = socket;
  return { direction: 'outbound', peer: remoteAddress ? hostAndPort(remoteAddress, remotePort) : 'unknown' };
}

function serverOf(socket: Socket): { address?(): unknown } | undefined {
  return (socket as { server?: { address?(): unknown } }).server;
}

function hostAndPort(host: unknown, port: unknown): string {
  const name = typeof host === 'string' && host !== '' ? host : 'localhost';
  return bounded(`${name.includes(':') ? `[${name}]` : name}:${String(port)}`);
}

function bounded(peer: string): string {
  return peer.length > MAX_PEER_LENGTH ? peer.slice(0, MAX_PEER_LENGTH) : peer;
}
