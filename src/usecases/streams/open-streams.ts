import type { StreamSettings } from '../../drivers/streams/stream.js';
import type { Store } from '../../store/store.js';
import { type Drivers, openChannels, StreamRows } from './channels.js';
import { streamMessages } from './stream-messages.js';
import { streamService } from './streams.js';

interface StreamsOptions {
  store: Store;
  /** Makes the drivers, which ask for a stream's settings. */
  drivers: (settings: (name: string) => StreamSettings) => Promise<Drivers>;
  /** The id of the installation. */
  instance: string;
  /** How many streams one user may have. */
  maxStreams: number;
  /** The stream on which the installation itself publishes job events, if any. */
  jobEvents: string | null;
  clock: () => Date;
}

/** Everything about streams: the noun, its messages, and the channels for code that works on the server's behalf. */
export async function openStreamServices({
  store,
  instance,
  maxStreams,
  jobEvents,
  clock,
  ...given
}: StreamsOptions) {
  const rows = new StreamRows();
  await rows.load(store);
  const drivers = await given.drivers(rows.settings);
  const channels = openChannels(rows, drivers);
  const reserved = jobEvents === null ? [] : [jobEvents];
  const service = streamService({
    store,
    rows,
    channels,
    broker: drivers.amqp !== null,
    instance,
    maxStreams,
    reserved,
    clock,
  });
  return {
    /** The broker; null if there is none. */
    broker: drivers.amqp,
    channels,
    rows,
    resource: service.resource,
    need: service.need,
    make: service.make,
    messages: streamMessages(service, channels),
    async close(): Promise<void> {
      await Promise.all([drivers.amqp?.close(), drivers.memory.close()]);
    },
  };
}

export type StreamServices = Awaited<ReturnType<typeof openStreamServices>>;
