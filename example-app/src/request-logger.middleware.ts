import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, Logger, type NestMiddleware } from '@nestjs/common';

/** One line per request. */
@Injectable()
export class RequestLogger implements NestMiddleware {
  private readonly logger = new Logger('Request');

  use(request: IncomingMessage & { originalUrl?: string }, response: ServerResponse, next: () => void): void {
    const start = performance.now();
    response.on('finish', () => {
      const took = Math.round(performance.now() - start);
      this.logger.log(`${request.method} ${request.originalUrl} ${response.statusCode} ${took} ms`);
    });
    next();
  }
}
