import { assignments, execForm, expand, readDockerfile } from '../../../lib/probe/doctor/dockerfile.js';

const names = (text: string, stage = 0) =>
  readDockerfile(text)[stage]?.instructions.map(({ name, line, rest }) => [line, name, rest]);

describe('a Dockerfile', () => {
  it('joins continued lines, leaves comments and empty lines between them out, and keeps the first line', () => {
    expect(names('FROM a\nRUN one \\\n  # two\n\n  three\n# four\nCMD x')).toEqual([
      [2, 'RUN', 'one   three'],
      [7, 'CMD', 'x'],
    ]);
  });

  it('knows the escape directive, windows line ends, a byte order mark and lower case', () => {
    expect(names('\ufeff# escape=`\r\nfrom a\r\nrun one `\r\n two\r\ncopy C:\\ x\\\r\n')).toEqual([
      [3, 'RUN', 'one  two'],
      [5, 'COPY', 'C:\\ x\\'],
    ]);
  });

  it('takes a comment that is no directive for the end of directives', () => {
    expect(names('# hello\n# escape=`\nFROM a\nRUN one \\\n two')).toEqual([[4, 'RUN', 'one  two']]);
  });

  it('leaves out what a here document brings, and goes on where none is closed', () => {
    expect(names('FROM a\nRUN <<EOF\nCMD no\nEOF\nCMD yes')?.at(-1)).toEqual([5, 'CMD', 'yes']);
    expect(names('FROM a\nCOPY <<-"A" <<B /x\nCMD no\nA\nCMD no\nB\nCMD yes')?.map(([line]) => line)).toEqual(
      [2, 7],
    );
    expect(names('FROM a\nRUN <<EOF\nCMD yes')?.at(-1)).toEqual([3, 'CMD', 'yes']);
  });

  it('reads flags, and nothing behind the first word as one', () => {
    const [stage] = readDockerfile(
      'FROM --platform=linux/amd64 a\nHEALTHCHECK --interval=5s --timeout=3s CMD x --y=1',
    );
    expect(stage).toMatchObject({ base: 'a' });
    expect(stage?.instructions[0]).toMatchObject({
      flags: { interval: '5s', timeout: '3s' },
      rest: 'CMD x --y=1',
    });
  });

  it('puts the instructions of the stage before in front, and knows its base', () => {
    const text = 'ARG V=20\nFROM node:${V}-alpine AS Base\nRUN a\nFROM base\nRUN b';
    expect(readDockerfile(text)[1]).toMatchObject({ base: 'node:20-alpine', line: 4 });
    expect(names(text, 1)?.map(([, , rest]) => rest)).toEqual(['a', 'b']);
    expect(names(text, 0)?.map(([, , rest]) => rest)).toEqual(['a']);
  });

  it('is without stages where there is no FROM, whatever else is in it', () => {
    for (const text of ['', '\\', '\0\0', 'RUN x', '{"a": 1}', '# escape=', 'FROM'])
      expect(readDockerfile(text).length).toBeLessThan(2);
  });
});

describe('the words of a Dockerfile', () => {
  it('are an exec form only as JSON of texts', () => {
    expect(execForm('["a", "b c"]')).toEqual(['a', 'b c']);
    for (const text of ["['a']", '[1]', '["a"', 'a', '[a]']) expect(execForm(text)).toBeUndefined();
  });

  it('are assignments in the new way and in the old', () => {
    expect(assignments('A=1 B="2 3" C=\'4\'')).toEqual({ A: '1', B: '2 3', C: '4' });
    expect(assignments('PORT 8080')).toEqual({ PORT: '8080' });
  });

  it.each([
    ['a-$X-${X}', 'a-1-1'],
    ['${Y:-2}${Y-3}', '23'],
    ['$$X', '$X'],
    ['${Y}', undefined],
    ['$Y', undefined],
    ['${Y:?needed}', undefined],
    ['${__proto__}', undefined],
  ])('expand %s to %s', (text, expanded) => expect(expand(text, { X: '1' })).toBe(expanded));
});
