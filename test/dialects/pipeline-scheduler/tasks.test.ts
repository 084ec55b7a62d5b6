import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sample, startScheduler, type TestScheduler } from '../../support/scheduler.js';
import { waitFor } from '../../support/wait-for.js';

let scheduler: TestScheduler;
let definition = 0;
beforeAll(async () => {
  scheduler = await startScheduler({ VIRTUAL_SERVER_TTL: 2, IDLE_TIMEOUT: 60 });
  definition = await scheduler.server.register({ exec: 'tr', argv: ['a-z', 'A-Z'] });
});
beforeEach(() => scheduler.halt());
afterAll(() => scheduler.server.remove());

const call = (...args: Parameters<TestScheduler['call']>) => scheduler.call(...args);
const registered = async (task: object): Promise<string> => {
  const { status, json } = await call('POST', '/tasks', task);
  expect([status, json]).toEqual([201, expect.objectContaining({ request: 'success' })]);
  return json.content.task.id as string;
};
const textOf = async (id: string, stream: string) => (await call('GET', `/tasks/${id}/${stream}`)).text;

describe('a task, when it has ended', () => {
  test('is shown by its id, with how it ended, where, and what it wrote', async () => {
    const made = await call('POST', '/tasks', { ...sample, options: '-mode "two words" $HOME' });
    expect(made.headers.location).toBe(`/tasks/${made.json.content.task.id}`);
    const id = made.json.content.task.id as string;
    const entry = await scheduler.ended(id);
    expect(entry).toMatchObject({
      status: 'finished',
      task: {
        project: 'SampleProject',
        pwd: '***',
        id,
        timestamp: expect.any(Number),
        type: 'xnat',
        script: 'echo.sh',
        state: 'FINISHED',
        exit_code: 0,
        server: expect.any(String),
        job: `/api/job/${id}/`,
      },
      pipeline: { id },
    });
    expect(entry.task).not.toHaveProperty('options');
    const of = (key: 'project' | 'subject' | 'session' | 'host' | 'user') => `[-${key}][${sample[key]}]`;
    expect(await textOf(id, 'stdout')).toBe(
      `${of('project')}${of('subject')}${of('session')}${of('host')}${of('user')}[-mode][two words][$HOME]`,
    );
    // The password came by the environment: it and its parentheses and newline were counted.
    expect(Number(await textOf(id, 'stderr'))).toBe(sample.pwd.length + 3);
    const part = await call('GET', `/tasks/${id}/stdout`, undefined, { headers: { Range: 'bytes=1-8' } });
    expect([part.status, part.text]).toEqual([206, '-project']);
    expect((await call('HEAD', `/tasks/${id}`)).status).toBe(200);
    const job = await scheduler.server.fetch(`/api/job/${id}/`);
    expect(await job.json()).toMatchObject({ executor: 'cloud', state: 'FINISHED', owner: 'scheduler' });
  });

  test('gets its files, and its password in argv where it asks for that', async () => {
    const files = await registered({ ...sample, script: 'cat.sh', files: ['copied.txt'] });
    const argv = await registered({ ...sample, pwd_in_argv: true, options: ['-a', "it's"] });
    expect((await scheduler.ended(files)).status).toBe('finished');
    expect(await textOf(files, 'stdout')).toBe('copied\n');
    await scheduler.ended(argv);
    expect(await textOf(argv, 'stdout')).toMatch(/\[-pwd\]\[a secret password\]\[-a\]\[it's\]$/);
  });

  test('several are listed by their ids in three ways, whoever has ended, unknown ones left out', async () => {
    const ids = [await registered(sample), await registered({ ...sample, script: 'fails.sh' })];
    for (const id of ids) await scheduler.ended(id);
    const asked = [...ids].reverse();
    const ways = [
      await call('POST', '/tasks', [...asked, 'nobody']),
      await call('GET', '/tasks', [...asked, 'nobody']),
      await call('GET', `/tasks?${asked.map((id) => `id=${id}`).join('&')}&id=nobody`),
    ];
    for (const { status, json } of ways) {
      expect(status).toBe(200);
      expect(
        json.content.map((one: { status: string; task: { id: string } }) => [one.status, one.task.id]),
      ).toEqual([
        ['failed', ids[1]],
        ['finished', ids[0]],
      ]);
    }
  });

  test('a process definition runs with its input, and gives its output', async () => {
    const made = await call(
      'POST',
      '/tasks',
      {
        type: 'process',
        process_definition: definition,
        input: { text: 'to large', name: 'in.txt' },
        output: 'large.txt',
      },
      { as: scheduler.server.admin },
    );
    const { id, process_definition } = made.json.content.task;
    expect(process_definition).toBe(`/api/process_definition/${definition}/`);
    const entry = await scheduler.ended(id, { as: scheduler.server.admin });
    expect(entry).toMatchObject({ status: 'finished', task: { type: 'process', exit_code: 0 } });
    const output = await scheduler.server.fetch(`/api/job/${id}/output/`);
    expect([await output.text(), output.headers.get('content-disposition')]).toEqual([
      'TO LARGE',
      expect.stringContaining('large.txt'),
    ]);
  });
});

describe('a task that has not ended', () => {
  test('is cancelled by DELETE, once', async () => {
    const id = await registered({ ...sample, script: 'waits.sh' });
    await waitFor(
      async () => (await textOf(id, 'stdout').catch(() => '')) === 'begun\n',
      'the script to begin',
    );
    expect((await call('GET', '/tasks')).json.content.active.map((task: { id: string }) => task.id)).toEqual([
      id,
    ]);
    const cancelled = await call('DELETE', `/tasks/${id}`);
    expect([cancelled.status, cancelled.json.content]).toEqual([
      200,
      expect.objectContaining({ status: 'failed', task: expect.objectContaining({ state: 'FAILED' }) }),
    ]);
    const again = await call('DELETE', `/tasks/${id}`);
    expect([again.status, again.json.content]).toEqual([409, 'The task has already ended: it is FAILED.']);
  });

  test('waits in its queue, in order, and is cancelled there', async () => {
    const ids: string[] = [];
    for (let number = 0; number < 6; number += 1)
      ids.push(await registered({ ...sample, script: 'waits.sh', session: `s${number}` }));
    const listed = async () => (await call('GET', '/tasks')).json.content;
    await waitFor(async () => (await listed()).active.length === 4, 'four to be active');
    const { queued } = await listed();
    expect(queued.map((task: { id: string }) => task.id)).toEqual(ids.slice(4));
    const old = (await call('GET', '/pipeline')).json.content;
    expect(old.queued.map((one: { session: string }) => one.session)).toEqual(['s4', 's5']);
    expect((await call('GET', '/pipeline', { id: ids[5] })).json.content).toMatchObject({
      status: 'queued',
      pipeline: { id: ids[5], script: 'waits.sh', pwd: '***' },
    });
    expect((await call('GET', '/pipeline', [{ id: ids[5] }, { id: 'x' }])).json.content).toHaveLength(1);
    expect((await call('DELETE', `/tasks/${ids[4]}`)).json.content.status).toBe('failed');
    scheduler.go();
    for (const id of [...ids.slice(0, 4), ids[5] as string])
      expect((await scheduler.ended(id)).status).toBe('finished');
  });

  test('a full queue is told as one, and takes nothing of a list', async () => {
    const full = await startScheduler({}, {});
    full.write('application.yaml', {
      CONNECTOR: 'local',
      LOCAL_SCRIPTS_FOLDER: path.join(full.server.data, 'scripts'),
      REMOTE_BASE_FOLDER: path.join(full.server.data, 'remote'),
      MAX_QUEUED_JOBS: 1,
    });
    try {
      await full.server.stop();
      await full.server.restart();
      const waits = { ...sample, script: 'waits.sh' };
      const list = await full.call('POST', '/tasks', [waits, waits, waits, waits]);
      expect(list.status).toBe(207);
      const statuses = list.json.content.map((one: { status: string }) => one.status);
      expect([statuses[0], statuses.at(-1)]).toEqual(['queued', 'error']);
      for (const body of [waits, [waits, waits]]) {
        const refused = await full.call('POST', '/tasks', body);
        expect([refused.status, refused.headers['retry-after'], refused.json.content]).toEqual([
          429,
          '5',
          expect.stringContaining('MAX_QUEUED_JOBS'),
        ]);
      }
      expect((await full.call('POST', '/pipeline', waits)).status).toBe(429);
    } finally {
      await full.server.remove();
    }
  });
});

describe('servers', () => {
  test('are shown with what they run and how often they may still, by every name that they have', async () => {
    // A task may take the last use of a server that the tests before have left: then the next one has a new server.
    const server = await waitFor(async () => {
      await scheduler.ended(await registered(sample));
      const { queued } = (await call('GET', '/servers')).json.content;
      return queued.find(({ ttl }: { ttl: number }) => ttl === 1);
    }, 'an idle server with a use left');
    expect(Object.keys(server).slice(0, 4)).toEqual(['id', 'name', 'ip', 'ttl']);
    expect(server).toMatchObject({
      ip: '127.0.0.1',
      ttl: 1,
      state: 'idle',
      application: 'default',
      task: null,
    });
    for (const name of [server.id, server.name]) {
      expect((await call('GET', `/servers/${name}`)).json.content).toEqual({ status: 'queued', server });
      expect((await call('POST', '/servers', [name, 'nobody'])).json.content).toEqual([
        { status: 'queued', server },
      ]);
      expect((await call('GET', `/servers?id=${name}`)).json.content).toHaveLength(1);
      expect((await call('GET', '/instance', { id: name })).json.content).toMatchObject({
        status: 'queued',
        instance: { id: server.id, timeToLive: 1, associatedPipeline: null },
      });
      expect((await call('GET', '/instance', [{ id: name }, { id: 'x' }])).json.content).toHaveLength(1);
    }
  });

  test('a dry run tells which would be deleted, and none that is needed goes', async () => {
    const before = (await call('GET', '/servers')).json.content;
    for (const query of ['?dry_run=1', '?dry_run=1&all=1', '', '?all=1']) {
      const answer = await call('DELETE', `/servers/untracked${query}`);
      expect([answer.status, answer.json]).toEqual([200, { request: 'success', content: [] }]);
    }
    expect((await call('GET', '/servers')).json.content).toEqual(before);
  });
});

describe('what a single task wants of its server', () => {
  test('gives it one of its own kind, also over a restart', async () => {
    const wish = { image: 'special', user_data: '#cloud-config\n' };
    const first = await registered({ ...sample, ...wish, script: 'waits.sh', session: 'one' });
    const plain = await registered({ ...sample, session: 'plain' });
    await scheduler.ended(plain);
    await waitFor(
      async () => (await textOf(first, 'stdout').catch(() => '')) === 'begun\n',
      'the script to begin',
    );
    const servers = async () => {
      const { active, queued } = (await call('GET', '/servers')).json.content;
      return [...active, ...queued] as {
        name: string;
        application: string;
        task: string | null;
        ttl: number;
      }[];
    };
    const own = (await servers()).find(({ task }) => task === first);
    expect(own?.application).toMatch(/^default~[0-9a-f]{12}$/);
    // What it gives its server is nobody else's: it is not shown, and no other job can ask for such a server by its name.
    const { server } = scheduler;
    const shown = (await (await server.fetch(`/api/job/${first}/`)).json()) as { request: object };
    expect(shown.request).toMatchObject({ server: { image: 'special', user_data: '***' } });
    const definition = await server.register({ name: 'taker', exec: 'true', executor: 'cloud' });
    const taken = await server.fetch(`/api/process_definition/${definition}/run/`, {
      json: { application: own?.application },
    });
    expect([taken.status, await taken.text()]).toEqual([
      400,
      expect.stringContaining('there is no application'),
    ]);
    await scheduler.server.kill();
    await scheduler.server.restart();
    scheduler.go();
    expect((await scheduler.ended(first)).status).toBe('finished');
    // The same wish is served by the same server; it was not let go for being unknown.
    const second = await registered({ ...sample, ...wish });
    expect((await scheduler.ended(second)).task.server).toBe(own?.name);
    const job = (await (await scheduler.server.fetch(`/api/job/${second}/`)).json()) as { request: object };
    expect(job.request).toMatchObject({ server: { ...wish, user_data: '***' } });
  });
});
