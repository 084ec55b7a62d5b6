import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

interface Answer {
  request: 'success' | 'error';
  // biome-ignore lint/suspicious/noExplicitAny: as various as what it answers
  content: any;
}

/** The sample variables of the older documents. */
const variables = {
  session: 'SampleSession',
  project: 'SampleProject',
  subject: 'SampleSubject',
  host: 'http://127.0.0.1:8080/xnat/',
  user: 'admin',
  pwd: 'admin',
  script: 'echo.sh',
  type: 'xnat',
};
const pairs = (keys: readonly (keyof typeof variables)[]) =>
  `{${keys.map((key) => `"${key}":"'\${${key}}'"`).join(',')}}`;
const task = pairs(['project', 'subject', 'session', 'host', 'user', 'pwd', 'script', 'type']);
const pipeline = pairs(['project', 'subject', 'session', 'host', 'user', 'pwd', 'script']);
const json = "-H 'Content-Type: application/json'";

let server: TestServer;
let folder: string;
/** The script `gated.sh` ends when this file is there: until then its server is not idle, and does not go. */
const gate = () => path.join(folder, 'go');
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-scheduler-'));
  mkdirSync(path.join(folder, 'scripts'));
  const marked = 'echo "OUTPUTMARKER1;2OUTPUTMARKER"\n';
  writeFileSync(path.join(folder, 'scripts', 'echo.sh'), `printf "[%s]" "$@"; ${marked}`);
  writeFileSync(path.join(folder, 'scripts', 'fails.sh'), 'echo out; echo err >&2; exit 3\n');
  writeFileSync(
    path.join(folder, 'scripts', 'gated.sh'),
    `until [ -e '${gate()}' ]; do sleep 0.05; done; ${marked}`,
  );
  server = await startServer({
    application: {
      CONNECTOR: 'local',
      MAX_ACTIVE_TASKS: 5,
      VIRTUAL_SERVER_TTL: 4,
      IDLE_TIMEOUT: 1,
      LOCAL_SCRIPTS_FOLDER: path.join(folder, 'scripts'),
      REMOTE_BASE_FOLDER: path.join(folder, 'remote'),
      TIMETEST_CSV_FILE: path.join(folder, 'times.csv'),
    },
  });
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command as it stands in the document. */
function bash(command: string, more: Record<string, string> = {}): Answer {
  const env = { PATH: process.env.PATH, server: server.url, ...variables, ...more };
  const text = execFileSync('bash', ['-c', command.replace(/^curl/, 'curl -s')], { env, encoding: 'utf8' });
  return JSON.parse(text) as Answer;
}
const ended = (id: string): Promise<Answer['content']> =>
  waitFor(() => {
    const [found] = bash(`curl ${json} -d '["'\${id}'"]' "\${server}/tasks"`, { id }).content;
    return found.status === 'active' || found.status === 'queued' ? null : found;
  }, `the task ${id} to end`);

describe('every command of the document works as printed', () => {
  let ids: string[] = [];

  test('/tasks: lists none, takes one and two, lists by id', async () => {
    expect(bash('curl ${server}/tasks')).toEqual({ request: 'success', content: { active: [], queued: [] } });
    const one = bash(`curl -X POST ${json} -d '${task}' "\${server}/tasks"`);
    expect(one).toMatchObject({
      request: 'success',
      content: { status: 'queued', task: { project: 'SampleProject', session: 'SampleSession', pwd: '***' } },
    });
    expect(Object.keys(one.content.task).slice(0, 8)).toEqual(
      'project subject session host user pwd id timestamp'.split(' '),
    );
    const two = bash(`curl -X POST ${json} -d '[${task},${task}]' "\${server}/tasks"`);
    expect(two.content.map(({ status }: { status: string }) => status)).toEqual(['queued', 'queued']);
    ids = [one.content, ...two.content].map((each) => each.task.id as string);
    for (const id of ids)
      expect(await ended(id)).toMatchObject({ status: 'finished', task: { exit_code: 0 } });
    const [id = '', other = ''] = ids;
    const listed = bash(`curl ${json} -d '["'\${id}'","'\${other}'","unknown"]' "\${server}/tasks"`, {
      id,
      other,
    });
    expect(listed.content.map((each: Answer['content']) => [each.task.id, each.pipeline.id])).toEqual([
      [id, id],
      [other, other],
    ]);
  });

  test('/servers: lists all, and by id; untracked ones are deleted', async () => {
    const made = bash(`curl -X POST ${json} -d '${task}' "\${server}/tasks"`, { script: 'gated.sh' });
    const [first] = await waitFor(() => {
      const { active, queued } = bash('curl ${server}/servers').content;
      const all = [...active, ...queued].filter(({ ip }) => ip !== null);
      return all.length > 0 ? all : null;
    }, 'a server');
    expect(first).toMatchObject({ id: expect.any(String), name: expect.any(String), ip: '127.0.0.1' });
    const listed = bash(`curl ${json} -d '["'\${id}'","'\${id}'"]' "\${server}/servers"`, { id: first.id });
    expect(listed.content.every((each: Answer['content']) => each.server.id === first.id)).toBe(true);
    expect(bash('curl -X DELETE ${server}/servers/untracked')).toEqual({ request: 'success', content: [] });
    writeFileSync(gate(), '');
    expect(await ended(made.content.task.id)).toMatchObject({ status: 'finished' });
    rmSync(gate());
  });

  test('/config: shows three files, and reads them again', () => {
    const shown = bash('curl ${server}/config');
    expect(shown.content).toHaveLength(3);
    expect(Object.keys(shown.content[0]).slice(0, 8)).toEqual(
      'MAX_ACTIVE_TASKS VIRTUAL_SERVER_TTL CONNECTOR LOCAL_SCRIPTS_FOLDER REMOTE_BASE_FOLDER TIMETEST_CSV_FILE HOST PORT'.split(
        ' ',
      ),
    );
    expect(bash('curl -X PUT ${server}/config')).toEqual(shown);
  });

  test("the first version's: /pipeline and /instance", async () => {
    const one = bash(`curl -X POST ${json} -d '${pipeline}' "\${server}/pipeline"`, { script: 'gated.sh' });
    expect(one).toMatchObject({
      request: 'success',
      content: { status: 'queued', pipeline: { pwd: '***' } },
    });
    const { content: two } = bash(
      `curl -X POST ${json} -d '[${pipeline},${pipeline}]' "\${server}/pipeline"`,
    );
    expect(two).toHaveLength(2);
    expect(Object.keys(bash('curl ${server}/pipeline').content)).toEqual(['active', 'queued']);
    const instance = await waitFor(() => {
      const { active, queued } = bash('curl ${server}/instance').content;
      return [...active, ...queued].find(({ ip }) => ip !== null);
    }, 'an instance');
    expect(instance).toMatchObject({ ip: '127.0.0.1', timeToLive: expect.any(Number) });
    writeFileSync(gate(), '');
    expect(await ended(one.content.pipeline.id)).toMatchObject({ status: 'finished' });
    expect(bash('curl -X DELETE ${server}/instance').content).toBe('deleted all untracked vm instances');
  });
});

test('a bad task says why, and good ones beside it are taken', async () => {
  const { request, content } = bash(
    `curl -X POST ${json} -d '[{"type":"xnot"},${task},{"type":"xnat","script":"ecko.sh"}]' "\${server}/tasks"`,
  );
  expect(request).toBe('error');
  expect(content[0]).toMatchObject({
    status: 'error',
    content: expect.stringContaining('did you mean "xnat"?'),
  });
  expect(content[1].status).toBe('queued');
  expect(content[2].errors.map(({ pointer }: { pointer: string }) => pointer)).toContain('/project');
  await ended(content[1].task.id);
});

test('a script that fails is a failed task, with its output and its exit code', async () => {
  const { content } = bash(`curl -X POST ${json} -d '${task}' "\${server}/tasks"`, { script: 'fails.sh' });
  const { id } = content.task;
  expect(await ended(id)).toMatchObject({ status: 'failed', task: { exit_code: 3 } });
  const bytes = async (stream: string) => (await fetch(`${server.url}/tasks/${id}/${stream}`)).text();
  expect([await bytes('stdout'), await bytes('stderr')]).toEqual(['out\n', 'err\n']);
});

test('fifty tasks: no server runs more than its four, none idles for long, and each task has its line of times', async () => {
  const file = path.join(folder, 'times.csv');
  const lines = () => readFileSync(file, 'utf8').split('\n').slice(1);
  const before = lines().length;
  const all = Array.from({ length: 50 }, () => ({ ...variables }));
  const answer = await fetch(`${server.url}/tasks`, { method: 'POST', body: JSON.stringify(all) });
  expect(answer.status).toBe(201);
  let most = 0;
  await waitFor(async () => {
    const { active, queued } = bash('curl ${server}/servers').content;
    most = Math.max(most, active.length + queued.length);
    return lines().length === before + 50;
  }, 'fifty lines');
  expect(most).toBeLessThanOrEqual(5);
  for (const line of lines()) expect(line).toMatch(/^\d+\.\d\d;\d+\.\d\d;\d+\.\d\d;1;2;$/);
  const { objects } = (await (await server.fetch('/api/server/?limit=0')).json()) as {
    objects: { uses: number; state: string }[];
  };
  expect(Math.max(...objects.map(({ uses }) => uses))).toBe(4);
  await waitFor(() => bash('curl ${server}/servers').content.queued.length === 0, 'idle servers to go');
});
