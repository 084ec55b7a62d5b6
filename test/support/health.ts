import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TestServer } from './server.js';

/** The longest waits since the report before, in milliseconds: of `/healthz`, and of a server with nothing to do. */
export interface Waits {
  server: number;
  idle: number;
}

/** Watches how long `/healthz` takes, from another process. */
export async function watchHealth(server: TestServer) {
  const prober = fork(fileURLToPath(new URL('health-prober.cjs', import.meta.url)), [
    `${server.url}/healthz`,
  ]);
  const report = async (): Promise<Waits> => {
    const answer = once(prober, 'message');
    prober.send('report');
    const [waits] = await answer;
    return waits as Waits;
  };
  await report();
  return { report, stop: () => prober.disconnect() };
}
