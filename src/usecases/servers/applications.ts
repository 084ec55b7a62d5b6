import { createHash } from 'node:crypto';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import {
  type Application,
  completed,
  defaultApplication,
  type ServerWishes,
} from '../../domain/servers/application.js';
import { PenstockError, type Problem } from '../../lib/errors.js';
import type { ApplicationDocument } from '../../lib/generated/application.js';
import { nearest } from '../../lib/nearest.js';
import { validator } from '../../lib/schemas.js';
import type { ApplicationRow } from '../../store/applications.js';
import type { Store } from '../../store/store.js';
import { type Actor, requireAdmin } from '../actor.js';
import { invalid } from '../body.js';
import { type Change, numericId, type ResourceService, type Shown } from '../resource.js';
import { applicationFields, applicationToldKeys, showApplication } from './application-fields.js';

/**
 * Applications: created by admins, since servers cost money and are accessed with the installation's own keys; used by
 * all.
 */
export function applicationService(options: {
  store: Store;
  /** The default application, from the YAML files. */
  defaults: () => Application;
  /** Called when an application has changed. */
  changed: () => void;
  clock: () => Date;
}) {
  const { store, defaults, changed, clock } = options;
  const rows = new Map<number, ApplicationRow>();
  /** Variants of applications for single jobs with wishes of their own, by name. */
  const variants = new Map<string, { of: string; wishes: ServerWishes }>();

  const find = (id: string): ApplicationRow | undefined => rows.get(numericId(id) ?? -1);
  const named = (name: string) => [...rows.values()].find((row) => row.name === name);

  function checked(given: object): ApplicationDocument {
    const told = (key: string) => applicationToldKeys.includes(key);
    const body = Object.fromEntries(Object.entries(given).filter(([key]) => !told(key)));
    const problems = validator('application')(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    const document = body as unknown as ApplicationDocument;
    const wrong = (document.files ?? []).flatMap(({ path, script }, index): Problem[] => {
      const pointer = `/files/${index}`;
      const leaves = path.split('/').includes('..') || path.includes('\0') || path.endsWith('/');
      const detail = `the path ${JSON.stringify(path)} is not a file below the remote base folder`;
      const problem = script === undefined ? undefined : fileNameProblem(script);
      return [
        ...(leaves ? [{ pointer: `${pointer}/path`, detail }] : []),
        ...(problem === undefined ? [] : [{ pointer: `${pointer}/script`, detail: problem }]),
      ];
    });
    if (wrong.length > 0) throw invalid('invalid-body', wrong);
    return document;
  }

  async function write(actor: Actor, row: ApplicationRow | undefined, given: unknown): Promise<Shown> {
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      throw new PenstockError('invalid-body', 'The body of an application must be a JSON object.');
    const kept = row?.document ?? {};
    const document = checked({ ...kept, ...given });
    if (row !== undefined && document.name !== row.name) await refuseIfUsed(row, 'be renamed');
    const other = named(document.name);
    if (other !== undefined && other.id !== row?.id)
      throw new PenstockError(
        'conflict',
        `The application ${document.name} already exists; choose another name.`,
      );
    const now = clock();
    const text = JSON.stringify(document);
    const written =
      row === undefined
        ? await store.applications.add({
            ownerId: actor.id,
            name: document.name,
            revision: 1,
            document: text,
            created: now,
            updated: now,
          })
        : await store.applications.change(row.id, {
            name: document.name,
            revision: row.revision + 1,
            document: text,
            updated: now,
          });
    rows.set(written.id, written);
    changed();
    return showApplication(written, actor);
  }

  /**
   * Its jobs would wait for an application that no longer exists. Definitions, however, may name one that does not
   * exist yet.
   */
  async function refuseIfUsed({ name }: ApplicationRow, what: string): Promise<void> {
    const count = await store.applications.unfinishedJobs(name);
    if (count === 0) return;
    const jobs = count === 1 ? '1 job that has' : `${count} jobs that have`;
    const detail = `The application ${name} cannot ${what}: it has ${jobs} not ended. Cancel them, or let them end.`;
    throw new PenstockError('conflict', detail);
  }

  async function apply(actor: Actor, change: Change): Promise<Shown[]> {
    requireAdmin(actor, 'change applications');
    if (change.op === 'create') return [await write(actor, undefined, change.body)];
    const row = find(change.id);
    if (row === undefined) throw new PenstockError('not-found', `There is no application ${change.id}.`);
    change.check?.(showApplication(row, actor));
    if (change.op !== 'delete') return [await write(actor, row, change.body)];
    await refuseIfUsed(row, 'be deleted');
    await store.applications.remove(row.id);
    rows.delete(row.id);
    changed();
    return [];
  }

  const resource: ResourceService = {
    name: 'application',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'PUT', 'PATCH', 'DELETE'] },
    key: 'id',
    fields: applicationFields,
    async list(actor, query) {
      const { total, objects } = await store.applications.list(query);
      return { total, objects: objects.map((row) => showApplication(row, actor)) };
    },
    async get(actor, id) {
      const row = find(id);
      return row === undefined ? null : showApplication(row, actor);
    },
    async apply(actor, changes) {
      const shown: Shown[] = [];
      for (const change of changes) shown.push(...(await apply(actor, change)));
      return shown;
    },
  };

  return {
    resource,

    /** Reads the applications; must come before any other call. */
    async start(): Promise<void> {
      for (const row of await store.applications.all()) rows.set(row.id, row);
    },

    /** All applications that servers can be created for, the default first. */
    current(): Application[] {
      const base = defaults();
      const own = [...rows.values()].map((row) => completed(row.document, base));
      const all = [base, ...own];
      const varied = [...variants].flatMap(([name, { of, wishes }]) => {
        const application = all.find((one) => one.name === of);
        if (application === undefined) return [];
        const own = completed({ name, ...wishes }, application);
        // Idle servers are only kept for jobs without wishes of their own.
        return [{ ...own, policy: { ...own.policy, minIdle: 0 } }];
      });
      return [...all, ...varied];
    },

    /** The application of that name. */
    named(name: string): Application | undefined {
      return this.current().find((one) => one.name === name);
    },

    /** A problem if there is no application of that name; empty if there is. */
    unknown(name: string): Problem[] {
      const names = [defaultApplication, ...[...rows.values()].map((row) => row.name)];
      if (names.includes(name)) return [];
      const near = nearest(name, names);
      const hint =
        near === undefined ? `there are: ${names.slice(0, 20).join(', ')}` : `did you mean ${near}?`;
      const shown = JSON.stringify(name.slice(0, 100));
      return [{ pointer: '/application', detail: `there is no application ${shown}; ${hint}` }];
    },

    /**
     * The name of the variant of an application for a job's wishes, which is known from then on. Its servers are for
     * jobs with the same wishes.
     */
    variant(name: string, wishes: ServerWishes): string {
      if (Object.keys(wishes).length === 0) return name;
      const text = JSON.stringify(Object.entries(wishes).sort());
      const varied = `${name}~${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
      variants.set(varied, { of: name, wishes });
      return varied;
    },

    /** Restores a variant from the order of an existing server, whose job may be older than this process. */
    recallVariant(name: string, { image, flavor, userData }: Application['order']): void {
      const [of = '', variation] = name.split('~');
      if (variation === undefined || variants.has(name)) return;
      variants.set(name, { of, wishes: { image, flavor, user_data: userData } });
    },

    /** Forgets all variants except those of these names. */
    keepVariants(names: ReadonlySet<string>): void {
      for (const name of variants.keys()) if (!names.has(name)) variants.delete(name);
    },
  };
}

export type ApplicationService = ReturnType<typeof applicationService>;
