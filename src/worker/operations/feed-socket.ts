import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import net from 'node:net';
import { encodeFrame, type Frame, FrameDecoder } from '../../domain/feeder/feed-frame.js';
import { socketFile } from '../../domain/feeder/feeder-plan.js';

/** What a connected feeder reports. */
interface FeedListener {
  /** A record from the program. */
  onRecord(record: Buffer): void;
  /** The program has ended, and there are no more records; `code` is its exit status as in a shell. */
  onEnd(code: number): void;
  /** The connection was closed, by either side; called once, with the reason. After `onEnd` it does not matter. */
  onClose(reason: string): void;
}

/** The connection to a program that is fed message by message. */
export interface Feed {
  /**
   * Messages that the program got over earlier connections and has not answered yet: the next so many records belong to
   * them.
   */
  pending: number;
  /** Sends one message. False: wait for `drained` before the next, or messages pile up in memory. */
  send(message: Buffer): boolean;
  /** Resolves when there is room again, or the connection is gone. */
  drained(): Promise<void>;
  /** No more messages: the program's input ends. */
  end(): void;
  /** Disconnects. The program does not notice, and waits. */
  close(): void;
  /** `pause` and `resume` reading records. */
  pause(): void;
  resume(): void;
}

/**
 * Connects to the feeder of a run. An earlier connection is closed.
 *
 * @param folder the attempt's, absolute
 * @throws an error with the code ENOENT or ECONNREFUSED while the feeder has not started or is gone
 */
export async function openFeed(folder: string, listener: FeedListener): Promise<Feed> {
  // A socket's address holds 108 bytes, and a folder's path may be longer.
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const socket = new net.Socket();
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.connect(`/proc/self/fd/${handle.fd}/${socketFile}`);
    });
  } finally {
    await handle.close();
  }
  const frames = new FrameDecoder();
  let waiting: (() => void)[] = [];
  const release = () => {
    const all = waiting;
    waiting = [];
    for (const go of all) go();
  };
  return new Promise((resolve, reject) => {
    let greeted = false;
    /** Frames that came with the greeting: the caller must get the feed before them. */
    let held: Frame[] | null = [];
    let reason = 'the feeder closed the connection';
    const feed: Feed = {
      pending: 0,
      send(message) {
        if (socket.destroyed) return false;
        // Joins many small messages into few packets.
        if (socket.writableCorked === 0) {
          socket.cork();
          setImmediate(() => socket.uncork());
        }
        return socket.write(encodeFrame('M', message));
      },
      drained: () =>
        socket.destroyed || !socket.writableNeedDrain
          ? Promise.resolve()
          : new Promise((go) => waiting.push(go)),
      end: () => void (socket.destroyed || socket.write(encodeFrame('E'))),
      close: () => {
        reason = 'closed by this side';
        socket.destroy();
      },
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    };
    socket.on('data', (piece: Buffer) => {
      for (const frame of frames.push(piece)) {
        if (frame.type === 'H') {
          feed.pending = (JSON.parse(frame.payload.toString()) as { pending: number }).pending;
          greeted = true;
          resolve(feed);
          setImmediate(deliver);
        } else if (held !== null) held.push(frame);
        else hand(frame);
      }
    });
    function hand({ type, payload }: Frame): void {
      if (type === 'R') listener.onRecord(payload);
      else if (type === 'X') listener.onEnd((JSON.parse(payload.toString()) as { code: number }).code);
    }
    function deliver(): void {
      const frames = held ?? [];
      held = null;
      for (const frame of frames) hand(frame);
    }
    socket.on('drain', release);
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.on('close', () => {
      release();
      deliver();
      if (greeted) listener.onClose(reason);
      else reject(Object.assign(new Error(`the feeder did not answer: ${reason}`), { code: 'ECONNRESET' }));
    });
  });
}
