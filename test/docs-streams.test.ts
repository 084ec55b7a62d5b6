import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from './support/server.js';

const run = promisify(execFile);
const page = readFileSync(fileURLToPath(new URL('../docs/streams.md', import.meta.url)), 'utf8');
const [first = ''] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);

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

test('docs/streams.md: the example works when it is pasted', async () => {
  const { username, password } = server.admin;
  const script = first
    .replace('http://127.0.0.1:8100', server.url)
    .replace("'ada:correct horse'", `'${username}:${password}'`)
    // Where a reader waits a second, a busy machine gets a little more.
    .replaceAll('sleep 1', 'sleep 3')
    .replaceAll('/tmp/penstock-readings', path.join(folder, 'readings'));
  expect(script).toContain(server.url);
  const { stdout } = await run('sh', ['-e', '-c', script], { cwd: folder });
  const data = [...stdout.matchAll(/^data: (.*)$/gm)].map(([, text]) => JSON.parse(text ?? '') as object);
  expect(data).toMatchObject([
    { text: '21.5', content_type: 'text/plain', headers: { place: 'roof' } },
    { text: '21.6' },
    { text: '21.7' },
  ]);
  expect(stdout).toMatch(/"published": ?3/);
});
