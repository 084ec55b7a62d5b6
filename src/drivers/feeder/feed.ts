import { rmSync } from 'node:fs';
import net from 'node:net';
import { encodeFrame, FrameDecoder } from '../../domain/feeder/feed-frame.js';
import { socketFile } from '../../domain/feeder/feeder-plan.js';
import { encodeRecord, type Framing, RecordDecoder } from '../../domain/feeder/framing.js';
import type { WayIn, WayOut } from './ways.js';

/**
 * Passes messages from a server to the program, and records back, over a socket in the working folder. One server at a
 * time; without a server the program's output is not read and its input stays open, so it only notices a pause.
 */
export async function openSocket(framing: Framing, ended: AbortSignal) {
  let connection: net.Socket | null = null;
  /** Messages that the program has got and not answered with a record yet. */
  let pending = 0;
  let wayIn: WayIn | null = null;
  let inputEnded = false;
  /** Messages reach the program one after the other, including those of an earlier connection. */
  let last: Promise<unknown> = Promise.resolve();
  let failed: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    failed = reject;
  });
  failure.catch(() => {});
  let arrived = () => {};

  // A leftover socket can be removed safely: each attempt has its own folder.
  rmSync(socketFile, { force: true });
  const server = net.createServer({ allowHalfOpen: false });
  server.on('connection', (socket) => {
    connection?.destroy();
    connection = socket;
    const frames = new FrameDecoder();
    let waiting = 0;
    socket.on('error', () => {});
    socket.on('close', () => {
      if (connection === socket) connection = null;
    });
    socket.on('data', (piece: Buffer) => {
      const come = frames.push(piece);
      const messages = come.filter(({ type }) => type === 'M').map(({ payload }) => payload);
      const isLast = come.some(({ type }) => type === 'E');
      if (messages.length === 0 && !isLast) return;
      // From here on they reach the program, whatever becomes of the connection.
      pending += messages.length;
      waiting += 1;
      socket.pause();
      last = last
        .then(() => give(messages))
        .then(() => (isLast ? endInput() : undefined))
        .then(() => {
          waiting -= 1;
          if (waiting === 0) socket.resume();
        })
        .catch((error: Error) => ended.aborted || failed(error));
    });
    socket.write(encodeFrame('H', { pending }));
    arrived();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketFile, resolve);
  });

  /** Joins many small messages into one write: single writes would cost more than the messages themselves. */
  async function give(messages: readonly Buffer[]): Promise<void> {
    if (wayIn === null || inputEnded || messages.length === 0) return;
    await wayIn.write(Buffer.concat(messages.map((message) => encodeRecord(framing, message))));
  }
  async function endInput(): Promise<void> {
    if (inputEnded) return;
    inputEnded = true;
    await wayIn?.end();
  }

  /** Resolves with a connection that accepts records. */
  async function listener(): Promise<net.Socket | null> {
    for (;;) {
      const socket = connection;
      if (socket === null) {
        if (ended.aborted) return null;
        await change();
      } else if (!socket.writableNeedDrain) return socket;
      else
        await new Promise<void>((resolve) => {
          const go = () => {
            socket.off('drain', go);
            socket.off('close', go);
            resolve();
          };
          socket.once('drain', go);
          socket.once('close', go);
        });
    }
  }
  const change = () =>
    new Promise<void>((resolve) => {
      arrived = resolve;
    });
  ended.addEventListener('abort', () => arrived());

  return {
    /** From now on messages go to this way in. */
    serve(way: WayIn): void {
      wayIn = way;
    },

    /** Rejects when a message cannot be delivered to the program. */
    failure,

    /** Passes records on to the end of the output; once the program has ended, only while a server is connected. */
    async pass(way: WayOut): Promise<void> {
      const records = new RecordDecoder(framing);
      const hand = async (given: readonly Buffer[]): Promise<boolean> => {
        if (given.length === 0) return true;
        const socket = await listener();
        if (socket === null) return false;
        pending = Math.max(0, pending - given.length);
        socket.write(Buffer.concat(given.map((record) => encodeFrame('R', record))));
        return true;
      };
      // Nothing is read without a server: the pipe keeps the program's output.
      if ((await listener()) === null) return;
      for await (const piece of way.pieces()) {
        if (!(await hand(records.push(piece)))) return;
        if ((await listener()) === null) return;
      }
      await hand(records.end());
    },

    /** Reports the program's end, then closes the connection. */
    async close(code: number): Promise<void> {
      server.close();
      rmSync(socketFile, { force: true });
      const socket = connection;
      if (socket === null) return;
      await new Promise<void>((resolve) => {
        socket.once('close', () => resolve());
        socket.end(encodeFrame('X', { code }));
      });
    },
  };
}
