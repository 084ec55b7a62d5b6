import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { historyOf, jobOf, submit } from '../../support/jobs.js';
import { pipelineOf, ranPipeline } from '../../support/pipelines.js';
import { linesOf } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let place: string;
let log: string;
beforeAll(async () => {
  // As many retries of the platform's as there are by default.
  server = await startServer({ application: { LOG_LEVEL: 'error' } });
});
afterAll(() => server.remove());
beforeEach(() => {
  place = mkdtempSync(path.join(os.tmpdir(), 'penstock-once-'));
  log = path.join(place, 'log');
  return () => rmSync(place, { recursive: true, force: true });
});

/** A definition of a script whose first argument is the log, to which it writes a line. */
const noting = (script: string, more: object = {}, ...argv: string[]) => ({
  exec: '/bin/sh',
  argv: ['-c', `echo ran >>"$1"; ${script}`, 'sh', log, ...argv],
  ...more,
});
const outputs = (type: string, parameters?: object) => ({
  output_adapter: {
    output_type: type,
    ...(parameters === undefined ? {} : { output_parameters: parameters }),
  },
});
const often = { retries: { limit: 2, backoff: { initial: 0.05 } } };

const endings: [string, (more: object) => object, RegExp][] = [
  [
    'its output file is missing',
    (more) => noting('true', { ...outputs('file', { file_path: 'result.txt' }), ...more }),
    /no output file at the path in the definition/,
  ],
  [
    'its output file is a folder',
    (more) =>
      noting(
        'mkdir "$2"',
        { ...outputs('file', { file_path: '${output_file}' }), ...more },
        '${output_file}',
      ),
    /./,
  ],
  [
    'one of several files is missing',
    (more) =>
      noting('echo x >out/a', {
        ...outputs('folder', { folder_path: 'out', file_names: ['a', 'b'] }),
        ...more,
      }),
    /the program did not write b/,
  ],
  [
    'a named output is missing',
    (more) => noting('true', more, '${output_file.index}'),
    /no file at \$\{output_file\.index\}/,
  ],
  [
    'it never listened',
    (more) => noting('true', { ...outputs('port'), ...more }, '${output_port}'),
    /never listened on the port/,
  ],
];

describe('a program that has run to its end is not run again', () => {
  test.each(endings)('although %s', async (_what, definition, reason) => {
    const job = await jobOf(server, await submit(server, await server.register(definition({})), 'x'), 30);
    expect(job).toMatchObject({ state: 'FAILED', attempt: 1, outcome: { cause: 'platform', exit_code: 0 } });
    expect(job.outcome?.reason).toMatch(reason);
    expect(linesOf(log)).toEqual(['ran']);
  });

  test.each(endings)('but as its retries say: %s', async (_what, definition) => {
    const job = await jobOf(server, await submit(server, await server.register(definition(often)), 'x'), 30);
    expect(job).toMatchObject({ state: 'FAILED', attempt: 3, outcome: { cause: 'platform' } });
    expect(linesOf(log)).toEqual(['ran', 'ran', 'ran']);
    const resets = (await historyOf(server, job.uuid)).filter(({ name }) => name === 'reset');
    expect(resets.map(({ data }) => [data?.retry, data?.of])).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  test('where its retries are for some exit codes only, and it ended well', async () => {
    const definition = noting('true', {
      ...outputs('file', { file_path: 'result.txt' }),
      ...often,
      temporary_fail_codes: [75],
    });
    const job = await jobOf(server, await submit(server, await server.register(definition)), 30);
    expect(job).toMatchObject({ state: 'FAILED', attempt: 1 });
    expect(linesOf(log)).toEqual(['ran']);
  });

  test('nor is a step of a pipeline', async () => {
    const definition = noting('true', outputs('file', { file_path: 'result.txt' }));
    const job = await ranPipeline(server, await pipelineOf(server, [{ name: 'one', definition }]));
    expect(job).toMatchObject({ state: 'FAILED', steps: [{ attempt: 1 }] });
    expect(linesOf(log)).toEqual(['ran']);
  });

  test.each([
    ['status', 'rm ../status'],
    ['all that is in the folder above its own', 'rm -rf ../*'],
  ])('although it took its traces away: %s', async (_what, script) => {
    const id = await server.register(noting(script));
    const job = await jobOf(server, await submit(server, id), 30);
    expect(job).toMatchObject({ state: 'FAILED', attempt: 1, outcome: { cause: 'lost' } });
    // That it never began is said only of what never did.
    expect(job.outcome?.reason).toMatch(/^How the program ended is unknown: .*deleted\.$/);
    expect(linesOf(log)).toEqual(['ran']);
  });

  test('also over a crash of the server', async () => {
    const id = await server.register(noting('rm ../status; until [ -e "$1.go" ]; do sleep 0.05; done'));
    const uuid = await submit(server, id);
    await waitFor(() => linesOf(log).length === 1, 'the program to run');
    await waitFor(async () => (await jobOf(server, uuid)).state === 'RUNNING', 'its start to be stored');
    await server.kill();
    await server.restart();
    writeFileSync(`${log}.go`, '');
    const job = await jobOf(server, uuid, 30);
    expect(job).toMatchObject({ state: 'FAILED', attempt: 1, outcome: { cause: 'lost' } });
    expect(linesOf(log)).toEqual(['ran']);
  });
});
