/** What the configuration says of streams. */
export interface StreamSettings {
  amqp_url: string | null;
  job_events: string | null;
}

/** What is read of a subscription of the installation's own. */
interface Known {
  id: number;
  url: string;
  active: boolean;
}

/** The installation's own subscriptions, as far as they are needed here. */
export interface InternalSubscriptions {
  list(): Promise<readonly Known[]>;
  add(url: string, format: string, now: Date): Promise<void>;
  switch(ids: readonly number[], active: boolean, now: Date): Promise<void>;
}

/** What must change so that one subscription feeds the stream of job events, or none does. */
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
 * Sees to it, at the start, that every event of every job is told on the stream that the configuration names. Where
 * it names none (any more) the subscription is switched off, so that no backlog grows.
 */
export async function ensureStreamSubscription(
  settings: StreamSettings,
  subscriptions: InternalSubscriptions,
  clock: () => Date,
): Promise<void> {
  const { add, on, off } = streamSubscriptionChanges(settings, await subscriptions.list());
  if (off.length > 0) await subscriptions.switch(off, false, clock());
  if (on.length > 0) await subscriptions.switch(on, true, clock());
  if (add !== null) await subscriptions.add(add, 'json', clock());
}
