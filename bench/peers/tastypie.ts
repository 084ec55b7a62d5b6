import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { basic, httpClient } from '../support/http.js';
import { needPeer, python } from '../support/packages.js';
import type { Context } from '../support/row.js';
import { run, start } from '../support/started.js';
import { freePort, waitFor } from '../support/wait-for.js';

const app = fileURLToPath(new URL('tastypie/', import.meta.url));
const cheapest = 'django.contrib.auth.hashers.UnsaltedMD5PasswordHasher';

/** A running Django + Tastypie registry. */
export interface Tastypie {
  list: string;
  authorization: string;
  stop(): Promise<void>;
}

/** Starts it under gunicorn with two workers, with `count` copies of a definition in its database. */
export async function startTastypie(
  context: Context,
  hasher: 'default' | 'cheapest',
  definition: object,
  count: number,
): Promise<Tastypie> {
  needPeer(context, 'tastypie');
  const folder = context.folder(`tastypie-${hasher}`);
  const env = {
    PEER_FOLDER: folder,
    PEER_HASHER: hasher === 'cheapest' ? cheapest : '',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const fill = ['fill.py', 'bench', 'secret', String(count)];
  await run(python, fill, { cwd: app, env, input: JSON.stringify(definition) });

  const port = await freePort();
  const server = start(
    '/usr/bin/gunicorn',
    ['--workers', '2', '--bind', `127.0.0.1:${port}`, 'wsgi:application'],
    {
      cwd: app,
      env,
      logFile: path.join(folder, 'gunicorn.log'),
    },
  );
  const url = `http://127.0.0.1:${port}`;
  const authorization = basic('bench', 'secret');
  const client = httpClient(url, authorization);
  await waitFor('gunicorn', async () => {
    if (server.ended()) throw new Error(`gunicorn ended at once.\n${server.log()}`);
    const answer = await client.send('GET', '/api/process_definition/').catch(() => undefined);
    if (answer && answer.status !== 200)
      throw new Error(`Tastypie answers ${answer.status}.\n${server.log()}`);
    return answer;
  });
  client.close();
  return { list: `${url}/api/process_definition/`, authorization, stop: () => server.stop() };
}
