import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { complaints, pastePage } from '../support/page-server.js';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { noSshd, startMachine } from '../support/sshd.js';

const blocks = shellBlocks('servers.md');
const at = (text: string) => blocks.findIndex((block) => block.includes(text));

test('docs/servers.md: without machines, every command works when it is pasted', async () => {
  const commands = [...blocks.slice(0, at('MACHINES:')), ...blocks.slice(at('"name": "tools"'))];
  const { stdout, stderr, folder } = await pastePage(commands, { ports: [8100] });
  expect(complaints(stderr)).toBe('');
  expect(stdout).toMatch(/^ok +configuration/m);
  expect(stdout).not.toMatch(/^WRONG/m);
  expect(stdout).toMatch(/^3$/m);
  expect(stdout).toMatch(/ was asked for: -project p1 .*-user me$/m);
  expect(stdout).toContain('"script": "report.sh"');
  expect(stdout).toContain('"connector": "local"');
  expect(stdout).toMatch(/^hello lab$/m);
  // Both jobs ran on the same server; of the last one that was made, its page is shown.
  expect(stdout).toMatch(/"total_count": 1\b.*"uses": 2\b/);
  expect(stdout).toMatch(/^\{.*"application": "tools".*"jobs": \[\{/m);
  expect(stdout).toMatch(/"total_count": 0\b/);
  expect(existsSync(path.join(folder, 'penstock-lab'))).toBe(false);
});

test('docs/servers.md: with a machine, every command works when it is pasted', async ({ skip }) => {
  if (noSshd !== null) skip(noSshd);
  const machine = await startMachine();
  onTestFinished(() => machine.remove());
  const instead = {
    'bench.example.org': machine.address,
    'AUTH_USER: ada': 'AUTH_USER: root',
    '~/.ssh/id_ed25519': machine.login.keyFile ?? '',
    // The only machine goes back to the list sooner.
    'IDLE_TIMEOUT: 60': 'CAPACITY_RETRY_INTERVAL: 1\nIDLE_TIMEOUT: 8',
  };
  const { stdout, stderr } = await pastePage(blocks, { ports: [8100], instead });
  expect(complaints(stderr)).toBe('');
  expect(stdout).not.toMatch(/^WRONG/m);
  expect(stdout).toContain('"host": "bench"');
  expect(stdout).toMatch(/"executor": "ssh"[\s\S]*"state": "FINISHED"/);
  expect(stdout).toMatch(/^5$/m);
  expect(stdout).toContain('"cloud_id": "bench"');
  expect(stdout).toMatch(/^hello lab$/m);
  expect(stdout).toMatch(/^\{.*"application": "tools".*"connector": "static"/m);
});

test('docs/scheduler.md: every command works when it is pasted', async () => {
  const { stdout, stderr, folder } = await pastePage(shellBlocks('scheduler.md'), { ports: [8100] });
  expect(complaints(stderr)).toBe('');
  expect(stdout).toMatch(/ was asked for: -project p1 .*-user me -scans 4,5$/m);
  expect(stdout).not.toContain('secret');
  // The second task is the one of a process definition, and counts its words.
  // Each is shown as a task and as a pipeline.
  expect(stdout.match(/"state": "FINISHED"/g)).toHaveLength(4);
  expect(stdout).toMatch(/^4$/m);
  expect(existsSync(path.join(folder, 'penstock-tasks'))).toBe(false);
});

test('docs/servers.md: what it says of application keys is what there is', () => {
  const schema = JSON.parse(readFileSync(path.join(root, 'schemas/application.json'), 'utf8')) as {
    properties: object;
  };
  const page = readFileSync(path.join(root, 'docs/servers.md'), 'utf8');
  const [, section = ''] = page.split('\n## Applications\n');
  const told = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell]) =>
    [...(cell ?? '').matchAll(/`([a-z_]+)`/g)].map(([, key]) => key),
  );
  expect(told.sort()).toEqual(Object.keys(schema.properties).sort());
});
