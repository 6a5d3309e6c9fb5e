// What the tests of the client share.

import { Client } from '../src/index.js';
import { Server } from './server.js';

// The class that the tests run with; run.js chooses.
const { WebSocket } = process.env.TEST_WEBSOCKET === 'ws' ? await import('ws') : globalThis;

export const WELCOME = {
    type: 'welcome', version: 1, server: 'tickloom test', epoch: 'e1', auth_required: false,
};

export const isSubscribe = (message) => message.type === 'subscribe';

export function tick(sequence, { symbol = 'A', epoch = 'e1', price = 1.5, ...more } = {}) {
    return {
        type: 'market_data', symbol, epoch, sequence, ...more, data: { symbol, current_price: price },
    };
}

/** A clock that stands still until it is told to go on. */
export class FakeClock {
    #now = 0;
    #timers = new Map();
    #last = 0;

    now() {
        return this.#now;
    }

    setTimeout(callback, ms) {
        this.#last += 1;
        this.#timers.set(this.#last, { at: this.#now + ms, callback });
        return this.#last;
    }

    clearTimeout(timer) {
        this.#timers.delete(timer);
    }

    get pending() {
        return this.#timers.size;
    }

    advance(ms) {
        const end = this.#now + ms;
        for (;;) {
            const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
            if (due.length === 0) {
                break;
            }
            due.sort(([, a], [, b]) => a.at - b.at);
            const [id, { at, callback }] = due[0];
            this.#timers.delete(id);
            this.#now = Math.max(this.#now, at);
            callback();
        }
        this.#now = end;
    }
}

/** Waits until something is true, for 5 s at most. */
export async function until(isTrue, what = isTrue.toString()) {
    const end = Date.now() + 5_000;
    while (!isTrue()) {
        if (Date.now() > end) {
            throw new Error(`did not happen: ${what}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
    }
}

export async function take(stream, count) {
    const found = [];
    while (found.length < count) {
        const { done, value } = await stream.next();
        if (done) {
            break;
        }
        found.push(value);
    }
    return found;
}

export const sequences = (ticks) => ticks.map((one) => one.sequence);

/** Takes a client's subscription the way a server does; returns what it asked for. */
export async function agree(peer, welcome = WELCOME) {
    peer.send(welcome);
    return answer(peer);
}

export async function answer(peer, more = {}) {
    const asked = await peer.hear(isSubscribe);
    peer.send({ type: 'subscribed', id: asked.id, symbols: asked.symbols, ...more });
    return asked;
}

/** A started server and a client for it that comes back at once; both end with the test. */
export async function open(t, options = {}) {
    const server = await new Server().start();
    const states = [];
    const gaps = [];
    const errors = [];
    const client = new Client(server.url, {
        WebSocket,
        minDelayMs: 5,
        maxDelayMs: 5,
        onState: (state) => states.push(state),
        onGap: (gap) => gaps.push(gap),
        onError: (error) => errors.push(error),
        ...options,
    });
    t.after(async () => {
        const closing = client.close();
        await server.stop();
        await closing;
    });
    return { server, client, states, gaps, errors };
}
