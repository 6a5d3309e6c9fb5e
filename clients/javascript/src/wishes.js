/**
 * How symbols are wanted on the connection.
 *
 * @typedef {object} Wish
 * @property {string[]} channels In order.
 * @property {number} intervalMs 0 = every quote.
 * @property {string[] | null} fields In order; null = all.
 * @property {boolean} snapshot Whether the newest value is wanted at once.
 * @property {string} [since] All quotes from this time on are wanted first.
 */

/**
 * Whoever wants something: a stream.
 *
 * @typedef {object} Holder
 * @property {Patterns} patterns
 * @property {Wish} wish
 */

// The server takes 64 KiB in one message; an estimate stays well below.
const MOST_BYTES = 32_768;

/** @param {string} pattern */
export function isGlob(pattern) {
    return pattern.includes('*') || pattern.includes('?');
}

/** A set of symbols and patterns. */
export class Patterns {
    /** @type {Set<string>} */
    #symbols = new Set();
    /** @type {Map<string, RegExp>} */
    #globs = new Map();

    /** @param {Iterable<string>} [patterns] */
    constructor(patterns = []) {
        for (const pattern of patterns) {
            this.add(pattern);
        }
    }

    get size() {
        return this.#symbols.size + this.#globs.size;
    }

    get hasGlobs() {
        return this.#globs.size > 0;
    }

    /** @param {string} pattern */
    add(pattern) {
        if (isGlob(pattern)) {
            const escaped = pattern.replace(/[.+^$()[\]{}|\\]/g, '\\$&');
            const source = escaped.replaceAll('*', '.*').replaceAll('?', '.');
            this.#globs.set(pattern, new RegExp(`^${source}$`, 's'));
        } else {
            this.#symbols.add(pattern);
        }
    }

    /** @param {string} pattern */
    delete(pattern) {
        return this.#symbols.delete(pattern) || this.#globs.delete(pattern);
    }

    /** @param {string} pattern */
    has(pattern) {
        return this.#symbols.has(pattern) || this.#globs.has(pattern);
    }

    /**
     * Whether a symbol is in the set, or fits a pattern of it.
     *
     * @param {string} symbol
     */
    fits(symbol) {
        if (this.#symbols.has(symbol)) {
            return true;
        }
        for (const glob of this.#globs.values()) {
            if (glob.test(symbol)) {
                return true;
            }
        }
        return false;
    }

    *[Symbol.iterator]() {
        yield* this.#symbols;
        yield* this.#globs.keys();
    }
}

/**
 * Returns the symbols and patterns that a connection needs, each with a wish that gives every holder
 * at least what it wants.
 *
 * @param {Iterable<Holder>} holders
 * @returns {Map<string, Wish>}
 */
export function merged(holders) {
    const all = [...holders];
    // The server sends a symbol at the pace of one pattern that it fits, so all patterns are alike.
    const globbing = all.filter((holder) => holder.patterns.hasGlobs);
    /** @type {Map<string, Wish>} */
    const found = new Map();
    for (const { patterns } of all) {
        for (const pattern of patterns) {
            if (!found.has(pattern)) {
                const sharing = isGlob(pattern)
                    ? globbing
                    : all.filter((holder) => holder.patterns.fits(pattern));
                const naming = sharing.filter((holder) => holder.patterns.has(pattern));
                found.set(pattern, joined(sharing, naming));
            }
        }
    }
    return found;
}

/**
 * @param {Holder[]} sharing
 * @param {Holder[]} naming
 * @returns {Wish}
 */
function joined(sharing, naming) {
    const wishes = sharing.map((holder) => holder.wish);
    const fields = wishes.some((wish) => wish.fields === null)
        ? null
        : [...new Set(wishes.flatMap((wish) => wish.fields ?? []))].sort();
    return {
        channels: [...new Set(wishes.flatMap((wish) => wish.channels))].sort(),
        intervalMs: Math.min(...wishes.map((wish) => wish.intervalMs)),
        fields,
        snapshot: naming.some((holder) => holder.wish.snapshot),
        // Whoever wants the past has a connection of its own.
        ...(wishes[0]?.since ? { since: wishes[0].since } : {}),
    };
}

/**
 * Returns the options of a `subscribe` message.
 *
 * @param {Wish} wish
 * @param {boolean} isChange True where an earlier wish is replaced, all of which must be said.
 */
export function optionsOf(wish, isChange) {
    const { channels, intervalMs, fields } = wish;
    return {
        ...(channels.join() === 'quotes' && !isChange ? {} : { channels }),
        ...(intervalMs || isChange ? { interval_ms: intervalMs } : {}),
        ...(fields || isChange ? { fields: fields ?? [] } : {}),
    };
}

/** @typedef {Record<string, {epoch: string, sequence: number}>} Points */

/**
 * Divides a long subscription into messages that the server takes.
 *
 * @param {Iterable<string>} patterns
 * @param {(pattern: string) => Points} pointsOf Where to resume the symbols that fit.
 * @returns {Array<{symbols: string[], resume: Points, isWhole: boolean}>} Not whole = it is one
 *     of several for the same pattern.
 */
export function split(patterns, pointsOf) {
    /** @type {ReturnType<typeof split>} */
    const messages = [];
    /** @type {string[]} */
    let symbols = [];
    /** @type {Points} */
    let resume = {};
    let bytes = 0;
    const end = (isWhole = true) => {
        if (symbols.length > 0) {
            messages.push({ symbols, resume, isWhole });
        }
        [symbols, resume, bytes] = [[], {}, 0];
    };
    for (const pattern of patterns) {
        const points = Object.entries(pointsOf(pattern));
        const size = pattern.length + 4 + sizeOf(points);
        if (bytes + size > MOST_BYTES) {
            end();
        }
        if (size <= MOST_BYTES) {
            symbols.push(pattern);
            Object.assign(resume, Object.fromEntries(points));
            bytes += size;
            continue;
        }
        for (const [symbol, point] of points) {
            symbols = [pattern];
            resume[symbol] = point;
            bytes += sizeOf([[symbol, point]]);
            if (bytes > MOST_BYTES) {
                end(false);
            }
        }
        end(false);
    }
    end();
    return messages;
}

/** @param {Array<[string, {epoch: string, sequence: number}]>} points */
function sizeOf(points) {
    return points.reduce((sum, [symbol, { epoch }]) => sum + symbol.length + epoch.length + 50, 0);
}
