import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pauseMs } from '../src/pauses.js';
import { agree, answer, FakeClock, isSubscribe, open, sequences, take, tick, until, WELCOME } from './talk.js';
import { frameOf } from './server.js';

test('a line cut in the middle of a frame loses nothing and doubles nothing', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream('A');
    const first = await server.peer();
    await agree(first);
    first.send(tick(1), tick(2));
    const whole = frameOf(1, Buffer.from(JSON.stringify(tick(3))));
    await take(stream, 2);
    first.write(whole.subarray(0, 20));
    first.cut();
    const second = await server.peer();
    const { resume } = await agree(second);
    second.send(tick(2), tick(3), tick(4));

    assert.deepEqual(resume, { A: { epoch: 'e1', sequence: 2 } });
    assert.deepEqual(sequences(await take(stream, 2)), [3, 4]);
    assert.deepEqual([gaps, client.counts.repeated, client.counts.reconnects], [[], 1, 1]);
});

test('symbols that came by a pattern are resumed too', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('SIM.*');
    const first = await server.peer();
    await agree(first);
    first.send(tick(4, { symbol: 'SIM.A' }), tick(9, { symbol: 'SIM.B', epoch: 'e0' }));
    await take(stream, 2);
    first.cut();
    const asked = await agree(await server.peer());

    assert.deepEqual(asked.resume, {
        'SIM.A': { epoch: 'e1', sequence: 4 }, 'SIM.B': { epoch: 'e0', sequence: 9 },
    });
});

test('what comes before the answer to a resume comes again, in its place', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream(['A', '*']);
    const first = await server.peer();
    await agree(first);
    first.send(tick(1));
    await take(stream, 1);
    first.cut();
    const second = await server.peer();
    second.send(WELCOME);
    const asked = await second.hear(isSubscribe);
    // Not of this subscription: what it brings comes behind the answer.
    second.send(
        tick(4),
        { type: 'subscribed', id: asked.id, symbols: ['A', '*'] },
        tick(2), tick(3), tick(4),
    );

    assert.deepEqual(sequences(await take(stream, 3)), [2, 3, 4]);
    assert.deepEqual(gaps, []);
});

test('a pattern of many symbols is resumed in parts, none of which overtakes another', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream('*');
    const first = await server.peer();
    await agree(first);
    const symbols = Array.from({ length: 900 }, (_, at) => `S${at}`);
    first.sendText(JSON.stringify(symbols.map((symbol) => tick(1, { symbol }))));
    await take(stream, 900);
    first.cut();
    const second = await server.peer();
    second.send(WELCOME);
    const parts = [await answer(second)];
    const symbol = symbols.at(-1);
    // The first part subscribed all of them, so the stream goes on before the second is read.
    second.send(
        tick(4, { symbol }),
        { type: 'gap', symbol, dropped: 1, last_sequence: 5 },
        tick(6, { symbol }),
    );
    parts.push(await answer(second));
    second.send(...[2, 3, 4, 5, 6, 7].map((sequence) => tick(sequence, { symbol })));

    assert.deepEqual(sequences(await take(stream, 6)), [2, 3, 4, 5, 6, 7]);
    assert.deepEqual(gaps, []);
    assert.deepEqual(Object.keys({ ...parts[0].resume, ...parts[1].resume }).sort(), symbols.sort());
});

test('what cannot be resumed is told before the newest', async (t) => {
    const { server, client } = await open(t);
    const stream = client.messages('A');
    const first = await server.peer();
    await agree(first);
    first.send(tick(1));
    await take(stream, 1);
    first.cut();
    const second = await server.peer();
    second.send(WELCOME);
    await answer(second, { recovered: { A: false } });
    second.send({ type: 'gap', symbol: 'A', dropped: 7, last_sequence: 8 }, tick(9), tick(10));

    const [gap, ...ticks] = await take(stream, 3);

    assert.deepEqual(gap, { type: 'gap', symbol: 'A', dropped: 7, last_sequence: 8, origin: 'server' });
    assert.deepEqual(sequences(ticks), [9, 10]);
    assert.equal(stream.missed, 7);
});

test('a restarted server counts anew, and the break is told', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream('A');
    const first = await server.peer();
    await agree(first);
    first.send(tick(57));
    await take(stream, 1);
    await server.stop();
    await server.start();
    const second = await server.peer();
    await agree(second, { ...WELCOME, epoch: 'e2' });
    second.send(tick(1, { epoch: 'e2' }), tick(2, { epoch: 'e2' }));

    assert.deepEqual(sequences(await take(stream, 2)), [1, 2]);
    assert.deepEqual(gaps.map((gap) => [gap.origin, gap.dropped]), [['epoch', 0]]);
});

test('a symbol without a price yet misses nothing while the client is away', async (t) => {
    const { server, client } = await open(t);
    client.stream('A');
    const first = await server.peer();
    await agree(first);
    first.send({ type: 'pong' });
    await until(() => client.state === 'open');
    await new Promise((resolve) => setTimeout(resolve, 20));
    first.cut();
    const asked = await agree(await server.peer());

    assert.deepEqual(asked.resume, { A: { epoch: 'e1', sequence: 0 } });
});

test('a symbol that began by a pattern while the client was away is not silently short', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream('*');
    const first = await server.peer();
    await agree(first);
    first.send(tick(1, { symbol: 'OLD' }));
    await take(stream, 1);
    first.cut();
    const second = await server.peer();
    await agree(second);
    second.send(tick(3, { symbol: 'NEW' }));
    await take(stream, 1);

    assert.deepEqual(gaps, [
        { type: 'gap', symbol: 'NEW', dropped: 2, last_sequence: 2, origin: 'away' },
    ]);
});

test('bars that came while the client was away are told', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.bars('A', '1m');
    const bar = (sequence) => ({ ...tick(sequence), type: 'bar', interval: '1m', state: 'closed' });
    const first = await server.peer();
    await agree(first);
    first.send(bar(1));
    await take(stream, 1);
    first.cut();
    const second = await server.peer();
    const { resume } = await agree(second);
    second.send(bar(5));

    assert.equal(resume, undefined);
    assert.deepEqual(sequences(await take(stream, 1)), [5]);
    assert.deepEqual(gaps, [
        { type: 'gap', symbol: 'A', channel: 'bars.1m', dropped: 3, last_sequence: 4, origin: 'away' },
    ]);
});

test('a lie about the numbers is found and told', async (t) => {
    const { server, client, gaps } = await open(t);
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(1), tick(5), tick(3), tick(5), tick(6));

    assert.deepEqual(sequences(await take(stream, 3)), [1, 5, 6]);
    assert.deepEqual(gaps, [{ type: 'gap', symbol: 'A', dropped: 3, last_sequence: 4, origin: 'hole' }]);
    assert.equal(client.counts.repeated, 2);
});

for (const [name, garbage] of [
    ['text that is no JSON', '{"type":"market_d'],
    ['a message without what it needs', '{"type":"market_data","symbol":"A"}'],
    ['null', 'null'],
]) {
    test(`${name} may have been a price, so the client resumes`, async (t) => {
        const { server, client, states } = await open(t);
        const stream = client.stream('A');
        const first = await server.peer();
        await agree(first);
        first.send(tick(1));
        first.sendText(garbage);
        first.send(tick(3));
        const second = await server.peer();
        const { resume } = await agree(second);
        second.send(tick(2), tick(3));

        assert.deepEqual(resume, { A: { epoch: 'e1', sequence: 1 } });
        assert.deepEqual(sequences(await take(stream, 3)), [1, 2, 3]);
        assert.equal(states.find((one) => one.state === 'waiting').error.name, 'Unreadable');
    });
}

test('broken frames and bytes are no end either', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    for (const bytes of [frameOf(2, Buffer.from([1, 2])), Buffer.from([0xff, 0xff, 1]), frameOf(1, Buffer.from([0xff]))]) {
        const peer = await server.peer();
        await agree(peer);
        peer.write(bytes);
    }
    const last = await server.peer();
    await agree(last);
    last.send(tick(1));

    assert.deepEqual(sequences(await take(stream, 1)), [1]);
});

test('a flood to a slow program is bounded: the newest stays and the rest is told', async (t) => {
    const { server, client, gaps } = await open(t, { backpressure: 'newest' });
    const stream = client.stream('*', { buffer: 50 });
    const peer = await server.peer();
    await agree(peer);
    const symbols = Array.from({ length: 20 }, (_, at) => `S${at}`);
    for (let sequence = 1; sequence <= 1_000; sequence += 1) {
        peer.send(...symbols.map((symbol) => tick(sequence, { symbol })));
    }
    await until(() => client.counts.received === 20_000);

    const ticks = await take(stream, 20);

    assert.ok(ticks.every((one) => one.sequence === 1_000));
    assert.ok(gaps.every((gap) => gap.origin === 'buffer'));
    assert.equal(stream.missed + ticks.length, 20_000);
});

test('a silent peer is given up and the stream resumed elsewhere', async (t) => {
    const clock = new FakeClock();
    const { server, client, states } = await open(t, { clock });
    const stream = client.stream('A');
    const first = await server.peer();
    await agree(first);
    first.send(tick(1));
    await take(stream, 1);
    clock.advance(15_000);
    clock.advance(15_000);
    assert.equal((await first.hear()).type, 'ping');
    clock.advance(9_999);
    assert.equal(client.state, 'open');
    clock.advance(1);
    assert.match(states.at(-1).error.message, /does not answer/);
    clock.advance(5);
    const { resume } = await agree(await server.peer());

    assert.deepEqual(resume, { A: { epoch: 'e1', sequence: 1 } });
});

test('a peer that answers is kept', async (t) => {
    const clock = new FakeClock();
    const { server, client } = await open(t, { clock });
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    peer.send(tick(1));
    await take(stream, 1);
    let pings = 0;
    for (let second = 0; second < 120; second += 1) {
        clock.advance(1_000);
        await new Promise((resolve) => setImmediate(resolve));
        if (peer.heard.length > 0) {
            pings += 1;
            peer.heard.length = 0;
            peer.send({ type: 'pong' }, tick(1 + pings));
            await take(stream, 1);
        }
    }

    assert.ok(pings >= 3, `${pings}`);
    assert.equal(client.state, 'open');
});

test('a server that says nothing is not waited for', async (t) => {
    const clock = new FakeClock();
    const { server, client, states } = await open(t, { clock });
    client.stream('A');
    await server.peer();
    await new Promise((resolve) => setTimeout(resolve, 20));
    clock.advance(10_000);
    assert.match(states.at(-1).error.message, /no welcome/);
    clock.advance(5);
    const second = await server.peer();
    second.send(WELCOME);
    await second.hear(isSubscribe);
    clock.advance(10_000);

    assert.match(states.at(-1).error.message, /no answer/);
});

test('a server that speaks another version is not tried again', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    (await server.peer()).send({ ...WELCOME, version: 2 });

    await assert.rejects(stream.next(), { name: 'Refused' });
});

test('it gives up after as many attempts as allowed', async (t) => {
    const { server, client, states } = await open(t, { maxRetries: 3 });
    await server.stop();
    const stream = client.stream('A');

    await assert.rejects(stream.next(), { name: 'Disconnected' });
    assert.equal(states.filter((one) => one.state === 'connecting').length, 4);
});

test('a connection without streams is not made again until there is one', async (t) => {
    const { server, client } = await open(t);
    const stream = client.stream('A');
    const peer = await server.peer();
    await agree(peer);
    stream.close();
    await peer.hear((message) => message.type === 'unsubscribe');
    peer.cut();
    await until(() => client.state === 'idle');
    client.stream('B');

    assert.deepEqual((await agree(await server.peer())).symbols, ['B']);
});

test('pauses grow to their limit and are spread', () => {
    const rules = { minDelayMs: 500, maxDelayMs: 30_000, random: () => 1 };
    const most = [0, 1, 2, 6, 7, 1_000].map((attempt) => pauseMs(attempt, 1006, rules));

    assert.deepEqual(most, [500, 1_000, 2_000, 30_000, 30_000, 30_000]);
    assert.equal(pauseMs(0, 1012, rules), 2_000);
    assert.equal(pauseMs(3, 1006, { ...rules, random: () => 0.25 }), 1_000);
});

test('a connection that breaks at once does not reset the pauses, one that held does', async (t) => {
    const clock = new FakeClock();
    const { server, client, states } = await open(t, {
        clock, minDelayMs: 100, maxDelayMs: 10_000, random: () => 1,
    });
    const stream = client.stream('A', { snapshot: false });
    const delays = () => states.filter((one) => one.state === 'waiting').map((one) => one.delayMs);
    let sequence = 0;
    for (const held of [0, 0, 10_000, 0]) {
        const peer = await server.peer();
        await agree(peer);
        sequence += 1;
        peer.send(tick(sequence));
        await take(stream, 1);
        clock.advance(held);
        const before = delays().length;
        peer.cut();
        await until(() => delays().length > before);
        clock.advance(delays().at(-1));
    }

    assert.deepEqual(delays(), [100, 200, 100, 200]);
});

test('too many messages are answered by coming back later', async (t) => {
    const { server, client, states } = await open(t);
    client.stream('A');
    const peer = await server.peer();
    peer.send(WELCOME);
    await peer.hear(isSubscribe);
    peer.send({ type: 'error', code: 429, message: 'too many messages' });
    await agree(await server.peer());

    assert.equal(states.find((one) => one.state === 'waiting').error.code, 4429);
});

test('streams opened in a loop take few messages', async (t) => {
    const { server, client } = await open(t);
    client.stream('FIRST');
    const peer = await server.peer();
    await agree(peer);
    for (let at = 0; at < 200; at += 1) {
        client.stream(`S${at}`);
        await null;
    }
    await until(() => peer.heard.filter(isSubscribe).flatMap((one) => one.symbols).length === 200);

    assert.ok(peer.heard.length <= 3, `${peer.heard.length}`);
});
