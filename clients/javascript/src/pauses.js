// After a restart all clients come at once; a server that refuses for their number needs longer.
/** @type {Record<number, number>} */
const FIRST_MS = { 1012: 2_000, 4408: 2_000, 4429: 10_000 };

/**
 * Returns how long to wait before the next attempt: anything up to a limit that doubles each time,
 * so that clients which lost the server together don't come back together.
 *
 * @param {number} attempt How many were in vain since it last went well.
 * @param {number} code What the last connection was closed with; 0 = nothing.
 * @param {{minDelayMs: number, maxDelayMs: number, random: () => number}} rules
 * @returns {number} Milliseconds.
 */
export function pauseMs(attempt, code, { minDelayMs, maxDelayMs, random }) {
    const first = Math.max(minDelayMs, FIRST_MS[code] ?? 0);
    return random() * Math.min(maxDelayMs, first * 2 ** Math.min(attempt, 30));
}
