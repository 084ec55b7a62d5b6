import { isUtf8 } from 'node:buffer';
import type { Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { textOnce } from '../../lib/shared-reading.js';
import type { FollowEvent, StreamMessage, StreamMessages } from '../../usecases/streams/stream-messages.js';
import { actorOf, queryValue, sendJson } from '../answers/answer.js';
import { linesOf } from '../answers/lines.js';
import { doorbell, followOf, loginKeeper } from '../answers/server-sent-events.js';
import { bodyOf, mediaType, readBody, refuseCoding } from '../bodies/body.js';
import type { Door } from '../door.js';
import { answer, bytes, object, sse } from '../openapi/openapi-parts.js';
import type { Routes } from '../route.js';

interface StreamRouteOptions extends Door {
  streams: { messages: StreamMessages };
  /** The largest message, in bytes. */
  maxMessageSize: number;
  /** The largest body with many messages, in bytes. */
  maxInputSize: number;
}

/** RabbitMQ's limit in bytes for an id, a content type, or the name of a header. */
const longest = 255;

/** The routes that only streams have: their messages. */
export function streamRoutes(options: StreamRouteOptions): Routes {
  const nameOf = (request: Request, response: Response): string => {
    const name = String(request.params.name);
    options.streams.messages.check(actorOf(response), name);
    return name;
  };
  return {
    name: 'stream',
    login: options.authenticate,
    keys: { name: [{ type: 'string' }, 'Which stream.'] },
    errors: ['not-found', 'stream-unavailable'],
    routes: {
      'GET /{name}/messages/': {
        id: 'follow',
        summary: 'Stream its messages from now on, as server-sent events',
        description:
          'Events are `message` (`id`, `content_type`, `headers`, `text` or `base64`), `left_out` (`count` messages were dropped because the client did not read them), `link` (`linked`, `reason`: the connection to the broker) and `end` (`reason`).',
        query: { follow: [{ enum: ['1'] }, 'Required: `1`.'] },
        answers: { 200: { description: 'Endless events', content: sse } },
        handle: (request, response) => follow(options, nameOf(request, response), request, response),
      },
      'POST /{name}/messages/': {
        id: 'publish',
        summary: 'Publish a message, or one for each line',
        description:
          'The body is the message, with its content type. Every `Message-Header-<Name>` becomes a header of the message, in lower case.',
        query: {
          framing: [
            { enum: ['line', 'none'] },
            '`line`: each line is a message, in order; with `application/x-ndjson`, each is a JSON document.',
          ],
        },
        headers: { 'Message-Id': [{ type: 'string', maxLength: 255 }, 'Generated if it is left out.'] },
        body: { content: bytes },
        answers: {
          201: answer(
            'Published',
            object({
              id: { type: 'string', description: 'Of the message.' },
              published: { type: 'integer', description: 'With `framing=line`: how many.' },
            }),
          ),
        },
        errors: ['bad-header', 'too-slow', 'too-large', 'unsupported-media-type', 'stream-full'],
        handle: (request, response) => publish(options, nameOf(request, response), request, response),
      },
    },
  };
}

/** The text of a header, whose bytes are usually UTF-8 but which Node.js reads as Latin-1. */
function headerText(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

function headerOf(request: Request, name: string): string {
  const value = headerText(request.get(name) ?? '');
  if (Buffer.byteLength(value) <= longest) return value;
  throw new PenstockError('bad-header', `${name} is longer than ${longest} bytes.`);
}

/** The headers of the message: `Message-Header-Level: high` sets its header `level`. */
function messageHeaders(request: Request): Record<string, string> {
  const prefix = 'message-header-';
  const given = Object.entries(request.headers).filter(
    ([name]) => name.startsWith(prefix) && name.length > prefix.length,
  );
  if (given.some(([name]) => name.length - prefix.length > longest)) {
    throw new PenstockError('bad-header', `The name of a message's header is longer than ${longest} bytes.`);
  }
  return Object.fromEntries(
    given.map(([name, value]) => [name.slice(prefix.length), headerText(String(value))]),
  );
}

/** How to split a body into messages. */
function framingOf(request: Request): 'line' | 'none' {
  const text = queryValue(request, 'framing') ?? 'none';
  if (text === 'line' || text === 'none') return text;
  throw new PenstockError('bad-query', `framing: '${text.slice(0, 40)}' must be 'line' or 'none'.`, {
    problems: [{ pointer: '?framing', detail: "it must be 'line' (one message per line) or 'none'" }],
  });
}

async function publish(
  { streams: { messages }, maxMessageSize, maxInputSize }: StreamRouteOptions,
  name: string,
  request: Request,
  response: Response,
): Promise<void> {
  const framing = framingOf(request);
  const message: Omit<StreamMessage, 'body'> = {
    id: headerOf(request, 'Message-Id'),
    contentType: headerOf(request, 'Content-Type') || 'application/octet-stream',
    headers: messageHeaders(request),
  };
  const actor = actorOf(response);
  if (framing === 'none') {
    const body = await readBody(request, maxMessageSize, 'MAX_MESSAGE_SIZE');
    sendJson(response, 201, { id: await messages.publish(actor, name, { ...message, body }) });
    return;
  }
  refuseCoding(request);
  // In newline-delimited JSON each line is a document, and empty lines are ignored.
  const json = mediaType(request) === 'application/x-ndjson';
  if (json) message.contentType = 'application/json';
  const limits = { line: maxMessageSize, all: maxInputSize };
  const lines = linesOf(bodyOf(request), limits, json);
  const published = await messages.publishAll(actor, name, lines, message);
  sendJson(response, 201, { published });
}

/** `GET …/messages/?follow=1`: messages as they arrive, as server-sent events. */
async function follow(
  { streams: { messages }, authenticate, followers }: StreamRouteOptions,
  name: string,
  request: Request,
  response: Response,
): Promise<void> {
  if (!followOf(request)) {
    const detail = 'Messages cannot be listed. Add ?follow=1 to receive messages from now on.';
    throw new PenstockError('bad-query', detail, {
      problems: [{ pointer: '?follow', detail: 'it must be 1' }],
    });
  }
  let ring = () => {};
  // Subscribe before the answer begins, so that a client with an answer misses nothing from then on.
  const follower = await messages.follow(actorOf(response), name, () => ring());
  try {
    if (response.closed) return;
    const sent = followers.open(request, response);
    const bell = doorbell(sent.signal);
    ring = bell.ring;
    const stillIn = loginKeeper(authenticate, request, response);
    try {
      while (!sent.signal.aborted && (await stillIn())) {
        bell.reset();
        for (let event = follower.take(); event !== undefined; event = follower.take()) {
          await sent.send(shown(event));
          if (event.kind === 'end') return;
          if (sent.signal.aborted) return;
        }
        await bell.rung();
      }
    } finally {
      sent.end();
    }
  } finally {
    await follower.close();
  }
}

function shown(event: FollowEvent): { name: string; data: string } {
  // Each follower has its own count of messages that were left out.
  return { name: event.kind, data: event.kind === 'left_out' ? dataOf(event) : sharedData(event) };
}

function dataOf(event: FollowEvent): string {
  if (event.kind !== 'message') {
    const { kind: _, ...data } = event;
    return JSON.stringify(data);
  }
  const { id, contentType, headers, body, redelivered } = event.message;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const data = {
    id,
    content_type: contentType,
    headers,
    ...(redelivered ? { redelivered } : {}),
    ...(isUtf8(bytes) ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') }),
  };
  return JSON.stringify(data);
}

/** All followers of a stream share the same objects. */
const sharedData = textOnce(dataOf);
