// `npm start`, `npm run demo`: prepares a fresh clone, then becomes the program.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

await prepare();
await import(pathToFileURL(path.join(root, 'dist', 'main.js')).href);
