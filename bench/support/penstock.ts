import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { basic, type Client, httpClient } from './http.js';
import { endProcessesOf } from './proc.js';
import { start } from './started.js';
import { waitFor } from './wait-for.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const user = 'bench';
const password = 'a-password-for-the-bench';

/** A running Penstock. */
export interface Penstock {
  url: string;
  pid: number;
  authorization: string;
  /** A client with one connection; `connect` makes others. */
  client: Client;
  connect(connections: number): Client;
  /** Milliseconds from the spawn to the line that says it is listening. */
  readyAfter: number;
  /** Registers a definition and returns the path that runs it: `/api/process_definition/<id>/run/`. */
  register(definition: object): Promise<string>;
  stop(): Promise<void>;
  /** `kill -9`, as a crash would. */
  crash(): Promise<void>;
}

/** Starts the compiled server as a user would, with its data in `<folder>/data`, on a free port. */
export async function startPenstock(folder: string, extra: string[] = []): Promise<Penstock> {
  const main = path.join(root, 'dist', 'main.js');
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run `npm run build`.');
  const data = path.join(folder, 'data');
  mkdirSync(data, { recursive: true });

  const begin = performance.now();
  const started = start(process.execPath, [main, 'serve', '--data', data, '--port', '0', ...extra], {
    cwd: root,
    env: { PENSTOCK_ADMIN_USER: user, PENSTOCK_ADMIN_PASSWORD: password, NODE_ENV: 'production' },
    logFile: path.join(folder, 'penstock-stderr.log'),
    pipe: true,
  });
  let output = '';
  let readyAfter = 0;
  let listening: string | undefined;
  started.child.stdout?.on('data', (chunk: Buffer) => {
    if (listening) return;
    output += chunk.toString();
    listening = /^penstock listening on (http:\/\/\S+)$/m.exec(output)?.[1];
    if (listening) readyAfter = performance.now() - begin;
  });
  const url = await waitFor(
    'the line "penstock listening on …"',
    () => {
      if (started.ended()) throw new Error(`The server ended at once.\n${output}${started.log()}`);
      return listening;
    },
    120_000,
    2,
  );

  const authorization = basic(user, password);
  const client = httpClient(url, authorization);
  return {
    url,
    pid: started.pid,
    authorization,
    client,
    readyAfter,
    connect: (connections) => httpClient(url, authorization, connections),
    async register(definition) {
      const answer = await client.send('POST', '/api/process_definition/', JSON.stringify({ definition }));
      if (answer.status !== 201) throw new Error(`Registering: ${answer.status} ${answer.body}`);
      return `${new URL(answer.headers.location ?? '', url).pathname}run/`;
    },
    async stop() {
      client.close();
      await started.stop();
      endProcessesOf(folder);
    },
    async crash() {
      client.close();
      process.kill(started.pid, 'SIGKILL');
      await waitFor('the killed server to end', () => started.ended() || undefined);
    },
  };
}

/** Uses a server and stops it whatever happens. */
export async function withPenstock<T>(
  folder: string,
  use: (server: Penstock) => Promise<T>,
  extra: string[] = [],
): Promise<T> {
  const server = await startPenstock(folder, extra);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}
