import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { needPeer, python } from '../support/packages.js';
import type { Context } from '../support/row.js';
import { run, start } from '../support/started.js';
import { waitFor } from '../support/wait-for.js';
import { startRedis } from './redis.js';

const app = fileURLToPath(new URL('celery/', import.meta.url));

/** What the clients of the peer measured. Latencies in ms. */
export interface CeleryRun {
  seconds: number;
  latencies: number[];
  wrong: number;
}

/** A running Celery with its Redis. */
export interface Celery {
  /** `clients` processes submit jobs over a file and read the results; pauses are in seconds. */
  measure(file: string, clients: number, seconds: number, pause: number): Promise<CeleryRun>;
  stop(): Promise<void>;
}

/** Starts a Redis that keeps nothing on disk, and Celery with two worker processes. */
export async function startCelery(context: Context): Promise<Celery> {
  needPeer(context, 'celery');
  const folder = context.folder('celery');
  const { port, started: redis } = await startRedis(folder, false);
  const env = { PEER_REDIS: `redis://127.0.0.1:${port}/0`, PYTHONDONTWRITEBYTECODE: '1' };
  // No communication between workers: there is only one.
  const quiet = ['--without-gossip', '--without-mingle', '--without-heartbeat', '-l', 'warning'];
  const worker = start(
    python,
    ['-m', 'celery', '-A', 'tasks', 'worker', '-P', 'prefork', '-c', '2', ...quiet],
    {
      cwd: app,
      env,
      logFile: path.join(folder, 'celery.log'),
    },
  );
  const ping = ['-m', 'celery', '-A', 'tasks', 'inspect', 'ping', '--timeout', '2'];
  await waitFor(
    'the Celery worker',
    () => {
      if (redis.ended()) throw new Error(`Redis ended at once.\n${redis.log()}`);
      if (worker.ended()) throw new Error(`Celery ended at once.\n${worker.log()}`);
      return run(python, ping, { cwd: app, env }).catch(() => undefined);
    },
    60_000,
  );

  return {
    async measure(file, clients, seconds, pause) {
      const args = ['client.py', file, String(clients), String(seconds), String(pause)];
      const result = JSON.parse(await run(python, args, { cwd: app, env })) as CeleryRun;
      if (result.wrong > 0) throw new Error(`${result.wrong} of Celery's answers were wrong.`);
      return result;
    },
    async stop() {
      await worker.stop();
      await redis.stop();
    },
  };
}
