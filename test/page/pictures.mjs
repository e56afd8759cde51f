/** Draws the pictures of the documentation. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Service } from './service.mjs';

const PICTURES = [
  { name: 'wedged-light', state: 'wedged', colorScheme: 'light', viewport: { width: 1080, height: 1090 } },
  { name: 'degraded-dark', state: 'degraded', colorScheme: 'dark', viewport: { width: 1080, height: 972 } },
  { name: 'ok-phone', state: 'ok', colorScheme: 'light', viewport: { width: 390, height: 1240 } },
];

export async function draw(browser, folder) {
  mkdirSync(folder, { recursive: true });
  for (const { name, state, isFull = false, ...look } of [...PICTURES, ...more()]) {
    const service = await Service.start({ state });
    const context = await browser.newContext({ ...look, deviceScaleFactor: 1, locale: 'en-GB' });
    const page = await context.newPage();
    await page.goto(service.url);
    await page.waitForSelector('#plots figure');
    const path = join(folder, `${name}.png`);
    await page.screenshot({ path, fullPage: isFull });
    console.log(path);
    await context.close();
    await service.stop();
  }
}

/** `VITALS_PICTURES=all` draws every state whole, to look at. */
function more() {
  if (process.env.VITALS_PICTURES !== 'all') return [];
  return ['ok', 'degraded', 'wedged', 'unreachable', 'late', 'draining', 'starting', 'maintenance'].flatMap(
    (state) => [
      {
        name: `${state}-whole-light`,
        state,
        colorScheme: 'light',
        viewport: { width: 1180, height: 860 },
        isFull: true,
      },
      {
        name: `${state}-whole-dark-phone`,
        state,
        colorScheme: 'dark',
        viewport: { width: 360, height: 740 },
        isFull: true,
      },
    ],
  );
}
