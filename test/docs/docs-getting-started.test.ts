import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { atPace } from '../support/pace.js';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { freePorts } from '../support/ports.js';

const run = promisify(execFile);

/** Pastes a page that starts the server itself, with a folder and a port of ours. What it started ends with it. */
async function pasteWhole(page: string) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const [port = 0] = await freePorts(1);
  const script = shellBlocks(page)
    .join('\n')
    .replaceAll('/tmp/', `${folder}/`)
    .replaceAll('8100', String(port))
    .replaceAll('npm run build', ':')
    .replaceAll('node bin/penstock serve', `node ${root}/bin/penstock serve --port ${port}`)
    .replaceAll('$PWD/bin/penstock', `${root}/bin/penstock`);
  const guarded = `trap 'kill "$server" 2>/dev/null || true' EXIT\n${script}`;
  const env = { ...process.env, PENSTOCK_URL: `http://127.0.0.1:${port}` };
  const { stdout, stderr } = await run('sh', ['-e', '-c', guarded], {
    cwd: folder,
    env,
    timeout: atPace(90_000),
  });
  // The page removes what it has made.
  expect(readdirSync(folder)).toEqual([]);
  return { stdout, stderr: stderr.replace(/^\{.*"level":[34]0.*\n/gm, '') };
}

test('README.md: the tour works when it is pasted', async () => {
  const { stdout, stderr } = await pasteWhole('../README.md');
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/process_definition\/1\/\n/m);
  expect(stdout).toMatch(/^si foes in a bo$/m);
  expect(stdout).toMatch(/"state": ?"FINISHED"/);
  expect(stdout).toMatch(/ marks the spot\n/);
  expect(stdout).toMatch(/"name": ?"finish"/);
  expect(stdout).toMatch(/eact tet\n/);
  // The list of jobs: a title, and the three of the tour.
  expect(stdout.match(/^[0-9a-f-]{36} .*FINISHED/gm)).toHaveLength(3);
});

test('docs/getting-started.md: every command works when it is pasted, and gives what the page says', async () => {
  const { stdout, stderr } = await pasteWhole('getting-started.md');
  expect(stderr).toMatch(/^Added count-lines \(process definition 2\)\.\n/);
  expect(stderr).toMatch(/ failed: it ended with exit code 3.*\nno such sample\n/);
  expect(stdout).toMatch(/^username: ada$/m);
  expect(stdout).toMatch(/^MADE LARGE\n2\n/m);
  expect(stdout).toMatch(/^THE SECOND JOB\nTHE THIRD JOB\n/m);
  expect(stdout).toMatch(/^data: line 3$/m);
  expect(stdout).toMatch(/^event: end$/m);
  expect(stdout).toMatch(/^line 1\nline 2\nline 3\n/m);
  expect(stdout).toMatch(/"exit_code": ?3/);
  expect(stdout).toMatch(/^exit code 3$/m);
  expect(stdout).toMatch(/^no such sample\n$/m);
});
