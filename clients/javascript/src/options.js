/** @typedef {import('./errors.js').TickloomError} TickloomError */
/** @typedef {import('./messages.js').Gap} Gap */
/** @typedef {import('./messages.js').Status} Status */

/**
 * What became of the connection.
 *
 * @typedef {object} State
 * @property {'idle' | 'connecting' | 'open' | 'waiting' | 'closed'} state
 * @property {number} attempt How many attempts since it last went well.
 * @property {TickloomError} [error] Why the connection ended; missing where the program wanted it.
 * @property {number} [delayMs] Until the next attempt.
 */

/**
 * @template {import('./messages.js').PriceForm} [F='number']
 * @typedef {object} ClientOptions
 * @property {string | (() => string | Promise<string>)} [apiKey] Sent in the first message where the
 *     server asks for a key; a function is asked at every connection.
 * @property {F} [prices] `'string'` gives every price as the exact text that the server sent; a
 *     number of JavaScript keeps 15 digits. `'number'` by default.
 * @property {new (url: string) => any} [WebSocket] The class to use, such as that of the package
 *     `ws`; the global one by default, which Node has from version 22.
 * @property {'pause' | 'newest'} [backpressure] What happens when a stream's buffer fills up.
 *     `'pause'` stops reading where the WebSocket can (`ws` can, browsers cannot), so that the server
 *     notices; `'newest'` keeps the newest message of each symbol here, and tells the gap.
 * @property {(state: State) => void} [onState]
 * @property {(gap: Gap) => void} [onGap] Called in the order of a stream, before the next message.
 * @property {(status: Status) => void} [onStatus] A feed changed its state.
 * @property {(error: TickloomError) => void} [onError] A symbol is refused or has trouble.
 * @property {number} [minDelayMs] Longest pause before the first attempt to come back; doubles. 500.
 * @property {number} [maxDelayMs] Longest pause before any attempt. 30,000.
 * @property {number} [maxRetries] Attempts in a row before it gives up. Infinity.
 * @property {number} [stableMs] A connection that held so long went well. 10,000.
 * @property {number} [connectTimeoutMs] Longest wait until the server has taken the client. 10,000.
 * @property {number} [answerTimeoutMs] Longest wait for the answer to a subscription. 10,000.
 * @property {number} [pingIntervalMs] After so much silence the server is asked whether it is there.
 *     15,000.
 * @property {number} [pongTimeoutMs] Longest wait for its answer. 10,000.
 * @property {import('./clock.js').Clock} [clock] For tests.
 * @property {() => number} [random] From 0 to 1, for the pauses.
 */

/**
 * @typedef {object} StreamOptions
 * @property {number} [intervalMs] At most one quote of each symbol in so many milliseconds: the
 *     newest; its `skipped` counts the others. 0 = all.
 * @property {Iterable<string>} [fields] Only these of a quote. All by default.
 * @property {boolean} [snapshot] Whether the newest value comes at once. True by default.
 * @property {Date | string} [since] Begin with all prices from this time on, by the venue's clock; a
 *     text is ISO 8601 with a zone. Such a stream has a connection of its own.
 * @property {Iterable<string>} [channels] `quotes` by default; `bars.1m` and so on.
 * @property {number} [buffer] Most messages that wait for the program; 4,096 by default, with
 *     `since` 16,384.
 * @property {(gap: Gap) => void} [onGap] In place of the client's.
 */

/**
 * @typedef {import('./link.js').LinkSettings & {
 *     pauses: boolean, answerTimeoutMs: number, stableMs: number, maxRetries: number,
 *     minDelayMs: number, maxDelayMs: number, random: () => number,
 *     onState: (state: State) => void, onGap: (gap: Gap) => void,
 *     onStatus: (status: Status) => void, onError: (error: TickloomError) => void,
 * }} Settings
 */

const LONGEST_INTERVAL_MS = 86_400_000;
const nothing = () => {};

/**
 * Returns the settings that options mean.
 *
 * @param {ClientOptions<any>} options
 * @returns {Omit<Settings, 'url' | 'clock'>}
 * @throws {TypeError} There is no WebSocket class, or a value that cannot be used.
 */
export function settingsOf(options) {
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (WebSocket === undefined) {
        throw new TypeError('there is no WebSocket here: pass one, as in { WebSocket } from "ws"');
    }
    const { prices = 'number', backpressure = 'pause' } = options;
    if (prices !== 'number' && prices !== 'string') {
        throw new TypeError(`prices cannot be ${prices}: expected 'number' or 'string'`);
    }
    if (backpressure !== 'pause' && backpressure !== 'newest') {
        throw new TypeError(`backpressure cannot be ${backpressure}: expected 'pause' or 'newest'`);
    }
    return {
        WebSocket,
        apiKey: options.apiKey,
        exact: prices === 'string',
        pauses: backpressure === 'pause',
        onState: options.onState ?? nothing,
        onGap: options.onGap ?? nothing,
        onStatus: options.onStatus ?? nothing,
        onError: options.onError ?? nothing,
        minDelayMs: options.minDelayMs ?? 500,
        maxDelayMs: options.maxDelayMs ?? 30_000,
        maxRetries: options.maxRetries ?? Number.POSITIVE_INFINITY,
        stableMs: options.stableMs ?? 10_000,
        connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
        answerTimeoutMs: options.answerTimeoutMs ?? 10_000,
        pingIntervalMs: options.pingIntervalMs ?? 15_000,
        pongTimeoutMs: options.pongTimeoutMs ?? 10_000,
        random: options.random ?? Math.random,
    };
}

/**
 * Returns the address of a WebSocket.
 *
 * @param {string | URL} url Of `http` too; relative in a page.
 * @throws {TypeError} It is none.
 */
export function urlOf(url) {
    const found = new URL(url, globalThis.location?.href);
    found.protocol = found.protocol.replace(/^http/, 'ws');
    if (found.protocol !== 'ws:' && found.protocol !== 'wss:') {
        throw new TypeError(`not an address of a stream: ${url}`);
    }
    found.hash = '';
    return found.href;
}

/**
 * @param {Iterable<string> | string} symbols
 * @throws {TypeError} One of them is no text.
 */
export function symbolsOf(symbols) {
    const all = typeof symbols === 'string' ? [symbols] : [...symbols];
    return all.map((symbol) => {
        if (typeof symbol !== 'string' || symbol === '') {
            throw new TypeError(`not a symbol: ${symbol}`);
        }
        return symbol.toUpperCase();
    });
}

/**
 * Returns how a stream wants its symbols.
 *
 * @param {StreamOptions} options
 * @returns {import('./wishes.js').Wish}
 * @throws {TypeError} A value cannot be used.
 */
export function wishOf(options) {
    const since = sinceOf(options.since);
    return {
        channels: [...(options.channels ?? ['quotes'])],
        intervalMs: intervalOf(options.intervalMs),
        fields: options.fields ? [...options.fields] : null,
        snapshot: options.snapshot ?? true,
        ...(since === null ? {} : { since }),
    };
}

/**
 * Returns a time as the server takes it, null where there is none.
 *
 * @param {Date | string} [since]
 * @throws {TypeError} It is none, or a text without a zone.
 */
function sinceOf(since) {
    if (since === undefined) {
        return null;
    }
    const time = new Date(since);
    const hasZone = typeof since !== 'string' || /(?:Z|[+-]\d\d:?\d\d)$/i.test(since);
    if (Number.isNaN(time.getTime()) || !hasZone) {
        throw new TypeError(`since cannot be ${since}: expected a Date, or ISO 8601 with a zone`);
    }
    return time.toISOString();
}

/**
 * @param {number} [intervalMs]
 * @throws {TypeError} It is none.
 */
function intervalOf(intervalMs = 0) {
    if (!Number.isInteger(intervalMs) || intervalMs < 0 || intervalMs > LONGEST_INTERVAL_MS) {
        throw new TypeError(
            `intervalMs cannot be ${intervalMs}: expected 0 to ${LONGEST_INTERVAL_MS} milliseconds`,
        );
    }
    return intervalMs;
}
