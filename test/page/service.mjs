/**
 * A service whose state the test chooses: the real endpoint on a real server, below a prefix that a proxy would strip.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from '../tool/pack.mjs';
import { endsAt, incidentsAt, pastOf, snapshotOf, STATES } from './states.mjs';

const require = createRequire(import.meta.url);
const built = (path) => require(join(ROOT, 'dist', 'cjs', `${path}.js`));
const { Endpoint } = built('endpoint/mount');
const { Answers } = built('endpoint/answers');
const { Pages } = built('endpoint/pages');

const PATH = '/api/v1/health';
/** The figures of the hour before the service began to answer need a clock that ran then. */
const OFFSET_MS = 2 * 3_600_000;
const SLOT_MS = 10_000;

export class Service {
  /** `answers`; `silent`: takes the request and says nothing, as a blocked event loop does; others: see below. */
  mode = 'answers';
  /** Every request to the endpoint: its URL and its Accept header. */
  asked = [];

  static async start({ state = 'ok', details = 'full', port = 0, hasPast = true, ...more } = {}) {
    const service = new Service();
    Object.assign(service, { details, answers: new Answers(null, 1_000), ...more });
    const clock = () => performance.now() + OFFSET_MS;
    const sources = {
      incidents: async () => (hasPast ? incidentsAt(state) : []),
      ends: () => (hasPast ? endsAt() : []),
      cure: () => ({ isOn: true, inMs: 18_000 }),
    };
    service.pages = new Pages(service.answers, sources, clock);
    const past = hasPast ? pastOf(state) : [];
    past.forEach((one, slot) =>
      service.pages.note(snapshotOf(one), clock() - (past.length - slot) * SLOT_MS),
    );
    service.show(state);
    service.endpoint = new Endpoint(
      PATH,
      service,
      service.answers,
      details,
      (error) => console.error(error),
      service.pages,
    );
    service.server = createServer((request, response) => service.#take(request, response));
    service.server.listen(port, '127.0.0.1');
    await once(service.server, 'listening');
    service.port = service.server.address().port;
    service.url = `http://127.0.0.1:${service.port}/service${PATH}`;
    return service;
  }

  /** `state` is a name of {@link STATES} or one made by the test. */
  show(state) {
    this.state = STATES[state] ?? state;
    this.snapshot = snapshotOf(this.state);
    this.pages.note(this.snapshot);
  }

  get phase() {
    return this.snapshot.phase;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  #take(request, response) {
    request.url = request.url.replace('/service/', '/');
    const route = this.endpoint.routeOf(request);
    if (!route) {
      this.asked.push({ url: request.url, isOurs: false });
      response.statusCode = 404;
      return response.end();
    }
    this.asked.push({ url: request.url, accept: request.headers.accept, isOurs: true });
    if (this.mode === 'silent') return;
    if (this.mode === 'login') return response.end('<!doctype html><h1>Please log in</h1>');
    if (this.mode === 'foreign') return response.end('{"error":"Bad Gateway"}');
    this.snapshot = { ...this.snapshot, takenAt: Date.now() };
    this.endpoint.answer(route, request, response);
  }
}
