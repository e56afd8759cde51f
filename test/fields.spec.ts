/**
 * Pools are found in the fields of the providers of a real Nest application; none of them is connected to anything.
 */
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import {
  Inject,
  Injectable,
  Logger,
  Module,
  Scope,
  type INestApplicationContext,
  type OnApplicationBootstrap,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { HttpAdapterHost, LazyModuleLoader, ModuleRef, ModulesContainer, NestFactory } from '@nestjs/core';
import knex, { type Knex } from 'knex';
import { createPool, type Pool as MysqlPool } from 'mysql2';
import { Pool } from 'pg';
import request from 'supertest';
import { bare, fieldsOf } from '../lib/discovery.js';
import { VitalsModule, VitalsService, type VitalsOptions } from '../lib/index.js';
import { lazyRedis } from './lazy-redis.js';
import { until } from './verdict/make.js';

const OWN = ['eventLoop', 'resets', 'swallowed', 'vitals'];
const applications: INestApplicationContext[] = [];
const pool = (): Pool => new Pool({ host: '127.0.0.1', port: 1 });
const knexOf = (client = 'pg'): Knex => knex({ client, connection: { host: '127.0.0.1', port: 1 } });

afterEach(async () => {
  for (const app of applications.splice(0)) await app.close();
});

async function start(providers: Provider[], options: VitalsOptions = {}): Promise<() => string[]> {
  @Module({ imports: [VitalsModule.forRoot(options)], providers })
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  applications.push(app);
  const vitals = app.get(VitalsService);
  return () => vitals.snapshot.details.map(({ name }) => name).filter((name) => !OWN.includes(name));
}

/** The names under which pools are reported by an application with these providers, once it has started. */
async function found(providers: Provider[], options: VitalsOptions = {}): Promise<string[]> {
  return (await start(providers, options))();
}

@Injectable()
class DatabaseService implements OnModuleInit {
  private connection!: Knex;
  onModuleInit(): void {
    this.connection = knexOf();
  }
  get db(): Knex {
    return this.connection;
  }
  replace(other: unknown): void {
    this.connection = other as Knex;
  }
}

it('names in /health the Knex instance that a service makes in onModuleInit and shows through a getter', async () => {
  @Module({ imports: [VitalsModule.forRoot()], providers: [DatabaseService] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  applications.push(app);
  await app.init();
  const { body } = await request(app.getHttpServer() as Server).get('/api/v1/health');
  expect(body).toMatchObject({ details: { 'DatabaseService.connection': { code: 'DB_UNREACHABLE' } } });
});

it('names a pool that a provider holds after the class and the field', async () => {
  class Orders {
    readonly pool = pool();
  }
  class Reports {
    readonly _pool = pool();
  }
  const providers = [Orders, { provide: 'REPORTS', useFactory: () => new Reports() }];
  expect(await found(providers)).toEqual(['Orders.pool', 'REPORTS._pool']);
});

it('names all pools of a service, a field of its base class included', async () => {
  class Base {
    protected readonly main = knexOf();
  }
  class Db extends Base {
    private readonly audit = knexOf('mysql2');
    get both() {
      return [this.main, this.audit];
    }
  }
  expect(await found([Db])).toEqual(['Db.main', 'Db.audit']);
});

it('finds a pool of mysql2 in a field called `pool` as it finds any other', async () => {
  class Orders {
    readonly pool: MysqlPool = createPool({ host: '127.0.0.1', port: 1 });
  }
  expect(await found([Orders])).toEqual(['Orders.pool']);
});

const dataSource = (master: Pool, slaves: Pool[] = []): object => ({
  isInitialized: true,
  createQueryRunner() {},
  driver: { master, slaves },
});

it('finds the pools of a data source that a provider holds, its replicas by their role', async () => {
  class Db {
    readonly source = dataSource(pool(), [pool()]);
  }
  expect(await found([Db])).toEqual(['Db.source', 'Db.source-replica1']);
});

it('leaves a replica out of the report when the host has closed it, and only that', async () => {
  const slave = pool();
  class Db {
    readonly source = dataSource(pool(), [slave]);
  }
  const names = await start([Db], { everyMs: 100 });
  expect(names()).toHaveLength(2);
  await slave.end();
  await until('its absence', () => names().length === 1);
  expect(names()).toEqual(['Db.source']);
});

it('reports a pool that is a provider by its token, whoever holds it and wherever that stands', async () => {
  @Injectable()
  class Orders {
    constructor(@Inject('POOL') readonly pool: Pool) {}
  }
  expect(await found([Orders, { provide: 'POOL', useFactory: pool }])).toEqual(['POOL']);
});

it('reports a pool that several providers hold once', async () => {
  const shared = pool();
  class One {
    readonly pool = shared;
  }
  class Two {
    readonly db = shared;
  }
  expect(await found([One, Two])).toEqual(['One.pool']);
});

it('leaves a held pool that the options name under that name only', async () => {
  const shared = pool();
  class Orders {
    readonly pool = shared;
  }
  expect(await found([Orders], { pools: { main: () => shared } })).toEqual(['main']);
});

it('does not report the pool of a data source again that somebody holds', async () => {
  const master = pool();
  class Orders {
    readonly pool = master;
  }
  expect(await found([Orders, { provide: 'SOURCE', useValue: dataSource(master) }])).toEqual(['SOURCE']);
});

it('does not look into a provider that is a pool itself', async () => {
  class Both extends Pool {
    readonly inner = knexOf();
  }
  expect(await found([{ provide: 'BOTH', useFactory: () => new Both() }])).toEqual(['BOTH']);
});

it('finds nothing in fields with discover: false', async () => {
  expect(await found([DatabaseService], { discover: false })).toEqual([]);
});

it('finds nothing in what Nest and the module itself provide, nor in who holds those, with a server', async () => {
  @Injectable()
  class Curious {
    constructor(
      @Inject(ModuleRef) readonly ref: ModuleRef,
      @Inject(ModulesContainer) readonly modules: ModulesContainer,
      @Inject(HttpAdapterHost) readonly host: HttpAdapterHost,
      @Inject(LazyModuleLoader) readonly loader: LazyModuleLoader,
      @Inject(VitalsService) readonly vitals: VitalsService,
    ) {}
    get server(): unknown {
      return this.host.httpAdapter.getHttpServer();
    }
    readonly process = process;
    readonly everything = globalThis;
  }
  @Module({ imports: [VitalsModule.forRoot()], providers: [Curious] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  applications.push(app);
  await app.listen(0);
  expect(app.get(VitalsService).snapshot.details.map(({ name }) => name)).toEqual(
    OWN.filter((name) => name !== 'vitals'),
  );
});

describe('a field', () => {
  it('is looked up at each reading: its pool may be replaced, taken away and come back', async () => {
    const names = await start([DatabaseService], { everyMs: 100 });
    const service = applications[0]!.get(DatabaseService);
    const vitals = applications[0]!.get(VitalsService);
    const [first, second] = [service.db, knexOf('mysql2')];
    service.replace(undefined);
    await until('its absence', () => names().length === 0);
    await first.destroy();
    service.replace(second);
    await until('its return', () => names().length === 1);
    expect(vitals.snapshot.details.at(-1)).toMatchObject({ name: 'DatabaseService.connection' });
    await second.destroy();
    await until('its end', () => names().length === 0);
    expect(vitals.snapshot.status).toBe('ok');
  });

  it('that holds something else by now is in no report', async () => {
    const names = await start([DatabaseService], { everyMs: 100 });
    const service = applications[0]!.get(DatabaseService);
    const { db } = service;
    service.replace(new Date());
    await until('its absence', () => names().length === 0);
    await db.destroy();
    expect(applications[0]!.get(VitalsService).snapshot.status).toBe('ok');
  });

  it('does not hold the start while its pool has not connected', async () => {
    class Cache {
      readonly redis = lazyRedis();
    }
    expect(await found([Cache])).toEqual([]);
    expect(applications[0]!.get(VitalsService).snapshot).toMatchObject({ phase: 'running', status: 'ok' });
  });
});

describe('a pool that comes later', () => {
  @Injectable()
  class Late implements OnApplicationBootstrap {
    private made?: Knex;
    private first?: Pool;
    onApplicationBootstrap(): void {
      this.first = pool();
    }
    get db(): Knex {
      return (this.made ??= knexOf());
    }
    get all(): unknown[] {
      return [this.first, this.made];
    }
  }

  it('is found all the same, be it made in the last hook or when it is first used, and audited', async () => {
    const log = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => {});
    const names = await start([Late], { everyMs: 100 });
    expect(names()).toEqual([]);
    const made = applications[0]!.get(Late).db;
    await until('both', () => names().length === 2);
    const all = log.mock.calls.map(([line]) => String(line));
    log.mockRestore();
    const lines = all.filter((line) => line.startsWith('found'));
    expect(all).toContainEqual(expect.stringContaining('pool "Late.made": min 2 keeps connections'));
    expect(names()).toEqual(['Late.first', 'Late.made']);
    expect(lines).toEqual([
      'found pool "Late.first" (pg, 127.0.0.1:1)',
      'found pool "Late.made" (knex/pg, 127.0.0.1:1)',
    ]);
    await made.destroy();
  });

  it('is not found a second time when the options name it', async () => {
    const names = await start([DatabaseService, Late], {
      everyMs: 100,
      pools: { main: () => applications[0]?.get(Late).db },
    });
    await until('the other', () => names().includes('Late.first'));
    expect(names()).toEqual(['main', 'DatabaseService.connection', 'Late.first']);
  });

  it('is not looked for in what was none before', async () => {
    let looks = 0;
    class Busy extends EventEmitter {
      get totalCount(): number {
        return (looks += 1);
      }
    }
    class Orders {
      readonly events = new Busy();
    }
    const names = await start([Orders, Late], { everyMs: 100 });
    await until('the second look', () => names().length === 1);
    expect(looks).toBe(1);
  });

  it('is looked for at the tenth reading and at none around it', async () => {
    await start([], { everyMs: 100 });
    const app = applications[0]!;
    const walk = jest.spyOn(app.get(ModulesContainer), 'values');
    let readings = 0;
    const { snapshot } = app.get(VitalsService);
    let last = snapshot;
    await until('fifteen readings', () => {
      const now = app.get(VitalsService).snapshot;
      if (now !== last) readings += 1;
      last = now;
      return readings >= 15;
    });
    expect(walk).toHaveBeenCalledTimes(1);
  });
});

describe('nothing of the host is run', () => {
  const ran: string[] = [];
  const trap = (name: string) => (): never => {
    ran.push(name);
    throw new Error('do not look');
  };
  const traps = Object.fromEntries(
    Object.getOwnPropertyNames(Reflect).map((name) => [name, trap(`trap ${name}`)]),
  ) as ProxyHandler<object>;

  beforeEach(() => void ran.splice(0));

  /** Every name by which pools and ORMs are recognized, as a getter. */
  function withGetters<T extends object>(target: T): T {
    for (const name of [
      'db',
      'pool',
      'driver',
      'em',
      'client',
      'connection',
      'closed',
      'size',
      'totalCount',
      'getConnection',
    ])
      Object.defineProperty(target, name, { get: trap(name), enumerable: true, configurable: true });
    return target;
  }

  it('neither getters of the class of a provider, nor its own, nor those of what it holds', async () => {
    class Helper {}
    withGetters(Helper.prototype);
    class Db {
      readonly helper = new Helper();
      readonly found = pool();
    }
    withGetters(Db.prototype);
    const providers = [Db, { provide: 'OWN', useFactory: () => withGetters(new Helper()) }];
    expect(await found(providers)).toEqual(['Db.found']);
    expect(ran).toEqual([]);
  });

  it('nor any at a later reading, of a provider that was recognized', async () => {
    const client = pool();
    const connection = { connected: true, getNativeClient: () => Promise.resolve(client) };
    class Orders {
      readonly em = { getConnection() {}, getDriver: () => ({ connection }), fork() {} };
    }
    Object.defineProperty(Orders.prototype, 'db', { get: trap('db') });
    const names = await start([Orders], { everyMs: 100 });
    await until('its detail', () => names().length === 1);
    expect(ran).toEqual([]);
  });

  it('nor a trap that tells what a provider has, where that is a Proxy or inherits from one', async () => {
    const { ownKeys, getOwnPropertyDescriptor, getPrototypeOf } = traps;
    class Db {
      readonly pool = pool();
    }
    const providers = [
      { provide: 'DB', useValue: new Proxy(new Db(), { ownKeys, getOwnPropertyDescriptor }) },
    ];
    expect(await found(providers)).toEqual([]);
    expect(fieldsOf(Object.create(new Proxy({}, { getPrototypeOf })) as object)).toEqual([]);
    const heir = bare(Object.create(new Proxy({}, traps))) as { pool?: unknown };
    expect(heir.pool).toBeUndefined();
    expect(ran).toEqual([]);
  });

  it('nor a trap of a Proxy that a provider holds', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    class Db {
      readonly remote = new Proxy({}, traps);
      readonly call = new Proxy(() => {}, traps);
      readonly gone = proxy;
      readonly heir = Object.create(new Proxy({}, traps)) as object;
      readonly found = pool();
    }
    expect(await found([Db])).toEqual(['Db.found']);
    expect(ran).toEqual([]);
  });
});

it('passes over what is no field: of a provider per request or a transient one, a list, a literal, a Map', async () => {
  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    readonly pool = pool();
  }
  @Injectable({ scope: Scope.TRANSIENT })
  class Each {
    readonly pool = pool();
  }
  @Injectable()
  class Holder {
    constructor(@Inject(Each) readonly each: Each) {}
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);
  class Db {
    readonly list = [pool()];
    readonly literal = { main: pool() };
    readonly map = new Map([['main', pool()]]);
    readonly cycle = cycle;
    readonly frozen = Object.freeze({});
    readonly self = this;
    readonly #hidden = pool();
    get hidden() {
      return this.#hidden;
    }
  }
  const providers = [
    PerRequest,
    Each,
    Holder,
    Db,
    { provide: 'LIST', useValue: [pool()] },
    { provide: 'LITERAL', useValue: { 'db.internal': pool() } },
  ];
  expect(await found(providers)).toEqual([]);
});

it('finds the pool of a frozen provider', async () => {
  class Db {
    readonly pool = pool();
    constructor() {
      Object.freeze(this);
    }
  }
  expect(await found([Db])).toEqual(['Db.pool']);
});

it('starts, and reports the pool, where its driver throws at the look or a class hides its own name', async () => {
  class Cluster {
    readonly redis = Object.assign(lazyRedis(), {
      status: 'ready',
      refreshSlotsCache() {},
      nodes: (): never => {
        throw new Error('no nodes');
      },
    });
  }
  Object.defineProperty(Cluster, 'name', { value: Symbol('hidden') });
  expect(await found([{ provide: Cluster, useClass: Cluster }])).toEqual(['redis']);
});

describe('fieldsOf', () => {
  it('counts no entry of a list, of bytes or of a Map, however many there are', () => {
    const all = [
      Array.from({ length: 1e6 }),
      new Uint8Array(1e6),
      new Map([[1, 1]]),
      { key: 1 },
      Object.create(null),
    ];
    expect(all.flatMap((one) => fieldsOf(one as object))).toEqual([]);
  });
});

describe('bare', () => {
  it('is the same for the same value', () => {
    const value = {};
    expect(bare(value)).toBe(bare(value));
  });

  it('has methods that reach the private members of the object, a frozen one included', () => {
    class Closable {
      #isClosed = true;
      readonly own = (): boolean => this.#isClosed;
      constructor() {
        Object.freeze(this);
      }
      isClosed(): boolean {
        return this.#isClosed;
      }
    }
    const shown = bare(new Closable()) as Closable;
    expect([shown.isClosed(), shown.own()]).toEqual([true, true]);
  });

  it('leaves an emitter as it is: counters of drivers are getters', () => {
    const emitter = new EventEmitter();
    expect(bare(emitter)).toBe(emitter);
  });
});
