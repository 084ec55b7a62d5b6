import { createHmac, randomUUID } from 'node:crypto';
import { isUuid } from '../../domain/external-jobs/typed-uuid.js';
import { type Format, pingMessage, type Told } from '../../domain/jobs/event-message.js';
import type { Job } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import type { Store } from '../../store/store.js';
import type { NewSubscription, ShownSubscription } from '../../store/subscriptions.js';
import { type Actor, mayUse, requireAdmin, scopeOf } from '../actor.js';
import { invalid, objectBody } from '../body.js';
import { type Change, numericId, type ResourceService, type Shown } from '../resource.js';
import { checkedParts, checkedSubscriptions } from './subscription-body.js';
import { showSubscription, subscriptionFields } from './subscription-view.js';

/** The part of the worker that sends to receivers, as far as this room needs it. */
export interface Teller {
  /** Deliveries from this number on may now be pending. */
  lookAgain(from: number): void;
  /** A subscription was deleted, switched off or changed: deliveries that were about to be sent must be read again. */
  forget(subscriptionId: number): void;
  /** Makes one attempt at once. */
  attempt(
    message: Told & { url: string; secrets: readonly string[] },
  ): Promise<{ accepted: boolean; status: number | null; error: string | null }>;
}

interface SubscriptionOptions {
  store: Store;
  teller: Teller;
  /** The key from which the secrets are derived. */
  key: Buffer;
  privateAddresses: boolean;
  /** How many a user may have for all jobs and pipelines, and for one job. */
  maxSubscriptions: number;
  clock: () => Date;
}

interface Body {
  url?: string;
  events?: string[] | null;
  format?: string;
  job?: string | number | null;
  pipeline?: string | number | null;
  everyones?: boolean;
  active?: boolean;
}

const keys = [
  'url',
  'events',
  'format',
  'job',
  'pipeline',
  'everyones',
  'active',
  'id',
  'owner',
  'created',
  'updated',
  'resource_uri',
];
const changeable = ['url', 'events', 'format', 'everyones', 'active'] as const;

const wrong = (pointer: string, detail: string) => invalid('invalid-body', [{ pointer, detail }]);

/**
 * The secret that all messages for one user to one URL are signed with. It is derived and never stored, so that the
 * database alone is not enough to sign.
 *
 * @param ownerId null for the installation's own subscriptions
 */
export function secretOf(key: Buffer, ownerId: number | null, url: string): string {
  const mac = createHmac('sha256', key).update(`webhook:${ownerId ?? 'installation'}:${url}`);
  return `whsec_${mac.digest('base64')}`;
}

/** Subscriptions: which events are sent to which URL. */
export function subscriptionService(options: SubscriptionOptions) {
  const { store, teller, key, privateAddresses, maxSubscriptions, clock } = options;
  const check = validator('subscription');
  const tryingOut = new Set<number>();

  async function find(actor: Actor, id: string): Promise<ShownSubscription | null> {
    const number = numericId(id);
    const found = number === null ? null : await store.subscriptions.byId(number);
    return found !== null && mayUse(actor, found.ownerId) ? found : null;
  }

  async function need(actor: Actor, id: string): Promise<ShownSubscription> {
    const found = await find(actor, id);
    if (found === null) throw new PenstockError('not-found', `There is no subscription ${id}.`);
    return found;
  }

  /** The same, but only one that users may change: the installation's own follow its configuration. */
  async function needOwned(actor: Actor, id: string): Promise<ShownSubscription & { ownerId: number }> {
    const found = await need(actor, id);
    if (found.ownerId !== null) return { ...found, ownerId: found.ownerId };
    throw new PenstockError(
      'conflict',
      'This subscription belongs to the installation; change it in streams.yaml.',
    );
  }

  function checkedBody(given: unknown): Body {
    const body = objectBody(given, keys, 'a subscription') as Body;
    const problems = check(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    return { ...body, ...checkedParts(body, '', privateAddresses) };
  }

  async function jobId(actor: Actor, given: string | number): Promise<number> {
    const uuid = String(given).match(/([^/]+)\/?$/)?.[1] ?? '';
    const job = isUuid(uuid) ? await store.jobs.byUuid(uuid) : null;
    if (job === null || !mayUse(actor, job.ownerId)) throw wrong('/job', `there is no job ${given}`);
    return job.id;
  }

  async function pipelineId(actor: Actor, given: string | number, everyones: boolean): Promise<number> {
    const id = numericId(String(given).match(/([^/]+)\/?$/)?.[1] ?? '');
    const pipeline = id === null ? null : await store.pipelines.byId(id);
    // Only a subscription to everybody's jobs gets any events of another user's pipeline.
    if (pipeline === null || !(everyones || pipeline.ownerId === actor.id)) {
      throw wrong('/pipeline', `there is no pipeline ${given}`);
    }
    return pipeline.id;
  }

  async function add(actor: Actor, given: unknown): Promise<Shown> {
    const body = checkedBody(given);
    const { url, everyones = false } = body;
    if (url === undefined) throw wrong('/url', 'this key is missing');
    if (everyones) requireAdmin(actor, "subscribe to everybody's jobs");
    const [job, pipeline] = [body.job ?? null, body.pipeline ?? null];
    if (job !== null && pipeline !== null) throw wrong('/pipeline', 'give a job or a pipeline, not both');
    const ofJob = job === null ? null : await jobId(actor, job);
    if ((await store.subscriptions.count(actor.id, ofJob)) >= maxSubscriptions) {
      const detail = `You already have ${maxSubscriptions} such subscriptions (MAX_SUBSCRIPTIONS_PER_USER). Delete some first.`;
      throw new PenstockError('conflict', detail);
    }
    const now = clock();
    const added = await store.subscriptions.add({
      ownerId: actor.id,
      jobId: ofJob,
      pipelineId: pipeline === null ? null : await pipelineId(actor, pipeline, everyones),
      everyones,
      url,
      events: body.events ? JSON.stringify(body.events) : null,
      format: body.format ?? 'json',
      active: body.active ?? true,
      created: now,
      updated: now,
    });
    return { ...showSubscription(added), secret: secretOf(key, actor.id, url) };
  }

  async function change(actor: Actor, old: ShownSubscription, given: unknown): Promise<Shown> {
    const body = checkedBody(given);
    const shown = showSubscription(old);
    for (const name of ['job', 'pipeline'] as const) {
      if (body[name] !== undefined && body[name] !== shown[name]) {
        throw new PenstockError(
          'conflict',
          `The ${name} of a subscription cannot be changed; create another subscription instead.`,
        );
      }
    }
    if (body.everyones === true && !old.everyones) requireAdmin(actor, "subscribe to everybody's jobs");
    const data: Partial<NewSubscription> = { updated: clock() };
    for (const name of changeable) {
      if (body[name] === undefined) continue;
      if (name !== 'events') Object.assign(data, { [name]: body[name] });
      else data.events = body.events ? JSON.stringify(body.events) : null;
    }
    const changed = await store.subscriptions.change(old.id, data);
    await lookAgain(old.id);
    return showSubscription(changed);
  }

  /** After a change, pending deliveries use the new settings. */
  async function lookAgain(id: number): Promise<void> {
    teller.forget(id);
    const first = await store.deliveries.firstPending(id);
    if (first !== null) teller.lookAgain(first);
  }

  async function applyOne(actor: Actor, given: Change): Promise<Shown | null> {
    if (given.op === 'create') return add(actor, given.body);
    const subscription = await needOwned(actor, given.id);
    given.check?.(showSubscription(subscription));
    if (given.op !== 'delete') return change(actor, subscription, given.body);
    await store.subscriptions.remove([subscription.id]);
    teller.forget(subscription.id);
    await store.subscriptions.lookForAny();
    return null;
  }

  const resource: ResourceService = {
    name: 'subscription',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'DELETE', 'PATCH'] },
    key: 'id',
    fields: subscriptionFields,
    async list(actor, query) {
      const { total, objects } = await store.subscriptions.list(scopeOf(actor), query);
      return { total, objects: objects.map(showSubscription) };
    },
    async get(actor, id) {
      const found = await find(actor, id);
      return found === null ? null : showSubscription(found);
    },
    async apply(actor, changes) {
      const [one] = changes;
      if (changes.length !== 1 || one === undefined) {
        throw new PenstockError('bad-request', 'Subscriptions are changed one at a time.');
      }
      const shown = await applyOne(actor, one);
      return shown === null ? [] : [shown];
    },
  };

  return {
    resource,
    secretOf: (ownerId: number | null, url: string) => secretOf(key, ownerId, url),
    /** A job's own subscriptions, checked against this installation's settings. */
    checkedSubscriptions: (value: unknown, pointer: string) =>
      checkedSubscriptions(value, pointer, privateAddresses),

    /** A job's own subscriptions, with the secrets of those that belong to the actor. */
    async ofJob(actor: Actor, job: Job): Promise<Shown[]> {
      const found = await store.subscriptions.ofJob(job.id);
      return found.map((one) => ({
        ...showSubscription(one),
        ...(one.ownerId === actor.id ? { secret: secretOf(key, one.ownerId, one.url) } : {}),
      }));
    },

    /** The secret for checking signatures: only for the owner. */
    async secret(actor: Actor, id: string): Promise<string> {
      const { ownerId, url } = await need(actor, id);
      if (ownerId === actor.id) return secretOf(key, ownerId, url);
      throw new PenstockError('forbidden', 'Only the owner of a subscription may see its secret.');
    },

    /** Sends one message to test the receiver, and returns the result. Nothing is stored or retried. */
    async ping(actor: Actor, id: string) {
      const { id: number, ownerId, url, format } = await needOwned(actor, id);
      if (tryingOut.has(number)) {
        throw new PenstockError('conflict', 'This subscription is already being tested.');
      }
      tryingOut.add(number);
      try {
        const source = `/api/subscription/${number}/`;
        const told = pingMessage(randomUUID(), source, clock().toISOString(), format as Format);
        const answer = await teller.attempt({ ...told, url, secrets: [secretOf(key, ownerId, url)] });
        return { accepted: answer.accepted, status: answer.status, error: answer.error };
      } finally {
        tryingOut.delete(number);
      }
    },
  };
}

export type SubscriptionService = ReturnType<typeof subscriptionService>;
