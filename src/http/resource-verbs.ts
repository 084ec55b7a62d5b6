import type { Request, Response } from 'express';
import { bounds } from '../domain/bounds.js';
import { type ListQuery, paging } from '../domain/query.js';
import { PenstockError } from '../lib/errors.js';
import { pacer } from '../lib/pace.js';
import type { Change, Method, ResourceService, Shown } from '../usecases/resource.js';
import {
  actorOf,
  etagOf,
  originOf,
  queryPairs,
  sendEmpty,
  sendJson,
  sendJsonText,
} from './answers/answer.js';
import { formatJson } from './answers/format-json.js';
import { readJson } from './bodies/body.js';
import { listBody } from './bodies/list-body.js';
import { idOfItem, idOfUri, putsOf } from './bodies/list-items.js';
import { pageMeta } from './page-links.js';
import { listQuery } from './parameters.js';
import { schemaOf } from './resource-schema.js';

type Verb = (request: Request, response: Response) => Promise<void>;

/**
 * Tastypie's conventions, once, for every noun: what a client knows of one list it knows of all.
 *
 * @param besides names of query parameters that the list takes for something else
 */
export function resourceVerbs(service: ResourceService, maxBodySize: number, besides: readonly string[]) {
  const prefix = `/api/${service.name}/`;
  const uriOf = (object: Shown) => `${prefix}${String(object[service.key])}/`;
  const complete = new WeakMap<Shown, Shown>();
  /** The object with its address. A frozen one is built, and later formatted, only once. */
  const shown = (object: Shown): Shown => {
    const known = complete.get(object);
    if (known !== undefined) return known;
    const made = { ...object, resource_uri: uriOf(object) };
    if (Object.isFrozen(object)) complete.set(object, Object.freeze(made));
    return made;
  };
  const idOf = (request: Request) => String(request.params[service.key]);
  const body = (request: Request) => readJson(request, maxBodySize);
  const apply = (response: Response, changes: Change[]) => {
    if (service.apply === undefined) throw new Error(`${service.name} cannot be changed`);
    return service.apply(actorOf(response), changes);
  };
  const wantsObject = (request: Request) => /\breturn=representation\b/.test(request.get('prefer') ?? '');
  const missing = (id: string) => new PenstockError('not-found', `There is no ${service.name} ${id}.`);

  async function selected(response: Response, query: ListQuery): Promise<Change[]> {
    const ids = (await service.select?.(actorOf(response), query, bounds.objects + 1)) ?? [];
    if (ids.length > bounds.objects) {
      const most = bounds.objects.toLocaleString('en');
      throw new PenstockError(
        'too-large',
        `This PUT would replace more than ${most} objects, which is the limit. Delete some first, or select fewer.`,
      );
    }
    return ids.map((id) => ({ op: 'delete', id, maybe: true }));
  }

  /** If-Match: make the change only if the object is still the one that the client has seen. */
  function condition(request: Request): { check?: (current: Shown) => void } {
    const wanted = request.get('if-match');
    if (wanted === undefined || wanted.trim() === '*') return {};
    return {
      check(current) {
        const etag = etagOf(formatJson(shown(current)));
        if (wanted.split(',').some((candidate) => candidate.trim() === etag)) return;
        throw new PenstockError(
          'precondition-failed',
          `The object has changed since: its ETag is now ${etag}. Read it again, then change it.`,
        );
      },
    };
  }

  const list: Record<Method, Verb> = {
    async GET(request, response) {
      const query = listQuery(request, service.fields, true, besides);
      const { total, objects } = await service.list(actorOf(response), query);
      const meta = formatJson(pageMeta(prefix, queryPairs(request), query, total));
      const texts: string[] = [];
      const pace = pacer();
      for (const object of objects) {
        await pace();
        texts.push(formatJson(shown(object)));
      }
      sendJsonText(response, 200, `{"meta": ${meta}, "objects": [${texts.join(', ')}]}`);
    },
    async POST(request, response) {
      const [object] = await apply(response, [{ op: 'create', body: await body(request) }]);
      created(request, response, object);
    },
    async PUT(request, response) {
      const query = listQuery(request, service.fields, false);
      const { objects } = listBody(await body(request), ['objects', 'meta'], service.name);
      const puts = putsOf(objects, service.key, prefix);
      const staying = new Set(puts.map((change) => (change.op === 'put' ? change.id : '')));
      const deletes = (await selected(response, query)).filter(
        (change) => !(change.op === 'delete' && staying.has(change.id)),
      );
      const made = await apply(response, [...deletes, ...puts]);
      if (wantsObject(request)) sendJson(response, 200, { objects: made.map(shown) });
      else sendEmpty(response, 204);
    },
    async PATCH(request, response) {
      const { objects, deleted } = listBody(
        await body(request),
        ['objects', 'deleted_objects', 'meta'],
        service.name,
      );
      const changes: Change[] = [];
      const pace = pacer();
      for (const [index, item] of objects.entries()) {
        await pace();
        const uri = typeof item === 'object' && item !== null ? (item as Shown).resource_uri : undefined;
        const id =
          uri === undefined || uri === null
            ? idOfItem(item, service.key, prefix)
            : idOfUri(uri, `/objects/${index}/resource_uri`, service.name);
        const exists = id !== undefined && (await service.get(actorOf(response), id)) !== null;
        // An unknown id makes a new object, with an id of its own.
        if (exists) changes.push({ op: 'patch', id, body: { ...(item as Shown), [service.key]: undefined } });
        else changes.push({ op: 'create', body: item });
      }
      for (const [index, uri] of deleted.entries()) {
        changes.push({ op: 'delete', id: idOfUri(uri, `/deleted_objects/${index}`, service.name) });
      }
      const touched = await apply(response, changes);
      if (wantsObject(request)) sendJson(response, 202, { objects: touched.map(shown) });
      else sendEmpty(response, 202);
    },
    async DELETE(request, response) {
      await service.removeAll?.(actorOf(response), listQuery(request, service.fields, false));
      sendEmpty(response, 204);
    },
  };

  function created(request: Request, response: Response, object: Shown | undefined): void {
    if (object === undefined) throw new Error(`nothing was created in ${service.name}`);
    const location = { Location: `${originOf(request)}${uriOf(object)}` };
    // Secrets are only shown in this answer.
    const once = 'token' in object || 'secret' in object;
    if (wantsObject(request) || once) sendJson(response, 201, shown(object), location);
    else sendEmpty(response, 201, location);
  }

  const detail: Record<Method, Verb> = {
    async GET(request, response) {
      const id = idOf(request);
      const object = await service.get(actorOf(response), id);
      if (object === null) throw missing(id);
      const text = formatJson(shown(object));
      const etag = etagOf(text);
      const known = request.get('if-none-match');
      const candidates = known?.split(',').map((candidate) => candidate.trim().replace(/^W\//, '')) ?? [];
      if (candidates.includes(etag) || candidates.includes('*')) {
        response.writeHead(304, { ETag: etag }).end();
        return;
      }
      sendJsonText(response, 200, text, { ETag: etag });
    },
    async POST() {
      throw new PenstockError(
        'detail-post',
        `POST is not possible on a single ${service.name}. Send it to ${prefix} instead.`,
      );
    },
    async PUT(request, response) {
      const id = idOf(request);
      const exists = (await service.get(actorOf(response), id)) !== null;
      if (!exists && request.get('if-match') !== undefined) {
        throw new PenstockError('precondition-failed', `There is no ${service.name} ${id} to match.`);
      }
      const change: Change = { op: 'put', id, body: await body(request), ...condition(request) };
      const [object] = await apply(response, [change]);
      if (!exists) created(request, response, object);
      else if (wantsObject(request) && object !== undefined) sendJson(response, 200, shown(object));
      else sendEmpty(response, 204);
    },
    async PATCH(request, response) {
      const id = idOf(request);
      const given = await body(request);
      // PATCH has always ignored the id in the body.
      const merged =
        typeof given === 'object' && given !== null && !Array.isArray(given)
          ? { ...given, id: undefined }
          : given;
      const [object] = await apply(response, [{ op: 'patch', id, body: merged, ...condition(request) }]);
      if (wantsObject(request) && object !== undefined) sendJson(response, 202, shown(object));
      else sendEmpty(response, 202);
    },
    async DELETE(request, response) {
      const id = idOf(request);
      await apply(response, [{ op: 'delete', id, ...condition(request) }]);
      sendEmpty(response, 204);
    },
  };

  const set: Verb = async (request, response) => {
    const ids = String(request.params.ids).split(';').slice(0, paging.maxLimit);
    const found: (Shown | null)[] = [];
    const pace = pacer();
    for (const id of ids) {
      await pace();
      found.push(await service.get(actorOf(response), id));
    }
    const notFound = ids.filter((_, index) => found[index] === null);
    sendJson(response, 200, {
      objects: found.filter((object) => object !== null).map(shown),
      ...(notFound.length > 0 ? { not_found: notFound } : {}),
    });
  };

  const schema: Verb = async (_request, response) => sendJson(response, 200, schemaOf(service));
  return { list, detail, set, schema };
}
