import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import type { ServerState } from '../../src/domain/servers/server.js';
import { jobOf, submit } from './jobs.js';
import { startServer, type TestServer } from './server.js';
import type { Machine } from './sshd.js';
import { waitFor } from './wait-for.js';

/** What tests read of a server of the cloud. */
export interface ShownServer {
  id: number;
  name: string;
  application: string;
  state: ServerState;
  uses: number;
  reason: string | null;
  minutes: number;
  jobs: { job: string | null; attempt: number; minutes: number; ended: string | null }[];
}

/** A server of ours with a cloud, and a folder beside it for what its jobs leave. */
export interface CloudServer extends TestServer {
  folder: string;
  /** The file of that name in the folder. */
  file(name: string): string;
  /** Lines of such a file; none if it is not there. */
  lines(name: string): string[];
  /** Writes keys of application.yaml anew, and has them read. */
  configure(application: Record<string, unknown>): Promise<void>;
  /** Servers that the cloud has, or had, oldest first. */
  servers(): Promise<ShownServer[]>;
  /** Returns when there is a server in that state, and gives it. */
  serverIn(state: ServerState): Promise<ShownServer>;
  /** The ledger, while the server does not run: as a crash left it. */
  ledger(statement: string, ...values: unknown[]): void;
}

/** Starts one on `connector`: with keys of application.yaml and ssh.yaml. */
export async function startCloud(
  application: Record<string, unknown>,
  ssh?: Record<string, unknown>,
): Promise<CloudServer> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-cloud-'));
  const file = (name: string) => path.join(folder, name);
  mkdirSync(file('scripts'));
  const keys = {
    CONNECTOR: 'local',
    LOCAL_SCRIPTS_FOLDER: file('scripts'),
    REMOTE_BASE_FOLDER: file('remote'),
    MAX_ACTIVE_TASKS: 5,
    VIRTUAL_SERVER_TTL: 4,
    ...application,
  };
  const server = await startServer({
    application: keys,
    ...(ssh === undefined ? {} : { config: { 'ssh.yaml': ssh } }),
  });
  const removeServer = server.remove;
  const cloud: CloudServer = Object.assign(server, {
    folder,
    file,
    lines(name: string) {
      try {
        return readFileSync(file(name), 'utf8').split('\n').filter(Boolean);
      } catch {
        return [];
      }
    },
    async configure(changed: Record<string, unknown>) {
      writeFileSync(path.join(server.data, 'config', 'application.yaml'), stringify({ ...keys, ...changed }));
      const answer = await server.fetch('/config', { method: 'PUT' });
      if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    },
    async servers() {
      const answer = await server.fetch('/api/server/?limit=0&order_by=id');
      const { objects } = (await answer.json()) as { objects: ShownServer[] };
      const whole = objects.map(async ({ id }) => (await server.fetch(`/api/server/${id}/`)).json());
      return (await Promise.all(whole)) as ShownServer[];
    },
    serverIn: (state: ServerState) =>
      waitFor(async () => (await cloud.servers()).find((one) => one.state === state), `a server ${state}`),
    ledger(statement: string, ...values: unknown[]) {
      const database = new Database(path.join(server.data, 'penstock.sqlite'));
      database.prepare(statement).run(...values);
      database.close();
    },
    async remove() {
      await removeServer();
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  });
  return cloud;
}

/** ssh.yaml for these machines, which are tried often, and given up soon. */
export const sshOf = (machines: readonly Machine[], more: Record<string, unknown> = {}) => ({
  MAX_CONNECTION_RETRIES: 30,
  CONNECTION_RETRY_INTERVAL: 1,
  CONNECT_TIMEOUT: 2,
  KEEPALIVE_INTERVAL: 1,
  LOST_AFTER: 2,
  AUTH_USER: 'root',
  AUTH_KEYFILE: machines[0]?.login.keyFile ?? null,
  MACHINES: machines.map(({ address, login }, index) => ({
    NAME: `machine-${index + 1}`,
    ADDRESS: address,
    AUTH_KEYFILE: login.keyFile,
  })),
  ...more,
});

/** A definition for the cloud: adds its job to the file `ran`, and ends when the file `go` is there. */
export const gated = (cloud: CloudServer, more: Record<string, unknown> = {}) => ({
  exec: 'sh',
  argv: [
    '-c',
    `echo "$PENSTOCK_JOB_UUID" >>"$1"; until [ -e "$2" ]; do sleep 0.05; done; echo done`,
    'sh',
    cloud.file('ran'),
    cloud.file('go'),
  ],
  executor: 'cloud',
  ...more,
});

export const letGo = (cloud: CloudServer): void => writeFileSync(cloud.file('go'), '');
/** A kernel pipe stands for a file that takes as long as it likes. */
export const makePipe = (file: string): void => void execFileSync('mkfifo', [file]);

/** Submits one, and waits until it runs. */
export async function submitRunning(cloud: CloudServer, definition: number): Promise<string> {
  const uuid = await submit(cloud, definition);
  await waitFor(() => cloud.lines('ran').includes(uuid), `${uuid} to run`);
  return uuid;
}

/** What must be true whenever nothing is under way: each use has its job, each job one end, and nothing is left over. */
export async function expectOrder(cloud: CloudServer, jobs: readonly string[]): Promise<void> {
  for (const uuid of jobs) expect((await jobOf(cloud, uuid)).state).toMatch(/FINISHED|FAILED/);
  // A server is let go a moment after its job has ended.
  const servers = await waitFor(async () => {
    const all = await cloud.servers();
    return all.some(({ state }) => state === 'busy') ? null : all;
  }, 'no server to be busy');
  for (const server of servers) {
    expect(server.jobs).toHaveLength(server.uses);
    expect(server.jobs.every(({ ended }) => ended !== null)).toBe(true);
  }
}
