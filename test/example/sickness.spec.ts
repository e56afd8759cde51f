/** Each sickness of the example, on the real thing: what the index promises is what the endpoint says. */
import { Launched } from './launched.js';
import { until } from './until.js';

jest.setTimeout(120_000);

let app: Launched;

beforeAll(async () => {
  app = await Launched.start();
});

afterAll(() => app?.end());

// What one test leaves in the windows must not be what the next one finds.
beforeEach(async () => {
  await app.untilFound('main', undefined);
  await app.untilFound('eventLoop', undefined);
});

test('the business route answers with rows from the database', async () => {
  const { status, body } = await app.get('/tours');
  expect(status).toBe(200);
  expect(JSON.parse(body)).toContainEqual({ id: 1, name: 'Floating markets' });
});

test('the launcher prints every route of the index', async () => {
  const routes = Object.keys(JSON.parse((await app.get('')).body) as object);
  expect(routes.length).toBeGreaterThan(8);
  for (const route of routes) expect(app.output).toContain(`${app.url}${route.split(' ')[1]}'`);
});

test('leaked connections end readiness and liveness, with a restart as the remedy, until they are given back', async () => {
  await app.post('/sick/leak');
  expect(await app.untilFound('main', 'POOL_WEDGED')).toMatchObject({ status: 'down', remedy: 'restart' });
  await app.untilAnswered(503, 503);
  await app.post('/sick/heal');
  await app.untilAnswered(200, 200);
  expect((await app.get('/tours')).status).toBe(200);
});

test('connections that come back late starve the pool, and traffic goes on', async () => {
  await app.post('/sick/hold?seconds=6');
  expect(await app.untilFound('main', 'POOL_STARVED')).toMatchObject({ status: 'degraded', remedy: 'drain' });
  await app.untilAnswered(200, 200);
});

test('a stopped database ends readiness and leaves liveness alone, until it is started again', async () => {
  await app.post('/sick/database/stop');
  expect(await app.untilFound('main', 'DB_UNREACHABLE')).toMatchObject({ status: 'down', remedy: 'none' });
  await app.untilAnswered(503, 200);
  const { status, body } = await app.get('/tours');
  expect([status, JSON.parse(body)]).toEqual([
    500,
    { success: false, status: 500, message: 'something went wrong' },
  ]);
  await app.post('/sick/database/start');
  await app.untilAnswered(200, 200);
  expect((await app.get('/tours')).status).toBe(200);
});

test('slow queries make the database slow, and nothing is taken out of traffic', async () => {
  await app.post('/sick/slow?ms=2000&seconds=8');
  expect(await app.untilFound('main', 'DB_SLOW')).toMatchObject({ status: 'degraded', remedy: 'none' });
  await app.untilAnswered(200, 200);
});

test('a blocked event loop is reported once it moves again, whenever it was blocked', async () => {
  for (let times = 0; times < 3; times++) {
    await app.post('/sick/block?ms=3000');
    await app.untilFound('eventLoop', 'LOOP_BLOCKED');
    await app.untilFound('eventLoop', undefined);
  }
});

test('many resets are reported as such', async () => {
  expect(await app.post('/sick/resets?n=40')).toEqual({ resets: 40 });
  expect(await app.untilFound('resets', 'RESET_RATE_HIGH')).toMatchObject({ status: 'degraded' });
});

test('the request logger has seen business and never health', async () => {
  await app.get('/tours?last');
  await until('the log has the last request', () => app.output.includes('GET /api/v1/tours?last 200'));
  const logged = app.output.split('\n').filter((line) => line.includes('[Request]'));
  expect(logged.filter((line) => line.includes('/health'))).toEqual([]);
});
