/**
 * Stage 1, MEASURE: sees every connection of this thread begin and end, by three methods of `net.Socket.prototype`
 * and two diagnostics channels, and tells the ledger. No listener is put on any socket, nothing is emitted, no timer
 * is started, and the host's own calls run with their own arguments whatever happens here.
 *
 * Why `_destroy`: it runs once in a socket's life, with the first error, for plain, TLS, inbound and outbound alike,
 * also where the driver removes all listeners or nobody listens. `error` events are seen twice, late, or never.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';

import {
  accepted,
  connecting,
  destroyed,
  ending,
  newLedger,
  over,
  requestFailed,
  type ResetLedger,
} from './reset-ledger.js';

/** What all copies of this package in one thread share. */
interface ResetHook {
  readonly ledger: ResetLedger;
  /** Who wants the hook; the last one to let go removes it. */
  readonly holders: Set<unknown>;
  /** False after removal where another library's wrapper around ours made restoring impossible. */
  isEnabled: boolean;
  readonly methods: readonly Method[];
  readonly channels: readonly Channel[];
}

/** One replaced method of the prototype. */
interface Method {
  readonly name: 'connect' | 'end' | '_destroy';
  readonly theirs: unknown;
  readonly ours: unknown;
}

/** One diagnostics channel and our subscriber. */
interface Channel {
  readonly name: string;
  readonly hear: (message: unknown) => void;
}

/**
 * Where the shared state lies. The prototype, not `globalThis`: Jest gives each test file a global of its own, but
 * the same `net`. The number is the version of the state's shape, records included: a copy of the package that speaks
 * another one hooks for itself, and neither reads what the other counted.
 */
const SHARED = Symbol.for('nestjs-vitals.resets@2');
const INSTALLED = 'installed';
const prototype = Socket.prototype as unknown as Record<PropertyKey, unknown>;

/**
 * Counts connection resets of this thread from now on. Calling it again, from this or another copy of the package,
 * changes nothing. Never throws; where the prototype cannot be changed nothing is counted.
 */
export function installResetHook(): void {
  holdResetHook(INSTALLED);
}

/** Takes {@link installResetHook} back. The hook itself stays as long as an open source holds it. */
export function uninstallResetHook(): void {
  releaseResetHook(INSTALLED);
}

/** Installs the hook where it is not, and keeps it there until `holder` lets go. Returns the book it keeps. */
export function holdResetHook(holder: unknown): ResetLedger {
  const hook = (prototype[SHARED] as ResetHook | undefined) ?? newHook();
  hook.holders.add(holder);
  try {
    attach(hook);
  } catch {
    // A frozen prototype: the host wants it so.
  }
  return hook.ledger;
}

/**
 * Lets go of the hook. With the last holder the methods are restored, unless somebody has wrapped ours since: then
 * ours stay in the chain and do nothing.
 */
export function releaseResetHook(holder: unknown): void {
  const hook = prototype[SHARED] as ResetHook | undefined;
  if (!hook?.holders.delete(holder) || hook.holders.size > 0) return;
  hook.isEnabled = false;
  for (const { name, hear } of hook.channels) unsubscribe(name, hear);
  if (!hook.methods.every(({ name, ours }) => prototype[name] === ours)) return;
  for (const { name, theirs } of hook.methods) prototype[name] = theirs;
  delete prototype[SHARED];
}

/** The book as it is kept now; `null` while nobody holds the hook. */
export function resetLedger(): ResetLedger | null {
  const hook = prototype[SHARED] as ResetHook | undefined;
  return hook?.isEnabled ? hook.ledger : null;
}

function newHook(): ResetHook {
  const ledger = newLedger();
  const { connect, end, _destroy } = Socket.prototype;
  const methods: Method[] = [];
  const hook: ResetHook = {
    ledger,
    holders: new Set(),
    isEnabled: false,
    methods,
    channels: [
      { name: 'net.server.socket', hear: (message) => guarded(() => accepted(ledger, message as never)) },
      {
        name: 'http.client.request.error',
        hear: (message) => guarded(() => requestFailed(ledger, message as never)),
      },
    ],
  };
  methods.push({ name: 'connect', theirs: connect, ours: connectSeen(hook, connect) });
  methods.push({ name: 'end', theirs: end, ours: endSeen(hook, end) });
  methods.push({ name: '_destroy', theirs: _destroy, ours: destroySeen(hook, _destroy) });
  return hook;
}

function attach(hook: ResetHook): void {
  if (hook.isEnabled) return;
  Object.defineProperty(prototype, SHARED, { value: hook, configurable: true });
  for (const { name, ours, theirs } of hook.methods) {
    // Otherwise somebody wrapped ours and it is still in the chain: wrapping that again would count twice.
    if (prototype[name] === theirs) prototype[name] = ours;
  }
  for (const { name, hear } of hook.channels) subscribe(name, hear);
  hook.isEnabled = true;
}

// No global is named in these three: they may outlive the Jest environment in which they were made.
function connectSeen(hook: ResetHook, theirs: Socket['connect']) {
  return function (this: Socket, ...args: unknown[]): unknown {
    const connection = hook.isEnabled ? guarded(() => connecting(hook.ledger, this, args)) : undefined;
    let hasThrown = true;
    try {
      const result: unknown = theirs.apply(this, args as never);
      hasThrown = false;
      return result;
    } finally {
      // Not `catch` and throw again: that would move the place which a crash message names.
      if (hasThrown && connection) over(hook.ledger, connection);
    }
  };
}

function endSeen(hook: ResetHook, theirs: Socket['end']) {
  return function (this: Socket, _data: unknown, _encoding: unknown, _callback: unknown): unknown {
    if (hook.isEnabled) guarded(() => ending(hook.ledger, this));
    return theirs.apply(this, arguments as never);
  };
}

function destroySeen(hook: ResetHook, theirs: Socket['_destroy']) {
  return function (this: Socket, error: Error | null, _callback: unknown): unknown {
    if (hook.isEnabled) guarded(() => destroyed(hook.ledger, this, error));
    return theirs.apply(this, arguments as never);
  };
}

/** Our work beside the host's must not disturb it: at worst one connection goes uncounted. */
function guarded<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}
