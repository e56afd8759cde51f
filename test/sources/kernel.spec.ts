/** What is read out of the kernel's tables. That they say it, in a real network, is in `test/coverage/kernel.mjs`. */
import { establishedResets, KernelSource, stalledRows } from '../../lib/sources/kernel.js';
import { newLedger } from '../../lib/sources/reset-ledger.js';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, remote: string, state: string, timer: string, retransmits: string): string =>
  `   3: ${local} ${remote} ${state} 00000005:00000000 ${timer}:00000A5C ${retransmits}     0        0 61 1 0000 100 4\n`;
const OURS = '0200D50A:8A4C';
const THEIRS = '0100D50A:05F1';

describe('establishedResets', () => {
  it('finds the figure by its name, wherever the kernel has put it', () => {
    expect(
      establishedResets('Ip: A\nIp: 1\nTcp: RtoMin EstabResets CurrEstab\nTcp: 200 17 4\nUdp: X\n'),
    ).toBe(17);
    expect(establishedResets('Tcp: EstabResets RtoMin\nTcp: 18 200\n')).toBe(18);
  });

  it.each(['', 'Tcp: RtoMin\nTcp: 200\n', 'Tcp: RtoMin EstabResets\n'])('knows nothing from %j', (text) => {
    expect(establishedResets(text)).toBeNull();
  });
});

describe('stalledRows', () => {
  it('reads ports and retransmits of established connections that wait for an acknowledgment', () => {
    expect(stalledRows(HEAD + row(OURS, THEIRS, '01', '01', '0000000C'))).toEqual([
      { localPort: 0x8a4c, remotePort: 1521, retransmits: 12 },
    ]);
  });

  it('reads IPv6 rows', () => {
    const long = '0000000000000000FFFF00000100007F';
    expect(stalledRows(row(`${long}:0050`, `${long}:1F90`, '01', '01', '00000001'))).toEqual([
      { localPort: 80, remotePort: 8080, retransmits: 1 },
    ]);
  });

  it.each([
    ['nothing was sent again', '01', '01', '00000000'],
    ['the timer is that of a keepalive', '01', '02', '00000003'],
    ['the connection is not established yet', '02', '01', '00000003'],
    ['it is closed on one side', '08', '01', '00000003'],
  ])('leaves a row out when %s', (_why, state, timer, retransmits) => {
    expect(stalledRows(row(OURS, THEIRS, state, timer, retransmits))).toEqual([]);
  });
});

describe('KernelSource', () => {
  it('looks when a look is due, never twice at once, and answers with the last one meanwhile', async () => {
    const source = new KernelSource(newLedger(), { everyMs: 1_000 });
    expect(source.sample(0)).toBeNull();
    expect(source.sample(5_000)).toBeNull();
    const first = await firstOf(() => source.sample(10));
    expect(first).toEqual({ resets: 0, outsideNode: 0, stalled: [] });
    expect(source.sample(999)).toBe(first);
    expect(source.sample(1_000)).toBe(first);
    await firstOf(() => (source.sample(1_001) === first ? null : true));
  });

  it('keeps a look that fails to itself, and looks again', async () => {
    let isBroken = true;
    const { origins, ...ledger } = newLedger();
    const broken = Object.defineProperty({ origins, ...ledger }, 'resets', {
      get: () => {
        if (isBroken) throw new Error('broken');
        return 0;
      },
    });
    // Jest fails on a rejection that nobody handles.
    const source = new KernelSource(broken as ReturnType<typeof newLedger>, { everyMs: 1 });
    source.sample(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    isBroken = false;
    let now = 10;
    await firstOf(() => source.sample((now += 10)));
  });
});

async function firstOf<T>(ask: () => T | null): Promise<T> {
  for (const until = performance.now() + 10_000; performance.now() < until;) {
    const answer = ask();
    if (answer !== null) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('nothing in 10 s');
}
