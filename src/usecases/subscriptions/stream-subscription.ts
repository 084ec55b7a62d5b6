import type { Store } from '../../store/store.js';

/** The configuration of streams. */
interface StreamSettings {
  amqp_url: string | null;
  job_events: string | null;
}

/** What is read of one of the installation's own subscriptions. */
interface Known {
  id: number;
  url: string;
  active: boolean;
}

/** What must change so that exactly one subscription feeds the stream of job events, or none if no stream is configured. */
export function streamSubscriptionChanges(settings: StreamSettings, known: readonly Known[]) {
  const { amqp_url, job_events } = settings;
  const wanted = amqp_url === null || job_events === null ? null : `stream:${job_events}`;
  const streams = known.filter(({ url }) => url.startsWith('stream:'));
  const kept = streams.find(({ url }) => url === wanted);
  return {
    add: kept === undefined ? wanted : null,
    on: kept === undefined || kept.active ? [] : [kept.id],
    off: streams.filter((each) => each.active && each !== kept).map(({ id }) => id),
  };
}

/**
 * At the start, makes sure that every event of every job is published on the configured stream. If none is configured
 * (any longer), the subscription is switched off, so that no backlog grows.
 */
export async function ensureStreamSubscription(
  settings: StreamSettings,
  store: Pick<Store, 'subscriptions'>,
  clock: () => Date,
): Promise<void> {
  const { subscriptions } = store;
  const { add, on, off } = streamSubscriptionChanges(settings, await subscriptions.unowned());
  const updated = clock();
  for (const id of off) await subscriptions.change(id, { active: false, updated });
  for (const id of on) await subscriptions.change(id, { active: true, updated });
  if (add !== null) {
    await subscriptions.add({
      ownerId: null,
      jobId: null,
      pipelineId: null,
      everyones: true,
      url: add,
      events: null,
      format: 'json',
      active: true,
      created: updated,
      updated,
    });
  }
}
