/** What the stand-ins share: cutting a stream into messages, and starting TLS. */
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

/**
 * Calls `hear` with each whole message; `sizeOf` tells the size of the one that begins here, 0 when that cannot be told
 * yet. Returns how to stop, which leaves what came after this message to the next reader.
 */
export function eachMessage(socket, sizeOf, hear) {
  let held = Buffer.alloc(0);
  const take = (bytes) => {
    held = Buffer.concat([held, bytes]);
    for (let size = sizeOf(held); size > 0 && held.length >= size; size = sizeOf(held)) {
      const message = held.subarray(0, size);
      held = held.subarray(size);
      hear(message);
    }
  };
  socket.on('data', take);
  return () => {
    socket.off('data', take);
    socket.pause();
    if (held.length > 0) socket.unshift(held);
    held = Buffer.alloc(0);
  };
}

/** The server's side of TLS on a connection that began without. */
export function secured(socket) {
  const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate() });
  secure.on('error', () => {});
  return secure;
}

/** For `localhost`, and trusted by nobody. */
export function certificate() {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(new URL(name, import.meta.url)));
  return { key, cert };
}
