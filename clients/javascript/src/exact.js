// JSON.parse makes every number a double, which keeps 15 to 17 digits, and 0.10 becomes 0.1. Where a
// price must stay as it was written, its digits are put in quotes before JSON.parse sees them.

/** Numbers that count or name something; all others may have decimals. */
const COUNTS = new Set([
    'ask_size', 'bid_size', 'code', 'count', 'dropped', 'id', 'last_sequence', 'last_size',
    'sequence', 'skipped', 'ticks', 'version', 'volume',
]);

// Texts are taken whole, so that digits within them are left alone; a name takes its number along.
const TOKENS =
    /"((?:[^"\\]|\\.)*)"(?:(\s*:\s*)(-?\d[\d.eE+-]*))?|-?\d[\d.eE+-]*/g;

/**
 * Returns JSON in which every number but the counts is a text with the same digits.
 *
 * @param {string} json Valid.
 */
export function exactly(json) {
    return json.replace(TOKENS, (token, name, colon, digits) => {
        if (name === undefined) {
            return `"${token}"`;
        }
        return digits === undefined || COUNTS.has(name) ? token : `"${name}"${colon}"${digits}"`;
    });
}
