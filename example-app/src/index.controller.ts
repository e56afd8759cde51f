import { Controller, Get } from '@nestjs/common';

/** What there is to try; the launcher prints it too. */
export const TRY = {
  'GET /api/v1/health': 'how it is; /ready: may traffic come, /live: would a restart not help',
  'GET /api/v1/tours': 'the business of this service: two rows from the database',
  'POST /api/v1/sick/leak': 'takes every connection and never gives one back: POOL_WEDGED within 20 s',
  'POST /api/v1/sick/heal': 'gives them back: ok again within 5 s',
  'POST /api/v1/sick/hold?n=5&seconds=8':
    'the same, but they come back in time: POOL_STARVED, never POOL_WEDGED',
  'POST /api/v1/sick/slow?ms=3000': 'one slow query after the other, for 20 s: DB_SLOW',
  'POST /api/v1/sick/database/stop':
    'ends PostgreSQL: DB_UNREACHABLE, not ready, but alive; no restart would help',
  'POST /api/v1/sick/database/start': 'starts it again: ok within 5 s',
  'POST /api/v1/sick/block?ms=3000': 'keeps the event loop from everything else: LOOP_BLOCKED',
  'POST /api/v1/sick/resets?n=40':
    'as many connections reset by the far end: RESET_RATE_HIGH for a minute; from 200, down',
} as const;

@Controller()
export class IndexController {
  @Get()
  index(): typeof TRY {
    return TRY;
  }
}
