import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { afterAll, expect, inject } from 'vitest';
import { root } from './paths.js';
import { weightOf } from './weights.js';

// Before the tests of a file: waits until there is room for it beside the others.
const socket = net.connect(inject('slots'));
socket.write(String(weightOf(path.relative(root, expect.getState().testPath ?? ''))));
await once(socket, 'data');
afterAll(() => {
  socket.destroy();
});
