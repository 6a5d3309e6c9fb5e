import assert from 'node:assert/strict';
import { test } from 'node:test';

import { merged, optionsOf, Patterns, split } from '../src/wishes.js';

const PLAIN = { channels: ['quotes'], intervalMs: 0, fields: null, snapshot: true };
const holder = (patterns, wish = {}) => (
    { patterns: new Patterns(patterns), wish: { ...PLAIN, ...wish } });

test('patterns fit as those of the server do', () => {
    const patterns = new Patterns(['SIM.*', 'B?D', '^GSPC', 'A+B*']);

    for (const symbol of ['SIM.', 'SIM.ACME', 'BAD', '^GSPC', 'A+B', 'A+BC']) {
        assert.ok(patterns.fits(symbol), symbol);
    }
    for (const symbol of ['SIMXACME', 'BD', 'BADD', 'XSIM.A', 'AAB', 'GSPC']) {
        assert.ok(!patterns.fits(symbol), symbol);
    }
});

test('streams that share a symbol get at least what each wants', () => {
    const wishes = merged([
        holder(['A'], { intervalMs: 1_000, fields: ['bid'], snapshot: false }),
        holder(['A', 'B'], { intervalMs: 200, fields: ['ask'], channels: ['bars.1m'], snapshot: false }),
        holder(['B']),
    ]);

    assert.deepEqual(wishes.get('A'), {
        channels: ['bars.1m', 'quotes'], intervalMs: 200, fields: ['ask', 'bid'], snapshot: false,
    });
    assert.deepEqual(wishes.get('B'), { ...PLAIN, channels: ['bars.1m', 'quotes'] });
});

test('a symbol that fits the pattern of another stream is as that one wants it', () => {
    const wishes = merged([holder(['SIM.A'], { intervalMs: 1_000 }), holder(['SIM.*', 'X'])]);

    assert.equal(wishes.get('SIM.A').intervalMs, 0);
    assert.equal(wishes.get('SIM.*').intervalMs, 0);
});

test('a change says all of it, a first wish what is special', () => {
    assert.deepEqual(optionsOf(PLAIN, false), {});
    assert.deepEqual(optionsOf(PLAIN, true), { channels: ['quotes'], interval_ms: 0, fields: [] });
});

test('a long subscription is divided into messages that the server takes', () => {
    const epoch = 'e'.repeat(36);
    const symbols = Array.from({ length: 3_000 }, (_, at) => `SIM.SYMBOL${at}`);
    const point = { epoch, sequence: 123_456_789 };

    const messages = split(symbols, (symbol) => ({ [symbol]: point }));

    assert.deepEqual(messages.flatMap((one) => one.symbols), symbols);
    for (const message of messages) {
        assert.ok(JSON.stringify(message).length < 60_000);
        assert.deepEqual(Object.keys(message.resume), message.symbols);
        assert.ok(message.isWhole);
    }
});

test('so is one pattern of many symbols', () => {
    const points = Object.fromEntries(
        Array.from({ length: 2_000 }, (_, at) => [`SIM.${at}`, { epoch: 'e1', sequence: at }]));

    const messages = split(['SIM.*', 'A'], (pattern) => (pattern === 'A' ? {} : points));

    assert.deepEqual(messages.map((one) => one.symbols.join()), ['SIM.*', 'SIM.*', 'SIM.*', 'SIM.*', 'A']);
    assert.deepEqual(Object.assign({}, ...messages.map((one) => one.resume)), points);
    assert.deepEqual(messages.map((one) => one.isWhole), [false, false, false, false, true]);
});
