import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, Refused } from '../src/index.js';
import { agree, answer, FakeClock, isSubscribe, open, sequences, take, tick, until, WELCOME } from './talk.js';

test('a stream yields typed prices of what it subscribed', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream(['a', 'SIM.*'], { intervalMs: 250, fields: ['current_price'] });
    const peer = await server.peer();
    const asked = await agree(peer);
    peer.send(tick(1), tick(7, { symbol: 'SIM.X' }), tick(1, { symbol: 'OTHER' }), tick(2));

    const ticks = await take(stream, 3);

    assert.deepEqual(asked, {
        type: 'subscribe', id: 1, symbols: ['A', 'SIM.*'], interval_ms: 250, fields: ['current_price'],
    });
    assert.deepEqual(ticks, [tick(1), tick(7, { symbol: 'SIM.X' }), tick(2)]);
    assert.equal(client.counts.ignored, 1);
});

test('prices are exact texts on demand', async (t) => {
    const { server, client } = await open(t, { prices: 'string' });
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.sendText('{"type":"market_data","symbol":"A","epoch":"e1","sequence":1,'
        + '"data":{"symbol":"A","current_price":0.1000000000000000000001,"volume":3}}');

    const [{ sequence, data }] = await take(stream, 1);

    assert.deepEqual([sequence, data.current_price, data.volume], [1, '0.1000000000000000000001', 3]);
});

test('messages in an array come one by one', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.sendText(JSON.stringify([tick(1), tick(2)]));

    assert.deepEqual(sequences(await take(stream, 2)), [1, 2]);
});

test('a key is sent first where it is asked for, and a function is asked for it', async (t) => {
    const { server, client } = await open(t, { apiKey: async () => 'secret' });
    client.stream('A');
    const peer = await server.peer();
    peer.send({ ...WELCOME, auth_required: true });

    assert.deepEqual(await peer.hear(), { type: 'auth', token: 'secret' });
    assert.equal(peer.heard.length, 0);
    peer.send({ type: 'authenticated', user: 'me' });
    assert.equal((await peer.hear()).type, 'subscribe');
});

test('a key that is not taken ends the streams and is not tried again', async (t) => {
    const { server, client, states } = await open(t, { apiKey: 'wrong' });
    const stream = client.stream('A');
    const peer = await server.peer();
    peer.send({ ...WELCOME, auth_required: true });
    await peer.hear();
    peer.send({ type: 'error', code: 401, message: 'the key is not known' });

    await assert.rejects(stream.next(), { name: 'Refused', code: 401 });
    assert.equal((await stream.next()).done, true);
    assert.throws(() => client.stream('B'), Refused);
    assert.deepEqual(states.map((one) => one.state), ['connecting', 'closed']);
});

test('without a key there is nothing to try', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    (await server.peer()).send({ ...WELCOME, auth_required: true });

    await assert.rejects(stream.next(), /pass apiKey/);
});

for (const code of [4400, 4401, 4403]) {
    test(`the close code ${code} is final`, async (t) => {
        const { server, client } = await open(t);
        const stream = client.stream('A');
        const peer = await server.peer();
        await agree(peer);
        peer.close(code, 'no');

        await assert.rejects(stream.next(), { name: 'Refused', code });
        assert.equal(client.state, 'closed');
    });
}

for (const code of [1000, 1001, 1012, 4408, 4429]) {
    test(`after the close code ${code} it comes back`, async (t) => {
        const { server, client, states } = await open(t);
        const stream = client.stream('A');
        const first = await server.peer();
        await agree(first);
        first.send(tick(1));
        await take(stream, 1);
        first.close(code);
        const second = await server.peer();
        const asked = await agree(second);

        assert.deepEqual(asked.resume, { A: { epoch: 'e1', sequence: 1 } });
        assert.equal(states.find((one) => one.state === 'waiting').error.code, code);
    });
}

test('refused symbols are told, and a stream of which none is left fails', async (t) => {
    const { server, client, errors } = await open(t);
    const some = client.stream(['A', 'NOPE']);
    const none = client.stream('NOPE');
    const peer = await server.peer();
    peer.send(WELCOME);
    await answer(peer, { rejected: [{ symbol: 'NOPE', code: 404, message: 'nobody has it' }] });
    peer.send(tick(1));

    await assert.rejects(none.next(), { name: 'Refused', code: 404, symbol: 'NOPE' });
    assert.deepEqual(sequences(await take(some, 1)), [1]);
    assert.deepEqual([...some.rejected.keys()], ['NOPE']);
    assert.deepEqual(errors.map((one) => one.symbol), ['NOPE']);
});

test('a subscription that is refused as a whole ends its stream and no other', async (t) => {
    const { server, client } = await open(t);
    const good = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    const bad = client.stream('A', { fields: ['nonsense'] });
    const bars = client.messages('B', { channels: ['nonsense'] });
    const asked = await peer.hear(isSubscribe);
    peer.send({ type: 'error', id: asked.id, code: 400, message: 'unknown channel' }, tick(1));

    await assert.rejects(bars.next(), { name: 'Refused', code: 400 });
    assert.deepEqual(asked.symbols, ['B']);
    assert.deepEqual(sequences(await take(good, 1)), [1]);
    assert.deepEqual(sequences(await take(bad, 1)), [1]);
});

test('streams share their symbols, and the last one gives them back', async (t) => {
    const { server, client } = await open(t);
    const one = client.stream(['A', 'B']);
    const two = client.stream(['B', 'C']);
    const peer = await server.peer();
    const first = await agree(peer);
    peer.send(tick(1, { symbol: 'B' }));
    assert.deepEqual(sequences([...await take(one, 1), ...await take(two, 1)]), [1, 1]);

    one.close();
    const left = await peer.hear((message) => message.type === 'unsubscribe');
    two.close();
    const last = await peer.hear((message) => message.type === 'unsubscribe');

    assert.deepEqual(first.symbols, ['A', 'B', 'C']);
    assert.deepEqual(left.symbols, ['A']);
    assert.deepEqual(last.symbols, ['B', 'C']);
    assert.equal((await one.next()).done, true);
});

test('leaving the loop gives the symbols back', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(1));
    for await (const { sequence } of stream) {
        assert.equal(sequence, 1);
        break;
    }

    assert.deepEqual((await peer.hear()).symbols, ['A']);
});

test('symbols can be added and removed', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    stream.add(['B', 'A']);
    const added = await answer(peer);
    stream.remove(['A']);
    const removed = await peer.hear();

    assert.deepEqual([added.symbols, removed.symbols, stream.symbols], [['B'], ['A'], ['B']]);
});

test('a later stream of the same symbol begins with the newest price', async (t) => {
    const { server, client } = await open(t);
    const first = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(4), tick(5));
    await take(first, 2);
    const second = client.stream('A');
    const third = client.stream('A', { snapshot: false });
    peer.send(tick(6));

    assert.deepEqual(sequences(await take(second, 2)), [5, 6]);
    assert.deepEqual(sequences(await take(third, 1)), [6]);
    assert.equal(peer.heard.length, 0);
});

test('a pattern over symbols that are known resumes them, so that nothing overtakes', async (t) => {
    const { server, client } = await open(t);
    const first = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(4));
    await take(first, 1);
    client.stream('*');

    assert.deepEqual((await answer(peer)).resume, { A: { epoch: 'e1', sequence: 4 } });
});

test('a symbol may be written in another way than the server does', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('EUR/USD');
    const peer = await server.peer();
    peer.send(WELCOME);
    await answer(peer, { renamed: { 'EUR/USD': 'EURUSD=X' } });
    peer.send(tick(1, { symbol: 'EURUSD=X' }));
    await take(stream, 1);
    peer.cut();
    const again = await agree(await server.peer());
    stream.remove(['EUR/USD']);

    assert.deepEqual(again.symbols, ['EURUSD=X']);
    assert.deepEqual(stream.symbols, []);
});

test('messages yields gaps, states and troubles in their place', async (t) => {
    const told = [];
    const { server, client } = await open(t, { onStatus: (status) => told.push(status.state) });
    const stream = client.messages('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(
        tick(1),
        { type: 'status', provider: 'sim', state: 'stale', since: '', symbols: ['A'] },
        { type: 'gap', symbol: 'A', dropped: 2, last_sequence: 3 },
        tick(4),
        { type: 'error', code: 404, message: 'gone', symbol: 'A' },
        { type: 'something new' },
    );

    const types = (await take(stream, 5)).map((one) => one.type);

    assert.deepEqual(types, ['market_data', 'status', 'gap', 'market_data', 'error']);
    assert.deepEqual([stream.missed, client.counts.missed, told], [2, 2, ['stale']]);
});

test('bars are counted by themselves', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.bars('A', '1m');
    const peer = await server.peer();
    const asked = await agree(peer);
    const bar = (sequence, state) => ({ ...tick(sequence), type: 'bar', interval: '1m', state });
    peer.send(bar(1, 'forming'), tick(9), bar(2, 'closed'), bar(2, 'closed'), bar(4, 'forming'));

    assert.deepEqual(sequences(await take(stream, 3)), [1, 2, 4]);
    assert.deepEqual(asked.channels, ['bars.1m']);
    assert.deepEqual(gaps, [
        { type: 'gap', symbol: 'A', channel: 'bars.1m', dropped: 1, last_sequence: 3, origin: 'hole' },
    ]);
});

test('quotes of a symbol that gave bars only begin with the newest', async (t) => {
    const { server, client } = await open(t);
    client.bars('A', '1m');
    const peer = await server.peer();
    await agree(peer);
    client.stream('A');
    const asked = await answer(peer);

    assert.deepEqual(asked.channels, ['bars.1m', 'quotes']);
    assert.equal(asked.snapshot, undefined);
});

test('closing ends what waits, says goodbye and leaves no timer', async (t) => {
    const clock = new FakeClock();
    const { server, client } = await open(t, { clock });
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(1), tick(2));
    await take(stream, 1);
    await until(() => client.counts.received === 2);
    await client.close();
    await client.close();
    await peer.closed();

    assert.deepEqual(sequences(await take(stream, 5)), [2]);
    assert.equal(clock.pending, 0);
    assert.equal(client.state, 'closed');
});

test('a mistake in a callback is the program\'s and does not end the stream', async (t) => {
    const uncaught = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error.message));
    t.after(() => {
        process.removeAllListeners('uncaughtException');
        listeners.forEach((listener) => process.on('uncaughtException', listener));
    });
    const { server, client } = await open(t, {
        onGap: () => {
            throw new Error('mine');
        },
    });
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(1), tick(3));

    assert.deepEqual(sequences(await take(stream, 2)), [1, 3]);
    await until(() => uncaught.length > 0);
    assert.deepEqual(uncaught, ['mine']);
});

test('what cannot be used is told at once', () => {
    const WebSocket = class {};
    assert.throws(() => new Client('ftp://x', { WebSocket }), TypeError);
    assert.throws(() => new Client('ws://x', { WebSocket, prices: 'float' }), /'number' or 'string'/);
    assert.throws(() => new Client('ws://x', { WebSocket, backpressure: 'no' }), TypeError);
    const client = new Client('http://x/ws', { WebSocket });
    assert.throws(() => client.stream([]), TypeError);
    assert.throws(() => client.stream([1]), TypeError);
    assert.throws(() => client.stream('A', { intervalMs: -1 }), TypeError);
    assert.equal(client.state, 'idle');
});

test('a stream begins in the past on a connection of its own, and goes on where it was', async (t) => {
    const clock = new FakeClock();
    const { server, client } = await open(t, { clock });
    const stream = client.stream('A', { since: new Date('2026-01-05T14:00:00Z') });
    const peer = await server.peer();
    const asked = await agree(peer);
    peer.send(tick(3, { epoch: 'e0', stored: true }), tick(9, { epoch: 'e0', stored: true }), tick(4), tick(5));

    const ticks = await take(stream, 4);

    assert.equal(asked.since, '2026-01-05T14:00:00.000Z');
    assert.deepEqual(sequences(ticks), [3, 9, 4, 5]);
    assert.deepEqual([client.counts.missed, client.state], [0, 'idle']);

    peer.cut();
    await until(() => clock.pending > 0);
    clock.advance(60_000);
    const again = await agree(await server.peer());

    assert.equal(again.since, undefined);
    assert.deepEqual(again.resume, { A: { epoch: 'e1', sequence: 5 } });
    stream.close();
});

test('closing the client ends its streams of the past as well', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A', { since: '2026-01-05T14:00:00+01:00' });
    await agree(await server.peer());
    await client.close();

    assert.equal((await stream.next()).done, true);
});

test('a time that is none, or has no zone, is refused', async (t) => {
    const { client } = await open(t);

    for (const since of ['yesterday', '2026-01-05T14:00:00', new Date(Number.NaN)]) {
        assert.throws(() => client.stream('A', { since }), TypeError);
    }
});
