/**
 * The Nest module. Wiring only: options in, one runtime, the endpoint mounted, the drain held until it is over.
 */
import type { Server } from 'node:http';
import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type NestModule,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type Provider,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { Discovery } from './discovery.js';
import { mountOnRouter, mountOnServer, type Adapter } from './endpoint/mount.js';
import { serveStandalone } from './endpoint/standalone.js';
import { resolveOptions, VitalsOptionsError, type ResolvedOptions, type VitalsOptions } from './options.js';
import { Runtime } from './runtime.js';
import { RUNTIME, VITALS_OPTIONS } from './tokens.js';
import { VitalsService } from './vitals.service.js';

/** A class that makes the options, for `useClass` and `useExisting`. */
export interface VitalsOptionsFactory {
  createVitalsOptions(): VitalsOptions | Promise<VitalsOptions>;
}

/** The ways to give the options when they depend on something. Exactly one of the three `use...`. */
export interface VitalsAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  useFactory?: (...dependencies: any[]) => VitalsOptions | Promise<VitalsOptions>;
  /** What `useFactory` is called with. */
  inject?: FactoryProvider['inject'];
  useClass?: Type<VitalsOptionsFactory>;
  useExisting?: Type<VitalsOptionsFactory> | string | symbol;
  /** Providers that only the factory needs. */
  extraProviders?: Provider[];
}

const logger = new Logger('Vitals');
const FACTORY = Symbol.for('nestjs-vitals.options-factory');

/**
 * Nest 10 destroys the modules with the greatest distance first, Nest 11 and 12 those with the smallest. One module at
 * each end, both holding the teardown back until the drain is over, and no need to know which Nest this is.
 */
@Module({})
export class VitalsGateModule implements OnModuleDestroy {
  constructor(@Inject(RUNTIME) private readonly runtime: Runtime) {}

  onModuleDestroy(): Promise<void> {
    return this.runtime.stop();
  }
}

/** Import it once, in the root module: `VitalsModule.forRoot()` or `VitalsModule.forRootAsync({ ... })`. */
@Module({})
export class VitalsModule implements NestModule, OnApplicationBootstrap, OnModuleDestroy {
  private alone: Server | null = null;

  constructor(
    @Inject(RUNTIME) private readonly runtime: Runtime,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {
    claim(modules, this);
    placeAtBothEnds(modules);
  }

  /** With options known now. Throws {@link VitalsOptionsError} at once when they cannot be used. */
  static forRoot(options: VitalsOptions = {}): DynamicModule {
    return assemble([{ provide: VITALS_OPTIONS, useValue: resolveOptions(options) }]);
  }

  /** With options that depend on other providers. The application fails to start when they cannot be used. */
  static forRootAsync(options: VitalsAsyncOptions): DynamicModule {
    return assemble([...asyncProviders(options), ...(options.extraProviders ?? [])], options.imports);
  }

  /** Before any route of the host is registered, and before its middleware is. */
  configure(): void {
    const adapter = this.host.httpAdapter as unknown as Adapter | undefined;
    if (!adapter?.get) return;
    const server = adapter.getHttpServer();
    this.runtime.serve(server);
    const { mount } = this.runtime.options;
    if (mount === false) return;
    mountOnRouter(adapter, this.runtime.endpoint);
    if (mount === 'server' && server) mountOnServer(server, this.runtime.endpoint);
  }

  async onApplicationBootstrap(): Promise<void> {
    const { options } = this.runtime;
    if (options.discover) {
      const discovery = new Discovery(this.modules, options.pools);
      this.runtime.discover((taken) => discovery.look(taken));
    }
    if (options.standalone) this.listenAlone(options.standalone);
    await this.runtime.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.runtime.stop();
    this.alone?.close();
    this.alone?.closeIdleConnections();
  }

  private listenAlone(standalone: NonNullable<Exclude<ResolvedOptions['standalone'], false>>): void {
    const server = serveStandalone(standalone, this.runtime.endpoint, (address, error) => {
      if (error) logger.error(`the health server cannot listen: ${error.message}`);
      else logger.log(`health at ${address}${this.runtime.endpoint.path}`);
    });
    this.alone = server;
    if (!this.host.httpAdapter) this.runtime.serve(server);
  }
}

function assemble(options: Provider[], imports: ModuleMetadata['imports'] = []): DynamicModule {
  const runtime: FactoryProvider = {
    provide: RUNTIME,
    inject: [VITALS_OPTIONS],
    useFactory: (resolved: ResolvedOptions) => new Runtime(resolved, logger),
  };
  return {
    module: VitalsModule,
    global: true,
    imports: [...imports, VitalsGateModule],
    providers: [...options, runtime, VitalsService],
    exports: [VitalsService, VITALS_OPTIONS, RUNTIME],
  };
}

function asyncProviders({ useFactory, inject, useClass, useExisting }: VitalsAsyncOptions): Provider[] {
  const ways = [useFactory, useClass, useExisting].filter((way) => way !== undefined).length;
  if (ways !== 1) {
    throw new VitalsOptionsError([
      `forRootAsync must be given one of useFactory, useClass and useExisting, got ${ways}`,
    ]);
  }
  if (useFactory) {
    const useResolved = async (...dependencies: unknown[]): Promise<ResolvedOptions> =>
      resolveOptions(await useFactory(...dependencies));
    return [{ provide: VITALS_OPTIONS, inject: inject ?? [], useFactory: useResolved }];
  }
  const factory: Provider = useClass
    ? { provide: FACTORY, useClass }
    : { provide: FACTORY, useExisting: useExisting! };
  return [
    factory,
    {
      provide: VITALS_OPTIONS,
      inject: [FACTORY],
      useFactory: async (made: VitalsOptionsFactory) => resolveOptions(await made.createVitalsOptions()),
    },
  ];
}

const owners = new WeakMap<object, object>();

/** Two of them in one application would hook, mount and drain twice. */
function claim(modules: ModulesContainer, owner: VitalsModule): void {
  if (owners.has(modules)) {
    throw new VitalsOptionsError([
      'VitalsModule must be imported once with options, got a second forRoot or forRootAsync',
    ]);
  }
  owners.set(modules, owner);
}

/** The setter is public but undocumented; without it the drain still holds the modules that come after ours. */
function placeAtBothEnds(modules: ModulesContainer): void {
  for (const module of modules.values()) {
    if (module.metatype === VitalsModule) module.distance = Infinity;
    if (module.metatype === VitalsGateModule) module.distance = -1;
  }
}
