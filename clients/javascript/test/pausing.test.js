import assert from 'node:assert/strict';
import { test } from 'node:test';

import { agree, open, take, tick, until } from './talk.js';

const { WebSocket } = await import('ws').catch(() => ({ WebSocket: null }));
const skip = WebSocket ? false : 'the package ws is not installed: npm ci';
const long = 'x'.repeat(10_000);

/** Publishes until the server's own buffer grows, which it does when nobody reads; 50 MB at most. */
async function flood(peer) {
    let sequence = 0;
    while (peer.unsent < 1_000_000 && sequence < 5_000) {
        sequence += 1;
        peer.send({ ...tick(sequence), note: long });
        if (sequence % 50 === 0) {
            await new Promise((resolve) => setTimeout(resolve, 1));
        }
    }
    return sequence;
}

test('where the socket can stop reading, a slow program is felt by the server', { skip }, async (t) => {
    const { server, client, gaps } = await open(t, { WebSocket });
    const stream = client.stream('A', { buffer: 100 });
    const peer = await server.peer();
    await agree(peer);

    const sent = await flood(peer);
    const { received } = client.counts;
    const ticks = await take(stream, sent);

    assert.ok(sent < 5_000 && received < 200, `${received} of ${sent}`);
    assert.deepEqual(ticks.map((one) => one.sequence), Array.from({ length: sent }, (_, at) => at + 1));
    assert.deepEqual(gaps, []);
});

test('a stopped reader is no dead peer', { skip }, async (t) => {
    const { server, client } = await open(t, { WebSocket, pingIntervalMs: 10, pongTimeoutMs: 10 });
    const stream = client.stream('A', { buffer: 100 });
    const peer = await server.peer();
    await agree(peer);
    const sent = await flood(peer);
    await new Promise((resolve) => setTimeout(resolve, 100));

    assert.equal((await take(stream, sent)).length, sent);
    assert.equal(client.counts.reconnects, 0);
});

test('a stream that is closed holds up nobody', { skip }, async (t) => {
    const { server, client } = await open(t, { WebSocket });
    const slow = client.stream('A', { buffer: 100 });
    const quick = client.stream('A', { buffer: 100_000 });
    const peer = await server.peer();
    await agree(peer);
    const sent = await flood(peer);
    assert.ok(client.counts.received < sent);
    slow.close();
    await until(() => client.counts.received === sent);

    assert.equal((await take(quick, sent)).length, sent);
});

test('it keeps reading where the newest is preferred', { skip }, async (t) => {
    const { server, client } = await open(t, { WebSocket, backpressure: 'newest' });
    const stream = client.stream('A', { buffer: 100 });
    const peer = await server.peer();
    await agree(peer);
    for (let sequence = 1; sequence <= 1_000; sequence += 1) {
        peer.send(tick(sequence));
    }
    await until(() => client.counts.received === 1_000);

    assert.equal((await take(stream, 1))[0].sequence, 1_000);
    assert.equal(stream.missed, 999);
});

test('a client that is closed while it does not read says goodbye all the same', { skip }, async (t) => {
    const { server, client } = await open(t, { WebSocket });
    client.stream('A', { buffer: 100 });
    const peer = await server.peer();
    await agree(peer);
    await flood(peer);
    await client.close();
    await peer.closed();
});
