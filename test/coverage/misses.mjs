/**
 * Resets that the kernel counts and the hook cannot see, each with its reason. Every other miss is a failure.
 */

/** First releases, by major, whose HTTP agent watches its free sockets. */
const GUARDED_SINCE = { 22: [23, 1], 24: [18, 0], 26: [10, 0] };

const MISSES = [
  {
    names: ['http', 'https', 'axios'],
    phases: ['idle'],
    applies: hasGuard,
    why: "Node's agent drops an idle socket at its first sign of life, without the error; no request is lost",
  },
  {
    names: ['mysql2 over tls', 'mariadb over tls'],
    phases: ['handshake'],
    applies: () => true,
    why: 'the write of the TLS greeting takes the error and Node drops it, then reads an end: counted as synthesized',
  },
  {
    names: ['http2', 'http2 over tls'],
    phases: ['handshake', 'greeting', 'first-write', 'mid'],
    applies: () => true,
    why: 'now and then a write of the session takes the error and Node drops it, then reads an end',
  },
];

/** Why this reset may be missed; `null` where it must be seen. `node` is a version such as `22.23.1`. */
export function whyMissed({ name, phase, node }) {
  const known = MISSES.find(
    ({ names, phases, applies }) => names.includes(name) && phases.includes(phase) && applies(node),
  );
  return known?.why ?? null;
}

function hasGuard(node) {
  const [major, minor, patch] = node.split('.').map(Number);
  if (major > 26) return true;
  const since = GUARDED_SINCE[major];
  return since !== undefined && (minor > since[0] || (minor === since[0] && patch >= since[1]));
}
