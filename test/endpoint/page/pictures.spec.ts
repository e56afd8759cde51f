import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');
const PICTURES = join(ROOT, 'docs', 'pictures');

describe.each(readdirSync(PICTURES))('the picture %s', (name) => {
  it('is below 150 KB', () => expect(statSync(join(PICTURES, name)).size).toBeLessThan(150_000));

  it('is shown in the README', () => {
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`docs/pictures/${name}`);
  });

  it('is drawn by the command', () => {
    const drawn = readFileSync(join(ROOT, 'test', 'page', 'pictures.mjs'), 'utf8');
    expect(drawn).toContain(`name: '${name.replace('.png', '')}'`);
  });
});
