import assert from 'node:assert/strict';
import { test } from 'node:test';

import { exactly } from '../src/exact.js';
import { decode } from '../src/messages.js';

test('prices keep every digit, and counts stay numbers', () => {
    const text = '{"type":"market_data","symbol":"A","epoch":"e","sequence":7,"data":'
        + '{"current_price":0.10,"bid":123456789012345678.123456789,"ask":1E+2,"volume":12,'
        + '"additional_data":{"a \\"quoted\\": 1":[-1.50,2]}}}';

    const [message] = decode(text, true);

    assert.equal(message.sequence, 7);
    assert.deepEqual(message.data, {
        current_price: '0.10', bid: '123456789012345678.123456789', ask: '1E+2', volume: 12,
        additional_data: { 'a "quoted": 1': ['-1.50', '2'] },
    });
});

test('digits within texts are left alone', () => {
    const text = JSON.stringify({ type: 'x', '1': 'a 1.5, "b": 2.5 \\ \\" 3', c: '\\', d: '4' });

    assert.deepEqual(JSON.parse(exactly(text)), JSON.parse(text));
});

test('any JSON keeps its meaning, with its numbers as texts', () => {
    let seed = 7;
    const random = (below) => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        return Math.floor((seed / 2_147_483_648) * below);
    };
    const texts = ['', '"', '\\', '\\"', '1', ': 2', 'é1', '\u2028', '"a":1', ',3', 'volume'];
    const numbers = ['0', '-1', '1.50', '1e3', '-2.5E-7', '12345678901234567890.123'];
    const make = (depth) => {
        const kind = random(depth > 0 ? 6 : 4);
        if (kind < 2) {
            const text = texts[random(texts.length)] + texts[random(texts.length)];
            return [JSON.stringify(text), text];
        }
        if (kind === 2) {
            const number = numbers[random(numbers.length)];
            return [number, number];
        }
        if (kind === 3) {
            return [['true', true], ['null', null], ['false', false]][random(3)];
        }
        const parts = Array.from({ length: random(4) }, () => make(depth - 1));
        if (kind === 4) {
            return [`[${parts.map(([text]) => text).join(' , ')}]`, parts.map(([, value]) => value)];
        }
        const named = parts.map(([text, value], at) => [`k${at}${texts[random(9)]}`, text, value]);
        return [
            `{${named.map(([name, text]) => `${JSON.stringify(name)} : ${text}`).join(',')}}`,
            Object.fromEntries(named.map(([name, , value]) => [name, value])),
        ];
    };
    for (let round = 0; round < 5_000; round += 1) {
        const [text, expected] = make(4);

        assert.deepEqual(JSON.parse(exactly(text)), expected, text);
    }
});

test('what is no message is told with its beginning', () => {
    for (const text of [
        'x', '', '[1]', 'null', '{}', '{"type":"market_data"}', '{"type":"gap","symbol":"A"}',
        '{"type":"market_data","symbol":"A","epoch":"","sequence":1,"data":{}}',
        '{"type":"market_data","symbol":"A","epoch":"e","sequence":1.5,"data":{}}',
        '{"type":"market_data","symbol":"A","epoch":"e","sequence":-1,"data":{}}',
    ]) {
        for (const exact of [false, true]) {
            assert.throws(() => decode(text, exact), { name: 'Unreadable' }, text);
        }
    }
    assert.throws(() => decode(new ArrayBuffer(2), false), { name: 'Unreadable' });
});
