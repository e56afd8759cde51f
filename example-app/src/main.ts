// First, so that every connection is known from its first byte.
import 'nestjs-vitals/register';
import 'reflect-metadata';
import { Logger, VersioningType } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { EverythingFilter } from './everything.filter.js';

const logger = new Logger('Main');
const port = Number(process.env['PORT'] ?? 3000);
const host = process.env['HOST'] ?? '127.0.0.1';

// As many services have them: the error is logged, and the process goes on with whatever it left behind.
process.on('uncaughtException', (error) => logger.error(`uncaught: ${error.stack}`));
process.on('unhandledRejection', (reason) => logger.error(`unhandled: ${String(reason)}`));

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
  app.useGlobalFilters(new EverythingFilter(app.get(HttpAdapterHost)));
  app.enableShutdownHooks();
  process.on('SIGTERM', async () => {
    await app.close();
    process.exit(0);
  });
  // The launcher is gone: so are we.
  process.on('disconnect', () => process.exit(1));
  await app.listen(port, host);
  process.send?.({ listening: new URL(await app.getUrl()).port });
}

main().catch((error: NodeJS.ErrnoException) => {
  const isTaken = error.code === 'EADDRINUSE';
  logger.error(isTaken ? `port ${port} is in use; choose another with --port or PORT` : error.stack);
  process.exit(1);
});
