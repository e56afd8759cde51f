/** What the page looks like in every state: to people, to a screen reader, on a phone, without a script. */
import assert from 'node:assert/strict';
import { faults, opened, until } from './browser.mjs';
import { Service } from './service.mjs';

const VERDICTS = {
  ok: ['OK', 'All is well; there is nothing to do.'],
  degraded: ['Degraded', 'Connections are being reset; a restart would not help.'],
  wedged: ['Down', 'Pool oracle is wedged; a restart cures it.'],
  unreachable: ['Down', 'The database behind oracle is unreachable; a restart would not help.'],
  late: ['Down', 'The event loop is blocked; a restart cures it.'],
  draining: ['Draining', 'The service is draining; it finishes what it has and leaves.'],
  starting: ['Starting', 'The service is starting; traffic comes after the first readings.'],
  maintenance: ['Maintenance', 'The service is in maintenance; somebody switched it on.'],
};
const DESKTOP = { width: 1180, height: 860 };
const PHONE = { width: 320, height: 640 };

export async function testStates(browser, tally, { axe }) {
  for (const state of Object.keys(VERDICTS)) {
    if (!tally.wants(state)) continue;
    const service = await Service.start({ state });
    for (const colorScheme of ['light', 'dark']) {
      for (const viewport of [DESKTOP, PHONE]) {
        const name = `${state}, ${colorScheme}, ${viewport.width} px`;
        await tally.claim(`${name} | nothing is wrong with it`, () =>
          isSound(browser, { service, state, axe, look: { colorScheme, viewport } }),
        );
      }
    }
    await tally.claim(`${state} | is told without a script as well`, () =>
      isToldBare(browser, service, state),
    );
    await service.stop();
  }
  await testDetails(browser, tally);
}

/** One look, many claims: a page costs a second. */
async function isSound(browser, { service, state, axe, look }) {
  const { page, troubles, requests, close } = await opened(browser, service.url, look);
  await page.waitForSelector('#live:text("Live")');
  const [word, sentence] = VERDICTS[state];
  assert.deepEqual(
    [await page.textContent('.word'), await page.textContent('h1')],
    [word, sentence],
    'the verdict as one sentence with its remedy',
  );
  assert.equal(await page.title(), `${word} · 127.0.0.1:${service.port}`);
  const icon = decodeURIComponent(await page.getAttribute('#icon', 'href'));
  const [, back, front] = /^data:image\/svg.*fill="#(\w+)".*fill="#(\w+)"/.exec(icon);
  assert.ok(contrast(back, front) >= 4.5, `the sign in the icon is seen: ${back} and ${front}`);
  const { scroll, width } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    width: innerWidth,
  }));
  assert.ok(scroll <= width, `no horizontal scroll: ${scroll} of ${width} px`);
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  await page.waitForFunction(() =>
    [...document.querySelectorAll('table')].every((one) => one.rows.length === 13),
  );
  assert.deepEqual(await faults(page, axe), [], 'axe finds nothing');
  assert.deepEqual(troubles, [], 'no error and no violation of the policy');
  const foreign = requests.filter((url) => !url.startsWith(service.url) && !url.startsWith('data:'));
  assert.deepEqual(foreign, [], 'no request but to its own URL');
  await close();
}

/** WCAG 2.2's, of two colors as six digits. */
function contrast(...colors) {
  const [light, dark] = colors
    .map((color) => {
      const parts = [0, 2, 4].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
      const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    })
    .toSorted((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

async function isToldBare(browser, service, state) {
  const { page, troubles, close } = await opened(browser, service.url, { javaScriptEnabled: false });
  const [word, sentence] = VERDICTS[state];
  assert.deepEqual([await page.textContent('.word'), await page.textContent('h1')], [word, sentence]);
  assert.match(await page.textContent('#live'), /^As of \d\d:\d\d:\d\d UTC$/);
  assert.equal(await page.isVisible('#charts'), false);
  assert.equal(await page.isVisible('#pause'), false);
  assert.ok((await page.locator('.card, .lines li').count()) > 0);
  assert.deepEqual(troubles, []);
  await close();
}

async function testDetails(browser, tally) {
  const claim = async (title, given, prove) =>
    tally.claim(title, async () => {
      const service = await Service.start(given);
      const opening = await opened(browser, service.url, given.look);
      await opening.page.waitForSelector('#live:text("Live")');
      await prove({ service, ...opening });
      await opening.close();
      await service.stop();
    });
  await claim('a chart says in words what it draws, and in figures', { state: 'wedged' }, chartsAreTold);
  await claim('resets are stacked by peer, each with its share', { state: 'degraded' }, resetsAreStacked);
  await claim(
    'more peers than there are looks are summed, and no two looks are alike without colors either',
    { state: 'crowd', hasPast: false },
    looksDiffer,
  );
  await claim('a peer that resets nothing any more is at 0', { state: 'ok' }, resetsAreOver);
  await claim('the threshold that is far off is told, and drawn when it is near', {}, limitsAreDrawn);
  await claim(
    'causes have their settings, and incidents their times',
    { state: 'degraded', look: { timezoneId: 'Asia/Bangkok' } },
    causesAreTold,
  );
  await claim('nothing is said by color alone', { state: 'wedged' }, wordsBesideColors);
  await claim('all that can be used is reached by the Tab key', { state: 'ok' }, keyboardReaches);
  await claim(
    'nothing moves for those who ask for that',
    { look: { reducedMotion: 'reduce' } },
    nothingMoves,
  );
  await claim(
    'the public sees no host, no driver and no message',
    { state: 'degraded', details: 'codes' },
    hidesNames,
  );
  await claim('markup in a message is text', { state: hostile() }, hostileIsText);
}

async function chartsAreTold({ page }) {
  const titles = await page.locator('figcaption b').allTextContents();
  assert.deepEqual(titles, [
    'Pool oracle',
    'Event loop delay',
    'Event loop utilization',
    'Pool mssql',
    'Resets per minute',
  ]);
  const pool = page.locator('figure', { has: page.getByText('Pool oracle', { exact: true }) });
  const [used, waiting, max] = await pool.locator('.key li').allTextContents();
  assert.match(used, /^used 10$/);
  assert.match(waiting, /^waiting 7$/);
  assert.equal(max, 'max 10');
  assert.match(await pool.locator('[role=img] .s0:not(.under)').getAttribute('d'), /^M0,[\d.]+H1/);
  await pool.locator('summary').click();
  // A browser tells a page a turn later that something was opened.
  const latest = await pool.locator('tr:nth-child(2)').textContent();
  assert.match(latest, /\d\d:\d\d.*107$/);
  await pool.locator('.plot').first().hover();
  assert.match(await pool.locator('.then').textContent(), /\d\d:\d\d.*: used \d, waiting \d$/);
}

async function resetsAreStacked({ page }) {
  const resets = page.locator('figure', { hasText: 'Resets per minute' });
  const labels = await resets.locator('.key b').allTextContents();
  assert.deepEqual(labels, ['pool oracle', 'pool mssql', 'clients']);
  const tops = await resets
    .locator('path.stack')
    .evaluateAll((paths) =>
      paths.filter((path) => path.closest('[role=img]')).map((path) => Math.round(path.getBBox().y)),
    );
  assert.equal(tops.length, 3);
  assert.ok(tops[0] > tops[1] || tops[1] > tops[2], `each stands on the one before: ${tops}`);
}

async function looksDiffer({ page }) {
  const resets = page.locator('figure', { hasText: 'Resets per minute' });
  const legend = await resets.locator('.key li').allTextContents();
  assert.deepEqual(legend, [
    'api-8.example:443 10',
    'pool oracle 9',
    'api-7.example:443 8',
    'api-6.example:443 7',
    'others 21',
    'clients 2',
  ]);
  for (const forcedColors of ['none', 'active']) {
    await page.emulateMedia({ forcedColors });
    const fills = await resets
      .locator('[role=img] .stack')
      .evaluateAll((areas) => areas.map((one) => getComputedStyle(one).fill));
    const patterns = await page.evaluate(
      (urls) => urls.map((url) => document.querySelector(/#\w+/.exec(url)[0]).innerHTML),
      fills,
    );
    assert.equal(new Set(patterns).size, 6, `six areas, six patterns: ${patterns}`);
    const swatches = await resets
      .locator('.key .stack')
      .evaluateAll((areas) => areas.map((one) => getComputedStyle(one).fill));
    assert.deepEqual(swatches, fills, 'and the legend has the same');
  }
}

async function resetsAreOver({ page }) {
  const resets = page.locator('figure', { hasText: 'Resets per minute' });
  const legend = await resets.locator('.key li').allTextContents();
  assert.match(legend[0], /^pool oracle 0, highest \d+ at \d\d:\d\d$/);
  assert.match(legend[1], /^pool mssql 0, highest 5 at \d\d:\d\d$/);
}

async function limitsAreDrawn({ service, page }) {
  const delay = page.locator('figure', { hasText: 'Event loop delay' });
  const lines = () => delay.locator('.plot[role=img] line').count();
  const legend = async () => (await delay.locator('.key li').allTextContents()).slice(2);
  assert.deepEqual(await legend(), ['p99 threshold 200 ms', 'max threshold 1 s, above this scale']);
  assert.equal(await lines(), 1);
  service.show('late');
  await until(lines, (count) => count === 2);
  assert.deepEqual(await legend(), ['p99 threshold 200 ms', 'max threshold 1 s']);
}

async function causesAreTold({ page }) {
  const text = await page.textContent('#more');
  assert.match(text, /db-oracle\.internal:1521 pool oracle, knex\/oracledb/);
  assert.match(
    text,
    /Cause: a device between drops idle connections, 34\d to 35\d s \(AWS NLB and NAT gateway, 350 s\)/,
  );
  assert.match(text, /Set pool: \{ min: 0, idleTimeoutMillis: \d+ \}/);
  assert.match(text, /set pool\.min: 0/);
  const happened = await page.locator('.timeline h3').allTextContents();
  assert.deepEqual(happened, [
    'Degraded: Connections are being reset',
    'Degraded: Connections are being reset',
    'Down: The event loop is blocked',
    'This process started',
    'The recovery ended a process',
    'Down: Pool oracle is wedged',
    'A process was stopped',
  ]);
  for (const one of await page.locator('time').allTextContents())
    assert.match(one, /\d\d:\d\d:\d\d GMT\+7$/, 'in the own time of who looks, which it names');
}

async function wordsBesideColors({ page }) {
  for (const pill of await page.locator('.pill').allTextContents())
    assert.match(pill, /^[✓!✕]\s(Up|Degraded|Down)/);
  const dashes = await page
    .locator('figure', { hasText: 'Pool oracle' })
    .locator('.plot[role=img] > :not(.under)')
    .evaluateAll((lines) => lines.map((one) => getComputedStyle(one).strokeDasharray));
  assert.equal(new Set(dashes).size, 3, `three lines, three patterns: ${dashes}`);
}

async function keyboardReaches({ page }) {
  const wanted = ['Pause', ...Array(await page.locator('summary').count()).fill('In figures')];
  const reached = [];
  for (const _ of wanted) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.textContent));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', 'the focus is seen');
  }
  assert.deepEqual(reached, wanted);
  await page.keyboard.press('Enter');
  await page.waitForSelector('details[open] td');
}

async function nothingMoves({ page }) {
  const moving = await page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter((one) => {
        const { transitionDuration, animationName } = getComputedStyle(one);
        return transitionDuration !== '0s' || animationName !== 'none';
      }).length,
  );
  assert.equal(moving, 0);
}

async function hidesNames({ service, page }) {
  const update = await (await fetch(`${service.url}?page=`)).text();
  for (const text of [await page.content(), update])
    for (const secret of [
      'internal',
      'knex',
      'oracledb',
      'AWS',
      'idleTimeoutMillis',
      '502',
      'late at p99 over',
    ])
      assert.equal(text.includes(secret), false, `${secret} is in it`);
  assert.match(await page.textContent('#more'), /409 since the start\. Whose they are/);
}

function hostile() {
  const message =
    'check "search": failed (</script><script>document.title="hacked"</script><img src=x onerror=hack>) after 2 ms';
  const seen = {
    status: 'down',
    code: 'CHECK_FAILED',
    remedy: 'none',
    message,
    data: { driver: "\"><b class='x'>" },
  };
  return { parts: [{ name: 'search', seen }] };
}

async function hostileIsText({ page, troubles }) {
  assert.match(
    await page.textContent('.why'),
    /<\/script><script>document\.title="hacked"<\/script><img src=x onerror=hack>/,
  );
  assert.equal(await page.locator('img, b.x, .why *').count(), 0);
  await until(
    () => page.title(),
    (title) => title.startsWith('Down'),
  );
  assert.deepEqual(troubles, []);
}
