import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { freePorts } from '../support/ports.js';
import { type Machine, noSshd, startMachine } from '../support/sshd.js';

const run = promisify(execFile);
const blocks = shellBlocks('servers.md');
/** The blocks from the one that holds the first text to before the one that holds the second. */
const between = (first: string, second: string) => {
  const at = (text: string) => blocks.findIndex((block) => block.includes(text));
  return blocks.slice(at(first), at(second));
};
const local = between('CONNECTOR: local', 'MACHINES:');
const machines = between('MACHINES:', 'ssh-keygen');
const applications = between('"name": "tools"', 'order_by=-created&limit=1');
const end = blocks.slice(blocks.findIndex((block) => block.includes('order_by=-created&limit=1')));

/** Pastes commands of the page into a shell, with folders, a port and a machine of ours; then ends what they started. */
async function paste(commands: readonly string[], machine?: Machine) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const [port = 0] = await freePorts(1);
  const script = commands
    .join('\n')
    .replaceAll('npm start --', `node ${root}/bin/penstock serve --port ${port}`)
    .replaceAll('node bin/penstock', `node ${root}/bin/penstock`)
    .replaceAll('/tmp/penstock-lab', path.join(folder, 'lab'))
    .replaceAll('8100', String(port))
    .replaceAll('bench.example.org', machine?.address ?? '')
    .replaceAll('AUTH_USER: ada', 'AUTH_USER: root')
    .replaceAll('~/.ssh/id_ed25519', machine?.login.keyFile ?? '')
    .replace(/curl (?!-fs)/g, 'curl -sS ');
  // A server of the page's own goes on in the background: it must not hold our pipes, nor outlive us.
  const whole = `trap 'kill $(jobs -p); wait' EXIT\n${script}`;
  const answer = await run('bash', ['-e', '-c', whole], { cwd: folder });
  return { ...answer, folder };
}

const complaints = (stderr: string) => stderr.replace(/^(\{.*"level":[34]0.*|penstock: .*)\n/gm, '');

test('docs/servers.md: with no cloud, applications and letting go included, every command works when it is pasted', async () => {
  const { stdout, stderr } = await paste([...local, ...applications, ...end]);
  expect(complaints(stderr)).toBe('');
  expect(stdout).toMatch(/^ok +configuration/m);
  expect(stdout).not.toMatch(/^WRONG/m);
  expect(stdout).toMatch(/^3$/m);
  expect(stdout).toContain('"script": "report.sh"');
  expect(stdout).toContain('"connector": "local"');
  expect(stdout).toMatch(/^hello lab$/m);
});

test('docs/servers.md: machines that there are, every command works when it is pasted', async ({ skip }) => {
  if (noSshd !== null) skip(noSshd);
  const machine = await startMachine();
  onTestFinished(() => machine.remove());
  const { stdout, stderr } = await paste([...local, ...machines], machine);
  expect(complaints(stderr)).toBe('');
  expect(stdout).toContain('"host": "bench"');
  expect(stdout).toMatch(/"executor": "ssh"[\s\S]*"state": "FINISHED"/);
  expect(stdout).toMatch(/^5$/m);
  expect(stdout).toContain('"cloud_id": "bench"');
});

test('docs/scheduler.md: every command works when it is pasted', async () => {
  const { stdout, stderr } = await paste([...local, ...shellBlocks('scheduler.md')]);
  expect(complaints(stderr)).toBe('');
  expect(stdout).toMatch(/ was asked for: -project p1 .*-user me -scans 4,5$/m);
  expect(stdout).not.toContain('secret');
  expect(stdout).toContain('"process_definition": "/api/process_definition/1/"');
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
