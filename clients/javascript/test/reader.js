// Reads a stream for a test in another language: prints states and messages as JSON, a line each,
// until its input ends.
//
//   node reader.js URL '{"symbols": […], "client": {…}, "stream": {…}}'

import { Client } from '../src/index.js';

const [url, text] = process.argv.slice(2);
const { symbols, client: options = {}, stream = {} } = JSON.parse(text);
const print = (value) => console.log(JSON.stringify(value));

const client = new Client(url, {
    maxDelayMs: 100,
    ...options,
    onState: ({ state, error }) => print({ type: 'state', state, code: error?.code, reason: error?.message }),
});
process.stdin.on('end', () => client.close()).resume();

try {
    for await (const message of client.messages(symbols, stream)) {
        print(message);
    }
} catch (error) {
    print({ type: error.name, code: error.code });
    await client.close();
    process.stdin.destroy();
}
