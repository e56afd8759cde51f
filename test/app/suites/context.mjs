/**
 * What the suites about one application at a time share: how it is created, listened to and asked.
 */
import assert from 'node:assert/strict';
import { adapterOf, moduleOf } from '../build.mjs';
import { ask } from '../client.mjs';
import { until } from '../tally.mjs';

export const HEALTH = '/api/v1/health';

/** What every application here has: a check that can be switched, and readings often enough to see it soon. */
export function options(more = {}, flag = { isUp: true }) {
  const check = { check: () => flag.isUp, everyMs: 100, failAfter: 1, recoverAfter: 1 };
  return {
    everyMs: 200,
    eventLoop: false,
    resets: false,
    swallowed: false,
    drain: false,
    checks: { switchable: check },
    ...more,
  };
}

/** Listens on the loopback, asks `use` what it wants to know, and closes. */
export async function listening(app, use) {
  await app.listen(0, '127.0.0.1');
  try {
    return await use(app.getHttpServer().address().port, app);
  } finally {
    await app.close();
  }
}

export async function isUp(to, path = HEALTH) {
  const { body } = await until(
    () => ask(to, path, { rejectUnauthorized: false }),
    (answer) => answer.status === 200,
    `200 from ${path}`,
  );
  assert.equal(JSON.parse(body).details.switchable.status, 'up');
}

/** What creates an application of these imports on this adapter, with Nest's own errors thrown and nothing logged. */
export function creator(nest, adapter) {
  return (imports, { adapterOptions, metadata, ...more } = {}) =>
    nest.core.NestFactory.create(
      moduleOf(nest, { imports, ...metadata }),
      adapterOf(nest, adapter, adapterOptions),
      { logger: false, abortOnError: false, ...more },
    );
}
