import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { main } from './paths.js';
import { endProcessesOf } from './programs.js';
import { waitFor } from './wait-for.js';
import { callWitness, endOf } from './witnesses.js';

const admin = { username: 'root', password: 'correct horse battery' };

export interface Login {
  username: string;
  password: string;
}

/** A real server of ours, as a process of its own on a temporary folder, that can be killed and started again. */
export interface TestServer {
  url: string;
  data: string;
  pid: number;
  admin: Login;
  /** What it has written to stderr so far. */
  log(): string;
  /** What it has written to stdout since its latest start. */
  out(): string;
  /** A request with the admin's login, unless another or none (null) is given. JSON bodies are made from `json`. */
  fetch(url: string, init?: RequestInit & { json?: unknown; as?: Login | null }): Promise<Response>;
  /** Registers a definition and gives its id. */
  register(definition: object, as?: Login): Promise<number>;
  /** Adds a user. */
  addUser(username: string, role?: 'admin' | 'user'): Promise<Login>;
  /** Ends it as the kernel would. */
  kill(): Promise<void>;
  /** Ends it politely. */
  stop(): Promise<void>;
  /** Starts it again on the same folder. */
  restart(): Promise<void>;
  /** Ends it, and what it left running, and removes its folder. */
  remove(): Promise<void>;
}

export const basic = ({ username, password }: Login) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/**
 * Starts a server on a free port of 127.0.0.1.
 *
 * @param application keys of application.yaml
 * @param config other files of the config folder, by name: their keys
 * @param switches of `serve`, in place of those that choose the port
 * @param stderr a file that its standard error goes to; `log` is empty then
 */
export async function startServer(
  options: {
    application?: Record<string, unknown>;
    config?: Record<string, Record<string, unknown>>;
    environment?: Record<string, string>;
    switches?: readonly string[];
    stderr?: string;
  } = {},
): Promise<TestServer> {
  const data = mkdtempSync(path.join(os.tmpdir(), 'penstock-test-'));
  const config = path.join(data, 'config');
  const files = {
    ...options.config,
    ...(options.application === undefined ? {} : { 'application.yaml': options.application }),
  };
  const args = [main, 'serve', '--data', data];
  args.push(...(options.switches ?? ['--port', '0']));
  if (Object.keys(files).length > 0) {
    mkdirSync(config);
    for (const [name, keys] of Object.entries(files)) writeFileSync(path.join(config, name), stringify(keys));
    args.push('--config', config);
  }
  let child: ChildProcess;
  let log = '';
  let out = '';
  let exited = Promise.resolve();
  const dismiss = callWitness(
    async () => `the server on ${data}: ${await unended(server)}\nits log ends:\n${endOf(log)}`,
  );

  const server: TestServer = {
    url: '',
    data,
    pid: 0,
    admin,
    log: () => log,
    out: () => out,
    async fetch(url, { json, as = admin, headers, ...init } = {}) {
      return fetch(new URL(url, server.url), {
        ...init,
        ...(json === undefined ? {} : { body: JSON.stringify(json), method: init.method ?? 'POST' }),
        headers: {
          ...(as === null ? {} : { Authorization: basic(as) }),
          ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(headers as Record<string, string> | undefined),
        },
      });
    },
    async register(definition, as = admin) {
      const answer = await server.fetch('/api/process_definition/', { json: { definition }, as });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
      return Number(/(\d+)\/$/.exec(answer.headers.get('location') ?? '')?.[1]);
    },
    async addUser(username, role = 'user') {
      const login = { username, password: `password of ${username}` };
      const answer = await server.fetch('/api/user/', { json: { ...login, role } });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
      return login;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
    async restart() {
      await start();
    },
    async remove() {
      dismiss();
      if (child.exitCode === null && child.signalCode === null) await server.kill();
      endProcessesOf(data);
      rmSync(data, { recursive: true, force: true, maxRetries: 10 });
    },
  };

  async function start(): Promise<void> {
    child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', options.stderr === undefined ? 'pipe' : openSync(options.stderr, 'a')],
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: data,
        PENSTOCK_ADMIN_USER: admin.username,
        PENSTOCK_ADMIN_PASSWORD: admin.password,
        ...options.environment,
      },
    });
    exited = new Promise((resolve) => child.once('exit', () => resolve()));
    out = '';
    child.stdout?.on('data', (piece: Buffer) => {
      out += piece.toString();
    });
    child.stderr?.on('data', (piece: Buffer) => {
      log += piece.toString();
    });
    await waitFor(
      () => /listening on/.test(out) || child.exitCode !== null || child.signalCode !== null,
      'the server to listen',
      30_000,
    ).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    const url = /penstock listening on (\S+)/.exec(out)?.[1];
    if (url === undefined) throw new Error(`the server did not start:\n${out}${log}`);
    server.url = url;
    server.pid = child.pid ?? 0;
  }

  await start();
  return server;
}

/** What a server says of jobs that have not ended, in a line each. */
async function unended(server: TestServer): Promise<string> {
  const query = 'state__in=CREATED,RUNNING&limit=10';
  const answer = await server
    .fetch(`/api/job/?${query}`, { signal: AbortSignal.timeout(5000) })
    .catch((error: Error) => error);
  if (answer instanceof Error) return `does not answer (${answer.message})`;
  if (answer.status !== 200) return `answers ${answer.status}: ${(await answer.text()).slice(0, 300)}`;
  const { meta, objects } = (await answer.json()) as {
    meta: { total_count: number };
    objects: { uuid: string; state: string; attempt: number; waiting: string | null }[];
  };
  const lines = objects.map(
    ({ uuid, state, attempt, waiting }) => `\n  ${uuid} ${state}, attempt ${attempt}, waiting: ${waiting}`,
  );
  return `${meta.total_count} jobs have not ended${lines.join('')}`;
}
