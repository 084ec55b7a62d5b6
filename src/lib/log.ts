import { write, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

export type { Logger };

/** Fields that never reach the log, wherever they stand. */
const secret = ['password', 'authorization', 'token', 'secret', 'hash', 'passwordHash', 'environment'];

/** Bytes of lines that wait for a reader who is slow; lines beyond are lost. */
const mostWaiting = 4 * 1024 * 1024;
const lineFeed = 0x0a;
/** Milliseconds before a reader who is behind is tried again. */
const pause = 50;

/**
 * Writes lines to a file descriptor, never waiting for it. Where they cannot be written, because the disk is full or the
 * reader has gone, they are lost, and the next line that can be written says how many. A log is no reason to end, nor to
 * stay: pino's own destination throws for a full disk, and tries for ever to empty itself when the process ends.
 */
function lineWriter(descriptor: number) {
  let waiting: string[] = [];
  let size = 0;
  let lost = 0;
  let writing = false;
  /** True if what was written last ends within a line. */
  let torn = false;
  /** Told when nothing is left to be written. */
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
      // The first line told of those that were lost before. Unwritten it is none of ours to count.
      if (told > 0) lost -= left === lines.length ? 1 : told;
      writing = false;
      next();
    });
  }

  /** @param done told how many of the bytes were written */
  function send(bytes: Buffer, from: number, done: (written: number) => void): void {
    write(descriptor, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => send(bytes, from, done), pause).unref();
      else if (error === null && from + written < bytes.length) send(bytes, from + written, done);
      else done(error === null ? bytes.length : from);
    });
  }

  // What waits then is written at once, or not at all.
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
    /** Calls back once what was written so far has been taken, or is lost: `process.exit` waits for no write. */
    flush(done: () => void): void {
      listeners.push(done);
      next();
    },
  };
}

/** The logger: one JSON object a line, on stderr, so that stdout is free for the line that says we are ready. */
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
