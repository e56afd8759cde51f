/**
 * Stage 1, MEASURE: the names of those we are connected with, and one bounded table of counts for them.
 * It reads sockets and the arguments of `connect`; it never changes either.
 */
import type { Socket } from 'node:net';

import type { Direction } from './resets-reading.js';

/** Counts of one origin since the hook was installed. */
export interface OriginCounts {
  readonly direction: Direction;
  readonly peer: string;
  /** Connections open or opening now. */
  open: number;
  /** Kernel resets. */
  resets: number;
}

/** `direction peer` to counts. */
export type Origins = Map<string, OriginCounts>;

/** Past this many origins a new one is counted as `other`. */
export const MAX_ORIGINS = 200;

const MAX_PEER_LENGTH = 260;

/**
 * The counts of one origin, made when first asked for. A full table first lets go of an origin that has no
 * connection and never had a reset; only when there is none is the newcomer counted as `other`.
 */
export function originOf(origins: Origins, direction: Direction, peer: string): OriginCounts {
  const known = origins.get(`${direction} ${peer}`);
  if (known) return known;
  const isFull = origins.size >= MAX_ORIGINS && !makeRoom(origins);
  if (isFull && peer !== 'other') return originOf(origins, direction, 'other');
  const counts = { direction, peer, open: 0, resets: 0 };
  origins.set(`${direction} ${peer}`, counts);
  return counts;
}

function makeRoom(origins: Origins): boolean {
  for (const [key, { open, resets }] of origins) {
    if (open === 0 && resets === 0) return origins.delete(key);
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
    return path ? named(`unix:${String(path)}`) : hostAndPort(host, port);
  }
  if (typeof first === 'string' && !(Number(first) >= 0)) return named(`unix:${first}`);
  return hostAndPort(args[1], first);
}

/** Which of our listeners accepted this socket. */
export function listenerOf(socket: Socket): string {
  if (typeof socket.localPort === 'number') return `:${socket.localPort}`;
  const address = serverOf(socket)?.address?.();
  return typeof address === 'string' ? named(`unix:${address}`) : ':unknown';
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
  return named(`${name.includes(':') ? `[${name}]` : name}:${String(port)}`);
}

function named(peer: string): string {
  return peer.length > MAX_PEER_LENGTH ? peer.slice(0, MAX_PEER_LENGTH) : peer;
}
