import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { historyOf } from '../support/jobs.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';
import { cloudsFile } from './connectors.js';
import type { OpenStack } from './openstack.js';
import type { Key } from './servers.js';
import type { Session } from './session.js';

/** A server as the ledger has it. */
export interface LedgerServer {
  id: number;
  name: string;
  application: string;
  cloud_id: string | null;
  state: string;
  address: string | null;
  uses: number;
  reason: string | null;
  minutes: number;
}

/** A task as the scheduler's protocol shows it. */
export interface ShownTask {
  status: string;
  task: {
    id: string;
    state: string;
    exit_code: number | null;
    reason: string | null;
    server: string | null;
    job: string;
  };
}

/** A started Penstock that makes its servers in a cloud. */
export interface CloudPenstock extends TestServer {
  /** Its folder of scripts. */
  scripts: string;
  timesFile: string;
  /** Registers a task and gives its id. */
  post(task: object): Promise<string>;
  task(id: string): Promise<ShownTask>;
  /** Waits for a task's end and gives it then. */
  untilEnded(id: string, deadline?: number): Promise<ShownTask>;
  /** Waits until a task waits for a reason that the pattern fits, as its job says. */
  untilWaits(id: string, reason: RegExp, deadline?: number): Promise<string>;
  /** The ledger, oldest first. */
  ledger(): Promise<LedgerServer[]>;
  /** Waits until a server of the ledger is so. */
  untilServer(is: (server: LedgerServer) => boolean, what: string, deadline?: number): Promise<LedgerServer>;
  /** Waits until all servers of the ledger are deleted. */
  untilDeleted(deadline?: number): Promise<LedgerServer[]>;
  /** The pinned key of a server. */
  hostKey(name: string): string | null;
}

/** What an xnat task always says. */
export const xnat = {
  type: 'xnat',
  project: 'a project',
  subject: "O'Brien",
  session: 's1',
  host: 'http://127.0.0.1:8080/xnat/',
  user: 'admin',
  pwd: 'not to be seen',
};

/** Looks a few times a second only: each look costs what others have to share. */
export async function poll<T>(
  look: () => Promise<T>,
  what: string,
  deadline = 60_000,
): Promise<NonNullable<T>> {
  return await waitFor(
    async () => {
      const seen = await look();
      if (!seen) await delay(100);
      return seen;
    },
    what,
    deadline,
  );
}

/**
 * Starts a Penstock that asks the cloud often, and soon again: tests wait for what it does.
 *
 * @param cloud whose Keystone it is given
 * @param key lets it in; without one no guest is ever reached
 * @param application keys of application.yaml besides
 * @param file keys of nova.yaml or heat.yaml besides
 */
export async function startPenstock(given: {
  cloud: OpenStack;
  connector: 'nova' | 'heat';
  key?: Key;
  scripts?: Readonly<Record<string, string>>;
  application?: Readonly<Record<string, unknown>>;
  file?: Readonly<Record<string, unknown>>;
  ssh?: Readonly<Record<string, unknown>>;
}): Promise<CloudPenstock> {
  const { cloud, connector, key, scripts = {}, application = {}, file = {}, ssh = {} } = given;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-cloud-'));
  const { credentials, remove } = cloudsFile(cloud);
  const { cloud: name, file: clouds } = credentials as { cloud: string; file: string };
  for (const [script, text] of Object.entries(scripts)) writeFileSync(path.join(folder, script), text);
  const timesFile = path.join(folder, 'times.csv');
  const server = await startServer({
    application: {
      CONNECTOR: connector,
      MAX_ACTIVE_TASKS: 4,
      RECONCILE_INTERVAL: 1,
      CAPACITY_RETRY_INTERVAL: 0.5,
      LOCAL_SCRIPTS_FOLDER: folder,
      TIMETEST_CSV_FILE: timesFile,
      ...application,
    },
    config: {
      [`${connector}.yaml`]: {
        CLOUD: name,
        CLOUDS_FILE: clouds,
        IMAGE_ID: cloud.image,
        FLAVOR: key === undefined ? 'fake.tiny' : 'm1.tiny',
        SECURITY_GROUP: cloud.securityGroup,
        NETWORK_ID: cloud.networks.private,
        ...(key === undefined ? {} : { AUTH_KEYNAME: key.name }),
        USE_FLOATING_IP: true,
        ...file,
      },
      'ssh.yaml': { AUTH_USER: 'debian', ...(key === undefined ? {} : { AUTH_KEYFILE: key.file }), ...ssh },
    },
  });
  const jobs = new Set(['finished', 'failed']);
  const json = async (url: string, init?: Parameters<TestServer['fetch']>[1]) => {
    const answer = await server.fetch(url, init);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}: ${await answer.text()}`);
    return await answer.json();
  };
  const penstock: CloudPenstock = Object.assign(server, {
    scripts: folder,
    timesFile,
    async post(task: object) {
      return ((await json('/tasks', { json: task })) as { content: { task: { id: string } } }).content.task
        .id;
    },
    async task(id: string) {
      return ((await json(`/tasks/${id}`)) as { content: ShownTask }).content;
    },
    untilEnded: (id: string, deadline = 120_000) =>
      poll(
        async () => {
          const shown = await penstock.task(id);
          return jobs.has(shown.status) ? shown : null;
        },
        `the task ${id} to end`,
        deadline,
      ),
    untilWaits: (id: string, reason: RegExp, deadline?: number) =>
      poll(
        async () => {
          const { waiting } = (await json(`/api/job/${id}/`)) as { waiting: string | null };
          return waiting !== null && reason.test(waiting) ? waiting : null;
        },
        `the task ${id} to wait because of ${reason}`,
        deadline,
      ).catch(async (error: Error) => {
        const told = (await historyOf(server, id)).map(({ date, name, data }) =>
          JSON.stringify([date, name, data]),
        );
        const ledger = (await penstock.ledger()).map((one) => JSON.stringify(one));
        throw new Error([error.message, ...told, ...ledger].join('\n'), { cause: error });
      }),
    async ledger() {
      return ((await json('/api/server/?limit=0&order_by=id')) as { objects: LedgerServer[] }).objects;
    },
    untilServer: (is: (one: LedgerServer) => boolean, what: string, deadline?: number) =>
      poll(async () => (await penstock.ledger()).find(is), what, deadline).catch(async (error: Error) => {
        const ledger = (await penstock.ledger()).map((one) => JSON.stringify(one));
        const log = server.log().split('\n').slice(-30);
        throw new Error([error.message, ...ledger, ...log].join('\n'), { cause: error });
      }),
    untilDeleted: (deadline?: number) =>
      poll(
        async () => {
          const all = await penstock.ledger();
          return all.every(({ state }) => state === 'deleted') ? all : null;
        },
        'all servers to be deleted',
        deadline,
      ),
    hostKey(one: string) {
      const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
      const row = database.prepare('SELECT "reach" FROM "server" WHERE "name" = ?').get(one) as {
        reach: string | null;
      };
      database.close();
      return (JSON.parse(row.reach ?? 'null') as { hostKey: string | null } | null)?.hostKey ?? null;
    },
  });
  const { remove: removeServer } = server;
  penstock.remove = async () => {
    await removeServer.call(server);
    remove();
    rmSync(folder, { recursive: true, force: true });
  };
  return penstock;
}

/** All that a project has which costs something, past Penstock. */
export async function contentsOf(session: Session) {
  const { servers } = await session.ask('compute', 'GET', '/servers/detail');
  const { floatingips } = await session.ask('network', 'GET', '/floatingips');
  const { ports } = await session.ask('network', 'GET', `/ports?project_id=${session.project}`);
  const { stacks } = await session.ask('orchestration', 'GET', '/stacks');
  type Port = { device_owner: string };
  return {
    servers: servers as { id: string; name: string; status: string; metadata: Record<string, string> }[],
    floatingIps: floatingips as { id: string; port_id: string | null; floating_ip_address: string }[],
    // Those of the router and of floating IPs themselves are the network's own.
    ports: (ports as Port[]).filter(
      ({ device_owner: owner }) => owner === '' || owner.startsWith('compute:'),
    ),
    stacks: stacks as { id: string; stack_name: string }[],
  };
}

export const nothing = { servers: [], floatingIps: [], ports: [], stacks: [] };
