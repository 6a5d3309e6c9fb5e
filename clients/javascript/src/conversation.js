import { channelOf, keyOf } from './messages.js';
import { Positions } from './positions.js';
import { isGlob, optionsOf, Patterns, split } from './wishes.js';

/** @typedef {import('./wishes.js').Wish} Wish */
/** @typedef {import('./wishes.js').Points} Points */

/**
 * @typedef {object} Group Patterns that are wanted in the same way.
 * @property {Wish} wish
 * @property {string[]} patterns
 * @property {boolean} isNew Whether their quotes were not asked for before.
 * @property {boolean} isChange Whether something else of them was.
 */

/**
 * @typedef {object} Asked A `subscribe` message without an answer yet.
 * @property {string[]} patterns
 * @property {boolean} fromStart Whether the newest value of each symbol was asked for.
 */

/**
 * What the server was asked for, what it agreed to, and how far each symbol was read; knows no
 * sockets and outlives them.
 */
export class Conversation {
    #quotes = new Positions();
    #bars = new Positions();
    /** @type {Map<string, any>} */
    #newest = new Map();
    #epoch = '';
    #lastId = 0;

    // Of this connection: what was sent of each pattern, and what came of it.
    /** @type {Map<string, {form: string, wish: Wish}>} */
    #sent = new Map();
    /** @type {Map<number, Asked>} */
    #asked = new Map();
    /** @type {Set<string>} */
    #rejected = new Set();
    #confirmed = new Patterns();
    /** @type {Set<string>} */
    #fromStart = new Set();
    /**
     * Symbols whose resume is not answered yet, with the message that asks for it. What comes of
     * them before that comes again, after what was missed.
     *
     * @type {Map<string, number>}
     */
    #awaiting = new Map();
    #isNew = false;

    // Patterns that were followed from their start on an earlier connection, and its epoch: of their
    // symbols nothing may be missing, even where none of them has had a price.
    #followed = new Patterns();
    /** @type {Map<string, string>} */
    #followedEpochs = new Map();

    /**
     * Begins with a new connection.
     *
     * @param {string} epoch That of its welcome.
     */
    begin(epoch) {
        this.#epoch = epoch;
        this.#sent.clear();
        this.#asked.clear();
        this.#rejected.clear();
        this.#fromStart.clear();
        this.#awaiting.clear();
        this.#confirmed = new Patterns();
        this.#isNew = true;
    }

    /** Takes note that the connection ended. */
    end() {
        // Quotes are resumed; bars cannot be.
        this.#bars.leave();
        for (const pattern of this.#fromStart) {
            this.#followed.add(pattern);
            this.#followedEpochs.set(pattern, this.#epoch);
        }
        this.#confirmed = new Patterns();
        this.#asked.clear();
    }

    /**
     * Returns the messages that bring the server to what is wanted now.
     *
     * @param {Map<string, Wish>} wishes
     * @returns {Array<Record<string, any> & {id: number}>}
     */
    changes(wishes) {
        const leaving = [...this.#sent.keys()].filter((pattern) => !wishes.has(pattern));
        if (leaving.length > 0 || this.#isNew) {
            this.#forget(leaving, wishes);
        }
        /** @type {Map<string, Group>} */
        const groups = new Map();
        for (const [pattern, wish] of wishes) {
            const { snapshot, since, ...rest } = wish;
            const form = JSON.stringify(rest);
            const before = this.#sent.get(pattern);
            if (before?.form === form) {
                continue;
            }
            const isChange = before !== undefined && !this.#rejected.delete(pattern);
            const isNew = !isChange || (hasQuotes(wish) && !hasQuotes(before.wish));
            this.#sent.set(pattern, { form, wish });
            const name = [form, isNew, isChange, snapshot].join(' ');
            const group = groups.get(name) ?? { wish, isNew, isChange, patterns: [] };
            group.patterns.push(pattern);
            groups.set(name, group);
        }
        const messages = [...groups.values()].flatMap((group) => this.#subscribe(group));
        this.#isNew = false;
        for (const { symbols } of split(leaving, () => ({}))) {
            messages.push({ type: 'unsubscribe', id: this.#nextId(), symbols });
        }
        return messages;
    }

    /**
     * Takes the answer to a message.
     *
     * @param {any} answer `subscribed`, or an `error` that refuses the whole message.
     * @returns {{
     *     accepted: Array<[string, string]>,
     *     rejected: Array<{pattern: string, code: number, message: string}>,
     * } | null} Null where it answers nothing that waits. Accepted is what was asked
     *     for, with its canonical name.
     */
    answered(answer) {
        const asked = this.#asked.get(answer.id);
        if (!asked) {
            return null;
        }
        this.#asked.delete(answer.id);
        for (const [symbol, id] of this.#awaiting) {
            if (id === answer.id) {
                this.#awaiting.delete(symbol);
            }
        }
        const isRefused = answer.type === 'error';
        /** @type {Map<string, any>} */
        const refusals = new Map((answer.rejected ?? []).map((/** @type {any} */ one) => [one.symbol, one]));
        /** @type {NonNullable<ReturnType<Conversation['answered']>>} */
        const outcome = { accepted: [], rejected: [] };
        for (const pattern of asked.patterns) {
            if (!this.#sent.has(pattern)) {
                continue;
            }
            const refusal = isRefused ? answer : refusals.get(pattern);
            if (refusal) {
                this.#rejected.add(pattern);
                const { code, message } = refusal;
                outcome.rejected.push({ pattern, code, message });
            } else {
                const canonical = answer.renamed?.[pattern] ?? pattern;
                this.#confirm(pattern, canonical, asked.fromStart);
                outcome.accepted.push([pattern, canonical]);
            }
        }
        return outcome;
    }

    /**
     * Whether a symbol is subscribed on this connection.
     *
     * @param {string} symbol
     */
    isConfirmed(symbol) {
        return this.#confirmed.fits(symbol);
    }

    /**
     * Judges a numbered message of a confirmed symbol.
     *
     * @param {any} message
     * @returns {ReturnType<Positions['take']>}
     */
    take(message) {
        const key = keyOf(message);
        const isQuote = message.type === 'market_data';
        if (isQuote && this.#awaiting.has(message.symbol)) {
            return { fresh: false, gap: null };
        }
        if (message.stored) {
            // Before all that is counted here, and the database leaves some out.
            return { fresh: true, gap: null };
        }
        const positions = isQuote ? this.#quotes : this.#bars;
        const fromStart = isQuote && !positions.has(key) && this.#followed.fits(message.symbol);
        const verdict = positions.take(key, message, fromStart);
        if (verdict.fresh) {
            this.#newest.set(key, message);
        }
        return verdict;
    }

    /**
     * Takes note of a gap of a confirmed symbol.
     *
     * @param {any} gap
     * @returns {boolean} False where what is missing is going to come after all.
     */
    told(gap) {
        const isQuote = channelOf(gap) === 'quotes';
        if (isQuote && this.#awaiting.has(gap.symbol)) {
            return false;
        }
        (isQuote ? this.#quotes : this.#bars).told(keyOf(gap), gap.last_sequence);
        return true;
    }

    /** The newest message of each symbol and channel. */
    get newest() {
        return this.#newest.values();
    }

    /** @param {Group} group */
    #subscribe({ wish, isNew, isChange, patterns }) {
        return split(patterns, (pattern) => (isNew ? this.#pointsOf(pattern) : {})).map(
            ({ symbols, resume, isWhole }) => {
                const id = this.#nextId();
                const fromStart = isNew && (wish.snapshot || wish.since !== undefined);
                this.#asked.set(id, { patterns: symbols, fromStart: fromStart && hasQuotes(wish) });
                const resumed = Object.keys(resume);
                // What was begun before goes on from where it was.
                const isBegun = resumed.length > 0 || symbols.some((one) => this.#followedEpochs.has(one));
                const since = isNew && hasQuotes(wish) && !isBegun ? wish.since : undefined;
                for (const symbol of this.#isNew ? resumed : []) {
                    if (!this.#awaiting.has(symbol)) {
                        this.#awaiting.set(symbol, id);
                    }
                }
                return {
                    type: 'subscribe',
                    id,
                    symbols,
                    ...optionsOf(wish, isChange),
                    ...(fromStart && isWhole ? {} : { snapshot: false }),
                    ...(since === undefined ? {} : { since }),
                    ...(resumed.length > 0 ? { resume } : {}),
                };
            },
        );
    }

    /**
     * @param {string} pattern
     * @returns {Points}
     */
    #pointsOf(pattern) {
        if (isGlob(pattern)) {
            const fitting = new Patterns([pattern]);
            return Object.fromEntries(
                [...this.#quotes.points()].filter(([symbol]) => fitting.fits(symbol)),
            );
        }
        const epoch = this.#followedEpochs.get(pattern);
        const point = this.#quotes.point(pattern)
            ?? (epoch === undefined ? null : { epoch, sequence: 0 });
        return point ? { [pattern]: point } : {};
    }

    /**
     * @param {string} pattern
     * @param {string} canonical
     * @param {boolean} fromStart
     */
    #confirm(pattern, canonical, fromStart) {
        this.#confirmed.add(canonical);
        if (fromStart) {
            this.#fromStart.add(canonical);
        }
        if (canonical !== pattern) {
            const sent = this.#sent.get(pattern);
            if (sent) {
                this.#sent.set(canonical, sent);
            }
            this.#sent.delete(pattern);
        }
    }

    /**
     * @param {string[]} leaving
     * @param {Map<string, Wish>} wishes
     */
    #forget(leaving, wishes) {
        for (const pattern of leaving) {
            this.#sent.delete(pattern);
            this.#rejected.delete(pattern);
            this.#confirmed.delete(pattern);
            this.#fromStart.delete(pattern);
        }
        for (const pattern of this.#followedEpochs.keys()) {
            if (!wishes.has(pattern)) {
                this.#followed.delete(pattern);
                this.#followedEpochs.delete(pattern);
            }
        }
        const wanted = new Patterns(wishes.keys());
        const isWanted = (/** @type {string} */ key) => wanted.fits(key.split(' ', 1)[0] ?? key);
        this.#quotes.keep(isWanted);
        this.#bars.keep(isWanted);
        for (const key of this.#newest.keys()) {
            if (!isWanted(key)) {
                this.#newest.delete(key);
            }
        }
    }

    #nextId() {
        this.#lastId += 1;
        return this.#lastId;
    }
}

/** @param {Wish} wish */
function hasQuotes(wish) {
    return wish.channels.includes('quotes');
}
