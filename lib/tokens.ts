/**
 * Injection tokens. Registered symbols: they are the same whichever build of the package asks for them.
 */

/** The resolved options. */
export const VITALS_OPTIONS = Symbol.for('nestjs-vitals.options');

/** The running parts. Internal. */
export const RUNTIME = Symbol.for('nestjs-vitals.runtime');
