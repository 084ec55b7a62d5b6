import { bounds } from '../../domain/bounds.js';
import {
  answer,
  type Json,
  jsonContent,
  errors as ownErrors,
  parameter,
} from '../../http/openapi/openapi-parts.js';
import type { ErrorCode } from '../../lib/errors.js';

const tags = ['processing-node'];
const text = { type: 'string' };
const envelope: Json = {
  type: 'object',
  required: ['result', 'message', 'timestamp'],
  properties: {
    result: {
      description: 'What the command gives; -1 for an error of the node, null for what is not there.',
    },
    message: { description: 'Empty, a reason, or the status object of a script.' },
    timestamp: { type: 'number', description: 'Seconds since 1970, larger in every answer.' },
  },
};
const failure: Json = {
  type: 'object',
  required: ['error', 'message', 'timestamp'],
  properties: { error: text, message: text, timestamp: { type: 'number' } },
};
/** Errors have the node's shape. */
const errors = (...codes: ErrorCode[]): Json =>
  Object.fromEntries(
    Object.entries(ownErrors(codes)).map(([status, told]) => [
      status,
      { ...(told as Json), content: jsonContent(failure) },
    ]),
  );
const changing: ErrorCode[] = [
  'bad-request',
  'bad-query',
  'bad-json',
  'invalid-body',
  'invalid-definition',
  'unauthenticated',
  'folder-unusable',
  'not-found',
  'node-busy',
  'too-slow',
  'too-large',
  'unsupported-media-type',
  'queue-full',
  'too-many-failed-logins',
  'shutting-down',
];
const timeout = { type: 'number', exclusiveMinimum: 0, description: 'Seconds.' };
const product = {
  type: 'object',
  maxProperties: bounds.keys,
  properties: {
    creator: { ...text, maxLength: bounds.keyLength },
    rootcause: { ...text, maxLength: bounds.keyLength },
    input: { description: 'Any JSON.' },
    timeout,
  },
};

const get = (id: string, summary: string): Json => ({
  operationId: `processing_node_${id}`,
  tags,
  security: [],
  summary,
  responses: { 200: answer('The envelope', envelope), ...errors('bad-request', 'bad-query') },
});
const change = (id: string, summary: string, body: Json): Json => ({
  operationId: `processing_node_${id}`,
  tags,
  summary,
  requestBody: { content: jsonContent(body) },
  responses: { 200: answer('The envelope', envelope), ...errors(...changing) },
});
const only = { type: 'object', maxProperties: bounds.keys, properties: { timeout } };

/** A call that runs something as a job. */
const running = (id: string, summary: string, body: Json): Json => {
  const call = change(id, summary, body);
  const { 200: ok, ...others } = call.responses as Record<number, Json>;
  const headers = { 'X-Job-UUID': { description: 'The job that was run, if one was.', schema: text } };
  return { ...call, responses: { 200: { ...ok, headers }, ...others } };
};

/** The dialect's part of the API's description. */
export function processingNodePaths(baseurl: string): Json {
  const page = (id: string) => ({
    get: {
      operationId: `processing_node_${id}`,
      tags,
      security: [],
      summary: 'Every call of the node',
      responses: {
        200: answer('URLs by method', {
          type: 'object',
          properties: { APIs: { type: 'object' }, timestamp: { type: 'number' } },
        }),
        ...errors('bad-query'),
      },
    },
  });
  return {
    [`${baseurl}/`]: page('page'),
    [`${baseurl}/api`]: page('page_too'),
    [`${baseurl}/init`]: {
      get: get('get_init', 'The init script'),
      put: running('init', 'Make the folders and run the init script', only),
    },
    [`${baseurl}/config`]: {
      get: get('get_config', 'The config script'),
      put: running('config', 'Run the config script', only),
    },
    [`${baseurl}/run`]: {
      get: get('get_run', 'The run script'),
      post: running('run', 'Deliver the input as files, run the run script, give its output files', product),
    },
    [`${baseurl}/clean`]: {
      get: get('get_clean', 'The clean script'),
      delete: running('clean', 'Run the clean script', only),
    },
    [`${baseurl}/input`]: { get: get('input', 'The files in the input folder') },
    [`${baseurl}/output`]: { get: get('output', 'The files in the output folder') },
    [`${baseurl}/pnsconfig`]: { get: get('pnsconfig', "The node's configuration, as it is written") },
    [`${baseurl}/settings`]: {
      get: get('settings', 'All settings of the node as they hold, defaults and those of Penstock included'),
    },
    [`${baseurl}/pnsconf`]: {
      put: change('pnsconf', 'Put another configuration in place of this one', {
        type: 'object',
        required: ['input'],
        maxProperties: bounds.keys,
        properties: { input: { type: 'object', maxProperties: bounds.keys }, timeout },
      }),
    },
    [`${baseurl}/inittest`]: { put: change('inittest', 'Link the scripts to the installed ones', only) },
    [`${baseurl}/testinit`]: { put: change('testinit', 'The same, by its later name', only) },
    [`${baseurl}/upload/{script}`]: {
      parameters: [parameter('script', 'path', text, 'Name of a script.')],
      put: change('upload', 'Refused: scripts are not replaced over HTTP', only),
    },
    [`${baseurl}/calc`]: {
      post: running('calc', 'Run the process definition that node.yaml names', product),
    },
    [`${baseurl}/testcalc`]: { post: change('testcalc', 'Make a test product of the input', product) },
    [`${baseurl}/echo`]: { post: change('echo', 'Give back what was sent', {}) },
    [`${baseurl}/testrun`]: {
      post: running('testrun', 'Run the run script on the dataset theName of a product', product),
    },
    [`${baseurl}/sleep`]: { post: running('sleep_default', 'Sleep for three seconds', only) },
    [`${baseurl}/sleep/{seconds}`]: {
      parameters: [parameter('seconds', 'path', text, 'How long; 3 if it is no number.')],
      post: running('sleep', 'Sleep, and keep the node busy', only),
    },
  };
}
