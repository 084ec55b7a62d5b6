import type { Logger } from '../../lib/log.js';
import { memoryStream } from './memory.js';
import type { Stream, StreamSettings } from './stream.js';

interface StreamOptions {
  /** The broker; null: there is none. */
  amqp_url: string | null;
  /** The file for this process's durable streams. */
  file: string;
  /** The most bytes of bodies in a queue of this process. */
  maxQueueBytes: number;
  /** The settings of the stream of that name. */
  settings(name: string): StreamSettings;
}

/** The drivers of streams, by a stream's type. */
interface StreamDrivers {
  memory: Stream;
  /** Null: no broker is configured. */
  amqp: Stream | null;
}

/** Opens the drivers. The broker's client is loaded only if there is a broker, so that an idle server stays small. */
export async function openStreams(options: StreamOptions, log: Logger): Promise<StreamDrivers> {
  const { amqp_url: url, file, maxQueueBytes: maxBytes, settings } = options;
  return {
    memory: memoryStream({ file, maxBytes, settings }),
    amqp: url === null ? null : (await import('./amqp.js')).amqpStream({ url }, log),
  };
}
