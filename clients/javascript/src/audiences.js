import { channelOf } from './messages.js';

/** @typedef {import('./stream.js').Stream<any>} Stream */

/** The open streams, and which of them want a message. */
export class Audiences {
    /** @type {Set<Stream>} */
    streams = new Set();
    /** @type {Map<string, Stream[]>} */
    #found = new Map();

    /** Takes note that streams, their symbols or what is subscribed changed. */
    changed() {
        this.#found.clear();
    }

    /**
     * Returns the streams that want the symbol and channel of a message.
     *
     * @param {any} message About a symbol that is subscribed.
     */
    of(message) {
        const { symbol } = message;
        const channel = channelOf(message);
        const key = `${symbol} ${channel}`;
        const known = this.#found.get(key);
        if (known !== undefined) {
            return known;
        }
        const found = [...this.streams].filter(
            ({ patterns, wish }) => wish.channels.includes(channel) && patterns.fits(symbol),
        );
        this.#found.set(key, found);
        return found;
    }

    /**
     * Hands a message to all streams that have one of these symbols.
     *
     * @param {any} message
     * @param {string[]} symbols
     */
    push(message, symbols) {
        for (const stream of this.streams) {
            if (symbols.some((symbol) => stream.patterns.fits(symbol))) {
                stream.push(message);
            }
        }
    }
}
