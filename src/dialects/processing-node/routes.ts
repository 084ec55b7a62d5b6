import { type Request, type RequestHandler, type Response, Router } from 'express';
import { actorOf, type Known, originOf, sendJson } from '../../http/answers/answer.js';
import { readBody, textOf } from '../../http/bodies/body.js';
import { checkDescribed } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { apiPage } from './api-page.js';
import { failure, risingClock, sendAnswer } from './envelope.js';
import type { NodeCommand, NodeCommands } from './node.js';
import { readRequest } from './node-request.js';
import type { NodeView } from './node-views.js';

interface ProcessingNodeOptions {
  baseurl: string;
  authenticate: RequestHandler;
  maxBodySize: number;
  node: {
    views: Readonly<Record<string, NodeView>>;
    commands: NodeCommands;
    refuseIfBusy: () => void;
    exclusively: <T>(what: string, work: () => Promise<T>) => Promise<T>;
  };
}

/** Commands with something behind them in the URL; only these have it, and one of them not always. */
const withDetail = { PUT: ['upload'], POST: ['sleep'] } as const;
const needsDetail = ['upload'];

/** The processing node server's dialect: what is there is read by GET; PUT, POST and DELETE do something. */
export function processingNodeRouter({ baseurl, node, ...options }: ProcessingNodeOptions): Router {
  const router = Router();
  const now = risingClock();
  const shape = failure(now);

  router.use((_request, response, next) => {
    (response.locals as Known).problemShape = shape;
    next();
  });

  const page = (request: Request, response: Response) => {
    const [address = '', query] = request.originalUrl.split('?');
    if (address === baseurl) {
      response.redirect(308, `${baseurl}/${query === undefined ? '' : `?${query}`}`);
      return;
    }
    sendJson(response, 200, apiPage(`${originOf(request)}${baseurl}`, now()));
  };
  router.all(['/', '/api'], checkDescribed(['GET']), page);

  /** The command that a request names, or an error with the nearest one that there is. */
  function commandOf(request: Request): NodeCommand {
    const method = request.method as keyof NodeCommands;
    const { command = '', detail } = request.params as { command?: string; detail?: string };
    const wanted: readonly string[] =
      detail === undefined
        ? Object.keys(node.commands[method]).filter((name) => !needsDetail.includes(name))
        : withDetail[method as keyof typeof withDetail];
    const found = wanted.includes(command) ? node.commands[method][command] : undefined;
    if (found === undefined) throw unknown(method, command, wanted);
    return found;
  }

  const view: RequestHandler = async (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      next();
      return;
    }
    const name = String(request.params.command);
    const found = Object.hasOwn(node.views, name) ? node.views[name] : undefined;
    if (found === undefined) throw unknown('GET', name, Object.keys(node.views));
    await sendAnswer(response, await found(), now);
  };

  /** What is no command is told before anybody logs in or sends a body; that the node is busy, after the login. */
  const possible: RequestHandler = (request, _response, next) => {
    commandOf(request);
    next();
  };

  // On its own: the bytes would be held by whoever waits for the run.
  const read = async (request: Request) => readRequest(textOf(await readBody(request, options.maxBodySize)));

  const run: RequestHandler = async (request, response) => {
    const command = commandOf(request);
    if (command.exclusive) node.refuseIfBusy();
    const asked = await read(request);
    const work = () => command.run(asked, actorOf(response), String(request.params.detail ?? ''));
    const what = `${request.method} ${String(request.params.command)}`;
    await sendAnswer(response, command.exclusive ? await node.exclusively(what, work) : await work(), now);
  };

  router.all(
    '/:command',
    checkDescribed(['GET', 'PUT', 'POST', 'DELETE']),
    view,
    possible,
    options.authenticate,
    run,
  );
  router.all('/:command/:detail', checkDescribed(['PUT', 'POST']), possible, options.authenticate, run);

  router.use((request) => {
    throw new PenstockError('not-found', `There is nothing at ${request.originalUrl.slice(0, 200)}.`);
  });
  return router;
}

function unknown(method: string, name: string, known: readonly string[]): PenstockError {
  const near = nearest(name, known);
  const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
  return new PenstockError(
    'bad-request',
    `${method} ${name.slice(0, 100)} is no command of the node; ${hint}`,
  );
}
