import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../src/index.js';
import { Market } from './market.js';
import { until } from './talk.js';

const SYMBOLS = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

/** Reads a stream to its end; returns all that it told. */
async function collect(stream) {
    const told = [];
    for await (const message of stream) {
        told.push(message);
    }
    return told;
}

/** Holds what one stream told of one symbol to what the protocol promises. */
function check(told, isFromStart, context) {
    const seen = new Map();
    let last = null;
    let gaps = [];
    for (const message of told) {
        if (message.type === 'gap') {
            gaps.push(message);
            continue;
        }
        const { epoch, sequence, skipped = 0 } = message;
        const where = `${context}: ${epoch} ${sequence} after ${JSON.stringify(last)}, told ${JSON.stringify(gaps)}`;
        assert.ok(sequence > (seen.get(epoch) ?? 0), `twice, ${where}`);
        const dropped = gaps.reduce((sum, gap) => sum + gap.dropped, 0);
        if (last?.epoch === epoch) {
            const missing = sequence - 1 - last.sequence - skipped;
            assert.equal(dropped, missing, `missing and told, ${where}`);
            assert.ok(gaps.every((gap) => gap.origin !== 'hole'), `not explained, ${where}`);
        } else if (last !== null) {
            assert.ok(gaps.length > 0, `a break that was not told, ${where}`);
        } else if (isFromStart) {
            assert.ok(sequence - 1 - skipped <= dropped, `silently short, ${where}`);
        }
        seen.set(epoch, sequence);
        last = { epoch, sequence };
        gaps = [];
    }
    return last;
}

async function live(seed) {
    let state = seed;
    const random = (below) => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
    };
    const market = await new Market(1 + random(6)).start();
    const client = new Client(market.server.url, { minDelayMs: 3, maxDelayMs: 3, stableMs: 1 });
    const named = client.messages(SYMBOLS);
    const matched = client.messages('*');
    const slow = client.messages(SYMBOLS, { buffer: SYMBOLS.length + random(5) });
    const reading = Promise.all([collect(named), collect(matched)]);
    try {
        market.publish('FIRST');
        await until(() => client.counts.received > 0);
        for (let step = 0; step < 120; step += 1) {
            const symbol = SYMBOLS[random(SYMBOLS.length)];
            const what = random(30);
            if (what === 0) {
                market.cut(random(2) === 0);
            } else if (what === 1) {
                market.restart();
            } else if (what === 2) {
                market.garbage();
            } else if (what < 6) {
                market.repeat(symbol);
            } else if (what < 10) {
                market.withhold(symbol, random(2) === 0);
            } else {
                market.publish(symbol);
            }
            if (random(6) === 0) {
                await new Promise((resolve) => setTimeout(resolve, random(6)));
            }
        }
        // The newest of each must arrive in the end.
        const arrived = new Map();
        const watch = async () => {
            for await (const message of client.stream(SYMBOLS)) {
                arrived.set(message.symbol, message);
            }
        };
        const watching = watch();
        SYMBOLS.forEach((symbol) => market.publish(symbol));
        await until(() => SYMBOLS.every((symbol) => {
            const { epoch, sequence } = arrived.get(symbol) ?? {};
            return epoch === market.epoch && sequence === market.last(symbol);
        }), `seed ${seed}: the newest arrives`);
        const late = collect(slow);
        await client.close();
        await watching;
        const [byName, byPattern] = await reading;
        const whole = [['named', byName, true], ['matched', byPattern, true], ['slow', await late, true]];
        for (const symbol of SYMBOLS) {
            for (const [name, all, isFromStart] of whole) {
                const theirs = all.filter((message) => message.symbol === symbol);
                const last = check(theirs, isFromStart, `seed ${seed}, ${name}, ${symbol}`);
                assert.deepEqual(
                    last, { epoch: market.epoch, sequence: market.last(symbol) }, `seed ${seed} ${name} ${symbol}`);
            }
        }
        return client.counts;
    } finally {
        await client.close();
        await market.server.stop();
    }
}

test('whatever breaks, nothing comes twice and nothing is silently missing', async () => {
    const sums = { received: 0, repeated: 0, missed: 0, reconnects: 0 };
    for (let seed = 1; seed <= Number(process.env.SEEDS ?? 40); seed += 8) {
        const all = await Promise.all(Array.from({ length: 8 }, (_, at) => live(seed + at)));
        for (const counts of all) {
            Object.keys(sums).forEach((name) => {
                sums[name] += counts[name];
            });
        }
    }

    // Otherwise nothing was tried.
    Object.entries(sums).forEach(([name, sum]) => assert.ok(sum > 20, `${name}: ${sum}`));
});
