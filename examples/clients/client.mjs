// The smallest JavaScript client: subscribe, then print every price that comes. No dependency.
//
//   node client.mjs [URL [SYMBOL …]]                            Node 22 and newer
//   node --experimental-websocket client.mjs [URL [SYMBOL …]]   Node 20
//
// A browser needs nothing but the same WebSocket. To come back after a disconnect, resume and learn
// what is missing, use the library in clients/javascript instead.

const [url = 'ws://localhost:8765', ...given] = process.argv.slice(2);
const symbols = given.length > 0 ? given : ['SIM.ACME', 'DEMO.AURORA'];

if (typeof WebSocket === 'undefined') {
    console.error(`Node ${process.version} hides WebSocket: add --experimental-websocket before the file name.`);
    process.exit(2);
}

const socket = new WebSocket(url);

socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', symbols }));

socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === 'market_data') {
        console.log(`${message.symbol}: ${message.data.current_price}`);
    } else if (message.type === 'error') {
        console.error(`error ${message.code}: ${message.message}`);
    }
    for (const refused of message.rejected ?? []) {
        console.error(`${refused.symbol} refused: ${refused.message}`);
    }
};

socket.onerror = () => {
    console.error(`no stream at ${url}: is the server running?`);
    process.exitCode = 1;
};

socket.onclose = (event) => {
    // 1012: the server restarts; come back after a moment of your own choosing.
    console.error(`the stream ended with code ${event.code}`);
};
