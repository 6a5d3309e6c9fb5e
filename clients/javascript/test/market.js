// A server that keeps the protocol's promises, with its ring, over lines that break: what the client
// is held to, whatever happens.

import { frameOf, Server } from './server.js';
import { tick } from './talk.js';

export class Market {
    epoch = 'e1';
    server = new Server();
    #restarts = 0;
    #ringSize;
    #sequences = new Map();
    #rings = new Map();
    #wanted = new Map();

    constructor(ringSize) {
        this.#ringSize = ringSize;
    }

    async start() {
        this.server.onPeer = (peer) => this.#serve(peer);
        await this.server.start();
        return this;
    }

    last(symbol) {
        return this.#sequences.get(symbol) ?? 0;
    }

    publish(symbol) {
        const sequence = this.last(symbol) + 1;
        this.#sequences.set(symbol, sequence);
        const message = tick(sequence, { symbol, epoch: this.epoch });
        const ring = this.#rings.get(symbol) ?? [];
        ring.push(message);
        this.#rings.set(symbol, ring.slice(-this.#ringSize));
        for (const [peer, wanted] of this.#wanted) {
            if (wanted.owed.has(symbol)) {
                const { dropped, skipped } = wanted.owed.get(symbol);
                wanted.owed.delete(symbol);
                if (dropped) {
                    peer.send({ type: 'gap', symbol, dropped, last_sequence: sequence - 1 - skipped });
                }
                this.#send(peer, skipped ? { ...message, skipped } : message);
            } else {
                this.#send(peer, message);
            }
        }
    }

    /** A tick that no client gets: it is told with the next, as dropped or as skipped. */
    withhold(symbol, isSkipped) {
        const sequence = this.last(symbol) + 1;
        this.#sequences.set(symbol, sequence);
        const ring = this.#rings.get(symbol) ?? [];
        ring.push(tick(sequence, { symbol, epoch: this.epoch }));
        this.#rings.set(symbol, ring.slice(-this.#ringSize));
        for (const [, { owed }] of this.#wanted) {
            const { dropped, skipped } = owed.get(symbol) ?? { dropped: 0, skipped: 0 };
            // As in the server: what was skipped before something is dropped is dropped with it.
            owed.set(symbol, isSkipped
                ? { dropped, skipped: skipped + 1 }
                : { dropped: dropped + skipped + 1, skipped: 0 });
        }
    }

    repeat(symbol) {
        const ring = this.#rings.get(symbol) ?? [];
        for (const [peer, { owed }] of this.#wanted) {
            if (!owed.has(symbol)) {
                this.#send(peer, ...ring.slice(-3));
            }
        }
    }

    cut(isMidFrame) {
        for (const [peer] of this.#wanted) {
            if (isMidFrame) {
                peer.write(frameOf(1, Buffer.from(JSON.stringify(tick(99)))).subarray(0, 15));
            }
            peer.cut();
        }
        this.#wanted.clear();
    }

    garbage() {
        for (const [peer] of this.#wanted) {
            peer.sendText('}{');
        }
    }

    restart() {
        this.#restarts += 1;
        this.epoch = `e${1 + this.#restarts}`;
        this.#sequences.clear();
        this.#rings.clear();
        for (const [peer] of this.#wanted) {
            peer.close(1012);
        }
        this.#wanted.clear();
    }

    #serve(peer) {
        const wanted = { symbols: new Set(), all: false, owed: new Map() };
        peer.send({ type: 'welcome', version: 1, server: 'market', epoch: this.epoch, auth_required: false });
        this.#wanted.set(peer, wanted);
        const talk = async () => {
            for (;;) {
                const message = await peer.hear();
                if (message.type === 'subscribe') {
                    this.#subscribe(peer, wanted, message);
                }
            }
        };
        talk().catch(() => this.#wanted.delete(peer));
    }

    #subscribe(peer, wanted, { id, symbols, resume = {}, snapshot = true }) {
        for (const symbol of symbols) {
            if (symbol === '*') {
                wanted.all = true;
            } else {
                wanted.symbols.add(symbol);
            }
        }
        const about = symbols.includes('*')
            ? new Set([...symbols.filter((one) => one !== '*'), ...this.#sequences.keys()])
            : new Set(symbols);
        const recovered = {};
        const past = [];
        const gaps = [];
        for (const symbol of about) {
            const point = resume[symbol];
            const last = this.last(symbol);
            const ring = this.#rings.get(symbol) ?? [];
            // What it owes comes now.
            wanted.owed.delete(symbol);
            if (!point) {
                past.push(...(snapshot ? ring.slice(-1) : []));
                continue;
            }
            const missing = last - point.sequence;
            recovered[symbol] = point.epoch === this.epoch && missing >= 0 && missing <= ring.length;
            if (recovered[symbol]) {
                past.push(...(missing ? ring.slice(-missing) : []));
            } else if (ring.length > 0) {
                const seen = point.epoch === this.epoch ? point.sequence : 0;
                gaps.push({
                    type: 'gap', symbol, dropped: Math.max(0, last - 1 - seen), last_sequence: last - 1,
                });
                past.push(ring.at(-1));
            }
        }
        peer.send({ type: 'subscribed', id, symbols, recovered }, ...gaps, ...past);
    }

    #send(peer, ...messages) {
        const wanted = this.#wanted.get(peer);
        peer.send(...messages.filter(({ symbol }) => wanted.all || wanted.symbols.has(symbol)));
    }
}
