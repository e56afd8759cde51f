import { audit, type Facts } from '../../lib/indicators/audit.js';
import type { PoolFacts } from '../../lib/sources/configuration.js';

const POOL: PoolFacts = {
  name: 'main',
  driver: 'pg',
  dialect: 'pg',
  minSetting: 'min',
  min: 0,
  keepAliveMs: 30_000,
  connectTimeoutMs: 5_000,
  callTimeoutMs: null,
  evictsLost: null,
  hearsErrors: true,
};
const WELL: Facts = {
  pools: [POOL],
  server: { keepAliveTimeoutMs: 65_000, headersTimeoutMs: 66_000 },
  process: { firstProcess: 'other' },
  loadBalancerIdleMs: 60_000,
};
const ofPool = (more: Partial<PoolFacts>): string[] => audit({ ...WELL, pools: [{ ...POOL, ...more }] });

describe('audit', () => {
  it('has nothing to say of what is set well, or cannot be known', () => {
    expect(audit(WELL)).toEqual([]);
    expect(audit({ ...WELL, server: null, pools: [] })).toEqual([]);
    expect(
      ofPool({
        min: null,
        keepAliveMs: 'unknown',
        connectTimeoutMs: null,
        evictsLost: null,
        hearsErrors: null,
      }),
    ).toEqual([]);
  });

  it.each<[Partial<PoolFacts>, RegExp]>([
    [{ driver: 'knex/oracledb', evictsLost: false }, /fails for ever; upgrade Knex to 3\.2\.0 or later$/],
    [{ min: 2 }, /min 2 keeps .*; set min: 0$/],
    [
      { keepAliveMs: null },
      /keepalive is off: .*; set keepAlive: true and keepAliveInitialDelayMillis: 30000$/,
    ],
    [
      { dialect: 'mysql2', keepAliveMs: 0 },
      /two hours: .*; set enableKeepAlive: true and keepAliveInitialDelay/,
    ],
    [{ dialect: 'mariadb', keepAliveMs: null }, /is off: .*; set keepAliveDelay: 30000$/],
    [{ dialect: 'oracledb', keepAliveMs: null }, /set \(EXPIRE_TIME=2\) in the connect string$/],
    [{ connectTimeoutMs: 0 }, /wait without end .*; set connectionTimeoutMillis: 5000$/],
    [
      { dialect: 'oracledb', connectTimeoutMs: 0 },
      /^pool "main": no connect timeout: a login .* holds its caller without end; set \(CONNECT_TIMEOUT=10\) in the connect string$/,
    ],
    [
      { driver: 'typeorm/oracledb', dialect: 'oracledb', callTimeoutMs: 0 },
      /callTimeout 0: a query .* holds its connection without end; set connection\.callTimeout = 60000$/,
    ],
    [
      { driver: 'knex/oracledb', dialect: 'oracledb', callTimeoutMs: 0 },
      /set connection\.callTimeout = 60000 in pool\.afterCreate$/,
    ],
    [{ minSetting: 'poolMin', min: 2 }, /poolMin 2 keeps .*; set poolMin: 0$/],
    [{ hearsErrors: false }, /ends the process; add pool\.on\('error', \.\.\.\)$/],
  ])('says of a pool with %j what comes of it, and what to set', (more, line) => {
    const lines = ofPool(more);
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(lines[0]).toMatch(/^pool "main": /);
  });

  it('asks no keepalive of a driver that sends it, or that it knows no setting for', () => {
    expect(ofPool({ driver: 'knex/mssql', dialect: 'mssql', keepAliveMs: null })).toEqual([]);
  });

  it.each([
    [
      5_000,
      60_000,
      /keepAliveTimeout 5000 ms is not above .* \(60000 ms\).*server\.keepAliveTimeout = 65000$/,
    ],
    [
      65_000,
      60_000,
      /headersTimeout 60000 ms is not above keepAliveTimeout .*server\.headersTimeout = 66000$/,
    ],
  ])(
    'says of a server with keepAliveTimeout %d and headersTimeout %d what to set',
    (keepAlive, headers, line) => {
      const server = { keepAliveTimeoutMs: keepAlive, headersTimeoutMs: headers };
      expect(audit({ ...WELL, server })).toEqual([expect.stringMatching(line)]);
    },
  );

  it('takes 0 for no limit at all', () => {
    expect(audit({ ...WELL, server: { keepAliveTimeoutMs: 0, headersTimeoutMs: 0 } })).toEqual([]);
  });

  it.each(['node', 'npm'] as const)('says what %s does as process 1', (firstProcess) => {
    expect(audit({ ...WELL, process: { firstProcess } })).toEqual([
      expect.stringMatching(new RegExp(`^${firstProcess} is process 1: .*init`)),
    ]);
  });
});
