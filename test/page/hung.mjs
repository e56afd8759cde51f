/**
 * A real service with a watchdog whose event loop can be blocked, behind a proxy that asks as the probe does: the port,
 * and where that stays silent, the watchdog's socket.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ROOT } from '../tool/pack.mjs';

const SILENT_MS = 600;

export class Hung {
  static async start(options, env = {}) {
    const hung = new Hung();
    hung.child = spawn(process.execPath, [join(ROOT, 'test', 'watchdog', 'hang-app.cjs')], {
      cwd: ROOT,
      env: {
        ...process.env,
        VITALS: join(ROOT, 'dist', 'cjs'),
        NO_COLOR: '1',
        OPTIONS: JSON.stringify(options),
        ...env,
      },
    });
    hung.child.stderr.resume();
    let said = '';
    hung.port = await new Promise((resolve, reject) => {
      hung.child.on('exit', () => reject(new Error(`it ended: ${said}`)));
      hung.child.stdout.on('data', (part) => {
        const [, port] = /listening (\d+)/.exec((said += part)) ?? [];
        if (port) resolve(Number(port));
      });
    });
    hung.server = createServer((request, response) => hung.#pass(request, response));
    hung.server.listen(0, '127.0.0.1');
    await once(hung.server, 'listening');
    hung.url = `http://127.0.0.1:${hung.server.address().port}/api/v1/health`;
    return hung;
  }

  /** A word of the app's, such as a way to hang. */
  tell(word) {
    this.child.stdin.write(`${word}\n`);
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  async #pass(request, response) {
    const { url: path, method, headers } = request;
    const ways = [() => connect(this.port, '127.0.0.1'), () => connect(`\0nestjs-vitals-${this.port}`)];
    for (const createConnection of ways) {
      const call = ask({
        path,
        method,
        headers: { ...headers, connection: 'close' },
        createConnection,
      });
      call.setTimeout(SILENT_MS, () => call.destroy(new Error('silent')));
      call.end();
      try {
        const [answer] = await once(call, 'response');
        response.writeHead(answer.statusCode, answer.headers);
        return void answer.pipe(response);
      } catch {
        // The next way, if there is one.
      }
    }
    response.destroy();
  }
}
