import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Json } from '../../src/cli/client/client.js';
import { main } from '../support/paths.js';
import type { Ran } from './io.js';

/** Whether there is something installed to test. */
export const built = existsSync(main);

/** A server and a command line as they are installed: two processes that know each other by HTTP only. */
export interface Installed {
  folder: string;
  /** What the command line finds in its environment; may be changed. */
  env: Record<string, string>;
  start(args: string[]): ChildProcess;
  /** Runs one command line to its end. */
  penstock(args: string[], stdin?: string, during?: (child: ChildProcess) => void): Promise<Ran>;
  /** The same; it has to go well. */
  good(args: string[], stdin?: string): Promise<Ran>;
  /** The same, with --json; it has to go well. */
  json(args: string[], stdin?: string): Promise<Json & Json[]>;
  stop(): Promise<void>;
}

/** Starts one, with `application` as its application.yaml. */
export async function install(application: object = {}): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
  const config = join(folder, 'config');
  mkdirSync(config);
  writeFileSync(join(config, 'application.yaml'), JSON.stringify(application));
  const login = { user: 'ada', password: 'lovelace-1815' };
  const server = spawn(
    process.execPath,
    [main, 'serve', '--data', join(folder, 'data'), '--config', config, '--port', '0'],
    {
      env: {
        PATH: process.env.PATH,
        PENSTOCK_ADMIN_USER: login.user,
        PENSTOCK_ADMIN_PASSWORD: login.password,
      },
    },
  );
  server.stderr.resume();
  let url: string | undefined;
  for await (const line of createInterface({ input: server.stdout })) {
    url = /^penstock listening on (http\S+)/.exec(line)?.[1];
    if (url !== undefined) break;
  }
  if (url === undefined) throw new Error('The server did not start.');
  server.stdout.resume();

  const installed: Installed = {
    folder,
    env: { PENSTOCK_URL: url, PENSTOCK_USER: login.user, PENSTOCK_PASSWORD: login.password },
    start: (args) =>
      spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH, ...installed.env } }),
    async penstock(args, stdin, during) {
      const child = installed.start(args);
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]?.setEncoding('utf8').on('data', (text: string) => {
          printed[name] += text;
        });
      }
      child.stdin?.on('error', () => {}).end(stdin);
      during?.(child);
      const [code] = (await once(child, 'close')) as [number];
      return { code, ...printed };
    },
    async good(args, stdin) {
      const ran = await installed.penstock(args, stdin);
      if (ran.code !== 0) throw new Error(`penstock ${args.join(' ')} ended with ${ran.code}: ${ran.stderr}`);
      return ran;
    },
    json: async (args, stdin) =>
      JSON.parse((await installed.good([...args, '--json'], stdin)).stdout) as Json & Json[],
    async stop() {
      server.kill('SIGTERM');
      if (server.exitCode === null) await once(server, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return installed;
}
