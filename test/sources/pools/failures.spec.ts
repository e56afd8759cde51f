import { Failures } from '../../../lib/sources/pools/failures.js';

const [a, b] = [{}, {}];

test('checkouts that failed in a row are counted, each once, from the first of them', () => {
  const failures = new Failures();
  for (const now of [1_000, 2_000, 3_000]) {
    failures.failed(now, a, 'ECONNRESET');
    failures.failed(now, a, 'DEAD');
    failures.returned(a);
  }
  expect(failures.worst(3_500)).toEqual({ inARow: 3, forMs: 2_500, code: 'ECONNRESET' });
});

test('an answer ends the row', () => {
  const failures = new Failures();
  failures.failed(1_000, a, 'X');
  failures.returned(a);
  failures.answered(a);
  expect(failures.worst(2_000)).toBeNull();
});

test('a checkout that neither failed nor was answered changes nothing', () => {
  const failures = new Failures();
  failures.failed(1_000, a, 'X');
  failures.returned(a);
  failures.returned(a);
  failures.failed(2_000, a, 'X');
  expect(failures.worst(2_000)!.inARow).toBe(2);
});

test('failures of several connections are not added up', () => {
  const failures = new Failures();
  for (const connection of [a, b, b]) {
    failures.failed(1_000, connection, 'X');
    failures.returned(connection);
  }
  expect(failures.worst(1_000)!.inARow).toBe(2);
});

test('a connection that left the pool is forgotten, one that lies idle in it is not', () => {
  const failures = new Failures();
  failures.failed(1_000, a, 'X');
  failures.observe(99_000, [], [a], 10_000);
  expect(failures.worst(99_000)!.inARow).toBe(1);
  failures.observe(99_000, [], [], 10_000);
  expect(failures.worst(99_000)).toBeNull();
});

test('where idle connections are not shown, one that is not out is forgotten after a window without failure', () => {
  const failures = new Failures();
  failures.failed(1_000, a, 'X');
  failures.observe(11_000, [], null, 10_000);
  expect(failures.worst(11_000)).not.toBeNull();
  failures.observe(99_000, [a], null, 10_000);
  expect(failures.worst(99_000)).not.toBeNull();
  failures.observe(11_001, [], null, 10_000);
  expect(failures.worst(11_001)).toBeNull();
});
