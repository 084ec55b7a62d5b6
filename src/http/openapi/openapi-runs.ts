import { answer, bytes, errors, type Json, jsonContent, parameter, ref } from './openapi-parts.js';

const waitParameter = parameter(
  'wait',
  'query',
  { type: 'number', minimum: 0 },
  'Seconds to wait for the end of the job, or until a service is ready.',
);

/** `POST …/run/` of a noun that can be run. */
export const runPath = (noun: 'process_definition' | 'pipeline', key: Json): Json => ({
  parameters: [key],
  post: {
    operationId: `${noun}_run`,
    tags: [noun, 'job'],
    summary: 'Run it',
    description:
      'The body is the input itself, whatever its content type, but for multipart (`input_file`, `job`) and JSON.',
    parameters: [
      waitParameter,
      parameter('output', 'query', { enum: ['raw'] }, "With `wait`: the answer's body is the output."),
      parameter('output_name', 'query', { type: 'string' }, 'File name for the output.'),
      parameter('input_name', 'query', { type: 'string' }, 'File name for the input.'),
      parameter('dry_run', 'query', { enum: ['0', '1'] }, 'Only say what would run.'),
      parameter(
        'Idempotency-Key',
        'header',
        { type: 'string', maxLength: 255 },
        'The same key and request: the same job.',
      ),
      parameter('Prefer', 'header', { type: 'string' }, '`wait=SECONDS`'),
    ],
    requestBody: {
      content: {
        ...bytes,
        'application/json': { schema: ref('RunRequest') },
        'multipart/form-data': {
          schema: {
            type: 'object',
            maxProperties: 130,
            properties: { input_file: { type: 'string', format: 'binary' }, job: ref('RunRequest') },
          },
        },
      },
    },
    responses: {
      200: {
        description: 'It has ended, or is a service that is ready: the job, or with `output=raw` its output',
        content: { ...jsonContent(ref('Job')), ...bytes },
      },
      202: answer('Accepted, not ended yet', ref('Job')),
      ...errors(
        'unauthenticated',
        'too-many-failed-logins',
        'not-found',
        'bad-request',
        'invalid-body',
        'bad-json',
        'bad-query',
        'bad-header',
        'invalid-input-url',
        'idempotency-conflict',
        ...(noun === 'pipeline' ? (['conflict'] as const) : (['services-full'] as const)),
        'too-slow',
        'too-large',
        'job-failed',
        'queue-full',
        'input-source-failed',
        'shutting-down',
      ),
    },
  },
});
