/**
 * With Terminus, both ways: our findings inside its `HealthCheckService`, its indicators as our checks.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { decorate, injectable, moduleOf } from '../build.mjs';
import { ask } from '../client.mjs';
import { until } from '../tally.mjs';
import { creator, HEALTH, listening, options } from './context.mjs';

export async function testTerminus(nest, tally, { adapter }) {
  const claim = (title, prove) => tally.claim(`${adapter} | Terminus: ${title}`, prove);
  const it = { nest, claim, create: creator(nest, adapter), VitalsModule: nest.vitals.VitalsModule };
  await testOursInTheirs(it);
  await testTheirsInOurs(it);
}

async function testOursInTheirs({ nest, claim, create, VitalsModule }) {
  const theirs = hostOfTerminus(nest, (check, { pool, loop, resets }) => [
    () => pool.isHealthy('switchable'),
    () => pool.isHealthy('switchable', 'renamed'),
    () => loop.isHealthy(),
    () => resets.isHealthy(),
  ]);
  const answer = { now: true };
  const check = { check: () => answer.now, everyMs: 100, failAfter: 1, recoverAfter: 1, remedy: 'restart' };
  // Thresholds out of reach: a busy machine is not what is tested here.
  const far = {
    eventLoop: { p99DelayMs: 60_000, maxDelayMs: 60_000, utilizationRatio: 1, saturatedDelayMs: 60_000 },
    resets: {},
  };
  const app = await create([
    VitalsModule.forRoot(options({ ...far, checks: { switchable: check } })),
    theirs,
  ]);
  await listening(app, async (port) => {
    const seen = (status, fits) =>
      until(
        () => ask(port, '/terminus'),
        (a) => a.status === status && fits(a.json()),
        `${status} from Terminus`,
      );
    await claim('all up is 200 with our numbers', async () => {
      const { body } = await seen(200, ({ status }) => status === 'ok');
      const { info, error } = JSON.parse(body);
      assert.deepEqual([Object.keys(info), error], [['switchable', 'renamed', 'eventLoop', 'resets'], {}]);
      assert.equal(typeof info.eventLoop.data.windowMs, 'number');
    });
    await claim('degraded is 200, and is there', async () => {
      answer.now = { status: 'degraded' };
      const { body } = await seen(200, ({ details }) => details.switchable.code === 'CHECK_FAILED');
      const { switchable } = JSON.parse(body).details;
      assert.ok(switchable.status === 'degraded' || switchable.degraded === true, body);
    });
    await claim('down is 503 with code and remedy', async () => {
      answer.now = false;
      const { body } = await seen(503, ({ error }) => Boolean(error.switchable));
      const { error, info } = JSON.parse(body);
      assert.deepEqual(
        [Object.keys(error), Object.keys(info)],
        [
          ['switchable', 'renamed'],
          ['eventLoop', 'resets'],
        ],
      );
      assert.deepEqual([error.switchable.code, error.switchable.remedy], ['CHECK_FAILED', 'restart']);
    });
    await claim('up again is 200', async () => {
      answer.now = true;
      await seen(200, ({ status }) => status === 'ok');
    });
  });
  await claim('a name that nothing has is 503', async () => {
    const unknown = hostOfTerminus(nest, (_check, { pool }) => [() => pool.isHealthy('nothing')]);
    await listening(await create([VitalsModule.forRoot(options()), unknown]), async (port) => {
      const { status, body } = await ask(port, '/terminus');
      assert.equal(status, 503, body);
      assert.equal(JSON.parse(body).error.nothing.code, 'STARTING');
    });
  });
}

/** A module with a controller at /terminus that checks what `list` returns. */
function hostOfTerminus(nest, list) {
  const { HealthCheckService } = nest.terminus;
  const { EventLoopHealthIndicator, PoolHealthIndicator, ResetsHealthIndicator, VitalsTerminusModule } =
    nest.vitalsTerminus;
  class TerminusController {
    constructor(health, pool, loop, resets) {
      Object.assign(this, { health, ours: { pool, loop, resets } });
    }
    check() {
      return this.health.check(list(this.health, this.ours));
    }
  }
  injectable(
    nest,
    TerminusController,
    HealthCheckService,
    PoolHealthIndicator,
    EventLoopHealthIndicator,
    ResetsHealthIndicator,
  );
  nest.common.Controller('terminus')(TerminusController);
  decorate(TerminusController.prototype, 'check', nest.common.Get());
  const quiet = nest.terminus.TerminusModule.forRoot({ logger: false });
  return moduleOf(nest, { imports: [quiet, VitalsTerminusModule], controllers: [TerminusController] });
}

async function testTheirsInOurs({ nest, claim, create, VitalsModule }) {
  const { HttpHealthIndicator, MemoryHealthIndicator, DiskHealthIndicator, TerminusModule } = nest.terminus;
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/up' ? 200 : 500;
    response.end('{}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const Indicators = moduleOf(nest, {
    imports: [nest.axios.HttpModule, TerminusModule.forRoot({ logger: false })],
    exports: [TerminusModule],
  });
  const useFactory = (http, memory, disk) => {
    const checks = {
      up: () => http.pingCheck('up', `${base}/up`),
      broken: () => http.pingCheck('broken', `${base}/broken`),
      refused: () => http.pingCheck('refused', 'http://127.0.0.1:1/'),
      memory: () => memory.checkHeap('memory', 64 * 1024 ** 3),
      full: () => memory.checkHeap('full', 1),
      disk: () => disk.checkStorage('disk', { path: '/', thresholdPercent: 1 }),
      ...attempts(nest),
    };
    return options({ details: 'full', checks });
  };
  const inject = [HttpHealthIndicator, MemoryHealthIndicator, DiskHealthIndicator];
  const app = await create([VitalsModule.forRootAsync({ imports: [Indicators], inject, useFactory })]);
  await listening(app, async (port) => {
    const { body } = await until(
      () => ask(port, HEALTH),
      (a) => Object.keys(a.json().details).length > 5 && !a.body.includes('STARTING'),
      'all outcomes',
    );
    const { details } = JSON.parse(body);
    const codes = Object.fromEntries(Object.entries(details).map(([name, { code }]) => [name, code ?? 'up']));
    const expected = {
      up: 'up',
      broken: 'CHECK_FAILED',
      refused: 'CHECK_FAILED',
      memory: 'up',
      full: 'CHECK_FAILED',
      disk: 'up',
    };
    for (const [name, code] of Object.entries({ ...expected, ...attemptCodes(nest) })) {
      await claim(`its indicator as our check: ${name} is ${code}`, async () =>
        assert.equal(codes[name], code, JSON.stringify(details[name])),
      );
    }
  });
  await new Promise((resolve) => server.close(resolve));
}

/** Terminus 11 has sessions, 12 has attempts on top of them; 10 has neither. */
function attempts({ major, terminus }) {
  if (major === 10) return {};
  const service = new terminus.HealthIndicatorService();
  const sessions = {
    sessionUp: () => service.check('sessionUp').up(),
    sessionDown: () => service.check('sessionDown').down('no'),
  };
  if (major === 11) return sessions;
  return {
    ...sessions,
    attemptUp: () => service.check('attemptUp').attempt(async () => true),
    attemptDown: () => service.check('attemptDown').attempt(() => Promise.reject(new Error('no'))),
  };
}

function attemptCodes({ major }) {
  if (major === 10) return {};
  const sessions = { sessionUp: 'up', sessionDown: 'CHECK_FAILED' };
  return major === 11 ? sessions : { ...sessions, attemptUp: 'up', attemptDown: 'CHECK_FAILED' };
}
