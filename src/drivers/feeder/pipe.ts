import { closeSync, constants, openSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Channel } from './channel.js';
import { leftOver, type Program, pauses, type WayIn, type WayOut } from './ways.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** Opens a pipe's writing end; null while nobody reads it. */
function openWriter(path: string): number | null {
  try {
    return openSync(path, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return null;
    throw error;
  }
}

/**
 * Writes into a named pipe that the program reads, also if it opens it late, or several times. To be called before the
 * program starts.
 */
export function pipeIn(path: string, program: Program): WayIn {
  // Held open for reading, too, to the end: nothing is lost that the program leaves while it does not have it open, and
  // who opens it without waiting for a writer, as gzip does, finds one.
  openSync(path, O_RDONLY | O_NONBLOCK);
  const fd = openWriter(path);
  if (fd === null) throw new Error(`the pipe ${path} cannot be opened`);
  const socket = new net.Socket({ fd, readable: false, writable: true });

  /** Whoever opens it from now on waits for a writer: one that comes and goes lets them read what is left, and the end. */
  async function tellEnd(): Promise<void> {
    for (const pause of pauses(5, 200)) {
      const writer = openWriter(path);
      if (writer !== null) closeSync(writer);
      await delay(pause, undefined, { signal: program.ended });
    }
  }

  return {
    async write(piece) {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.write(piece, (error) => {
          socket.off('error', reject);
          if (error) reject(error);
          else resolve();
        });
      });
    },
    async end() {
      socket.on('error', () => {});
      socket.destroy();
      tellEnd().catch(() => {});
    },
  };
}

/** Reads a named pipe that the program writes to, also if it opens it several times. */
export function pipeOut(path: string): WayOut {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK);
  // While this is open there is no end, whoever else has closed it.
  const holder = openWriter(path);
  const socket = new net.Socket({ fd, readable: true, writable: false });
  socket.pause();
  const channel = new Channel(() => void socket.resume());
  socket.on('data', (piece: Buffer) => {
    socket.pause();
    channel.put(piece);
  });
  socket.on('end', () => channel.end());
  socket.on('close', () => channel.end());
  socket.on('error', (error) => channel.end(error));
  return {
    pieces: () => channel.pieces(),
    programEnded() {
      if (holder !== null) closeSync(holder);
      // What the program has left running may hold it open.
      leftOver(socket, () => channel.end());
    },
  };
}
