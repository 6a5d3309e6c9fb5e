import { Audiences } from './audiences.js';
import { systemClock } from './clock.js';
import { Conversation } from './conversation.js';
import { Disconnected, Refused, TickloomError } from './errors.js';
import { Lifeline } from './lifeline.js';
import { channelOf } from './messages.js';
import { settingsOf, symbolsOf, urlOf, wishOf } from './options.js';
import { Stream } from './stream.js';
import { tell } from './telling.js';
import { merged } from './wishes.js';

/** @typedef {import('./wishes.js').Patterns} Patterns */
/** @typedef {import('./options.js').StreamOptions} StreamOptions */

/**
 * @template {import('./messages.js').PriceForm} [F='number']
 * @typedef {import('./options.js').ClientOptions<F>} ClientOptions
 */

// Streams that are opened one after another go out together; the server takes few messages a second.
const PACE_MS = 50;

/**
 * A connection to the stream of a tickloom server, which comes back by itself.
 *
 * It connects with the first stream. All streams share the connection; each symbol is subscribed
 * once, and given back when the last stream that names it closes.
 *
 * @template {import('./messages.js').PriceForm} [F='number']
 */
export class Client {
    /** What was counted since the start. */
    counts = {
        /** Numbered messages that went to streams. */
        received: 0,
        /** Messages that came again, and were left out. */
        repeated: 0,
        /** Messages that no stream wants any more. */
        ignored: 0,
        /** Messages known to be missing before they came here. */
        missed: 0,
        /** Connections after the first. */
        reconnects: 0,
    };

    /** @type {import('./options.js').Settings} */
    #settings;
    #conversation = new Conversation();
    #lifeline;
    #audiences = new Audiences();
    #streams = this.#audiences.streams;
    #sentAt = Number.NEGATIVE_INFINITY;
    /** @type {unknown} */
    #sending;
    #isSending = false;
    #connections = 0;
    /** @type {Map<string, string>} */
    #renamed = new Map();
    /** @type {TickloomError | null} */
    #fatal = null;
    #options;
    #isOther = false;
    /**
     * Connections of streams that begin in the past.
     *
     * @type {Set<Client<any>>}
     */
    #others = new Set();
    /** What is to be done once no stream is left. */
    #onIdle = () => {};

    /**
     * @param {string | URL} url Such as `ws://localhost:8000`, or `/ws` in a page of the server.
     * @param {ClientOptions<F>} [options]
     * @throws {TypeError} An option cannot be used, or there is no WebSocket class.
     */
    constructor(url, options = {}) {
        this.#options = options;
        this.#settings = { ...settingsOf(options), url: urlOf(url), clock: options.clock ?? systemClock };
        this.#lifeline = new Lifeline(this.#settings, {
            opened: (epoch) => this.#opened(epoch),
            received: (message) => this.#received(message),
            lost: () => this.#lost(),
            isWanted: () => this.#streams.size > 0,
            failed: (error) => void this.#end(error),
            became: (state) => tell(this.#settings.onState, state),
        });
    }

    /** `idle` until the first stream, `waiting` between two attempts. */
    get state() {
        return this.#lifeline.state;
    }

    /**
     * Yields the prices of symbols and patterns (`SIM.*`), each once and in order.
     *
     * @param {Iterable<string> | string} symbols
     * @param {Omit<StreamOptions, 'channels'>} [options]
     * @returns {Stream<import('./messages.js').MarketData<F>>}
     * @throws {Refused} The client ended for good.
     * @throws {TypeError} An option cannot be used.
     */
    stream(symbols, options = {}) {
        return this.#open('market_data', symbols, { ...options, channels: ['quotes'] });
    }

    /**
     * Yields bars, such as those of `1m`, as they form and close.
     *
     * @param {Iterable<string> | string} symbols
     * @param {string} interval
     * @param {Omit<StreamOptions, 'channels' | 'fields'>} [options]
     * @returns {Stream<import('./messages.js').Bar<F>>}
     */
    bars(symbols, interval, options = {}) {
        return this.#open('bar', symbols, { ...options, channels: [`bars.${interval}`] });
    }

    /**
     * Yields all that is about symbols: prices, bars where `channels` names them, and between them
     * gaps, states of feeds and troubles.
     *
     * @param {Iterable<string> | string} symbols
     * @param {StreamOptions} [options]
     * @returns {Stream<import('./messages.js').Message<F>>}
     */
    messages(symbols, options = {}) {
        return this.#open('all', symbols, options);
    }

    /** Ends all streams after what waits in them, and the connection; waits 2 s at most. */
    async close() {
        await this.#end(null);
    }

    /**
     * @param {import('./stream.js').Kind} kind
     * @param {Iterable<string> | string} symbols
     * @param {StreamOptions} options
     */
    #open(kind, symbols, options) {
        if (this.state === 'closed') {
            throw this.#fatal ?? new Refused('the client is closed', 0);
        }
        const wish = wishOf(options);
        if (wish.since && !this.#isOther) {
            return this.#openOther(kind, symbols, options);
        }
        const onGap = options.onGap ?? this.#settings.onGap;
        /** @type {Stream<any>} */
        const stream = new Stream(this.#owner, kind, wish, {
            capacity: options.buffer ?? (wish.since ? 16_384 : 4_096),
            onGap: (gap) => tell(onGap, gap),
        });
        const named = symbolsOf(symbols);
        if (named.length === 0) {
            throw new TypeError('a stream needs a symbol');
        }
        this.#streams.add(stream);
        stream.add(named);
        return stream;
    }

    /**
     * Opens a stream on a connection of its own, which lasts as long as the stream.
     *
     * @param {import('./stream.js').Kind} kind
     * @param {Iterable<string> | string} symbols
     * @param {StreamOptions} options
     * @returns {Stream<any>}
     */
    #openOther(kind, symbols, options) {
        const other = new Client(this.#settings.url, this.#options);
        other.#isOther = true;
        other.counts = this.counts;
        const stream = other.#open(kind, symbols, options);
        this.#others.add(other);
        other.#onIdle = () => {
            this.#others.delete(other);
            void other.close();
        };
        return stream;
    }

    /** @type {import('./stream.js').Owner} */
    #owner = {
        canonical: (symbols) => symbolsOf(symbols).map((one) => this.#renamed.get(one) ?? one),
        changed: () => this.#changed(),
        closed: (stream) => {
            if (this.#streams.delete(stream)) {
                this.#changed();
                if (this.#streams.size === 0) {
                    this.#onIdle();
                }
            }
        },
        leveled: () => this.#level(),
        bringNewest: (stream, patterns) => {
            for (const message of this.#conversation.newest) {
                if (patterns.fits(message.symbol) && stream.wish.channels.includes(channelOf(message))) {
                    stream.push(message);
                }
            }
        },
    };

    #changed() {
        this.#audiences.changed();
        this.#level();
        if (this.#streams.size > 0) {
            this.#lifeline.start();
        }
        if (this.state === 'open') {
            this.#sendSoon();
        }
    }

    #sendSoon() {
        if (this.#isSending) {
            return;
        }
        this.#isSending = true;
        const { clock } = this.#settings;
        const rest = this.#sentAt + PACE_MS - clock.now();
        if (rest > 0) {
            this.#sending = clock.setTimeout(() => this.#send(), rest);
        } else {
            queueMicrotask(() => this.#send());
        }
    }

    #send() {
        this.#isSending = false;
        if (this.state === 'open') {
            this.#sentAt = this.#settings.clock.now();
            for (const message of this.#conversation.changes(merged(this.#streams))) {
                this.#lifeline.send(message, message.type === 'subscribe');
            }
            this.#audiences.changed();
        }
    }

    /** @param {string} epoch */
    #opened(epoch) {
        this.counts.reconnects += this.#connections === 0 ? 0 : 1;
        this.#connections += 1;
        this.#conversation.begin(epoch);
        for (const stream of this.#streams) {
            stream.reconnected();
        }
        this.#send();
        this.#level();
    }

    #lost() {
        this.#stopSending();
        this.#conversation.end();
        this.#audiences.changed();
    }

    /** @param {TickloomError | null} error Null = the program wants it. */
    async #end(error) {
        this.#fatal ??= error;
        this.#stopSending();
        const closing = this.#lifeline.close(error);
        const streams = [...this.#streams];
        this.#streams.clear();
        for (const stream of streams) {
            stream.end(error);
        }
        await Promise.all([closing, ...[...this.#others].map((other) => other.#end(error))]);
    }

    #stopSending() {
        this.#settings.clock.clearTimeout(this.#sending);
        this.#isSending = false;
    }

    /** @param {any} message */
    #received(message) {
        switch (message.type) {
            case 'market_data':
            case 'bar':
                this.#takeNumbered(message);
                break;
            case 'gap':
                if (this.#conversation.isConfirmed(message.symbol) && this.#conversation.told(message)) {
                    this.#pushGap({ ...message, origin: 'server' });
                }
                break;
            case 'subscribed':
                this.#takeAnswer(message);
                break;
            case 'status':
                tell(this.#settings.onStatus, message);
                this.#audiences.push(message, message.symbols);
                break;
            case 'error':
                this.#takeError(message);
                break;
            default:
                break;
        }
    }

    /** @param {any} message */
    #takeNumbered(message) {
        if (!this.#conversation.isConfirmed(message.symbol)) {
            this.counts.ignored += 1;
            return;
        }
        // Read also where nobody wants it, until the server knows: another stream may come first.
        const { fresh, gap } = this.#conversation.take(message);
        const audience = this.#audiences.of(message);
        if (!fresh || audience.length === 0) {
            this.counts[fresh ? 'ignored' : 'repeated'] += 1;
            return;
        }
        if (gap) {
            const channel = channelOf(message);
            const where = channel === 'quotes' ? {} : { channel };
            this.#pushGap({ type: 'gap', symbol: message.symbol, ...where, ...gap });
        }
        this.counts.received += 1;
        for (const stream of audience) {
            stream.push(message);
        }
    }

    /** @param {any} gap */
    #pushGap(gap) {
        const audience = this.#audiences.of(gap);
        if (audience.length > 0) {
            this.counts.missed += gap.dropped;
        }
        for (const stream of audience) {
            stream.push(gap);
        }
    }

    /** @param {any} message */
    #takeAnswer(message) {
        this.#lifeline.answered(message.id);
        const outcome = this.#conversation.answered(message);
        if (!outcome) {
            return;
        }
        for (const [pattern, canonical] of outcome.accepted) {
            if (pattern !== canonical) {
                this.#renamed.set(pattern, canonical);
            }
            for (const stream of this.#streams) {
                stream.accept(pattern, canonical);
            }
        }
        for (const { pattern, code, message: reason } of outcome.rejected) {
            const error = new Refused(`${pattern} is refused: ${reason}`, code, pattern);
            tell(this.#settings.onError, error);
            for (const stream of [...this.#streams]) {
                stream.reject(pattern, error);
            }
        }
        this.#changed();
    }

    /** @param {any} message */
    #takeError(message) {
        const { id, code, symbol, message: reason } = message;
        if (id !== undefined && code !== 429 && code < 500) {
            this.#takeAnswer(message);
        } else if (symbol !== undefined) {
            tell(this.#settings.onError, new TickloomError(`${symbol}: ${reason}`, code));
            this.#audiences.push(message, [symbol]);
        } else if (code === 429) {
            // It was not read; which one it was is not told.
            this.#lifeline.drop(new Disconnected(`too many messages: ${reason}`, 4429));
        } else {
            tell(this.#settings.onError, new TickloomError(String(reason), code));
        }
    }

    // One reader that is behind stops the reading for all: the server then keeps the newest value of
    // each symbol, and tells what it left out.
    #level() {
        if (this.#settings.pauses) {
            this.#lifeline.level([...this.#streams].some((stream) => stream.isFull));
        }
    }
}
