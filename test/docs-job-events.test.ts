import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminToken } from '../src/domain/admin-token.js';
import { ask } from './support/raw.js';
import { startServer, type TestServer } from './support/server.js';

const run = promisify(execFile);
const page = readFileSync(fileURLToPath(new URL('../docs/job-events.md', import.meta.url)), 'utf8');
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

test('docs/job-events.md: every command works when it is pasted', async () => {
  const { username, password } = server.admin;
  const script = blocks
    .join('\n')
    .replace('http://127.0.0.1:8100', server.url)
    .replace("'ada:correct horse'", `'${username}:${password}'`);
  expect(script).toContain(server.url);
  const more = `
admin_token 'a secret' 'a key' 1
CALLBACK=$(curl -sS -u "$login" $api/actors/v2/pipelinejobs-manager/messages \\
  --data '{"pipeline_uuid": "'$pipeline'", "data": {"night": "another"}}' |
  sed -n 's/.*"callback": "\\([^"]*\\)".*/\\1/p')
CALLBACK=$CALLBACK sh report.sh sh -c 'exit 7' || echo "ended with $?"`;
  const { stdout, stderr } = await run('sh', ['-e', '-c', script + more], { cwd: folder });
  expect(stderr.replace(/curl: \(28\).*\n/, '')).toBe('');
  expect(stdout).not.toMatch(/"status": "error"/);
  expect(stdout).toContain('ended with 7');
  expect(existsSync(path.join(folder, 'report.sh'))).toBe(true);

  const jobs = (await ask(server, '/api/job/?order_by=created')).json.objects;
  expect(jobs).toMatchObject([
    { state: 'FINISHED', data: { night: '2026-01-31' }, outcome: { cause: 'exit', exit_code: 0 } },
    { state: 'FAILED', data: { night: 'another' }, outcome: { cause: 'exit', exit_code: 7 } },
  ]);
  const history = (await ask(server, `/api/job/${jobs[0].uuid}/history/`)).json.objects;
  expect(history.map(({ name }: { name: string }) => name)).toEqual(['create', 'run', 'finish']);
  expect(history[1].data).toMatchObject({ pid: expect.any(Number) });

  const token = /^[0-9a-f]{16}$/m.exec(stdout)?.[0];
  const now = Math.floor(Date.now() / 1000);
  const around = Array.from({ length: 60 }, (_, age) => adminToken('a secret', 'a key', now - age));
  expect(around).toContain(token);
});
