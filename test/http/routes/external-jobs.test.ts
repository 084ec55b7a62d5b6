import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addExternalJobs } from '../../support/external-jobs.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let pipeline: number;
let uuids: string[];
const links = { child_of: ['a'], agent: 'https://example.org/agent', archive_patterns: [{ level: '1' }] };
beforeAll(async () => {
  server = await startServer();
  await server.register({ exec: '/bin/true' });
  await ask(server, '/api/process_definition/1/run/?wait=30', { body: 'x' });
  const made = await addExternalJobs(server, [
    { session: 'calm.river', archivePath: '/products/v2/a/1', data: { alpha: 0.5 }, links },
    { session: 'calm.sea', archivePath: '/products/v2/a/2' },
    { session: 'wild.sea', archivePath: '/sample/b', hidden: true },
  ]);
  pipeline = made.pipeline;
  uuids = made.jobs.map(({ uuid }) => uuid);
});
afterAll(() => server.remove());

test('a job that runs elsewhere is shown with all that is known of it, and waits for nothing', async () => {
  const { json } = await ask(server, `/api/job/${uuids[0]}/`);
  expect(json).toMatchObject({
    pipeline: `/api/pipeline/${pipeline}/`,
    session: 'calm.river',
    archive_system: 'data-sd2e-community',
    archive_path: '/products/v2/a/1',
    data: { alpha: 0.5 },
    links,
    hidden: false,
    executor: 'none',
    state: 'CREATED',
    waiting: null,
    last_event: 'create',
    process_definition: null,
  });
});

test.each(['input', 'output', 'stdout', 'stderr', 'stdout/?follow=1'])('it has no %s here', async (part) => {
  const { status, json } = await ask(server, `/api/job/${uuids[0]}/${part}`);
  expect([status, json.error]).toEqual([404, 'This job runs elsewhere; it has no files here.']);
});

describe('the list', () => {
  test.each([
    ['', [null, 0, 1]],
    ['state=CREATED', [0, 1]],
    ['hidden=false', [null, 0, 1]],
    ['hidden=true', [2]],
    ['hidden=true&state=CREATED', [2]],
    ['hidden=true&state=FINISHED', []],
    ['pipeline=PIPELINE', [0, 1]],
    ['pipeline=/api/pipeline/PIPELINE/&state=CREATED', [0, 1]],
    ['pipeline__in=PIPELINE,999', [0, 1]],
    ['pipeline=none', [null]],
    ['pipeline=999', []],
    ['session=calm.sea', [1]],
    ['session__in=calm.sea,calm.river,wild.sea', [0, 1]],
    ['session__startswith=calm', [0, 1]],
    ['archive_path=/products/v2/a/2', [1]],
    ['archive_path__startswith=/products/', [0, 1]],
    ['archive_system=data-sd2e-community&hidden=true', [2]],
    ['last_event=finish', [null]],
    ['last_event__in=create,finish', [null, 0, 1]],
    ['updated__gt=2000-01-01&updated__lt=2001-01-01', []],
    ['updated__gte=2000-01-01', [null, 0, 1]],
  ] as [string, (number | null)[]][])('%s', async (query, wanted) => {
    const { status, json } = await ask(server, `/api/job/?${query.replace('PIPELINE', String(pipeline))}`);
    expect(status).toBe(200);
    // null is the one that ran here.
    const found = json.objects.map(({ uuid }: { uuid: string }) => uuids.indexOf(uuid));
    expect(found.sort()).toEqual(wanted.map((index) => index ?? -1));
    expect(json.meta.total_count).toBe(wanted.length);
  });

  test.each([
    ['hidden=perhaps', 'hidden'],
    ['pipeline=x', 'pipeline'],
    ['session__contains=x', 'session'],
    ['archive_path__in=x', 'archive_path'],
    ['data=x', 'data'],
    ['updated__gt=x', 'updated'],
  ])('%s is a 400 that names it', async (query, name) => {
    const { status, json } = await ask(server, `/api/job/?${query}`);
    expect([status, json.errors[0].pointer.slice(0, name.length + 1)]).toEqual([400, `?${name}`]);
  });
});
