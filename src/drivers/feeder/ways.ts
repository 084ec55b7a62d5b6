import type { Socket } from 'node:net';
import type { Process } from '../processes/processes.js';

/** The program, as the feeder knows it. */
export interface Program {
  /** Aborted when it has ended. */
  ended: AbortSignal;
  /** The processes of the job, without the feeder and the shells around it. */
  processes(): Process[];
}

/** A way into the program. */
export interface WayIn {
  /** Resolves when the program has the bytes; never, once it has ended. */
  write(piece: Buffer): Promise<void>;
  /** No more bytes: the program's input ends. Resolves when that is certain to reach it. */
  end(): Promise<void>;
}

/** A way out of the program. */
export interface WayOut {
  /** What it writes, to the end. At most one piece is read ahead. */
  pieces(): AsyncIterable<Buffer>;
  /** The program has ended: what it left behind is still read, without waiting for more. */
  programEnded(): void;
}

/** Pauses that start short and grow. Milliseconds. */
export function* pauses(from = 5, to = 50, factor = 1.5): Generator<number, never> {
  for (let pause = from; ; pause = Math.min(pause * factor, to)) yield pause;
}

/** Milliseconds without a byte after which to stop reading what an ended program left behind. */
const leftBehind = 300;
/** The limit for all these waits: the program's end is the job's end, even if other processes go on writing. */
const patience = 30;

/** Calls `over` when everything that an ended program left behind has been read, or if that does not end. */
export function leftOver(socket: Socket, over: () => void): void {
  let before = -1;
  let looks = 0;
  const look = () => {
    const { bytesRead } = socket;
    // Do not count while nobody reads.
    if (!socket.isPaused()) {
      looks += 1;
      if (bytesRead === before || looks > patience) return over();
    }
    before = bytesRead;
    setTimeout(look, leftBehind);
  };
  setTimeout(look, leftBehind);
}
