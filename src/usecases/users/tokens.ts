import { randomBytes } from 'node:crypto';
import type { Fields } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import type { Store } from '../../store/store.js';
import type { TokenWithOwner } from '../../store/tokens.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { invalid, objectBody } from '../body.js';
import { numericId, type ResourceService, type Shown, shownDate } from '../resource.js';
import { hashToken, type LoginService } from './logins.js';

const tokenFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the token.',
    unique: true,
    blank: true,
    default: '',
    orderable: true,
  },
  name: {
    type: 'string',
    help_text: 'What it is for, in your words.',
    default: '',
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: {
    type: 'string',
    help_text: 'The user that it logs in.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  expires: { type: 'datetime', help_text: 'When it expires; null is never.', nullable: true, default: null },
  token: {
    type: 'string',
    help_text: 'The secret itself: only in the answer to the POST that created it.',
    readonly: true,
  },
};

const show = (token: TokenWithOwner): Shown => ({
  id: token.id,
  name: token.name,
  owner: token.owner.username,
  created: shownDate(token.created),
  expires: shownDate(token.expires),
});

/** API tokens: a login without a password, for programs. */
export function tokenService(store: Store, logins: LoginService, clock: () => Date) {
  const check = validator('token');

  async function find(actor: Actor, id: string): Promise<TokenWithOwner | null> {
    const number = numericId(id);
    const token = number === null ? null : await store.tokens.byId(number);
    return token !== null && mayUse(actor, token.ownerId) ? token : null;
  }

  async function add(actor: Actor, given: unknown): Promise<Shown> {
    const body = objectBody(given ?? {}, ['name', 'expires'], 'a token');
    const problems = check(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    const { name = '', expires = null } = body as { name?: string; expires?: string | null };
    const end = expires === null ? null : new Date(expires);
    if (end !== null && end <= clock()) {
      throw invalid('invalid-body', [{ pointer: '/expires', detail: `${expires} is in the past` }]);
    }
    const secret = `pst_${randomBytes(30).toString('base64url')}`;
    const token = await store.tokens.add({
      ownerId: actor.id,
      name,
      hash: hashToken(secret),
      created: clock(),
      expires: end,
    });
    return { ...show(token), token: secret };
  }

  const resource: ResourceService = {
    name: 'token',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'DELETE'] },
    key: 'id',
    fields: tokenFields,
    async list(actor, query) {
      const { total, objects } = await store.tokens.list(scopeOf(actor), query);
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const token = await find(actor, id);
      return token === null ? null : show(token);
    },
    async apply(actor, changes) {
      const shown: Shown[] = [];
      const removed: TokenWithOwner[] = [];
      for (const change of changes) {
        if (change.op === 'create') {
          shown.push(await add(actor, change.body));
          continue;
        }
        const token = await find(actor, change.id);
        if (token === null) throw new PenstockError('not-found', `There is no token ${change.id}.`);
        change.check?.(show(token));
        removed.push(token);
      }
      if (removed.length > 0) {
        await store.tokens.remove(removed.map((token) => token.id));
        for (const token of removed) logins.forget(token.ownerId);
      }
      return shown;
    },
  };
  return { resource };
}
