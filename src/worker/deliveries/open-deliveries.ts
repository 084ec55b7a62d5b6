import { streamOutlet } from '../../drivers/outlets/stream.js';
import { webhookOutlet } from '../../drivers/outlets/webhook.js';
import type { Logger } from '../../lib/log.js';
import type { Store } from '../../store/store.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { deliveryService } from '../../usecases/subscriptions/deliveries.js';
import { ensureStreamSubscription } from '../../usecases/subscriptions/stream-subscription.js';
import { secretOf, subscriptionService } from '../../usecases/subscriptions/subscriptions.js';
import { Dispatcher } from './deliver.js';

/** Opens deliveries: the subscriptions, the deliveries to them, and the dispatcher. */
export async function openDeliveries(given: {
  store: Store;
  jobs: JobService;
  /** The broker; null if there is none. */
  broker: Parameters<typeof streamOutlet>[0] | null;
  /** The key that webhook secrets are derived from, and whether it was just created. */
  key: { key: Parameters<typeof secretOf>[0]; made: boolean };
  settings: Parameters<typeof webhookOutlet>[0] & {
    maxPause: number;
    keepTrying: number;
    maxSubscriptions: number;
  };
  streams: Parameters<typeof ensureStreamSubscription>[0];
  log: Logger;
  clock: () => Date;
}) {
  const { store, jobs, broker, settings, log, clock } = given;
  const { key, made } = given.key;
  await store.subscriptions.lookForAny();
  if (made && store.subscriptions.mayBeAny()) {
    log.warn(
      'webhook-key was missing and has been created: receivers need the new secrets of their subscriptions',
    );
  }
  await ensureStreamSubscription(given.streams, store, clock);
  const webhooks = webhookOutlet(settings);
  const dispatcher = new Dispatcher({
    ...settings,
    store,
    news: jobs.news,
    log,
    outlets: {
      http: webhooks,
      https: webhooks,
      ...(broker === null ? {} : { stream: streamOutlet(broker) }),
    },
    secretOf: (ownerId, url) => secretOf(key, ownerId, url),
  });
  const subscriptions = subscriptionService({ ...settings, store, teller: dispatcher, key, clock });
  return { dispatcher, subscriptions, deliveries: deliveryService(store, subscriptions, dispatcher, clock) };
}
