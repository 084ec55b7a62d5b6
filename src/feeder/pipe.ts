import { closeSync, constants, openSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Channel } from './channel.js';
import { leftBehind, type Program, pauses, type WayIn, type WayOut } from './ways.js';

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
  // Held open for reading, too: nothing is lost that is written while the program does not have it open, and who opens
  // it without waiting for a writer, as gzip does, finds one.
  const holder = openSync(path, O_RDONLY | O_NONBLOCK);
  const fd = openWriter(path);
  if (fd === null) throw new Error(`the pipe ${path} cannot be opened`);
  const socket = new net.Socket({ fd, readable: false, writable: true });

  /** Waits until somebody else reads it. Gives one more descriptor to write to. */
  async function reader(): Promise<number> {
    for (const pause of pauses()) {
      const found = openWriter(path);
      if (found !== null) return found;
      await delay(pause, undefined, { signal: program.ended });
    }
    throw new Error('unreachable');
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
      closeSync(holder);
      // Closed while the program has it open, or it would wait for a writer for ever.
      closeSync(await reader());
      socket.on('error', () => {});
      socket.destroy();
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
      let read = -1;
      const look = () => {
        if (read === socket.bytesRead && !socket.isPaused()) channel.end();
        else setTimeout(look, leftBehind);
        read = socket.bytesRead;
      };
      setTimeout(look, leftBehind);
    },
  };
}
