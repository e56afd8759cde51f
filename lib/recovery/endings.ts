/**
 * Stage 5, ACT: what every way of ending a process has in common.
 */

/** EX_SOFTWARE of sysexits.h: so that whoever reads exit codes knows that we did it. */
export const EXIT_CODE = 70;
/** Replicas that fall ill together must not leave together: up to this share of `afterMs` later. */
export const JITTER = 0.2;
