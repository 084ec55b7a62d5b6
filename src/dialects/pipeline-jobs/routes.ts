import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { actorOf, type Known, originOf, queryPairs, sendJson } from '../../http/answers/answer.js';
import { parseJson, readBody, textOf } from '../../http/bodies/body.js';
import { addressOf } from '../../http/guards/auth.js';
import { checkDescribed } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobCompanions } from '../../store/companions.js';
import type { Actor } from '../../usecases/actor.js';
import { type CallbackSettings, callbackActor, callbackUrl } from '../../usecases/external-jobs/callback.js';
import type { ExternalJobService } from '../../usecases/external-jobs/external-jobs.js';
import type { JobEventService, Sender } from '../../usecases/external-jobs/job-events.js';
import type { Level, NonceService } from '../../usecases/external-jobs/nonces.js';
import type { Shown } from '../../usecases/resource.js';
import { failure, success } from './envelope.js';
import { type Message, readMessage } from './message.js';
import { showDocument, showNonce, showRecorded } from './show.js';

interface PipelineJobsOptions {
  authenticate: RequestHandler;
  jobEvents: JobEventService;
  externalJobs: ExternalJobService;
  nonces: NonceService;
  /** Names under /actors/v2/ that the manager answers to. */
  actors: readonly string[];
  callback: CallbackSettings;
  /** Checks what a message names as `subscriptions`, and makes it ready to be stored with the job. */
  subscriptionsOf: (given: unknown) => JobCompanions['subscriptions'];
  /** A job's own subscriptions as they are told when they are made. */
  showSubscriptions: (actor: Actor, job: Job) => Promise<Shown[]>;
  maxBodySize: number;
}

type Local = Known & { sender: Sender };
const senderOf = (response: Response): Sender => (response.locals as Local).sender;

/** The PipelineJobs manager's dialect: messages to an actor, and the nonces that let them in. */
export function pipelineJobsRouter(options: PipelineJobsOptions): Router {
  const { nonces, jobEvents, externalJobs, actors, callback } = options;
  const router = Router();
  const actorName = (request: Request) => String(request.params.actor);
  const messagesOf = (request: Request) => `${originOf(request)}/actors/v2/${actorName(request)}/messages`;
  const ownerLink = (request: Request, response: Response) =>
    `${originOf(request)}/api/user/${actorOf(response).id}/`;

  const jobLinks = (request: Request, response: Response, uuid: string) => ({
    self: `${originOf(request)}/api/job/${uuid}/`,
    owner: ownerLink(request, response),
    messages: messagesOf(request),
  });

  router.use('/:actor', (request: Request, response: Response, next: NextFunction) => {
    (response.locals as Known).problemShape = failure;
    if (actors.includes(actorName(request))) next();
    else {
      const name = actorName(request).slice(0, 100);
      next(new PenstockError('not-found', `There is no actor '${name}'; there is ${actors.join(', ')}.`));
    }
  });

  /** Lets in who has a login or, where there is no `Authorization`, a nonce of the level that is needed. */
  const identify =
    (level: Level): RequestHandler =>
    (request, response, next) => {
      const pairs = queryPairs(request);
      const nonce = pairs.findLast(([key]) => key === 'x-nonce')?.[1] ?? request.get('x-nonce');
      const locals = response.locals as Local;
      if (request.headers.authorization !== undefined || nonce === undefined) {
        options.authenticate(request, response, (error?: unknown) => {
          if (error === undefined) locals.sender = { actor: locals.actor, login: true, jobId: null };
          next(error);
        });
        return;
      }
      nonces.redeem(actorName(request), nonce, level, addressOf(request)).then(({ actor, jobId }) => {
        locals.actor = actor;
        locals.sender = { actor, login: false, jobId };
        next();
      }, next);
    };

  async function create(
    request: Request,
    response: Response,
    { message, subscriptions, written }: Extract<Message, { kind: 'create' }>,
  ): Promise<void> {
    const sender = senderOf(response);
    if (sender.jobId !== null) {
      throw new PenstockError('nonce-too-low', 'This nonce is for the callback of one job; it creates none.');
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
      : `The job ${job.uuid} is there already, as it was.`;
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

  router.all(
    '/:actor/messages',
    checkDescribed(['POST']),
    identify('EXECUTE'),
    async (request: Request, response: Response) => {
      const text = textOf(await readBody(request, options.maxBodySize));
      const message = readMessage(text, new Map(queryPairs(request)));
      if (message.kind === 'create') await create(request, response, message);
      else if (message.kind === 'action') await action(response, message);
      else await event(request, response, message);
    },
  );

  const nonceLinks = (request: Request, response: Response, id: string) => ({
    self: `${originOf(request)}/actors/v2/${actorName(request)}/nonces/${id}`,
    owner: ownerLink(request, response),
    actor: messagesOf(request),
  });
  const levelOf: Readonly<Record<string, Level>> = { GET: 'READ', HEAD: 'READ' };
  /** By the method's level; the nonce of a job's callback is for that job's events, and for no nonces. */
  const byMethod: RequestHandler = (request, response, next) =>
    identify(levelOf[request.method] ?? 'UPDATE')(request, response, (error?: unknown) => {
      const bound = error === undefined && senderOf(response).jobId !== null;
      next(bound ? new PenstockError('nonce-too-low', 'This nonce is for the callback of one job.') : error);
    });

  router.all(
    '/:actor/nonces',
    checkDescribed(['GET', 'POST']),
    byMethod,
    async (request: Request, response: Response) => {
      const { actor } = senderOf(response);
      if (request.method === 'POST') {
        const text = textOf(await readBody(request, options.maxBodySize));
        const body = text.trim() === '' ? {} : parseJson(text);
        const made = await nonces.add(actor, actorName(request), body);
        const shown = showNonce(made.row, made.text, nonceLinks(request, response, made.row.name));
        sendJson(response, 201, success('The nonce was made. It is not shown again.', shown));
        return;
      }
      const rows = await nonces.list(actor, actorName(request));
      const shown = rows.map((row) => showNonce(row, row.name, nonceLinks(request, response, row.name)));
      sendJson(response, 200, success(`There are ${rows.length} nonces.`, shown));
    },
  );

  router.all(
    '/:actor/nonces/:id',
    checkDescribed(['GET', 'DELETE']),
    byMethod,
    async (request: Request, response: Response) => {
      const { actor } = senderOf(response);
      const id = String(request.params.id);
      if (request.method === 'DELETE') {
        await nonces.remove(actor, actorName(request), id);
        sendJson(response, 200, success('The nonce was deleted.', ''));
        return;
      }
      const row = await nonces.get(actor, actorName(request), id);
      const shown = showNonce(row, row.name, nonceLinks(request, response, row.name));
      sendJson(response, 200, success('The nonce, but for what is secret of it.', shown));
    },
  );
  return router;
}
