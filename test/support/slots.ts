import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { slots } from './weights.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The socket where a file of tests asks for its slots. */
    slots: string;
  }
}

/**
 * Before all tests: hands out the slots of this run, first come, first served. A file of tests connects, names its weight,
 * waits for a byte, and holds its slots until its connection ends, however that comes to be.
 */
export function setup({ provide }: TestProject): () => void {
  let free = slots;
  const waiting: { weight: number; socket: net.Socket }[] = [];
  const serve = () => {
    for (let next = waiting[0]; next !== undefined && next.weight <= free; next = waiting[0]) {
      const { weight, socket } = next;
      waiting.shift();
      // It was ended while it waited.
      if (socket.destroyed) continue;
      free -= weight;
      socket.once('close', () => {
        free += weight;
        serve();
      });
      socket.write('!');
    }
  };
  const server = net.createServer((socket) => {
    // A process that is killed ends its connection, too.
    socket.on('error', () => undefined);
    socket.once('data', (weight) => {
      waiting.push({ weight: Number(weight), socket });
      serve();
    });
  });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-slots-'));
  const address = path.join(folder, 'socket');
  server.listen(address);
  provide('slots', address);
  return () => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  };
}
