import { Answers } from '../../lib/endpoint/answers.js';
import type { Question, Route } from '../../lib/endpoint/question.js';
import { down, finding, snapshotOf } from '../verdict/make.js';

const well = snapshotOf([{ seen: finding() }]);
const sick = snapshotOf([{ seen: down() }]);
const ask = (given: Partial<Question> = {}): Question => ({
  route: 'health',
  format: 'json',
  verbose: false,
  exclude: [],
  ...given,
});

describe('Answers', () => {
  it('gives the very same object to the same question while the snapshot is the same', () => {
    for (const usual of ['codes', null] as const) {
      const answers = new Answers(usual, 1_000);
      answers.prepare(well);
      for (const route of ['health', 'live', 'ready'] as const)
        for (const format of ['json', 'health+json', 'text'] as const)
          for (const details of ['full', 'codes', 'none'] as const)
            for (const verbose of [false, true]) {
              const once = answers.choose(well, ask({ route, format, verbose }), details);
              expect(answers.choose(well, ask({ route, format, verbose }), details) === once).toBe(true);
            }
      const excluding = ask({ exclude: ['db'] });
      expect(answers.choose(well, excluding, 'codes')).toBe(answers.choose(well, excluding, 'codes'));
    }
  });

  it('never gives the answer to one question to another', () => {
    const answers = new Answers('codes', 1_000);
    answers.prepare(sick);
    const bodies = new Set(
      [
        ask(),
        ask({ route: 'live' }),
        ask({ format: 'text' }),
        ask({ format: 'text', verbose: true }),
        ask({ format: 'health+json' }),
        ask({ exclude: ['db'] }),
        ask({ exclude: ['x'] }),
        ask({ exclude: ['x', 'y'] }),
        ask({ exclude: ['x,y'] }),
      ].flatMap((question) =>
        (['full', 'codes'] as const).map((details) => answers.choose(sick, question, details)),
      ),
    );
    expect(bodies.size).toBe(18);
    expect(answers.choose(sick, ask({ exclude: ['x', 'y'] }), 'full')).not.toBe(
      answers.choose(sick, ask({ exclude: ['x","y'] }), 'full'),
    );
  });

  it('answers from a new snapshot at once, prepared or not', () => {
    const answers = new Answers('codes', 1_000);
    answers.prepare(well);
    expect(answers.choose(well, ask(), 'codes').status).toBe(200);
    expect(answers.choose(sick, ask(), 'codes').status).toBe(503);
    expect(answers.choose(well, ask(), 'codes').status).toBe(200);
    answers.prepare(sick);
    expect(answers.choose(sick, ask({ format: 'text' }), 'codes').status).toBe(503);
  });

  it('has the usual answers made before they are asked for, with the snapshot', () => {
    const answers = new Answers('codes', 1_000);
    answers.prepare(well);
    const kept = (answers as unknown as { kept: Map<string, unknown> }).kept;
    const before = kept.size;
    for (const route of ['health', 'live', 'ready'] as Route[]) answers.choose(well, ask({ route }), 'codes');
    expect([before, kept.size]).toEqual([3, 3]);
  });

  it('keeps no more than 64 answers, whatever callers invent', () => {
    const answers = new Answers('codes', 1_000);
    answers.prepare(well);
    for (let i = 0; i < 1_000; i++) answers.choose(well, ask({ exclude: [`x${i}`] }), 'codes');
    expect((answers as unknown as { kept: Map<string, unknown> }).kept.size).toBe(64);
  });

  it('keeps the answers to plain questions even when callers invent many others', () => {
    const answers = new Answers('codes', 1_000);
    answers.prepare(well);
    for (let i = 0; i < 1_000; i++) answers.choose(well, ask({ exclude: [`x${i}`] }), 'codes');
    const text = () => answers.choose(well, ask({ format: 'text' }), 'codes');
    expect(text() === text()).toBe(true);
  });

  it.each([
    [100, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [15_000, '15'],
    [600_000, '30'],
  ])('says of readings every %d ms: Retry-After %s', (everyMs, seconds) => {
    const answers = new Answers(null, everyMs);
    expect(answers.choose(sick, ask(), 'none').headers['Retry-After']).toBe(seconds);
  });
});
