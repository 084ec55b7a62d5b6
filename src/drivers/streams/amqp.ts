import type { Logger } from '../../lib/log.js';
import { amqpSubscriber } from './consuming.js';
import { amqpPublisher, type PublishingOptions } from './publishing.js';
import type { Stream } from './stream.js';
import { openTopology } from './topology.js';

export type AmqpOptions = PublishingOptions;

/**
 * Streams on a RabbitMQ broker, each a durable fanout exchange `streams.<name>`. There is one connection for publishing
 * and one for reading, each opened when first needed: a broker that accepts no more messages blocks publishing
 * connections, and that must not keep received messages from being settled.
 */
export function amqpStream(options: AmqpOptions, log: Logger): Stream {
  const topology = openTopology();
  const { publish, close } = amqpPublisher(options, log, topology);
  const reading = amqpSubscriber(options, log, topology);
  return {
    publish,
    subscribe: reading.subscribe,
    counts: reading.counts,
    remove: reading.remove,
    async close() {
      await Promise.all([close(), reading.close()]);
    },
  };
}
