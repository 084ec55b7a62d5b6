import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Answer, type Ask, ask } from './raw.js';
import { startServer, type TestServer } from './server.js';

export const nodeLogin = { username: 'foo', password: 'the bar of the node' };

export type ScriptTexts = Partial<Record<'init' | 'config' | 'run' | 'clean', string>>;

/** A processing node: a server of ours with a home of four scripts, which any user of the machine may enter. */
export interface Node {
  server: TestServer;
  /** The node's home, and a folder beside it for whatever a test needs. */
  home: string;
  aside: string;
  /** Puts a script into the home in place of the one there; without `#!` it is one of /bin/sh. */
  script(name: keyof ScriptTexts, text: string): void;
  /** One request to the node, with its login: `put('init', {timeout: 1})`. */
  put(command: string, json?: unknown, options?: Ask): Promise<Answer>;
  post(command: string, json?: unknown, options?: Ask): Promise<Answer>;
  remove(command: string, json?: unknown, options?: Ask): Promise<Answer>;
  get(command: string, options?: Ask): Promise<Answer>;
  /** Whether it is busy, as any exclusive command is told. */
  busy(): Promise<boolean>;
  /** What the server has open, by its path; sockets and pipes as the kernel names them. */
  open(): string[];
  /** Files that it has open of those that jobs and scripts wrote: none, when nothing is under way. */
  openFiles(): string[];
  end(): Promise<void>;
}

/**
 * Starts one.
 *
 * @param scripts the four scripts; those that are not given do nothing
 * @param settings keys of node.yaml beside login and home
 */
export async function startNode(
  scripts: ScriptTexts = {},
  settings: Record<string, unknown> = {},
  application: Record<string, unknown> = {},
): Promise<Node> {
  const place = mkdtempSync(path.join(os.tmpdir(), 'penstock-node-'));
  const [home, aside] = [path.join(place, 'pns'), path.join(place, 'aside')];
  mkdirSync(home);
  mkdirSync(aside);
  // Users that scripts run as have to get there, whatever the umask is here.
  chmodSync(place, 0o755);
  chmodSync(home, 0o755);
  chmodSync(aside, 0o777);
  const script: Node['script'] = (name, text) => {
    const file = path.join(home, `${name}PTS`);
    rmSync(file, { force: true });
    writeFileSync(file, text.startsWith('#!') ? text : `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
  };
  for (const name of ['init', 'config', 'run', 'clean'] as const) script(name, scripts[name] ?? 'true');
  const { paths, ...others } = settings;
  const server = await startServer({
    application: { LOG_LEVEL: 'warn', ...application },
    config: {
      'node.yaml': { node: nodeLogin, paths: { pnshome: home, ...(paths as object) }, ...others },
    },
  }).catch((error: unknown) => {
    rmSync(place, { recursive: true, force: true });
    throw error;
  });

  const request =
    (method: string) =>
    (command: string, json?: unknown, options: Ask = {}): Promise<Answer> =>
      ask(server, `/v0.6/${command}`, {
        method,
        as: nodeLogin,
        ...(json === undefined ? {} : { json }),
        ...options,
      });
  const open = () =>
    readdirSync(`/proc/${server.pid}/fd`).flatMap((fd) => {
      try {
        return readlinkSync(`/proc/${server.pid}/fd/${fd}`);
      } catch {
        return []; // Closed meanwhile.
      }
    });
  return {
    server,
    home,
    aside,
    script,
    put: request('PUT'),
    post: request('POST'),
    remove: request('DELETE'),
    get: (command, options) => request('GET')(command, undefined, options),
    async busy() {
      // It does nothing, but only while nothing else is done.
      const { status, json } = await request('PUT')('upload/run');
      if (status === 200) return false;
      if (status === 409) return true;
      throw new Error(`${status}: ${JSON.stringify(json)}`);
    },
    open,
    openFiles: () =>
      open().filter((file) => file.startsWith(path.join(server.data, 'jobs')) || file.startsWith(place)),
    async end() {
      await server.remove();
      rmSync(place, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
