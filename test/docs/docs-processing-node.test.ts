import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { freePorts } from '../support/ports.js';

const run = promisify(execFile);
const page = readFileSync(path.join(root, 'docs/processing-node.md'), 'utf8');

test('docs/processing-node.md: every command works when it is pasted, and gives what the page says', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const home = path.join(folder, 'node');
  const [port = 0] = await freePorts(1);
  const script = shellBlocks('processing-node.md')
    .join('\n')
    .replaceAll('node bin/penstock', `node ${root}/bin/penstock`)
    .replaceAll('/tmp/penstock-node', home)
    .replaceAll('5000', String(port))
    .replace(/curl (?!-sf)/g, 'curl -sS ')
    .replace(/^(curl.*?)( {2,}#.*)?$/gm, '$1; echo');
  const more = '\nkill $!; wait $! || true\n';
  const { stdout, stderr } = await run('sh', ['-e', '-c', `${script}${more}`], { cwd: folder });
  expect(stderr.replace(/^(\{.*"level":[34]0.*|penstock: .*)\n/gm, '')).toBe('');

  const answers = stdout
    .split('\n')
    .filter((line) => line.startsWith('{"result"'))
    .map((line) => JSON.parse(line));
  expect(answers.map(({ result }) => result)).toEqual([
    0,
    { 'means.txt': 'column 1: 2\ncolumn 2: 30\n' },
    expect.stringMatching(/^#!\/bin\/sh\n/),
    0,
    0,
    0,
    { a: 1, b: 12345678901234567000 },
    expect.objectContaining({ classID: 'Product' }),
    expect.objectContaining({ classID: 'Product' }),
    expect.objectContaining({ [`${home}/output/outfile`]: 'hello stranger!' }),
    0,
    null,
  ]);
  expect(stdout).toContain('{"a": 1.0, "b": 12345678901234567890}');
  expect(answers[8].result._sets.theAnswer.data).toBe('hello stranger!');
  expect(stdout).toContain(`http://127.0.0.1:${port}/v0.6/testrun`);
  expect(stdout).toMatch(/"total_count": 6/);
  expect(existsSync(path.join(home, 'runPTS.save'))).toBe(true);
  // What the page shows as the answer is the answer.
  const shown = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const { timestamp, ...told } = JSON.parse(shown.replaceAll('/tmp/penstock-node', home));
  expect(answers[1]).toEqual({ ...told, timestamp: expect.any(Number) });
  expect(timestamp).toEqual(expect.any(Number));
});
