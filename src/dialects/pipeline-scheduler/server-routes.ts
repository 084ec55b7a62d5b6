import type { RequestHandler } from 'express';
import { actorOf, queryValue } from '../../http/answers/answer.js';
import { object } from '../../http/openapi/openapi-parts.js';
import type { Route, Routes } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import { idsOf } from './ask.js';
import { send } from './envelope.js';
import { common, type SchedulerRouteOptions } from './routes.js';
import type { ServerView } from './scheduler-views.js';
import { asking, body, byState, idQuery, ids, list, shown, told } from './shapes.js';
import { isIdle, showServer } from './show.js';

const flag = (text: string | undefined): boolean => text !== undefined && !['0', 'false', ''].includes(text);
const zeroOrOne = { enum: ['0', '1'] };

const serverEntry = (view: ServerView) => ({
  status: isIdle(view) ? 'queued' : 'active',
  server: showServer(view),
});
const isCalled =
  (id: string) =>
  ({ row }: ServerView) =>
    row.cloudId === id || row.name === id || String(row.id) === id;

/** The newer protocol's servers, and the configuration. */
export function serverRoutes(options: SchedulerRouteOptions): Routes {
  const { views } = options;

  const listServers: RequestHandler = async (request, response) => {
    const wanted = await idsOf(request, options.maxBodySize, 'accepts empty input, or list of IDs');
    const all = await views.servers(actorOf(response));
    if (wanted !== null) {
      const found = wanted.flatMap((id) => all.filter(isCalled(id)));
      return send(response, 200, 'success', found.map(serverEntry));
    }
    send(response, 200, 'success', {
      active: all.filter((view) => !isIdle(view)).map(showServer),
      queued: all.filter(isIdle).map(showServer),
    });
  };
  const listing = (summary: string): Route => ({
    summary,
    query: idQuery,
    body: body(ids, false),
    answers: { 200: told('Servers', { anyOf: [byState(shown.server), list(shown.server)] }) },
    errors: asking,
    handle: listServers,
  });

  return {
    ...common(options),
    routes: {
      'GET /servers': listing('List all servers, or those with these ids'),
      'POST /servers': { ...listing('List the servers with these ids'), id: 'servers_by_id' },
      'DELETE /servers/untracked': {
        id: 'untracked',
        summary: 'Delete our servers in the cloud that Penstock does not need',
        query: {
          dry_run: [zeroOrOne, 'Only list them.'],
          all: [
            zeroOrOne,
            'Also servers that are not ours: every server of the project that Penstock does not know.',
          ],
        },
        answers: {
          200: told('Their ids', ids),
          207: told('Some could not be deleted', object({ deleted: ids, failed: list({ type: 'object' }) })),
        },
        errors: ['forbidden', 'connector-failed'],
        async handle(request, response) {
          options.mayKeep(actorOf(response));
          const [all, dry] = [flag(queryValue(request, 'all')), flag(queryValue(request, 'dry_run'))];
          const { deleted, failed } = await options.clear(all, dry);
          if (failed.length === 0) send(response, 200, 'success', deleted);
          else send(response, 207, 'error', { deleted, failed });
        },
      },
      'GET /servers/{server}': {
        id: 'server',
        summary: 'Read one server',
        answers: { 200: told('The server', shown.server) },
        errors: ['not-found'],
        async handle(request, response) {
          const id = String(request.params.server);
          const found = (await views.servers(actorOf(response))).find(isCalled(id));
          if (found === undefined) {
            throw new PenstockError('not-found', `There is no server ${id.slice(0, 100)}.`);
          }
          send(response, 200, 'success', serverEntry(found));
        },
      },
      'GET /config': {
        summary: 'Read the configuration, without secrets',
        answers: {
          200: told('application.yaml, ssh.yaml and nova.yaml (or heat.yaml)', list({ type: 'object' })),
        },
        handle(_request, response) {
          send(response, 200, 'success', options.config(options.keeps(actorOf(response))));
        },
      },
      'PUT /config': {
        id: 'reload',
        summary: 'Reload the configuration, all or nothing',
        answers: {
          200: told(
            'The new configuration; `needs_restart` names what takes effect after a restart',
            list({ type: 'object' }),
          ),
        },
        errors: ['forbidden', 'config-refused'],
        handle(_request, response) {
          const actor = actorOf(response);
          options.mayKeep(actor);
          const restart = options.reload();
          const more = restart.length > 0 ? { needs_restart: restart } : {};
          send(response, 200, 'success', options.config(options.keeps(actor)), more);
        },
      },
    },
  };
}
