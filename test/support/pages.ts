import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { atPace } from './pace.js';
import { root } from './paths.js';
import type { TestServer } from './server.js';

const run = promisify(execFile);

/** The blocks of a page that are for a shell; `page` is its path from `docs/`. */
export function shellBlocks(page: string): string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');
}

/**
 * Runs commands of a page as somebody would who pastes them, against a server of ours in place of the tour's and in an
 * empty folder, which takes the place of `/tmp`, too. Fails where a command does.
 */
export async function paste(
  server: TestServer,
  script: string,
): Promise<{ stdout: string; stderr: string; folder: string }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const { username, password } = server.admin;
  const ours = script
    .replaceAll('/tmp/', `${folder}/`)
    .replaceAll('http://127.0.0.1:8100', server.url)
    .replaceAll("'ada:correct horse'", `'${username}:${password}'`)
    .replaceAll('PENSTOCK_USER=ada', `PENSTOCK_USER=${username}`)
    .replaceAll("PENSTOCK_PASSWORD='correct horse'", `PENSTOCK_PASSWORD='${password}'`)
    .replaceAll('$PWD/bin/penstock', `${root}/bin/penstock`);
  const env = { ...process.env, PENSTOCK_URL: server.url };
  return { ...(await run('sh', ['-e', '-c', ours], { cwd: folder, env, timeout: atPace(90_000) })), folder };
}
