/** How the example ends: drained, at once, or not at all because its port is taken. Nothing of it stays behind. */
import { createServer, type AddressInfo } from 'node:net';
import { Launched } from './launched.js';
import { isGone, until } from './until.js';

jest.setTimeout(120_000);

/** `start` says which process it is, also when the server runs already. */
async function pidOfPostgres(app: Launched): Promise<number> {
  return ((await app.post('/sick/database/start')) as { pid: number }).pid;
}

test('SIGTERM drains: not ready but alive and serving, then exit code 0 and no PostgreSQL', async () => {
  const app = await Launched.start();
  const pid = await pidOfPostgres(app);
  expect((await app.get('/health/ready')).status).toBe(200);
  app.kill('SIGTERM');
  const ready = await until('not ready', async () => {
    const seen = await app.get('/health/ready');
    return seen.status === 200 ? undefined : seen;
  });
  expect([ready.status, JSON.parse(ready.body).status]).toEqual([503, 'shutting_down']);
  expect((await app.get('/health/live')).status).toBe(200);
  expect((await app.get('/tours')).status).toBe(200);
  expect(await app.ended).toBe(0);
  expect(isGone(pid)).toBe(true);
});

test('a wedged app still ends with exit code 0', async () => {
  const app = await Launched.start();
  await app.post('/sick/leak');
  await app.untilFound('main', 'POOL_STARVED');
  app.kill('SIGTERM');
  expect(await app.ended).toBe(0);
});

test('Ctrl-C ends app and PostgreSQL', async () => {
  const app = await Launched.start();
  const pid = await pidOfPostgres(app);
  app.kill('SIGINT');
  expect(await app.ended).toBe(0);
  expect(isGone(pid)).toBe(true);
  expect((await app.get('/tours')).status).toBeNull();
});

test('a launcher that is killed takes app and PostgreSQL with it', async () => {
  const app = await Launched.start();
  const pid = await pidOfPostgres(app);
  app.kill('SIGKILL');
  await until('PostgreSQL is gone', () => isGone(pid));
  await until('the app is gone', async () => (await app.get('/health/live')).status === null);
});

test('a port in use is named, with the option that chooses another', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await until('the other server listens', () => other.listening);
  const { port } = other.address() as AddressInfo;
  const app = Launched.spawn(port);
  expect(await app.ended).toBe(1);
  other.close();
  expect(app.output).toContain(`port ${port} is in use; choose another with --port`);
});
