// A WebSocket server in a few lines (RFC 6455), which does what a test tells it, also what no server
// should: cut a frame in the middle, lie, repeat, fall silent.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const [TEXT, CLOSE] = [0x1, 0x8];

export function frameOf(opcode, payload) {
    const size = payload.length;
    const head = size < 126 ? Buffer.alloc(2) : Buffer.alloc(size < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    if (size < 126) {
        head[1] = size;
    } else if (size < 65_536) {
        head[1] = 126;
        head.writeUInt16BE(size, 2);
    } else {
        head[1] = 127;
        head.writeBigUInt64BE(BigInt(size), 2);
    }
    return Buffer.concat([head, payload]);
}

/** One client's connection, as the server sees it. */
export class Peer {
    heard = [];
    isClosed = false;
    #socket;
    #bytes = Buffer.alloc(0);
    #waiting = [];

    constructor(socket) {
        this.#socket = socket;
        socket.on('data', (data) => this.#read(data));
        socket.on('error', () => {});
        socket.on('close', () => {
            this.isClosed = true;
            this.#wake();
        });
    }

    /** Sends messages, each as one frame. */
    send(...messages) {
        for (const message of messages) {
            this.sendText(JSON.stringify(message));
        }
    }

    sendText(text) {
        this.write(frameOf(TEXT, Buffer.from(text)));
    }

    /** Sends bytes as they are; false = the peer does not keep up. */
    write(bytes) {
        return this.#socket.writable && this.#socket.write(bytes);
    }

    /** Bytes that the peer has not taken. */
    get unsent() {
        return this.#socket.writableLength;
    }

    close(code, reason = '') {
        const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
        payload.writeUInt16BE(code);
        payload.write(reason, 2);
        this.write(frameOf(CLOSE, payload));
        this.#socket.end();
    }

    /** Cuts the line off. */
    cut() {
        this.#socket.destroy();
    }

    /** Returns the next message of the client for which `is` is true; it fails when the client leaves. */
    async hear(is = () => true) {
        for (;;) {
            const at = this.heard.findIndex(is);
            if (at >= 0) {
                return this.heard.splice(at, 1)[0];
            }
            if (this.isClosed) {
                throw new Error('the client left');
            }
            await new Promise((resolve) => this.#waiting.push(resolve));
        }
    }

    async closed() {
        while (!this.isClosed) {
            await new Promise((resolve) => this.#waiting.push(resolve));
        }
    }

    #wake() {
        for (const resolve of this.#waiting.splice(0)) {
            resolve();
        }
    }

    #read(data) {
        this.#bytes = Buffer.concat([this.#bytes, data]);
        for (;;) {
            const frame = this.#next();
            if (!frame) {
                break;
            }
            const [opcode, payload] = frame;
            if (opcode === TEXT) {
                this.heard.push(JSON.parse(payload.toString()));
            } else if (opcode === CLOSE) {
                this.write(frameOf(CLOSE, payload));
                this.#socket.end();
            }
        }
        this.#wake();
    }

    #next() {
        const bytes = this.#bytes;
        if (bytes.length < 6) {
            return null;
        }
        let size = bytes[1] & 0x7f;
        let at = 2;
        if (size === 126) {
            size = bytes.readUInt16BE(2);
            at = 4;
        } else if (size === 127) {
            size = Number(bytes.readBigUInt64BE(2));
            at = 10;
        }
        if (bytes.length < at + 4 + size) {
            return null;
        }
        const mask = bytes.subarray(at, at + 4);
        const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + size));
        for (let index = 0; index < size; index += 1) {
            payload[index] ^= mask[index % 4];
        }
        this.#bytes = bytes.subarray(at + 4 + size);
        return [bytes[0] & 0x0f, payload];
    }
}

/** A server on a free port of this machine. */
export class Server {
    peers = [];
    /** Called with each connection before anybody else has it. */
    onPeer = null;
    #http;
    #port = 0;
    #arrived = [];
    #waiting = [];

    get url() {
        return `ws://127.0.0.1:${this.#port}/ws`;
    }

    async start() {
        this.#http = createServer();
        this.#http.on('upgrade', (request, socket) => {
            const key = request.headers['sec-websocket-key'];
            const accept = createHash('sha1').update(key + MAGIC).digest('base64');
            socket.write(
                'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                + `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
            );
            const peer = new Peer(socket);
            this.peers.push(peer);
            if (this.onPeer) {
                this.onPeer(peer);
                return;
            }
            this.#arrived.push(peer);
            this.#waiting.shift()?.();
        });
        await new Promise((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve));
        this.#port = this.#http.address().port;
        return this;
    }

    /** Returns the next client that connects. */
    async peer() {
        if (this.#arrived.length === 0) {
            await new Promise((resolve) => this.#waiting.push(resolve));
        }
        return this.#arrived.shift();
    }

    /** Stops; another start takes the same port. */
    async stop() {
        for (const peer of this.peers.splice(0)) {
            peer.cut();
        }
        await new Promise((resolve) => this.#http.close(resolve));
    }
}
