import { framesOf, isNamed, placeIn } from '../../lib/watchdog/place.js';

const stack = (...frames: readonly string[]): string => frames.map((frame) => `    at ${frame}`).join('\n');

it.each([
  [['parseTours (/app/src/tours.service.ts:88:13)'], 'parseTours (src/tours.service.ts:88)'],
  [['file:///app/src/a.mjs:3:1'], 'src/a.mjs:3'],
  [['async go (file:///app/src/a.mjs:3:1)'], 'go (src/a.mjs:3)'],
  [['Timeout.tick [as _onTimeout] (/app/a.js:1:2)'], 'tick (a.js:1)'],
  [['new Tours (/elsewhere/a.js:7:2)'], 'new Tours (/elsewhere/a.js:7)'],
  [['RegExp.test (<anonymous>)', 'match (/app/a.js:5:1)'], 'match (a.js:5), in RegExp.test'],
  [['readFileSync (node:fs:448:20)', 'load (/app/a.js:5:1)'], 'load (a.js:5), in readFileSync'],
  [
    ['parse (/app/node_modules/csv/i.js:1:1)', 'load (/app/a.js:5:1)', 'main (/app/b.js:1:1)'],
    'load (a.js:5), in parse',
  ],
  [
    ['write (node:fs:1:1)', 'parse (/app/node_modules/csv/i.js:1:1)'],
    'parse (node_modules/csv/i.js:1), in write',
  ],
  [['Map.set (<anonymous>)'], 'Map.set'],
  [['load (C:\\app\\a.js:5:1)'], 'load (C:\\app\\a.js:5)'],
])('of %j the place is %s', (frames, place) => expect(placeIn(stack(...frames), '/app')).toBe(place));

it('a stack of nothing names nothing', () => {
  expect(placeIn('', '/app')).toBe('a function that cannot be named');
});

it('the question itself is no part of what is found', () => {
  const own = stack('<anonymous>:1:90', 'go (<anonymous>:1:150)');
  expect(framesOf(`Error\n${own}`)).toBe('');
  expect(framesOf(`Error: at first\n${own}\n${stack('a (/app/a.js:1:1)')}`)).toBe(stack('a (/app/a.js:1:1)'));
});

it('a stack of only Node itself has no name of the host in it', () => {
  expect(isNamed(stack('process.processTicks (node:internal/a:1:1)', 'Map.set (<anonymous>)'))).toBe(false);
  expect(isNamed(stack('Map.set (<anonymous>)', 'a (/app/a.js:1:1)'))).toBe(true);
});
