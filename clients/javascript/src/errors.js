// TickloomError
//     Refused        coming again with the same words is of no use
//     Disconnected   the connection is gone; the client comes back, unless it has tried often enough
//     Unreadable     the server sent what is no message

/** Everything that this library throws, or hands to `onError`, for reasons outside of the program. */
export class TickloomError extends Error {
    /**
     * @param {string} message
     * @param {number} [code] Of the stream protocol, or of a WebSocket's close; 0 = there is none.
     */
    constructor(message, code = 0) {
        super(message);
        this.name = new.target.name;
        this.code = code;
    }
}

/** The server does not take this client, or none of what it asked for. */
export class Refused extends TickloomError {
    /**
     * @param {string} message
     * @param {number} code
     * @param {string} [symbol] Which symbol is refused; empty = all of it.
     */
    constructor(message, code, symbol = '') {
        super(message, code);
        this.symbol = symbol;
    }
}

/** The connection could not be made, or ended. */
export class Disconnected extends TickloomError {}

/** The server sent what is no message of the protocol. */
export class Unreadable extends TickloomError {}
