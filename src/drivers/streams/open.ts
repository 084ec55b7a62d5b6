import type { Logger } from '../../lib/log.js';
import { memoryStream } from './memory.js';
import type { Stream, StreamSettings } from './stream.js';

interface StreamOptions {
  /** The broker; null: there is none. */
  amqp_url: string | null;
  /** Where the durable streams of this process are kept. */
  file: string;
  /** What a queue in this process holds at most, in bytes of bodies. */
  maxQueueBytes: number;
  /** How a stream of that name is kept. */
  settings(name: string): StreamSettings;
}

/** The drivers of streams, by the type that a stream has. */
interface StreamDrivers {
  memory: Stream;
  /** Null: no broker is configured. */
  amqp: Stream | null;
}

/** Opens the drivers. The client of the broker is loaded only where there is one: an idle server is to be small. */
export async function openStreams(options: StreamOptions, log: Logger): Promise<StreamDrivers> {
  const { amqp_url: url, file, maxQueueBytes: maxBytes, settings } = options;
  return {
    memory: memoryStream({ file, maxBytes, settings }),
    amqp: url === null ? null : (await import('./amqp.js')).amqpStream({ url }, log),
  };
}
