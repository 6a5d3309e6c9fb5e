// Runs the tests: Node 20 has its WebSocket behind a flag, and no two versions agree on what
// `node --test FOLDER` means. Where the package `ws` is installed, they run with its class as well.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.test.js')).map((name) => folder + name);
const flags = typeof WebSocket === 'undefined' ? ['--experimental-websocket', '--no-warnings'] : [];
const classes = existsSync(`${folder}../node_modules/ws`) ? ['global', 'ws'] : ['global'];

for (const name of classes) {
    const { status } = spawnSync(process.execPath, [...flags, '--test', '--test-timeout=40000', ...process.argv.slice(2), ...files], {
        stdio: 'inherit',
        env: { ...process.env, TEST_WEBSOCKET: name },
    });
    if (status !== 0) {
        process.exit(status ?? 1);
    }
}
