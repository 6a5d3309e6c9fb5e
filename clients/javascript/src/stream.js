import { Buffer } from './buffer.js';
import { keyOf } from './messages.js';
import { Patterns } from './wishes.js';

/** @typedef {import('./errors.js').Refused} Refused */
/** @typedef {import('./errors.js').TickloomError} TickloomError */
/** @typedef {import('./messages.js').Gap} Gap */
/** @typedef {import('./wishes.js').Wish} Wish */

/**
 * What a client does for its streams.
 *
 * @typedef {object} Owner
 * @property {(symbols: Iterable<string>) => string[]} canonical
 * @property {(stream: any) => void} changed Symbols were added or removed.
 * @property {(stream: any) => void} closed
 * @property {() => void} leveled The buffer became full, or has room again.
 * @property {(stream: any, patterns: Patterns) => void} bringNewest
 */

/**
 * Which messages are yielded: of a type, or all.
 *
 * @typedef {'market_data' | 'bar' | 'all'} Kind
 */

/**
 * Messages about some symbols, in the order in which they came: `for await (const tick of stream)`.
 *
 * Leaving the loop closes it. An iterator that waits ends without a value once the stream or its
 * client is closed, and throws {@link Refused} where none of its symbols can be had, or the server
 * does not take this client.
 *
 * @template T
 * @implements {AsyncIterableIterator<T>}
 */
export class Stream {
    /** How many messages are known to be missing, for whatever reason. */
    missed = 0;
    /**
     * Why symbols are refused, by symbol.
     *
     * @type {Map<string, Refused>}
     */
    rejected = new Map();

    /** @type {Owner} */
    #owner;
    #kind;
    #wish;
    #onGap;
    #capacity;
    #buffer;
    #patterns = new Patterns();
    /** @type {Set<string>} */
    #accepted = new Set();
    /** @type {Array<{resolve: (result: IteratorResult<T, undefined>) => void, reject: (error: Error) => void}>} */
    #waiting = [];
    #isFull = false;
    #hasEnded = false;
    /** @type {TickloomError | null} */
    #error = null;

    /**
     * Made by {@link Client.stream} and its like.
     *
     * @param {Owner} owner
     * @param {Kind} kind
     * @param {Wish} wish
     * @param {{capacity: number, onGap: (gap: Gap) => void}} options
     */
    constructor(owner, kind, wish, { capacity, onGap }) {
        this.#owner = owner;
        this.#kind = kind;
        this.#wish = wish;
        this.#onGap = onGap;
        this.#capacity = capacity;
        this.#buffer = new Buffer(capacity);
    }

    /** The symbols and patterns, as the server names them once it has answered. */
    get symbols() {
        return [...this.#patterns];
    }

    /**
     * Adds symbols and patterns.
     *
     * @param {Iterable<string>} symbols
     */
    add(symbols) {
        const added = new Patterns();
        for (const pattern of this.#owner.canonical(symbols)) {
            if (!this.#hasEnded && !this.#patterns.has(pattern)) {
                this.#patterns.add(pattern);
                added.add(pattern);
            }
        }
        if (added.size > 0) {
            if (this.#wish.snapshot) {
                this.#owner.bringNewest(this, added);
            }
            this.#owner.changed(this);
        }
    }

    /**
     * Removes symbols and patterns.
     *
     * @param {Iterable<string>} symbols
     */
    remove(symbols) {
        for (const pattern of this.#owner.canonical(symbols)) {
            this.#patterns.delete(pattern);
            this.#accepted.delete(pattern);
            this.rejected.delete(pattern);
        }
        this.#owner.changed(this);
    }

    /** Ends the stream and gives its symbols back; calling it twice is allowed. */
    close() {
        this.#buffer.clear();
        this.end(null);
        this.#owner.closed(this);
    }

    /** @returns {Promise<IteratorResult<T, undefined>>} */
    next() {
        return new Promise((resolve, reject) => {
            this.#waiting.push({ resolve, reject });
            this.#serve();
        });
    }

    /** @returns {Promise<IteratorResult<T, undefined>>} */
    return() {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
    }

    [Symbol.asyncIterator]() {
        return this;
    }

    /** @internal */
    get patterns() {
        return this.#patterns;
    }

    /** @internal */
    get wish() {
        return this.#wish;
    }

    /**
     * Whether so much waits that reading should stop.
     *
     * @internal
     */
    get isFull() {
        return this.#isFull;
    }

    /**
     * Takes a message for this stream.
     *
     * @param {any} message
     * @internal
     */
    push(message) {
        const isWanted = this.#kind === 'all' || message.type === this.#kind || message.type === 'gap';
        if (this.#hasEnded || !isWanted) {
            return;
        }
        this.#buffer.put(placeOf(message), message);
        this.#serve();
        // Half of it takes what is on its way when reading stops.
        if (!this.#isFull && this.#buffer.size > this.#capacity / 2) {
            this.#isFull = true;
            this.#owner.leveled();
        }
    }

    /**
     * Takes note of what the server said to a symbol.
     *
     * @param {string} pattern
     * @param {string} canonical Another name of the same.
     * @internal
     */
    accept(pattern, canonical) {
        if (this.#patterns.has(pattern) || this.#patterns.has(canonical)) {
            this.#patterns.delete(pattern);
            this.#patterns.add(canonical);
            this.#accepted.add(canonical);
            this.rejected.delete(pattern);
        }
    }

    /**
     * @param {string} pattern
     * @param {Refused} error
     * @internal
     */
    reject(pattern, error) {
        if (!this.#patterns.has(pattern) || this.#accepted.has(pattern)) {
            return;
        }
        this.rejected.set(pattern, error);
        if (this.symbols.every((one) => this.rejected.has(one))) {
            this.end(error);
            this.#owner.closed(this);
        }
    }

    /** @internal */
    reconnected() {
        this.#accepted.clear();
    }

    /**
     * Ends the stream after what waits in it.
     *
     * @param {TickloomError | null} error What the iterator throws then.
     * @internal
     */
    end(error) {
        if (!this.#hasEnded) {
            this.#hasEnded = true;
            this.#error = error;
            this.#serve();
        }
    }

    #serve() {
        while (this.#waiting.length > 0) {
            const message = this.#take();
            if (message === undefined && !this.#hasEnded) {
                return;
            }
            const waiting = this.#waiting.shift();
            if (message !== undefined) {
                waiting?.resolve({ done: false, value: message });
            } else if (this.#error) {
                waiting?.reject(this.#error);
                this.#error = null;
            } else {
                waiting?.resolve({ done: true, value: undefined });
            }
        }
    }

    /** @returns {any} */
    #take() {
        let message;
        while ((message = this.#buffer.take()) !== undefined) {
            if (message.type !== 'gap') {
                break;
            }
            this.missed += message.dropped;
            this.#onGap(message);
            if (this.#kind === 'all') {
                break;
            }
        }
        if (this.#isFull && this.#buffer.size <= this.#capacity / 4) {
            this.#isFull = false;
            this.#owner.leveled();
        }
        return message;
    }
}

/**
 * @param {any} message
 * @returns {string} What a newer message replaces where not all can be kept.
 */
function placeOf(message) {
    switch (message.type) {
        case 'status':
            return `status of ${message.provider}`;
        case 'error':
            return `error of ${message.symbol}`;
        default:
            return keyOf(message);
    }
}
