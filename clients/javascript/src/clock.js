/**
 * What tells the time and waits; tests pass one of their own.
 *
 * @typedef {object} Clock
 * @property {() => number} now Milliseconds since some fixed moment; never goes back.
 * @property {(callback: () => void, ms: number) => unknown} setTimeout Calls back later, once.
 * @property {(timer: any) => void} clearTimeout Forgets what `setTimeout` returned.
 */

/** @type {Clock} */
export const systemClock = {
    now: () => performance.now(),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(timer),
};
