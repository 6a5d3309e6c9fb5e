export { Client } from './client.js';
export { Disconnected, Refused, TickloomError, Unreadable } from './errors.js';
export { Stream } from './stream.js';

/** @typedef {import('./clock.js').Clock} Clock */
/** @typedef {import('./messages.js').PriceForm} PriceForm */
/** @typedef {import('./messages.js').Gap} Gap */
/** @typedef {import('./messages.js').Status} Status */
/** @typedef {import('./messages.js').Trouble} Trouble */
/** @typedef {import('./options.js').State} State */
/** @typedef {import('./options.js').StreamOptions} StreamOptions */

/**
 * @template {PriceForm} [F='number']
 * @typedef {import('./messages.js').Quote<F>} Quote
 */
/**
 * @template {PriceForm} [F='number']
 * @typedef {import('./messages.js').MarketData<F>} MarketData
 */
/**
 * @template {PriceForm} [F='number']
 * @typedef {import('./messages.js').Bar<F>} Bar
 */
/**
 * @template {PriceForm} [F='number']
 * @typedef {import('./messages.js').Message<F>} Message
 */
/**
 * @template {PriceForm} [F='number']
 * @typedef {import('./options.js').ClientOptions<F>} ClientOptions
 */
