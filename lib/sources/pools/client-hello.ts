/**
 * Stage 1, MEASURE: the first message of TLS, for servers that take nothing else before it. No second one follows, so it
 * offers no key: whoever runs asks for one (RFC 8446, 4.1.4), or with TLS 1.2 says hello, or refuses with an alert.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';

/** Of TLS 1.3 (RFC 8446, B.4), then ECDHE and RSA of TLS 1.2 (RFC 5289, RFC 7905, RFC 5288). */
const SUITES = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0x9c, 0x9d];
/** X25519, P-256, P-384 (RFC 8446, 4.2.7). */
const GROUPS = [0x1d, 0x17, 0x18];
/** ECDSA, RSA-PSS and RSA with SHA-256 and SHA-384, Ed25519 (RFC 8446, 4.2.3). */
const SIGNATURES = [0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0807];

/** A ClientHello (RFC 8446, 4.1.2) that TLS 1.2 and 1.3 understand, to `host` if that is a name. */
export function clientHello(host?: string, application?: string): Buffer {
  const extensions = [
    ...extension(43, sized(1, words([0x0304, 0x0303]))), // supported_versions (RFC 8446, 4.2.1)
    ...extension(10, sized(2, words(GROUPS))),
    ...extension(13, sized(2, words(SIGNATURES))),
    ...extension(51, sized(2, [])), // key_share: none, the server is to choose (RFC 8446, 4.2.8)
  ];
  // Proxies find the server by its name, and hang up without one. An address is none (RFC 6066, 3).
  if (host && !isIP(host)) extensions.push(...extension(0, sized(2, [0, ...sized(2, Buffer.from(host))])));
  // Application-Layer Protocol Negotiation (RFC 7301, 3.1).
  if (application) extensions.push(...extension(16, sized(2, sized(1, Buffer.from(application)))));
  const random = randomBytes(32);
  // No session to resume, and no compression.
  const body = [3, 3, ...random, 0, ...sized(2, words(SUITES)), 1, 0, ...sized(2, extensions)];
  return Buffer.from([22, 3, 1, ...sized(2, [1, ...sized(3, body)])]);
}

function extension(type: number, content: readonly number[]): number[] {
  return [0, type, ...sized(2, content)];
}

/** `content` behind its length, which is `width` bytes wide. */
function sized(width: number, content: Iterable<number>): number[] {
  const bytes = [...content];
  const length = Buffer.alloc(width);
  length.writeUIntBE(bytes.length, 0, width);
  return [...length, ...bytes];
}

function words(values: readonly number[]): number[] {
  return values.flatMap((value) => [value >> 8, value & 0xff]);
}
