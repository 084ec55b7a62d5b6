import { bounds } from '../../domain/bounds.js';
import { answer, type Json, jsonContent, object, readingJson } from '../../http/openapi/openapi-parts.js';
import type { Parameters } from '../../http/parameters.js';
import type { ErrorCode } from '../../lib/errors.js';

export const text = { type: 'string', maxLength: bounds.taskField };
const described = (description: string): Json => ({ ...text, description });
const maybe = (description: string): Json => ({ type: ['string', 'null'], description });

const fields = {
  project: text,
  subject: text,
  session: text,
  host: described('The XNAT installation.'),
  user: text,
  pwd: described('Never shown again. The script has it as the variable TASK_PWD.'),
  script: described('The name of a file in LOCAL_SCRIPTS_FOLDER.'),
  files: {
    type: 'array',
    maxItems: bounds.taskItems,
    items: text,
    description: 'More files of that folder that are uploaded.',
  },
  options: {
    type: ['string', 'array'],
    maxLength: bounds.taskOptions,
    maxItems: bounds.taskItems,
    items: text,
    description: 'More arguments of the script: a list, or a text that is split as a shell splits words.',
  },
  pwd_in_argv: { type: 'boolean', description: 'Also give the password as the argument -pwd, as of old.' },
};
const wishes = {
  application: described('The application whose servers it runs on.'),
  image: described('Another image than the application says.'),
  flavor: described('Another flavor.'),
  user_data: { type: 'string', maxLength: 49_151, description: 'Other user data.' },
};
const sample = {
  project: 'SampleProject',
  subject: 'SampleSubject',
  session: 'SampleSession',
  host: 'http://xnat.example.org/xnat/',
  user: 'admin',
  pwd: 'admin',
  script: 'qmroct.sh',
};
const required = Object.keys(sample);

/** A task as it is sent. */
export const taskBody: Json = {
  oneOf: [
    {
      title: 'xnat',
      type: 'object',
      required: ['type', ...required],
      maxProperties: bounds.keys,
      properties: { type: { const: 'xnat' }, ...fields, ...wishes },
      examples: [{ type: 'xnat', ...sample }],
    },
    {
      title: 'process',
      type: 'object',
      required: ['type', 'process_definition'],
      additionalProperties: false,
      properties: {
        type: { const: 'process' },
        process_definition: {
          type: ['integer', 'string'],
          maxLength: 300,
          description: 'Its id or its resource_uri.',
        },
        input: {
          type: ['string', 'object'],
          maxLength: bounds.taskInput,
          maxProperties: 20,
          properties: { text: { type: 'string', maxLength: bounds.taskInput }, name: text },
          description: 'Its input: a text, or one with a file name.',
        },
        output: described('The file name that its output is to have.'),
        environment: {
          type: 'object',
          maxProperties: 1000,
          additionalProperties: { type: 'string', maxLength: 131_071 },
        },
        ...wishes,
      },
      examples: [{ type: 'process', process_definition: 1, input: 'some text' }],
    },
  ],
};

/** A pipeline as the first version's clients send it: a task of the only type that there was. */
export const pipelineBody: Json = {
  type: 'object',
  required,
  maxProperties: bounds.keys,
  properties: { ...fields, ...wishes },
  examples: [sample],
};

export const list = (one: Json): Json => ({ type: 'array', items: one });
/** A body of one, or of several. */
export const several = (one: Json): Json => ({ ...list(one), maxItems: bounds.objects });
export const byState = (one: Json): Json => object({ active: list(one), queued: list(one) });
export const ids = several(text);

/** The shape of every answer. */
export const envelope = (content: Json): Json => ({
  type: 'object',
  required: ['request', 'content'],
  properties: { request: { enum: ['success', 'error'] }, content },
});
export const told = (description: string, content: Json): Json => answer(description, envelope(content));
export const body = (value: Json, required = true): Json => ({ required, content: jsonContent(value) });

export const idQuery: Parameters = { id: [ids, 'Only the object with this id; may be repeated.'] };

/** What every request may get that has a body. */
export const asking: ErrorCode[] = [...readingJson, 'bad-request'];

/** What a POST of the tasks of either version may get: one, or a list in which the good ones are taken. */
export const registered = (one: Json): Json => ({
  200: told('The tasks', { anyOf: [list(one), byState(one)] }),
  201: told('Registered', { anyOf: [one, list(one)] }),
  207: told('Some were registered; each of the others says why not', list(one)),
});

const wanted = { type: 'object', required: ['id'], maxProperties: bounds.keys, properties: { id: text } };
const timestamp = { type: 'number', description: 'Seconds since 1970.' };
const state = described("The job's state.");
const { project, subject, session, host, user } = fields;
const task = object({
  ...{ project, subject, session, host, user },
  pwd: { const: '***' },
  id: text,
  timestamp,
  type: { enum: ['xnat', 'process'] },
  script: text,
  state,
  exit_code: { type: ['integer', 'null'] },
  reason: maybe('Why it waits, or how it ended.'),
  server: maybe('The server that it has, or had last.'),
  job: described('The job in /api/.'),
});
const pipeline = object({
  ...{ project, subject, session, host, user },
  pwd: { const: '***' },
  script: text,
  id: text,
  timestamp,
  state,
});
const server = object({ id: text, name: text, ip: maybe('Its address.'), timestamp });

/** What answers hold. */
export const shown = {
  task,
  taskEntry: object({ status: described('active, queued, finished, failed, …'), task }),
  pipeline,
  server,
  instance: server,
  /** What the first version's clients ask for: one, or several. */
  wanted: { anyOf: [wanted, several(wanted)] },
} satisfies Record<string, Json>;
