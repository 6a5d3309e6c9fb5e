import { Disconnected, Refused } from './errors.js';
import { Link } from './link.js';
import { pauseMs } from './pauses.js';

/** @typedef {import('./errors.js').TickloomError} TickloomError */
/** @typedef {import('./options.js').State} State */

/**
 * @typedef {object} LifelineEvents
 * @property {(epoch: string) => void} opened The server takes subscriptions.
 * @property {(message: any) => void} received
 * @property {() => void} lost An open connection ended.
 * @property {() => boolean} isWanted Whether to come back.
 * @property {(error: TickloomError) => void} failed It is of no use to come back.
 * @property {(state: State) => void} became
 */

/** One connection after another. */
export class Lifeline {
    #settings;
    #events;
    /** @type {Link | null} */
    #link = null;
    /** @type {State['state']} */
    #state = 'idle';
    #attempt = 0;
    #openedAt = 0;
    /** @type {unknown} */
    #retrying;
    /** @type {Map<number, unknown>} */
    #answers = new Map();

    /**
     * @param {import('./options.js').Settings} settings
     * @param {LifelineEvents} events
     */
    constructor(settings, events) {
        this.#settings = settings;
        this.#events = events;
    }

    get state() {
        return this.#state;
    }

    /** Connects, unless it does already. */
    start() {
        if (this.#state === 'idle') {
            this.#connect();
        }
    }

    /**
     * Sends a message where the connection is open.
     *
     * @param {Record<string, unknown> & {id: number}} message
     * @param {boolean} isAsking Whether an answer must come.
     */
    send(message, isAsking) {
        if (this.#link && this.#state === 'open') {
            if (isAsking) {
                this.#awaitAnswer(this.#link, message.id);
            }
            this.#link.send(message);
        }
    }

    /** @param {number} id */
    answered(id) {
        this.#settings.clock.clearTimeout(this.#answers.get(id));
        this.#answers.delete(id);
    }

    /**
     * Stops or goes on reading, where the socket can.
     *
     * @param {boolean} isBehind
     */
    level(isBehind) {
        const link = this.#link;
        if (!link || this.#state !== 'open' || !link.canPause || link.isPaused === isBehind) {
            return;
        }
        if (isBehind) {
            link.pause();
        } else {
            link.resume();
        }
    }

    /** @param {Disconnected} error */
    drop(error) {
        this.#link?.drop(error);
    }

    /**
     * Ends for good; calling it twice is allowed.
     *
     * @param {TickloomError | null} error Null = the program wants it.
     */
    async close(error) {
        if (this.#state === 'closed') {
            return;
        }
        const link = this.#link;
        this.#link = null;
        this.#settings.clock.clearTimeout(this.#retrying);
        this.#forgetAnswers();
        this.#become('closed', error ? { error } : {});
        await link?.close();
    }

    #connect() {
        this.#become('connecting');
        try {
            this.#link = new Link(this.#settings, {
                opened: (epoch) => {
                    this.#openedAt = this.#settings.clock.now();
                    this.#become('open');
                    this.#events.opened(epoch);
                },
                received: this.#events.received,
                ended: (error) => this.#ended(error),
            });
        } catch (error) {
            this.#events.failed(new Refused(`no connection to ${this.#settings.url}: ${error}`, 0));
        }
    }

    /** @param {TickloomError} error */
    #ended(error) {
        const { clock, maxRetries, stableMs } = this.#settings;
        this.#link = null;
        this.#forgetAnswers();
        if (this.#state === 'open') {
            this.#events.lost();
            if (clock.now() - this.#openedAt >= stableMs) {
                this.#attempt = 0;
            }
        }
        if (error instanceof Refused || this.#attempt >= maxRetries) {
            this.#events.failed(error);
        } else if (!this.#events.isWanted()) {
            this.#become('idle', { error });
        } else {
            const delayMs = pauseMs(this.#attempt, error.code, this.#settings);
            this.#attempt += 1;
            this.#retrying = clock.setTimeout(() => this.#connect(), delayMs);
            this.#become('waiting', { error, delayMs });
        }
    }

    /**
     * @param {Link} link
     * @param {number} id
     */
    #awaitAnswer(link, id) {
        const { clock, answerTimeoutMs } = this.#settings;
        const timer = clock.setTimeout(() => {
            if (link.isPaused) {
                this.#awaitAnswer(link, id);
            } else {
                const text = `no answer to a subscription within ${answerTimeoutMs} ms`;
                link.drop(new Disconnected(text));
            }
        }, answerTimeoutMs);
        this.#answers.set(id, timer);
    }

    #forgetAnswers() {
        for (const timer of this.#answers.values()) {
            this.#settings.clock.clearTimeout(timer);
        }
        this.#answers.clear();
    }

    /**
     * @param {State['state']} state
     * @param {{error?: TickloomError, delayMs?: number}} [more]
     */
    #become(state, more = {}) {
        this.#state = state;
        this.#events.became({ state, attempt: this.#attempt, ...more });
    }
}
