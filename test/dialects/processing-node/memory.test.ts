import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNode, type TestNode } from '../../support/node.js';
import { root } from '../../support/paths.js';
import { waitFor } from '../../support/wait-for.js';

const mebibyte = 2 ** 20;
const size = 100 * mebibyte;
let node: TestNode;
beforeAll(async () => {
  const collect = `${root}/test/support/collect-garbage.cjs`;
  node = await startNode({
    node: { timeout: 60 },
    application: { MAX_BODY_SIZE: '150MiB' },
    environment: { NODE_OPTIONS: `--require ${collect}` },
  });
  node.script('run', 'wc -c <input/file >output/size; while [ ! -e go ]; do sleep 0.1; done; rm go');
});
afterAll(() => node.server.remove());

/** What the system says of the server's memory, in bytes. */
const memory = (key: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${node.server.pid}/status`, 'utf8'))?.[1]) *
  1024;

/** Runs with such a body; `meanwhile` is when the script has its input, and waits. */
async function run(body: string, meanwhile: () => Promise<unknown>): Promise<unknown> {
  const asked = node.call('POST', 'run', Buffer.from(body), undefined, { deadline: 60_000 });
  await waitFor(() => readable(path.join(node.home, 'output/size')) === `${size}\n`, 'the script');
  await meanwhile().finally(() => writeFileSync(path.join(node.home, 'go'), ''));
  const { result } = (await asked).json;
  rmSync(path.join(node.home, 'output/size'));
  return result;
}

function readable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

test.each([
  ['text', `{"input": {"file": "${'x'.repeat(size)}"}}`],
  ['base64', `{"input": {"file": {"base64": "${'A'.repeat(Math.ceil((size * 4) / 3))}"}}}`],
])('an input of 100 MiB as %s is not held while the script runs, nor after it', async (_, body) => {
  const before = memory('VmRSS');
  const limit = before + 0.7 * size;
  for (let turn = 0; turn < 2; turn += 1) {
    const result = await run(body, () =>
      waitFor(() => memory('VmRSS') < limit, 'the input to be let go', 20_000),
    );
    expect(result).toEqual({ size: `${size}\n` });
  }
  await waitFor(() => memory('VmRSS') < limit, 'the input to be let go');
  expect(memory('VmHWM') - before).toBeLessThan(7 * size);
});
