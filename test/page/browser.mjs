/** Opens a page and notes what a person would not see: errors, violations of the policy, requests. */

/** `troubles`: what the console and the policy complain of; `requests`: every URL that was asked for. */
export async function opened(browser, url, look = {}, prepare = () => {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...look });
  const page = await context.newPage();
  const troubles = [];
  const requests = [];
  page.on('console', (line) => {
    // That a document came with 503 is no fault of the document.
    if (line.type() === 'error' && !isOwnStatus(line, url)) troubles.push(line.text());
  });
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await prepare(page);
  await page.goto(url);
  return { page, context, troubles, requests, close: () => context.close() };
}

/** What axe finds wrong with the page as it is now: no transition is under way. `media`: as Playwright has it. */
export async function faults(page, axe, media = {}) {
  await page.emulateMedia({ reducedMotion: 'reduce', ...media });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ['violations'] }),
  );
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}

function isOwnStatus(line, url) {
  return line.location().url === url && /status of 503/.test(line.text());
}

/** Asks until the answer fits; fails with the last answer. */
export async function until(ask, fits, limitMs = 15_000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`not in ${limitMs} ms; last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
