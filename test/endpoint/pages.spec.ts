import { Answers } from '../../lib/endpoint/answers.js';
import { Pages, type PageSources } from '../../lib/endpoint/pages.js';
import { questionOf } from '../../lib/endpoint/question.js';
import { SLOT_MS } from '../../lib/sources/history.js';
import { down, finding, snapshotOf } from '../verdict/make.js';

const POOL = { driver: 'pg', max: 10, used: 4, waiting: 1, stillMs: null };
const LOOP = { p99DelayMs: 3, maxDelayMs: 9, utilizationRatio: 0.5 };
const PEER = { direction: 'outbound', peer: 'secret.example:443', pool: null, inWindow: 6 };
const RESETS = {
  windowMs: 30_000,
  outboundInWindow: 20,
  inboundInWindow: 1,
  origins: [PEER, { ...PEER, peer: 'db:1', pool: 'main' }, { ...PEER, direction: 'inbound' }],
};
const well = snapshotOf([
  { name: 'eventLoop', seen: finding({ data: LOOP }) },
  { name: 'resets', seen: finding({ data: RESETS }) },
  { name: 'main', seen: finding({ data: POOL }) },
  { name: 'check', seen: finding({ data: { max: 5, used: 1 } }) },
]);
const sick = snapshotOf([{ seen: down({ message: 'check "db": failed at secret.example' }) }]);

function make(sources: Partial<PageSources> = {}) {
  const clock = { now: 50 * SLOT_MS };
  return { clock, pages: new Pages(new Answers(null, 1_000), sources, () => clock.now) };
}
const document = questionOf('health', '/h', 'text/html');
const update = (from = '') => questionOf('health', `/h?page=${from}`, undefined);

interface Parts {
  readonly run: string;
  readonly first: number;
  readonly undrawn: string;
  readonly charts: {
    title: string;
    limits: { value: number; label: string }[];
    series: { id: number; label: string }[];
  }[];
  readonly values: Record<string, number[]>;
}

async function partsOf(pages: Pages, from = '', details: 'full' | 'codes' = 'full'): Promise<Parts> {
  const { body } = await pages.answer(well, update(from), details);
  return (JSON.parse(body.toString()) as { page: Parts }).page;
}

describe('Pages', () => {
  it('answers the document with the status and the headers of the JSON', async () => {
    const { pages } = make();
    const { status, headers, body, flatHeaders } = await pages.answer(sick, document, 'codes');
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': String(body.length),
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      'X-Health-Status': 'error; db=CHECK_FAILED',
      'Retry-After': '1',
      Vary: 'Accept',
    });
    expect(flatHeaders).toEqual(Object.entries(headers).flat());
  });

  it('makes a new nonce for each answer', async () => {
    const { pages } = make();
    const nonces = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { headers, body } = await pages.answer(well, document, 'codes');
      const [, nonce] = /script-src 'nonce-([^']{24})'/.exec(headers['Content-Security-Policy']!)!;
      expect(body.toString().split(nonce!)).toHaveLength(3);
      nonces.add(nonce!);
    }
    expect(nonces.size).toBe(50);
  });

  it('answers what the page asks for with 200 and the whole JSON, whatever the verdict', async () => {
    const { pages } = make();
    const { status, headers, body } = await pages.answer(sick, update(), 'codes');
    expect([status, headers['Retry-After'], headers['Content-Type']]).toEqual([
      200,
      undefined,
      'application/json; charset=utf-8',
    ]);
    const { page, ...told } = JSON.parse(body.toString());
    const plain = new Answers(null, 1_000).choose(sick, questionOf('health', '/h', undefined), 'codes');
    expect(told).toEqual(JSON.parse(plain.body.toString()));
    expect(Object.keys(page).sort()).toEqual([
      'charts',
      'first',
      'more',
      'run',
      'slotMs',
      'slots',
      'top',
      'undrawn',
      'values',
    ]);
  });

  it('shows the public no message', async () => {
    const { pages } = make();
    for (const question of [document, update()]) {
      expect((await pages.answer(sick, question, 'full')).body.toString()).toContain('secret.example');
      expect((await pages.answer(sick, question, 'codes')).body.toString()).not.toContain('secret.example');
    }
  });

  it('draws the event loop, each pool and the resets a minute by pool or peer', async () => {
    const { pages } = make();
    pages.note(well);
    const { charts, values } = await partsOf(pages, 'x');
    const drawn = charts.map(({ title, series }) => [
      title,
      series.map(({ id, label }) => [label, values[id]!.at(-1)]),
    ]);
    expect(drawn).toEqual([
      [
        'Event loop delay',
        [
          ['p99', 3],
          ['max', 9],
        ],
      ],
      ['Event loop utilization', [['utilization', 0.5]]],
      [
        'Pool main',
        [
          ['used', 4],
          ['waiting', 1],
        ],
      ],
      [
        'Resets per minute',
        [
          ['secret.example:443', 12],
          ['pool main', 12],
          ['others', 16],
          ['clients', 2],
        ],
      ],
    ]);
  });

  it('draws a pool without a max as well, and one whose figures are not known not at all', async () => {
    const { pages } = make();
    const pools = snapshotOf([
      { name: 'free', seen: finding({ data: { ...POOL, max: null } }) },
      { name: 'mute', seen: finding({ data: { ...POOL, used: null, waiting: null } }) },
    ]);
    pages.note(pools);
    const { body } = await pages.answer(pools, update(), 'full');
    const { charts } = (JSON.parse(body.toString()) as { page: Parts }).page;
    expect(charts.map(({ title, limits }) => [title, limits])).toEqual([['Pool free', []]]);
    expect(JSON.parse(body.toString()).page.undrawn).toBe('');
  });

  it('draws the worst twelve pools, and says how many it leaves out', async () => {
    const { pages } = make();
    const named = Array.from({ length: 40 }, (_, i) => ({ name: `p${i}`, seen: finding({ data: POOL }) }));
    const many = snapshotOf(named.with(30, { name: 'ill', seen: down({ data: POOL }) }));
    pages.note(many);
    const { body } = await pages.answer(many, update(), 'full');
    const { charts, undrawn } = (JSON.parse(body.toString()) as { page: Parts }).page;
    expect(charts.map(({ title }) => title)).toEqual([
      'Pool ill',
      ...Array.from({ length: 11 }, (_, i) => `Pool p${i}`),
    ]);
    expect(undrawn).toBe(
      '28 pools not drawn: at most 12 are, the worst first, of the first 32 with figures.',
    );
  });

  it('draws both thresholds of the delay', async () => {
    const { pages } = make();
    const data = { ...LOOP, thresholdP99DelayMs: 200, thresholdMaxDelayMs: 1_000 };
    const seen = snapshotOf([{ name: 'eventLoop', seen: finding({ data }) }]);
    pages.note(seen);
    const { body } = await pages.answer(seen, update(), 'full');
    const { charts } = (JSON.parse(body.toString()) as { page: Parts }).page;
    expect(charts[0]!.limits).toEqual([
      { value: 200, label: 'p99 threshold' },
      { value: 1_000, label: 'max threshold' },
    ]);
  });

  it('names no peer to the public', async () => {
    const { pages } = make();
    pages.note(well);
    const { charts } = await partsOf(pages, '', 'codes');
    expect(charts.at(-1)!.series.map(({ label }) => label)).toEqual(
      expect.arrayContaining(['pool main', 'others', 'clients', expect.stringMatching(/^peer \d+$/)]),
    );
  });

  it('counts with the others what there is no room for', async () => {
    const { pages } = make();
    const origins = Array.from({ length: 30 }, (_, i) => ({ ...PEER, peer: `p${i}`, inWindow: 1 }));
    const data = { windowMs: 60_000, outboundInWindow: 30, inboundInWindow: 0, origins };
    pages.note(
      snapshotOf([
        { name: 'resets', seen: finding({ data: { ...data, origins: [], outboundInWindow: 0 } }) },
      ]),
    );
    pages.note(snapshotOf([{ name: 'resets', seen: finding({ data }) }]));
    const { body } = await pages.answer(snapshotOf([{ name: 'resets', seen: finding() }]), update(), 'full');
    const { charts, values } = (JSON.parse(body.toString()) as { page: Parts }).page;
    const sums = charts[0]!.series.map(({ id }) => values[id]!.at(-1) ?? 0);
    expect([sums.length, sums.reduce((a, b) => a + b)]).toEqual([12, 30]);
  });

  it('tells a page that has the hour already only what came since, and another process’ page everything', async () => {
    const { pages, clock } = make();
    for (let slot = 0; slot <= 50; slot++) pages.note(well, slot * SLOT_MS);
    const { run, first } = await partsOf(pages);
    expect(first).toBe(0);
    expect((await partsOf(pages, `${run}-50`)).first).toBe(50);
    clock.now += SLOT_MS;
    expect((await partsOf(pages, `${run}-50`)).values['1']).toEqual([3, null]);
    for (const from of ['', 'other-50', run, `${run}-`, `${run}-x`, `${run}--1`])
      expect((await partsOf(pages, from)).first).toBe(0);
  });

  it('reads the incidents no more often than every ten seconds', async () => {
    let reads = 0;
    const { pages, clock } = make({ incidents: () => (reads++, Promise.resolve([])) });
    for (let i = 0; i < 20; i++) await pages.answer(well, document, 'full');
    expect(reads).toBe(1);
    clock.now += 10_000;
    await pages.answer(well, document, 'full');
    expect(reads).toBe(2);
  });

  it('comes without the incidents when the disk hangs, says so, and asks it for nothing more meanwhile', async () => {
    let reads = 0;
    let answer: (value: []) => void = () => {};
    const { pages, clock } = make({
      incidents: () => (reads++, new Promise((resolve) => (answer = resolve))),
    });
    const texts: string[] = [];
    for (let i = 0; i < 5; i++) {
      texts.push((await pages.answer(well, document, 'full')).body.toString());
      clock.now += 10_000;
    }
    expect(reads).toBe(1);
    expect(texts[4]).toContain('The disk has not answered for 40 s: the latest incidents may be missing.');
    answer([]);
    const { body } = await pages.answer(well, document, 'full');
    expect(body.toString()).not.toContain('The disk has not answered');
  });
});
