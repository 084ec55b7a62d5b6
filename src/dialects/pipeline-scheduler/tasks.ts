import { Readable } from 'node:stream';
import type { Job, RunRequest } from '../../domain/jobs/job.js';
import { messageOf, PenstockError, type Problem, shuttingDown } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { pacer } from '../../lib/pace.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../../usecases/actor.js';
import { invalid } from '../../usecases/body.js';
import { ownDefinitions } from '../../usecases/definitions/own-definitions.js';
import type { DefinitionService, FoundDefinition } from '../../usecases/definitions/process-definitions.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { ApplicationService } from '../../usecases/servers/applications.js';
import type { ownAccount } from '../../usecases/users/own-account.js';
import { type Checked, processTask, type Task, taskTypes, xnatDefinition, xnatTask } from './task.js';

/** Who uses the scheduler: a user, or the scheduler's own account for requests with one of its tokens. */
type TaskActor = Actor;

/** How many tasks to read from the database at once. */
const atOnce = 200;

/** Tasks of the scheduler's protocol. Each is a job with the executor `cloud`. */
export function taskService(given: {
  store: Store;
  account: ReturnType<typeof ownAccount>;
  definitions: DefinitionService;
  jobs: JobService;
  runs: RunService;
  receiver: Receiver;
  applications: ApplicationService;
  /** The names of the files in LOCAL_SCRIPTS_FOLDER. Null if it is not set. Throws if it cannot be read. */
  scripts: () => Promise<readonly string[] | null>;
  accepting: () => boolean;
}) {
  const { store, account, definitions, jobs, runs, receiver, applications } = given;
  const { register } = ownDefinitions({ store, definitions, owner: () => account.get() });

  /** Problems with what a task refers to: its application and its files must exist. */
  async function whatIsMissing(task: Task): Promise<Problem[]> {
    const problems = task.application === null ? [] : applications.unknown(task.application);
    if (task.files.length === 0) return problems;
    const folder = 'LOCAL_SCRIPTS_FOLDER of application.yaml';
    let scripts: readonly string[] | null;
    try {
      scripts = await given.scripts();
    } catch (error) {
      const detail = `cannot run scripts: ${folder} cannot be read: ${messageOf(error)}`;
      return [...problems, { pointer: '/script', detail }];
    }
    if (scripts === null) {
      const detail = `cannot run scripts: ${folder} is not set`;
      return [...problems, { pointer: '/script', detail }];
    }
    for (const [index, name] of task.files.entries()) {
      if (scripts.includes(name)) continue;
      const near = nearest(name, scripts);
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      const pointer = index === 0 ? '/script' : '/files';
      const shown = JSON.stringify(name.slice(0, 100));
      problems.push({ pointer, detail: `there is no file ${shown} in LOCAL_SCRIPTS_FOLDER${hint}` });
    }
    return problems;
  }

  function checked(item: unknown): Checked<Task> {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      return { ok: false, problems: [{ pointer: '', detail: 'a task must be a JSON object' }] };
    }
    const values = item as Readonly<Record<string, unknown>>;
    const { type } = values;
    if (type === 'xnat') return xnatTask(values);
    if (type === 'process') return processTask(values);
    const near = typeof type === 'string' ? nearest(type, taskTypes) : undefined;
    const hint = near === undefined ? `use one of ${taskTypes.join(', ')}` : `did you mean "${near}"?`;
    const shown = JSON.stringify(type)?.slice(0, 100);
    const is = type === undefined ? 'type is missing' : `unknown type ${shown}`;
    return { ok: false, problems: [{ pointer: '/type', detail: `${is}; ${hint}` }] };
  }

  async function definitionOf(actor: Actor, task: Task): Promise<FoundDefinition> {
    if (task.definition === null) return register(xnatDefinition);
    try {
      return await definitions.find(actor, task.definition);
    } catch (error) {
      if (!(error instanceof PenstockError) || error.code !== 'not-found') throw error;
      throw invalid('invalid-body', [{ pointer: '/process_definition', detail: error.message }]);
    }
  }

  return {
    /** Makes a task into a job. Throws an error that says what is wrong with the task, and where. */
    async register(actor: TaskActor, item: unknown): Promise<Job> {
      const task = checked(item);
      if (!task.ok) throw invalid('invalid-body', task.problems);
      const missing = await whatIsMissing(task.value);
      if (missing.length > 0) throw invalid('invalid-body', missing);
      if (!given.accepting()) throw shuttingDown();
      const { environment, application, server, files, input, output, type, shown } = task.value;
      const found = await definitionOf(actor, task.value);
      const request: RunRequest = {
        executor: 'cloud',
        environment,
        ...(application === null ? {} : { application }),
        ...(output === null ? {} : { output: { name: output } }),
      };
      const document = runs.checkedDocument(found, request);
      const received = receiver.begin(jobs.newUuid());
      try {
        if (input !== null) {
          await receiver.store(received, input.name, Readable.from([Buffer.from(input.text)]), {
            digest: false,
          });
        }
        const inside = {
          request: {
            ...(files.length > 0 ? { scripts: files } : {}),
            ...(Object.keys(server).length > 0 ? { server } : {}),
          },
          fields: { task: { type, shown } },
        };
        return (await runs.submit(actor, found, received, document, null, inside)).job;
      } catch (error) {
        await receiver.drop(received);
        throw error;
      }
    },

    /** The tasks that have not ended, oldest first. */
    async unfinished(actor: TaskActor): Promise<Job[]> {
      const found: Job[] = [];
      const pace = pacer();
      for (let piece: Job[] = []; ; ) {
        piece = await store.tasks.unfinished(actor.admin ? null : actor.id, found.at(-1)?.id ?? 0, atOnce);
        found.push(...piece);
        if (piece.length < atOnce) return found;
        await pace();
      }
    },

    /** A task by its id, ended or not. Null if there is none that the actor may see. */
    async find(actor: TaskActor, id: string): Promise<Job | null> {
      const job = await store.jobs.byUuid(id);
      return job !== null && job.task !== null && (actor.admin || job.ownerId === actor.id) ? job : null;
    },
  };
}

export type TaskService = ReturnType<typeof taskService>;
