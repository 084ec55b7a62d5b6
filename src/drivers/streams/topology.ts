import type { Channel } from 'amqplib';
import { exchangeOf, queueOf } from './connection.js';

/**
 * The queues and bindings of the streams' exchanges. Declaring an exchange declares all of them: an exchange that was
 * deleted on the broker loses its bindings, and messages published without them are lost.
 */
export interface Topology {
  /** A durable queue must get every message of its stream from now on. */
  add(stream: string, queue: string): void;
  /** The queue will be deleted. */
  drop(stream: string, queue: string): void;
  /** Whether there is a queue that must get what is published. */
  expects(stream: string): boolean;
  /** Creates the exchange, the durable queues, and their bindings, as far as they are missing. */
  declare(channel: Channel, stream: string): Promise<void>;
  /** The same, and has followers' queues bound again, which only their own connection may do. */
  restore(channel: Channel, stream: string): Promise<void>;
  /** Called by `restore`. It must handle its own failures. */
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
