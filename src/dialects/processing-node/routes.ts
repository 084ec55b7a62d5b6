import { type Request, type RequestHandler, Router } from 'express';
import { bounds } from '../../domain/bounds.js';
import { actorOf, type Known, originOf, sendJson } from '../../http/answers/answer.js';
import { readBody, textOf } from '../../http/bodies/body.js';
import { answer, type Json, jsonContent, object, readingJson } from '../../http/openapi/openapi-parts.js';
import { checkMethod, listed, type Route, type Routes } from '../../http/route.js';
import { type ErrorCode, PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { apiPage } from './api-page.js';
import { envelope, errorEnvelope, failure, risingClock, sendAnswer } from './envelope.js';
import type { NodeCommand, NodeService } from './node.js';
import { readRequest } from './node-request.js';
import type { NodeView } from './node-views.js';

interface ProcessingNodeOptions {
  baseurl: string;
  authenticate: RequestHandler;
  maxBodySize: number;
  node: NodeService;
}

const timeout = { type: 'number', exclusiveMinimum: 0, description: 'Seconds.' };
const sent = (properties: Json): Json => ({
  ...object({ ...properties, timeout }),
  maxProperties: bounds.keys,
});
const only = sent({});
const product = sent({
  creator: { type: 'string', maxLength: bounds.keyLength },
  rootcause: { type: 'string', maxLength: bounds.keyLength },
  input: { description: 'Any JSON.' },
});
const replacement = {
  ...sent({ input: { type: 'object', maxProperties: bounds.keys } }),
  required: ['input'],
};
const jobHeader = { description: 'The job that was run, if one was.', schema: { type: 'string' } };

const changing: ErrorCode[] = [
  ...readingJson,
  'bad-request',
  'invalid-definition',
  'unauthenticated',
  'folder-unusable',
  'not-found',
  'node-busy',
  'queue-full',
  'too-many-failed-logins',
  'shutting-down',
];

/** The processing node's dialect: GET shows what exists; PUT, POST and DELETE do something. */
export function nodeRoutes({ baseurl, node, ...options }: ProcessingNodeOptions): Routes[] {
  const now = risingClock();
  const shape = failure(now);
  const { views, commands } = node;

  const page = (id: string): Route => ({
    id,
    security: [],
    summary: 'List every call of the node',
    answers: {
      200: answer('URLs by method', object({ APIs: { type: 'object' }, timestamp: { type: 'number' } })),
    },
    handle(request, response) {
      const [address = '', query] = request.originalUrl.split('?');
      if (address === baseurl) {
        response.redirect(308, `${baseurl}/${query === undefined ? '' : `?${query}`}`);
        return;
      }
      sendJson(response, 200, apiPage(`${originOf(request)}${baseurl}`, now()));
    },
  });

  const shows = (view: NodeView, summary: string, id?: string): Route => ({
    ...(id === undefined ? {} : { id }),
    security: [],
    summary,
    answers: { 200: answer('The envelope', envelope) },
    errors: ['bad-request'],
    handle: async (_request, response) => sendAnswer(response, await view(), now),
  });

  // A function of its own, because otherwise the handler would keep the bytes in memory during the run.
  const read = async (request: Request) => readRequest(textOf(await readBody(request, options.maxBodySize)));

  const does = (command: NodeCommand, summary: string, body: Json, headers?: Json): Route => ({
    summary,
    body: { content: jsonContent(body) },
    answers: { 200: { ...answer('The envelope', envelope), headers } },
    errors: changing,
    handle: [
      options.authenticate,
      async (request, response) => {
        if (command.exclusive) node.refuseIfBusy();
        const asked = await read(request);
        const detail = String(request.params.script ?? request.params.seconds ?? '');
        const work = () => command.run(asked, actorOf(response), detail);
        const what = `${request.method} ${nameOf(request.path)}`;
        await sendAnswer(
          response,
          command.exclusive ? await node.exclusively(what, work) : await work(),
          now,
        );
      },
    ],
  });
  const runs = (command: NodeCommand, summary: string, body: Json): Route =>
    does(command, summary, body, { 'X-Job-UUID': jobHeader });

  const routes: Routes['routes'] = {
    'GET /init': shows(views.init, 'The init script', 'get_init'),
    'GET /config': shows(views.config, 'The config script', 'get_config'),
    'GET /run': shows(views.run, 'The run script', 'get_run'),
    'GET /clean': shows(views.clean, 'The clean script', 'get_clean'),
    'GET /input': shows(views.input, 'The files in the input folder'),
    'GET /output': shows(views.output, 'The files in the output folder'),
    'GET /pnsconfig': shows(views.pnsconfig, "Read the node's configuration as it was written"),
    'GET /settings': shows(
      views.settings,
      'Read all settings in effect, with defaults and those of Penstock',
    ),
    'PUT /init': runs(commands.PUT.init, 'Create the folders and run the init script', only),
    'PUT /config': runs(commands.PUT.config, 'Run the config script', only),
    'PUT /pnsconf': does(commands.PUT.pnsconf, 'Replace the configuration', replacement),
    'PUT /inittest': does(commands.PUT.inittest, 'Link the scripts to the installed ones', only),
    'PUT /testinit': does(commands.PUT.testinit, 'The same, under its later name', only),
    'PUT /upload/{script}': does(commands.PUT.upload, 'Refused: scripts cannot be replaced over HTTP', only),
    'POST /calc': runs(commands.POST.calc, 'Run the process definition that node.yaml names', product),
    'POST /testcalc': does(commands.POST.testcalc, 'Make a test product from the input', product),
    'POST /echo': does(commands.POST.echo, 'Send back what was sent', {}),
    'POST /run': runs(
      commands.POST.run,
      'Write the input files, run the run script, and send its output files',
      product,
    ),
    'POST /testrun': runs(
      commands.POST.testrun,
      'Run the run script on the dataset theName of a product',
      product,
    ),
    'POST /sleep': { ...runs(commands.POST.sleep, 'Sleep for three seconds', only), id: 'sleep_default' },
    'POST /sleep/{seconds}': runs(commands.POST.sleep, 'Sleep, and keep the node busy', only),
    'DELETE /clean': runs(commands.DELETE.clean, 'Run the clean script', only),
  };

  const common = { name: 'processing-node', errorSchema: errorEnvelope };
  return [
    {
      ...common,
      before(_request, response, next) {
        (response.locals as Known).problemShape = shape;
        next();
      },
      routes: { 'GET /': page('page'), 'GET /api': page('page_too') },
    },
    {
      ...common,
      before: refuseUnknown(routes),
      keys: {
        script: [{ type: 'string' }, 'Name of a script.'],
        seconds: [{ type: 'string' }, 'How long; 3 if it is not a number.'],
      },
      routes,
    },
    {
      before(request) {
        throw new PenstockError('not-found', `There is nothing at ${request.originalUrl.slice(0, 200)}.`);
      },
      routes: {},
    },
  ];
}

const nameOf = (path: string) => path.split('/')[1] ?? '';

/** Refuses an unknown command before the login and the body. A busy node is reported after the login. */
function refuseUnknown(routes: Routes['routes']): Router {
  const router = Router();
  for (const path of ['/:command', '/:command/:detail']) {
    const here = listed({ routes }).filter(
      (route) => route.path.split('/').length === path.split('/').length,
    );
    const methods = [...new Set(here.map(({ method }) => method))];
    router.all(
      path,
      checkMethod(methods.map((method) => ({ method, query: () => ({}) }))),
      (request, _response, next) => {
        const asked = request.method === 'HEAD' ? 'GET' : request.method;
        const known = here.filter(({ method }) => method === asked).map((route) => nameOf(route.path));
        const name = String(request.params.command);
        if (!known.includes(name)) throw unknown(asked, name, known);
        // The routes that follow match the path as it was sent, which may be percent-encoded.
        request.url = request.url.replace(/^\/[^/?]+/, `/${name}`);
        next();
      },
    );
  }
  return router;
}

function unknown(method: string, name: string, known: readonly string[]): PenstockError {
  const near = nearest(name, known);
  const hint = near === undefined ? `Known: ${known.join(', ')}.` : `Did you mean ${near}?`;
  return new PenstockError(
    'bad-request',
    `${method} ${name.slice(0, 100)} is not a command of the node. ${hint}`,
  );
}
