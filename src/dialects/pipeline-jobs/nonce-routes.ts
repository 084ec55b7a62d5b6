import type { Request, RequestHandler, Response } from 'express';
import { actorOf, originOf, sendJson } from '../../http/answers/answer.js';
import { parseJson, readBody, textOf } from '../../http/bodies/body.js';
import { answer, jsonContent, readingJson } from '../../http/openapi/openapi-parts.js';
import type { Routes } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import type { NonceRow } from '../../store/nonces.js';
import type { NonceService } from '../../usecases/external-jobs/nonces.js';
import { envelope, success } from './envelope.js';
import { actorName, identify, senderOf } from './login.js';
import { bodySchema, common } from './routes.js';
import { linksOf, showNonce } from './show.js';

/** The nonces that let messages in. */
export function nonceRoutes(options: {
  authenticate: RequestHandler;
  nonces: NonceService;
  maxBodySize: number;
}): Routes {
  const { nonces } = options;
  const shown = (request: Request, response: Response, row: NonceRow, id = row.name) => {
    const { owner, messages: actor } = linksOf(request, actorOf(response));
    const self = `${originOf(request)}/actors/v2/${actorName(request)}/nonces/${row.name}`;
    return showNonce(row, id, { self, owner, actor });
  };
  /** Requires the level of the method. The nonce of a job's callback may not manage nonces. */
  const login: RequestHandler = (request, response, next) => {
    const level = ['GET', 'HEAD'].includes(request.method) ? 'READ' : 'UPDATE';
    identify(options, level)(request, response, (error?: unknown) => {
      const bound = error === undefined && senderOf(response).jobId !== null;
      next(bound ? new PenstockError('nonce-too-low', 'This nonce is for the callback of one job.') : error);
    });
  };
  return {
    ...common,
    login,
    routes: {
      'GET /{actor}/nonces': {
        summary: 'List the nonces of an actor',
        answers: { 200: answer('Nonces, oldest first', envelope) },
        async handle(request, response) {
          const rows = await nonces.list(actorOf(response), actorName(request));
          const all = rows.map((row) => shown(request, response, row));
          sendJson(response, 200, success(`There are ${rows.length} nonces.`, all));
        },
      },
      'POST /{actor}/nonces': {
        id: 'nonce_add',
        summary: 'Create a nonce',
        body: () => ({ content: jsonContent(bodySchema('nonce')) }),
        answers: {
          201: answer('The nonce; its `id` is what clients send, and is not shown again', envelope),
        },
        errors: readingJson,
        async handle(request, response) {
          const text = textOf(await readBody(request, options.maxBodySize));
          const body = text.trim() === '' ? {} : parseJson(text);
          const made = await nonces.add(actorOf(response), actorName(request), body);
          const one = shown(request, response, made.row, made.text);
          sendJson(response, 201, success('The nonce was created. It will not be shown again.', one));
        },
      },
      'GET /{actor}/nonces/{id}': {
        id: 'nonce',
        summary: 'Read one nonce',
        answers: { 200: answer('The nonce', envelope) },
        async handle(request, response) {
          const row = await nonces.get(actorOf(response), actorName(request), String(request.params.id));
          const one = shown(request, response, row);
          sendJson(response, 200, success('The nonce, without its secret part.', one));
        },
      },
      'DELETE /{actor}/nonces/{id}': {
        id: 'nonce_delete',
        summary: 'Delete a nonce',
        answers: { 200: answer('Deleted', envelope) },
        async handle(request, response) {
          await nonces.remove(actorOf(response), actorName(request), String(request.params.id));
          sendJson(response, 200, success('The nonce was deleted.', ''));
        },
      },
    },
  };
}
