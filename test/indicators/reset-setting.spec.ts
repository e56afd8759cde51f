import { createPool } from 'mysql2';
import type { Cause, CauseName } from '../../lib/indicators/reset-cause.js';
import { settingFor as settingOf, type SettingOwner } from '../../lib/indicators/reset-setting.js';

const cause = (name: CauseName, toMs: number | null = 350_000, fromMs = toMs): Cause => ({
  name,
  events: 10,
  share: 1,
  fromMs,
  toMs,
  known: null,
  by: null,
});

const settingFor = (of: Cause, driver: string | null, peer: string) =>
  settingOf(of, driver === null ? null : { driver }, peer);

describe('settingFor', () => {
  it.each([
    ['pg', 'set keepAlive: true and keepAliveInitialDelayMillis: 175000'],
    ['mysql2', 'set enableKeepAlive: true and keepAliveInitialDelay: 175000'],
    ['oracledb', 'set (EXPIRE_TIME=2) in the connect string'],
    ['mssql', 'set pool: { min: 0, idleTimeoutMillis: 175000 }'],
    [
      'knex/oracledb',
      'set pool: { min: 0, idleTimeoutMillis: 175000 }, or connection (EXPIRE_TIME=2) in the connect string',
    ],
  ])('lets %s send something before an idle drop at 350 s', (driver, setting) => {
    expect(settingFor(cause('idle-drop'), driver, 'db:1')).toBe(setting);
  });

  it('asks oracledb for no keepalive below the minute it can do', () => {
    expect(settingFor(cause('idle-drop', 60_000), 'oracledb', 'db:1')).toBe(
      'set poolTimeout: 30 and poolMin: 0',
    );
  });

  it.each([
    ['pg', 'set idleTimeoutMillis: 54000'],
    ['knex/mysql2', 'set pool: { min: 0, idleTimeoutMillis: 54000 }'],
    [null, 'close connections idle for 54000 ms'],
  ])('lets %s close its connections before an idle timeout of 60 s does', (driver, setting) => {
    expect(settingFor(cause('idle-timeout', 60_000), driver, 'db:1')).toBe(setting);
  });

  describe('for mysql2', () => {
    /** Which of four free connections, idle from now on, the real pool has closed after so long. */
    const closedAfter = async (ms: number, settings: object): Promise<number> => {
      jest.useFakeTimers();
      const pool = createPool({ host: '127.0.0.1', port: 1, connectionLimit: 5, ...settings }) as unknown as {
        _freeConnections: { push(one: object): void; shift(): object };
        end(): void;
      };
      let closed = 0;
      const destroy = (): void => {
        closed += 1;
        pool._freeConnections.shift();
      };
      for (let i = 0; i < 4; i++)
        pool._freeConnections.push({ lastActiveTime: Date.now(), destroy, end: destroy });
      await jest.advanceTimersByTimeAsync(ms);
      jest.clearAllTimers();
      jest.useRealTimers();
      return closed;
    };

    it('names what makes its pool close idle connections, and them only', async () => {
      expect(settingFor(cause('idle-timeout', 60_000), 'mysql2', 'db:1')).toBe(
        'set idleTimeout: 54000 and maxIdle: connectionLimit - 1',
      );
      const named = { idleTimeout: 54_000, maxIdle: 5 - 1 };
      await expect(closedAfter(53_000, named)).resolves.toBe(0);
      await expect(closedAfter(56_000, named)).resolves.toBe(4);
      // Either half alone does something else.
      await expect(closedAfter(200_000, { idleTimeout: 54_000 })).resolves.toBe(0);
      await expect(closedAfter(2_000, { idleTimeout: 54_000, maxIdle: 0 })).resolves.toBe(4);
    });
  });

  it('goes by the port where no pool is known, and by the pool where the port says something else', () => {
    expect(settingFor(cause('max-lifetime', 10_000), null, 'db:5432')).toBe('set maxLifetimeSeconds: 9');
    expect(settingFor(cause('max-lifetime', 10_000), 'oracledb', 'db:5432')).toBe(
      'set maxLifetimeSession: 9',
    );
    expect(settingFor(cause('idle-drop'), null, 'device:9')).toBe('set socket.setKeepAlive(true, 175000)');
  });

  it('never names a time longer than the limit', () => {
    for (const driver of ['pg', 'mysql2', 'mariadb', 'mssql', 'redis', 'mongodb', 'knex/pg', null]) {
      for (const name of ['idle-drop', 'idle-timeout', 'read-timeout', 'max-lifetime'] as const) {
        const times = settingFor(cause(name, 20_000, 19_000), driver, 'db:1').match(/\d{4,}/g) ?? [];
        expect(times.every((ms) => Number(ms) < 20_000)).toBe(true);
      }
    }
  });

  it('has nothing to set where no cause is named', () => {
    expect(settingFor(cause('no-pattern', null), 'pg', 'db:5432')).toBe('');
    expect(settingFor(cause('not-enough-data', null), 'pg', 'db:5432')).toBe('');
  });

  describe('where the pool keeps connections that its driver lost', () => {
    const lost = { driver: 'knex/oracledb', evictsLost: false };
    const upgrade = 'upgrade Knex to 3.2.0 or later: the pool hands a lost connection out for ever';

    it.each<[CauseName, number | null, string]>([
      ['restart', null, upgrade],
      ['no-pattern', null, upgrade],
      ['max-lifetime', 2_500, `${upgrade}; then set pool: { maxConnectionLifetimeMillis: 2250 } (Knex 3.2)`],
    ])('asks for another Knex first, whatever the cause: %s', (name, toMs, setting) => {
      expect(settingOf(cause(name, toMs), lost, 'db:1521')).toBe(setting);
    });

    it.each<SettingOwner['evictsLost']>([true, null, undefined])(
      'and for none where evictsLost is %s',
      (evictsLost) => {
        expect(settingOf(cause('restart', null), { ...lost, evictsLost }, 'db:1521')).toBe(
          'nothing to set: the pool recovers within one use of each connection',
        );
      },
    );
  });
});
