import type { Fields } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import type { Store } from '../../store/store.js';
import type { NewUser, User } from '../../store/users.js';
import { type Actor, requireAdmin, scopeOf } from '../actor.js';
import { invalid, objectBody } from '../body.js';
import { type Change, numericId, type ResourceService, type Shown, shownDate } from '../resource.js';
import { hashPassword } from './hashing.js';
import type { LoginService } from './logins.js';

const userFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the user.',
    unique: true,
    blank: true,
    default: '',
    lookups: ['exact', 'in'],
    orderable: true,
  },
  username: {
    type: 'string',
    help_text: 'Name to log in with: letters, digits, and . _ @ + -',
    unique: true,
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  password: { type: 'string', help_text: 'Write-only: 8 characters or more.' },
  role: {
    type: 'string',
    help_text: '`admin` sees and does everything; `user` sees what is theirs.',
    default: 'user',
    lookups: ['exact', 'in'],
  },
  active: { type: 'boolean', help_text: 'Whether they may log in.', default: true },
  created: { type: 'datetime', help_text: 'When the user was added.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When the user was last changed.', readonly: true },
};

const keys = ['username', 'password', 'role', 'active', 'id', 'resource_uri', 'created', 'updated'];

const show = (user: User): Shown => ({
  id: user.id,
  username: user.username,
  role: user.role,
  active: user.active,
  created: shownDate(user.created),
  updated: shownDate(user.updated),
});

/** Users: an admin manages them; everybody may see themselves and change their own password. */
export function userService(store: Store, logins: LoginService, clock: () => Date) {
  const check = validator('user');
  let last: Promise<unknown> = Promise.resolve();

  function checkedBody(given: unknown): {
    username?: string;
    password?: string;
    role?: string;
    active?: boolean;
  } {
    const body = objectBody(given, keys, 'a user');
    const problems = check(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    return body;
  }

  async function find(actor: Actor, id: string): Promise<User | null> {
    const number = numericId(id);
    if (number === null || !(actor.admin || actor.id === number)) return null;
    return store.users.byId(number);
  }

  async function add(body: ReturnType<typeof checkedBody>): Promise<User> {
    for (const key of ['username', 'password'] as const) {
      if (body[key] === undefined)
        throw invalid('invalid-body', [{ pointer: `/${key}`, detail: 'this key is missing' }]);
    }
    const { username = '', password = '', role = 'user', active = true } = body;
    if ((await store.users.byName(username)) !== null) {
      throw new PenstockError('conflict', `The user '${username}' already exists.`);
    }
    const now = clock();
    return store.users.add({
      username,
      role,
      active,
      passwordHash: await hashPassword(password),
      created: now,
      updated: now,
    });
  }

  async function keepAnAdmin(user: User): Promise<void> {
    if (user.role === 'admin' && user.active && (await store.users.admins()) === 1) {
      throw new PenstockError('conflict', `'${user.username}' is the last admin; create another one first.`);
    }
  }

  async function change(actor: Actor, user: User, body: ReturnType<typeof checkedBody>): Promise<User> {
    if (!actor.admin && (body.role ?? user.role) !== user.role) requireAdmin(actor, "change a user's role");
    if (!actor.admin && (body.active ?? user.active) !== user.active)
      requireAdmin(actor, 'switch a user on or off');
    if (body.username !== undefined && body.username !== user.username) {
      throw new PenstockError('conflict', 'A user cannot be renamed.');
    }
    const loses = (body.role ?? user.role) !== 'admin' || !(body.active ?? user.active);
    if (loses) await keepAnAdmin(user);
    const data: Partial<NewUser> = { updated: clock() };
    if (body.role !== undefined) data.role = body.role;
    if (body.active !== undefined) data.active = body.active;
    if (body.password !== undefined) data.passwordHash = await hashPassword(body.password);
    const changed = await store.users.change(user.id, data);
    logins.forget(user.id);
    return changed;
  }

  async function remove(user: User): Promise<void> {
    await keepAnAdmin(user);
    const owned = await store.users.owned(user.id);
    const { definitions, jobs, pipelines, streams, operations, applications } = owned;
    if (Object.values(owned).some((count) => count > 0)) {
      throw new PenstockError(
        'conflict',
        `'${user.username}' owns ${definitions} process definitions, ${pipelines} pipelines, ${streams} streams, ${operations} operations, ${applications} applications and ${jobs} jobs. Set "active" to false instead, or delete those first.`,
      );
    }
    await store.users.remove(user.id);
    logins.forget(user.id);
  }

  async function applyOne(actor: Actor, given: Change): Promise<User | null> {
    if (given.op === 'create') {
      requireAdmin(actor, 'add users');
      return add(checkedBody(given.body));
    }
    const user = await find(actor, given.id);
    if (user === null) throw new PenstockError('not-found', `There is no user ${given.id}.`);
    given.check?.(show(user));
    if (given.op !== 'delete') return change(actor, user, checkedBody(given.body));
    requireAdmin(actor, 'remove users');
    await remove(user);
    return null;
  }

  const resource: ResourceService = {
    name: 'user',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'PUT', 'DELETE', 'PATCH'] },
    key: 'id',
    fields: userFields,
    async list(actor, query) {
      const { total, objects } = await store.users.list(scopeOf(actor), query);
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const user = await find(actor, id);
      return user === null ? null : show(user);
    },
    async apply(actor, changes) {
      const [one] = changes;
      if (changes.length !== 1 || one === undefined) {
        throw new PenstockError('bad-request', 'Users are changed one at a time.');
      }
      // One after the other: of two admins who demote each other one has to stay, and a name is given once.
      const turn = last.then(() => applyOne(actor, one));
      last = turn.catch(() => null);
      const user = await turn;
      return user === null ? [] : [show(user)];
    },
  };

  return {
    resource,
    /** On an empty database, creates the first admin. */
    async bootstrap(admin: { username: string; password: string }): Promise<boolean> {
      if ((await store.users.count()) > 0) return false;
      await add({ ...checkedBody({ username: admin.username, password: admin.password }), role: 'admin' });
      return true;
    },
  };
}
