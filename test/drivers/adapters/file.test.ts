import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { adapterConformance } from '../../conformance/adapter.js';
import { jobOf, submit } from '../../support/jobs.js';
import { program } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const outside = mkdtempSync(path.join(os.tmpdir(), 'penstock-fixed-'));
afterAll(() => rmSync(outside, { recursive: true, force: true }));
const fixedIn = path.join(outside, 'in');
const fixedOut = path.join(outside, 'out');

adapterConformance(
  'file',
  program('in-out'),
  [
    { name: 'STDIN', adapter: { file_type: 'stream', stream_name: 'STDIN' }, argument: '-' },
    { name: '${input_file}', adapter: { file_path: '${input_file}' }, argument: '${input_file}' },
    { name: 'a relative path', adapter: { file_path: 'data/a.in' }, argument: 'data/a.in' },
    { name: 'an absolute path', adapter: { file_path: fixedIn }, argument: fixedIn },
  ],
  [
    { name: 'STDOUT', adapter: { file_type: 'stream', stream_name: 'STDOUT' }, argument: '-' },
    { name: 'STDERR', adapter: { file_type: 'stream', stream_name: 'STDERR' }, argument: '2' },
    { name: '${output_file}', adapter: { file_path: '${output_file}' }, argument: '${output_file}' },
    { name: 'a relative path', adapter: { file_path: 'a.out' }, argument: 'a.out' },
    { name: 'an absolute path', adapter: { file_path: fixedOut }, argument: fixedOut },
  ],
);

describe('fixed places', () => {
  let server: TestServer;
  afterEach(() => server.remove());
  const input = (place: string) => ({
    input_adapter: { input_type: 'file', input_parameters: { file_path: place } },
  });

  test('a stranger’s file is not overwritten, and an input never stays behind', async () => {
    server = await startServer({ application: { LOG_LEVEL: 'error' } });
    const missing = await server.register({ exec: '/no/such/program', argv: [fixedIn], ...input(fixedIn) });
    const failed = await jobOf(server, await submit(server, missing, 'x'), 10);
    expect(failed).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
    expect(existsSync(fixedIn)).toBe(false);

    const id = await server.register({ exec: program('in-out'), argv: [fixedIn, '-'], ...input(fixedIn) });
    writeFileSync(fixedIn, 'mine');
    const refused = await jobOf(server, await submit(server, id, 'x'), 10);
    expect(refused).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
    expect(readFileSync(fixedIn, 'utf8')).toBe('mine');
    rmSync(fixedIn);
    expect(await jobOf(server, await submit(server, id, 'x'), 10)).toMatchObject({ state: 'FINISHED' });
    expect(existsSync(fixedIn)).toBe(false);
  });

  test('a place in a folder that cannot be made ends the job', async () => {
    server = await startServer({ application: { LOG_LEVEL: 'error' } });
    const place = '/proc/x/in';
    const id = await server.register({ exec: program('in-out'), argv: [place, '-'], ...input(place) });
    const reason = expect.stringContaining('the folder /proc/x cannot be made');
    expect(await jobOf(server, await submit(server, id, 'x'), 10)).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'platform', reason },
    });
  });

  test('an output that is a link to itself ends the job, and not the server', async () => {
    server = await startServer({ application: { LOG_LEVEL: 'error', MAX_PLATFORM_RETRIES: 0 } });
    const id = await server.register({
      exec: '/bin/sh',
      // Longer than it takes until somebody looks at it.
      argv: ['-c', 'ln -s "$1" "$1"; sleep 1', 'sh', '${output_file}'],
      output_adapter: { output_type: 'file', output_parameters: { file_path: '${output_file}' } },
    });
    const job = await jobOf(server, await submit(server, id), 10);
    expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
  });

  test('an output that is a symbolic link is the file behind it', async () => {
    server = await startServer({ application: { LOG_LEVEL: 'error' } });
    const id = await server.register({
      exec: '/bin/sh',
      argv: ['-c', 'echo text >result-1 && ln -s result-1 a.out'],
      output_adapter: { output_type: 'file', output_parameters: { file_path: 'a.out' } },
    });
    const uuid = await submit(server, id);
    expect(await jobOf(server, uuid, 10)).toMatchObject({ state: 'FINISHED', output_size: 5 });
    expect(await (await server.fetch(`/api/job/${uuid}/output/`)).text()).toBe('text\n');
  });
});
