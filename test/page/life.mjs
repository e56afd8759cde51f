/** What the page does while somebody looks at it, and when nobody does. */
import assert from 'node:assert/strict';
import { faults, opened, until } from './browser.mjs';
import { Hung } from './hung.mjs';
import { Service } from './service.mjs';

const WELL = 'All is well; there is nothing to do.';
const SCHEMES = ['light', 'dark'];
const WEDGED = 'Pool oracle is wedged; a restart cures it.';

export async function testLife(browser, tally, { axe }) {
  const claim = (title, prove, given = {}) =>
    tally.claim(title, async () => {
      const service = await Service.start(given);
      const { page, troubles, requests, close } = await opened(browser, service.url, {}, given.prepare);
      try {
        await isLive(page);
        await prove({ service, page, troubles, requests, axe });
      } finally {
        await close();
        await service.stop().catch(() => {});
      }
    });
  const withClock = { prepare: (page) => page.clock.install() };
  await claim('what changes is shown without a reload', changesInPlace);
  await claim('an update leaves the focus and what is unfolded alone', keepsItsPlace);
  await claim('it asks only for what it has not got yet', asksForTheRest);
  await claim(
    'it asks nothing while the tab is hidden, and at once when it is shown',
    restsWhenHidden,
    withClock,
  );
  await claim('it asks nothing while it is paused', restsWhenPaused, withClock);
  await claim(
    'a service that takes the request and says nothing is told by the time of its last answer',
    tellsSilence,
    withClock,
  );
  await claim('a service that is gone is told, and so is that it is back as another process', tellsAbsence);
  await claim('answers of two processes in turn are told apart', tellsProcesses);
  await claim('what is no answer of ours is no answer', refusesOthers);
  await claim('the query of its own address is part of what it asks', keepsItsQuery);
  await tally.claim(
    'a service that hangs is told by its watchdog, with the code and the place, and so is that it goes on',
    () => tellsTheWatchdogs(browser, axe),
  );
}

const isLive = (page) => page.waitForSelector('#live:text("Live")');
const heading = (page, wanted) =>
  until(
    () => page.textContent('h1'),
    (text) => text === wanted,
  );
const says = (page, fits) =>
  until(
    () => page.textContent('#live'),
    (text) => fits.test(text),
  );
const markedAs = (page) => page.evaluate(() => globalThis.mark);

async function changesInPlace({ service, page, troubles }) {
  await page.evaluate(() => (globalThis.mark = 'same document'));
  const icon = await page.getAttribute('#icon', 'href');
  service.show('wedged');
  await heading(page, WEDGED);
  assert.match(await page.title(), /^Down/);
  assert.notEqual(await page.getAttribute('#icon', 'href'), icon);
  const pool = page.locator('#plots figure', { has: page.getByText('Pool oracle', { exact: true }) });
  assert.match(await pool.locator('.key').textContent(), /used 10.*waiting 7/);
  const first = page.locator('figcaption b').first();
  assert.equal(await first.textContent(), 'Pool oracle', 'what is wrong comes first');
  service.show('ok');
  await heading(page, WELL);
  assert.equal(await first.textContent(), 'Event loop delay');
  assert.equal(await markedAs(page), 'same document');
  assert.deepEqual(troubles, []);
}

async function keepsItsPlace({ service, page }) {
  const summary = page.locator('#plots summary').nth(1);
  await summary.focus();
  await summary.press('Enter');
  await page.evaluate(
    () => (document.querySelector('.lines').mark = document.querySelector('.lines h3').mark = 1),
  );
  service.show('late');
  await heading(page, 'The event loop is blocked; a restart cures it.');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'In figures');
  assert.equal(
    await page
      .locator('#plots details')
      .nth(1)
      .evaluate((one) => one.open),
    true,
  );
  assert.equal(
    await page.evaluate(() => document.querySelector('.lines h3').mark),
    1,
    'what stays is not replaced',
  );
}

async function asksForTheRest({ service, page }) {
  await until(
    () => polls(service).length,
    (count) => count >= 3,
  );
  const [first, ...later] = polls(service).map(({ url }) =>
    new URL(url, 'http://a').searchParams.get('page'),
  );
  assert.equal(first, '');
  for (const one of later) assert.match(one, /^[0-9a-f]{12}-7\d\d$/);
  assert.ok(
    service.asked.every(({ isOurs }) => isOurs),
    'below the prefix that the proxy strips',
  );
  assert.ok(polls(service).every(({ accept }) => accept === 'application/json'));
  const steps = await page.locator('#plots .s0').nth(1).getAttribute('d');
  assert.ok(steps.split('H').length > 300, 'and the hour is still whole');
}

async function restsWhenHidden({ service, page }) {
  await setHidden(page, true);
  await page.clock.runFor(1_000);
  const before = polls(service).length;
  await page.clock.runFor(120_000);
  assert.equal(polls(service).length, before);
  service.show('wedged');
  await setHidden(page, false);
  await heading(page, WEDGED);
}

async function restsWhenPaused({ service, page }) {
  await page.click('#pause');
  assert.match(await page.textContent('#live'), /^Paused at \d\d:\d\d:\d\d \S+$/);
  const before = polls(service).length;
  await page.clock.runFor(120_000);
  assert.equal(polls(service).length, before);
  assert.match(await page.textContent('#live'), /^Paused/);
  await page.click('#pause:text("Resume")');
  await isLive(page);
  assert.ok(polls(service).length > before);
}

async function tellsSilence({ service, page }) {
  const answeredAt = await page.evaluate(() => Date.now());
  service.mode = 'silent';
  await until(
    async () => {
      await page.clock.runFor(1_000);
      return page.textContent('#live');
    },
    (text) => /^No answer since \d\d:\d\d:\d\d \S+$/.test(text),
  );
  const waitedMs = (await page.evaluate(() => Date.now())) - answeredAt;
  assert.ok(waitedMs >= 6_000, `not before it has waited for 6 s: ${waitedMs}`);
  assert.match(await page.textContent('h1'), /^No answer for [67] s; the service hangs or is gone\.$/);
  assert.match(await page.title(), /^No answer/);
  assert.match(decodeURIComponent(await page.getAttribute('#icon', 'href')), />\?</);
  const text = await page.textContent('.verdict');
  assert.match(text, /Last known at \d\d:\d\d:\d\d \S+: OK\. All is well; there is nothing to do\./);
  assert.match(
    text,
    /the probe's last line: docker inspect --format '\{\{json \.State\.Health\}\}' CONTAINER/,
  );
  assert.equal(await page.evaluate(() => document.body.className), 'lost');
  service.mode = 'answers';
  service.show('late');
  await until(
    async () => {
      await page.clock.runFor(1_000);
      return page.textContent('#live');
    },
    (text) => text === 'Live',
  );
  assert.equal(await page.textContent('h1'), 'The event loop is blocked; a restart cures it.');
  assert.equal(await page.evaluate(() => document.body.className), '');
}

async function tellsAbsence({ service, page, axe }) {
  const isSound = async () => {
    for (const colorScheme of SCHEMES) assert.deepEqual(await faults(page, axe, { colorScheme }), []);
  };
  await page.click('#pause:text("Pause")');
  await isSound();
  await page.click('#pause:text("Resume")');
  await isLive(page);
  await page.evaluate(() => (globalThis.mark = 'same document'));
  await service.stop();
  await says(page, /^No answer since \d\d:\d\d:\d\d \S+$/);
  assert.equal(await page.textContent('h1'), WELL, 'a restart takes a moment: it is no verdict yet');
  await until(
    () => page.textContent('h1'),
    (text) => /^No answer for \d+ s; /.test(text),
  );
  await isSound();
  const next = await Service.start({ port: service.port, hasPast: false });
  await says(page, /^Live$/);
  assert.equal(await page.textContent('h1'), WELL);
  await next.stop();
  assert.equal(await markedAs(page), 'same document');
  const steps = await page.locator('#plots .s0:not(.under)').first().getAttribute('d');
  assert.ok(steps.split('H').length < 5, `the hour of another process is not its own: ${steps}`);
}

async function tellsTheWatchdogs(browser, axe) {
  const eventLoop = { maxDelayMs: 400, restartAfterMs: 4_000, windowMs: 1_000 };
  const hung = await Hung.start({ eventLoop }, { PAUSE_MS: '14000' });
  const { page, close } = await opened(browser, hung.url);
  try {
    await isLive(page);
    hung.tell('pause');
    await heading(page, 'The event loop is blocked; no restart is due yet.');
    await heading(page, 'The event loop is blocked; a restart cures it.');
    assert.equal(await page.textContent('.word'), 'Down');
    assert.match(await page.title(), /^Down/);
    assert.match(
      await page.textContent('.why'),
      /^LOOP_BLOCKED blocked for \d\.\d s in pauseForTours \(test\/watchdog\/hang-app\.cjs:\d+\)$/,
    );
    await says(page, /^Answered by the watchdog; the rest is as of \d\d:\d\d:\d\d \S+$/);
    for (const colorScheme of SCHEMES) assert.deepEqual(await faults(page, axe, { colorScheme }), []);
    await says(page, /^Live$/);
    await heading(page, WELL);
  } finally {
    await close();
    await hung.stop();
  }
}

async function tellsProcesses({ service, page }) {
  const { pages } = service;
  const other = await Service.start({ hasPast: false });
  await other.stop();
  const turn = async (one) => {
    service.endpoint.pages = one;
    const before = polls(service).length;
    await until(
      () => polls(service).length,
      (count) => count > before + 1,
    );
  };
  await turn(other.pages);
  await turn(pages);
  await says(page, /^Live: answers come from 2 processes in turn$/);
}

async function refusesOthers({ service, page }) {
  for (const mode of ['login', 'foreign']) {
    service.mode = mode;
    await says(page, /^No answer since/);
    service.mode = 'answers';
    await says(page, /^Live$/);
  }
}

async function keepsItsQuery({ service, page }) {
  service.show('wedged');
  await heading(page, WEDGED);
  await page.goto(`${service.url}?exclude=oracle&page=x`);
  await isLive(page);
  assert.equal(await page.textContent('h1'), WELL);
  assert.ok(polls(service).at(-1).url.includes('exclude=oracle'));
  assert.equal((await page.locator('figcaption b').allTextContents()).includes('Pool oracle'), false);
}

function polls({ asked }) {
  return asked.filter(({ accept }) => accept === 'application/json');
}

/** Headless Chromium shows every tab: what a tab says of itself is what the page goes by. */
async function setHidden(page, isHidden) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
}
