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
  /** Resolves when the bytes are the program's; never, once it has ended. */
  write(piece: Buffer): Promise<void>;
  /** No more bytes: what the program reads ends. Resolves when that is certain to reach it. */
  end(): Promise<void>;
}

/** A way out of the program. */
export interface WayOut {
  /** What it writes, to the end. Nothing is read ahead of who takes it, but for a piece. */
  pieces(): AsyncIterable<Buffer>;
  /** The program has ended: what it left behind is still read, but nothing is waited for. */
  programEnded(): void;
}

/** Waits, soon at first and then less and less often. Milliseconds. */
export function* pauses(from = 5, to = 50, factor = 1.5): Generator<number, never> {
  for (let pause = from; ; pause = Math.min(pause * factor, to)) yield pause;
}

/** Milliseconds without a byte after which what an ended program left behind is not waited for. */
const leftBehind = 300;
/** So many times is it waited for in all: a program's end is the job's, whoever of it goes on to write. */
const patience = 30;

/** Calls `over` when what an ended program left behind has been read, or it does not come to an end. */
export function leftOver(socket: Socket, over: () => void): void {
  let before = -1;
  let looks = 0;
  const look = () => {
    const { bytesRead } = socket;
    // While nobody takes it, it waits.
    if (!socket.isPaused()) {
      looks += 1;
      if (bytesRead === before || looks > patience) return over();
    }
    before = bytesRead;
    setTimeout(look, leftBehind);
  };
  setTimeout(look, leftBehind);
}
