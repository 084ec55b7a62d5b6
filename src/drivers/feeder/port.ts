import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { hasSocket, listenersOn } from '../processes/ports/listeners.js';
import { Channel } from './channel.js';
import { leftOver, type Program, pauses, type WayIn, type WayOut } from './ways.js';

/** A connection to a port on which the program listens, or will listen. */
export interface Port {
  way: WayIn & WayOut;
  port: number;
  /** Whether the program listened there. */
  heard(): boolean;
}

/**
 * A program that wants no more input may close, and writing then fails. That does not end its own output, which may
 * still wait to be read.
 */
class Connection extends net.Socket {
  override _write(piece: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    super._write(piece, encoding, () => done());
  }
}

/**
 * Connects as soon as the program, or a process that it started, listens on the port. Any other listener is a stranger
 * and gets nothing.
 *
 * @param uses what it is for: without `reads`, bytes from the program are ignored; without `sends`, the connection is
 * closed when the program closes its side
 */
export function connectPort(port: number, program: Program, uses: { reads: boolean; sends: boolean }): Port {
  let socket: net.Socket | null = null;
  let underway: Promise<net.Socket | null> | null = null;
  const channel = new Channel(() => void socket?.resume());
  const connected = connect();
  // Writers await it; readers get the error through the channel.
  connected.catch((error: Error) => channel.end(program.ended.aborted ? null : error));

  async function connect(): Promise<net.Socket> {
    // Each check reads the kernel's table of all connections. A program that takes long to listen is noticed at most a
    // fifth of that time later.
    for (const pause of pauses(5, 500, 1.2)) {
      const found = listenersOn(port).find(({ inode }) =>
        program.processes().some(({ pid }) => hasSocket(pid, inode)),
      );
      if (found !== undefined) {
        underway = attempt(found.host);
        const made = await underway;
        if (made !== null) return taken(made);
      }
      await delay(pause, undefined, { signal: program.ended });
    }
    throw new Error('unreachable');
  }

  function attempt(host: string): Promise<net.Socket | null> {
    return new Promise((resolve) => {
      const made = new Connection({ allowHalfOpen: true }).setNoDelay().connect({ host, port });
      made.once('connect', () => resolve(made));
      made.once('error', () => resolve(null));
    });
  }

  function taken(made: net.Socket): net.Socket {
    socket = made;
    made.removeAllListeners('error');
    made.pause();
    made.on('data', (piece: Buffer) => {
      if (!uses.reads) return;
      made.pause();
      channel.put(piece);
    });
    made.on('end', () => {
      channel.end();
      if (!uses.sends) made.end();
    });
    made.on('close', () => channel.end());
    // A program that closes early has all it wants; everything it wrote before has arrived.
    made.on('error', () => channel.end());
    made.resume();
    return made;
  }

  return {
    port,
    heard: () => underway !== null,
    way: {
      async write(piece) {
        const to = await connected;
        // It wants no more, like a program that closes its standard input.
        if (!to.writable) return;
        await new Promise<void>((resolve) => {
          to.once('close', resolve);
          to.write(piece, () => {
            to.off('close', resolve);
            resolve();
          });
        });
      },
      async end() {
        (await connected).end();
      },
      pieces: () => channel.pieces(),
      programEnded() {
        // It may have accepted our connection, written everything and ended before we noticed.
        void Promise.resolve(underway).then(() => {
          if (socket === null) channel.end();
          else leftOver(socket, () => channel.end());
        });
      },
    },
  };
}
