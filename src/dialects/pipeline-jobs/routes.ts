import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { actorOf, type Known, originOf, queryPairs, sendJson } from '../../http/answers/answer.js';
import { readBody, textOf } from '../../http/bodies/body.js';
import { answer, type Json, jsonContent, readingJson } from '../../http/openapi/openapi-parts.js';
import type { Routes } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import { schema } from '../../lib/schemas.js';
import type { JobCompanions } from '../../store/companions.js';
import type { Actor } from '../../usecases/actor.js';
import { type CallbackSettings, callbackActor, callbackUrl } from '../../usecases/external-jobs/callback.js';
import type { ExternalJobService } from '../../usecases/external-jobs/external-jobs.js';
import type { JobEventService } from '../../usecases/external-jobs/job-events.js';
import type { NonceService } from '../../usecases/external-jobs/nonces.js';
import type { Shown } from '../../usecases/resource.js';
import { envelope, failure, success } from './envelope.js';
import { actorName, identify, senderOf } from './login.js';
import { type Message, readMessage } from './message.js';
import { linksOf, showDocument, showRecorded } from './show.js';

const text = { type: 'string' };
/** What all of the dialect's routes have in common. */
export const common: Omit<Routes, 'routes'> = {
  name: 'pipeline-jobs',
  security: [{ basic: [] }, { bearer: [] }, {}],
  query: { 'x-nonce': [text, 'A nonce, for clients without a login.'] },
  keys: {
    actor: [text, 'Name of the manager, such as `pipelinejobs-manager`.'],
    id: [text, 'Its name, or the whole nonce.'],
  },
  errors: ['nonce-unknown', 'nonce-expired', 'nonce-used-up', 'nonce-too-low', 'not-found'],
  errorSchema: envelope,
};

/** A body's schema. */
export const bodySchema = (name: string): Json => {
  const { $schema, ...rest } = schema(`pipeline-jobs/${name}`) as Json;
  return rest;
};

/**
 * Speaks as the manager from here on, and knows no other actor.
 *
 * @param actors names under /actors/v2/ that the manager answers to
 */
export const asManager = (actors: readonly string[]): Routes => ({
  before: Router().use('/:actor', (request, response, next) => {
    (response.locals as Known).problemShape = failure;
    if (actors.includes(actorName(request))) return next();
    const name = actorName(request).slice(0, 100);
    throw new PenstockError('not-found', `Unknown actor '${name}'. Use ${actors.join(' or ')}.`);
  }),
  routes: {},
});

interface MessageOptions {
  authenticate: RequestHandler;
  jobEvents: JobEventService;
  externalJobs: ExternalJobService;
  nonces: NonceService;
  callback: CallbackSettings;
  /** Checks the `subscriptions` of a message, and prepares them to be stored with the job. */
  subscriptionsOf: (given: unknown) => JobCompanions['subscriptions'];
  /** A job's own subscriptions, as shown once when they are created. */
  showSubscriptions: (actor: Actor, job: Job) => Promise<Shown[]>;
  maxBodySize: number;
}

/** Messages to the manager. */
export function messageRoutes(options: MessageOptions): Routes {
  const { jobEvents, externalJobs, callback } = options;

  const jobLinks = (request: Request, response: Response, uuid: string) => ({
    self: `${originOf(request)}/api/job/${uuid}/`,
    ...linksOf(request, actorOf(response)),
  });

  async function create(
    request: Request,
    response: Response,
    { message, subscriptions, written }: Extract<Message, { kind: 'create' }>,
  ): Promise<void> {
    const sender = senderOf(response);
    if (sender.jobId !== null) {
      throw new PenstockError(
        'nonce-too-low',
        'This nonce is for the callback of one job and cannot create jobs.',
      );
    }
    const companions = { subscriptions: options.subscriptionsOf(subscriptions) };
    const own = callbackActor(callback);
    const made = await externalJobs.create(sender.actor, message, written, own, companions);
    const { job, token } = made;
    const isNew = token !== null;
    const result = {
      ...showDocument(job, message.pipeline_uuid),
      token,
      _update_token: token,
      callback: isNew ? callbackUrl(callback, originOf(request), job, token, made.nonce?.text) : null,
      subscriptions: await options.showSubscriptions(sender.actor, job),
      executionId: job.lastEventUuid,
      msg: 'create',
      _links: jobLinks(request, response, job.uuid),
    };
    const text = isNew
      ? `The job ${job.uuid} was created.`
      : `The job ${job.uuid} already exists and was not changed.`;
    sendJson(
      response,
      isNew ? 201 : 200,
      success(text, result),
      isNew ? { Location: result._links.self } : {},
    );
  }

  async function event(
    request: Request,
    response: Response,
    message: Extract<Message, { kind: 'event' }>,
  ): Promise<void> {
    const { archive, ...recorded } = await jobEvents.send(senderOf(response), message);
    const links = jobLinks(request, response, message.uuid);
    const result = { ...showRecorded(recorded, links), ...(archive === null ? {} : { archive }) };
    sendJson(response, 200, success(`The job ${message.uuid} is ${recorded.event.state}.`, result));
  }

  async function action(response: Response, message: Extract<Message, { kind: 'action' }>): Promise<void> {
    const { job, removed } = await jobEvents.remove(senderOf(response), message);
    const result = { uuid: job.uuid, removed, _visible: !removed && !job.hidden };
    const what = removed ? 'removed' : job.hidden ? 'hidden' : 'shown again';
    sendJson(response, 200, success(`The job ${job.uuid} was ${what}.`, result));
  }

  return {
    ...common,
    login: identify(options, 'EXECUTE'),
    routes: {
      'POST /{actor}/messages': {
        id: 'message',
        summary: 'Send an event of a job, create a job, or hide one',
        description:
          'With `name`, `event`, `status` or `state` in the URL, the body is the data of that event. ' +
          'Otherwise a body with `action` is an action, one with `pipeline_uuid` is a new job, and anything else is an event. ' +
          'The content type does not matter.',
        query: () => ({
          ...common.query,
          uuid: [text, 'Which job.'],
          token: [text, "The job's token, or an admin token."],
          name: [text, 'Name of the event; `event` is another name for it.'],
          status: [text, "Another platform's status; `state` is another name for it."],
          context: [
            { type: 'object', additionalProperties: text },
            "Anything else, such as the `session` of a job's callback, or keys that a platform adds. Ignored.",
          ],
        }),
        body: () => ({ content: jsonContent({ anyOf: ['event', 'action', 'create'].map(bodySchema) }) }),
        answers: {
          200: answer("The job's state before and after, and the history entry", envelope),
          201: answer('A new job, with its token and its callback', envelope),
        },
        errors: [
          ...readingJson,
          'forbidden',
          'wrong-token',
          'illegal-transition',
          'job-hidden',
          'runs-here',
          'conflict',
        ],
        async handle(request, response) {
          const message = readMessage(
            textOf(await readBody(request, options.maxBodySize)),
            new Map(queryPairs(request)),
          );
          if (message.kind === 'create') await create(request, response, message);
          else if (message.kind === 'action') await action(response, message);
          else await event(request, response, message);
        },
      },
    },
  };
}
