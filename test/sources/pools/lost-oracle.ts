/**
 * Stands in for oracledb thin below Knex 3.2: a real socket per connection to a listener on loopback, the driver's error
 * (NJS-500) once that socket is lost, and a dialect that does not know this code, so that the pool (the real one) hands
 * the connection out for ever.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import knexFactory, { type Knex } from 'knex';
// @ts-expect-error Knex has no types for its dialects.
import Dialect from 'knex/lib/dialects/oracledb';

/** Answers every line with a line. */
export class Listener {
  private readonly sockets = new Set<Socket>();
  private server!: Server;
  port = 0;
  /** Lines received: the questions that the database saw. */
  questions = 0;

  async listen(port = 0): Promise<void> {
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('data', (chunk) => {
        // A knock from outside the pool is no question to the database.
        if (!String(chunk).includes('COMMAND=ping')) this.questions += 1;
        socket.write('row\n');
      });
    }).listen(port, '127.0.0.1');
    await new Promise((done) => this.server.once('listening', done));
    this.port = (this.server.address() as AddressInfo).port;
  }

  resetAll(): void {
    this.resetSome(this.sockets.size);
  }

  resetSome(count: number): void {
    for (const socket of [...this.sockets].slice(0, count)) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.resetAll();
    await new Promise((done) => this.server.close(done));
  }
}

/** What Knex asks of a connection of oracledb. */
export class ThinConnection {
  readonly oracleServerVersionString = '19.0';
  readonly _impl: object;

  constructor(private readonly socket: Socket) {
    this._impl = { nscon: { ntAdapter: { stream: socket } } };
  }

  isHealthy(): boolean {
    return !this.socket.destroyed;
  }

  // Knex patches these in where they are missing, with its own list of lost-connection codes: that of 3.2 has NJS-500.
  executeAsync(): Promise<object> {
    return new Promise((resolve, reject) => {
      const lost = (): void => {
        const text = 'NJS-500: connection to the Oracle Database was broken\nread ECONNRESET';
        reject(Object.assign(new Error(text), { code: 'NJS-500' }));
      };
      if (this.socket.destroyed) return lost();
      this.socket.once('close', lost);
      this.socket.once('data', () => {
        this.socket.removeListener('close', lost);
        resolve({ rows: [], outBinds: [] });
      });
      return this.socket.write('select\n');
    });
  }

  async commitAsync(): Promise<void> {}

  async release(): Promise<void> {
    this.socket.destroy();
  }
}

const driver = {
  poolMax: 4,
  getConnection: ({ connectString }: { connectString: string }, done: (e: unknown, c?: object) => void) => {
    const [, host, port] = /^(.*):(\d+)\//.exec(connectString)!;
    // The driver looks the name up itself, and Node sees an address.
    const socket = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host!);
    socket.once('connect', () => done(null, new ThinConnection(socket)));
    socket.on('error', (error) => done(error));
  },
};

class BeforeThreeTwo extends Dialect {
  _driver(): object {
    return driver;
  }

  // Before 3.2 a lifetime was none of Knex's settings and went on to the pool.
  getPoolSettings(given: Record<string, unknown>): object {
    const { maxConnectionLifetimeMillis: lifetime, ...rest } = given ?? {};
    const settings = (super.getPoolSettings as (given: object) => object)(rest);
    return lifetime === undefined ? settings : { ...settings, maxConnectionLifetimeMillis: lifetime };
  }
}

export function lostOracleKnex(port: number, max: number, host = '127.0.0.1'): Knex {
  return knexFactory({
    client: BeforeThreeTwo as never,
    version: '19.0',
    connection: { host, port, database: 'x', user: 'u', password: 'p' },
    pool: { min: 0, max },
    log: { warn() {}, error() {} },
  } as never);
}
