// Runs the tests: Node 20 has its WebSocket behind a flag, and no two versions agree on what
// `node --test FOLDER` means.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.test.js')).map((name) => folder + name);
const flags = typeof WebSocket === 'undefined' ? ['--experimental-websocket', '--no-warnings'] : [];
const { status } = spawnSync(
    process.execPath, [...flags, '--test', ...process.argv.slice(2), ...files], { stdio: 'inherit' },
);
process.exit(status ?? 1);
