import { Controller, Get, Inject } from '@nestjs/common';
import { KnexService } from './knex.service.js';

interface Tour {
  id: number;
  name: string;
}

/** The business of this service. */
@Controller('tours')
export class ToursController {
  constructor(@Inject(KnexService) private readonly db: KnexService) {}

  @Get()
  async list(): Promise<Tour[]> {
    const { rows } = await this.db.knex.raw<{ rows: Tour[] }>(
      `select * from (values (1, 'Floating markets'), (2, 'Old town by boat')) as tours (id, name)`,
    );
    return rows;
  }
}
