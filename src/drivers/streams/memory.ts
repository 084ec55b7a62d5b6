import { existsSync } from 'node:fs';
import { type Journal, openJournal } from './journal.js';
import { MemoryChannel } from './memory-channel.js';
import { type Stream, StreamFailure, type StreamSettings } from './stream.js';

interface MemoryOptions {
  /** The file for durable streams; it is created when first needed. */
  file: string;
  /** The settings of a stream. Read at each call, so that a change takes effect at once. */
  settings(name: string): StreamSettings;
  /** The most bytes of bodies in a queue. */
  maxBytes: number;
}

/** How long publishing may take, in milliseconds. */
const patience = 10_000;

/**
 * Streams in this process. A durable stream keeps its messages in a file: a message counts as published once it is on
 * disk, and unsettled messages are back after a restart.
 */
export function memoryStream(options: MemoryOptions): Stream {
  const channels = new Map<string, MemoryChannel>();
  /** Numbers for messages and queues, shared by all streams. */
  const numbers = { message: 0, queue: 0 };
  /** Pending publications. */
  const going = new Set<Promise<void>>();
  let journal: Journal | undefined;
  let loaded: Promise<void> | undefined;
  let closed = false;

  const context = {
    numbers,
    settings: options.settings,
    maxBytes: options.maxBytes,
    journal(): Journal {
      journal ??= openJournal(options.file);
      return journal;
    },
  };

  function channel(name: string): MemoryChannel {
    const known = channels.get(name) ?? new MemoryChannel(name, context);
    channels.set(name, known);
    return known;
  }

  /** Restores the queues on disk: from now on they collect messages, with or without readers. */
  async function load(): Promise<void> {
    if (!existsSync(options.file)) return;
    const queues = await context.journal().load();
    for (const queue of queues) {
      numbers.queue = Math.max(numbers.queue, queue.id);
      numbers.message = Math.max(numbers.message, queue.mark, queue.messages.at(-1)?.position ?? 0);
    }
    for (const stream of new Set(queues.map((queue) => queue.stream))) {
      channel(stream).restore(queues.filter((queue) => queue.stream === stream));
    }
  }

  /** Waits until the file has been read. If that fails, the next call tries again. */
  async function ready(name: string): Promise<MemoryChannel> {
    if (closed) throw new StreamFailure('The streams have been closed.');
    if (options.settings(name).durable) {
      loaded ??= load();
      await loaded.catch((error: unknown) => {
        loaded = undefined;
        throw error;
      });
    }
    return channel(name);
  }

  return {
    async publish(name, message, signal, queue) {
      signal?.throwIfAborted();
      const published = ready(name).then((to) => to.publish(message, queue));
      going.add(published);
      const over = () => going.delete(published);
      published.then(over, over);
      await bounded(published, signal);
    },

    async subscribe(name, subscriber) {
      return (await ready(name)).subscribe(subscriber);
    },

    async counts(name, queue) {
      return (await ready(name)).counts(queue);
    },

    async remove(name, queue) {
      const from = await ready(name);
      if (queue !== undefined) await from.remove(queue);
      else {
        await from.removeAll();
        channels.delete(name);
      }
    },

    async close() {
      if (closed) return;
      closed = true;
      await Promise.allSettled(going);
      for (const each of channels.values()) each.close();
      await journal?.close();
    },
  };
}

/** The promise's outcome, unless the signal or the timeout comes first. */
function bounded(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal?.reason as Error);
    if (signal?.aborted) aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    const late = `The message could not be written to disk within ${patience / 1000} s.`;
    const timer = setTimeout(() => reject(new StreamFailure(late)), patience);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    });
  });
}
