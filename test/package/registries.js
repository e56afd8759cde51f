// Run by Jest in an application that has the package installed: a registry of Jest's is a process of its own.
function load() {
  const { HttpAdapterHost } = require('@nestjs/core');
  return { HttpAdapterHost, ...require('nestjs-vitals'), ...require('nestjs-vitals/terminus') };
}

test('after resetModules the classes are new ones, as Nest’s are, and an application of them starts', async () => {
  const before = load();
  jest.resetModules();
  require('reflect-metadata');
  const after = load();
  expect(after.HttpAdapterHost).not.toBe(before.HttpAdapterHost);
  expect(after.VitalsModule).not.toBe(before.VitalsModule);
  expect(after.VITALS_OPTIONS).toBe(before.VITALS_OPTIONS);
  const { NestFactory } = require('@nestjs/core');
  const { VitalsModule, VitalsService } = after;
  const app = await NestFactory.createApplicationContext(VitalsModule.forRoot(), {
    logger: false,
    abortOnError: false,
  });
  expect(app.get(VitalsService).snapshot.phase).toBe('running');
  await app.close();
});

test('within one registry every load is the same', () => {
  const [first, second] = [load(), load()];
  expect(second).toEqual(first);
  jest.isolateModules(() => expect(load().VitalsModule).not.toBe(first.VitalsModule));
});
