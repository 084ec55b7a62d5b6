import type { ErrorCode } from '../../lib/errors.js';
import { answer, bytes, errors, type Json, parameter, sse } from './openapi-parts.js';

const login: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins', 'bad-query', 'not-found'];

/** What streams have beyond the generic resource: their messages. */
export function streamPaths(): Json {
  return {
    '/api/stream/{name}/messages/': {
      parameters: [parameter('name', 'path', { type: 'string' }, 'Which stream.')],
      post: {
        operationId: 'stream_publish',
        tags: ['stream'],
        summary: 'Put a message on it, or one for each line',
        description:
          'The body is the message and its content type that of the message. Every `Message-Header-<Name>` becomes a header of the message, in lower case.',
        parameters: [
          parameter('Message-Id', 'header', { type: 'string', maxLength: 255 }, 'Made up if it is left out.'),
          parameter(
            'framing',
            'query',
            { enum: ['line', 'none'] },
            '`line`: each line is a message, in order; with `application/x-ndjson` a JSON document.',
          ),
        ],
        requestBody: { content: bytes },
        responses: {
          201: answer('The stream has it', {
            type: 'object',
            properties: {
              id: { type: 'string', description: 'Of the message.' },
              published: { type: 'integer', description: 'With `framing=line`: how many.' },
            },
          }),
          ...errors(
            ...login,
            'bad-header',
            'too-slow',
            'too-large',
            'unsupported-media-type',
            'stream-full',
            'stream-unavailable',
          ),
        },
      },
      get: {
        operationId: 'stream_follow',
        tags: ['stream'],
        summary: 'Its messages from now on, as server-sent events',
        description:
          'Events are `message` (`id`, `content_type`, `headers`, `text` or `base64`), `left_out` (`count` messages that came while the client did not read), `link` (`linked`, `reason`: the way to the broker) and `end` (`reason`).',
        parameters: [parameter('follow', 'query', { enum: ['1'] }, 'It has to be said.')],
        responses: {
          200: { description: 'Events without an end', content: sse },
          ...errors(...login, 'stream-unavailable'),
        },
      },
    },
  };
}
