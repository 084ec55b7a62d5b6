import type { Channel } from 'amqplib';
import { exchangeOf, queueOf } from './connection.js';

/**
 * What hangs on the exchanges of streams. Whoever declares an exchange declares all of it: an exchange that was deleted
 * on the broker loses its bindings, and what is published past them is nobody's.
 */
export interface Topology {
  /** A queue that lasts must have every message of its stream from now on. */
  add(stream: string, queue: string): void;
  /** The queue is to go. */
  drop(stream: string, queue: string): void;
  /** Whether there is a queue that must have what is published. */
  expects(stream: string): boolean;
  /** Makes the exchange, the queues that last, and their bindings, as far as they are not there. */
  declare(channel: Channel, stream: string): Promise<void>;
  /** The same, and binds the queues of those who follow again, which only their own connection may do. */
  restore(channel: Channel, stream: string): Promise<void>;
  /** Called by `restore`. Its failures are its own. */
  onRestore(listener: (stream: string) => Promise<void>): void;
}

export function openTopology(): Topology {
  const queues = new Map<string, Set<string>>();
  const listeners: ((stream: string) => Promise<void>)[] = [];

  async function declare(channel: Channel, stream: string): Promise<void> {
    const exchange = exchangeOf(stream);
    await channel.assertExchange(exchange, 'fanout', { durable: true });
    for (const queue of queues.get(stream) ?? []) {
      const { queue: name } = await channel.assertQueue(queueOf(stream, queue), { durable: true });
      await channel.bindQueue(name, exchange, '');
    }
  }

  return {
    add(stream, queue) {
      queues.set(stream, (queues.get(stream) ?? new Set()).add(queue));
    },
    drop(stream, queue) {
      const left = queues.get(stream);
      left?.delete(queue);
      if (left?.size === 0) queues.delete(stream);
    },
    expects: (stream) => queues.has(stream),
    declare,
    async restore(channel, stream) {
      await declare(channel, stream);
      await Promise.all(listeners.map((listener) => listener(stream)));
    },
    onRestore: (listener) => void listeners.push(listener),
  };
}
