/**
 * What the host reads and switches in code: the same snapshot that the endpoint serves. Wiring only.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';
import type { Incident } from './recovery/incident.js';
import { RUNTIME } from './tokens.js';
import type { Runtime } from './runtime.js';
import type { Snapshot } from './verdict/snapshot.js';
import type { Transition } from './verdict/transition.js';

/** The module's voice in code. Injectable everywhere: the module is global. */
@Injectable()
export class VitalsService {
  private readonly subject = new Subject<Transition>();
  /** Every change of the verdict, from the subscription on. Completes when the application closes. */
  readonly transitions: Observable<Transition> = this.subject.asObservable();

  constructor(@Inject(RUNTIME) private readonly runtime: Runtime) {
    runtime.follow({
      next: (transition) => this.subject.next(transition),
      complete: () => this.subject.complete(),
    });
  }

  /** The last verdict with all its details. Reading it measures nothing; it is at most one period old, or says so. */
  get snapshot(): Snapshot {
    return this.runtime.snapshot;
  }

  /**
   * Departures from `ok`, oldest first: of all processes that share the directory of the option `incidents`, or of this
   * one where there is none. Reading it reads that directory.
   */
  get incidents(): readonly Incident[] {
    return this.runtime.incidents;
  }

  /** Switches maintenance on or off. While it is on, readiness answers 503 `MAINTENANCE` and liveness goes on. */
  maintenance(isOn: boolean): void {
    this.runtime.maintain(isOn);
  }
}
