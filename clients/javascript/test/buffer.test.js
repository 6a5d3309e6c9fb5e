import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Buffer } from '../src/buffer.js';
import { tick } from './talk.js';

const gap = (symbol, dropped, last, origin = 'server') => (
    { type: 'gap', symbol, dropped, last_sequence: last, origin });
const shown = (message) => (message.type === 'gap'
    ? `${message.symbol} -${message.dropped}<${message.last_sequence}`
    : `${message.symbol ?? message.provider} ${message.sequence ?? message.state}`);

function drained(buffer) {
    const found = [];
    for (let message = buffer.take(); message; message = buffer.take()) {
        found.push(shown(message));
    }
    return found;
}

function filled(capacity, ...messages) {
    const buffer = new Buffer(capacity);
    for (const message of messages) {
        buffer.put(message.symbol ?? message.provider, message);
    }
    return buffer;
}

test('all messages come in order while they fit', () => {
    const all = [tick(1), tick(1, { symbol: 'B' }), gap('A', 1, 2), tick(3)];

    assert.deepEqual(drained(filled(4, ...all)), ['A 1', 'B 1', 'A -1<2', 'A 3']);
});

test('a full buffer keeps the newest of each symbol, behind what is missing', () => {
    const buffer = filled(3, tick(1), tick(1, { symbol: 'B' }), tick(2), tick(5, { skipped: 2 }), tick(6));

    assert.equal(buffer.size, 2);
    assert.deepEqual(drained(buffer), ['B 1', 'A -5<5', 'A 6']);
});

test('more symbols than fit are told by their gaps', () => {
    const buffer = filled(2, ...['A', 'B', 'C', 'D'].map((symbol) => tick(1, { symbol })));

    assert.equal(buffer.size, 2);
    assert.deepEqual(drained(buffer), ['C 1', 'D 1', 'A -1<1', 'B -1<1']);
});

test('a told gap is added to what is left out here', () => {
    const buffer = filled(1, tick(1), tick(2), gap('A', 3, 5), tick(6));

    assert.deepEqual(drained(buffer), ['A -5<5', 'A 6']);
});

test('a gap at the end comes at the end', () => {
    assert.deepEqual(drained(filled(1, tick(1), tick(2), gap('A', 3, 5))), ['A -1<1', 'A 2', 'A -3<5']);
});

test('of a state only the newest counts', () => {
    const status = (state) => ({ type: 'status', provider: 'sim', state });

    assert.deepEqual(drained(filled(1, status('stale'), status('down'), status('live'))), ['sim live']);
});

test('an empty buffer keeps all again', () => {
    const buffer = filled(1, tick(1), tick(2));
    drained(buffer);
    buffer.put('A', tick(3));

    assert.deepEqual(drained(buffer), ['A 3']);
});

test('whatever is put in and taken out, all of it came or is told', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
        let state = seed;
        const random = (below) => {
            state = (state * 48_271) % 2_147_483_647;
            return state % below;
        };
        const buffer = new Buffer(1 + random(8));
        const last = new Map();
        const told = new Map();
        const note = (message) => {
            const { symbol } = message;
            const known = told.get(symbol) ?? 0;
            if (message.type === 'gap') {
                told.set(symbol, known + message.dropped);
                assert.equal(told.get(symbol), message.last_sequence);
            } else {
                told.set(symbol, known + 1);
                assert.equal(told.get(symbol), message.sequence);
            }
        };
        for (let round = 0; round < 200; round += 1) {
            if (random(3) > 0) {
                const symbol = 'ABCDEFGHIJ'[random(10)];
                const sequence = (last.get(symbol) ?? 0) + 1;
                last.set(symbol, sequence);
                buffer.put(symbol, random(9) ? tick(sequence, { symbol }) : gap(symbol, 1, sequence));
            } else {
                const message = buffer.take();
                if (message) {
                    note(message);
                }
            }
            assert.ok(buffer.size <= 8);
        }
        for (let message = buffer.take(); message; message = buffer.take()) {
            note(message);
        }

        assert.deepEqual(Object.fromEntries([...told].sort()), Object.fromEntries([...last].sort()));
    }
});
