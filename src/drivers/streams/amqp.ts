import type { Logger } from '../../lib/log.js';
import { amqpSubscriber } from './consuming.js';
import { amqpPublisher, type PublishingOptions } from './publishing.js';
import type { Stream } from './stream.js';
import { openTopology } from './topology.js';

export type AmqpOptions = PublishingOptions;

/**
 * Streams on a RabbitMQ broker, each a durable fanout exchange `streams.<name>`. There is one connection for publishing
 * and one for reading, each made when it is first needed: a broker that takes no more messages stops whoever sends
 * them, and must not keep those that are read from being settled.
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
