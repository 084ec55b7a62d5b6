import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { paste, shellBlocks } from '../support/pages.js';
import { freePorts } from '../support/ports.js';
import { ask } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

// A server for each page: its examples count on being the first.
let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.remove());

test('docs/adapters.md: its first example', async () => {
  const [first = ''] = shellBlocks('adapters.md');
  expect((await paste(server, first)).stdout).toBe('apple\npear\n');
});

test('docs/services.md: every command works when it is pasted', async ({ skip }) => {
  if (spawnSync('python3', ['-V']).error !== undefined) skip('there is no python3 here');
  const [port = 0] = await freePorts(1);
  const script = shellBlocks('services.md').join('\n').replaceAll('8200', String(port));
  const { stdout, stderr } = await paste(server, script);
  expect(stderr).toBe('');
  expect(stdout).toContain('Directory listing for /');
  expect(stdout).toMatch(/"health": "ready"/);
  // The log of its first start, after it was restarted.
  expect(stdout).toMatch(/"GET \/ HTTP\/1\.1" 200/);
  expect(stdout).toMatch(/working better\n/);
  const { objects } = (await ask(server, '/api/job/?order_by=created')).json;
  expect(objects).toMatchObject([
    { state: 'FINISHED', attempt: 2, outcome: { reason: 'Stopped by root.' }, service: { restarts: 1 } },
    { state: 'FINISHED', attempt: 1, outcome: { reason: 'Stopped by root.' }, service: { restarts: 0 } },
    { state: 'FINISHED', attempt: 1, outcome: { reason: 'Stopped by root.' }, service: { restarts: 0 } },
  ]);
});

test('docs/pipelines.md: every command works when it is pasted', async () => {
  const { stdout, stderr } = await paste(server, shellBlocks('pipelines.md').join('\n'));
  expect(stderr).toBe('Added the pipeline sorted-words.\n');
  expect(stdout).toMatch(/^ +2 and\n +1 cat\n +1 dog\n +1 rat\n +3 the\n\{/);
  expect(stdout).toMatch(/^one\nthree\ntwo$/m);
  expect(stdout).toMatch(/b\n$/);
  const jobs = (await ask(server, '/api/job/?parent__isnull=true&order_by=created')).json.objects;
  expect(jobs).toMatchObject([
    { state: 'FINISHED', pipeline: '/api/pipeline/1/', executor: 'pipeline' },
    { state: 'FINISHED', pipeline: '/api/pipeline/2/', executor: 'pipeline' },
    { state: 'FINISHED', attempt: 2 },
  ]);
  const { steps } = (await ask(server, `/api/job/${jobs[0].uuid}/`)).json;
  expect(steps.map((step: { joined_to: string | null }) => step.joined_to)).toEqual([
    'small',
    'sort',
    'count',
    null,
  ]);
});
