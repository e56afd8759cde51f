/** The ClientHello against servers that take it: Node's TLS, and a Redis with it where the machine has one. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TlsOptions } from 'node:tls';
import { clientHello } from '../../../lib/sources/pools/client-hello.js';
import { reach } from '../../../lib/sources/pools/reach.js';
import { overTls } from '../../../lib/sources/pools/target.js';
import { freePort, until } from './servers.js';

const HANDSHAKE = 22;
const ALERT = 21;

const folder = mkdtempSync(join(tmpdir(), 'vitals-tls-'));
const certificates = (['ec:prime256v1', 'rsa:2048'] as const).map((kind) => {
  const name = kind.slice(0, kind.indexOf(':'));
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const curve =
    name === 'ec' ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : ['-newkey', kind];
  const args = ['req', '-x509', ...curve, '-nodes', '-subj', '/CN=localhost', '-days', '2'];
  const made = spawnSync('openssl', [...args, '-keyout', key, '-out', cert], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`openssl: ${made.error?.message ?? made.stderr}`);
  return { name, key, cert };
});
afterAll(() => rmSync(folder, { recursive: true }));

const target = (port: number) => overTls({ protocol: 'tcp', address: { host: '127.0.0.1', port } });

/** The type of the first record that comes back (RFC 8446, 5.1), and of the message in it. */
async function firstRecord(port: number, hello: Buffer): Promise<readonly number[]> {
  const socket = connect(port, '127.0.0.1', () => socket.write(hello));
  const [said] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return said[0] === HANDSHAKE ? [said[0], said[5]!] : [said[0]!];
}

describe.each(certificates)('with a certificate of $name', ({ key, cert }) => {
  const own = { key: readFileSync(key), cert: readFileSync(cert) };
  let server: Server;
  const heard: unknown[] = [];
  const serve = async (options: TlsOptions): Promise<number> => {
    server = createServer({ ...own, ...options }).on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  beforeEach(() => (heard.length = 0));
  afterEach(() => new Promise((done) => server.close(done)));

  test.each<[string, TlsOptions]>([
    ['TLS 1.2 only', { maxVersion: 'TLSv1.2' }],
    ['TLS 1.3 only', { minVersion: 'TLSv1.3' }],
    ['a certificate of the client', { requestCert: true, rejectUnauthorized: true }],
    ['one curve of several', { ecdhCurve: 'P-384' }],
  ])('a server that wants %s says hello', async (_what, options) => {
    const port = await serve(options);
    expect(await firstRecord(port, clientHello())).toEqual([HANDSHAKE, 2]);
    expect((await reach(target(port), 5_000)).kind).toBe('answered');
  });

  test('a server that has nothing in common with it refuses with an alert, and is there', async () => {
    const port = await serve({ maxVersion: 'TLSv1.2', ciphers: 'AES256-SHA' });
    expect(await firstRecord(port, clientHello())).toEqual([ALERT]);
    expect((await reach(target(port), 5_000)).kind).toBe('answered');
  });

  test('a server is told the name and the protocol it is asked for', async () => {
    const port = await serve({
      SNICallback: (name, done) => (heard.push(name), done(null)),
      ALPNCallback: ({ protocols }) => (heard.push(protocols), protocols[0]),
    });
    await firstRecord(port, clientHello('redis.internal', 'tds/8.0'));
    expect(heard).toEqual(expect.arrayContaining(['redis.internal', ['tds/8.0']]));
  });

  test('an address is no name, and no protocol is asked for unasked', async () => {
    const port = await serve({
      SNICallback: (name, done) => (heard.push(name), done(null)),
      ALPNCallback: ({ protocols }) => (heard.push(protocols), protocols[0]),
    });
    await firstRecord(port, clientHello('127.0.0.1'));
    await firstRecord(port, clientHello('::1'));
    expect(heard).toEqual([]);
  });
});

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis && process.env['CI']) throw new Error('no redis-server on PATH, and in CI nothing is skipped');
if (!hasRedis) process.stdout.write('skipped: no redis-server on PATH\n');
const suite = hasRedis ? describe : describe.skip;

suite('a Redis over TLS', () => {
  let child: ChildProcess;
  let port: number;

  beforeAll(async () => {
    const { key, cert } = certificates[0]!;
    port = await freePort();
    const tls = ['--tls-port', `${port}`, '--tls-cert-file', cert, '--tls-key-file', key];
    const settings = ['--port', '0', '--bind', '127.0.0.1', '--save', '', '--tls-ca-cert-file', cert];
    child = spawn('redis-server', [...tls, ...settings], { cwd: folder, stdio: 'ignore' });
    let isThere = false;
    const look = async (): Promise<void> => {
      isThere = (await reach(target(port), 1_000)).kind === 'answered';
      if (!isThere) setTimeout(() => void look(), 50);
    };
    void look();
    await until('Redis answers', () => isThere);
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  test('says hello, although it wants a certificate of the client', async () => {
    expect(await firstRecord(port, clientHello())).toEqual([HANDSHAKE, 2]);
  });

  test('that is stopped is not there, although the kernel accepts for it', async () => {
    child.kill('SIGSTOP');
    expect(await reach(target(port), 300)).toMatchObject({ code: 'TIMEOUT' });
    child.kill('SIGCONT');
    expect((await reach(target(port), 5_000)).kind).toBe('answered');
  });
});
