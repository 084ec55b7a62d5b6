import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { liveKeys } from '../../src/config/config-cloud.js';
import { complaints, pastePage } from '../support/page-server.js';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';

const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

test('docs/configuration.md: every command works when it is pasted', async () => {
  const { stdout, stderr, folder, port } = await pastePage(shellBlocks('configuration.md'), {
    ports: [8101],
  });
  expect(complaints(stderr)).toBe('');
  expect(stdout).toMatch(/^ok +configuration: .*penstock-config$/m);
  expect(stdout).not.toMatch(/^WRONG/m);
  // The file's port and the other settings hold; what was added holds at once.
  expect(stdout).toContain(`penstock listening on http://127.0.0.1:${port}\n`);
  expect(stdout).toMatch(/"MAX_RUNNING_JOBS": 2\b/);
  expect(stdout).toMatch(/"IDLE_TIMEOUT": 600\b/);
  expect(stdout).not.toContain('needs_restart');
  expect(readdirSync(folder)).toEqual([]);
});

test('docs/configuration.md: the keys that take effect at once are those that do', () => {
  const row = /^\| in application\.yaml: (.*?) \|/m.exec(read('docs/configuration.md'))?.[1] ?? '';
  expect([...row.matchAll(/`([A-Z_]+)`/g)].map(([, key]) => key)).toEqual(liveKeys);
});

test('docs/operations.md: every command works when it is pasted, and a restore brings back what there was', async () => {
  const blocks = shellBlocks('operations.md');
  const at = (text: string) => blocks.findIndex((block) => block.includes(text));
  const job = `
api=http://127.0.0.1:8100/api login='ada:correct horse'
definition=$(curl -fsS -o /dev/null -D - -u "$login" -H 'Content-Type: application/json' $api/process_definition/ \\
  --data '{"definition": {"exec": "echo", "argv": ["kept"]}}' | sed -n 's/^Location: //p' | tr -d '\\r')
job=$(curl -fsS -o /dev/null -D - -u "$login" -X POST "\${definition}run/" | sed -n 's/^Location: //p' | tr -d '\\r')
curl -fsS -o /dev/null -u "$login" "$job?wait=60"
curl -fsS "http://127.0.0.1:8100/healthz"
`;
  const commands = [
    ...blocks.slice(0, at('penstock backup')),
    job,
    ...blocks.slice(at('penstock backup'), at('data=/tmp/penstock-data')),
    // What a reader restores from.
    'rm -r /tmp/penstock-data/penstock.sqlite /tmp/penstock-data/webhook-key /tmp/penstock-data/jobs',
    ...blocks.slice(at('data=/tmp/penstock-data'), blocks.length - 1),
    'curl -fsS -u "$login" "${job}stdout/"; stat -c "%a %n" /tmp/penstock-backup/*',
    ...blocks.slice(-1),
  ];
  const { stdout, stderr, folder } = await pastePage(commands, { ports: [8100] });
  expect(complaints(stderr)).toBe('');
  expect(stderr).toMatch(/"msg":"configuration reloaded"/);
  expect(stdout).not.toMatch(/^WRONG/m);
  expect(stdout.match(/^penstock listening on/gm)).toHaveLength(2);
  expect(stdout).toMatch(
    /^\{"jobs_running": 0, "jobs_waiting": 0, "servers": \{.*\}, "services": \{.*\}, "status": "ok"\}$/m,
  );
  expect(stdout).toMatch(/^kept$/m);
  expect(stdout).toMatch(/^600 .*penstock\.sqlite$/m);
  expect(stdout).toMatch(/^600 .*penstock\.sqlite\.webhook-key$/m);
  expect(readdirSync(folder)).toEqual([]);
});

test('docs/security.md: every command works when it is pasted', async ({ skip }) => {
  if (spawnSync('openssl', ['version']).error !== undefined) skip('there is no openssl here');
  const { stdout, stderr, folder, port } = await pastePage(shellBlocks('security.md'), { ports: [8443] });
  // openssl draws what it does.
  expect(complaints(stderr).replace(/^([.+*-]*|Generating .*|writing .*)\n/gm, '')).toBe('');
  expect(stdout).toContain(`penstock listening on https://127.0.0.1:${port}\n`);
  expect(stdout).toMatch(/^\{.*"status": "ok"\}$/m);
  expect(readdirSync(folder)).toEqual([]);
});

test('docs/performance.md: the rows that its commands name are there', () => {
  const named = [...read('docs/performance.md').matchAll(/--only ([a-z]+)/g)].map(([, name]) => name);
  expect(named).toEqual(['jobs', 'latency']);
  expect(named.filter((name) => !existsSync(path.join(root, `bench/rows/${name}.ts`)))).toEqual([]);
});
