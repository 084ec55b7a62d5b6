import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { CliError } from '../../cli/client/failure.js';
import { environment } from '../../config/config.js';
import { messageOf } from '../../lib/errors.js';

export type Json = Record<string, unknown>;

/** The server of the demo, and a login to it. */
export interface Stage {
  url: string;
  login: string;
  folder: string;
  signal: AbortSignal;
  say(text?: string): void;
}

/** Registers an object of that noun, and shows the request. */
export async function register(stage: Stage, noun: string, object: object): Promise<{ location: string }> {
  const { say } = stage;
  const text = JSON.stringify(object, null, 1);
  say('\n   Register it:');
  say(`   $ curl -i -u '${stage.login}' -H 'Content-Type: application/json' \\`);
  say(`       ${stage.url}/api/${noun}/ \\\n       --data '${text.replaceAll('\n', '\n       ')}'`);
  const answer = await ask(stage, `/api/${noun}/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: text,
  });
  const location = answer.headers.get('location') ?? '';
  say(`   ${answer.status} ${answer.statusText}, Location: ${location}`);
  return { location };
}

export async function ask(stage: Stage, url: string, init: RequestInit = {}): Promise<Response> {
  const { headers, ...rest } = init;
  const answer = await fetch(new URL(url, stage.url), {
    signal: stage.signal,
    ...rest,
    headers: {
      Authorization: `Basic ${Buffer.from(stage.login).toString('base64')}`,
      ...(headers as Record<string, string> | undefined),
    },
  });
  if (answer.ok) return answer;
  throw new CliError(`${rest.method ?? 'GET'} ${url} was answered ${answer.status}: ${await answer.text()}`);
}

/** Cancels all jobs: stopping a server leaves running programs to its next start, and here there will be none. */
export async function cancelAll(stage: Stage): Promise<void> {
  const calm = { ...stage, signal: AbortSignal.timeout(20_000) };
  try {
    const list = await ask(calm, '/api/job/?state__in=CREATED,RUNNING,RESET');
    const { objects } = (await list.json()) as { objects: Json[] };
    for (const { resource_uri } of objects) {
      await ask(calm, `${resource_uri}cancel/`, { method: 'POST' }).catch(() => {}); // it has just ended
    }
  } catch (error) {
    throw new CliError(`Cannot cancel the jobs of the demo: ${messageOf(error)}`);
  }
}

/** The path of a program on PATH. */
export function findProgram(name: string): string | undefined {
  const folders = (environment.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return folders
    .map((folder) => path.join(folder, name))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A number for people to read. */
export const count = (number: number) => number.toLocaleString('en');
