import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pastePage } from '../support/page-server.js';
import { shellBlocks } from '../support/pages.js';

/** The whole page at once: what it shows has no lines between its blocks. */
async function pasteWhole(page: string) {
  const pasted = await pastePage([shellBlocks(page).join('\n')], { ports: [8100] });
  // The page removes what it has made.
  expect(readdirSync(pasted.folder)).toEqual([]);
  return { stdout: pasted.stdout, stderr: pasted.stderr.replace(/^\{.*"level":[34]0.*\n/gm, '') };
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
  expect(stderr).toMatch(/ failed: it exited with code 3.*\nno such sample\n/);
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
