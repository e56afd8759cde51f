import { DEFAULTS, resolveOptions, VitalsOptionsError, type VitalsOptions } from '../../lib/options.js';

function problemsOf(options: unknown): readonly string[] {
  try {
    resolveOptions(options as VitalsOptions);
  } catch (error) {
    if (error instanceof VitalsOptionsError) return error.problems;
    throw error;
  }
  return [];
}

it('fills in what is not given, and takes false for never and nowhere', () => {
  const given = { recovery: { exit: true }, incidents: { directory: 'here' } };
  expect(resolveOptions(given)).toMatchObject({
    recovery: { ...DEFAULTS.recovery, exit: true },
    incidents: { directory: 'here', keep: 100 },
  });
  expect(resolveOptions({ recovery: false, incidents: false })).toMatchObject({
    recovery: null,
    incidents: null,
  });
});

it.each([
  [{ recovery: { exit: 1 } }, 'options.recovery.exit must be true or false, got 1'],
  [{ recovery: { perHour: 0 } }, 'options.recovery.perHour must be a whole number, 1 or more, got 0'],
  [{ recovery: { afterMs: -1 } }, 'options.recovery.afterMs must be a number of ms, 0 or more, got -1'],
  [{ incidents: {} }, 'options.incidents.directory must be a text that is not empty, got undefined'],
  [{ incidents: { directory: '' } }, 'options.incidents.directory must be a text that is not empty, got ""'],
  [
    { recovery: { exit: true, graceMs: 3_000 } },
    'options.recovery.graceMs must be more than drain (3000 ms), which is part of it, got 3000',
  ],
])('turns away %j', (options, problem) => expect(problemsOf(options)).toEqual([problem]));

it('lets a short grace be where nothing is ended, or nothing drained', () => {
  expect(problemsOf({ recovery: { graceMs: 1 } })).toEqual([]);
  expect(problemsOf({ recovery: { exit: true, graceMs: 1 }, drain: false })).toEqual([]);
});
