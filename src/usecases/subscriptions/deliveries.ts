import type { Fields, ListQuery } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import type { ShownDelivery } from '../../store/deliveries.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { invalid, objectBody } from '../body.js';
import { numericId, type ResourceService, type Shown, shownDate } from '../resource.js';
import type { SubscriptionService, Teller } from './subscriptions.js';

const deliveryFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the delivery.',
    readonly: true,
    unique: true,
    orderable: true,
  },
  subscription: {
    type: 'related',
    help_text: 'The subscription that it belongs to.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  job: {
    type: 'string',
    help_text: 'The job whose event it announces; filtered by uuid or resource_uri.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  event: { type: 'string', help_text: "UUID of the event in the job's history.", readonly: true },
  event_name: { type: 'string', help_text: 'Name of the event.', readonly: true },
  state: {
    type: 'string',
    help_text: 'One of pending, delivered, dead.',
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  attempts: { type: 'integer', help_text: 'How many attempts were made.', readonly: true },
  not_before: {
    type: 'datetime',
    help_text: 'When the next attempt may be made.',
    readonly: true,
    nullable: true,
  },
  status: {
    type: 'integer',
    help_text: "The receiver's latest HTTP status.",
    readonly: true,
    nullable: true,
  },
  error: { type: 'string', help_text: 'Why the latest attempt failed.', readonly: true, nullable: true },
  url: { type: 'string', help_text: 'The URL that it is sent to.', readonly: true },
  created: {
    type: 'datetime',
    help_text: 'When the event happened.',
    readonly: true,
    lookups: ['exact', 'gt', 'gte', 'lt', 'lte', 'range'],
    orderable: true,
  },
  replayed: {
    type: 'datetime',
    help_text: 'When it was last replayed.',
    readonly: true,
    nullable: true,
  },
  updated: { type: 'datetime', help_text: 'When its state or latest attempt was stored.', readonly: true },
};

const show = (delivery: ShownDelivery): Shown => ({
  id: delivery.id,
  subscription: `/api/subscription/${delivery.subscriptionId}/`,
  job: `/api/job/${delivery.job.uuid}/`,
  event: delivery.event.uuid,
  event_name: delivery.event.name,
  state: delivery.state,
  attempts: delivery.attempts,
  not_before: shownDate(delivery.notBefore),
  status: delivery.status,
  error: delivery.error,
  url: delivery.subscription.url,
  created: shownDate(delivery.created),
  replayed: shownDate(delivery.replayed),
  updated: shownDate(delivery.updated),
});

/** A job's resource_uri in a filter means its uuid. */
const byUuid = (query: ListQuery): ListQuery => ({
  ...query,
  filters: query.filters.map((filter) =>
    filter.field === 'job'
      ? { ...filter, values: filter.values.map((value) => String(value).replace(/^.*\/job\/|\/$/g, '')) }
      : filter,
  ),
});

const checkReplay = validator('replay');

/** Deliveries to subscriptions, and what became of them. */
export function deliveryService(
  store: Store,
  subscriptions: SubscriptionService,
  teller: Teller,
  clock: () => Date,
) {
  async function find(actor: Actor, id: string): Promise<ShownDelivery | null> {
    const number = numericId(id);
    const found = number === null ? null : await store.deliveries.byId(number);
    return found !== null && mayUse(actor, found.subscription.ownerId) ? found : null;
  }

  const resource: ResourceService = {
    name: 'delivery',
    methods: { list: ['GET'], detail: ['GET'] },
    key: 'id',
    fields: deliveryFields,
    async list(actor, query) {
      const { total, objects } = await store.deliveries.list(scopeOf(actor), byUuid(query));
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const found = await find(actor, id);
      return found === null ? null : show(found);
    },
  };

  return {
    resource,

    /** Sends a delivery again, whether it succeeded or failed. Throws `conflict` if it is still pending. */
    async replay(actor: Actor, id: string): Promise<Shown> {
      const found = await find(actor, id);
      if (found === null) throw new PenstockError('not-found', `There is no delivery ${id}.`);
      const count = await store.deliveries.replay({ id: found.id }, ['dead', 'delivered'], clock());
      if (count === 0) throw new PenstockError('conflict', 'This delivery is still pending.');
      teller.lookAgain(found.id);
      return { replayed: count };
    },

    /**
     * Sends a subscription's deliveries again: the dead ones, or all.
     *
     * @param given `{"state"?: "dead" | "all", "since"?: date-time}`
     */
    async replayAll(actor: Actor, id: string, given: unknown): Promise<Shown> {
      const body = objectBody(given, ['state', 'since'], 'a replay');
      const problems = checkReplay(body);
      if (problems.length > 0) throw invalid('invalid-body', problems);
      const { state = 'dead', since = null } = body as { state?: 'dead' | 'all'; since?: string | null };
      if ((await subscriptions.resource.get(actor, id)) === null) {
        throw new PenstockError('not-found', `There is no subscription ${id}.`);
      }
      const subscriptionId = Number(id);
      const states = state === 'all' ? ['dead', 'delivered'] : ['dead'];
      const count = await store.deliveries.replay(
        { subscriptionId, since: since === null ? null : new Date(since) },
        states,
        clock(),
      );
      const first = count === 0 ? null : await store.deliveries.firstPending(subscriptionId);
      if (first !== null) teller.lookAgain(first);
      return { replayed: count };
    },
  };
}

export type DeliveryService = ReturnType<typeof deliveryService>;
