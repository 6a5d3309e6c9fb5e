import { channelOf } from './messages.js';

/** @typedef {import('./messages.js').Gap} Gap */

/**
 * What waits under one key once the buffer is full.
 *
 * @typedef {object} Place
 * @property {Gap | null} before What is missing before the message.
 * @property {any} message The newest.
 * @property {Gap | null} after What is missing after it.
 */

/**
 * All messages in order while they fit; after that the newest of each key, and what is missing.
 *
 * A message that is neither numbered nor a gap, such as a status, is a state: a newer one of its key
 * replaces it and nothing is missing.
 */
export class Buffer {
    /** @type {Array<[string, any]>} */
    #all = [];
    #taken = 0;
    /** @type {Map<string, Place>} */
    #places = new Map();
    /** @type {Map<string, Gap>} */
    #gaps = new Map();
    #capacity;

    /** @param {number} capacity Most messages that wait. */
    constructor(capacity) {
        this.#capacity = capacity;
    }

    /** How many messages wait; gaps without a message are not counted once it is full. */
    get size() {
        return this.#all.length - this.#taken + this.#places.size;
    }

    /**
     * @param {string} key What a newer message replaces.
     * @param {any} message
     */
    put(key, message) {
        if (this.#places.size > 0 || this.#gaps.size > 0) {
            this.#place(key, message);
            return;
        }
        this.#all.push([key, message]);
        if (this.size > this.#capacity) {
            const waiting = this.#all.slice(this.#taken);
            this.#all = [];
            this.#taken = 0;
            for (const [one, earlier] of waiting) {
                this.#place(one, earlier);
            }
        }
    }

    /** Returns the next message or gap; undefined = none waits. */
    take() {
        if (this.size > this.#places.size) {
            return this.#takeInOrder();
        }
        for (const [key, place] of this.#places) {
            const { before, message, after } = place;
            if (before) {
                place.before = null;
                return before;
            }
            this.#places.delete(key);
            this.#owe(key, after);
            return message;
        }
        for (const [key, gap] of this.#gaps) {
            this.#gaps.delete(key);
            return gap;
        }
        return undefined;
    }

    clear() {
        this.#all = [];
        this.#taken = 0;
        this.#places.clear();
        this.#gaps.clear();
    }

    #takeInOrder() {
        const [, message] = /** @type {[string, any]} */ (this.#all[this.#taken]);
        this.#taken += 1;
        // Moving the rest at every message would cost the square of their number.
        if (this.#taken === this.#all.length || this.#taken === 1_024) {
            this.#all.splice(0, this.#taken);
            this.#taken = 0;
        }
        return message;
    }

    /**
     * @param {string} key
     * @param {any} message
     */
    #place(key, message) {
        const earlier = this.#places.get(key);
        if (message.type === 'gap') {
            if (earlier) {
                earlier.after = joined(earlier.after, message);
            } else {
                this.#owe(key, message);
            }
            return;
        }
        // Behind all others: its turn is that of its newest message.
        this.#leaveOut(key, earlier);
        this.#places.set(key, { before: this.#gaps.get(key) ?? null, message, after: null });
        this.#gaps.delete(key);
        if (this.#places.size > this.#capacity) {
            for (const [oldest, place] of this.#places) {
                this.#leaveOut(oldest, place);
                break;
            }
        }
    }

    /**
     * @param {string} key
     * @param {Place | undefined} place
     */
    #leaveOut(key, place) {
        if (place) {
            this.#places.delete(key);
            this.#owe(key, joined(joined(place.before, gapOf(place.message)), place.after));
        }
    }

    /**
     * Keeps a gap until the next message of its key, or the end.
     *
     * @param {string} key
     * @param {Gap | null} gap
     */
    #owe(key, gap) {
        const owed = joined(this.#gaps.get(key) ?? null, gap);
        if (owed) {
            this.#gaps.set(key, owed);
        }
    }
}

/**
 * @param {any} message
 * @returns {Gap | null} What is missing without the message.
 */
function gapOf(message) {
    if (message.type !== 'market_data' && message.type !== 'bar') {
        return null;
    }
    const channel = channelOf(message);
    return {
        type: 'gap',
        symbol: message.symbol,
        dropped: 1 + (message.skipped ?? 0),
        last_sequence: message.sequence,
        ...(channel === 'quotes' ? {} : { channel }),
        origin: 'buffer',
    };
}

/**
 * @param {Gap | null} first
 * @param {Gap | null} second
 */
function joined(first, second) {
    if (!first || !second) {
        return first ?? second;
    }
    return { ...first, ...second, dropped: first.dropped + second.dropped };
}
