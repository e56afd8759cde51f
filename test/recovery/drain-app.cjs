/**
 * A host to be drained, for whichever Nest is installed in the working directory. HANDLERS: which of the host's own
 * signal handlers it has. It prints `listening PORT` and, when its database is destroyed, `destroyed`.
 */
const { createRequire } = require('node:module');
const { join } = require('node:path');

const requireHere = createRequire(join(process.cwd(), 'package.json'));
requireHere('reflect-metadata');
const { Controller, Get, Inject, InternalServerErrorException, Module } = requireHere('@nestjs/common');
const { NestFactory } = requireHere('@nestjs/core');
const { VitalsModule } = requireHere(process.env.VITALS ?? 'nestjs-vitals');

class Database {
  isDestroyed = false;
  onModuleDestroy() {
    this.isDestroyed = true;
    console.log('destroyed');
  }
}

class Cache extends Database {}

class WorkController {
  constructor(database, cache) {
    this.needed = [database, cache];
  }
  work() {
    if (this.needed.some(({ isDestroyed }) => isDestroyed)) throw new InternalServerErrorException();
    return 'done';
  }
}
Controller('work')(WorkController);
Inject(Database)(WorkController, undefined, 0);
Inject(Cache)(WorkController, undefined, 1);
Get()(WorkController.prototype, 'work', Object.getOwnPropertyDescriptor(WorkController.prototype, 'work'));

// Nest 10 destroys the deepest module first, Nest 11 and 12 the root: each has something to lose.
const database = {
  module: class DatabaseModule {},
  global: true,
  providers: [Database],
  exports: [Database],
};
const feature = { module: class FeatureModule {}, imports: [database] };
const area = { module: class AreaModule {}, imports: [feature] };
for (const { module } of [database, feature, area]) Module({})(module);
class AppModule {}
Module({
  imports: [area, VitalsModule.forRoot({ drain: Number(process.env.DRAIN ?? 1000) })],
  providers: [Cache],
  controllers: [WorkController],
})(AppModule);

async function main() {
  const adapter =
    process.env.ADAPTER === 'fastify' ? [new (requireHere('@nestjs/platform-fastify').FastifyAdapter)()] : [];
  const app = await NestFactory.create(AppModule, ...adapter, { logger: false });
  const handlers = process.env.HANDLERS ?? 'none';
  if (handlers === 'hooks' || handlers === 'both') app.enableShutdownHooks();
  if (handlers === 'own' || handlers === 'both' || handlers === 'once') {
    process[handlers === 'once' ? 'once' : 'on']('SIGTERM', async () => {
      await app.close();
      process.exit(0);
    });
  }
  if (process.env.CLOSE === 'command')
    process.stdin.once('data', () => void app.close().then(() => console.log('closed')));
  await app.listen(0, '127.0.0.1');
  console.log(`listening ${app.getHttpServer().address().port}`);
}

void main();
