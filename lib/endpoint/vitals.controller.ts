/**
 * The endpoint as an ordinary controller, for those who want their guards and interceptors in front of it.
 */
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { rawRequest, rawResponse, type Endpoint } from './mount.js';
import type { Route } from './question.js';
import { RUNTIME } from '../tokens.js';

/**
 * Answers at `health` below the host's prefix and version. Add it to a module's `controllers`, with `mount: false`
 * when it is to be the only one. Extend it to choose another path.
 */
@Controller('health')
export class VitalsController {
  constructor(@Inject(RUNTIME) private readonly runtime: { readonly endpoint: Endpoint }) {}

  @Get()
  health(@Req() request: unknown, @Res() response: unknown): void {
    this.answer('health', request, response);
  }

  @Get('live')
  live(@Req() request: unknown, @Res() response: unknown): void {
    this.answer('live', request, response);
  }

  @Get('ready')
  ready(@Req() request: unknown, @Res() response: unknown): void {
    this.answer('ready', request, response);
  }

  private answer(route: Route, request: unknown, response: unknown): void {
    this.runtime.endpoint.answer(route, rawRequest(request), rawResponse(response));
  }
}
