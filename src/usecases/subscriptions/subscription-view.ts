import type { Fields } from '../../domain/query.js';
import type { ShownSubscription } from '../../store/subscriptions.js';
import { type Shown, shownDate } from '../resource.js';

export const subscriptionFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the subscription.',
    unique: true,
    blank: true,
    default: '',
    lookups: ['exact', 'in'],
    orderable: true,
  },
  owner: {
    type: 'string',
    help_text: 'Name of its owner; null is the installation itself.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in'],
  },
  job: {
    type: 'string',
    help_text:
      'The job whose events are sent; null is all jobs. Given as uuid or resource_uri, filtered by uuid.',
    nullable: true,
    default: null,
    lookups: ['exact', 'in'],
  },
  pipeline: {
    type: 'related',
    help_text: 'The pipeline whose jobs it is about.',
    nullable: true,
    default: null,
    lookups: ['exact', 'in'],
  },
  everyones: {
    type: 'boolean',
    help_text: "Whether it covers everybody's jobs; for admins.",
    default: false,
    lookups: ['exact'],
  },
  url: {
    type: 'string',
    help_text: 'Where events are POSTed to.',
    lookups: ['exact', 'in', 'startswith'],
    orderable: true,
  },
  events: { type: 'list', help_text: 'Names of the events; null is all.', nullable: true, default: null },
  format: {
    type: 'string',
    help_text: 'The format of the messages: `json` or `cloudevents`.',
    default: 'json',
    lookups: ['exact'],
  },
  active: {
    type: 'boolean',
    help_text: 'Whether events are sent. While it is off, pending deliveries stay pending.',
    default: true,
    lookups: ['exact'],
  },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was last changed.', readonly: true },
  secret: {
    type: 'string',
    help_text: 'The secret for checking signatures: in the answer to POST, and at `secret/` for the owner.',
    readonly: true,
  },
};

/** A subscription as the API shows it. */
export const showSubscription = (subscription: ShownSubscription): Shown => ({
  id: subscription.id,
  owner: subscription.owner?.username ?? null,
  job: subscription.job === null ? null : `/api/job/${subscription.job.uuid}/`,
  pipeline: subscription.pipelineId === null ? null : `/api/pipeline/${subscription.pipelineId}/`,
  everyones: subscription.everyones,
  url: subscription.url,
  events: subscription.events === null ? null : (JSON.parse(subscription.events) as string[]),
  format: subscription.format,
  active: subscription.active,
  created: shownDate(subscription.created),
  updated: shownDate(subscription.updated),
});
