import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';

/** Every error leaves the service in one form. */
@Catch()
export class EverythingFilter implements ExceptionFilter {
  private readonly logger = new Logger(EverythingFilter.name);

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const http = host.switchToHttp();
    const status = error instanceof HttpException ? error.getStatus() : 500;
    const message = error instanceof HttpException ? error.message : 'something went wrong';
    if (status >= 500) this.logger.error(error instanceof Error ? error.message : String(error));
    httpAdapter.reply(http.getResponse(), { success: false, status, message }, status);
  }
}
