import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { complaints, pastePage } from '../support/page-server.js';
import { shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';

const page = readFileSync(path.join(root, 'docs/processing-node.md'), 'utf8');

test('docs/processing-node.md: every command works when it is pasted, and gives what the page says', async () => {
  // Each answer on a line of its own.
  const commands = shellBlocks('processing-node.md').map((block) =>
    block.replace(/^(curl.*?)( {2,}#.*)?$/gm, '$1; echo'),
  );
  const { stdout, stderr, folder, port } = await pastePage(commands, { ports: [5000] });
  const home = path.join(folder, 'penstock-node');
  expect(complaints(stderr)).toBe('');

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
  // `ls` would have failed if it were not there.
  expect(stdout).toContain(`${home}/runPTS.save\n`);
  // What the page shows as the answer is the answer.
  const shown = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const { timestamp, ...told } = JSON.parse(shown.replaceAll('/tmp/penstock-node', home));
  expect(answers[1]).toEqual({ ...told, timestamp: expect.any(Number) });
  expect(timestamp).toEqual(expect.any(Number));
});
