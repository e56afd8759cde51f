import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Asks a server that resets every connection instead of answering; says how often that was seen. */
export async function provokeResets(n: number): Promise<number> {
  const server = createServer((incoming) => incoming.socket.resetAndDestroy());
  const port = await listen(server);
  let seen = 0;
  for (let asked = 0; asked < n; asked++) if ((await ask(port)) === 'ECONNRESET') seen++;
  server.close();
  return seen;
}

function listen(server: Server): Promise<number> {
  return new Promise((listening) =>
    server.listen(0, '127.0.0.1', () => listening((server.address() as AddressInfo).port)),
  );
}

function ask(port: number): Promise<string | undefined> {
  return new Promise((answer) => {
    const asking = request({ host: '127.0.0.1', port, agent: false });
    asking.on('error', (error: NodeJS.ErrnoException) => answer(error.code));
    asking.on('response', (response) => response.resume().on('end', () => answer(undefined)));
    asking.end();
  });
}
