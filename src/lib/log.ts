import { write, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

export type { Logger };

/** Fields that are never logged, at any depth. */
const secret = ['password', 'authorization', 'token', 'secret', 'hash', 'passwordHash', 'environment'];

/** How many bytes may wait for a slow reader. Further lines are lost. */
const mostWaiting = 4 * 1024 * 1024;
const lineFeed = 0x0a;
/** Milliseconds before another write to a slow reader. */
const pause = 50;

/**
 * Writes lines to a file descriptor without ever waiting for it. If the disk is full or the reader is gone, lines are
 * lost, and the next line that can be written says how many. A log must neither end the process nor keep it alive:
 * pino's own destination throws if the disk is full, and tries forever to flush when the process ends.
 */
function lineWriter(descriptor: number) {
  let waiting: string[] = [];
  let size = 0;
  let lost = 0;
  let writing = false;
  /** True if the last write ended in the middle of a line. */
  let torn = false;
  /** Called when nothing is left to write. */
  const listeners: (() => void)[] = [];

  const lostLine = () =>
    `${JSON.stringify({ level: 40, time: new Date().toISOString(), lines: lost, msg: 'log lines were lost: they could not be written' })}\n`;

  function next(): void {
    if (writing) return;
    if (waiting.length === 0) {
      for (const done of listeners.splice(0)) done();
      return;
    }
    writing = true;
    const told = lost;
    const lines = told > 0 ? [lostLine(), ...waiting] : waiting;
    waiting = [];
    size = 0;
    const end = torn ? '\n' : '';
    const whole = Buffer.from(end + lines.join(''));
    send(whole, 0, (written) => {
      if (written > 0) torn = whole[written - 1] !== lineFeed;
      const left = whole.subarray(Math.max(written, end.length)).filter((byte) => byte === lineFeed).length;
      lost += left;
      // The first line reports earlier losses. If it was not written itself, it does not count as a lost line.
      if (told > 0) lost -= left === lines.length ? 1 : told;
      writing = false;
      next();
    });
  }

  /** @param done called with the number of bytes written */
  function send(bytes: Buffer, from: number, done: (written: number) => void): void {
    write(descriptor, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => send(bytes, from, done), pause).unref();
      else if (error === null && from + written < bytes.length) send(bytes, from + written, done);
      else done(error === null ? bytes.length : from);
    });
  }

  // One last synchronous try for lines that still wait.
  process.once('exit', () => {
    try {
      if (waiting.length > 0) writeSync(descriptor, `${torn ? '\n' : ''}${waiting.join('')}`);
    } catch {
      // Nobody is left to tell.
    }
  });

  return {
    write(line: string): void {
      if (size + line.length > mostWaiting) {
        lost += 1;
        return;
      }
      waiting.push(line);
      size += line.length;
      next();
    },
    /** Calls back once all lines so far are written or lost, because `process.exit` does not wait for writes. */
    flush(done: () => void): void {
      listeners.push(done);
      next();
    },
  };
}

/** The logger: one JSON object per line on stderr. That leaves stdout for the line that says the server is ready. */
export function openLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    },
    lineWriter(2),
  );
}
