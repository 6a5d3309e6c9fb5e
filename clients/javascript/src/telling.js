/**
 * Calls what the program passed; its mistakes are its own, and don't end the connection.
 *
 * @template T
 * @param {(value: T) => void} callback
 * @param {T} value
 */
export function tell(callback, value) {
    try {
        callback(value);
    } catch (error) {
        queueMicrotask(() => {
            throw error;
        });
    }
}
