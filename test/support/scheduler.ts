import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { type Answer, type Ask, ask } from './raw.js';
import { startServer, type TestServer } from './server.js';
import { waitFor } from './wait-for.js';

/** A task as the older documents have it, of a script that prints its arguments. */
export const sample = {
  type: 'xnat',
  project: 'SampleProject',
  subject: 'SampleSubject',
  session: 'SampleSession',
  host: 'http://127.0.0.1:8080/xnat/',
  user: 'admin',
  pwd: 'a secret password',
  script: 'echo.sh',
};

const scripts = {
  'echo.sh': 'printf "[%s]" "$@"; echo "($TASK_PWD)" | wc -c >&2\n',
  'fails.sh': 'echo out; echo err >&2; exit 3\n',
  'waits.sh': 'echo begun; while [ ! -e "$PENSTOCK_BASE_FOLDER/go" ]; do sleep 0.05; done; echo ended\n',
  'copied.txt': 'copied\n',
  'cat.sh': 'cat "$PENSTOCK_BASE_FOLDER/copied.txt"\n',
};

/** A server that speaks the scheduler's protocols, with this machine for a cloud. */
export interface TestScheduler {
  server: TestServer;
  /** A request without a login, as the older clients sent it; `request` and `content` of the answer are in `json`. */
  call(method: string, path: string, body?: unknown, more?: Ask): Promise<Answer>;
  /** The task's entry, once it has ended. */
  ended(id: string, more?: Ask): Promise<Entry>;
  /** Writes a file of the config folder; null removes it. */
  write(name: string, keys: object | string | null): void;
  /** Lets scripts that wait go on. */
  go(): void;
  /** Lets them wait again. */
  halt(): void;
}

export interface Entry {
  status: string;
  task: Record<string, unknown> & { id: string };
}

export async function startScheduler(
  application: Record<string, unknown> = {},
  environment: Record<string, string> = {},
): Promise<TestScheduler> {
  const server = await startServer({ application: {}, environment });
  const config = path.join(server.data, 'config');
  const remote = path.join(server.data, 'remote');
  mkdirSync(path.join(server.data, 'scripts', 'folder'), { recursive: true });
  mkdirSync(remote);
  for (const [name, text] of Object.entries(scripts))
    writeFileSync(path.join(server.data, 'scripts', name), text);

  const scheduler: TestScheduler = {
    server,
    call: (method, url, body, more = {}) =>
      ask(server, url, { method, as: null, ...(body === undefined ? {} : { json: body }), ...more }),
    ended: (id, more) =>
      waitFor(async () => {
        const { json } = await scheduler.call('GET', `/tasks/${id}`, undefined, more);
        const entry = json.content as Entry;
        return ['active', 'queued'].includes(entry.status) ? undefined : entry;
      }, `the task ${id} to end`),
    write(name, keys) {
      const file = path.join(config, name);
      if (keys === null) rmSync(file);
      else writeFileSync(file, typeof keys === 'string' ? keys : stringify(keys));
    },
    go: () => writeFileSync(path.join(remote, 'go'), ''),
    halt: () => rmSync(path.join(remote, 'go'), { force: true }),
  };
  scheduler.write('application.yaml', {
    CONNECTOR: 'local',
    MAX_ACTIVE_TASKS: 4,
    VIRTUAL_SERVER_TTL: 4,
    LOCAL_SCRIPTS_FOLDER: path.join(server.data, 'scripts'),
    REMOTE_BASE_FOLDER: remote,
    ...application,
  });
  const { status, text } = await scheduler.call('PUT', '/config');
  if (status !== 200) throw new Error(`the configuration was refused: ${text}`);
  return scheduler;
}
