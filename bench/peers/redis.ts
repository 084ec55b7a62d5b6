import { symlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { which } from '../support/packages.js';
import { type Started, start } from '../support/started.js';
import { freePort, waitFor } from '../support/wait-for.js';

/** A running Redis on 127.0.0.1. */
export interface Redis {
  port: number;
  started: Started;
}

/** Starts a separate Redis, with or without a log that is synced to disk before it answers. */
export async function startRedis(folder: string, durable: boolean): Promise<Redis> {
  // redis-tools has the same program under this name, so the package with the system service is not needed.
  const program = path.join(folder, 'redis-server');
  symlinkSync(which('redis-check-rdb') ?? '', program);
  const port = await freePort();
  const keep = durable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...keep, '--dir', folder];
  const started = start(program, args, { cwd: folder, logFile: path.join(folder, 'redis.log') });
  return { port, started };
}

/** One connection that sends one command at a time. */
export interface RedisClient {
  /** Returns the answer, a number or a string, as text. Throws if Redis reports an error. */
  command(...words: string[]): Promise<string>;
  close(): void;
}

/** Connects as soon as Redis listens. */
export async function connectRedis({ port, started }: Redis): Promise<RedisClient> {
  const socket = await waitFor('Redis', () => {
    if (started.ended()) throw new Error(`Redis ended at once.\n${started.log()}`);
    return new Promise<ReturnType<typeof createConnection> | undefined>((resolve) => {
      const trying = createConnection({ port, host: '127.0.0.1', noDelay: true });
      trying.once('connect', () => resolve(trying)).once('error', () => resolve(undefined));
    });
  });
  let text = '';
  let tell: ((answer: string | Error) => void) | undefined;
  const fail = (error?: Error) => tell?.(error ?? new Error('Redis closed the connection.'));
  socket.on('error', fail).on('close', () => fail());
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
    const [whole, kind, head, body] = /^([+:-])(.*)\r\n|^\$\d+\r\n(.*)\r\n/s.exec(text) ?? [];
    if (whole === undefined) return;
    text = '';
    tell?.(kind === '-' ? new Error(`Redis: ${head}`) : (head ?? body ?? ''));
  });
  return {
    async command(...words) {
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      const answer = await new Promise<string | Error>((resolve) => {
        tell = resolve;
        socket.write(`*${words.length}\r\n${parts.join('')}`);
      });
      if (answer instanceof Error) throw answer;
      return answer;
    },
    close: () => socket.destroy(),
  };
}
