import { ServiceUnavailableException } from '@nestjs/common';

type Command = 'stop' | 'start';

/** The database belongs to the launcher, start.mjs: ask it. */
export function tellDatabase(command: Command): Promise<unknown> {
  if (!process.send) throw new ServiceUnavailableException('start the app with `npm run example` to do this');
  const answer = new Promise((done) => {
    process.on('message', function hear(message: { database?: Command; answer?: unknown }) {
      if (message.database !== command) return;
      process.off('message', hear);
      done(message.answer);
    });
  });
  process.send({ database: command });
  return answer;
}
