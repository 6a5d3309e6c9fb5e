import { Unreadable } from './errors.js';
import { exactly } from './exact.js';

/**
 * How prices come: `'number'`, or `'string'` for the exact text that the server sent.
 *
 * @typedef {'number' | 'string'} PriceForm
 */

/**
 * @template {PriceForm} [F='number']
 * @typedef {F extends 'string' ? string : number} Price
 */

/**
 * The newest prices of a symbol. A field without a value is left out, and so is what was not asked
 * for with `fields`. Times are UTC, as ISO 8601.
 *
 * @template {PriceForm} [F='number']
 * @typedef {object} Quote
 * @property {string} symbol Canonical, in capitals.
 * @property {string} provider Name of the provider that answered.
 * @property {string} timestamp When the prices were made at the venue.
 * @property {string} received_at When the server got them.
 * @property {boolean} is_real_time True only where the provider vouches for it.
 * @property {Price<F>} current_price The last price, per unit, in `currency`.
 * @property {Price<F>} [open_price] First price of the session.
 * @property {Price<F>} [high_price] Highest price of the session.
 * @property {Price<F>} [low_price] Lowest price of the session.
 * @property {Price<F>} [close_price] Official close of this session.
 * @property {Price<F>} [previous_close] Official close of the session before.
 * @property {number} [volume] Units traded in this session.
 * @property {Price<F>} [market_cap] In `currency`.
 * @property {Price<F>} [price_change] `current_price` less `previous_close`.
 * @property {Price<F>} [price_change_percent] The same in per cent: 1.5 is 1.5 %.
 * @property {Price<F>} [bid] Best bid price.
 * @property {Price<F>} [ask] Best ask price.
 * @property {number} [bid_size] Units bid for at `bid`.
 * @property {number} [ask_size] Units offered at `ask`.
 * @property {number} [last_size] Units of the last trade.
 * @property {string} [currency] ISO 4217 code, or GBp, ILA, ZAc for minor units.
 * @property {string} [exchange] The venue as the provider names it.
 * @property {string} [market_state] Phase of the venue's session.
 * @property {string} [fallback_from] The provider that should have answered, where another one did.
 * @property {string} [fallback_reason] Why it did not.
 * @property {number} [sequence] That of the message.
 * @property {string} [quality] What the validators said; missing = `ok`.
 * @property {string[]} [quality_codes] The codes of their complaints.
 * @property {Record<string, unknown>} [additional_data] What the provider says beyond these fields.
 */

/**
 * One tick.
 *
 * @template {PriceForm} [F='number']
 * @typedef {object} MarketData
 * @property {'market_data'} type
 * @property {string} symbol
 * @property {string} epoch What `sequence` counts in; another one after a restart.
 * @property {number} sequence From 1 for each symbol, without holes within an epoch.
 * @property {number} [skipped] Ticks before this one that were left out for the interval asked for.
 * @property {boolean} [stored] True for a price of the past that `since` brought from the database,
 *     where numbers have holes.
 * @property {Quote<F>} data
 */

/**
 * What the ticks of one interval have come to, where a channel such as `bars.1m` was asked for.
 *
 * @template {PriceForm} [F='number']
 * @typedef {object} Bar
 * @property {'bar'} type
 * @property {string} symbol
 * @property {string} interval `1s`, `1m`, `5m`, `1h` or `1d`.
 * @property {string} timestamp Begin of the interval, UTC, as ISO 8601.
 * @property {'forming' | 'closed' | 'corrected'} state
 * @property {Price<F>} open In `currency`, as the other prices.
 * @property {Price<F>} high
 * @property {Price<F>} low
 * @property {Price<F>} close
 * @property {number} ticks How many ticks made it.
 * @property {number} [volume] Units traded; missing where the provider tells none.
 * @property {string} [currency]
 * @property {boolean} [partial] True where the server has not watched since the interval began.
 * @property {string} epoch
 * @property {number} sequence From 1 for each symbol and interval, without holes within an epoch.
 * @property {number} [skipped] Forming ones before it that were left out for the interval asked for.
 */

/**
 * Messages of a symbol are missing. `origin` says who left them out:
 *
 * - `server`: it, because this client was too slow, or away for too long;
 * - `buffer`: the buffer here, because the program was too slow;
 * - `epoch`: a server that counts anew, so that nobody knows what its last message was;
 * - `away`: a broken line, of bars, which cannot be resumed, and of symbols that began meanwhile;
 * - `hole`: nobody said so, which is a bug of the server and worth a report.
 *
 * @typedef {object} Gap
 * @property {'gap'} type
 * @property {string} symbol
 * @property {number} dropped How many are known to be missing; 0 = not known.
 * @property {number} last_sequence The newest of them.
 * @property {string} [channel] Missing where they are quotes.
 * @property {'server' | 'buffer' | 'epoch' | 'away' | 'hole'} origin
 */

/**
 * A feed changed its state.
 *
 * @typedef {object} Status
 * @property {'status'} type
 * @property {string} provider
 * @property {'live' | 'stale' | 'down' | 'closed'} state
 * @property {string} since UTC, as ISO 8601.
 * @property {string[]} symbols Those of this client that depend on it.
 * @property {string} [reason]
 */

/**
 * A symbol has trouble.
 *
 * @typedef {object} Trouble
 * @property {'error'} type
 * @property {number} code
 * @property {string} message
 * @property {string} symbol
 */

/**
 * @template {PriceForm} [F='number']
 * @typedef {MarketData<F> | Bar<F>} Numbered
 */

/**
 * All that {@link Client.messages} yields.
 *
 * @template {PriceForm} [F='number']
 * @typedef {Numbered<F> | Gap | Status | Trouble} Message
 */

/**
 * The channel that a message belongs to.
 *
 * @param {any} message
 * @returns {string}
 */
export function channelOf(message) {
    return message.type === 'bar' ? `bars.${message.interval}` : (message.channel ?? 'quotes');
}

/**
 * What messages are numbered by, and what a newer one replaces.
 *
 * @param {any} message
 * @returns {string}
 */
export function keyOf(message) {
    const channel = channelOf(message);
    return channel === 'quotes' ? message.symbol : `${message.symbol} ${channel}`;
}

/**
 * Returns the messages in one frame.
 *
 * @param {unknown} data What a WebSocket received.
 * @param {boolean} exact Whether prices stay text.
 * @returns {any[]} Each has a `type`, and those of known types have what this library needs.
 * @throws {Unreadable} One of them is no message.
 */
export function decode(data, exact) {
    let value;
    try {
        value = JSON.parse(/** @type {string} */ (data));
        if (exact) {
            value = JSON.parse(exactly(/** @type {string} */ (data)));
        }
    } catch {
        throw new Unreadable(`the server sent no JSON: ${shown(data)}`);
    }
    const messages = Array.isArray(value) ? value : [value];
    for (const message of messages) {
        if (!isMessage(message)) {
            throw new Unreadable(`the server sent no message: ${shown(data)}`);
        }
    }
    return messages;
}

/** @param {any} message */
function isMessage(message) {
    if (typeof message !== 'object' || message === null || typeof message.type !== 'string') {
        return false;
    }
    switch (message.type) {
        case 'market_data':
            return isNumbered(message) && typeof message.data === 'object' && message.data !== null;
        case 'bar':
            return isNumbered(message) && typeof message.interval === 'string';
        case 'gap':
            return typeof message.symbol === 'string'
                && isCount(message.dropped) && isCount(message.last_sequence);
        case 'subscribed':
            return Array.isArray(message.symbols);
        case 'status':
            return Array.isArray(message.symbols) && typeof message.provider === 'string';
        case 'error':
            return typeof message.code === 'number';
        default:
            return true;
    }
}

/** @param {any} message */
function isNumbered(message) {
    return typeof message.symbol === 'string' && typeof message.epoch === 'string' && message.epoch
        && isCount(message.sequence) && isCount(message.skipped ?? 0);
}

/** @param {unknown} value */
function isCount(value) {
    return Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;
}

/** @param {unknown} data */
function shown(data) {
    return typeof data === 'string' ? JSON.stringify(data.slice(0, 80)) : `${typeof data} data`;
}
