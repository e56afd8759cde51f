/** Where neither library is installed the start fails, and says what to install. Prints the message. */
require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { VitalsModule } = require('nestjs-vitals');

class AppModule {}
Module({ imports: [VitalsModule.forRoot({ metrics: true, resets: false, watchdog: false })] })(AppModule);
NestFactory.create(AppModule, { logger: false, abortOnError: false })
  .then((app) => app.init())
  .then(
    () => console.log('started'),
    (error) => console.log(error.message),
  )
  .finally(() => process.exit(0));
