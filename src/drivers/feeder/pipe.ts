import { closeSync, constants, openSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Channel } from './channel.js';
import { leftOver, type Program, pauses, type WayIn, type WayOut } from './ways.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** Opens a pipe for writing; null while nobody reads it. */
function openWriter(path: string): number | null {
  try {
    return openSync(path, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return null;
    throw error;
  }
}

/**
 * Writes into a named pipe that the program reads, even if it opens it late, or several times. Call it before the
 * program starts.
 */
export function pipeIn(path: string, program: Program): WayIn {
  // Also held open for reading until the end: unread bytes are kept while the program does not have the pipe open, and
  // programs that open it without waiting for a writer, such as gzip, find one.
  openSync(path, O_RDONLY | O_NONBLOCK);
  const fd = openWriter(path);
  if (fd === null) throw new Error(`the pipe ${path} cannot be opened`);
  const socket = new net.Socket({ fd, readable: false, writable: true });

  /** Later readers would wait for a writer: one that comes and goes lets them read the rest, and the end. */
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

/** Reads a named pipe that the program writes to, even if it opens it several times. */
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
      // Processes that the program left running may hold it open.
      leftOver(socket, () => channel.end());
    },
  };
}
