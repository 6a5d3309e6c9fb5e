/** @typedef {import('./messages.js').Gap} Gap */

/**
 * Where a client is in one numbered series.
 *
 * @typedef {object} Position
 * @property {string} epoch Empty = nothing was seen yet.
 * @property {number} sequence
 * @property {number | null} told Up to where a gap since then explains what is missing.
 * @property {Map<string, number>} older The last sequences of earlier epochs.
 * @property {boolean} isAway Whether the connection broke since, and nothing resumes it.
 */

// A take-over between servers may bring a few messages of an earlier epoch late, never many epochs.
const MOST_OLDER = 4;

/** Finds what comes twice and what is missing, from the numbers of the messages. */
export class Positions {
    /** @type {Map<string, Position>} */
    #known = new Map();

    /** @param {string} key */
    has(key) {
        return Boolean(this.#known.get(key)?.epoch);
    }

    /** @returns {Iterable<[string, {epoch: string, sequence: number}]>} */
    *points() {
        for (const [key, { epoch, sequence }] of this.#known) {
            if (epoch) {
                yield [key, { epoch, sequence }];
            }
        }
    }

    /**
     * @param {string} key
     * @returns {{epoch: string, sequence: number} | null} Null where nothing was seen.
     */
    point(key) {
        const known = this.#known.get(key);
        return known?.epoch ? { epoch: known.epoch, sequence: known.sequence } : null;
    }

    /**
     * Takes note of a gap that the server told.
     *
     * @param {string} key
     * @param {number} last The newest number that is missing.
     */
    told(key, last) {
        const known = this.#of(key);
        known.told = Math.max(known.told ?? 0, last);
    }

    /**
     * Judges the next message.
     *
     * @param {string} key
     * @param {{symbol: string, epoch: string, sequence: number, skipped?: number}} message
     * @param {boolean} fromStart Whether everything since the first number was asked for.
     * @returns {{fresh: boolean, gap: Pick<Gap, 'dropped' | 'last_sequence' | 'origin'> | null}}
     *     Not fresh = it came before. A gap is one that nobody told.
     */
    take(key, message, fromStart) {
        const known = this.#of(key);
        const { epoch, sequence, skipped = 0 } = message;
        const isSame = epoch === known.epoch;
        const seen = isSame ? known.sequence : (known.older.get(epoch) ?? -1);
        if (sequence <= seen) {
            return { fresh: false, gap: null };
        }
        const isFirst = !known.epoch;
        const { isAway } = known;
        // A gap ends before what follows it; one that doesn't is of an earlier epoch.
        const isTold = known.told !== null && (isSame || known.told < Math.max(1, sequence));
        const from = Math.max(0, seen, isTold ? Math.min(known.told ?? 0, sequence - 1) : 0);
        const dropped = isFirst && !fromStart ? 0 : Math.max(0, sequence - 1 - from - skipped);
        if (!isSame && !isFirst) {
            known.older.delete(epoch);
            known.older.set(known.epoch, known.sequence);
            for (const oldest of known.older.keys()) {
                if (known.older.size <= MOST_OLDER) {
                    break;
                }
                known.older.delete(oldest);
            }
        }
        known.epoch = epoch;
        known.sequence = sequence;
        known.told = null;
        known.isAway = false;
        const isNewEpoch = !isSame && !isFirst && !isTold;
        if (!dropped && !isNewEpoch) {
            return { fresh: true, gap: null };
        }
        const origin = isFirst || isAway ? 'away' : isSame ? 'hole' : 'epoch';
        return { fresh: true, gap: { dropped, last_sequence: Math.max(0, sequence - 1), origin } };
    }

    /** Takes note that messages may be missed from here on, which nobody is going to send again. */
    leave() {
        for (const known of this.#known.values()) {
            known.isAway = true;
        }
    }

    /**
     * Forgets series that nobody wants any more.
     *
     * @param {(key: string) => boolean} isWanted
     */
    keep(isWanted) {
        for (const key of this.#known.keys()) {
            if (!isWanted(key)) {
                this.#known.delete(key);
            }
        }
    }

    /** @param {string} key */
    #of(key) {
        let known = this.#known.get(key);
        if (known === undefined) {
            known = { epoch: '', sequence: -1, told: null, older: new Map(), isAway: false };
            this.#known.set(key, known);
        }
        return known;
    }
}
