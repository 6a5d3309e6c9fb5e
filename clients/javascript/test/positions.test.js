import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Positions } from '../src/positions.js';
import { tick } from './talk.js';

const FRESH = { fresh: true, gap: null };
const OLD = { fresh: false, gap: null };

function positions(...seen) {
    const found = new Positions();
    for (const message of seen) {
        found.take('A', message, false);
    }
    return found;
}

test('the first message may have any number', () => {
    assert.deepEqual(positions().take('A', tick(57), false), FRESH);
});

test('what was seen before is not fresh', () => {
    const found = positions(tick(4), tick(5));

    assert.deepEqual(found.take('A', tick(5), false), OLD);
    assert.deepEqual(found.take('A', tick(4), false), OLD);
    assert.deepEqual(found.take('A', tick(6), false), FRESH);
});

test('a hole that nobody told is a hole', () => {
    const gap = { dropped: 2, last_sequence: 7, origin: 'hole' };

    assert.deepEqual(positions(tick(5)).take('A', tick(8), false), { fresh: true, gap });
});

test('skipped messages explain a hole, and no more than that', () => {
    assert.deepEqual(positions(tick(5)).take('A', tick(8, { skipped: 2 }), false), FRESH);
    assert.deepEqual(positions(tick(5)).take('A', tick(9, { skipped: 2 }), false).gap.dropped, 1);
});

test('a gap explains what it covers', () => {
    const found = positions(tick(5));
    found.told('A', 7);

    assert.deepEqual(found.take('A', tick(8), false), FRESH);
    found.told('A', 9);
    assert.equal(found.take('A', tick(11), false).gap.dropped, 1);
});

test('a new epoch without a gap is told, since nobody knows what its end was', () => {
    const found = positions(tick(5));

    const { gap } = found.take('A', tick(1, { epoch: 'e2' }), false);

    assert.deepEqual(gap, { dropped: 0, last_sequence: 0, origin: 'epoch' });
});

test('a new epoch behind a gap of its own needs no other', () => {
    const found = positions(tick(57));
    found.told('A', 3);

    assert.deepEqual(found.take('A', tick(4, { epoch: 'e2' }), false), FRESH);
});

test('a gap of the old epoch does not explain the new one', () => {
    const found = positions(tick(5));
    found.told('A', 9);

    assert.equal(found.take('A', tick(3, { epoch: 'e2' }), false).gap.dropped, 2);
});

test('what comes late of an earlier epoch was seen', () => {
    const found = positions(tick(5), tick(1, { epoch: 'e2' }));

    assert.deepEqual(found.take('A', tick(5), false), OLD);
    assert.deepEqual(found.point('A'), { epoch: 'e2', sequence: 1 });
});

test('a symbol that began while nobody read is not whole', () => {
    assert.equal(positions().take('A', tick(3), true).gap.dropped, 2);
    assert.deepEqual(positions().take('A', tick(1), true), FRESH);
});

test('what nobody wants any more is forgotten', () => {
    const found = positions(tick(5));
    found.keep(() => false);

    assert.equal(found.point('A'), null);
});
