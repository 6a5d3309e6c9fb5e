import { Disconnected, Refused, Unreadable } from './errors.js';
import { decode } from './messages.js';

/** @typedef {import('./clock.js').Clock} Clock */

/**
 * What this library needs of a WebSocket: browsers, Node 22, and the package `ws` have it.
 *
 * @typedef {object} Socket
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(text: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 * @property {() => void} [pause] Stops reading; where it is missing, a full buffer drops.
 * @property {() => void} [resume]
 * @property {() => void} [terminate] Closes without the peer.
 */

/**
 * @typedef {object} LinkSettings
 * @property {string} url
 * @property {new (url: string) => Socket} WebSocket
 * @property {Clock} clock
 * @property {string | (() => string | Promise<string>) | undefined} apiKey
 * @property {boolean} exact
 * @property {number} connectTimeoutMs
 * @property {number} pingIntervalMs
 * @property {number} pongTimeoutMs
 */

/**
 * @typedef {object} LinkEvents
 * @property {(epoch: string) => void} opened The server knows the client and takes subscriptions.
 * @property {(message: any) => void} received
 * @property {(error: Disconnected | Refused | Unreadable) => void} ended Called once, unless it was
 *     closed from here. `Refused` = coming again is of no use.
 */

const PROTOCOL_VERSION = 1;
const CLOSE_TIMEOUT_MS = 2_000;
const STOP = new Set([4400, 4401, 4403]);

/** One connection, from its handshake to its end. */
export class Link {
    #settings;
    #events;
    /** @type {Socket} */
    #socket;
    /** @type {'greeting' | 'authenticating' | 'open' | 'ended'} */
    #phase = 'greeting';
    #isOpen = false;
    #heard = 0;
    #isPaused = false;
    #lastError = '';
    #epoch = '';
    /** @type {unknown} */
    #timer;

    /**
     * @param {LinkSettings} settings
     * @param {LinkEvents} events
     * @throws {Error} The WebSocket class does not take the address.
     */
    constructor(settings, events) {
        this.#settings = settings;
        this.#events = events;
        this.#socket = new settings.WebSocket(settings.url);
        this.#socket.onopen = () => {
            this.#isOpen = true;
        };
        this.#socket.onmessage = (event) => this.#receive(event.data);
        this.#socket.onclose = (event) => this.#closed(event.code ?? 1006, event.reason ?? '');
        this.#socket.onerror = (event) => {
            // Node 20 tells nothing more of an attempt that failed; otherwise a close event follows.
            if (!this.#isOpen) {
                this.#closed(1006, event?.message ?? '');
            }
        };
        this.#wait(settings.connectTimeoutMs, () => {
            this.drop(new Disconnected(`no welcome within ${settings.connectTimeoutMs} ms`));
        });
    }

    /** Whether the socket can stop reading. */
    get canPause() {
        return typeof this.#socket.pause === 'function' && typeof this.#socket.resume === 'function';
    }

    get isPaused() {
        return this.#isPaused;
    }

    /** @param {Record<string, unknown>} message */
    send(message) {
        if (this.#phase !== 'ended') {
            this.#socket.send(JSON.stringify(message));
        }
    }

    /** Stops reading, so that the server notices. */
    pause() {
        this.#isPaused = true;
        this.#socket.pause?.();
    }

    resume() {
        this.#isPaused = false;
        this.#socket.resume?.();
    }

    /**
     * Gives the connection up without waiting for the peer.
     *
     * @param {Disconnected | Refused | Unreadable} error
     */
    drop(error) {
        if (this.#finish()) {
            hangUp(this.#socket);
            this.#events.ended(error);
        }
    }

    /** Closes the connection and waits for the peer, but not long. */
    close() {
        if (!this.#finish()) {
            return Promise.resolve();
        }
        const socket = this.#socket;
        if (!this.#isOpen) {
            // There is nobody to say goodbye to, and not every class tells the end of an attempt.
            hangUp(socket);
            return Promise.resolve();
        }
        // A socket that does not read would never see the answer.
        this.resume();
        return /** @type {Promise<void>} */ (new Promise((resolve) => {
            const { clock } = this.#settings;
            const timer = clock.setTimeout(() => {
                socket.onclose = null;
                hangUp(socket);
                resolve();
            }, CLOSE_TIMEOUT_MS);
            socket.onclose = () => {
                clock.clearTimeout(timer);
                resolve();
            };
            socket.close(1000);
        }));
    }

    #finish() {
        if (this.#phase === 'ended') {
            return false;
        }
        this.#phase = 'ended';
        this.#settings.clock.clearTimeout(this.#timer);
        this.#socket.onopen = () => {
            this.#isOpen = true;
        };
        this.#socket.onmessage = null;
        this.#socket.onclose = null;
        return true;
    }

    /**
     * @param {number} code
     * @param {string} reason
     */
    #closed(code, reason) {
        if (this.#finish()) {
            const why = [reason, this.#lastError].filter(Boolean).join(': ');
            const text = `the connection ended with code ${code}${why ? `: ${why}` : ''}`;
            this.#events.ended(STOP.has(code) ? new Refused(text, code) : new Disconnected(text, code));
        }
    }

    /** @param {unknown} data */
    #receive(data) {
        this.#heard += 1;
        let messages;
        try {
            messages = decode(data, this.#settings.exact);
        } catch (error) {
            // It may have been a price; coming back brings what is missing.
            this.drop(/** @type {Unreadable} */ (error));
            return;
        }
        for (const message of messages) {
            this.#take(message);
        }
    }

    /** @param {any} message */
    #take(message) {
        if (message.type === 'error' && message.id === undefined) {
            this.#lastError = String(message.message ?? '');
        }
        if (this.#phase === 'open') {
            this.#events.received(message);
        } else if (this.#phase === 'greeting' && message.type === 'welcome') {
            this.#welcome(message);
        } else if (this.#phase === 'authenticating' && message.type === 'authenticated') {
            this.#open(this.#epoch);
        } else if (this.#phase === 'authenticating' && message.type === 'error') {
            const { code } = message;
            const Kind = code === 401 || code === 403 ? Refused : Disconnected;
            this.drop(new Kind(`the key was not taken: ${message.message}`, code));
        }
    }

    /** @param {any} welcome */
    #welcome({ version, epoch, auth_required: isAuthRequired }) {
        if (version !== PROTOCOL_VERSION || typeof epoch !== 'string') {
            this.drop(new Refused(`the server speaks another version of the protocol: ${version}`, 0));
            return;
        }
        this.#epoch = epoch;
        if (!isAuthRequired) {
            this.#open(epoch);
        } else if (this.#settings.apiKey === undefined) {
            this.drop(new Refused('the server asks for a key: pass apiKey', 401));
        } else {
            this.#phase = 'authenticating';
            void this.#authenticate(this.#settings.apiKey);
        }
    }

    /** @param {string | (() => string | Promise<string>)} apiKey */
    async #authenticate(apiKey) {
        try {
            const token = typeof apiKey === 'function' ? await apiKey() : apiKey;
            this.send({ type: 'auth', token });
        } catch (error) {
            this.drop(new Disconnected(`there is no key: ${error}`));
        }
    }

    /** @param {string} epoch */
    #open(epoch) {
        this.#phase = 'open';
        this.#listen();
        this.#events.opened(epoch);
    }

    // Asks a peer that says nothing whether it is there. What came counts, not the time: timers of a
    // hidden page or a sleeping machine are late.
    #listen() {
        const { pingIntervalMs, pongTimeoutMs } = this.#settings;
        const before = this.#heard;
        this.#wait(pingIntervalMs, () => {
            if (this.#heard !== before || this.#isPaused) {
                this.#listen();
                return;
            }
            this.send({ type: 'ping' });
            this.#wait(pongTimeoutMs, () => {
                if (this.#heard !== before || this.#isPaused) {
                    this.#listen();
                } else {
                    this.drop(new Disconnected('the server does not answer'));
                }
            });
        });
    }

    /**
     * @param {number} ms
     * @param {() => void} callback
     */
    #wait(ms, callback) {
        this.#settings.clock.clearTimeout(this.#timer);
        this.#timer = this.#settings.clock.setTimeout(callback, ms);
    }
}

/** @param {Socket} socket */
function hangUp(socket) {
    if (socket.terminate) {
        socket.terminate();
    } else {
        socket.close();
    }
}
