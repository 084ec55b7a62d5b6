import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from './support/raw.js';
import { startServer, type TestServer } from './support/server.js';

const run = promisify(execFile);
const page = readFileSync(fileURLToPath(new URL('../docs/pipelines.md', import.meta.url)), 'utf8');
const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startServer();
  folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

test('docs/pipelines.md: every command works when it is pasted', async () => {
  const { username, password } = server.admin;
  const script = blocks
    .join('\n')
    .replace('http://127.0.0.1:8100', server.url)
    .replace("'ada:correct horse'", `'${username}:${password}'`)
    .replaceAll('/tmp/penstock-mended', path.join(folder, 'mended'));
  expect(script).toContain(server.url);
  const { stdout, stderr } = await run('sh', ['-e', '-c', script], { cwd: folder });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^ +2 and\n +1 cat\n +1 dog\n +1 rat\n +3 the\n\{/);
  expect(stdout).toMatch(/b\n$/);
  const jobs = (await ask(server, '/api/job/?parent__isnull=true&order_by=created')).json.objects;
  expect(jobs).toMatchObject([
    { state: 'FINISHED', pipeline: '/api/pipeline/1/', executor: 'pipeline' },
    { state: 'FINISHED', attempt: 2 },
  ]);
  const { steps } = (await ask(server, `/api/job/${jobs[0].uuid}/`)).json;
  expect(steps.map((step: { joined_to: string | null }) => step.joined_to)).toEqual([
    'small',
    'sort',
    'count',
    null,
  ]);
}, 60_000);
