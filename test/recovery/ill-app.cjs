/**
 * A host that can be made ill with a line on its input, for whichever Nest is installed in the working directory. A
 * restart would cure it. OPTIONS: of the module. HANDLERS: which of the host's own signal handlers it has; HOST: what
 * else it does. It prints `listening PORT`, its log, and `destroyed` when its database is.
 */
const { createRequire } = require('node:module');
const { join } = require('node:path');

const requireHere = createRequire(join(process.cwd(), 'package.json'));
requireHere('reflect-metadata');
const { Logger, Module } = requireHere('@nestjs/common');
const { NestFactory } = requireHere('@nestjs/core');
const { VitalsModule, VitalsService } = requireHere(process.env.VITALS ?? 'nestjs-vitals');

const { HANDLERS = 'none', HOST = '', OPTIONS = '{}' } = process.env;
let isIll = false;

class Database {
  onModuleDestroy() {
    console.log('destroyed');
    if (HOST === 'hangs') return new Promise(() => setInterval(() => {}, 1000));
    if (HOST === 'blocks') for (;;);
    if (HOST === 'sticks') require('node:child_process').execSync('exec sleep 54321', { stdio: 'ignore' });
    if (HOST === 'exits') process.exit(3);
    if (HOST === 'fails') throw new Error('cannot be destroyed');
  }
}

const onTransition = {
  throws() {
    throw new Error('no');
  },
  waits: () => new Promise(() => {}),
}[HOST];

class AppModule {}
Module({
  imports: [
    VitalsModule.forRoot({
      everyMs: 100,
      drain: 200,
      eventLoop: { windowMs: 1000 },
      checks: {
        ill: {
          check: () => !isIll,
          remedy: HOST === 'dead dependency' ? 'none' : 'restart',
          everyMs: 100,
          failAfter: 1,
          recoverAfter: 1,
        },
      },
      ...(onTransition ? { onTransition } : {}),
      ...JSON.parse(OPTIONS),
    }),
  ],
  providers: [Database],
})(AppModule);

async function main() {
  const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
  if (HANDLERS === 'hooks' || HANDLERS === 'both') app.enableShutdownHooks();
  if (HANDLERS === 'own' || HANDLERS === 'both') {
    process.on('SIGTERM', async () => {
      await app.close();
      process.exit(0);
    });
  }
  if (HANDLERS === 'deaf') process.on('SIGTERM', () => {});
  await app.listen(0, '127.0.0.1');
  process.stdin.on('data', (chunk) => {
    for (const word of String(chunk).split('\n')) obey(app, word.trim());
  });
  console.log(`listening ${app.getHttpServer().address().port}`);
}

function obey(app, word) {
  if (word === 'ill' || word === 'well') isIll = word === 'ill';
  if (word === 'crash')
    setImmediate(() => {
      throw Object.assign(new Error('broken pipe\nsecond line'), { code: 'EPIPE' });
    });
  if (word === 'exit') process.exit(4);
  if (word === 'close') void app.close().then(() => process.exit(0));
  if (word === 'incidents') console.log(`incidents ${JSON.stringify(app.get(VitalsService).incidents)}`);
  if (word === 'log') Logger.log('logged');
}

void main();
